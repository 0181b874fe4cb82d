"""The commands of `invoices`: looking at issued invoices and at what is due, voiding and crediting.

Those about payments are in `payments`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.invoice_lists import newest_invoices, place_of
from invoice_pipelines.billing.issued_invoices import (
    DocumentKind,
    IssuedInvoice,
    Party,
    find_invoice,
    get_issued_invoice,
)
from invoice_pipelines.billing.overview import invoice_events
from invoice_pipelines.billing.receivables.export import receivables_csv
from invoice_pipelines.billing.receivables.receivables import BUCKETS, CurrencyAging, Receivables, age_receivables
from invoice_pipelines.billing.records.lists import find_customer
from invoice_pipelines.cli.billing import payments
from invoice_pipelines.cli.delivery import invoice_documents
from invoice_pipelines.cli.options import AsJson, From, OrganizationOption, Text, Until, day, examples
from invoice_pipelines.cli.output import (
    console,
    listed,
    moment,
    print_facts,
    print_json,
    print_list,
    print_rows,
    styled,
    table,
)
from invoice_pipelines.cli.person import opened, person, scope_of
from invoice_pipelines.delivery.messages.messages import sent_to_customers
from invoice_pipelines.quickbooks.overview import synced_invoices
from invoice_pipelines.storage import root_path, write_file_atomically

CUSTOMERS_SHOWN = 20


class Standing(StrEnum):
    """How an invoice stands today."""

    ISSUED = "issued"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    OVERDUE = "overdue"
    VOID = "void"


app = typer.Typer(
    help="Issued invoices: list, show, void, credit, pay, and what is due.",
    no_args_is_help=True,
    epilog=examples(
        "invoices list --status overdue --organization acme",
        "invoices show INV-2026-000001 --organization acme",
        "invoices pay INV-2026-000001 119.00 --date 2026-03-31 --organization acme",
        'invoices credit INV-2026-000001 --reason "broken" --line 1=2 --organization acme',
        "invoices aging --csv aging.csv --organization acme",
    ),
)
app.add_typer(payments.app)
app.add_typer(invoice_documents.app)

Number = Annotated[str, typer.Argument(help="Number of the invoice or credit note.", metavar="NUMBER")]
Reason = Annotated[str, typer.Option(help="Reason; it is stored in the audit trail.")]


@app.command("list")
def list_(
    organization: OrganizationOption,
    credit_notes: Annotated[bool, typer.Option("--credit-notes", help="Credit notes instead of invoices.")] = False,
    status: Annotated[list[Standing] | None, typer.Option(help="Only with this status; can be repeated.")] = None,
    customer: Annotated[
        str | None, typer.Option(help="Only to this customer, by number or id.", metavar="NUMBER")
    ] = None,
    issued_from: From = None,
    issued_until: Until = None,
    text: Text = None,
    limit: Annotated[int, typer.Option(help="How many, the latest number first.", min=1, max=100_000)] = 50,
    after: Annotated[
        str | None,
        typer.Option(help="Go on after this number, the last of the page before.", metavar="NUMBER"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List issued invoices, the latest number first: what is paid or overdue, was sent, is in QuickBooks."""
    with opened(organization) as office, office.scope() as connection:
        found = newest_invoices(
            connection,
            series=DocumentKind.CREDIT_NOTE if credit_notes else DocumentKind.INVOICE,
            standings=status or None,
            customer_id=None if customer is None else find_customer(connection, customer).id,
            issued_from=day("--from", issued_from),
            issued_until=day("--until", issued_until),
            words=text,
            before=None if after is None else place_of(connection, after),
            limit=limit,
        )
        ids = [invoice.id for invoice in found]
        sent, synced = sent_to_customers(connection, ids), synced_invoices(connection, ids)
    rows = [asdict(each) | {"sent_at": sent.get(each.id), "synced_at": synced.get(each.id)} for each in found]
    columns = (
        "!number=invoice_number !status=standing #gross=gross_amount #open=amount_due currency !due=due_date "
        "#days_late=days_overdue buyer !date=issue_date sent=sent_at synced=synced_at"
    )
    zone = office.organization.time_zone
    print_list(
        *(rows, columns), as_json=as_json, limit=limit, zone=zone, none="There is none.", cursor="invoice_number"
    )


