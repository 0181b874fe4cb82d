"""Invoices of companies that do not exist, to check templates with and to show what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from invoice_pipelines.billing.issued_invoices import (
    DocumentKind,
    InvoiceStatus,
    IssuedInvoice,
    IssuedInvoiceLine,
    IssuedInvoiceTax,
    Party,
)
from invoice_pipelines.organizations import Address, Organization, OrganizationSettings
from invoice_pipelines.organizations.settings import DocumentSettings

CENT = Decimal("0.01")
SELLER = Party(
    name="Nordlicht Werkstätten GmbH",
    country_code="DE",
    vat_id="DE123456788",
    tax_number="27/123/45678",
    street="Hafenstraße 12",
    city="Hamburg",
    post_code="20457",
    iban="DE89370400440532013000",
)
BUYER = Party(
    name="Café Morgenrot OHG",
    country_code="DE",
    street="Lindenallee 7",
    city="Leipzig",
    post_code="04109",
    vat_id="DE987654329",
    customer_number="K-10042",
    email="buchhaltung@cafe-morgenrot.example",
)
DOCUMENTS = DocumentSettings(
    contact_name="Jana Petersen",
    contact_phone="+49 40 5550123",
    contact_email="rechnung@nordlicht.example",
    website="nordlicht.example",
    bank_name="Hanseatische Bank",
    bic="COBADEFFXXX",
    legal_text="Amtsgericht Hamburg HRB 123456\nGeschäftsführung: Jana Petersen",
)
_ITEMS = (
    ("NL-T120", "C62", "489.00"),
    ("NL-S04", "C62", "129.50"),
    ("NL-L11", "C62", "74.90"),
    (None, "HUR", "62.00"),
    ("NL-OEL", "LTR", "23.4500"),
    ("NL-LF", "LS", "49.00"),
)
_NAMES = {
    "de": (
        "Esstisch „Elbe“, Eiche massiv, 120 × 80 cm",
        "Stuhl „Fleet“, gepolstert, Bezug Graphit",
        "Pendelleuchte Messing",
        "Aufbau und Einpassen vor Ort",
        "Hartwachsöl, seidenmatt",
        "Lieferung im Stadtgebiet",
    ),
    "en": (
        "Dining table “Elbe”, solid oak, 120 × 80 cm",
        "Chair “Fleet”, upholstered, graphite",
        "Pendant lamp, brass",
        "Assembly and fitting on site",
        "Hard wax oil, satin",
        "Delivery within the city",
    ),
}
_QUANTITIES = ("2", "8", "4", "3.5", "1.25", "1")


def sample_invoice(
    language: str = "de",
    *,
    lines: int = 6,
    kind: DocumentKind = DocumentKind.INVOICE,
    discount_percent: Decimal = Decimal(0),
    seller: Party = SELLER,
    buyer: Party = BUYER,
    note: str | None = None,
    currency: str = "EUR",
    names: tuple[str, ...] = (),
) -> IssuedInvoice:
    """An invoice that adds up, with so many lines at 19 % and 7 %."""
    names = names or _NAMES.get(language, _NAMES["en"])
    items = []
    for number in range(lines):
        sku, unit, price = _ITEMS[number % 6]
        line = sample_line(
            _QUANTITIES[number % 6],
            price,
            rate="7" if number % 6 == 4 else "19",
            discount="10" if number % 6 == 1 else "0",
            description=names[number % len(names)],
            sku=sku,
            unit_code=unit,
        )
        items.append(line)
    corrected: dict[str, Any] = {
        "invoice_number": "RK-2026-000007",
        "corrected_invoice_id": UUID(int=3),
        "corrected_invoice_number": "RE-2026-000042",
        "corrected_invoice_date": date(2026, 3, 2),
    }
    return added_up(
        items,
        discount_percent,
        document_kind=kind,
        currency=currency,
        language=language,
        note=note,
        seller=seller,
        buyer=buyer,
        **(corrected if kind is DocumentKind.CREDIT_NOTE else {}),
    )


def sample_line(
    quantity: str = "1", unit_price: str = "10", category: str = "S", rate: str = "19", discount: str = "0", **more: Any
) -> IssuedInvoiceLine:
    """A line; its net amount is rounded to cents unless it is given among `more`."""
    product = Decimal(quantity) * Decimal(unit_price) * (100 - Decimal(discount)) / 100
    values: dict[str, Any] = dict.fromkeys(IssuedInvoiceLine.__slots__) | {
        "description": "Work",
        "quantity": Decimal(quantity),
        "unit_code": "C62",
        "unit_price": Decimal(unit_price),
        "discount_percent": Decimal(discount),
        "net_amount": product.quantize(CENT, ROUND_HALF_UP),
        "tax_category": category,
        "tax_rate": Decimal(rate),
    }
    return IssuedInvoiceLine(**values | more)


def added_up(
    lines: Sequence[IssuedInvoiceLine], discount_percent: Decimal = Decimal(0), unit: Decimal = CENT, **more: Any
) -> IssuedInvoice:
    """An invoice with the sums and the VAT of its lines, rounded to a unit; `more` stands above what it would say."""
    taxes = more.pop("taxes", None) or _taxes(lines, discount_percent, unit)
    net = sum((tax.taxable_amount for tax in taxes), Decimal(0))
    vat = sum((tax.tax_amount for tax in taxes), Decimal(0))
    values: dict[str, Any] = dict.fromkeys(IssuedInvoice.__slots__) | {
        "id": UUID(int=1),
        "invoice_number": "RE-2026-000042",
        "document_kind": DocumentKind.INVOICE,
        "status": InvoiceStatus.ISSUED,
        "customer_id": UUID(int=2),
        "issue_date": date(2026, 3, 16),
        "due_date": date(2026, 3, 30),
        "delivery_date": date(2026, 3, 12),
        "currency": "EUR",
        "line_amount": sum((tax.line_amount for tax in taxes), Decimal(0)),
        "allowance_amount": sum((tax.allowance_amount for tax in taxes), Decimal(0)),
        "net_amount": net,
        "tax_amount": vat,
        "gross_amount": net + vat,
        "amount_paid": Decimal(0),
        "amount_credited": Decimal(0),
        "amount_due": net + vat,
        "discount_percent": discount_percent,
        "order_number": "A-2026-0815",
        "purchase_order_reference": "BST-7731",
        "created_at": datetime(2026, 3, 16, 9, tzinfo=UTC),
        "created_by": "sample",
        "lines": tuple(replace(line, line_number=number) for number, line in enumerate(lines, start=1)),
        "taxes": taxes,
    }
    return IssuedInvoice(**values | more)


def sample_organization() -> Organization:
    """The organization that the seller of the samples is."""
    return Organization(
        id=UUID(int=4),
        slug="nordlicht",
        name=SELLER.name,
        country_code=SELLER.country_code,
        time_zone=ZoneInfo("Europe/Berlin"),
        currency="EUR",
        vat_id=SELLER.vat_id,
        tax_number=SELLER.tax_number,
        iban=SELLER.iban,
        address=Address(street=SELLER.street, city=SELLER.city, post_code=SELLER.post_code),
        settings=OrganizationSettings(language="de", documents=DOCUMENTS),
    )


def _taxes(lines: Sequence[IssuedInvoiceLine], discount: Decimal, unit: Decimal) -> tuple[IssuedInvoiceTax, ...]:
    sums: dict[tuple[str, Decimal], Decimal] = {}
    for line in lines:
        key = (line.tax_category, line.tax_rate)
        sums[key] = sums.get(key, Decimal(0)) + line.net_amount
    taxes = []
    for (category, rate), amount in sums.items():
        allowance = (amount * discount / 100).quantize(unit, ROUND_HALF_UP)
        tax = ((amount - allowance) * rate / 100).quantize(unit, ROUND_HALF_UP)
        taxes.append(IssuedInvoiceTax(category, rate, amount, allowance, amount - allowance, tax, None, None))
    return tuple(taxes)
