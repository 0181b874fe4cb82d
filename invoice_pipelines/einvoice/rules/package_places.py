"""Finds where in a document a finding of verifyhash-einvoice is. The package names the element of UBL, with the usual
prefixes and without its place, also where the document is CII; here that becomes a path in the document itself.
"""

from __future__ import annotations

import re

from lxml import etree

from invoice_pipelines.einvoice.rules.xml_document import Root
from invoice_pipelines.einvoice.syntaxes import cii

_SELLER = "ram:ApplicableHeaderTradeAgreement/ram:SellerTradeParty"
_BUYER = "ram:ApplicableHeaderTradeAgreement/ram:BuyerTradeParty"
_REPRESENTATIVE = "ram:ApplicableHeaderTradeAgreement/ram:SellerTaxRepresentativeTradeParty"
_DELIVERY = "ram:ApplicableHeaderTradeDelivery"
_SETTLEMENT = "ram:ApplicableHeaderTradeSettlement"
_TAX = f"{_SETTLEMENT}/ram:ApplicableTradeTax"
_TOTALS = f"{_SETTLEMENT}/ram:SpecifiedTradeSettlementHeaderMonetarySummation"
_PAYMENT = f"{_SETTLEMENT}/ram:SpecifiedTradeSettlementPaymentMeans"
_LINE = "ram:IncludedSupplyChainTradeLineItem"
_LINE_SETTLEMENT = f"{_LINE}/ram:SpecifiedLineTradeSettlement"
_COUNTRY = "ram:PostalTradeAddress/ram:CountryID"