@app.command()
def show(organization: OrganizationOption, number: Number, as_json: AsJson = False) -> None:
    """Show an issued invoice, and what happened to it."""
    with opened(organization) as office, office.scope() as connection:
        invoice = find_invoice(connection, number)
        events = invoice_events(connection, invoice)
    if as_json:
        print_json(asdict(invoice) | {"events": events})
        return
    _show(invoice)
    zone = office.organization.time_zone
    print_rows(events, "when=created_at what=action by=created_by why=reason", zone=zone)


@app.command()
def void(
    organization: OrganizationOption,
    number: Number,
    reason: Reason,
    reopen_order: Annotated[
        bool, typer.Option("--reopen-order", help="Make the order reviewed again, so that it can be invoiced anew.")
    ] = False,
) -> None:
    """Void an invoice that was not sent yet. It keeps its number; its stock goes back."""
    with scope_of(organization) as connection:
        invoice = find_invoice(connection, number)
        void_invoice(connection, invoice.id, reason=reason, voided_by=person(), reopen_order=reopen_order)
    console.print(f"{invoice.invoice_number} is void.")


@app.command()
def credit(
    organization: OrganizationOption,
    number: Number,
    reason: Reason,
    line: Annotated[
        list[str] | None,
        typer.Option(
            help="Line and quantity, such as 1=2.5; can be repeated. Without it, everything not yet credited."
        ),
    ] = None,
    date: Annotated[str | None, typer.Option(help="Issue date of the credit note; today if left out.")] = None,
    return_stock: Annotated[bool, typer.Option("--return-stock", help="The quantities go back to stock.")] = False,
    note: Annotated[
        str | None, typer.Option(help="Note to the customer, printed on the credit note; the reason is not.")
    ] = None,
) -> None:
    """Issue a credit note for all of an invoice, or for some quantities."""
    quantities = dict(_line(text) for text in line) if line else None
    if line and quantities is not None and len(quantities) < len(line):
        raise typer.BadParameter("--line: a line is given twice")
    with scope_of(organization) as connection:
        invoice = find_invoice(connection, number)
        credit_note = get_issued_invoice(
            connection,
            credit_invoice(
                connection,
                invoice.id,
                reason=reason,
                created_by=person(),
                issue_date=day("--date", date),
                quantities=quantities,
                return_stock=return_stock,
                note=note,
            ),
        )
    console.print(
        f"{credit_note.invoice_number} credits {invoice.invoice_number} with "
        f"{credit_note.gross_amount:,} {credit_note.currency}."
    )


