"""Holds how an issued invoice is written in UBL 2.1 (CEN/TS 16931-3-2): as an Invoice, or as a CreditNote."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from invoice_pipelines.billing import DocumentKind, IssuedInvoice, IssuedInvoiceLine, IssuedInvoiceTax, Party
from invoice_pipelines.delivery.einvoice.derived import (
    Adjustment,
    ElectronicAddress,
    buyer_address,
    compact,
    document_allowance,
    exemption,
    line_adjustments,
    name_and_description,
    needs_deliver_to,
    payment_means,
    payment_terms,
    seller_address,
    seller_identifier,
)
from invoice_pipelines.delivery.einvoice.seller import Seller
from invoice_pipelines.einvoice.profiles import Profile
from invoice_pipelines.einvoice.writing.xml_text import (
    DECLARATION,
    clean,
    escaped,
    group,
    leaf,
    money,
    number,
    optional,
    price,
)

_NO_ORDER_REFERENCE = "NA"
"""UBL has the seller's order number (BT-14) only beside the buyer's (BT-13); Peppol BIS Billing says to write this."""
_ABOUT_VAT = "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
_GENERAL = "#AAI#"


def ubl(invoice: IssuedInvoice, seller: Seller, *, profile: Profile) -> bytes:
    """The document as an Invoice or a CreditNote. It keeps its rules where `lacking` names nothing."""
    is_invoice = invoice.document_kind is DocumentKind.INVOICE
    kind = "Invoice" if is_invoice else "CreditNote"
    currency = f' currencyID="{escaped(invoice.currency)}"'
    allowances = ((tax, document_allowance(invoice, tax)) for tax in invoice.taxes)
    parts = (
        f'{DECLARATION}<{kind} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{kind}-2"'
        ' xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
        ' xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">',
        leaf("cbc:CustomizationID", profile.value) + optional("cbc:ProfileID", profile.business_process),
        leaf("cbc:ID", invoice.invoice_number),
        f"<cbc:IssueDate>{invoice.issue_date.isoformat()}</cbc:IssueDate>",
        f"<cbc:DueDate>{invoice.due_date.isoformat()}</cbc:DueDate>" if invoice.asks_for_payment else "",
        leaf(f"cbc:{kind}TypeCode", invoice.document_kind.type_code),
        optional("cbc:Note", _note(invoice.note)),
        leaf("cbc:DocumentCurrencyCode", invoice.currency),
        optional("cbc:TaxCurrencyCode", invoice.tax_currency if invoice.states_tax_in_tax_currency else None),
        optional("cbc:BuyerReference", invoice.buyer.buyer_reference),
        _period(invoice.period_start, invoice.period_end),
        _order(invoice),
        _corrected(invoice),
        f"<cac:AccountingSupplierParty>{_seller(invoice, seller)}</cac:AccountingSupplierParty>",
        f"<cac:AccountingCustomerParty>{_buyer(invoice)}</cac:AccountingCustomerParty>",
        _delivery(invoice),
        _payment(invoice, seller),
        *(_adjustment(allowance, currency, tax) for tax, allowance in allowances if allowance is not None),
        f"<cac:TaxTotal><cbc:TaxAmount{currency}>{money(invoice.tax_amount)}</cbc:TaxAmount>",
        *(_tax(tax, currency) for tax in invoice.taxes),
        "</cac:TaxTotal>",
        _tax_in_tax_currency(invoice),
        _totals(invoice, currency),
        *(_line(line, kind, currency) for line in invoice.lines),
        f"</{kind}>\n",
    )
    return "\n".join(part for part in parts if part).encode()


def _note(note: str | None) -> str | None:
    """BT-22. A number sign would be read as that of a subject code (BT-21, BR-CL-08), so then there is one."""
    text = clean(note or "")
    return f"{_GENERAL}{text}" if "#" in text else text


def _period(start: date | None, end: date | None) -> str:
    """BG-14 of the invoice, BG-26 of a line."""
    if start is None or end is None:
        return ""
    return (
        f"<cac:InvoicePeriod><cbc:StartDate>{start.isoformat()}</cbc:StartDate>"
        f"<cbc:EndDate>{end.isoformat()}</cbc:EndDate></cac:InvoicePeriod>"
    )


def _order(invoice: IssuedInvoice) -> str:
    order_number = optional("cbc:SalesOrderID", invoice.order_number)
    reference = optional("cbc:ID", invoice.purchase_order_reference)
    if order_number and not reference:
        reference = leaf("cbc:ID", _NO_ORDER_REFERENCE)
    return group("cac:OrderReference", reference, order_number)


def _corrected(invoice: IssuedInvoice) -> str:
    if invoice.corrected_invoice_number is None:
        return ""
    day = invoice.corrected_invoice_date
    return group(
        "cac:BillingReference",
        group(
            "cac:InvoiceDocumentReference",
            leaf("cbc:ID", invoice.corrected_invoice_number),
            f"<cbc:IssueDate>{day.isoformat()}</cbc:IssueDate>" if day is not None else "",
        ),
    )


def _seller(invoice: IssuedInvoice, seller: Seller) -> str:
    return group(
        "cac:Party",
        _electronic(seller_address(invoice, seller)),
        group("cac:PartyIdentification", optional("cbc:ID", seller_identifier(invoice))),
        group("cac:PostalAddress", _address(invoice.seller)),
        _registration("VAT", compact(invoice.seller.vat_id)),
        _registration("FC", invoice.seller.tax_number),
        group(
            "cac:PartyLegalEntity",
            leaf("cbc:RegistrationName", invoice.seller.name),
            optional("cbc:CompanyLegalForm", seller.legal_text),
        ),
        group(
            "cac:Contact",
            optional("cbc:Name", seller.contact_name),
            optional("cbc:Telephone", seller.contact_phone),
            optional("cbc:ElectronicMail", seller.contact_email),
        ),
    )


def _buyer(invoice: IssuedInvoice) -> str:
    return group(
        "cac:Party",
        _electronic(buyer_address(invoice)),
        group("cac:PartyIdentification", optional("cbc:ID", invoice.buyer.customer_number)),
        group("cac:PostalAddress", _address(invoice.buyer)),
        _registration("VAT", compact(invoice.buyer.vat_id)),
        group("cac:PartyLegalEntity", leaf("cbc:RegistrationName", invoice.buyer.name)),
    )


def _address(party: Party) -> str:
    return (
        optional("cbc:StreetName", party.street)
        + optional("cbc:AdditionalStreetName", party.additional_street)
        + optional("cbc:CityName", party.city)
        + optional("cbc:PostalZone", party.post_code)
        + f"<cac:Country>{leaf('cbc:IdentificationCode', party.country_code)}</cac:Country>"
    )


def _electronic(address: ElectronicAddress | None) -> str:
    if address is None:
        return ""
    return f'<cbc:EndpointID schemeID="{address.scheme}">{escaped(address.value)}</cbc:EndpointID>'


def _registration(scheme: str, number: str | None) -> str:
    written = optional("cbc:CompanyID", number)
    if not written:
        return ""
    return f"<cac:PartyTaxScheme>{written}<cac:TaxScheme><cbc:ID>{scheme}</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>"


def _delivery(invoice: IssuedInvoice) -> str:
    place = f"<cac:Address>{_address(invoice.buyer)}</cac:Address>" if needs_deliver_to(invoice) else ""
    return group(
        "cac:Delivery",
        f"<cbc:ActualDeliveryDate>{invoice.delivery_date.isoformat()}</cbc:ActualDeliveryDate>",
        group("cac:DeliveryLocation", place),
    )


def _payment(invoice: IssuedInvoice, seller: Seller) -> str:
    means = payment_means(invoice, seller)
    account = ""
    if means.account_id is not None:
        account = group(
            "cac:PayeeFinancialAccount",
            leaf("cbc:ID", means.account_id),
            optional("cbc:Name", means.account_name),
            group("cac:FinancialInstitutionBranch", optional("cbc:ID", means.bic)),
        )
    terms, end = payment_terms(invoice, seller)
    return group(
        "cac:PaymentMeans",
        leaf("cbc:PaymentMeansCode", means.code),
        optional("cbc:PaymentID", means.reference),
        account,
    ) + group("cac:PaymentTerms", optional("cbc:Note", terms, end=end))


def _category(name: str, category: str, rate: Decimal, exempt: str = "") -> str:
    return f"<{name}>{leaf('cbc:ID', category)}<cbc:Percent>{number(rate)}</cbc:Percent>{exempt}{_ABOUT_VAT}</{name}>"


def _adjustment(adjustment: Adjustment, currency: str, tax: IssuedInvoiceTax | None = None) -> str:
    """An allowance or charge: of the document with its `tax`, else of a line."""
    indicator = "true" if adjustment.is_charge else "false"
    percent = base = category = ""
    if adjustment.percent is not None and adjustment.base_amount is not None:
        percent = f"<cbc:MultiplierFactorNumeric>{number(adjustment.percent)}</cbc:MultiplierFactorNumeric>"
        base = f"<cbc:BaseAmount{currency}>{money(adjustment.base_amount)}</cbc:BaseAmount>"
    if tax is not None:
        category = _category("cac:TaxCategory", tax.tax_category, tax.tax_rate)
    return (
        f"<cac:AllowanceCharge><cbc:ChargeIndicator>{indicator}</cbc:ChargeIndicator>"
        f"{optional('cbc:AllowanceChargeReasonCode', adjustment.reason_code)}"
        f"{leaf('cbc:AllowanceChargeReason', adjustment.reason)}{percent}"
        f"<cbc:Amount{currency}>{money(adjustment.amount)}</cbc:Amount>{base}{category}</cac:AllowanceCharge>"
    )


def _tax(tax: IssuedInvoiceTax, currency: str) -> str:
    reason, code = exemption(tax)
    exempt = optional("cbc:TaxExemptionReasonCode", code) + optional("cbc:TaxExemptionReason", reason)
    return (
        f"<cac:TaxSubtotal><cbc:TaxableAmount{currency}>{money(tax.taxable_amount)}</cbc:TaxableAmount>"
        f"<cbc:TaxAmount{currency}>{money(tax.tax_amount)}</cbc:TaxAmount>"
        f"{_category('cac:TaxCategory', tax.tax_category, tax.tax_rate, exempt)}</cac:TaxSubtotal>"
    )


def _tax_in_tax_currency(invoice: IssuedInvoice) -> str:
    if not invoice.states_tax_in_tax_currency or invoice.tax_amount_in_tax_currency is None:
        return ""
    return (
        f'<cac:TaxTotal><cbc:TaxAmount currencyID="{escaped(invoice.tax_currency or "")}">'
        f"{money(invoice.tax_amount_in_tax_currency)}</cbc:TaxAmount></cac:TaxTotal>"
    )


def _totals(invoice: IssuedInvoice, currency: str) -> str:
    allowances = ""
    if invoice.allowance_amount:
        allowances = f"<cbc:AllowanceTotalAmount{currency}>{money(invoice.allowance_amount)}</cbc:AllowanceTotalAmount>"
    gross = money(invoice.gross_amount)
    return (
        f"<cac:LegalMonetaryTotal><cbc:LineExtensionAmount{currency}>{money(invoice.line_amount)}"
        f"</cbc:LineExtensionAmount><cbc:TaxExclusiveAmount{currency}>{money(invoice.net_amount)}"
        f"</cbc:TaxExclusiveAmount><cbc:TaxInclusiveAmount{currency}>{gross}</cbc:TaxInclusiveAmount>{allowances}"
        f"<cbc:PayableAmount{currency}>{gross}</cbc:PayableAmount></cac:LegalMonetaryTotal>"
    )


def _line(line: IssuedInvoiceLine, kind: str, currency: str) -> str:
    name, description = name_and_description(line)
    quantity = "InvoicedQuantity" if kind == "Invoice" else "CreditedQuantity"
    adjustments = "".join(_adjustment(adjustment, currency) for adjustment in line_adjustments(line))
    return (
        f"<cac:{kind}Line><cbc:ID>{line.line_number}</cbc:ID>"
        f'<cbc:{quantity} unitCode="{escaped(line.unit_code)}">{number(line.quantity)}</cbc:{quantity}>'
        f"<cbc:LineExtensionAmount{currency}>{money(line.net_amount)}</cbc:LineExtensionAmount>"
        f"{_period(line.period_start, line.period_end)}{adjustments}"
        f"<cac:Item>{optional('cbc:Description', description)}{leaf('cbc:Name', name)}"
        f"{group('cac:SellersItemIdentification', optional('cbc:ID', line.sku))}"
        f"{_category('cac:ClassifiedTaxCategory', line.tax_category, line.tax_rate)}</cac:Item>"
        f"<cac:Price><cbc:PriceAmount{currency}>{price(line.unit_price)}</cbc:PriceAmount></cac:Price></cac:{kind}Line>"
    )
