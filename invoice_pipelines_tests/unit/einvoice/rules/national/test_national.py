"""The rules of code lists, of XRechnung and of Peppol: what they find, and that each says it in both languages."""

from __future__ import annotations

import string
from collections.abc import Callable
from importlib import resources

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.declarations.national import (
    code_lists,
    countries,
    extension,
    factur_x,
    peppol,
    profiles,
    xrechnung,
)
from invoice_pipelines.einvoice.rules.declarations.national.countries import numbers
from invoice_pipelines.einvoice.rules.declarations.national.peppol import codes as peppol_codes
from invoice_pipelines.einvoice.rules.declarations.national.releases import RELEASES
from invoice_pipelines.einvoice.rules.engine.asking import Plan
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration
from invoice_pipelines.einvoice.rules.engine.texts import message_of, text_of
from invoice_pipelines.einvoice.rules.engine.walk import Syntax, walk
from invoice_pipelines.workshop import factur_x_tables

_RULES = (
    *code_lists.RULES,
    *xrechnung.RULES,
    *extension.RULES,
    *peppol.RULES,
    *peppol.IN_XRECHNUNG,
    *peppol_codes.RULES,
    *countries.RULES,
    *factur_x.MINIMUM,
    *factur_x.BASIC_WL,
    *factur_x.EXTENDED,
    *(rule for profile in profiles.Profile for rule in profiles.rules(profile)),
)
_UBL = """<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
  xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
  xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">{}</Invoice>"""
_CII = """<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
  xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
  xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">{}</rsm:CrossIndustryInvoice>"""
_SETTLEMENT = (
    "<rsm:SupplyChainTradeTransaction><ram:ApplicableHeaderTradeSettlement>{}"
    "</ram:ApplicableHeaderTradeSettlement></rsm:SupplyChainTradeTransaction>"
)
_PAYMENT_TERMS = "<cac:PaymentTerms><cbc:Note>{}</cbc:Note></cac:PaymentTerms>"


def _found(
    inside: str, syntax: Syntax = Syntax.UBL, rules: tuple[Declaration, ...] = _RULES
) -> dict[str, tuple[str, str]]:
    """The rules that a document with this in its root breaks, with what they say."""
    root = etree.fromstring((_UBL if syntax is Syntax.UBL else _CII).format(inside))
    found = Plan(rules, syntax).ask(walk(root, syntax))
    assert not found.stopped
    return {finding.rule.id: message_of(finding) for finding in found.findings}


@pytest.mark.parametrize("rule", sorted({rule.text or rule.id for rule in _RULES}))
def test_each_rule_says_the_same_values_in_both_languages(rule: str) -> None:
    english, german = (
        sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None) for text in text_of(rule)
    )
    assert english == german


def test_a_rule_that_differs_between_releases_names_those_it_is_in() -> None:
    assert {name for rule in _RULES for name in rule.releases} <= RELEASES.keys()


def test_a_code_that_no_list_has_is_told_with_the_release_of_the_list() -> None:
    english, german = _found("<cbc:DocumentCurrencyCode>EURO</cbc:DocumentCurrencyCode>")["BR-CL-04"]
    assert '"EURO"' in english
    assert "1.3.16" in english
    assert "„EURO“" in german
    assert "1.3.16" in german


@pytest.mark.parametrize(
    ("inside", "syntax", "rule"),
    [
        ('<cac:PartyIdentification><cbc:ID schemeID="SEPA"/></cac:PartyIdentification>', Syntax.UBL, "BR-CL-10"),
        ("<cbc:Note>#XXX#text</cbc:Note>", Syntax.UBL, "BR-CL-08"),
        (_SETTLEMENT.format("<ram:InvoiceCurrencyCode>eur</ram:InvoiceCurrencyCode>"), Syntax.CII, "BR-CL-04"),
        ("<ram:Thing><ram:CountryID>SS</ram:CountryID></ram:Thing>", Syntax.CII, "BR-CL-14"),
        ("<cac:Country><cbc:IdentificationCode>AN</cbc:IdentificationCode></cac:Country>", Syntax.UBL, "BR-CL-14"),
        (_PAYMENT_TERMS.format("#SKONTO#TAGE=14#PROZENT=2#\n"), Syntax.UBL, "BR-DE-18"),
        (_PAYMENT_TERMS.format("#SKONTO#TAGE=14#PROZENT=2.00#"), Syntax.UBL, "BR-DE-18"),
        (
            "<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode></cac:PaymentMeans>",
            Syntax.UBL,
            "BR-DE-23-a",
        ),
        (
            "<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode><cac:PayeeFinancialAccount>"
            "<cbc:ID>DE00 0000</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>",
            Syntax.UBL,
            "BR-DE-19",
        ),
        (
            "<cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator><cbc:MultiplierFactorNumeric>10"
            "</cbc:MultiplierFactorNumeric><cbc:Amount>9.97</cbc:Amount><cbc:BaseAmount>100</cbc:BaseAmount>"
            "</cac:AllowanceCharge>",
            Syntax.UBL,
            "PEPPOL-EN16931-R040",
        ),
        (
            "<cac:InvoiceLine><cbc:InvoicedQuantity>3</cbc:InvoicedQuantity><cbc:LineExtensionAmount>10"
            "</cbc:LineExtensionAmount><cac:Price><cbc:PriceAmount>3</cbc:PriceAmount></cac:Price></cac:InvoiceLine>",
            Syntax.UBL,
            "PEPPOL-EN16931-R120",
        ),
        ("<cbc:IssueDate>2026-02-30</cbc:IssueDate>", Syntax.UBL, "PEPPOL-EN16931-F001"),
        (
            "<cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:TaxExemptionReasonCode>vatex-eu-ae</cbc:TaxExemptionReasonCode>"
            "</cac:TaxCategory>",
            Syntax.UBL,
            "PEPPOL-EN16931-P0107",
        ),
        (_SETTLEMENT.format("<ram:PaymentReference/>"), Syntax.CII, "PEPPOL-EN16931-R008"),
    ],
)
def test_a_rule_is_broken(inside: str, syntax: Syntax, rule: str) -> None:
    assert rule in _found(inside, syntax)