@app.command()
def aging(
    organization: OrganizationOption,
    as_of: Annotated[
        str | None, typer.Option(help="A day, such as 2026-03-31; today in the organization's time zone if left out.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Also write all customers to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what customers owe, by how late it is, and days sales outstanding."""
    as_of_day = day("--as-of", as_of)
    with opened(organization) as office:
        receivables = age_receivables(office.engine, office.id, as_of=as_of_day)
    if csv is not None:
        path = csv.absolute()
        write_file_atomically(root_path(str(path.parent)) / path.name, receivables_csv(receivables))
    if as_json:
        print_json(receivables)
        return
    _show_receivables(receivables)
    if csv is not None:
        console.print(f"{len(receivables.customers)} rows in {csv}")


def _show_receivables(receivables: Receivables) -> None:
    if not receivables.currencies:
        console.print(f"Nothing is due as of {receivables.as_of}.")
        return
    totals = table(f"Due as of {receivables.as_of}", "", *(f"#{found.currency}" for found in receivables.currencies))
    for name, label in BUCKETS.items():
        totals.add_row(label, *(found.aged.buckets[name] for found in receivables.currencies))
    figures: dict[str, Callable[[CurrencyAging], object]] = {
        "total": lambda found: found.aged.total,
        "overdue": lambda found: found.aged.overdue,
        "overdue, %": lambda found: found.aged.overdue_percent,
        "invoices": lambda found: found.aged.invoices,
        "customers": lambda found: found.customers,
        "days sales outstanding": lambda found: (
            "no sales" if found.days_sales_outstanding is None else found.days_sales_outstanding
        ),
    }
    for label, of_currency in figures.items():
        totals.add_row(label, *map(of_currency, receivables.currencies))
    console.print(totals)
    amounts = [f"#{label.removesuffix(' days')}" for label in BUCKETS.values()]
    for found in receivables.currencies:
        customers = receivables.of_currency(found.currency)
        console.print()
        shown = table(f"Most overdue, {found.currency}", "number", "customer", *amounts)
        for customer in customers[:CUSTOMERS_SHOWN]:
            shown.add_row(customer.customer_number, customer.customer_name, *customer.aged.buckets.values())
        console.print(shown)
        if len(customers) > CUSTOMERS_SHOWN:
            console.print(f"and {len(customers) - CUSTOMERS_SHOWN:,} more; --csv writes all")


def _line(text: str) -> tuple[int, Decimal]:
    number, _, quantity = text.partition("=")
    try:
        return int(number), Decimal(quantity)
    except (ValueError, InvalidOperation):
        raise BillingError(f"--line: {repr(text)[:40]} is not a line and its quantity, such as 1=2.5.") from None


def _conversion(invoice: IssuedInvoice) -> str | None:
    if invoice.exchange_rate is None:
        return None
    base = invoice.exchange_rate_base
    other = invoice.currency if base == invoice.tax_currency else invoice.tax_currency
    return (
        f"{invoice.tax_amount_in_tax_currency} {invoice.tax_currency}, 1 {base} = {invoice.exchange_rate} {other} "
        f"on {invoice.exchange_rate_date} ({invoice.exchange_rate_source})"
    )


def _show(invoice: IssuedInvoice) -> None:
    title = "Credit note" if invoice.document_kind is DocumentKind.CREDIT_NOTE else "Invoice"
    console.print(styled(f"{title} {invoice.invoice_number}", "bold"), f" {invoice.status}")
    facts = {
        "seller": _party(invoice.seller),
        "buyer": _party(invoice.buyer),
        "issued": f"{invoice.issue_date}, due {invoice.due_date}",
        "supplied": invoice.delivery_date,
        "service period": invoice.period_start and f"{invoice.period_start} to {invoice.period_end}",
        "VAT converted": _conversion(invoice),
        "order": invoice.order_number,
        "corrects": invoice.corrected_invoice_number,
        "buyer's order": invoice.purchase_order_reference,
        "note": invoice.note,
        "language": invoice.language,
        "written": f"{moment(invoice.created_at)} by {invoice.created_by}",
        "batch job": invoice.batch_job_id,
        "void": invoice.void_reason and f"{invoice.void_reason} ({invoice.voided_by})",
    }
    print_facts(facts)
    lines = table(None, "#line", "SKU", "description", "#quantity", "unit", "#price", "#discount", "VAT", "#net")
    for line in invoice.lines:
        lines.add_row(
            *(line.line_number, line.sku, line.description, f"{line.quantity.normalize():f}", line.unit_code),
            *(line.unit_price, f"{line.discount_percent} %" if line.discount_percent else ""),
            *(f"{line.tax_category} {line.tax_rate} %", line.net_amount),
        )
    console.print(lines)
    columns = (
        "VAT=tax_category #rate_in_%=tax_rate #of=taxable_amount #VAT_amount=tax_amount "
        "exempt_because=exemption_reason code=exemption_reason_code"
    )
    console.print(listed(invoice.taxes, columns))
    totals = table(None, "amounts", f"#{invoice.currency}")
    for name, amount in {
        "lines": invoice.line_amount,
        f"discount of {invoice.discount_percent} %": -invoice.allowance_amount,
        "net": invoice.net_amount,
        "VAT": invoice.tax_amount,
        "gross": invoice.gross_amount,
        "paid": -invoice.amount_paid,
        "credited": -invoice.amount_credited,
        "open": invoice.amount_due,
    }.items():
        if amount or name in ("net", "VAT", "gross", "open"):
            totals.add_row(name, amount)
    console.print(totals)


def _party(party: Party) -> str:
    place = " ".join(part for part in (party.post_code, party.city) if part)
    tax_id = party.vat_id or party.tax_number
    place_and_id = (place, party.country_code, tax_id, party.customer_number)
    return ", ".join(part for part in (party.name, party.street, party.additional_street, *place_and_id) if part)
