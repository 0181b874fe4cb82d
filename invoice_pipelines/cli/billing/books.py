"""The commands `list` and `show` of customers, items, tax rates and sales orders."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from invoice_pipelines.billing.records.lists import (
    events_of_order,
    find_customer,
    find_item,
    find_order,
    find_order_id,
    lines_of_order,
    list_customers,
    list_items,
    list_orders,
    list_tax_rates,
)
from invoice_pipelines.cli.options import After, AsJson, From, Limit, OrganizationOption, Text, Until, day
from invoice_pipelines.cli.output import (
    console,
    listed,
    print_json,
    print_json_lines,
    print_list,
    print_one,
    print_record,
    print_rows,
)
from invoice_pipelines.cli.person import opened, scope_of

customers = typer.Typer()
items = typer.Typer()
tax_rates = typer.Typer()
orders = typer.Typer()

Active = Annotated[bool | None, typer.Option("--active/--inactive", help="Only those that are, or are not, in use.")]
Status = Annotated[
    list[str] | None,
    typer.Option(help="Only with this status (draft, pending, reviewed, invoiced, cancelled); can be repeated."),
]


@customers.command("list")
def list_customers_(
    organization: OrganizationOption,
    active: Active = None,
    text: Text = None,
    limit: Limit = 50,
    after: Annotated[str | None, typer.Option(help="Go on after this customer number.", metavar="NUMBER")] = None,
    as_json: AsJson = False,
) -> None:
    """List customers by number."""
    with scope_of(organization) as connection:
        found = list_customers(connection, active=active, words=text, after=after, limit=limit)
    columns = "!number=customer_number name !country=country_code email city !VAT_id=vat_id phone in_use=is_active"
    print_list(found, columns, as_json=as_json, limit=limit, none="There is none.", cursor="customer_number")


@customers.command("show")
def show_customer(
    organization: OrganizationOption,
    number: Annotated[str, typer.Argument(help="Customer number.", metavar="NUMBER")],
    as_json: AsJson = False,
) -> None:
    """Show a customer."""
    with scope_of(organization) as connection:
        found = find_customer(connection, number)
    print_one(found, as_json=as_json)


@items.command("list")
def list_items_(
    organization: OrganizationOption,
    active: Active = None,
    text: Text = None,
    limit: Limit = 50,
    after: Annotated[str | None, typer.Option(help="Go on after this SKU.", metavar="SKU")] = None,
    as_json: AsJson = False,
) -> None:
    """List items by SKU."""
    with scope_of(organization) as connection:
        found = list_items(connection, active=active, words=text, after=after, limit=limit)
    columns = (
        "!SKU=sku name #price=unit_price unit=unit_code VAT=tax_category #rate_in_%=tax_rate "
        "#stock=quantity_on_hand stock_is_kept=tracks_stock in_use=is_active"
    )
    print_list(found, columns, as_json=as_json, limit=limit, none="There is none.", cursor="sku")


@items.command("show")
def show_item(
    organization: OrganizationOption,
    sku: Annotated[str, typer.Argument(help="SKU of the item.", metavar="SKU")],
    as_json: AsJson = False,
) -> None:
    """Show an item."""
    with scope_of(organization) as connection:
        found = find_item(connection, sku)
    print_one(found, as_json=as_json)


@tax_rates.command("list")
def list_tax_rates_(organization: OrganizationOption, as_json: AsJson = False) -> None:
    """List the tax rates that invoices may have."""
    with scope_of(organization) as connection:
        found = list_tax_rates(connection)
    if as_json:
        print_json_lines(found)
        return
    columns = "VAT=tax_category #rate_in_%=rate name exempt_because=exemption_reason code=exemption_reason_code"
    print_rows(found, columns, none="There is none.")


@orders.command("list")
def list_orders_(
    organization: OrganizationOption,
    status: Status = None,
    customer: Annotated[str | None, typer.Option(help="Only of this customer.", metavar="NUMBER")] = None,
    ordered_from: From = None,
    ordered_until: Until = None,
    text: Text = None,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List sales orders, the newest first."""
    with scope_of(organization) as connection:
        last = None if after is None else find_order_id(connection, after)
        found = list_orders(
            connection,
            statuses=status,
            customer_number=customer,
            ordered_from=day("--from", ordered_from),
            ordered_until=day("--until", ordered_until),
            words=text,
            after=last,
            limit=limit,
        )
    columns = (
        "!order=order_number !status #net=net_amount currency !date=order_date customer=customer_name "
        "!invoice=invoice_number #lines=line_count"
    )
    print_list(found, columns, as_json=as_json, limit=limit, none="There is none.")


@orders.command("show")
def show_order(
    organization: OrganizationOption,
    number: Annotated[str, typer.Argument(help="Order number.", metavar="NUMBER")],
    as_json: AsJson = False,
) -> None:
    """Show a sales order: its lines, its invoice, and who changed its status."""
    with opened(organization) as office, office.scope() as connection:
        found = find_order(connection, number)
        lines, events = lines_of_order(connection, found.id), events_of_order(connection, found.id)
    if as_json:
        print_json(asdict(found) | {"lines": lines, "events": events})
        return
    print_record(found)
    columns = "#line=line_number SKU=sku description #quantity unit=unit_code #price=unit_price VAT=tax_category"
    console.print(listed(lines, f"{columns} #rate_in_%=tax_rate #discount_in_%=discount_percent", title="\nLines"))
    columns = "when=created_at from=from_status to=to_status by=created_by why=reason"
    print_rows(events, columns, title="\nChanges of its status", zone=office.organization.time_zone)
