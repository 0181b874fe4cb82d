"""The commands that take CSV files (`customers import`, `items import`, `tax-rates import`, `orders import`), and
`orders status`.

A wrong row is named with its line and field and left out; it stops nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any
from uuid import UUID

import typer
from sqlalchemy import Connection

from invoice_pipelines.billing.corrections import set_order_status
from invoice_pipelines.billing.master_data import (
    NewCustomer,
    NewItem,
    NewTaxRate,
    add_customers,
    add_items,
    add_tax_rates,
)
from invoice_pipelines.billing.requests import order_ids
from invoice_pipelines.billing.rows import GIVEN_TWICE
from invoice_pipelines.billing.sales_orders import AddedOrder, NewLine, add_orders
from invoice_pipelines.cli.billing import books
from invoice_pipelines.cli.billing.csv_files import FileProblem, Record, read_csv, write_records
from invoice_pipelines.cli.options import CsvFile, OrganizationOption, examples
from invoice_pipelines.cli.output import console, exit_if, print_rows, table
from invoice_pipelines.cli.person import opened, person, scope_of

SHOWN_PROBLEMS = 50

customers = typer.Typer(
    help="Customers: list, show, import.",
    no_args_is_help=True,
    epilog=examples(
        "customers import customers.csv --organization acme",
        "customers list --organization acme --json",
    ),
)
items = typer.Typer(
    help="Items: list, show, import.",
    no_args_is_help=True,
    epilog=examples(
        "items import items.csv --organization acme",
        "items show LAMP-1 --organization acme",
    ),
)
tax_rates = typer.Typer(
    help="Tax rates: list, import.",
    no_args_is_help=True,
    epilog=examples(
        "tax-rates import rates.csv --organization acme",
        "tax-rates list --organization acme",
    ),
)
orders = typer.Typer(
    help="Sales orders: list, show, import, change of status.",
    no_args_is_help=True,
    epilog=examples(
        "orders import orders.csv --organization acme",
        "orders list --status pending --organization acme",
        "orders status reviewed ORDER-1 ORDER-2 --organization acme",
    ),
)

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


for group, listing in (
    (customers, books.customers),
    (items, books.items),
    (tax_rates, books.tax_rates),
    (orders, books.orders),
):
    group.add_typer(listing)


@customers.command("import")
def import_customers(file: CsvFile, organization: OrganizationOption) -> None:
    """Add or change customers by customer_number. Empty cells keep what is known. Exits 1 if a row is wrong."""
    _import(
        file,
        organization,
        _once(read_csv(file, tuple(NewCustomer.model_fields), ("customer_number",)), "customer_number"),
        lambda connection, rows: add_customers(connection, rows, created_by=person()),
        lambda written: [f"{written} customers added or changed"],
    )


@items.command("import")
def import_items(file: CsvFile, organization: OrganizationOption) -> None:
    """Add or change items by SKU. Empty cells keep what is known, also the stock. Exits 1 if a row is wrong."""
    _import(
        file,
        organization,
        _once(read_csv(file, tuple(NewItem.model_fields), ("sku",)), "sku"),
        lambda connection, rows: add_items(connection, rows, created_by=person()),
        lambda written: [f"{written} items added or changed"],
    )


@tax_rates.command("import")
def import_tax_rates(file: CsvFile, organization: OrganizationOption) -> None:
    """Add or change tax rates by category and rate. Exits 1 if a row is wrong."""
    _import(
        file,
        organization,
        read_csv(file, tuple(NewTaxRate.model_fields), ("tax_category", "rate")),
        lambda connection, rows: add_tax_rates(connection, rows),
        lambda written: [f"{written} tax rates added or changed"],
    )


@orders.command("import")
def import_orders(file: CsvFile, organization: OrganizationOption) -> None:
    """Add sales orders, one row per line; the rows of an order stand together. Exits 1 if an order is wrong.

    An order whose number exists is left as it is. Columns of the whole order: order_number, customer_number, status,
    currency, order_date, delivery_date, order_period_start, order_period_end, purchase_order_reference,
    order_discount_percent, note; they may stand in the first row of the order alone. Of the line: sku, description,
    quantity, unit_code, unit_price, discount_percent, tax_category, tax_rate, period_start, period_end.
    """
    known = 0

    def write(connection: Connection, rows: list[Mapping[str, Any]]) -> Sequence[AddedOrder]:
        return add_orders(connection, rows, created_by=person())

    def count_known(written: Sequence[Any]) -> None:
        nonlocal known
        known += sum(not order.is_new for order in written)

    _import(
        file,
        organization,
        _grouped(read_csv(file, (*_ORDER_COLUMNS, *_LINE_COLUMNS), ("order_number", "quantity"))),
        write,
        lambda written: [
            f"{written - known} orders added",
            *([f"{known} exist already and were left as they are"] if known else []),
        ],
        on_chunk=count_known,
    )


@orders.command()
def status(
    organization: OrganizationOption,
    to: Annotated[str, typer.Argument(help="draft, pending, reviewed or cancelled.")],
    references: Annotated[list[str], typer.Argument(help="Order ids or order numbers.", metavar="ORDER...")],
    reason: Annotated[str | None, typer.Option(help="Reason; it is stored with the order.")] = None,
) -> None:
    """Change the status of sales orders. Exits 1 if one was not changed."""
    refused: list[tuple[str, str]] = []
    with scope_of(organization) as connection:
        named: dict[UUID, str] = {}
        for reference, order_id in zip(references, order_ids(connection, references), strict=True):
            try:
                named[UUID(order_id)] = reference
            except ValueError:
                refused.append((reference, "This organization has no such sales order."))
        change = set_order_status(connection, named, to, changed_by=person(), reason=reason)
    refused += [(named[order_id], why) for order_id, why in change.refused.items()]
    console.print(f"{len(change.changed)} orders are {to}.")
    print_rows([{"order": order, "why": why} for order, why in refused], "order not_changed=why")
    exit_if(bool(refused))


def _import(
    file: str,
    organization: str,
    records: Iterable[Record],
    write: Callable[[Connection, list[Mapping[str, Any]]], Sequence[object]],
    say: Callable[[int], list[str]],
    *,
    on_chunk: Callable[[Sequence[Any]], None] = lambda written: None,
) -> None:
    problems = 0
    written = 0
    wrong = table(None, "#line", "field", "left out because")

    def on_problem(problem: FileProblem) -> None:
        nonlocal problems
        problems += 1
        if problems <= SHOWN_PROBLEMS:
            wrong.add_row(problem.line, problem.field, problem.message)

    with opened(organization) as office:
        for chunk in write_records(office, records, write, on_problem):
            written += len(chunk)
            on_chunk(chunk)
    console.print(", ".join(say(written)) + (f", {problems} left out" if problems else "") + ".")
    if problems:
        console.print(wrong)
        if problems > SHOWN_PROBLEMS:
            console.print(f"and {problems - SHOWN_PROBLEMS} more.")
    exit_if(problems > 0)


def _once(rows: Iterable[Record], key: str) -> Iterator[Record]:
    """The rows, of which a later one with the same key is a problem: which of the two is right, nobody knows."""
    seen: set[str] = set()
    for row in rows:
        value = row.values.get(key)
        if value is not None and value in seen:
            yield Record(row.line, row.values, (key, GIVEN_TWICE.format(value)))
        else:
            seen.update([value] if value is not None else [])
            yield row


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
