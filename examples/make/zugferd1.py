"""How an invoice is written in ZUGFeRD 1.0 (2014), profile COMFORT."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from lxml import etree

from examples.make.model import Invoice, Party
from examples.make.xml_writer import Writer, plain

_STANDARD = "urn:un:unece:uncefact:data:standard:"


def zugferd1(invoice: Invoice) -> bytes:
    writer = Writer(
        "rsm:CrossIndustryDocument",
        {
            "rsm": "urn:ferd:CrossIndustryDocument:invoice:1p0",
            "ram": f"{_STANDARD}ReusableAggregateBusinessInformationEntity:12",
            "udt": f"{_STANDARD}UnqualifiedDataType:15",
        },
    )
    root, add = writer.root, writer.add

    def amount(parent: etree._Element, name: str, value: Decimal) -> None:
        add(parent, f"ram:{name}", value, currencyID=invoice.currency)

    def day(parent: etree._Element, name: str, value: date) -> None:
        add(parent, f"ram:{name}/udt:DateTimeString", value.strftime("%Y%m%d"), format="102")

    guideline = "rsm:SpecifiedExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"
    add(root, guideline, "urn:ferd:CrossIndustryDocument:invoice:1p0:comfort")
    document = add(root, "rsm:HeaderExchangedDocument")
    add(document, "ram:ID", invoice.number)
    add(document, "ram:Name", "RECHNUNG")
    add(document, "ram:TypeCode", invoice.type_code)
    day(document, "IssueDateTime", invoice.issued)
    transaction = add(root, "rsm:SpecifiedSupplyChainTradeTransaction")
    agreement = add(transaction, "ram:ApplicableSupplyChainTradeAgreement")
    _party(writer, add(agreement, "ram:SellerTradeParty"), invoice.seller)
    _party(writer, add(agreement, "ram:BuyerTradeParty"), invoice.buyer)
    delivery = add(transaction, "ram:ApplicableSupplyChainTradeDelivery")
    event = add(delivery, "ram:ActualDeliverySupplyChainEvent")
    day(event, "OccurrenceDateTime", invoice.delivered or invoice.issued)
    settlement = add(transaction, "ram:ApplicableSupplyChainTradeSettlement")
    add(settlement, "ram:PaymentReference", invoice.number)
    add(settlement, "ram:InvoiceCurrencyCode", invoice.currency)
    means = add(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
    add(means, "ram:TypeCode", "31")
    add(means, "ram:PayeePartyCreditorFinancialAccount/ram:IBANID", invoice.seller.iban)
    for one in invoice.breakdowns:
        tax = add(settlement, "ram:ApplicableTradeTax")
        amount(tax, "CalculatedAmount", one.tax)
        add(tax, "ram:TypeCode", "VAT")
        amount(tax, "BasisAmount", one.base)
        add(tax, "ram:CategoryCode", one.category.code)
        add(tax, "ram:ApplicablePercent", plain(one.category.rate))
    if invoice.due:
        terms = add(settlement, "ram:SpecifiedTradePaymentTerms")
        add(terms, "ram:Description", invoice.terms or "Zahlbar ohne Abzug")
        day(terms, "DueDateDateTime", invoice.due)
    total = add(settlement, "ram:SpecifiedTradeSettlementMonetarySummation")
    for name, value in [
        ("LineTotalAmount", invoice.line_total),
        ("ChargeTotalAmount", Decimal("0.00")),
        ("AllowanceTotalAmount", Decimal("0.00")),
        ("TaxBasisTotalAmount", invoice.net),
        ("TaxTotalAmount", invoice.tax),
        ("GrandTotalAmount", invoice.gross),
        ("DuePayableAmount", invoice.payable),
    ]:
        amount(total, name, value)
    for position, line in enumerate(invoice.lines, start=1):
        item = add(transaction, "ram:IncludedSupplyChainTradeLineItem")
        add(item, "ram:AssociatedDocumentLineDocument/ram:LineID", position)
        price = add(item, "ram:SpecifiedSupplyChainTradeAgreement/ram:NetPriceProductTradePrice")
        amount(price, "ChargeAmount", line.price)
        quantity = "ram:SpecifiedSupplyChainTradeDelivery/ram:BilledQuantity"
        add(item, quantity, f"{line.quantity:.4f}", unitCode=line.unit)
        line_settlement = add(item, "ram:SpecifiedSupplyChainTradeSettlement")
        tax = add(line_settlement, "ram:ApplicableTradeTax")
        add(tax, "ram:TypeCode", "VAT")
        add(tax, "ram:CategoryCode", line.category.code)
        add(tax, "ram:ApplicablePercent", plain(line.category.rate))
        line_total = add(line_settlement, "ram:SpecifiedTradeSettlementMonetarySummation")
        amount(line_total, "LineTotalAmount", line.net)
        add(item, "ram:SpecifiedTradeProduct/ram:Name", line.name)
    return writer.bytes()


def _party(writer: Writer, element: etree._Element, party: Party) -> None:
    writer.add(element, "ram:Name", party.name)
    address = writer.add(element, "ram:PostalTradeAddress")
    writer.add(address, "ram:PostcodeCode", party.post_code)
    writer.add(address, "ram:LineOne", party.street)
    writer.add(address, "ram:CityName", party.city)
    writer.add(address, "ram:CountryID", party.country)
    for identifier, scheme in [(party.tax_number, "FC"), (party.vat_id, "VA")]:
        writer.add_some(element, "ram:SpecifiedTaxRegistration/ram:ID", identifier, schemeID=scheme)
