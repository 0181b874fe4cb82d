"""What commands print with: the console for people, tables, JSON for programs, and how a command ends with problems.

Names of files, numbers of invoices and messages from outside are data, and are shown as they are: rich would take
`[red]` in them for markup, and a terminal would take control characters for commands. So every string that is printed
here is shown literally. What is to look different is said by `style=`, or with `styled`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from invoice_pipelines.columns import columns_of, value_of

PROBLEMS = 1
"""Exit code of a command that did what it could and found problems."""


def exit_if(has_problems: bool) -> None:
    """Ends the command with 1 where it found problems."""
    if has_problems:
        raise typer.Exit(PROBLEMS)


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


def say(text: str) -> None:
    """Prints a line that is not broken where the terminal ends, so that it can be copied."""
    console.print(text, soft_wrap=True)


class LiteralTable(Table):
    """A table whose cells may be of any kind; see `table`."""

    zone: tzinfo = UTC

    def add_row(self, *cells: object, **options: Any) -> None:
        super().add_row(*(_cell(cell, self.zone) for cell in cells), **options)


def _cell(value: object, zone: tzinfo) -> RenderableType:
    if isinstance(value, datetime):
        return moment(value, zone)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return value if isinstance(value, Text) else literal("" if value is None else str(value))


def moment(at: datetime | None, zone: tzinfo = UTC, *, seconds: bool = False) -> str:
    """A moment as the clock of a time zone shows it, to the minute or the second; UTC says so. Nothing for none."""
    if at is None:
        return ""
    shown = at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    return f"{shown} UTC" if zone is UTC else shown


def table(title: str | None, *columns: str, zone: tzinfo = UTC) -> LiteralTable:
    """A plain table; columns whose names start with `#` hold numbers, and those that start with `!` are never broken.

    Cells are shown literally: numbers with separators of thousands, moments by the clock of `zone`, None as nothing.
    """
    made = LiteralTable(
        title=title and literal(title).plain, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    made.zone = zone
    for column in columns:
        made.add_column(
            literal(column.lstrip("#!")).plain,
            justify="right" if column.startswith("#") else "left",
            overflow="fold",
            no_wrap=column.startswith("!"),
        )
    return made


def listed(rows: Iterable[Any], declared: str, *, title: str | None = None, zone: tzinfo = UTC) -> LiteralTable:
    """A table of rows with the declared columns; see `columns`, and `table` for `#` and `!` before a heading. Texts are
    shown on one line.
    """
    columns = columns_of(declared)
    made = table(title, *(heading for heading, _ in columns), zone=zone)
    for row in rows:
        values = (value_of(row, name) for _, name in columns)
        made.add_row(*(one_line(value) if isinstance(value, str) else value for value in values))
    return made


def print_rows(
    rows: Iterable[Any], columns: str, *, title: str | None = None, zone: tzinfo = UTC, none: str | None = None
) -> None:
    """Prints `listed` rows; without any, what `none` says."""
    made = listed(rows, columns, title=title, zone=zone)
    if made.row_count:
        console.print(made)
    elif none is not None:
        console.print(none)


def print_facts(facts: Mapping[str, object], *columns: str) -> None:
    """Prints names and values, a line each. Without headings, only what there is a value of."""
    made = table(None, *(columns or ("", "")))
    for name, value in facts.items():
        if columns or value:
            made.add_row(name, value)
    console.print(made)


def print_json(value: Any) -> None:
    """A value as one line of JSON, for programs; what JSON does not know as text."""
    sys.stdout.write(compact_json(value) + "\n")


def compact_json(value: Any) -> str:
    """A value as JSON within a line for people."""
    return json.dumps(value, default=str, ensure_ascii=False)
