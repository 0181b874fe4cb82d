"""What a whole document says, on its page and in its XML: why no VAT is charged, and no payment that is not due."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any

import pikepdf
import pytest

from invoice_pipelines.billing.issued_invoices import DocumentKind, IssuedInvoice
from invoice_pipelines.delivery.documents.writing import Stationery, Task, Writer, Written
from invoice_pipelines.delivery.rendering.bundle import bundle_of
from invoice_pipelines.delivery.rendering.language.catalogue import project_catalogue
from invoice_pipelines.delivery.rendering.samples import BUYER, sample_invoice, sample_organization
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.einvoice.code_lists import codes
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines_tests.support.delivery.einvoice.judge import rules
from invoice_pipelines_tests.support.delivery.rendering.looking import page_texts

TODAY = date(2026, 4, 1)
XRECHNUNG = (DocumentFormat.XRECHNUNG_CII, DocumentFormat.XRECHNUNG_UBL)


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(Stationery.of(sample_organization(), bundle_of({}), "nowhere"))


def written(
    writer: Writer, invoice: IssuedInvoice, language: str, format: DocumentFormat = DocumentFormat.ZUGFERD
) -> bytes:
    made = writer.write(Task(invoice, format, language))
    assert isinstance(made, Written), made
    return made.data


def page_and_xml(writer: Writer, invoice: IssuedInvoice, language: str) -> tuple[str, bytes]:
    pdf = written(writer, invoice, language)
    with pikepdf.open(BytesIO(pdf)) as document:
        (attached,) = document.attachments.values()
        return page_texts(pdf)[0], attached.get_file().read_bytes()


def sample(language: str, **changed: Any) -> IssuedInvoice:
    buyer = replace(BUYER, buyer_reference="04011000-12345-03", vat_id="ATU12345675", country_code="AT")
    return sample_invoice(language, lines=1, buyer=buyer, **changed)


def exempt(language: str, category: str, reason: str | None, code: str | None) -> IssuedInvoice:
    invoice = sample(language)
    line = replace(invoice.lines[0], tax_category=category, tax_rate=Decimal(0))
    tax = replace(
        invoice.taxes[0],
        tax_category=category,
        tax_rate=Decimal(0),
        tax_amount=Decimal(0),
        exemption_reason=reason,
        exemption_reason_code=code,
    )
    net = invoice.net_amount
    return replace(invoice, lines=(line,), taxes=(tax,), tax_amount=Decimal(0), gross_amount=net, amount_due=net)


@pytest.mark.parametrize(
    ("language", "category", "reason", "code", "said"),
    [
        ("de", "E", None, "VATEX-EU-132-1C", "Steuerfrei nach Artikel 132 Absatz 1 Buchstabe c der Richtlinie"),
        ("en", "E", None, "VATEX-EU-132-1C", "Exempt from VAT under Article 132(1)(c) of Directive 2006/112/EC."),
        ("en", "E", None, "vatex-eu-132-1c", "Exempt from VAT under Article 132(1)(c) of Directive 2006/112/EC."),
        ("de", "E", "Steuerfrei nach § 4 Nr. 14 UStG.", "VATEX-EU-132-1C", "Steuerfrei nach § 4 Nr. 14 UStG."),
        ("en", "E", "Steuerfrei nach § 4 Nr. 14 UStG.", "VATEX-EU-132-1C", "Exempt from VAT under Article 132(1)(c)"),
        ("en", "E", "Steuerfrei nach § 4 Nr. 14 UStG.", None, "Steuerfrei nach § 4 Nr. 14 UStG."),
        ("en", "AE", "Steuerschuldnerschaft", None, "Reverse charge: the recipient is liable for the VAT."),
        ("de", "AE", None, None, "Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge)."),
    ],
)
def test_why_no_vat_is_charged_is_said_in_the_language_of_the_document(
    writer: Writer, language: str, category: str, reason: str | None, code: str | None, said: str
) -> None:
    page, xml = page_and_xml(writer, exempt(language, category, reason, code), language)
    assert said in page
    (tax,) = read_document(xml).tax_breakdowns
    assert (tax.exemption_reason or "").startswith(said)
    assert rules(xml, TODAY) == set()


@pytest.mark.parametrize("language", ["de", "en"])
def test_each_code_of_an_exemption_has_words_in_each_language(language: str) -> None:
    catalogue = project_catalogue(language)
    assert set(catalogue.exemption_codes) == codes("exemption_reasons")
    assert all(text.endswith(".") for text in catalogue.exemption_codes.values())


def free(invoice: IssuedInvoice) -> IssuedInvoice:
    """The same for nothing."""
    zero = Decimal(0)
    line = replace(invoice.lines[0], unit_price=zero, net_amount=zero, discount_percent=zero)
    tax = replace(invoice.taxes[0], line_amount=zero, taxable_amount=zero, tax_amount=zero)
    return replace(
        invoice,
        lines=(line,),
        taxes=(tax,),
        **dict.fromkeys(("line_amount", "net_amount", "tax_amount", "gross_amount", "amount_due"), zero),
    )


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("kind", ["free", "settled", "credit note"])
def test_no_document_asks_for_a_payment_that_is_not_due(writer: Writer, language: str, kind: str) -> None:
    of_kind = DocumentKind.CREDIT_NOTE if kind == "credit note" else DocumentKind.INVOICE
    invoice = sample(language, kind=of_kind)
    if kind == "free":
        invoice = free(invoice)
    elif kind == "settled":
        invoice = replace(invoice, amount_due=Decimal(0), amount_credited=invoice.gross_amount)
    page, xml = page_and_xml(writer, invoice, language)
    for asked in ("DE89", "IBAN", "Bitte zahlen", "Please pay", "30 March", "30. März"):
        assert asked not in page
    for found in (xml, *(written(writer, invoice, language, format) for format in XRECHNUNG)):
        assert rules(found, TODAY) == set()
        assert b"DE89" not in found
        reading = read_document(found)
        assert reading.due_date is None
        assert reading.gross_amount == invoice.gross_amount
        assert "Bitte zahlen" not in (reading.payment_terms or "")


def test_an_invoice_that_is_due_asks_for_its_payment(writer: Writer) -> None:
    page, xml = page_and_xml(writer, sample_invoice("de"), "de")
    assert "DE89 3704 0044 0532 0130 00" in page
    assert "Bitte zahlen Sie bis zum 30. März 2026 ohne Abzug." in page
    assert b"DE89370400440532013000" in xml
    assert read_document(xml).due_date == date(2026, 3, 30)
