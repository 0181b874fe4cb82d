"""The public model of issued invoices and credit notes, for the domains that send, book, sync or chase them.

An issued invoice never changes what it says: seller, buyer and prices are copies. Only its settlement changes (status,
amounts paid, credited and due). The terms in brackets are those of EN 16931. All amounts are in `currency`, rounded to
its digits, and positive, also those of credit notes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from invoice_pipelines.billing.errors import InvoiceNotFound, storable

ECB = "ECB"
"""Source of the euro foreign exchange reference rates, as an exchange rate names it."""


class DocumentKind(StrEnum):
    """What was issued. UNTDID 1001 (BT-3): 380 for an invoice, 381 for a credit note."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"

    @property
    def type_code(self) -> str:
        return "381" if self is DocumentKind.CREDIT_NOTE else "380"


class InvoiceStatus(StrEnum):
    """How far an invoice is settled, by payments and credit notes. A void one is not to be paid."""

    ISSUED = "issued"
    PARTIALLY_PAID = "partially_paid"
    PAID = "paid"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Party:
    """Seller (BG-4) or buyer (BG-7) as they were at issue. `iban` (BT-84) is the seller's; `customer_number`,
    `buyer_reference` (BT-10) and `email` are the buyer's.
    """

    name: str
    """BT-27, BT-44"""
    country_code: str
    """BT-40, BT-55"""
    vat_id: str | None = None
    """BT-31, BT-48"""
    tax_number: str | None = None
    """BT-32"""
    street: str | None = None
    """BT-35, BT-50"""
    additional_street: str | None = None
    """BT-36, BT-51"""
    city: str | None = None
    """BT-37, BT-52"""
    post_code: str | None = None
    """BT-38, BT-53"""
    iban: str | None = None
    customer_number: str | None = None
    buyer_reference: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedInvoiceLine:
    """A line (BG-25)."""

    line_number: int
    """BT-126"""
    item_id: UUID | None
    sku: str | None
    """BT-155"""
    description: str
    """BT-153"""
    quantity: Decimal
    """BT-129"""
    unit_code: str
    """BT-130, UN/ECE recommendation 20"""
    unit_price: Decimal
    """BT-146, without VAT; discount_percent is not in it, but an allowance of the line (BG-27)"""
    discount_percent: Decimal
    net_amount: Decimal
    """BT-131"""
    tax_category: str
    """BT-151"""
    tax_rate: Decimal
    """BT-152, percent"""
    period_start: date | None
    """BT-134"""
    period_end: date | None
    """BT-135, there if and only if period_start is"""


@dataclass(frozen=True, slots=True)
class IssuedInvoiceTax:
    """VAT of one category and rate (BG-23), and the share that the discount on the whole has in it (BG-20)."""

    tax_category: str
    """BT-118; of the allowance BT-95"""
    tax_rate: Decimal
    """BT-119, percent; of the allowance BT-96"""
    line_amount: Decimal
    """sum of the lines of this category and rate"""
    allowance_amount: Decimal
    """BT-92"""
    taxable_amount: Decimal
    """BT-116"""
    tax_amount: Decimal
    """BT-117"""
    exemption_reason: str | None
    """BT-120"""
    exemption_reason_code: str | None
    """BT-121"""


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """An issued invoice or credit note, with lines in their order and VAT by category and rate."""

    id: UUID
    invoice_number: str
    """BT-1"""
    document_kind: DocumentKind
    """BT-3"""
    status: InvoiceStatus
    sales_order_id: UUID | None
    customer_id: UUID
    corrected_invoice_id: UUID | None
    corrected_invoice_number: str | None
    """BT-25, of a credit note"""
    corrected_invoice_date: date | None
    """BT-26"""
    batch_job_id: UUID | None
    issue_date: date
    """BT-2"""
    due_date: date
    """BT-9"""
    delivery_date: date
    """BT-72, when the supply was made or completed. It may be after the issue date: then this asks for a prepayment."""
    period_start: date | None
    """BT-73"""
    period_end: date | None
    """BT-74, there if and only if period_start is"""
    currency: str
    """BT-5"""
    line_amount: Decimal
    """BT-106"""
    allowance_amount: Decimal
    """BT-107"""
    net_amount: Decimal
    """BT-109"""
    tax_amount: Decimal
    """BT-110"""
    gross_amount: Decimal
    """BT-112"""
    tax_currency: str | None
    """BT-6, in which the seller accounts for VAT; None: that of the invoice, or no rate was known and there is no VAT.
    With it come the five below."""
    tax_amount_in_tax_currency: Decimal | None
    """BT-111"""
    exchange_rate: Decimal | None
    """one unit of exchange_rate_base is worth so many of the other one of currency and tax_currency"""
    exchange_rate_base: str | None
    exchange_rate_date: date | None
    exchange_rate_source: str | None
    amount_paid: Decimal
    amount_credited: Decimal
    amount_due: Decimal
    """what is open now; BT-115 at issue was the gross amount"""
    discount_percent: Decimal
    """on the whole (BT-94)"""
    language: str
    """ISO 639-1"""
    order_number: str | None
    """BT-14, the seller's"""
    purchase_order_reference: str | None
    """BT-13, the buyer's"""
    note: str | None
    """BT-22"""
    created_at: datetime
    created_by: str
    void_reason: str | None
    voided_at: datetime | None
    voided_by: str | None
    seller: Party
    buyer: Party
    lines: tuple[IssuedInvoiceLine, ...]
    taxes: tuple[IssuedInvoiceTax, ...]

    @property
    def asks_for_payment(self) -> bool:
        """Whether anybody is to pay it: not a credit note, nor an invoice on which nothing is due (any more)."""
        return self.document_kind is DocumentKind.INVOICE and self.amount_due > 0

    @property
    def states_tax_in_tax_currency(self) -> bool:
        """Whether its VAT is stated in the tax currency, too: it is in another one, and there is VAT."""
        return self.tax_currency is not None and self.tax_amount > 0

    @property
    def is_prepayment(self) -> bool:
        """Whether the supply was still to come, or to be completed, at issue."""
        return self.delivery_date > self.issue_date


