"""Issued invoices as the API shows them."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from pydantic import ConfigDict

from invoice_pipelines.billing.issued_invoices import DocumentKind, InvoiceStatus, get_issued_invoice
from invoice_pipelines.billing.overview import invoice_events
from invoice_pipelines.billing.payments import PaymentKind, PaymentStatus, payments_of, standing_of
from invoice_pipelines.delivery.documents.rows import list_documents
from invoice_pipelines.delivery.messages.messages import list_messages
from invoice_pipelines.delivery.values import DocumentFormat, MessageStatus, Purpose
from invoice_pipelines.quickbooks.overview import invoice_sync
from invoice_pipelines.web.api.billing.bulk import Resource
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.values import Amount, Answer, Day, Instant

_MOST = 200
"""Documents and messages that an invoice is shown with; the lists of those have all."""

INVOICE: dict[str, Any] = {
    "id": "0199a1b2-0000-7000-8000-000000000010",
    "invoice_number": "INV-2026-000123",
    "issue_date": "2026-03-31",
    "due_date": "2026-04-14",
    "customer_id": "0199a1b2-0000-7000-8000-000000000002",
    "customer_number": "C-1042",
    "buyer": "Bauhaus Schmidt GmbH",
    "order_number": "4711",
    "standing": "overdue",
    "days_overdue": 6,
    "currency": "EUR",
    "net_amount": "100.00",
    "tax_amount": "19.00",
    "gross_amount": "119.00",
    "amount_paid": "0.00",
    "amount_credited": "0.00",
    "amount_due": "119.00",
}
PAYMENT: dict[str, Any] = {
    "payment_id": "0199a1b2-0000-7000-8000-000000000011",
    "source": "manual",
    "external_id": None,
    "kind": "payment",
    "status": "active",
    "payment_date": "2026-04-10",
    "currency": "EUR",
    "amount": "119.00",
    "allocated": "119.00",
    "applied": "119.00",
    "reference": "statement 7",
    "created_by": "anna@example.com",
}
_PARTY: dict[str, Any] = {
    "name": "Bauhaus Schmidt GmbH",
    "country_code": "DE",
    "vat_id": "DE123456788",
    "tax_number": None,
    "street": "Lindenstr. 5",
    "additional_street": None,
    "city": "Berlin",
    "post_code": "10969",
    "iban": None,
    "customer_number": "C-1042",
    "buyer_reference": None,
    "email": None,
}
_DETAIL: dict[str, Any] = {
    "id": INVOICE["id"],
    "invoice_number": INVOICE["invoice_number"],
    "document_kind": "invoice",
    "status": "issued",
    "sales_order_id": "0199a1b2-0000-7000-8000-000000000004",
    "customer_id": INVOICE["customer_id"],
    "corrected_invoice_id": None,
    "corrected_invoice_number": None,
    "corrected_invoice_date": None,
    "batch_job_id": "0199a1b2-0000-7000-8000-000000000001",
    "issue_date": "2026-03-31",
    "due_date": "2026-04-14",
    "delivery_date": "2026-03-31",
    "period_start": None,
    "period_end": None,
    "currency": "EUR",
    "line_amount": "100.00",
    "allowance_amount": "0.00",
    "net_amount": "100.00",
    "tax_amount": "19.00",
    "gross_amount": "119.00",
    "tax_currency": None,
    "tax_amount_in_tax_currency": None,
    "exchange_rate": None,
    "exchange_rate_base": None,
    "exchange_rate_date": None,
    "exchange_rate_source": None,
    "amount_paid": "0.00",
    "amount_credited": "0.00",
    "amount_due": "119.00",
    "discount_percent": "0.00",
    "language": "de",
    "order_number": "4711",
    "purchase_order_reference": None,
    "note": None,
    "created_at": "2026-03-31T12:00:00Z",
    "created_by": "token shop",
    "void_reason": None,
    "voided_at": None,
    "voided_by": None,
    "seller": _PARTY | {"name": "Harbour Lights GmbH", "iban": "DE02120300000000202051", "customer_number": None},
    "buyer": _PARTY,
    "lines": [
        {
            "line_number": 1,
            "item_id": "0199a1b2-0000-7000-8000-000000000005",
            "sku": "LAMP-1",
            "description": "Desk lamp",
            "quantity": "2.000",
            "unit_code": "C62",
            "unit_price": "50.0000",
            "discount_percent": "0.00",
            "net_amount": "100.00",
            "tax_category": "S",
            "tax_rate": "19.00",
            "period_start": None,
            "period_end": None,
        }
    ],
    "taxes": [
        {
            "tax_category": "S",
            "tax_rate": "19.00",
            "line_amount": "100.00",
            "allowance_amount": "0.00",
            "taxable_amount": "100.00",
            "tax_amount": "19.00",
            "exemption_reason": None,
            "exemption_reason_code": None,
        }
    ],
    "settlement": {
        "standing": "overdue",
        "due_date": "2026-04-14",
        "gross_amount": "119.00",
        "amount_paid": "0.00",
        "amount_credited": "0.00",
        "amount_due": "119.00",
        "payment_date": None,
    },
    "payments": [],
    "events": [],
    "documents": [
        {
            "id": "0199a1b2-0000-7000-8000-000000000012",
            "format": "zugferd",
            "language": "de",
            "version": 1,
            "file_name": "INV-2026-000123.pdf",
            "size_bytes": 48213,
            "pages": 1,
            "created_at": "2026-03-31T12:00:05Z",
        }
    ],
    "messages": [
        {
            "id": "0199a1b2-0000-7000-8000-000000000013",
            "purpose": "invoice",
            "level": 0,
            "channel": "email",
            "recipient": "ap@bauhaus-schmidt.example",
            "status": "sent",
            "error_code": None,
            "sent_at": "2026-03-31T12:00:09Z",
        }
    ],
    "quickbooks": {
        "quickbooks_id": "145",
        "state": "active",
        "synced_at": "2026-03-31T12:01:00Z",
        "is_waiting": False,
        "code": None,
        "message": None,
    },
}


class InvoiceOut(Answer):
    """An issued invoice or credit note. `standing` is how it stands today: issued, partially_paid, paid, overdue or
    void.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [INVOICE]})

    id: UUID
    invoice_number: str
    issue_date: Day
    due_date: Day
    customer_id: UUID
    customer_number: str | None
    buyer: str
    order_number: str | None
    standing: str
    days_overdue: int
    currency: str
    net_amount: Amount
    tax_amount: Amount
    gross_amount: Amount
    amount_paid: Amount
    amount_credited: Amount
    amount_due: Amount


