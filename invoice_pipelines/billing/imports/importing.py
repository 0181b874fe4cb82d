"""Imports of CSV files: which columns each kind has, and what writes its rows.

What exists already is changed or left alone, so that the same file twice doubles nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TextIO

from sqlalchemy import Connection

from invoice_pipelines.billing.imports.csv_rows import FileProblem, Record, read_rows, write_records
from invoice_pipelines.billing.records.master_data import (
    NewCustomer,
    NewItem,
    NewTaxRate,
    upsert_customers,
    upsert_items,
    upsert_tax_rates,
)
from invoice_pipelines.billing.records.rows import GIVEN_TWICE, Result, RowOutcome
from invoice_pipelines.billing.records.sales_orders import NewLine, upsert_orders
from invoice_pipelines.organizations.context import OrganizationContext

MOST_PROBLEMS = 50
"""Wrong rows that a report names; it counts all of them."""

_ORDER_COLUMNS = {
    "order_number": "order_number",
    "customer_number": "customer_number",
    "status": "status",
    "currency": "currency",
    "order_date": "order_date",
    "delivery_date": "delivery_date",
    "order_period_start": "period_start",
    "order_period_end": "period_end",
    "purchase_order_reference": "purchase_order_reference",
    "order_discount_percent": "discount_percent",
    "note": "note",
}
"""Columns of an orders file that say something of the whole order, and the field that each one fills."""
_LINE_COLUMNS = tuple(NewLine.model_fields)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the records of a file: `written` ones were added or changed, `known` ones exist and stay as they
    are, `left_out` ones are wrong. `problems` are the first reasons.
    """

    written: int
    known: int
    left_out: int
    problems: tuple[FileProblem, ...]


@dataclass(frozen=True, slots=True)
class _Kind:
    columns: Sequence[str]
    needed: Sequence[str]
    write: Callable[[Connection, list[Mapping[str, Any]], str], Sequence[RowOutcome]]
    records: Callable[[Iterable[Record]], Iterable[Record]]


def _once(key: str) -> Callable[[Iterable[Record]], Iterator[Record]]:
    """The rows, of which a later one with the same key is a problem: which of the two is right, nobody knows."""

    def records(rows: Iterable[Record]) -> Iterator[Record]:
        seen: set[str] = set()
        for row in rows:
            value = row.values.get(key)
            if value is not None and value in seen:
                yield Record(row.line, row.values, (key, GIVEN_TWICE.format(value)))
            else:
                seen.update([value] if value is not None else [])
                yield row

    return records


def _grouped(rows: Iterable[Record]) -> Iterator[Record]:
    """Orders, each of the rows that stand together."""
    seen: set[str] = set()
    for number, group in groupby(rows, key=lambda row: row.values.get("order_number")):
        entries = list(group)
        values: dict[str, Any] = {"lines": []}
        problem: tuple[int, tuple[str, str]] | None = None
        if number is None:
            problem = (entries[0].line, ("order_number", "it is missing"))
        elif number in seen:
            problem = (entries[0].line, ("order_number", f"the rows of {number} do not stand together"))
        else:
            seen.add(number)
        for entry in entries:
            if entry.problem is not None:
                problem = problem or (entry.line, entry.problem)
            for name, field in _ORDER_COLUMNS.items():
                if name not in entry.values:
                    continue
                if entry is entries[0]:
                    values[field] = entry.values[name]
                elif values.get(field) != entry.values[name]:
                    problem = problem or (entry.line, (name, "it is not that of the order's first row"))
            values["lines"].append({name: entry.values[name] for name in _LINE_COLUMNS if name in entry.values})
        if problem is not None:
            yield Record(problem[0], {}, problem[1])
        else:
            yield Record(entries[0].line, values, lines_at=tuple(entry.line for entry in entries))


KINDS: Mapping[str, _Kind] = {
    "customers": _Kind(
        tuple(NewCustomer.model_fields),
        ("customer_number",),
        lambda connection, rows, author: upsert_customers(connection, rows, created_by=author),
        _once("customer_number"),
    ),
    "items": _Kind(
        tuple(NewItem.model_fields),
        ("sku",),
        lambda connection, rows, author: upsert_items(connection, rows, created_by=author),
        _once("sku"),
    ),
    "tax_rates": _Kind(
        tuple(NewTaxRate.model_fields),
        ("tax_category", "rate"),
        lambda connection, rows, _: upsert_tax_rates(connection, rows),
        lambda rows: rows,
    ),
    "orders": _Kind(
        (*_ORDER_COLUMNS, *_LINE_COLUMNS),
        ("order_number", "quantity"),
        lambda connection, rows, author: upsert_orders(connection, rows, created_by=author, change_known=False),
        _grouped,
    ),
}
"""What can be imported."""


def records_of(kind: str, stream: TextIO, name: str) -> Iterable[Record]:
    """The records of a CSV file of a kind. Raises BillingError as import_csv does."""
    spec = KINDS[kind]
    return spec.records(read_rows(stream, name, spec.columns, spec.needed))


def import_csv(
    organization: OrganizationContext, kind: str, stream: TextIO, name: str, *, write: bool = True
) -> ImportReport:
    """Adds or changes what a CSV file of a kind (see KINDS) holds; without `write`, only reports what would become of
    it. Wrong rows are left out and stop nothing else.

    Raises BillingError for a file that is no such CSV, has a column that is not known or lacks one that is needed.
    """
    spec = KINDS[kind]
    problems: list[FileProblem] = []
    records = records_of(kind, stream, name)

    def add(connection: Connection, rows: list[Mapping[str, Any]]) -> Sequence[RowOutcome]:
        return spec.write(connection, rows, organization.actor)

    results = Counter(
        outcome.result for outcome in write_records(organization, records, add, problems.append, keep=write)
    )
    return ImportReport(
        results[Result.CREATED] + results[Result.CHANGED],
        results[Result.UNCHANGED],
        results[Result.FAILED],
        tuple(problems[:MOST_PROBLEMS]),
    )
