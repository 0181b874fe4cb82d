"""For each syntax rule with a condition a document that breaks it, and one that does not."""

from invoice_pipelines_tests.unit.einvoice.rules.syntax.documents import cii, document, inside

_SELLER = inside("cac:AccountingSupplierParty/cac:Party")
_BUYER = inside("cac:AccountingCustomerParty/cac:Party")
_TAX = inside("cac:PartyTaxScheme", "<cbc:CompanyID/>" + inside("cac:TaxScheme/cbc:ID"))
_NAMED_SELLER = _SELLER.format(inside("cac:PartyLegalEntity/cbc:RegistrationName", "A"))
_PAYEE = inside("cac:PayeeParty", "{}" + inside("cac:PartyName/cbc:Name")) + _NAMED_SELLER
_REFERENCE = inside("cac:AdditionalDocumentReference", "{}" + inside("cbc:DocumentTypeCode"))
_CHARGE = inside("cac:AllowanceCharge", inside("cbc:ChargeIndicator") + "{}")
_REASON = "<cbc:AllowanceChargeReason>r</cbc:AllowanceChargeReason>"
_SEPA = "<cac:PartyIdentification><cbc:ID schemeID='{}'>1</cbc:ID></cac:PartyIdentification>"
_IDENTIFIER = "<cac:PartyIdentification><cbc:ID>1</cbc:ID></cac:PartyIdentification>"
_ENTITY = "<cac:PartyLegalEntity><cbc:CompanyID>1</cbc:CompanyID></cac:PartyLegalEntity>"

_UBL = {
    "UBL-CR-002": ("<cbc:UBLVersionID>2.0</cbc:UBLVersionID>", "<cbc:UBLVersionID>2.1</cbc:UBLVersionID>"),
    "UBL-CR-412": ("<cac:PaymentMeans><cbc:PaymentDueDate/></cac:PaymentMeans>", "<cac:PaymentMeans/>"),
    "UBL-CR-665": (
        _REFERENCE.format("<cbc:ID schemeID='ABC'>1</cbc:ID>", "50"),
        _REFERENCE.format("<cbc:ID schemeID='ABC'>1</cbc:ID>", "130"),
    ),
    "UBL-CR-666": (_REFERENCE.format("<cac:Attachment/>", "130"), _REFERENCE.format("<cac:Attachment/>", "916")),
    "UBL-CR-673": (
        _REFERENCE.format("<cbc:DocumentDescription/>", "130"),
        _REFERENCE.format("<cbc:DocumentDescription/>", "916"),
    ),
    "UBL-DT-01": ("<cbc:PayableAmount>1.234</cbc:PayableAmount>", "<cbc:PriceAmount>1.234</cbc:PriceAmount>"),
    "UBL-DT-18": ("<cbc:ID name='x'/>", "<cbc:PaymentMeansCode name='x'/>"),
    "UBL-SR-04": (_REFERENCE.format("<cbc:ID/><cbc:ID/>", "130"), _REFERENCE.format("<cbc:ID/><cbc:ID/>", "916")),
    "UBL-SR-12": (_SELLER.format(_TAX.format("VAT") * 2), _SELLER.format(_TAX.format("VAT") + _TAX.format("FC"))),
    "UBL-SR-13": (_SELLER.format(_TAX.format("FC") * 2), _SELLER.format(_TAX.format("vat") + _TAX.format("FC"))),
    "UBL-SR-18": (_BUYER.format(_TAX.format("Vat") * 2), _BUYER.format(_TAX.format("FC") * 2)),
    "UBL-SR-19": (_PAYEE.format("", "A"), _PAYEE.format("", "B")),
    "UBL-SR-20": (_PAYEE.format(_IDENTIFIER * 2, "B"), _PAYEE.format(_IDENTIFIER + _SEPA.format("SEPA"), "B")),
    "UBL-SR-21": (_PAYEE.format(_ENTITY * 2, "B"), _PAYEE.format(_ENTITY, "B")),
    "UBL-SR-29": (_SELLER.format(_SEPA.format("sepa") * 2), _SELLER.format(_SEPA.format("0088") * 2)),
    "UBL-SR-30": (_CHARGE.format("false", _REASON * 2), _CHARGE.format("true", _REASON * 2)),
    "UBL-SR-31": (_CHARGE.format("true", _REASON * 2), _CHARGE.format("0", _REASON * 2)),
    "UBL-SR-43": (_REFERENCE.format("", "50"), _REFERENCE.format("", "130")),
    "UBL-SR-53": (_SELLER.format("<cac:PartyTaxScheme/>"), _SELLER.format(_TAX.format("FC"))),
}

_DOCUMENT = "<ram:{0}>{1}<ram:TypeCode>{2}</ram:TypeCode></ram:{0}>"
_ADDITIONAL = "AdditionalReferencedDocument"
_BREAKDOWN = "<ram:{0}>{1}</ram:{0}>"
_CONTACT = inside("ram:DefinedTradeContact", "<ram:DepartmentName/>{}")
_PRICE = inside("ram:SpecifiedLineTradeAgreement/ram:GrossPriceProductTradePrice")
_DISCOUNT = inside(
    "ram:AppliedTradeAllowanceCharge", inside("ram:ChargeIndicator/udt:Indicator") + "<ram:ActualAmount/>"
)
_MEANS = inside(
    "ram:SpecifiedTradeSettlementPaymentMeans",
    "<ram:TypeCode>58</ram:TypeCode>" + inside("ram:PayeePartyCreditorFinancialAccount"),
)
_PRODUCT = inside("ram:SpecifiedTradeProduct")
_BASIS = inside("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice", "<ram:BasisQuantity unitCode='C62'/>")
_BILLED = inside("ram:SpecifiedLineTradeDelivery", "<ram:BilledQuantity {}/>")
_DAY = inside("ram:ActualDeliverySupplyChainEvent", "<udt:DateTimeString format='{}'>2026-01-31</udt:DateTimeString>")