class PartyOut(Answer):
    """Seller or buyer, as they were when the invoice was issued."""

    name: str
    country_code: str
    vat_id: str | None
    tax_number: str | None
    street: str | None
    additional_street: str | None
    city: str | None
    post_code: str | None
    iban: str | None
    customer_number: str | None
    buyer_reference: str | None
    email: str | None


class InvoiceLineOut(Answer):
    """A line of an invoice."""

    line_number: int
    item_id: UUID | None
    sku: str | None
    description: str
    quantity: Amount
    unit_code: str
    unit_price: Amount
    discount_percent: Amount
    net_amount: Amount
    tax_category: str
    tax_rate: Amount
    period_start: Day | None
    period_end: Day | None


class InvoiceTaxOut(Answer):
    """VAT of one category and rate."""

    tax_category: str
    tax_rate: Amount
    line_amount: Amount
    allowance_amount: Amount
    taxable_amount: Amount
    tax_amount: Amount
    exemption_reason: str | None
    exemption_reason_code: str | None


class SettlementOut(Answer):
    """What an invoice owes today."""

    standing: str
    due_date: Day
    gross_amount: Amount
    amount_paid: Amount
    amount_credited: Amount
    amount_due: Amount
    payment_date: Day | None


class InvoicePaymentOut(Answer):
    """The share of a payment for an invoice: `allocated` is meant for it, `applied` of that counts."""

    model_config = ConfigDict(json_schema_extra={"examples": [PAYMENT]})

    payment_id: UUID
    source: str
    external_id: str | None
    kind: PaymentKind
    status: PaymentStatus
    payment_date: Day
    currency: str
    amount: Amount
    allocated: Amount
    applied: Amount
    reference: str | None
    created_by: str


