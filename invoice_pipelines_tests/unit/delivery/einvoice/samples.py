"""Invoices made by hand, as billing would have issued them; for what billing cannot issue, too."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from invoice_pipelines.billing import DocumentKind, IssuedInvoice, IssuedInvoiceLine, Party
from invoice_pipelines.delivery.einvoice import Seller
from invoice_pipelines.delivery.rendering.samples import added_up
from invoice_pipelines.delivery.rendering.samples import sample_line as sample_line

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


def sample_invoice(*lines: IssuedInvoiceLine, digits: str = "0.01", **changed: Any) -> IssuedInvoice:
    """An invoice of 2 March 2026 with sums and VAT of its lines; or anything else, by `changed`."""
    discount = Decimal(changed.pop("discount_percent", 0))
    values: dict[str, Any] = {
        "invoice_number": "INV-2026-000042",
        "issue_date": date(2026, 3, 2),
        "due_date": date(2026, 3, 16),
        "delivery_date": date(2026, 2, 27),
        "language": "en",
        "order_number": "O-4711",
        "purchase_order_reference": "PO 77",
        "seller": SELLER_PARTY,
        "buyer": BUYER,
    }
    made = added_up(lines or (sample_line(),), discount, Decimal(digits), **values | changed)
    if "taxes" in changed:
        return made
    taxes = (replace(tax, exemption_reason=REASONS.get(tax.tax_category)) for tax in made.taxes)
    return replace(made, taxes=tuple(taxes))


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
