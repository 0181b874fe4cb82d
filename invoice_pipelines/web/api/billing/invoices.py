"""Issued invoices and credit notes: found, looked at, voided, credited and paid. They never change what they say."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field, StringConstraints

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.invoice_lists import STATUSES_OF, newest_invoices
from invoice_pipelines.billing.issued_invoices import DocumentKind, find_invoice_id, get_issued_invoice
from invoice_pipelines.billing.payments import payments_of, record_payment, void_payment_of
from invoice_pipelines.billing.records.lists import find_customer
from invoice_pipelines.web.api.billing.bulk import Resource, examples
from invoice_pipelines.web.api.billing.invoice_answers import (
    PAYMENT,
    InvoiceDetail,
    InvoiceOut,
    InvoicePaymentOut,
)
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Body, Day, Text

router = OrganizationRouter(tags=["invoices"])

Reference = Annotated[
    str, Path(description="Id or number, in which a slash is written as %2F", examples=["INV-2026-000123"])
]
LineNumber = Annotated[str, StringConstraints(pattern="^[1-9][0-9]{0,8}$")]
"""As JSON names the fields of an object."""
Standing = Literal["issued", "partially_paid", "paid", "overdue", "void"]
Settlement = Literal["open", "paid", "partly", "overdue"]


class Void(Body):
    """Why an invoice is void. With `reopen_order` its order is reviewed again and can be invoiced anew."""

    model_config = examples({"reason": "wrong buyer", "reopen_order": True})

    reason: Text
    reopen_order: bool = False


class Credit(Body):
    """What of an invoice is credited: quantities by the number of a line, or all that is left. `reason` is for the
    books, `note` for the customer. With `return_stock` the quantities go back.
    """

    model_config = examples({"reason": "one was broken", "quantities": {"1": "1"}}, {"reason": "returned"})

    reason: Text
    issue_date: Day | None = None
    quantities: Annotated[dict[LineNumber, Amount], Field(min_length=1)] | None = None
    return_stock: bool = False
    note: Text | None = None

    @property
    def by_line(self) -> dict[int, Decimal] | None:
        """The quantities by the number of their line."""
        return None if self.quantities is None else {int(line): each for line, each in self.quantities.items()}


class NewPayment(Body):
    """Money that came in for an invoice; of today where it has no date."""

    model_config = examples({"amount": "119.00", "payment_date": "2026-04-10", "reference": "statement 7"})

    amount: Amount
    payment_date: Day | None = None
    reference: Text | None = None


class PaymentRecorded(Resource):
    """A payment that was recorded, and what the invoice owes since."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"payment_id": PAYMENT["payment_id"], "invoice_number": "INV-2026-000123", "amount_due": "0.00"}
            ]
        }
    )

    payment_id: UUID
    invoice_number: str
    amount_due: Amount


@router.get("/invoices", role=Role.VIEWER)
def list_invoices(
    caller: Caller,
    page: PageQuery,
    kind: Annotated[DocumentKind, Query(description="Invoices, or credit notes")] = DocumentKind.INVOICE,
    status: Annotated[list[Standing] | None, Query(description="Only with one of these standings of today")] = None,
    settlement: Annotated[
        Settlement | None,
        Query(description="open: something is due; partly: and something was paid or credited; overdue: and late"),
    ] = None,
    customer: Annotated[Text | None, Query(description="Id or number of the customer")] = None,
    number: Annotated[Text | None, Query(description="With this number")] = None,
    issued_from: Annotated[Day | None, Query(description="Of this day or later")] = None,
    issued_until: Annotated[Day | None, Query(description="Of this day or earlier")] = None,
    due_from: Annotated[Day | None, Query(description="Due on this day or later")] = None,
    due_until: Annotated[Day | None, Query(description="Due on this day or earlier")] = None,
    gross_from: Annotated[Amount | None, Query(description="Over so much or more")] = None,
    gross_until: Annotated[Amount | None, Query(description="Over so much or less")] = None,
    text: Annotated[
        Text | None,
        Query(max_length=200, description="Stands in its number, the order's, or the number or name of the buyer"),
    ] = None,
) -> Page[InvoiceOut]:
    """List issued invoices, the latest number first."""
    standings: list[str] | None = ["overdue"] if settlement == "overdue" else None
    if status is not None:
        standings = [each for each in status if standings is None or each in standings]
    with caller.enter() as at:
        rows = newest_invoices(
            at.connection,
            series=kind.value,
            standings=standings,
            statuses=STATUSES_OF.get(settlement or ""),
            customer_id=None if customer is None else find_customer(at.connection, customer).id,
            invoice_number=number,
            issued_from=issued_from,
            issued_until=issued_until,
            due_from=due_from,
            due_until=due_until,
            gross_from=gross_from,
            gross_until=gross_until,
            words=text,
            before=page.after_number,
            limit=page.one_more,
        )
    return page.of(rows, key=lambda row: f"{row.period}/{row.number}")


