"""Invoices made by hand, as billing would have issued them; for what billing cannot issue, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from invoice_pipelines.billing import (
    DocumentKind,
    InvoiceStatus,
    IssuedInvoice,
    IssuedInvoiceLine,
    IssuedInvoiceTax,
    Party,
)
from invoice_pipelines.delivery.einvoice import Seller

CENT = Decimal("0.01")
REASONS = {"E": "Medical care", "AE": "Reverse charge", "K": "Intra-community supply", "G": "Export outside the EU"}

SELLER_PARTY = Party(
    name="Nordwind Handel GmbH & Co. KG",
    country_code="DE",
    vat_id="DE123456788",
    tax_number="60/123/45678",
    street="Hafenweg 1",
    additional_street="Speicher 3",
    city="Bremen",
    post_code="28195",
    iban="DE02 1203 0000 0000 2020 51",
)
BUYER = Party(
    name="Käufer & Söhne AG",
    country_code="AT",
    vat_id="ATU12345675",
    street="Ringstraße 7",
    city="Wien",
    post_code="1010",
    customer_number="C-1001",
    buyer_reference="Einkauf 7",
    email="rechnung@kaeufer.example",
)
SELLER = Seller(
    contact_name="Anna Beispiel",
    contact_phone="+49 421 123456",
    contact_email="anna@nordwind.example",
    bic="BYLADEM1001",
    account_name="Nordwind Handel GmbH & Co. KG",
    payment_terms="Payable without deduction until 16 March 2026.",
    legal_text="Amtsgericht Bremen, HRB 12345",
    iban="DE02120300000000202051",
)


def sample_line(
    quantity: str = "1", unit_price: str = "10", category: str = "S", rate: str = "19", discount: str = "0", **more: Any
) -> IssuedInvoiceLine:
    """A line; its net amount is rounded to cents unless it is given."""
    product = Decimal(quantity) * Decimal(unit_price) * (100 - Decimal(discount)) / 100
    values: dict[str, Any] = {
        "line_number": 1,
        "item_id": None,
        "sku": None,
        "description": "Work",
        "quantity": Decimal(quantity),
        "unit_code": "C62",
        "unit_price": Decimal(unit_price),
        "discount_percent": Decimal(discount),
        "net_amount": product.quantize(CENT, ROUND_HALF_UP),
        "tax_category": category,
        "tax_rate": Decimal(rate),
        "period_start": None,
        "period_end": None,
    }
    return IssuedInvoiceLine(**values | more)


def sample_invoice(*lines: IssuedInvoiceLine, digits: str = "0.01", **changed: Any) -> IssuedInvoice:
    """An invoice of 2 March 2026 with sums and VAT of its lines; or anything else, by `changed`."""
    numbered = _numbered(lines or (sample_line(),))
    discount = Decimal(changed.pop("discount_percent", 0))
    taxes = changed.pop("taxes", None) or _taxes(numbered, discount, Decimal(digits))
    line_amount = sum((tax.line_amount for tax in taxes), Decimal(0))
    allowance_amount = sum((tax.allowance_amount for tax in taxes), Decimal(0))
    tax_amount = sum((tax.tax_amount for tax in taxes), Decimal(0))
    gross_amount = line_amount - allowance_amount + tax_amount
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "invoice_number": "INV-2026-000042",
        "document_kind": DocumentKind.INVOICE,
        "status": InvoiceStatus.ISSUED,
        "sales_order_id": None,
        "customer_id": UUID(int=2),
        "corrected_invoice_id": None,
        "corrected_invoice_number": None,
        "corrected_invoice_date": None,
        "batch_job_id": None,
        "issue_date": date(2026, 3, 2),
        "due_date": date(2026, 3, 16),
        "delivery_date": date(2026, 2, 27),
        "period_start": None,
        "period_end": None,
        "currency": "EUR",
        "line_amount": line_amount,
        "allowance_amount": allowance_amount,
        "net_amount": line_amount - allowance_amount,
        "tax_amount": tax_amount,
        "gross_amount": gross_amount,
        "tax_currency": None,
        "tax_amount_in_tax_currency": None,
        "exchange_rate": None,
        "exchange_rate_base": None,
        "exchange_rate_date": None,
        "exchange_rate_source": None,
        "amount_paid": Decimal(0),
        "amount_credited": Decimal(0),
        "amount_due": gross_amount,
        "discount_percent": discount,
        "language": "en",
        "order_number": "O-4711",
        "purchase_order_reference": "PO 77",
        "note": None,
        "created_at": datetime(2026, 3, 2, 9, tzinfo=UTC),
        "created_by": "anna",
        "void_reason": None,
        "voided_at": None,
        "voided_by": None,
        "seller": SELLER_PARTY,
        "buyer": BUYER,
        "lines": numbered,
        "taxes": taxes,
    }
    return IssuedInvoice(**values | changed)


def sample_credit_note(*lines: IssuedInvoiceLine, **changed: Any) -> IssuedInvoice:
    """A credit note for the invoice that `sample_invoice` makes."""
    values: dict[str, Any] = {
        "document_kind": DocumentKind.CREDIT_NOTE,
        "invoice_number": "CN-2026-000003",
        "corrected_invoice_number": "INV-2026-000042",
        "corrected_invoice_date": date(2026, 3, 2),
        "issue_date": date(2026, 3, 9),
        "due_date": date(2026, 3, 9),
        "note": "Returned damaged",
    }
    return sample_invoice(*lines, **values | changed)


def _numbered(lines: Sequence[IssuedInvoiceLine]) -> tuple[IssuedInvoiceLine, ...]:
    return tuple(replace(line, line_number=number) for number, line in enumerate(lines, start=1))


def _taxes(lines: Sequence[IssuedInvoiceLine], discount: Decimal, unit: Decimal) -> tuple[IssuedInvoiceTax, ...]:
    sums: dict[tuple[str, Decimal], Decimal] = {}
    for line in lines:
        key = (line.tax_category, line.tax_rate)
        sums[key] = sums.get(key, Decimal(0)) + line.net_amount
    taxes = []
    for (category, rate), line_amount in sums.items():
        allowance = (line_amount * discount / 100).quantize(unit, ROUND_HALF_UP)
        taxable = line_amount - allowance
        tax = (taxable * rate / 100).quantize(unit, ROUND_HALF_UP)
        taxes.append(
            IssuedInvoiceTax(category, rate, line_amount, allowance, taxable, tax, REASONS.get(category), None)
        )
    return tuple(taxes)
