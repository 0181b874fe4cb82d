"""An issued invoice or credit note as UBL, made of its rows alone: a second opinion on what they say."""

from __future__ import annotations

from typing import Any

from invoice_pipelines.einvoice import Invoice, Syntax, write
from invoice_pipelines.einvoice.model import (
    Address,
    AllowanceCharge,
    Delivery,
    Line,
    Note,
    Party,
    PrecedingInvoice,
    TaxBreakdown,
)
from invoice_pipelines_tests.integration.billing.books import Book


def as_ubl(book: Book, corrected_number: str | None = None) -> bytes:
    """The document as XML. Nothing is computed but the allowance of a line, which its net amount implies."""
    header = book.header
    is_credit_note = header.document_kind == "credit_note"
    invoice = Invoice(
        specification_identifier="urn:cen.eu:en16931:2017",
        number=header.invoice_number,
        issue_date=header.issue_date,
        due_date=None if is_credit_note else header.due_date,
        type_code="381" if is_credit_note else "380",
        notes=(Note(header.note),) if header.note else (),
        currency=header.currency,
        buyer_reference=header.buyer.get("buyer_reference"),
        order_reference=header.purchase_order_reference or header.order_number,
        preceding_invoices=(PrecedingInvoice(corrected_number),) if corrected_number else (),
        seller=_party(header.seller),
        buyer=_party(header.buyer),
        delivery=Delivery(date=header.delivery_date, address=Address(country_code=header.buyer["country_code"]))
        if header.delivery_date
        else None,
        payment_terms="To be set off" if is_credit_note else None,
        allowances_charges=tuple(
            AllowanceCharge(
                False, tax.allowance_amount, tax_category=tax.tax_category, tax_rate=tax.tax_rate, reason="Discount"
            )
            for tax in book.taxes
            if tax.allowance_amount
        ),
        line_total=header.line_amount,
        allowance_total=header.allowance_amount,
        net_amount=header.net_amount,
        tax_amount=header.tax_amount,
        gross_amount=header.gross_amount,
        payable_amount=header.gross_amount,
        tax_breakdowns=tuple(
            TaxBreakdown(
                tax.taxable_amount,
                tax.tax_amount,
                tax.tax_category,
                tax.tax_rate,
                tax.exemption_reason,
                tax.exemption_reason_code,
            )
            for tax in book.taxes
        ),
        lines=tuple(map(_line, book.lines)),
    )
    return write(invoice, Syntax.UBL)


def _line(row: Any) -> Line:
    discount = round(row.quantity * row.unit_price, 2) - row.net_amount
    return Line(
        identifier=str(row.line_number),
        quantity=row.quantity,
        unit=row.unit_code,
        net_amount=row.net_amount,
        allowances_charges=(AllowanceCharge(False, discount, reason="Discount"),)
        if row.discount_percent and discount > 0
        else (),
        unit_price=row.unit_price,
        name=row.description,
        seller_item_id=row.sku,
        tax_category=row.tax_category,
        tax_rate=row.tax_rate,
    )


def _party(said: dict[str, str]) -> Party:
    address = Address(
        said.get("street"), None, None, said.get("city"), said.get("post_code"), None, said["country_code"]
    )
    return Party(name=said["name"], vat_id=said.get("vat_id"), tax_id=said.get("tax_number"), address=address)
