"""What a page says of the date of supply, of service periods, and of VAT in the currency of the seller."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from invoice_pipelines.billing import DocumentKind, IssuedInvoice
from invoice_pipelines.delivery.rendering.renderer import Renderer
from invoice_pipelines.delivery.rendering.samples import sample_invoice
from invoice_pipelines_tests.support.delivery.rendering.looking import XML, page_texts

MARCH = {"period_start": date(2026, 3, 1), "period_end": date(2026, 3, 12)}


def page(renderer: Renderer, invoice: IssuedInvoice, language: str = "de") -> str:
    (text,) = page_texts(renderer.render(invoice, XML, language=language).pdf)
    return " ".join(text.split())


def test_the_date_of_supply_is_said_even_if_it_is_the_invoice_date(renderer: Renderer) -> None:
    same_day = replace(sample_invoice("de"), delivery_date=date(2026, 3, 16))
    text = page(renderer, same_day)
    assert "Rechnungsdatum 16. März 2026" in text
    assert "Leistungsdatum 16. März 2026" in text
    assert "Anzahlungsrechnung" not in text
    assert "Date of supply 16 March 2026" in page(renderer, same_day, "en")


def test_service_periods_of_the_invoice_and_its_lines_are_said(renderer: Renderer) -> None:
    invoice = sample_invoice("de")
    first, *others = invoice.lines
    week = replace(first, period_start=date(2026, 3, 2), period_end=date(2026, 3, 6))
    text = page(renderer, replace(invoice, lines=(week, *others), **MARCH))
    assert "Leistungszeitraum 1. März 2026 – 12. März 2026" in text
    assert "Leistungszeitraum: 2. März 2026 – 6. März 2026" in text
    assert "Leistungsdatum" not in text  # the end of the period says it
    later = page(renderer, replace(invoice, delivery_date=date(2026, 3, 14), **MARCH))
    assert "Leistungsdatum 14. März 2026" in later
    autumn = {"period_start": date(2026, 9, 1), "period_end": date(2026, 9, 30), "delivery_date": date(2026, 9, 30)}
    (text,) = page_texts(renderer.render(replace(invoice, **autumn), XML, language="de").pdf)
    assert "30. September 2026" in text.splitlines(), "what does not fit on a line is not broken within a date"


def test_an_invoice_before_the_supply_says_so(renderer: Renderer) -> None:
    ahead = replace(sample_invoice("de"), delivery_date=date(2026, 4, 1))
    text = page(renderer, ahead)
    assert "Voraussichtl. Leistung 1. April 2026" in text
    assert "Voraus- oder Anzahlungsrechnung" in text
    assert "Prepayment invoice" in page(renderer, ahead, "en")
    credit = replace(sample_invoice("de", kind=DocumentKind.CREDIT_NOTE), delivery_date=date(2026, 4, 1))
    assert "Anzahlungsrechnung" not in page(renderer, credit)


def test_vat_in_the_sellers_currency_is_said_with_its_rate_date_and_source(renderer: Renderer) -> None:
    invoice = replace(
        sample_invoice("de", currency="USD"),
        tax_currency="EUR",
        tax_amount_in_tax_currency=Decimal("1234.5"),
        exchange_rate=Decimal("1.0823"),
        exchange_rate_base="EUR",
        exchange_rate_date=date(2026, 3, 12),
        exchange_rate_source="ECB",
    )
    said = page(renderer, invoice)
    assert "USt. in EUR: 1.234,50 € (Kurs vom 12. März 2026: 1 EUR = 1,0823 USD, Quelle: EZB)." in said
    polish = replace(invoice, exchange_rate_base="USD", exchange_rate=Decimal("0.9"), exchange_rate_source="BMF")
    said = page(renderer, polish, "en")
    assert "VAT in EUR: €1,234.50 (rate of 12 March 2026: 1 USD = 0.9 EUR, source: BMF)." in said
    exempt = replace(invoice, tax_amount=Decimal(0), tax_amount_in_tax_currency=Decimal(0))
    assert "USt. in EUR" not in page(renderer, exempt)
