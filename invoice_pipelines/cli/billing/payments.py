"""The commands of `invoices` about payments: recording what came in, showing it, taking it back."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

import typer

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.issued_invoices import IssuedInvoice, find_invoice
from invoice_pipelines.billing.payments import (
    PaymentStatus,
    Standing,
    payments_of,
    record_payment,
    standing_of,
    void_payment,
)
from invoice_pipelines.billing.requests import parse_date
from invoice_pipelines.cli.output import console, table
from invoice_pipelines.cli.person import person, scope_of

Slug = Annotated[str, typer.Option("--organization", help="Slug of the organization.")]
Number = Annotated[str, typer.Argument(help="Number of the invoice.", metavar="NUMBER")]


def register(app: typer.Typer) -> None:
    """Adds the commands to those of `invoices`."""
    app.command()(pay)
    app.command()(payments)
    app.command("void-payment")(void)


def pay(
    organization: Slug,
    number: Number,
    amount: Annotated[str, typer.Argument(help="In the currency of the invoice, such as 119.00.")],
    date: Annotated[str | None, typer.Option(help="When the money came in; today if left out.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="What the payer wrote, or where it stands in the books.")
    ] = None,
) -> None:
    """Record that money came in for an invoice."""
    with scope_of(organization) as connection:
        invoice = find_invoice(connection, number)
        record_payment(
            connection,
            invoice.id,
            _amount(amount),
            recorded_by=person(),
            payment_date=None if date is None else parse_date("--date", date),
            reference=reference,
        )
        recorded = payments_of(connection, invoice.id)
        after = standing_of(connection, invoice.id)
    console.print(_in_words(invoice, after))
    active = [paid for paid in recorded if paid.status is PaymentStatus.ACTIVE and paid.currency == invoice.currency]
    if too_much := sum((paid.allocated - paid.applied for paid in active), Decimal(0)):
        console.print(f"{too_much:,} {invoice.currency} more was paid than is asked for; that does not count.")


def payments(organization: Slug, number: Number) -> None:
    """Show what was paid of an invoice, also what was taken back."""
    with scope_of(organization) as connection:
        invoice = find_invoice(connection, number)
        recorded = payments_of(connection, invoice.id)
        standing = standing_of(connection, invoice.id)
    shown = table(None, "date", "kind", "status", "source", "#for this invoice", "#counts", "reference", "payment")
    for payment in recorded:
        shown.add_row(
            str(payment.payment_date),
            payment.kind,
            payment.status,
            payment.created_by if payment.external_id is None else f"{payment.source} {payment.external_id}",
            f"{payment.allocated:,} {payment.currency}",
            f"{payment.applied:,}",
            payment.reference or "",
            str(payment.payment_id),
        )
    console.print(shown)
    console.print(_in_words(invoice, standing))


def void(
    organization: Slug,
    payment: Annotated[str, typer.Argument(help="Id of the payment, as `invoices payments` shows it.")],
) -> None:
    """Take back a payment that was recorded here; its invoice is due again."""
    try:
        payment_id = UUID(payment)
    except ValueError:
        raise BillingError(f"PAYMENT: {repr(payment)[:40]} is not the id of a payment.") from None
    with scope_of(organization) as connection:
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
