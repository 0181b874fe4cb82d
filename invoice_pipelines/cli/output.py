"""What commands print with: the console for people, tables, JSON for programs, and how a command ends with problems.

Names of files, numbers of invoices and messages from outside are data, and are shown as they are: rich would take
`[red]` in them for markup, and a terminal would take control characters for commands. So every string that is printed
here is shown literally. What is to look different is said by `style=`, or with `styled`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from invoice_pipelines.cli.tables import Cell, Column, Grid, wrapped
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
    """Prints strings literally, breaks lines in terminals only, and there between words."""

    def print(self, *objects: Any, **options: Any) -> None:
        if not self.is_terminal:
            options.setdefault("soft_wrap", True)
        options.setdefault("crop", False)
        super().print(*(literal(each) if isinstance(each, str) else each for each in objects), **options)


console = _LiteralConsole(highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    """Prints a text with all its words whole, also those that are longer than a line, such as paths."""
    lines = wrapped(text, console.width) if console.is_terminal else [text]
    console.print("\n".join(lines), soft_wrap=True)


class LiteralTable(Grid):
    """A table whose cells may be of any kind; see `table`."""

    zone: tzinfo = UTC

    def add_row(self, *cells: object) -> None:
        """Adds a row."""
        self.add(_cell(cell, self.zone) for cell in cells)


def _cell(value: object, zone: tzinfo) -> Cell:
    if isinstance(value, datetime):
        return Cell(moment(value, zone), is_whole=True)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int | Decimal):
        return Cell(f"{value:,}", is_whole=True)
    if isinstance(value, float):
        return Cell(f"{value:,.1f}", is_whole=True)
    if isinstance(value, Text):
        return Cell(value.plain, value.style)
    text = "" if value is None else literal(str(value)).plain
    return Cell(text, is_whole="\n" in text)


def moment(at: datetime | None, zone: tzinfo = UTC, *, seconds: bool = False) -> str:
    """A moment as the clock of a time zone shows it, to the minute or the second; UTC says so. Nothing for none."""
    if at is None:
        return ""
    shown = at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    return f"{shown} UTC" if zone is UTC else shown


def table(title: str | None, *columns: str, zone: tzinfo = UTC) -> LiteralTable:
    """A plain table with its most important columns first, as those that have no room stand below the row.

    Columns whose names start with `#` hold numbers, those that start with `!` are never folded, and of those that start
    with `~` the last characters suffice: ids that commands know by them.

    Cells are shown literally: numbers with separators of thousands, moments by the clock of `zone`, None as nothing.
    """
    made = LiteralTable(title and literal(title).plain, [_column(column) for column in columns])
    made.zone = zone
    return made


def _column(declared: str) -> Column:
    mark, heading = declared[:1], literal(declared.lstrip("#!~")).plain
    return Column(heading, is_number=mark == "#", is_whole=mark in ("!", "~"), is_id=mark == "~")


def listed(rows: Iterable[Any], declared: str, *, title: str | None = None, zone: tzinfo = UTC) -> LiteralTable:
    """A table of rows with the declared columns; see `columns`, and `table` for the marks before a heading. Texts are
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


def print_list(
    rows: Sequence[Any],
    columns: str,
    *,
    as_json: bool,
    limit: int,
    zone: tzinfo = UTC,
    none: str | None = None,
    cursor: str = "id",
) -> None:
    """Prints a page of rows: a table, and how to go on where there may be more; or a line of JSON for each row.

    `cursor` is what of the last row `--after` takes.
    """
    if as_json:
        print_json_lines(rows)
        return
    print_rows(rows, columns, zone=zone, none=none)
    if len(rows) == limit:
        console.print(f"There may be more: add --after {value_of(rows[-1], cursor)}")


def print_facts(facts: Mapping[str, object], *columns: str) -> None:
    """Prints names and values, a line each. Without headings, only what there is a value of; zero and no are values."""
    made = table(None, *(columns or ("", "")))
    for name, value in facts.items():
        if columns or value or value in (0, False):
            made.add_row(name, value)
    console.print(made)


def print_record(record: Any, *, without: Collection[str] = ()) -> None:
    """Prints the fields of a dataclass as facts, but for some that are shown in another way."""
    print_facts({name.replace("_", " "): value for name, value in asdict(record).items() if name not in without})


def print_one(record: Any, *, as_json: bool) -> None:
    """Prints a record by itself: its fields as facts, or a line of JSON."""
    if as_json:
        print_json(record)
    else:
        print_record(record)


def print_json(value: Any) -> None:
    """A value as one line of JSON, for programs. Amounts are texts, moments RFC 3339 in UTC, durations seconds."""
    sys.stdout.write(compact_json(value) + "\n")


def print_json_lines(rows: Iterable[Any]) -> None:
    """Rows as one line of JSON each."""
    for row in rows:
        print_json(row)


def compact_json(value: Any) -> str:
    """A value as JSON within a line for people."""
    return json.dumps(value, default=_in_json, ensure_ascii=False)


def _in_json(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    return dict(value) if isinstance(value, Mapping) else str(value)