# The longest end of a path of UBL that stands here decides (syntax binding of EN 16931, CEN/TS 16931-3-2 and -3-3).
_IN_CII = {
    "cac:AccountingSupplierParty/cac:Party": _SELLER,
    "cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName": f"{_SELLER}/ram:Name",
    "cac:AccountingSupplierParty/cac:Party/cac:PartyIdentification/cbc:ID": f"{_SELLER}/ram:ID",
    "cac:AccountingSupplierParty/cac:Party/cac:PostalAddress": f"{_SELLER}/ram:PostalTradeAddress",
    "cac:AccountingSupplierParty/cac:Party/cac:PostalAddress/cac:Country/cbc:IdentificationCode": (
        f"{_SELLER}/{_COUNTRY}"
    ),
    "cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID": (
        f"{_SELLER}/ram:SpecifiedTaxRegistration/ram:ID"
    ),
    "cac:AccountingSupplierParty/cac:Party/cbc:EndpointID/@schemeID": (
        f"{_SELLER}/ram:URIUniversalCommunication/ram:URIID/@schemeID"
    ),
    "cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName": f"{_BUYER}/ram:Name",
    "cac:AccountingCustomerParty/cac:Party/cac:PostalAddress": f"{_BUYER}/ram:PostalTradeAddress",
    "cac:AccountingCustomerParty/cac:Party/cac:PostalAddress/cac:Country/cbc:IdentificationCode": (
        f"{_BUYER}/{_COUNTRY}"
    ),
    "cac:AccountingCustomerParty/cac:Party/cbc:EndpointID/@schemeID": (
        f"{_BUYER}/ram:URIUniversalCommunication/ram:URIID/@schemeID"
    ),
    "cac:TaxRepresentativeParty/cac:PartyName/cbc:Name": f"{_REPRESENTATIVE}/ram:Name",
    "cac:TaxRepresentativeParty/cac:PostalAddress": f"{_REPRESENTATIVE}/ram:PostalTradeAddress",
    "cac:TaxRepresentativeParty/cac:PostalAddress/cac:Country/cbc:IdentificationCode": f"{_REPRESENTATIVE}/{_COUNTRY}",
    "cac:TaxRepresentativeParty/cac:PartyTaxScheme/cbc:CompanyID": (
        f"{_REPRESENTATIVE}/ram:SpecifiedTaxRegistration/ram:ID"
    ),
    "cac:PayeeParty/cac:PartyName/cbc:Name": f"{_SETTLEMENT}/ram:PayeeTradeParty/ram:Name",
    "cac:PartyTaxScheme/cbc:CompanyID": "ram:SpecifiedTaxRegistration/ram:ID",
    "cac:PartyIdentification/cbc:ID/@schemeID": "ram:GlobalID/@schemeID",
    "cac:PartyLegalEntity/cbc:CompanyID/@schemeID": "ram:SpecifiedLegalOrganization/ram:ID/@schemeID",
    "cbc:EndpointID/@schemeID": "ram:URIUniversalCommunication/ram:URIID/@schemeID",
    "cac:Country/cbc:IdentificationCode": _COUNTRY,
    "cac:OriginCountry/cbc:IdentificationCode": f"{_LINE}/ram:SpecifiedTradeProduct/ram:OriginTradeCountry/ram:ID",
    "cac:Delivery/cac:DeliveryLocation/cac:Address/cac:Country/cbc:IdentificationCode": (
        f"{_DELIVERY}/ram:ShipToTradeParty/{_COUNTRY}"
    ),
    "cac:Delivery/cbc:ActualDeliveryDate": (
        f"{_DELIVERY}/ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime/udt:DateTimeString"
    ),
    "cac:DeliveryLocation/cbc:ID/@schemeID": f"{_DELIVERY}/ram:ShipToTradeParty/ram:GlobalID/@schemeID",
    "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID": (
        f"{_SETTLEMENT}/ram:InvoiceReferencedDocument/ram:IssuerAssignedID"
    ),
    "cac:AdditionalDocumentReference/cbc:ID": (
        "ram:ApplicableHeaderTradeAgreement/ram:AdditionalReferencedDocument/ram:IssuerAssignedID"
    ),
    "cbc:EmbeddedDocumentBinaryObject/@mimeCode": (
        "ram:ApplicableHeaderTradeAgreement/ram:AdditionalReferencedDocument/ram:AttachmentBinaryObject/@mimeCode"
    ),
    "cac:InvoicePeriod": f"{_SETTLEMENT}/ram:BillingSpecifiedPeriod",
    "cac:InvoicePeriod/cbc:DescriptionCode": f"{_TAX}/ram:DueDateTypeCode",
    "cac:InvoicePeriod/cbc:EndDate": f"{_SETTLEMENT}/ram:BillingSpecifiedPeriod/ram:EndDateTime",
    "cbc:TaxPointDate": f"{_TAX}/ram:TaxPointDate",
    "cac:AllowanceCharge": f"{_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge",
    "cac:AllowanceCharge/cac:TaxCategory/cbc:ID": (
        f"{_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge/ram:CategoryTradeTax/ram:CategoryCode"
    ),
    "cac:AllowanceCharge/cac:TaxCategory/cbc:Percent": (
        f"{_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge/ram:CategoryTradeTax/ram:RateApplicablePercent"
    ),
    "cac:AllowanceCharge/cbc:AllowanceChargeReason": f"{_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge/ram:Reason",
    "cac:AllowanceCharge/cbc:Amount": f"{_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge/ram:ActualAmount",
    "cbc:AllowanceChargeReasonCode": f"{_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge/ram:ReasonCode",
    "cac:LegalMonetaryTotal/cbc:AllowanceTotalAmount": f"{_TOTALS}/ram:AllowanceTotalAmount",
    "cac:LegalMonetaryTotal/cbc:ChargeTotalAmount": f"{_TOTALS}/ram:ChargeTotalAmount",
    "cac:LegalMonetaryTotal/cbc:LineExtensionAmount": f"{_TOTALS}/ram:LineTotalAmount",
    "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount": f"{_TOTALS}/ram:TaxBasisTotalAmount",
    "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount": f"{_TOTALS}/ram:GrandTotalAmount",
    "cac:LegalMonetaryTotal/cbc:PayableAmount": f"{_TOTALS}/ram:DuePayableAmount",
    "cac:TaxTotal/cbc:TaxAmount": f"{_TOTALS}/ram:TaxTotalAmount",
    "cac:TaxTotal/cbc:TaxAmount/@currencyID": f"{_TOTALS}/ram:TaxTotalAmount/@currencyID",
    "cac:TaxTotal/cac:TaxSubtotal": _TAX,
    "cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount": f"{_TAX}/ram:CalculatedAmount",
    "cac:TaxTotal/cac:TaxSubtotal/cac:TaxAmount": f"{_TAX}/ram:CalculatedAmount",
    "cac:TaxTotal/cac:TaxSubtotal/cbc:TaxableAmount": f"{_TAX}/ram:BasisAmount",
    "cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:ID": f"{_TAX}/ram:CategoryCode",
    "cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:Percent": f"{_TAX}/ram:RateApplicablePercent",
    "cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:TaxExemptionReason": f"{_TAX}/ram:ExemptionReason",
    "cbc:TaxExemptionReasonCode": f"{_TAX}/ram:ExemptionReasonCode",
    "cac:TaxCategory/cbc:ID": f"{_TAX}/ram:CategoryCode",
    "cac:PaymentMeans/cac:CardAccount/cbc:PrimaryAccountNumberID": (
        f"{_PAYMENT}/ram:ApplicableTradeSettlementFinancialCard/ram:ID"
    ),
    "cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID": (
        f"{_PAYMENT}/ram:PayeePartyCreditorFinancialAccount/ram:IBANID"
    ),
    "cac:PaymentMeans/cbc:PaymentMeansCode": f"{_PAYMENT}/ram:TypeCode",
    "cbc:PaymentMeansCode": f"{_PAYMENT}/ram:TypeCode",
    "cac:InvoiceLine": _LINE,
    "cac:InvoiceLine/cbc:ID": f"{_LINE}/ram:AssociatedDocumentLineDocument/ram:LineID",
    "cac:InvoiceLine/cbc:InvoicedQuantity": f"{_LINE}/ram:SpecifiedLineTradeDelivery/ram:BilledQuantity",
    "cbc:InvoicedQuantity/@unitCode": f"{_LINE}/ram:SpecifiedLineTradeDelivery/ram:BilledQuantity/@unitCode",
    "cac:InvoiceLine/cbc:LineExtensionAmount": (
        f"{_LINE_SETTLEMENT}/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
    ),
    "cac:InvoiceLine/cac:InvoicePeriod": f"{_LINE_SETTLEMENT}/ram:BillingSpecifiedPeriod",
    "cac:InvoiceLine/cac:InvoicePeriod/cbc:EndDate": f"{_LINE_SETTLEMENT}/ram:BillingSpecifiedPeriod/ram:EndDateTime",
    "cac:InvoiceLine/cac:AllowanceCharge/cbc:Amount": (
        f"{_LINE_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge/ram:ActualAmount"
    ),
    "cac:InvoiceLine/cac:AllowanceCharge/cbc:AllowanceChargeReason": (
        f"{_LINE_SETTLEMENT}/ram:SpecifiedTradeAllowanceCharge/ram:Reason"
    ),
    "cac:Item/cbc:Name": f"{_LINE}/ram:SpecifiedTradeProduct/ram:Name",
    "cac:Item/cac:ClassifiedTaxCategory/cbc:ID": f"{_LINE_SETTLEMENT}/ram:ApplicableTradeTax/ram:CategoryCode",
    "cac:Item/cac:ClassifiedTaxCategory/cbc:Percent": (
        f"{_LINE_SETTLEMENT}/ram:ApplicableTradeTax/ram:RateApplicablePercent"
    ),
    "cac:ClassifiedTaxCategory/cbc:ID": f"{_LINE_SETTLEMENT}/ram:ApplicableTradeTax/ram:CategoryCode",
    "cac:Price/cbc:PriceAmount": (
        f"{_LINE}/ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount"
    ),
    "cac:Price/cac:AllowanceCharge/cbc:BaseAmount": (
        f"{_LINE}/ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice/ram:ChargeAmount"
    ),
    "cac:StandardItemIdentification/cbc:ID/@schemeID": f"{_LINE}/ram:SpecifiedTradeProduct/ram:GlobalID/@schemeID",
    "cbc:ItemClassificationCode/@listID": (
        f"{_LINE}/ram:SpecifiedTradeProduct/ram:DesignatedProductClassification/ram:ClassCode/@listID"
    ),
    "cac:AdditionalItemProperty": f"{_LINE}/ram:SpecifiedTradeProduct/ram:ApplicableProductCharacteristic",
    "cbc:CustomizationID": ("rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
    "cbc:ID": "rsm:ExchangedDocument/ram:ID",
    "cbc:IssueDate": "rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString",
    "cbc:InvoiceTypeCode": "rsm:ExchangedDocument/ram:TypeCode",
    "cbc:Note": "rsm:ExchangedDocument/ram:IncludedNote",
    "cbc:DocumentCurrencyCode": f"{_SETTLEMENT}/ram:InvoiceCurrencyCode",
    "cbc:TaxCurrencyCode": f"{_SETTLEMENT}/ram:TaxCurrencyCode",
}
_IN_CREDIT_NOTES = {
    "cac:InvoiceLine": "cac:CreditNoteLine",
    "cbc:InvoicedQuantity": "cbc:CreditedQuantity",
    "cbc:InvoiceTypeCode": "cbc:CreditNoteTypeCode",
}
_UBL_HEADER = frozenset(
    (
        *("CustomizationID", "ProfileID", "ID", "IssueDate", "InvoiceTypeCode", "CreditNoteTypeCode", "Note"),
        *("TaxPointDate", "DocumentCurrencyCode", "TaxCurrencyCode", "BuyerReference", "InvoicePeriod"),
        *("BillingReference", "AdditionalDocumentReference", "AccountingSupplierParty", "AccountingCustomerParty"),
        *("PayeeParty", "TaxRepresentativeParty", "Delivery", "PaymentMeans", "PaymentTerms", "AllowanceCharge"),
        *("TaxTotal", "LegalMonetaryTotal", "InvoiceLine", "CreditNoteLine"),
    )
)
_TRADE = re.compile(r"ram:(ApplicableHeaderTrade|IncludedSupplyChainTradeLineItem)")
_OF_LINE = re.compile(
    r"(?:cac:InvoiceLine|ram:IncludedSupplyChainTradeLineItem)(\[\d+\]).*?((?:/[a-z]+:\w+)*)", re.DOTALL
)
_NAMESPACES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "rsm": cii.RSM,
    "ram": cii.RAM,
    "udt": cii.UDT,
}


