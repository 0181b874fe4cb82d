"""Peppol's rules of countries in CII, where they look for other things than in UBL."""

from __future__ import annotations

import pytest

from invoice_pipelines.einvoice.rules.declarations.national import countries
from invoice_pipelines.einvoice.rules.engine.asking import Plan
from invoice_pipelines.einvoice.rules.engine.walk import Syntax, walk
from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines.einvoice.rules.xml_document import parse

DOCUMENT = """<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
  xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100">
  <rsm:ExchangedDocument><ram:TypeCode>{code}</ram:TypeCode></rsm:ExchangedDocument>
  <rsm:SupplyChainTradeTransaction>
    <ram:IncludedSupplyChainTradeLineItem>{line}</ram:IncludedSupplyChainTradeLineItem>
    <ram:ApplicableHeaderTradeAgreement>
      <ram:SellerTradeParty>{seller}<ram:PostalTradeAddress>{address}<ram:CountryID>{country}</ram:CountryID>
      </ram:PostalTradeAddress>{registrations}</ram:SellerTradeParty>
      <ram:BuyerTradeParty>{buyer}<ram:PostalTradeAddress>{address}<ram:CountryID>{country}</ram:CountryID>
      </ram:PostalTradeAddress></ram:BuyerTradeParty>
      <ram:SellerTaxRepresentativeTradeParty><ram:PostalTradeAddress>{address}<ram:CountryID>{country}</ram:CountryID>
      </ram:PostalTradeAddress></ram:SellerTaxRepresentativeTradeParty>
    </ram:ApplicableHeaderTradeAgreement>
    <ram:ApplicableHeaderTradeSettlement>{settlement}</ram:ApplicableHeaderTradeSettlement>
  </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>"""

PLAN = Plan(countries.RULES, Syntax.CII)
COMPANY = "<ram:SpecifiedLegalOrganization><ram:ID{}>{}</ram:ID></ram:SpecifiedLegalOrganization>"
REGISTRATION = '<ram:SpecifiedTaxRegistration><ram:ID schemeID="{}">{}</ram:ID></ram:SpecifiedTaxRegistration>'
ADDRESS = "<ram:PostcodeCode>1</ram:PostcodeCode><ram:LineOne>1</ram:LineOne><ram:CityName>1</ram:CityName>"
MEANS = (
    "{reference}<ram:SpecifiedTradeSettlementPaymentMeans><ram:TypeCode>{code}</ram:TypeCode>"
    "<ram:PayeePartyCreditorFinancialAccount>{account}</ram:PayeePartyCreditorFinancialAccount>"
    "<ram:PayeeSpecifiedCreditorFinancialInstitution><ram:BICID>{bic}</ram:BICID>"
    "</ram:PayeeSpecifiedCreditorFinancialInstitution></ram:SpecifiedTradeSettlementPaymentMeans>"
)
CHARGE = (
    "<ram:SpecifiedTradeAllowanceCharge><ram:ReasonCode>ZZZ</ram:ReasonCode><ram:Reason>{}</ram:Reason>"
    "</ram:SpecifiedTradeAllowanceCharge>"
)
TOTALS = (
    "<ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:DuePayableAmount>{}</ram:DuePayableAmount>"
    "</ram:SpecifiedTradeSettlementHeaderMonetarySummation>"
)
RATE = "<ram:ApplicableTradeTax><ram:RateApplicablePercent>{}</ram:RateApplicablePercent></ram:ApplicableTradeTax>"
CLASS = (
    "<ram:SpecifiedTradeProduct><ram:DesignatedProductClassification>"
    '<ram:ClassCode listID="TST" listVersionID="{}">1</ram:ClassCode></ram:DesignatedProductClassification>'
    "</ram:SpecifiedTradeProduct>"
)
ORDER_LINE = (
    "<ram:SpecifiedLineTradeAgreement><ram:BuyerOrderReferencedDocument><ram:LineID>1</ram:LineID>"
    "</ram:BuyerOrderReferencedDocument></ram:SpecifiedLineTradeAgreement>"
)
REFERENCED = (
    "<ram:InvoiceReferencedDocument><ram:IssuerAssignedID>1</ram:IssuerAssignedID></ram:InvoiceReferencedDocument>"
)