@pytest.mark.parametrize(
    ("inside", "syntax", "rule"),
    [
        (
            "<cac:AccountingSupplierParty><cac:Party><cac:PartyIdentification>"
            '<cbc:ID schemeID="SEPA">DE98ZZZ09999999999</cbc:ID></cac:PartyIdentification></cac:Party>'
            "</cac:AccountingSupplierParty>",
            Syntax.UBL,
            "BR-CL-10",
        ),
        ("<cbc:Note>order # 4711</cbc:Note>", Syntax.UBL, "BR-CL-08"),
        (_PAYMENT_TERMS.format("#SKONTO#TAGE=14#PROZENT=2.00#\n"), Syntax.UBL, "BR-DE-18"),
        ("<cbc:TaxExemptionReasonCode>vatex-eu-ae</cbc:TaxExemptionReasonCode>", Syntax.UBL, "BR-CL-22"),
        (
            "<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode><cac:PayeeFinancialAccount>"
            "<cbc:ID>DE75 5121 0800 1245 1261 99</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>",
            Syntax.UBL,
            "BR-DE-19",
        ),
    ],
)
def test_a_rule_is_kept(inside: str, syntax: Syntax, rule: str) -> None:
    assert rule not in _found(inside, syntax)


def test_amounts_in_forint_may_deviate_more_in_xrechnung_than_in_peppol() -> None:
    line = (
        "<cbc:DocumentCurrencyCode>HUF</cbc:DocumentCurrencyCode><cac:InvoiceLine><cbc:InvoicedQuantity>3"
        "</cbc:InvoicedQuantity><cbc:LineExtensionAmount>10</cbc:LineExtensionAmount>"
        "<cac:Price><cbc:PriceAmount>3.2</cbc:PriceAmount></cac:Price></cac:InvoiceLine>"
    )
    assert "PEPPOL-EN16931-R120" in _found(line, rules=peppol.RULES)
    assert "PEPPOL-EN16931-R120" not in _found(line, rules=peppol.IN_XRECHNUNG)


_TOTALS = (
    "<ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:LineTotalAmount>{lines}</ram:LineTotalAmount>"
    "<ram:ChargeTotalAmount>{charges}</ram:ChargeTotalAmount>"
    "</ram:SpecifiedTradeSettlementHeaderMonetarySummation>"
)
_FREIGHT = (
    "<ram:SpecifiedLogisticsServiceCharge><ram:AppliedAmount>4.50</ram:AppliedAmount>"
    "</ram:SpecifiedLogisticsServiceCharge>"
)


@pytest.mark.parametrize(("stated", "is_broken"), [("4.50", False), ("4.51", False), ("4.53", True)])
def test_extended_counts_logistics_among_the_charges_and_lets_a_cent_each_pass(stated: str, is_broken: bool) -> None:
    inside = _SETTLEMENT.format(_FREIGHT + _TOTALS.format(lines=0, charges=stated))
    assert ("BR-FXEXT-CO-12" in _found(inside, Syntax.CII, factur_x.EXTENDED)) is is_broken