def get_issued_invoice(connection: Connection, invoice_id: UUID) -> IssuedInvoice:
    """An issued invoice or credit note of the organization in scope. Raises InvoiceNotFound."""
    found = issued_invoices(connection, [invoice_id])
    if not found:
        raise InvoiceNotFound(invoice_id)
    return found[0]


def find_invoice_id(connection: Connection, reference: str) -> UUID:
    """The id of the invoice or credit note with a number or id. Raises InvoiceNotFound."""
    ways = {"invoice_number = :wanted": storable(reference), "invoice_id = :wanted": _id(reference)}
    for condition, value in ways.items():
        if value is None:
            continue
        found: UUID | None = connection.execute(
            text(
                f"""select invoice_id from billing.invoice_number
                    where organization_id = organizations.current() and {condition}"""
            ),
            {"wanted": value},
        ).scalar_one_or_none()
        if found is not None:
            return found
    raise InvoiceNotFound(repr(reference)[:60])


def find_invoice(connection: Connection, invoice_number: str) -> IssuedInvoice:
    """The invoice or credit note with a number. Raises InvoiceNotFound."""
    invoice_id = connection.execute(
        text("select invoice_id from billing.invoice_number where invoice_number = :number"),
        {"number": storable(invoice_number)},
    ).scalar_one_or_none()
    if invoice_id is None:
        raise InvoiceNotFound(repr(invoice_number)[:60])
    return get_issued_invoice(connection, invoice_id)


def issued_invoices(connection: Connection, invoice_ids: Iterable[UUID]) -> list[IssuedInvoice]:
    """Issued invoices in the order of the ids, in three statements however many; unknown ids are left out.

    All of them are in memory at once: ask for a few thousand at a time.
    """
    wanted = list(dict.fromkeys(invoice_ids))
    lines, taxes = (
        _by_invoice(model, connection.execute(text(statement), {"ids": wanted}))
        for model, statement in ((IssuedInvoiceLine, _LINES), (IssuedInvoiceTax, _TAXES))
    )
    return [
        _from_row(
            IssuedInvoice,
            row,
            document_kind=DocumentKind(row.document_kind),
            status=InvoiceStatus(row.status),
            delivery_date=row.delivery_date or row.corrected_invoice_date or row.issue_date,
            seller=Party(**row.seller),
            buyer=Party(**row.buyer),
            lines=tuple(lines[row.id]),
            taxes=tuple(taxes[row.id]),
        )
        for row in connection.execute(text(_HEADERS), {"ids": wanted})
    ]


def _id(reference: str) -> UUID | None:
    try:
        return UUID(reference)
    except ValueError:
        return None


_HEADERS = """
    select i.*, c.invoice_number as corrected_invoice_number, c.issue_date as corrected_invoice_date
    from billing.issued_invoice i
    left join billing.invoice_number c
        on c.organization_id = i.organization_id and c.invoice_id = i.corrected_invoice_id
    where i.organization_id = organizations.current() and i.id = any(cast(:ids as uuid[]))
    order by array_position(cast(:ids as uuid[]), i.id)
"""
_OF_INVOICES = """
    select p.* from billing.{table} p
    where p.organization_id = organizations.current() and p.invoice_id = any(cast(:ids as uuid[]))
    order by {order}
"""
_LINES = _OF_INVOICES.format(table="issued_invoice_line", order="p.line_number")
_TAXES = _OF_INVOICES.format(table="issued_invoice_tax", order="p.tax_rate desc, p.tax_category")


def _by_invoice(model: type[Any], rows: Iterable[Row[Any]]) -> Mapping[UUID, list[Any]]:
    parts: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        parts[row.invoice_id].append(_from_row(model, row))
    return parts


def _from_row(model: type[Any], row: Row[Any], **converted: Any) -> Any:
    values = row._mapping
    return model(**{f.name: converted[f.name] if f.name in converted else values[f.name] for f in fields(model)})
