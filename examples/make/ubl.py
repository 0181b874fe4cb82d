"""How an invoice is written in UBL 2.1, as XRechnung or Peppol BIS Billing 3.0."""

from __future__ import annotations

from lxml import etree

from examples.make.model import Category, Invoice, Party
from examples.make.xml_writer import Writer, plain

XRECHNUNG = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
PEPPOL = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
_PROCESS = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
_NAMESPACE = "urn:oasis:names:specification:ubl:schema:xsd:"
# EAS codes of VAT ids
_SCHEMES = {"DE": "9930", "IE": "9935", "GB": "9932", "NL": "9944", "FR": "9957", "AT": "9915"}
# ISO 6523 codes of the company registers whose numbers Peppol wants to be marked as such
_REGISTERS = {"NL": "0106", "NO": "0192"}


def ubl(invoice: Invoice, specification: str) -> bytes:
    """The invoice or, for type 381, the credit note."""
    is_credit = invoice.type_code == "381"
    document = "CreditNote" if is_credit else "Invoice"
    writer = Writer(
        document,
        {
            None: f"{_NAMESPACE}{document}-2",
            "cac": f"{_NAMESPACE}CommonAggregateComponents-2",
            "cbc": f"{_NAMESPACE}CommonBasicComponents-2",
        },
    )
    root, add, add_some = writer.root, writer.add, writer.add_some
    add(root, "cbc:CustomizationID", specification)
    add(root, "cbc:ProfileID", _PROCESS)
    add(root, "cbc:ID", invoice.number)
    add(root, "cbc:IssueDate", invoice.issued)
    if not is_credit:
        add_some(root, "cbc:DueDate", invoice.due)
    add(root, f"cbc:{document}TypeCode", invoice.type_code)
    add_some(root, "cbc:Note", invoice.note)
    add(root, "cbc:DocumentCurrencyCode", invoice.currency)
    add_some(root, "cbc:BuyerReference", invoice.buyer_reference)
    add_some(root, "cac:OrderReference/cbc:ID", invoice.order_reference)
    add_some(root, "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID", invoice.preceding)
    _party(writer, add(root, "cac:AccountingSupplierParty/cac:Party"), invoice.seller, is_seller=True)
    _party(writer, add(root, "cac:AccountingCustomerParty/cac:Party"), invoice.buyer, is_seller=False)
    if invoice.delivered:
        delivery = add(root, "cac:Delivery")
        add(delivery, "cbc:ActualDeliveryDate", invoice.delivered)
        _address(writer, add(delivery, "cac:DeliveryLocation/cac:Address"), invoice.buyer)
    if invoice.seller.iban:
        means = add(root, "cac:PaymentMeans")
        add(means, "cbc:PaymentMeansCode", "58")
        add(means, "cbc:PaymentID", invoice.number)
        account = add(means, "cac:PayeeFinancialAccount")
        add(account, "cbc:ID", invoice.seller.iban)
        add(account, "cbc:Name", invoice.seller.name)
        add_some(account, "cac:FinancialInstitutionBranch/cbc:ID", invoice.seller.bic)
    add_some(root, "cac:PaymentTerms/cbc:Note", invoice.terms)
    for extra in invoice.allowances_charges:
        element = add(root, "cac:AllowanceCharge")
        add(element, "cbc:ChargeIndicator", str(extra.is_charge).lower())
        add(element, "cbc:AllowanceChargeReason", extra.reason)
        add(element, "cbc:Amount", extra.amount, currencyID=invoice.currency)
        _category(writer, add(element, "cac:TaxCategory"), extra.category)
    tax_total = add(root, "cac:TaxTotal")
    add(tax_total, "cbc:TaxAmount", invoice.tax, currencyID=invoice.currency)
    for one in invoice.breakdowns:
        subtotal = add(tax_total, "cac:TaxSubtotal")
        add(subtotal, "cbc:TaxableAmount", one.base, currencyID=invoice.currency)
        add(subtotal, "cbc:TaxAmount", one.tax, currencyID=invoice.currency)
        _category(writer, add(subtotal, "cac:TaxCategory"), one.category, with_reason=True)
    total = add(root, "cac:LegalMonetaryTotal")
    for name, amount in [
        ("LineExtensionAmount", invoice.line_total),
        ("TaxExclusiveAmount", invoice.net),
        ("TaxInclusiveAmount", invoice.gross),
        ("AllowanceTotalAmount", invoice.total_of(charges=False)),
        ("ChargeTotalAmount", invoice.total_of(charges=True)),
        ("PrepaidAmount", invoice.prepaid),
    ]:
        add_some(total, f"cbc:{name}", amount, currencyID=invoice.currency)
    add(total, "cbc:PayableAmount", invoice.payable, currencyID=invoice.currency)
    for position, one_line in enumerate(invoice.lines, start=1):
        element = add(root, f"cac:{document}Line")
        add(element, "cbc:ID", position)
        quantity = "CreditedQuantity" if is_credit else "InvoicedQuantity"
        add(element, f"cbc:{quantity}", plain(one_line.quantity), unitCode=one_line.unit)
        add(element, "cbc:LineExtensionAmount", one_line.net, currencyID=invoice.currency)
        if one_line.allowance:
            allowance = add(element, "cac:AllowanceCharge")
            add(allowance, "cbc:ChargeIndicator", "false")
            add(allowance, "cbc:AllowanceChargeReason", one_line.allowance_reason)
            add(allowance, "cbc:Amount", one_line.allowance, currencyID=invoice.currency)
        item = add(element, "cac:Item")
        add_some(item, "cbc:Description", one_line.description)
        add(item, "cbc:Name", one_line.name)
        add_some(item, "cac:SellersItemIdentification/cbc:ID", one_line.item_id)
        _category(writer, add(item, "cac:ClassifiedTaxCategory"), one_line.category)
        add(element, "cac:Price/cbc:PriceAmount", one_line.price, currencyID=invoice.currency)
    return writer.bytes()