@pytest.mark.parametrize("kind", ["", "<ram:TypeCode>VAT</ram:TypeCode>"], ids=["of no type", "of VAT"])
@pytest.mark.parametrize(("indicator", "rule"), [("false", "BR-S-06"), ("true", "BR-S-07")])
def test_basic_wl_asks_for_the_rate_of_an_allowance_whatever_its_tax_is(kind: str, indicator: str, rule: str) -> None:
    charge = (
        f"<ram:SpecifiedTradeAllowanceCharge><ram:ChargeIndicator><udt:Indicator>{indicator}</udt:Indicator>"
        f"</ram:ChargeIndicator><ram:CategoryTradeTax>{kind}<ram:CategoryCode>S</ram:CategoryCode>"
        "<ram:RateApplicablePercent>{}</ram:RateApplicablePercent></ram:CategoryTradeTax>"
        "</ram:SpecifiedTradeAllowanceCharge>"
    )
    for_rate = {
        rate: _found(_SETTLEMENT.format(charge.format(rate)), Syntax.CII, factur_x.BASIC_WL) for rate in (0, 19)
    }
    assert for_rate[0].keys() & {"BR-S-06", "BR-S-07"} == {rule}
    assert not for_rate[19].keys() & {"BR-S-06", "BR-S-07"}


def test_in_extended_only_lines_that_count_are_summed() -> None:
    line = (
        "<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:LineID>{0}</ram:LineID>"
        "<ram:LineStatusReasonCode>{1}</ram:LineStatusReasonCode></ram:AssociatedDocumentLineDocument>"
        "<ram:SpecifiedLineTradeSettlement><ram:SpecifiedTradeSettlementLineMonetarySummation>"
        "<ram:LineTotalAmount>10</ram:LineTotalAmount></ram:SpecifiedTradeSettlementLineMonetarySummation>"
        "</ram:SpecifiedLineTradeSettlement></ram:IncludedSupplyChainTradeLineItem>"
    )
    lines = line.format(1, "GROUP") + line.format(2, "DETAIL")
    inside = _SETTLEMENT.format(_TOTALS.format(lines="{total}", charges=0))
    document = inside.replace("<ram:Applicable", lines + "<ram:Applicable", 1)
    assert "BR-FXEXT-CO-10" not in _found(document.format(total=10), Syntax.CII, factur_x.EXTENDED)
    assert "BR-FXEXT-CO-10" in _found(document.format(total=20), Syntax.CII, factur_x.EXTENDED)


@pytest.mark.parametrize("profile", profiles.Profile)
def test_the_committed_table_of_a_profile_is_what_the_script_makes(profile: profiles.Profile) -> None:
    committed = resources.files(profiles.__package__).joinpath("tables", f"{profile}.txt").read_text("utf-8")
    assert factur_x_tables.make(profile) == committed


@pytest.mark.parametrize(
    ("inside", "rule", "said"),
    [
        (
            "<rsm:ExchangedDocument><ram:ID>1</ram:ID><ram:TypeCode>999</ram:TypeCode></rsm:ExchangedDocument>",
            "FX-SCH-A-000023",
            '"999"',
        ),
        ("<rsm:ExchangedDocument><ram:ID>1</ram:ID></rsm:ExchangedDocument>", "FX-SCH-A-000020", "0 times"),
        ('<rsm:ExchangedDocument><ram:ID schemeID="X">1</ram:ID></rsm:ExchangedDocument>', "FX-UNUSED", "@schemeID"),
    ],
)
def test_a_profile_says_what_it_does_not_take(inside: str, rule: str, said: str) -> None:
    view = walk(etree.fromstring(_CII.format(inside)), Syntax.CII)
    found = {each.rule.id: message_of(each)[0] for each in profiles.ask(view, profiles.Profile.MINIMUM)}
    assert said in found[rule]


@pytest.mark.parametrize(
    ("is_such", "right", "wrong"),
    [
        (numbers.is_gln, "7300010000001", "7300010000002"),
        (numbers.is_norwegian, "974760673", "974760674"),
        (numbers.is_danish, "DK12345678", "DK1234567"),
        (numbers.is_belgian, "0202239951", "0202239952"),
        (numbers.is_italian_vat_id, "IT12345670017", "IT12345670018"),
        (numbers.is_swedish, "2021005026", "2021005027"),
        (numbers.is_australian, "51824753556", "51824753557"),
        (numbers.is_greek, "090000045", "090000046"),
    ],
)
def test_numbers_of_countries_are_known_by_their_check_digits(
    is_such: Callable[[str], bool], right: str, wrong: str
) -> None:
    assert is_such(right)
    assert not is_such(wrong)


def test_rules_of_a_country_are_asked_of_its_sellers_only() -> None:
    party = (
        "<cac:AccountingSupplierParty><cac:Party><cac:PostalAddress><cac:Country><cbc:IdentificationCode>{}"
        "</cbc:IdentificationCode></cac:Country></cac:PostalAddress></cac:Party></cac:AccountingSupplierParty>"
    )
    assert "IT-R-002" in _found(party.format("IT"), rules=countries.RULES)
    assert "IT-R-002" not in _found(party.format("FR"), rules=countries.RULES)
