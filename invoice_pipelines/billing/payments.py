"""Payments of invoices, each with the share of it that is for each invoice.

The rules are in `payments.sql`, the only place that writes the amounts paid. Each function runs in the transaction of
its connection, which must come from `organization_scope`. After a BillingError it can only be rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import Connection, text

from invoice_pipelines.billing.errors import BillingError, InvoiceNotFound, check_text, refusals_for_people
from invoice_pipelines.database.ids import find_id


class PaymentKind(StrEnum):
    """Whether money came in, a credit was used instead of money, or money went back."""

    PAYMENT = "payment"
    CREDIT = "credit"
    REFUND = "refund"


class PaymentStatus(StrEnum):
    """A void or deleted payment pays nothing, but stays on record."""

    ACTIVE = "active"
    VOID = "void"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it is now. It is known by its `external_id` or, if a person recorded it, by its `id`.

    `allocations` say what of it is for which invoice, in the currency of the payment; a refund has none.
    `unapplied_amount` is what the customer may still use for other invoices, as far as the source says so.
    """

    source: str
    """manual, quickbooks"""
    kind: PaymentKind
    payment_date: date
    currency: str
    amount: Decimal
    status: PaymentStatus = PaymentStatus.ACTIVE
    id: UUID | None = None
    external_id: str | None = None
    customer_id: UUID | None = None
    unapplied_amount: Decimal = Decimal(0)
    reference: str | None = None
    allocations: Mapping[UUID, Decimal] = field(default_factory=dict)


class AnomalyCode(StrEnum):
    """Why less of an allocation counts than was paid."""

    OVERPAID = "OVERPAID"
    INVOICE_VOID = "INVOICE_VOID"
    CURRENCY_DIFFERS = "CURRENCY_DIFFERS"
    NOT_AN_INVOICE = "NOT_AN_INVOICE"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An allocation of which less counts than was paid. `payment` is its place in what was given, from 0."""

    payment: int
    invoice_id: UUID
    code: AnomalyCode


@dataclass(frozen=True, slots=True)
class Settled:
    """The result for payments, as counts, and for the invoices that they are or were for."""

    recorded: int = 0
    changed: int = 0
    unchanged: int = 0
    invoices_paid: int = 0
    invoices_reopened: int = 0
    anomalies: tuple[Anomaly, ...] = ()


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """The share of a payment for an invoice: `allocated` is meant for the invoice, `applied` of that counts."""

    payment_id: UUID
    source: str
    external_id: str | None
    kind: PaymentKind
    status: PaymentStatus
    payment_date: date
    currency: str
    amount: Decimal
    allocated: Decimal
    applied: Decimal
    reference: str | None
    created_by: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How an invoice stands today. `standing` is its status, or overdue: open after its due date."""

    standing: str
    due_date: date
    gross_amount: Decimal
    amount_paid: Decimal
    amount_credited: Decimal
    amount_due: Decimal
    payment_date: date | None
    """of the last payment that counts"""


def settle(connection: Connection, payments: Sequence[Payment], *, recorded_by: str) -> Settled:
    """Writes payments as they are now and brings `amount_paid` and the status of their invoices up to date.

    The same payments again change nothing, and the order in which they arrive does not matter. What is void or deleted
    and was never recorded is left out. Of an invoice no more is paid than it asks for (gross less credited); a void
    invoice and one in another currency take nothing: see `Settled.anomalies`, which tell of new and changed payments.
    The number of statements does not depend on that of payments; no payment may be given twice.

    Raises BillingError for an invoice that the organization does not have, and ValueError for a refund with
    allocations: money that goes back pays nothing; lower the payment that it goes back from.
    """
    if not payments:
        return Settled()
    if any(payment.kind is PaymentKind.REFUND and payment.allocations for payment in payments):
        raise ValueError("a refund has no allocations")
    with refusals_for_people():
        result = connection.execute(
            text("select billing.settle(cast(:payments as jsonb), :who)"),
            {"payments": to_json(payments).decode(), "who": recorded_by},
        ).scalar_one()
    return Settled(
        recorded=result["recorded"],
        changed=result["changed"],
        unchanged=result["unchanged"],
        invoices_paid=result["paid"],
        invoices_reopened=result["reopened"],
        anomalies=tuple(
            Anomaly(place - 1, UUID(invoice), AnomalyCode(code)) for place, invoice, code in result["anomalies"]
        ),
    )


def known_payments(connection: Connection, source: str, external_ids: Sequence[str]) -> set[str]:
    """Those of the external ids that are on record."""
    rows = connection.execute(
        text("select * from billing.known_payments(:source, :ids)"), {"source": source, "ids": list(external_ids)}
    )
    return set(rows.scalars())