def _party(name: str, content: str) -> str:
    return f"<ram:{name}>{content}</ram:{name}>"


def _supporting(name: str) -> tuple[str, str]:
    broken, kept = (_DOCUMENT.format(_ADDITIONAL, f"<ram:{name}/>", code) for code in ("130", "916"))
    return cii(agreement=broken), cii(agreement=kept)


def _line_tax(content: str) -> str:
    return inside("ram:SpecifiedLineTradeSettlement/ram:ApplicableTradeTax", content)


def _breakdown_only(name: str) -> tuple[str, str]:
    tax = _BREAKDOWN.format("ApplicableTradeTax", f"<ram:{name}/>")
    return cii(lines=[_line_tax(f"<ram:{name}/>")]), cii(settlement=tax)


def _tax_only(name: str) -> tuple[str, str]:
    broken, kept = (_BREAKDOWN.format(tax, f"<ram:{name}/>") for tax in ("CategoryTradeTax", "ApplicableTradeTax"))
    return cii(settlement=broken), cii(settlement=kept)


_CII = {
    "CII-DT-015": _supporting("URIID"),
    "CII-DT-018": tuple(cii(agreement=_DOCUMENT.format(_ADDITIONAL, "", code)) for code in ("380", "50")),
    "CII-DT-021": _supporting("Name"),
    "CII-DT-022": _supporting("AttachmentBinaryObject"),
    "CII-DT-024": tuple(
        cii(agreement=_DOCUMENT.format(_ADDITIONAL, "<ram:ReferenceTypeCode/>", code)) for code in ("916", "130")
    ),
    "CII-DT-027": tuple(
        cii(settlement=f"<ram:{name}><ram:FormattedIssueDateTime/></ram:{name}>")
        for name in (_ADDITIONAL, "InvoiceReferencedDocument")
    ),
    "CII-DT-033": tuple(cii(lines=[_BASIS + _BILLED.format(unit)]) for unit in ("", "unitCode='C62'")),
    "CII-DT-037": tuple(cii(lines=[_line_tax(f"<ram:TypeCode>{code}</ram:TypeCode>")]) for code in ("vat", "VAT")),
    "CII-DT-041": _breakdown_only("BasisAmount"),
    "CII-DT-052": _tax_only("ExemptionReasonCode"),
    "CII-DT-054": _breakdown_only("TaxPointDate"),
    "CII-DT-058": _breakdown_only("DueDateTypeCode"),
    "CII-DT-097": tuple(cii(delivery=_DAY.format(form)) for form in ("102", "205")),
    "CII-DT-098": _tax_only("ExemptionReason"),
    "CII-SR-046": tuple(
        cii(lines=[_PRODUCT.format(identifier)])
        for identifier in ("<ram:GlobalID/>", "<ram:GlobalID schemeID='0160'/>")
    ),
    "CII-SR-090": tuple(
        cii(lines=[_PRODUCT.format(f"<ram:OriginTradeCountry>{codes}</ram:OriginTradeCountry>")])
        for codes in ("<ram:ID/><ram:ID/>", "<ram:ID/>")
    ),
    "CII-SR-119": tuple(cii(lines=[_PRICE.format(_DISCOUNT.format(charge))]) for charge in ("true", "false")),
    "CII-SR-449": tuple(
        cii(delivery=_party("ShipToTradeParty", f"<ram:GlobalID/>{more}")) for more in ("<ram:ID/>", "")
    ),
    "CII-SR-450": tuple(
        cii(agreement=_party("BuyerTradeParty", f"<ram:GlobalID/>{more}")) for more in ("<ram:ID/>", "")
    ),
    "CII-SR-451": tuple(
        cii(settlement=_party("PayeeTradeParty", f"<ram:GlobalID/>{more}")) for more in ("<ram:ID/>", "")
    ),
    "CII-SR-457": tuple(cii(agreement=_DOCUMENT.format(_ADDITIONAL, "", "50") * times) for times in (2, 1)),
    "CII-SR-458": tuple(cii(agreement=_DOCUMENT.format(_ADDITIONAL, "", "130") * times) for times in (2, 1)),
    "CII-SR-465": tuple(
        cii(agreement=_party("SellerTradeParty", _CONTACT.format(more))) for more in ("<ram:PersonName/>", "")
    ),
    "CII-SR-466": tuple(
        cii(agreement=_party("BuyerTradeParty", _CONTACT.format(more))) for more in ("<ram:PersonName/>", "")
    ),
    "CII-SR-470": tuple(cii(settlement=_MEANS.format(account)) for account in ("", "<ram:IBANID>DE</ram:IBANID>")),
    "CII-SR-474": tuple(
        cii(
            lines=[
                "<ram:SpecifiedLineTradeSettlement>"
                + _DOCUMENT.format(_ADDITIONAL, "", " 130") * times
                + "</ram:SpecifiedLineTradeSettlement>"
            ]
        )
        for times in (2, 1)
    ),
    "CII-SR-475": tuple(cii(agreement=_DOCUMENT.format(_ADDITIONAL, "<ram:Name/>", "916") * times) for times in (2, 1)),
    "CII-SR-476": tuple(
        cii(agreement=_DOCUMENT.format(_ADDITIONAL, "<ram:AttachmentBinaryObject/>", "916") * times) for times in (2, 1)
    ),
}
EXAMPLES = {rule: tuple(map(document, both)) for rule, both in _UBL.items()} | _CII
