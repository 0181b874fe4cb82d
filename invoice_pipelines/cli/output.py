"""Holds what commands print with: the console for people, and the consoles' common forms."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

console = Console(highlight=False)


def literal(text: str) -> Text:
    """A text as it is: neither markup of ours nor control sequences for the terminal, whoever wrote it."""
    return Text("".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text))


class _LiteralTable(Table):
    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(literal(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def table(title: str | None, *columns: str) -> Table:
    """A plain table; columns whose names start with `#` hold numbers. Texts in it are shown literally."""
    made = _LiteralTable(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left", overflow="fold")
    return made


def print_json(value: Any) -> None:
    """A value as one line of JSON, for programs; what JSON does not know as text."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")


def compact_json(value: Any) -> str:
    """A value as JSON within a line for people."""
    return json.dumps(value, default=str, ensure_ascii=False)