def record_payment(
    connection: Connection,
    invoice_id: UUID,
    amount: Decimal,
    *,
    recorded_by: str,
    payment_date: date | None = None,
    reference: str | None = None,
) -> UUID:
    """Records that money came in for an invoice, by hand; returns the id of the payment.

    The date is today in the organization's time zone by default. More than is due is recorded too; what is too much
    does not count. Raises BillingError for an amount that is not positive or has more digits than the currency, a day
    to come, and what is no invoice or is void.
    """
    check_text("reference", reference)
    invoice = connection.execute(
        text(
            """select i.currency, i.customer_id, i.status, i.document_kind, billing.today() as today,
                      billing.currency_digits(i.currency) as digits
               from billing.invoice i where i.id = :id"""
        ),
        {"id": invoice_id},
    ).one_or_none()
    if invoice is None or invoice.document_kind != "invoice" or invoice.status == "void":
        code = "INVOICE_NOT_FOUND" if invoice is None else "INVOICE_NOT_PAYABLE"
        raise BillingError("Only an invoice of this organization that is not void can be paid.", code=code)
    if not amount.is_finite() or amount <= 0 or amount != round(amount, invoice.digits):
        raise BillingError(f"amount: {amount} is not an amount of {invoice.currency}; give a positive one.")
    day = payment_date or invoice.today
    if day > invoice.today:
        raise BillingError(
            f"payment_date: {day} is after today, {invoice.today}; record a payment once it has arrived."
        )
    payment_id: UUID = connection.execute(text("select uuidv7()")).scalar_one()
    payment = Payment(
        "manual",
        PaymentKind.PAYMENT,
        day,
        invoice.currency,
        amount,
        id=payment_id,
        customer_id=invoice.customer_id,
        reference=reference,
        allocations={invoice_id: amount},
    )
    settle(connection, [payment], recorded_by=recorded_by)
    return payment_id


def void_payment_of(connection: Connection, invoice_id: UUID, payment_id: UUID, *, voided_by: str) -> None:
    """As void_payment, for a payment of this invoice. Raises BillingError where it has no such payment, too."""
    if payment_id not in {known.payment_id for known in payments_of(connection, invoice_id)}:
        raise BillingError(f"This invoice has no payment {payment_id}.", code="PAYMENT_NOT_FOUND")
    void_payment(connection, payment_id, voided_by=voided_by)


def void_payment(connection: Connection, payment_id: UUID, *, voided_by: str) -> None:
    """Takes a payment back that a person recorded: it stays on record, and its invoices are due again.

    Raises BillingError where there is no such payment, it is void already, or it comes from another system, in which
    it must be voided.
    """
    row = connection.execute(
        text(
            """select p.*, (select coalesce(jsonb_object_agg(a.invoice_id, a.amount::text), '{}')
                            from billing.payment_allocation a
                            where a.organization_id = p.organization_id and a.payment_id = p.id) as allocations
               from billing.payment p where p.id = :id"""
        ),
        {"id": payment_id},
    ).one_or_none()
    if row is None:
        raise BillingError(f"This organization has no payment {payment_id}.", code="PAYMENT_NOT_FOUND")
    if row.source != "manual":
        raise BillingError(f"The payment comes from {row.source}; void it there.", code="PAYMENT_OF_ANOTHER_SYSTEM")
    if row.status != PaymentStatus.ACTIVE:
        raise BillingError("The payment is void already.", code="PAYMENT_IS_VOID")
    payment = Payment(
        row.source,
        PaymentKind(row.kind),
        row.payment_date,
        row.currency,
        row.amount,
        PaymentStatus.VOID,
        id=row.id,
        customer_id=row.customer_id,
        unapplied_amount=row.unapplied_amount,
        reference=row.reference,
        allocations={UUID(invoice): Decimal(amount) for invoice, amount in row.allocations.items()},
    )
    settle(connection, [payment], recorded_by=voided_by)


def find_payment(connection: Connection, written: str) -> UUID:
    """The id of the payment whose id begins or ends with what was written. Raises UnknownId."""
    return find_id(connection, "billing.payment", written, "a payment", "invoices payments")


def payments_of(connection: Connection, invoice_id: UUID) -> tuple[InvoicePayment, ...]:
    """The payments of an invoice, also those that count no more, the earliest first."""
    rows = connection.execute(
        text(
            """select p.id as payment_id, p.source, p.external_id, p.kind, p.status, p.payment_date, p.currency,
                      round(p.amount, greatest(scale(p.amount), d.digits)) as amount,
                      round(a.amount, greatest(scale(a.amount), d.digits)) as allocated,
                      round(a.applied_amount, greatest(scale(a.applied_amount), d.digits)) as applied,
                      p.reference, p.created_by
               from billing.payment_allocation a
               join billing.payment p on p.organization_id = a.organization_id and p.id = a.payment_id
               cross join lateral billing.currency_digits(p.currency) d (digits)
               where a.invoice_id = :id order by p.payment_date, p.id"""
        ),
        {"id": invoice_id},
    )
    return tuple(
        InvoicePayment(**{**row._mapping, "kind": PaymentKind(row.kind), "status": PaymentStatus(row.status)})
        for row in rows
    )


def standing_of(connection: Connection, invoice_id: UUID) -> Standing:
    """How an invoice stands today, in the time zone of the organization. Raises BillingError for an unknown one."""
    row = connection.execute(
        text(
            """select standing, due_date, gross_amount, amount_paid, amount_credited, amount_due, payment_date
               from billing.invoice_settlement where invoice_id = :id"""
        ),
        {"id": invoice_id},
    ).one_or_none()
    if row is None:
        raise InvoiceNotFound(invoice_id)
    return Standing(*row)
