"""The commands that take CSV files (`customers import`, `items import`, `tax-rates import`, `orders import`), and
`orders status`.

A wrong row is named with its line and field and left out; it stops nothing else.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from invoice_pipelines.billing.corrections import set_order_status
from invoice_pipelines.billing.imports.importing import import_csv
from invoice_pipelines.billing.requests import order_ids
from invoice_pipelines.cli.billing import books
from invoice_pipelines.cli.billing.csv_files import opened_csv
from invoice_pipelines.cli.options import CsvFile, OrganizationOption, examples
from invoice_pipelines.cli.output import console, exit_if, print_rows
from invoice_pipelines.cli.person import opened, person, scope_of

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
    _import(file, organization, "customers")


@items.command("import")
def import_items(file: CsvFile, organization: OrganizationOption) -> None:
    """Add or change items by SKU. Empty cells keep what is known, also the stock. Exits 1 if a row is wrong."""
    _import(file, organization, "items")


@tax_rates.command("import")
def import_tax_rates(file: CsvFile, organization: OrganizationOption) -> None:
    """Add or change tax rates by category and rate. Exits 1 if a row is wrong."""
    _import(file, organization, "tax_rates")


@orders.command("import")
def import_orders(file: CsvFile, organization: OrganizationOption) -> None:
    """Add sales orders, one row per line; the rows of an order stand together. Exits 1 if an order is wrong.

    An order whose number exists is left as it is. Columns of the whole order: order_number, customer_number, status,
    currency, order_date, delivery_date, order_period_start, order_period_end, purchase_order_reference,
    order_discount_percent, note; they may stand in the first row of the order alone. Of the line: sku, description,
    quantity, unit_code, unit_price, discount_percent, tax_category, tax_rate, period_start, period_end.
    """
    _import(file, organization, "orders")


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


def _import(file: str, organization: str, kind: str) -> None:
    with opened(organization) as office, opened_csv(file) as stream:
        report = import_csv(office, kind, stream, file)
    known = f", {report.known} exist already and were left as they are" if report.known else ""
    left_out = f", {report.left_out} left out" if report.left_out else ""
    done = "added" if kind == "orders" else "added or changed"
    console.print(f"{report.written} {kind.replace('_', ' ')} {done}{known}{left_out}.")
    print_rows(report.problems, "#line field left_out_because=message")
    if report.left_out > len(report.problems):
        console.print(f"and {report.left_out - len(report.problems)} more.")
    exit_if(report.left_out > 0)
