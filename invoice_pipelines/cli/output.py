"""What commands print with: the console for people, and the consoles' common forms.

Names of files, numbers of invoices and messages from outside are data, and are shown as they are: rich would take
`[red]` in them for markup, and a terminal would take control characters for commands. So every string that is printed
here is shown literally. What is to look different is said by `style=`, or with `styled`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text


def literal(text: str) -> Text:
    """A text as it is: neither markup of ours nor control sequences for the terminal, whoever wrote it."""
    return Text("".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text))


def one_line(text: str) -> str:
    """A name as it is, on one line: a line break in it is no line break of ours, nor is anything else a command."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def styled(text: str, style: str) -> Text:
    """A name on one line, in a style of rich."""
    return Text(one_line(text), style=style)


class _LiteralConsole(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(literal(each) if isinstance(each, str) else each for each in objects), **options)


console = _LiteralConsole(highlight=False, markup=False, emoji=False)


class _LiteralTable(Table):
    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(literal(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def table(title: str | None, *columns: str) -> Table:
    """A plain table; columns whose names start with `#` hold numbers. Texts in it are shown literally."""
    made = _LiteralTable(
        title=title and literal(title).plain, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for column in columns:
        made.add_column(
            literal(column.lstrip("#")).plain, justify="right" if column.startswith("#") else "left", overflow="fold"
        )
    return made


def print_json(value: Any) -> None:
    """A value as one line of JSON, for programs; what JSON does not know as text."""
    sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")


def compact_json(value: Any) -> str:
    """A value as JSON within a line for people."""
    return json.dumps(value, default=str, ensure_ascii=False)
