"""How an invoice is written in UN/CEFACT CII: XRechnung and the profiles of Factur-X/ZUGFeRD 2."""

from __future__ import annotations

from datetime import date
from enum import IntEnum

from lxml import etree

from examples.make.model import Category, Invoice, Party
from examples.make.ubl import XRECHNUNG
from examples.make.xml_writer import Writer, plain


class Profile(IntEnum):
    """From little to much: a profile may hold what the ones before it hold."""

    MINIMUM = 0
    BASIC_WL = 1
    BASIC = 2
    EN16931 = 3
    XRECHNUNG = 4
    EXTENDED = 5


_SPECIFICATIONS = {
    Profile.MINIMUM: "urn:factur-x.eu:1p0:minimum",
    Profile.BASIC_WL: "urn:factur-x.eu:1p0:basicwl",
    Profile.BASIC: "urn:cen.eu:en16931:2017#compliant#urn:factur-x.eu:1p0:basic",
    Profile.EN16931: "urn:cen.eu:en16931:2017",
    Profile.XRECHNUNG: XRECHNUNG,
    Profile.EXTENDED: "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended",
}
_STANDARD = "urn:un:unece:uncefact:data:standard:"


def cii(invoice: Invoice, profile: Profile) -> bytes:
    writer = Writer(
        "rsm:CrossIndustryInvoice",
        {
            "rsm": f"{_STANDARD}CrossIndustryInvoice:100",
            "ram": f"{_STANDARD}ReusableAggregateBusinessInformationEntity:100",
            "udt": f"{_STANDARD}UnqualifiedDataType:100",
        },
    )
    root, add, add_some = writer.root, writer.add, writer.add_some
    context = add(root, "rsm:ExchangedDocumentContext")
    if profile == Profile.XRECHNUNG:
        process = "ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"
        add(context, process, "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0")
    add(context, "ram:GuidelineSpecifiedDocumentContextParameter/ram:ID", _SPECIFICATIONS[profile])
    document = add(root, "rsm:ExchangedDocument")
    add(document, "ram:ID", invoice.number)
    add(document, "ram:TypeCode", invoice.type_code)
    _date(writer, document, "ram:IssueDateTime", invoice.issued)
    if profile > Profile.MINIMUM:
        add_some(document, "ram:IncludedNote/ram:Content", invoice.note)
    transaction = add(root, "rsm:SupplyChainTradeTransaction")
    if profile >= Profile.BASIC:
        _lines(writer, transaction, invoice, profile)
    agreement = add(transaction, "ram:ApplicableHeaderTradeAgreement")
    add_some(agreement, "ram:BuyerReference", invoice.buyer_reference)
    _party(writer, add(agreement, "ram:SellerTradeParty"), invoice.seller, profile, is_seller=True)
    _party(writer, add(agreement, "ram:BuyerTradeParty"), invoice.buyer, profile, is_seller=False)
    add_some(agreement, "ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID", invoice.order_reference)
    delivery = add(transaction, "ram:ApplicableHeaderTradeDelivery")
    if profile > Profile.MINIMUM and invoice.delivered:
        ship_to = add(delivery, "ram:ShipToTradeParty")
        add(ship_to, "ram:Name", invoice.buyer.name)
        _address(writer, ship_to, invoice.buyer)
        event = add(delivery, "ram:ActualDeliverySupplyChainEvent")
        _date(writer, event, "ram:OccurrenceDateTime", invoice.delivered)
    _settlement(writer, add(transaction, "ram:ApplicableHeaderTradeSettlement"), invoice, profile)
    return writer.bytes()