@router.get("/invoices/{invoice}", role=Role.VIEWER)
def get_invoice(caller: Caller, invoice: Reference) -> InvoiceDetail:
    """Get an issued invoice: what it says and owes, its payments, documents and messages."""
    with caller.enter() as at:
        return InvoiceDetail.of(at, find_invoice_id(at.connection, invoice))


@router.post("/invoices/{invoice}/void", role=Role.ACCOUNTANT, area="billing")
def void_issued_invoice(caller: Caller, invoice: Reference, body: Void) -> InvoiceDetail:
    """Void an invoice on which nothing was paid or credited.

    It keeps its number, and its stock goes back. What was sent to a customer is better credited.
    """

    def void(at: At) -> InvoiceDetail:
        invoice_id = find_invoice_id(at.connection, invoice)
        void_invoice(
            at.connection, invoice_id, reason=body.reason, voided_by=at.entry.actor, reopen_order=body.reopen_order
        )
        return InvoiceDetail.of(at, invoice_id)

    return caller.once(body, void)


@router.post("/invoices/{invoice}/credit-notes", role=Role.ACCOUNTANT, area="billing", status_code=201)
def credit_issued_invoice(
    caller: Caller,
    invoice: Reference,
    body: Credit,
) -> InvoiceDetail:
    """Issue a credit note for all that is left of an invoice, or for some quantities."""

    def credit(at: At) -> InvoiceDetail:
        credit_note = credit_invoice(
            at.connection,
            find_invoice_id(at.connection, invoice),
            reason=body.reason,
            created_by=at.entry.actor,
            issue_date=body.issue_date,
            quantities=body.by_line,
            return_stock=body.return_stock,
            note=body.note,
        )
        return InvoiceDetail.of(at, credit_note).made_at(at.url("invoices", credit_note))

    return caller.once(body, credit)


@router.get("/invoices/{invoice}/payments", role=Role.VIEWER)
def list_payments_of_invoice(caller: Caller, invoice: Reference) -> Page[InvoicePaymentOut]:
    """List the payments of an invoice, also those that count no more, the earliest first."""
    with caller.enter() as at:
        found = payments_of(at.connection, find_invoice_id(at.connection, invoice))
    return Page(items=[InvoicePaymentOut.model_validate(payment) for payment in found], next=None)


@router.post("/invoices/{invoice}/payments", role=Role.ACCOUNTANT, area="billing", status_code=201)
def pay_invoice(
    caller: Caller,
    invoice: Reference,
    body: NewPayment,
) -> PaymentRecorded:
    """Record that money came in for an invoice.

    More than is due is recorded too; what is too much does not count.
    """

    def pay(at: At) -> PaymentRecorded:
        invoice_id = find_invoice_id(at.connection, invoice)
        payment_id = record_payment(
            at.connection,
            invoice_id,
            body.amount,
            recorded_by=at.entry.actor,
            payment_date=body.payment_date,
            reference=body.reference,
        )
        return _recorded(at, payment_id, invoice_id).made_at(at.url("invoices", invoice_id, "payments"))

    return caller.once(body, pay)


@router.post("/invoices/{invoice}/payments/{payment}/void", role=Role.ACCOUNTANT, area="billing")
def void_payment_of_invoice(
    caller: Caller, invoice: Reference, payment: Annotated[UUID, Path(description="Id of the payment")]
) -> PaymentRecorded:
    """Take a payment back that a person or program recorded here: its invoice is due again."""

    def void(at: At) -> PaymentRecorded:
        invoice_id = find_invoice_id(at.connection, invoice)
        void_payment_of(at.connection, invoice_id, payment, voided_by=at.entry.actor)
        return _recorded(at, payment, invoice_id)

    return caller.once(None, void)


def _recorded(at: At, payment_id: UUID, invoice_id: UUID) -> PaymentRecorded:
    invoice = get_issued_invoice(at.connection, invoice_id)
    return PaymentRecorded(payment_id=payment_id, invoice_number=invoice.invoice_number, amount_due=invoice.amount_due)