def place(root: etree._Element, element: str | None) -> str | None:
    """The path in the document to what the package calls `element`, with the document's own prefixes.

    It is the path of all elements that may be meant, where the package does not say which; it begins with `//` where it
    does not say either what they are in. None where the package names nothing.
    """
    if not element:
        return None
    if element.startswith("{"):
        name = etree.QName(element)
        return f"//{_named(name.localname, name.namespace or '', root)}"
    line, path = _apart(element)
    if root.tag == Root.CII:
        steps = _in_cii(f"cac:InvoiceLine{path}" if line else path, line)
        if _TRADE.match(steps):
            steps = f"rsm:SupplyChainTradeTransaction/{steps}"
        is_absolute = steps.startswith("rsm:")
    else:
        steps = f"cac:InvoiceLine{line}{path}" if line else path
        if root.tag == Root.UBL_CREDIT_NOTE:
            for of_invoice, of_credit_note in _IN_CREDIT_NOTES.items():
                steps = steps.replace(of_invoice, of_credit_note)
        is_absolute = re.split(r"[/\[]", steps)[0].rpartition(":")[2] in _UBL_HEADER
    own = "/".join(_own_step(step, root) for step in steps.split("/"))
    top = etree.QName(root)
    return f"/{_named(top.localname, top.namespace or '', root)}/{own}" if is_absolute else f"//{own}"


def _apart(element: str) -> tuple[str, str]:
    """The number of the line in brackets, with the path within the line; or none, with the path. The package also
    tells the identifier of the line, which is the sender's text."""
    match = _OF_LINE.fullmatch(element)
    return (match[1], match[2]) if match else ("", element)


def _in_cii(path: str, line: str) -> str:
    steps = path.split("/")
    for start in range(len(steps)):
        for end in range(len(steps), start, -1):
            if found := _IN_CII.get("/".join(steps[start:end])):
                if line and not found.startswith(_LINE):
                    continue
                return found.replace(_LINE, _LINE + line, 1) if line else found
    return path


def _own_step(step: str, root: etree._Element) -> str:
    prefix, _, name = step.rpartition(":")
    return _named(name, _NAMESPACES[prefix], root) if prefix in _NAMESPACES else step


def _named(name: str, uri: str, root: etree._Element) -> str:
    prefix = next((prefix for prefix, known in root.nsmap.items() if known == uri), None)
    return f"{prefix}:{name}" if prefix else name
