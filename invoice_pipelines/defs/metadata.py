"""How counts, tables and charts are shown in the Dagster UI, whatever the domain. Nothing is counted here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import dagster as dg

from invoice_pipelines.columns import columns_of, value_of
from invoice_pipelines.database.tables import COLUMNS

LONGEST_TABLE = 20
"""Rows of a table in metadata, which stays in the event log as long as its run."""

LONGEST_TEXT = 300
LONGEST_BAR = 30
BAR_PIXELS = 8
"""Of a bar of length 1."""

SHADES = {
    "blue": "#3b82f6",
    "magenta": "#c026d3",
    "yellow": "#eab308",
    "cyan": "#06b6d4",
    "green": "#16a34a",
    "red": "#dc2626",
}
"""How ANSI's colours look on a page, light or dark."""


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """The first rows as a table; its columns are those of the first one. Amounts, ids and days are text, since a number
    in a table is a float; long texts are cut off.
    """
    shown = [dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows[:LONGEST_TABLE]]
    columns = [dg.TableColumn(name=name) for name in rows[0]] if rows else []
    return dg.MetadataValue.table(shown, schema=dg.TableSchema(columns=columns))


def table_of(rows: Iterable[Any], declared: str) -> dg.TableMetadataValue:
    """The first rows as a table with the declared columns; see `columns`."""
    columns = columns_of(declared)
    return table([{heading: value_of(row, name) for heading, name in columns} for row in rows])


def _cell(value: Any) -> str | int | float | bool:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:,}"
    return value if isinstance(value, int | float) else str(value)[:LONGEST_TEXT]


def without_empty_tables(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth showing: a table of failures only where something failed."""
    return {
        name: value
        for name, value in metadata.items()
        if not (isinstance(value, dg.TableMetadataValue) and not value.records)
    }


def with_columns(metadata: Mapping[str, Any], meanings: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """The metadata of an asset with the columns of the table that it names, and what they mean where that is given."""
    columns = COLUMNS.get(str(metadata.get("dagster/table_name")), {})
    schema = dg.TableSchema(
        [dg.TableColumn(name, type_name, description=meanings.get(name)) for name, type_name in columns.items()]
    )
    return ({"dagster/column_schema": schema} if columns else {}) | dict(metadata)


def bar_chart(
    label: str,
    what: str,
    counts: Iterable[tuple[str, int | Decimal]],
    colours: Mapping[str, str] = MappingProxyType({}),
) -> dg.MarkdownMetadataValue:
    """Counts or amounts as bars, the longest for the largest one; `label` and `what` head the columns. Bars have the
    colour of their name, one of `SHADES`, where it has one.
    """
    rows = list(counts)
    largest = max((count for _, count in rows), default=0) or 1
    lines = [f"| {label} | {what} | |", "| --- | ---: | --- |"]
    for name, count in rows:
        length = max(round(LONGEST_BAR * count / largest), 1 if count else 0)
        bar = _coloured_bar(length, colours[name]) if length and name in colours else "█" * length
        lines.append(f"| {name} | {count:,} | {bar} |")
    return dg.MetadataValue.md("\n".join(lines))


def _coloured_bar(length: int, colour: str) -> str:
    """A bar as a picture, since the UI shows Markdown without any other colour."""
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{length * BAR_PIXELS}" height="14">'
        f'<rect width="100%" height="14" rx="2" fill="{SHADES[colour]}"/></svg>'
    )
    return f"![{colour}](data:image/svg+xml;base64,{b64encode(drawn.encode()).decode()})"


def one_line(text: str) -> str:
    """A message without what Markdown would make something of: it may quote a document."""
    return " ".join("".join(sign if sign not in "[]()<>`*_|!\\" else " " for sign in text).split())