def _party(writer: Writer, element: etree._Element, party: Party, *, is_seller: bool) -> None:
    scheme, endpoint = party.endpoint or (_SCHEMES[party.country], party.vat_id or "")
    writer.add(element, "cbc:EndpointID", endpoint, schemeID=scheme)
    writer.add_some(element, "cac:PartyIdentification/cbc:ID", party.identifier)
    writer.add(element, "cac:PartyName/cbc:Name", party.name)
    _address(writer, writer.add(element, "cac:PostalAddress"), party)
    for identifier, tax_scheme in [(party.vat_id, "VAT"), (party.tax_number if is_seller else None, "FC")]:
        if identifier:
            tax = writer.add(element, "cac:PartyTaxScheme")
            writer.add(tax, "cbc:CompanyID", identifier)
            writer.add(tax, "cac:TaxScheme/cbc:ID", tax_scheme)
    legal = writer.add(element, "cac:PartyLegalEntity")
    writer.add(legal, "cbc:RegistrationName", party.name)
    register = {"schemeID": _REGISTERS[party.country]} if party.country in _REGISTERS else {}
    writer.add_some(legal, "cbc:CompanyID", party.registration, **register)
    if party.contact:
        contact = writer.add(element, "cac:Contact")
        writer.add(contact, "cbc:Name", party.contact)
        writer.add_some(contact, "cbc:Telephone", party.phone)
        writer.add_some(contact, "cbc:ElectronicMail", party.email)


def _address(writer: Writer, address: etree._Element, party: Party) -> None:
    writer.add(address, "cbc:StreetName", party.street)
    writer.add(address, "cbc:CityName", party.city)
    writer.add(address, "cbc:PostalZone", party.post_code)
    writer.add_some(address, "cbc:CountrySubentity", party.region)
    writer.add(address, "cac:Country/cbc:IdentificationCode", party.country)


def _category(writer: Writer, element: etree._Element, category: Category, *, with_reason: bool = False) -> None:
    writer.add(element, "cbc:ID", category.code)
    writer.add(element, "cbc:Percent", plain(category.rate))
    if with_reason:
        writer.add_some(element, "cbc:TaxExemptionReasonCode", category.reason_code)
        writer.add_some(element, "cbc:TaxExemptionReason", category.reason)
    writer.add(element, "cac:TaxScheme/cbc:ID", "VAT")
