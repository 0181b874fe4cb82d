"""The syntax rules on real documents and fragments: what is told, how often, of which element, and in which words."""

import time

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.engine.texts import message_of
from invoice_pipelines.einvoice.rules.engine.walk import Syntax
from invoice_pipelines.einvoice.rules.syntax.asking import rules
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines_tests.conftest import CORPUS
from invoice_pipelines_tests.unit.einvoice.rules.syntax.documents import asked_of, cii, document
from invoice_pipelines_tests.unit.einvoice.rules.test_corpus import fragments, whole_invoices

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpus is not beside the project")


def fired(xml: str | bytes) -> list[str]:
    return sorted(finding.rule.id for finding in asked_of(xml).findings)


def told(xml: str) -> list[tuple[str, str, str]]:
    return [
        (finding.rule.id, path_of(finding.node.element), message_of(finding)[0]) for finding in asked_of(xml).findings
    ]


def path_of(element: etree._Element) -> str:
    return str(element.getroottree().getpath(element))


@pytest.mark.corpus
@needs_corpus
def test_valid_invoices_break_no_fatal_syntax_rule() -> None:
    paths = whole_invoices("xrechnung-testsuite", "en16931/ubl/examples", "en16931/cii/examples")
    assert len(paths) > 100
    for path in paths:
        found = asked_of(path.read_bytes())
        assert not found.stopped, path.name
        assert [each.rule.id for each in found.findings if each.rule.severity is Severity.FATAL] == [], path.name


@pytest.mark.corpus
@needs_corpus
def test_labelled_fragments_are_flagged_or_let_pass_as_they_say() -> None:
    labelled = set()
    for place, xml, labels in fragments():
        of_syntax = [label for label in labels if label[1].startswith(("UBL-", "CII-"))]
        found = fired(xml) if of_syntax else []
        for kind, rule, times in of_syntax:
            labelled.add((kind, rule))
            assert (found.count(rule) == 0) if kind == "success" else (found.count(rule) >= times), (place, rule)
    assert len(labelled) >= 17


def test_the_tables_have_all_rules() -> None:
    for syntax, count in ((Syntax.UBL, 756), (Syntax.CII, 583)):
        declared = rules(syntax)
        assert len({rule.id for rule in declared}) == count
        assert {rule.source for rule in declared} == {f"CEN/TS 16931-3-{2 if syntax is Syntax.UBL else 3}:2020"}
    severities = {rule.id: rule.severity for syntax in Syntax for rule in rules(syntax)}
    assert severities["UBL-CR-666"] is severities["CII-SR-461"] is Severity.FATAL
    assert severities["UBL-CR-646"] is severities["CII-SR-454"] is Severity.WARNING


def test_what_is_not_used_is_told_once_for_the_document_in_ubl_and_with_its_place() -> None:
    line = (
        "<cac:InvoiceLine><cbc:Note>n</cbc:Note><cac:Item><cac:ClassifiedTaxCategory/>{}</cac:Item></cac:InvoiceLine>"
    )
    keyword = line.format("<cbc:Keyword>a</cbc:Keyword>")
    assert told(document(line.format("") + keyword + keyword)) == [
        (
            "UBL-CR-568",
            "/ubl:Invoice/cac:InvoiceLine[2]/cac:Item/cbc:Keyword",
            "cac:InvoiceLine/cac:Item/cbc:Keyword is not used in an e-invoice after EN 16931. Leave it out.",
        )
    ]


def test_what_is_not_used_is_told_for_each_line_in_cii() -> None:
    product = "<ram:SpecifiedTradeProduct>{0}{0}</ram:SpecifiedTradeProduct>"
    branded = product.format("<ram:BrandName>b</ram:BrandName>")
    assert fired(cii(lines=(branded, product.format(""), branded))) == ["CII-SR-058", "CII-SR-058"]


def test_attributes_are_told_wherever_they_stand() -> None:
    found = told(document("<ext:UBLExtensions><a listURI='u'/></ext:UBLExtensions><cbc:ID schemeID='s' listURI='u'/>"))
    assert [(rule, place) for rule, place, _ in found] == [
        ("UBL-CR-001", "/ubl:Invoice/ext:UBLExtensions"),
        ("UBL-DT-20", "/ubl:Invoice/ext:UBLExtensions/a"),
        ("UBL-CR-650", "/ubl:Invoice/cbc:ID"),
    ]
    assert found[2][2] == "cbc:ID/@schemeID is not used in an e-invoice after EN 16931. Leave it out."


def test_what_stands_too_often_is_counted_for_each_element_of_its_section() -> None:
    note = "<cbc:Note>a</cbc:Note>"
    item = "<cac:Item><cac:ClassifiedTaxCategory/></cac:Item>"
    found = told(
        document(f"<cac:InvoiceLine>{note}{item}</cac:InvoiceLine><cac:InvoiceLine>{note * 3}{item}</cac:InvoiceLine>")
    )
    assert found == [
        (
            "UBL-SR-34",
            "/ubl:Invoice/cac:InvoiceLine[2]/cbc:Note[2]",
            "cac:InvoiceLine/cbc:Note may stand here only once, but is there 3 times. Keep the one that is meant.",
        )
    ]
    # Together in all payment terms, though each of them has one.
    terms = f"<cac:PaymentTerms>{note}</cac:PaymentTerms>"
    assert (fired(document(terms)), fired(document(terms * 2))) == ([], ["UBL-SR-05"])