def means(code: str, account: str = "", bic: str = "", reference: str = "") -> str:
    stated = f"<ram:PaymentReference>{reference}</ram:PaymentReference>" if reference else ""
    return MEANS.format(code=code, account=account, bic=bic, reference=stated)


def iban(number: str) -> str:
    return f"<ram:IBANID>{number}</ram:IBANID>"


def giro(number: str) -> str:
    return f"<ram:ProprietaryID>{number}</ram:ProprietaryID>"


BROKEN_AND_KEPT: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
    (
        "NO-R-001",
        "NO",
        {"registrations": REGISTRATION.format("VAT", "NO974760674MVA")},
        {"registrations": REGISTRATION.format("VAT", "NO974760673MVA")},
    ),
    ("NO-R-002", "NO", {}, {"registrations": REGISTRATION.format("FC", "Foretaksregisteret")}),
    ("DK-R-002", "DK", {}, {"seller": COMPANY.format(' schemeID="0184"', "12345674")}),
    ("DK-R-003", "DK", {"line": CLASS.format("18")}, {"line": CLASS.format("19.05.01")}),
    ("DK-R-004", "DK", {"settlement": CHARGE.format("#tax")}, {"settlement": CHARGE.format("3645")}),
    ("DK-R-005", "DK", {"settlement": means("30")}, {"settlement": means("31")}),
    (
        "DK-R-006",
        "DK",
        {"settlement": means("31", iban("1"))},
        {"settlement": means("31", iban("1"), "1")},
    ),
    ("DK-R-007", "DK", {"settlement": means("49")}, {"settlement": means("58")}),
    (
        "DK-R-008",
        "DK",
        {"settlement": means("50", iban("123456"), reference="01#")},
        {"settlement": means("50", iban("1234567"), reference="01#")},
    ),
    (
        "DK-R-009",
        "DK",
        {"settlement": means("50", reference="04#1")},
        {"settlement": means("50", reference="04#1234567890123456")},
    ),
    (
        "DK-R-010",
        "DK",
        {"settlement": means("93", iban("12345678"))},
        {"settlement": means("93", iban("12345678"), reference="73#")},
    ),
    (
        "DK-R-011",
        "DK",
        {"settlement": means("93", reference="71#1")},
        {"settlement": means("93", reference="71#123456789012345")},
    ),
    (
        "DK-R-013",
        "DK",
        {"buyer": "<ram:GlobalID>1</ram:GlobalID>"},
        {"buyer": '<ram:GlobalID schemeID="0088">1</ram:GlobalID>'},
    ),
    (
        "DK-R-014",
        "DK",
        {"seller": COMPANY.format("", "12345674")},
        {"seller": COMPANY.format(' schemeID="0184"', "12345674")},
    ),
    ("DK-R-016", "DK", {"code": "381", "settlement": TOTALS.format("-1")}, {"settlement": TOTALS.format("-1")}),
    (
        "IT-R-001",
        "IT",
        {"registrations": REGISTRATION.format("FC", "1")},
        {"registrations": REGISTRATION.format("FC", "12345678901")},
    ),
    ("IT-R-002", "IT", {}, {"address": ADDRESS}),
    ("IT-R-003", "IT", {}, {"address": ADDRESS}),
    ("IT-R-004", "IT", {}, {"address": ADDRESS}),
    (
        "SE-R-001",
        "SE",
        {"registrations": REGISTRATION.format("VAT", "SE1")},
        {"registrations": REGISTRATION.format("VAT", "SE556012579001")},
    ),
    (
        "SE-R-002",
        "SE",
        {"registrations": REGISTRATION.format("VAT", "SE55601257900X")},
        {"registrations": REGISTRATION.format("VAT", "SE556012579001")},
    ),
    ("SE-R-003", "SE", {"seller": COMPANY.format("", "X")}, {"seller": COMPANY.format("", "5560125790")}),
    ("SE-R-004", "SE", {"seller": COMPANY.format("", "1")}, {"seller": COMPANY.format("", "5560125790")}),
    ("SE-R-013", "SE", {"seller": COMPANY.format("", "5560125791")}, {"seller": COMPANY.format("", "5560125790")}),
    (
        "SE-R-005",
        "SE",
        {"seller": COMPANY.format("", "5560125790"), "registrations": REGISTRATION.format("FC", "1")},
        {
            "seller": COMPANY.format("", "5560125790"),
            "registrations": REGISTRATION.format("FC", "Godkänd för F-skatt"),
        },
    ),
    (
        "SE-R-006",
        "SE",
        {"registrations": REGISTRATION.format("VAT", "SE1"), "settlement": RATE.format("19")},
        {"registrations": REGISTRATION.format("VAT", "SE1"), "settlement": RATE.format("25.00")},
    ),
    (
        "SE-R-007",
        "SE",
        {"settlement": means("30", giro("x1"), "SE:PLUSGIRO")},
        {"settlement": means("30", giro("11"), "SE:PLUSGIRO")},
    ),
    (
        "SE-R-010",
        "SE",
        {"settlement": means("30", giro("1"), "SE:PLUSGIRO")},
        {"settlement": means("30", giro("11"), "SE:PLUSGIRO")},
    ),
    (
        "SE-R-008",
        "SE",
        {"settlement": means("30", giro("123456x"), "SE:BANKGIRO")},
        {"settlement": means("30", giro("1234567"), "SE:BANKGIRO")},
    ),
    (
        "SE-R-009",
        "SE",
        {"settlement": means("30", giro("123456"), "SE:BANKGIRO")},
        {"settlement": means("30", giro("1234567"), "SE:BANKGIRO")},
    ),
    ("SE-R-011", "SE", {"settlement": means("50")}, {"settlement": means("30")}),
    ("SE-R-012", "SE", {"settlement": means("31")}, {"settlement": means("30")}),
    ("NL-R-001", "NL", {"code": "381"}, {"code": "381", "settlement": REFERENCED}),
    ("NL-R-002", "NL", {}, {"address": ADDRESS}),
    (
        "NL-R-003",
        "NL",
        {"seller": COMPANY.format(' schemeID="0184"', "1")},
        {"seller": COMPANY.format(' schemeID="0106"', "1")},
    ),
    ("NL-R-004", "NL", {}, {"address": ADDRESS}),
    ("NL-R-006", "NL", {}, {"address": ADDRESS}),
    (
        "NL-R-005",
        "NL",
        {"buyer": COMPANY.format(' schemeID="0184"', "1")},
        {"buyer": COMPANY.format(' schemeID="0190"', "1")},
    ),
    ("NL-R-007", "NL", {"settlement": TOTALS.format("1")}, {"settlement": TOTALS.format("1") + means("30")}),
    ("NL-R-008", "NL", {"settlement": means("31")}, {"settlement": means("30")}),
    ("NL-R-009", "NL", {"line": ORDER_LINE}, {}),
]


