"""Writes an issued invoice or credit note as EN 16931 UBL, from its rows alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from lxml import etree

from invoice_pipelines_tests.integration.billing.books import Book

CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"


def as_ubl(book: Book, corrected_number: str | None = None) -> bytes:
    """The document as XML. Nothing is computed but the allowance of a line, which its net amount implies."""
    header = book.header
    kind = "CreditNote" if header.document_kind == "credit_note" else "Invoice"
    space = f"urn:oasis:names:specification:ubl:schema:xsd:{kind}-2"
    root = etree.Element(f"{{{space}}}{kind}", nsmap={None: space, "cac": CAC, "cbc": CBC})  # type: ignore[dict-item]
    currency = header.currency

    def amount(parent: Any, name: str, value: Decimal) -> None:
        add(parent, name, format(value, "f"), currencyID=currency)

    add(root, "CustomizationID", "urn:cen.eu:en16931:2017")
    add(root, "ID", header.invoice_number)
    add(root, "IssueDate", header.issue_date.isoformat())
    if kind == "Invoice":
        add(root, "DueDate", header.due_date.isoformat())
    add(root, f"{kind}TypeCode", "380" if kind == "Invoice" else "381")
    if header.note:
        add(root, "Note", header.note)
    add(root, "DocumentCurrencyCode", currency)
    if "buyer_reference" in header.buyer:
        add(root, "BuyerReference", header.buyer["buyer_reference"])
    order = group(root, "OrderReference")
    add(order, "ID", header.purchase_order_reference or header.order_number)
    if corrected_number is not None:
        add(group(group(root, "BillingReference"), "InvoiceDocumentReference"), "ID", corrected_number)
    party(group(root, "AccountingSupplierParty"), header.seller)
    party(group(root, "AccountingCustomerParty"), header.buyer)
    if header.delivery_date is not None:
        delivery = group(root, "Delivery")
        add(delivery, "ActualDeliveryDate", header.delivery_date.isoformat())
        address = group(group(delivery, "DeliveryLocation"), "Address")
        add(group(address, "Country"), "IdentificationCode", header.buyer["country_code"])
    if kind == "CreditNote":
        add(group(root, "PaymentTerms"), "Note", "To be set off")
    for tax in book.taxes:
        if tax.allowance_amount:
            allowance = group(root, "AllowanceCharge")
            add(allowance, "ChargeIndicator", "false")
            add(allowance, "AllowanceChargeReason", "Discount")
            amount(allowance, "Amount", tax.allowance_amount)
            category(allowance, "TaxCategory", tax)
    total = group(root, "TaxTotal")
    amount(total, "TaxAmount", header.tax_amount)
    for tax in book.taxes:
        part = group(total, "TaxSubtotal")
        amount(part, "TaxableAmount", tax.taxable_amount)
        amount(part, "TaxAmount", tax.tax_amount)
        category(part, "TaxCategory", tax, reason=True)
    sums = group(root, "LegalMonetaryTotal")
    amount(sums, "LineExtensionAmount", header.line_amount)
    amount(sums, "TaxExclusiveAmount", header.net_amount)
    amount(sums, "TaxInclusiveAmount", header.gross_amount)
    amount(sums, "AllowanceTotalAmount", header.allowance_amount)
    amount(sums, "PayableAmount", header.gross_amount)
    for line in book.lines:
        entry = group(root, f"{kind}Line")
        add(entry, "ID", str(line.line_number))
        quantity = "InvoicedQuantity" if kind == "Invoice" else "CreditedQuantity"
        add(entry, quantity, format(line.quantity, "f"), unitCode=line.unit_code)
        amount(entry, "LineExtensionAmount", line.net_amount)
        discount = round(line.quantity * line.unit_price, 2) - line.net_amount
        if line.discount_percent and discount > 0:
            allowance = group(entry, "AllowanceCharge")
            add(allowance, "ChargeIndicator", "false")
            add(allowance, "AllowanceChargeReason", "Discount")
            amount(allowance, "Amount", discount)
        item = group(entry, "Item")
        add(item, "Name", line.description)
        if line.sku is not None:
            add(group(item, "SellersItemIdentification"), "ID", line.sku)
        category(item, "ClassifiedTaxCategory", line)
        amount(group(entry, "Price"), "PriceAmount", line.unit_price)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def group(parent: Any, name: str) -> Any:
    return etree.SubElement(parent, f"{{{CAC}}}{name}")


def add(parent: Any, name: str, text: str, **attributes: str) -> None:
    element = etree.SubElement(parent, f"{{{CBC}}}{name}", attributes)
    element.text = text


def category(parent: Any, name: str, row: Any, reason: bool = False) -> None:
    entry = group(parent, name)
    add(entry, "ID", row.tax_category)
    add(entry, "Percent", format(row.tax_rate, "f"))
    if reason and row.exemption_reason_code:
        add(entry, "TaxExemptionReasonCode", row.exemption_reason_code)
    if reason and row.exemption_reason:
        add(entry, "TaxExemptionReason", row.exemption_reason)
    add(group(entry, "TaxScheme"), "ID", "VAT")


def party(parent: Any, said: dict[str, str]) -> None:
    entry = group(parent, "Party")
    address = group(entry, "PostalAddress")
    for name, key in (("StreetName", "street"), ("CityName", "city"), ("PostalZone", "post_code")):
        if key in said:
            add(address, name, said[key])
    add(group(address, "Country"), "IdentificationCode", said["country_code"])
    for key, scheme in (("vat_id", "VAT"), ("tax_number", "FC")):
        if key in said:
            registration = group(entry, "PartyTaxScheme")
            add(registration, "CompanyID", said[key])
            add(group(registration, "TaxScheme"), "ID", scheme)
    add(group(entry, "PartyLegalEntity"), "RegistrationName", said["name"])