class InvoiceEventOut(Answer):
    """A change to an invoice: voided, credited or paid."""

    action: str
    reason: str | None
    created_at: Instant
    created_by: str


class InvoiceDocumentOut(Answer):
    """A document that was made of an invoice."""

    id: UUID
    format: DocumentFormat
    language: str
    version: int
    file_name: str
    size_bytes: int
    pages: int | None
    created_at: Instant


class InvoiceMessageOut(Answer):
    """A message about an invoice."""

    id: UUID
    purpose: Purpose
    level: int
    channel: str
    recipient: str
    status: MessageStatus
    error_code: str | None
    sent_at: Instant | None


class InvoiceSyncOut(Answer):
    """How an invoice stands in QuickBooks; `is_waiting`: it is still to be sent, with the reason why it waits."""

    quickbooks_id: str | None
    state: str | None
    synced_at: Instant | None
    is_waiting: bool
    code: str | None
    message: str | None


class InvoiceDetail(Resource):
    """An issued invoice or credit note: what it says, what it owes, and what was done with it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DETAIL]})

    id: UUID
    invoice_number: str
    document_kind: DocumentKind
    status: InvoiceStatus
    sales_order_id: UUID | None
    customer_id: UUID
    corrected_invoice_id: UUID | None
    corrected_invoice_number: str | None
    corrected_invoice_date: Day | None
    batch_job_id: UUID | None
    issue_date: Day
    due_date: Day
    delivery_date: Day
    period_start: Day | None
    period_end: Day | None
    currency: str
    line_amount: Amount
    allowance_amount: Amount
    net_amount: Amount
    tax_amount: Amount
    gross_amount: Amount
    tax_currency: str | None
    tax_amount_in_tax_currency: Amount | None
    exchange_rate: Amount | None
    exchange_rate_base: str | None
    exchange_rate_date: Day | None
    exchange_rate_source: str | None
    amount_paid: Amount
    amount_credited: Amount
    amount_due: Amount
    discount_percent: Amount
    language: str
    order_number: str | None
    purchase_order_reference: str | None
    note: str | None
    created_at: Instant
    created_by: str
    void_reason: str | None
    voided_at: Instant | None
    voided_by: str | None
    seller: PartyOut
    buyer: PartyOut
    lines: list[InvoiceLineOut]
    taxes: list[InvoiceTaxOut]
    settlement: SettlementOut
    payments: list[InvoicePaymentOut]
    events: list[InvoiceEventOut]
    documents: list[InvoiceDocumentOut]
    messages: list[InvoiceMessageOut]
    quickbooks: InvoiceSyncOut

    @classmethod
    def of(cls, at: At, invoice_id: UUID) -> Self:
        """That of an invoice. Raises InvoiceNotFound."""
        connection = at.connection
        invoice = get_issued_invoice(connection, invoice_id)
        return cls.model_validate(
            {
                **{name: getattr(invoice, name) for name in invoice.__slots__},
                "settlement": standing_of(connection, invoice_id),
                "payments": list(payments_of(connection, invoice_id)),
                "events": list(invoice_events(connection, invoice)),
                "documents": list_documents(connection, invoice_id=invoice_id, limit=_MOST),
                "messages": list_messages(connection, invoice_id=invoice_id, limit=_MOST),
                "quickbooks": invoice_sync(connection, invoice_id),
            }
        )