def broken(country: str, **parts: str) -> set[str]:
    nothing = dict.fromkeys(("line", "seller", "address", "registrations", "buyer", "settlement"), "")
    xml = DOCUMENT.format_map({"code": "380", **nothing, "country": country, **parts})
    found = PLAN.ask(walk(parse(xml.encode()).tree.getroot(), Syntax.CII))
    assert not found.stopped
    return {finding.rule.id for finding in found.findings}


@pytest.mark.parametrize(("rule", "country", "wrong", "right"), BROKEN_AND_KEPT)
def test_the_seller_of_a_country_breaks_its_rule_and_can_keep_it(
    rule: str, country: str, wrong: dict[str, str], right: dict[str, str]
) -> None:
    assert rule in broken(country, **wrong)
    assert rule not in broken("FR", **{**wrong, "registrations": ""})
    assert rule not in broken(country, **right)


def test_each_rule_of_a_country_in_cii_has_such_a_seller() -> None:
    in_cii = {rule.id for rule in countries.RULES if Syntax.CII in rule.asked and not rule.id.startswith("PEPPOL-")}
    assert in_cii == {each[0] for each in BROKEN_AND_KEPT}


def test_rules_of_countries_are_asked_of_cii_that_follows_peppol() -> None:
    xml = DOCUMENT.format_map(
        dict.fromkeys(("line", "seller", "address", "registrations", "buyer", "settlement"), "")
        | {"code": "380", "country": "DK"}
    ).replace(
        "<rsm:ExchangedDocument>",
        "<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>"
        "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0</ram:ID>"
        "</ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext><rsm:ExchangedDocument>",
    )
    assert "DK-R-002" in {violation.rule for violation in business_rules(xml.encode())}