def test_what_is_missing_is_told_of_the_element_that_needs_it() -> None:
    assert told(document("<cac:CreditNoteLine/>", "cn:CreditNote")) == [
        (
            "UBL-SR-48",
            "/cn:CreditNote/cac:CreditNoteLine",
            "cac:CreditNoteLine is without cac:Item/cac:ClassifiedTaxCategory, which it must have. Add it.",
        )
    ]
    assert "CII-SR-010" in fired(document("<rsm:ExchangedDocumentContext/>", "rsm:CrossIndustryInvoice"))


def test_an_element_is_only_in_the_first_section_whose_context_it_is_in() -> None:
    # As in the official rules: of ram:TypeCode the rules of its kind of document are never asked.
    content = "<ram:ID schemeURI='u' schemeID='s'/><ram:TypeCode name='n' listID='l'/>"
    head = f"<rsm:ExchangedDocument>{content}</rsm:ExchangedDocument>"
    assert fired(document(head, "rsm:CrossIndustryInvoice")) == ["CII-DT-004", "CII-DT-005", "CII-DT-008"]


def test_rules_find_what_stands_in_the_wrong_place() -> None:
    address = "<cac:Address>" + "<cac:AddressLine/>" * 2 + "</cac:Address>"
    assert fired(document(f"<ext:UBLExtensions><x>{address}</x></ext:UBLExtensions>")) == ["UBL-CR-001", "UBL-SR-51"]


def test_what_the_official_rules_cannot_be_asked_stops_ours() -> None:
    scheme = f"<cac:TaxScheme>{'<cbc:ID>VAT</cbc:ID>' * 2}</cac:TaxScheme>"
    party = f"<cac:Party><cac:PartyTaxScheme><cbc:CompanyID/>{scheme}</cac:PartyTaxScheme></cac:Party>"
    found = asked_of(document(f"<cac:AccountingSupplierParty>{party}</cac:AccountingSupplierParty>"))
    assert (found.findings, [code for _, code, _ in found.stopped]) == ([], ["XPTY0004"])


_MANY = 20_000


@pytest.mark.parametrize(
    "xml",
    [
        document("<cac:PaymentMeans><cbc:PaymentID>1</cbc:PaymentID></cac:PaymentMeans>" * _MANY),
        document(
            "<cac:AdditionalDocumentReference>"
            + "<cbc:DocumentTypeCode>130</cbc:DocumentTypeCode><cbc:ID schemeID='ABC'>1</cbc:ID>" * _MANY
            + "</cac:AdditionalDocumentReference>"
        ),
        document(
            "<cac:AccountingSupplierParty><cac:Party><cac:PartyTaxScheme>"
            + "<cbc:CompanyID/><cac:TaxScheme/>" * _MANY
            + "</cac:PartyTaxScheme></cac:Party></cac:AccountingSupplierParty>"
        ),
        document(
            "<cac:AllowanceCharge>"
            + "<cbc:ChargeIndicator>1</cbc:ChargeIndicator><cbc:AllowanceChargeReason/>" * _MANY
            + "</cac:AllowanceCharge>"
        ),
        document("<cac:PayeeParty/>" * _MANY + "<cac:AccountingSupplierParty/>" * _MANY),
        cii(
            lines=[
                "<ram:SpecifiedTradeProduct>"
                + "<ram:GlobalID/><ram:OriginTradeCountry/>" * _MANY
                + "</ram:SpecifiedTradeProduct>"
            ]
        ),
        cii(
            lines=[
                "<ram:SpecifiedLineTradeAgreement><ram:GrossPriceProductTradePrice>"
                + "<ram:AppliedTradeAllowanceCharge/>" * _MANY
                + "</ram:GrossPriceProductTradePrice></ram:SpecifiedLineTradeAgreement>"
            ]
        ),
        cii(agreement="<ram:BuyerTradeParty>" + "<ram:GlobalID/>" * _MANY + "</ram:BuyerTradeParty>"),
        cii(
            settlement="<ram:ApplicableTradeTax>"
            + "<ram:TypeCode>x</ram:TypeCode>" * _MANY
            + "</ram:ApplicableTradeTax>"
        ),
    ],
    ids=["means", "types", "taxes", "reasons", "payees", "products", "discounts", "buyers", "tax types"],
)
def test_a_document_that_was_made_to_take_long_takes_as_long_as_any_other_of_its_size(xml: str) -> None:
    start = time.process_time()
    asked_of(xml)
    assert time.process_time() - start < 15  # the square of so many takes minutes