def _lines(writer: Writer, transaction: etree._Element, invoice: Invoice, profile: Profile) -> None:
    add, add_some = writer.add, writer.add_some
    for position, line in enumerate(invoice.lines, start=1):
        item = add(transaction, "ram:IncludedSupplyChainTradeLineItem")
        add(item, "ram:AssociatedDocumentLineDocument/ram:LineID", position)
        product = add(item, "ram:SpecifiedTradeProduct")
        if profile >= Profile.EN16931:
            add_some(product, "ram:SellerAssignedID", line.item_id)
        add(product, "ram:Name", line.name)
        if profile >= Profile.EN16931:
            add_some(product, "ram:Description", line.description)
        price = "ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount"
        add(item, price, line.price)
        quantity = "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"
        add(item, quantity, plain(line.quantity), unitCode=line.unit)
        settlement = add(item, "ram:SpecifiedLineTradeSettlement")
        _category(writer, add(settlement, "ram:ApplicableTradeTax"), line.category)
        if line.allowance:
            allowance = add(settlement, "ram:SpecifiedTradeAllowanceCharge")
            add(allowance, "ram:ChargeIndicator/udt:Indicator", "false")
            add(allowance, "ram:ActualAmount", line.allowance)
            add(allowance, "ram:Reason", line.allowance_reason)
        add(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount", line.net)


def _party(writer: Writer, element: etree._Element, party: Party, profile: Profile, *, is_seller: bool) -> None:
    add = writer.add
    add(element, "ram:Name", party.name)
    if party.registration and (is_seller or profile > Profile.MINIMUM):
        add(element, "ram:SpecifiedLegalOrganization/ram:ID", party.registration)
    if party.contact and profile >= Profile.EN16931:
        contact = add(element, "ram:DefinedTradeContact")
        add(contact, "ram:PersonName", party.contact)
        if party.phone:
            add(contact, "ram:TelephoneUniversalCommunication/ram:CompleteNumber", party.phone)
        if party.email:
            add(contact, "ram:EmailURIUniversalCommunication/ram:URIID", party.email)
    if profile > Profile.MINIMUM:
        _address(writer, element, party)
        if party.email:
            add(element, "ram:URIUniversalCommunication/ram:URIID", party.email, schemeID="EM")
    elif is_seller:
        add(element, "ram:PostalTradeAddress/ram:CountryID", party.country)
    if profile > Profile.MINIMUM or is_seller:
        for identifier, scheme in [(party.tax_number if is_seller else None, "FC"), (party.vat_id, "VA")]:
            writer.add_some(element, "ram:SpecifiedTaxRegistration/ram:ID", identifier, schemeID=scheme)


def _address(writer: Writer, element: etree._Element, party: Party) -> None:
    address = writer.add(element, "ram:PostalTradeAddress")
    writer.add(address, "ram:PostcodeCode", party.post_code)
    writer.add(address, "ram:LineOne", party.street)
    writer.add(address, "ram:CityName", party.city)
    writer.add(address, "ram:CountryID", party.country)
    writer.add_some(address, "ram:CountrySubDivisionName", party.region)


def _settlement(writer: Writer, settlement: etree._Element, invoice: Invoice, profile: Profile) -> None:
    add, add_some = writer.add, writer.add_some
    if profile > Profile.MINIMUM:
        add(settlement, "ram:PaymentReference", invoice.number)
    add(settlement, "ram:InvoiceCurrencyCode", invoice.currency)
    if profile > Profile.MINIMUM:
        if invoice.seller.iban:
            means = add(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
            add(means, "ram:TypeCode", "58")
            add(means, "ram:PayeePartyCreditorFinancialAccount/ram:IBANID", invoice.seller.iban)
            if profile >= Profile.EN16931:
                bank = "ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID"
                add_some(means, bank, invoice.seller.bic)
        for one in invoice.breakdowns:
            tax = add(settlement, "ram:ApplicableTradeTax")
            add(tax, "ram:CalculatedAmount", one.tax)
            add(tax, "ram:TypeCode", "VAT")
            add_some(tax, "ram:ExemptionReason", one.category.reason)
            add(tax, "ram:BasisAmount", one.base)
            add(tax, "ram:CategoryCode", one.category.code)
            add_some(tax, "ram:ExemptionReasonCode", one.category.reason_code)
            add(tax, "ram:RateApplicablePercent", plain(one.category.rate))
        for extra in invoice.allowances_charges:
            element = add(settlement, "ram:SpecifiedTradeAllowanceCharge")
            add(element, "ram:ChargeIndicator/udt:Indicator", str(extra.is_charge).lower())
            add(element, "ram:ActualAmount", extra.amount)
            add(element, "ram:Reason", extra.reason)
            _category(writer, add(element, "ram:CategoryTradeTax"), extra.category)
        terms = add(settlement, "ram:SpecifiedTradePaymentTerms")
        add_some(terms, "ram:Description", invoice.terms)
        if invoice.due:
            _date(writer, terms, "ram:DueDateDateTime", invoice.due)
    total = add(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    if profile > Profile.MINIMUM:
        add(total, "ram:LineTotalAmount", invoice.line_total)
        add_some(total, "ram:ChargeTotalAmount", invoice.total_of(charges=True))
        add_some(total, "ram:AllowanceTotalAmount", invoice.total_of(charges=False))
    add(total, "ram:TaxBasisTotalAmount", invoice.net)
    add(total, "ram:TaxTotalAmount", invoice.tax, currencyID=invoice.currency)
    add(total, "ram:GrandTotalAmount", invoice.gross)
    if profile > Profile.MINIMUM:
        add_some(total, "ram:TotalPrepaidAmount", invoice.prepaid)
    add(total, "ram:DuePayableAmount", invoice.payable)
    if profile > Profile.MINIMUM:
        add_some(settlement, "ram:InvoiceReferencedDocument/ram:IssuerAssignedID", invoice.preceding)


def _category(writer: Writer, element: etree._Element, category: Category) -> None:
    writer.add(element, "ram:TypeCode", "VAT")
    writer.add(element, "ram:CategoryCode", category.code)
    writer.add(element, "ram:RateApplicablePercent", plain(category.rate))


def _date(writer: Writer, parent: etree._Element, name: str, value: date) -> None:
    writer.add(parent, f"{name}/udt:DateTimeString", value.strftime("%Y%m%d"), format="102")
