"""Invoices of companies that do not exist, to check templates with and to show what they look like."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from invoice_pipelines.billing.issued_invoices import (
    DocumentKind,
    InvoiceStatus,
    IssuedInvoice,
    IssuedInvoiceLine,
    IssuedInvoiceTax,
    Party,
)

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
        quantity, unit_price = Decimal(_QUANTITIES[number % 6]), Decimal(price)
        percent = Decimal(10) if number % 6 == 1 else Decimal(0)
        items.append(
            IssuedInvoiceLine(
                line_number=number + 1,
                item_id=None,
                sku=sku,
                description=names[number % len(names)],
                quantity=quantity,
                unit_code=unit,
                unit_price=unit_price,
                discount_percent=percent,
                net_amount=_cents(quantity * unit_price * (100 - percent) / 100),
                tax_category="S",
                tax_rate=Decimal(7) if number % 6 == 4 else Decimal(19),
                period_start=None,
                period_end=None,
            )
        )
    return _with_sums(
        IssuedInvoice(
            id=UUID(int=1),
            invoice_number="RE-2026-000042" if kind is DocumentKind.INVOICE else "RK-2026-000007",
            document_kind=kind,
            status=InvoiceStatus.ISSUED,
            sales_order_id=None,
            customer_id=UUID(int=2),
            corrected_invoice_id=UUID(int=3) if kind is DocumentKind.CREDIT_NOTE else None,
            corrected_invoice_number="RE-2026-000042" if kind is DocumentKind.CREDIT_NOTE else None,
            corrected_invoice_date=date(2026, 3, 2) if kind is DocumentKind.CREDIT_NOTE else None,
            batch_job_id=None,
            issue_date=date(2026, 3, 16),
            due_date=date(2026, 3, 30),
            delivery_date=date(2026, 3, 12),
            period_start=None,
            period_end=None,
            currency=currency,
            line_amount=Decimal(0),
            allowance_amount=Decimal(0),
            net_amount=Decimal(0),
            tax_amount=Decimal(0),
            gross_amount=Decimal(0),
            tax_currency=None,
            tax_amount_in_tax_currency=None,
            exchange_rate=None,
            exchange_rate_base=None,
            exchange_rate_date=None,
            exchange_rate_source=None,
            amount_paid=Decimal(0),
            amount_credited=Decimal(0),
            amount_due=Decimal(0),
            discount_percent=discount_percent,
            language=language,
            order_number="A-2026-0815",
            purchase_order_reference="BST-7731",
            note=note,
            created_at=datetime(2026, 3, 16, 9, tzinfo=UTC),
            created_by="sample",
            void_reason=None,
            voided_at=None,
            voided_by=None,
            seller=seller,
            buyer=buyer,
            lines=tuple(items),
            taxes=(),
        )
    )


def _with_sums(invoice: IssuedInvoice) -> IssuedInvoice:
    taxes = []
    for rate in sorted({line.tax_rate for line in invoice.lines}, reverse=True):
        amount = sum((line.net_amount for line in invoice.lines if line.tax_rate == rate), Decimal(0))
        allowance = _cents(amount * invoice.discount_percent / 100)
        taxes.append(
            IssuedInvoiceTax(
                tax_category="S",
                tax_rate=rate,
                line_amount=amount,
                allowance_amount=allowance,
                taxable_amount=amount - allowance,
                tax_amount=_cents((amount - allowance) * rate / 100),
                exemption_reason=None,
                exemption_reason_code=None,
            )
        )
    net = sum((tax.taxable_amount for tax in taxes), Decimal(0))
    vat = sum((tax.tax_amount for tax in taxes), Decimal(0))
    return replace(
        invoice,
        taxes=tuple(taxes),
        line_amount=sum((tax.line_amount for tax in taxes), Decimal(0)),
        allowance_amount=sum((tax.allowance_amount for tax in taxes), Decimal(0)),
        net_amount=net,
        tax_amount=vat,
        gross_amount=net + vat,
        amount_due=net + vat,
    )


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
