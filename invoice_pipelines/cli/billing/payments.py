"""The commands of `invoices` about payments: recording what came in, showing it, taking it back."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.issued_invoices import IssuedInvoice, find_invoice
from invoice_pipelines.billing.payments import (
    PaymentStatus,
    Standing,
    find_payment,
    payments_of,
    record_payment,
    standing_of,
    void_payment,
)
from invoice_pipelines.cli.options import AsJson, OrganizationOption, day
from invoice_pipelines.cli.output import console, print_json_lines, table
from invoice_pipelines.cli.person import person, scope_of

Number = Annotated[str, typer.Argument(help="Number of the invoice.", metavar="NUMBER")]

app = typer.Typer()


@app.command()
def pay(
    organization: OrganizationOption,
    number: Number,
    amount: Annotated[str, typer.Argument(help="In the currency of the invoice, such as 119.00.")],
    date: Annotated[str | None, typer.Option(help="Day on which the money arrived; today if left out.")] = None,
    reference: Annotated[str | None, typer.Option(help="Reference of the payer, or of your books.")] = None,
) -> None:
    """Record a payment for an invoice."""
    with scope_of(organization) as connection:
        invoice = find_invoice(connection, number)
        record_payment(
            connection,
            invoice.id,
            _amount(amount),
            recorded_by=person(),
            payment_date=day("--date", date),
            reference=reference,
        )
        recorded = payments_of(connection, invoice.id)
        after = standing_of(connection, invoice.id)
    console.print(_in_words(invoice, after))
    active = [paid for paid in recorded if paid.status is PaymentStatus.ACTIVE and paid.currency == invoice.currency]
    if too_much := sum((paid.allocated - paid.applied for paid in active), Decimal(0)):
        console.print(f"{too_much:,} {invoice.currency} more was paid than is due; that does not count.")


@app.command()
def payments(organization: OrganizationOption, number: Number, as_json: AsJson = False) -> None:
    """Show the payments of an invoice, voided ones too."""
    with scope_of(organization) as connection:
        invoice = find_invoice(connection, number)
        recorded = payments_of(connection, invoice.id)
        standing = standing_of(connection, invoice.id)
    if as_json:
        print_json_lines(recorded)
        return
    shown = table(None, "!date", "!kind", "!status", "#for this invoice", "#counts", "source", "reference", "~payment")
    for payment in recorded:
        shown.add_row(
            payment.payment_date,
            payment.kind,
            payment.status,
            f"{payment.allocated:,} {payment.currency}",
            payment.applied,
            payment.created_by if payment.external_id is None else f"{payment.source} {payment.external_id}",
            payment.reference,
            payment.payment_id,
        )
    console.print(shown)
    console.print(_in_words(invoice, standing))


@app.command("void-payment")
def void(
    organization: OrganizationOption,
    payment: Annotated[str, typer.Argument(help="Id of the payment; its first or last characters are enough.")],
) -> None:
    """Void a payment that was recorded here; its invoice is due again."""
    with scope_of(organization) as connection:
        payment_id = find_payment(connection, payment)
        void_payment(connection, payment_id, voided_by=person())
    console.print("The payment is void.")


def _in_words(invoice: IssuedInvoice, now: Standing) -> str:
    last = f" (last on {now.payment_date})" if now.payment_date else ""
    return (
        f"{invoice.invoice_number} is {now.standing.replace('_', ' ')}: {now.amount_paid:,} paid{last}, "
        f"{now.amount_due:,} {invoice.currency} due."
    )


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BillingError(f"AMOUNT: {repr(text)[:40]} is not an amount such as 119.00.") from None
