"""The rules of Peppol: asked of Peppol BIS and of XRechnung, of credit notes as of invoices, and of nobody else."""

from __future__ import annotations

from decimal import Decimal

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines.einvoice.rules.verdict import Severity, Violation
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines_tests.conftest import CORPUS
from invoice_pipelines_tests.support.intake.validation.hostile import XRECHNUNG
from invoice_pipelines_tests.support.intake.validation.specimens import CII, TODAY, UBL

CORE = "urn:cen.eu:en16931:2017"
PEPPOL = f"{CORE}#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PROCESS = "<cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID><cbc:ID>2026"


def following(specification: str, xml: str = UBL) -> str:
    return xml.replace(CORE, specification)


def in_order(specification: str = PEPPOL) -> str:
    """The specimen with what Peppol asks for beyond EN 16931, and with a price base quantity. Its buyer is in France:
    between German parties Peppol asks for more."""
    xml = following(specification).replace("<cbc:ID>2026", PROCESS)
    seller, country, buyer = xml.partition("<cac:AccountingCustomerParty>")
    xml = seller + country + buyer.replace("Code>DE<", "Code>FR<", 1)
    xml = xml.replace("<cac:Party>", '<cac:Party><cbc:EndpointID schemeID="0204">991-1</cbc:EndpointID>')
    xml = xml.replace(
        "<cac:AccountingSupplier", "<cbc:BuyerReference>4711</cbc:BuyerReference><cac:AccountingSupplier", 1
    )
    quantity = '<cbc:BaseQuantity unitCode="C62">1</cbc:BaseQuantity></cac:Price>'
    return xml.replace("</cac:Price>", quantity)


def as_credit_note(xml: str) -> str:
    for name in ("Invoice>", "Invoice ", "InvoiceLine>", "InvoiceTypeCode>"):
        xml = xml.replace(f"<{name}", f"<{name.replace('Invoice', 'CreditNote')}")
        xml = xml.replace(f"</{name}", f"</{name.replace('Invoice', 'CreditNote')}")
    for prefix in ("cac:InvoiceLine", "cbc:InvoiceTypeCode"):
        xml = xml.replace(prefix, prefix.replace("Invoice", "CreditNote"))
    xml = xml.replace("schema:xsd:Invoice-2", "schema:xsd:CreditNote-2").replace(">380<", ">381<")
    xml = xml.replace("InvoicedQuantity", "CreditedQuantity")
    return xml.replace("<cbc:DueDate>2026-03-31</cbc:DueDate>", "")


def peppol(xml: str) -> dict[str, Violation]:
    return {v.rule: v for v in business_rules(xml.encode()) if v.rule.startswith("PEPPOL-")}


def test_a_peppol_invoice_in_order_is_valid_and_the_verdict_names_who_was_asked() -> None:
    verdict = validate(read_document(in_order().encode()), Expectations(today=TODAY))
    assert [v.rule for v in verdict.violations if v.severity is Severity.FATAL] == []
    assert "Peppol 3.0.19" in verdict.rules_version


@pytest.mark.parametrize("specification", [PEPPOL, XRECHNUNG, PEPPOL.replace("billing", "selfbilling")])
def test_what_peppol_asks_for_is_fatal_where_it_is_missing(specification: str) -> None:
    found = peppol(following(specification))
    missing = {"PEPPOL-EN16931-R001", "PEPPOL-EN16931-R010", "PEPPOL-EN16931-R020"}
    if specification != XRECHNUNG:
        missing |= {"PEPPOL-EN16931-R003", "PEPPOL-EN16931-R007"}
    assert set(found) == missing
    assert {violation.severity for violation in found.values()} == {Severity.FATAL}


@pytest.mark.parametrize("xml", [UBL, CII, following(f"{CORE}#compliant#urn:example:cius", UBL)])
def test_others_are_not_asked_the_rules_of_peppol(xml: str) -> None:
    assert peppol(xml.replace("<cbc:ID>2026", PROCESS)) == {}


def test_in_cii_too() -> None:
    found = peppol(following(PEPPOL, CII))
    assert set(found) == {f"PEPPOL-EN16931-R{number}" for number in ("001", "003", "007", "010", "020")}
    assert found["PEPPOL-EN16931-R010"].location is not None
    assert found["PEPPOL-EN16931-R010"].location.startswith("/rsm:CrossIndustryInvoice[1]")


@pytest.mark.parametrize(("specification", "severity"), [(PEPPOL, Severity.FATAL), (XRECHNUNG, Severity.WARNING)])
@pytest.mark.parametrize("shape", [str, as_credit_note])
def test_a_wrong_line_amount_is_fatal_in_peppol_and_a_warning_in_xrechnung(
    specification: str, severity: Severity, shape: type
) -> None:
    xml = shape(in_order(specification).replace(">50.00</cbc:PriceAmount>", ">51.00</cbc:PriceAmount>"))
    assert {rule: v.severity for rule, v in peppol(xml).items()} == {"PEPPOL-EN16931-R120": severity}


def test_between_german_parties_the_rules_of_germany_are_fatal_too() -> None:
    found = {v.rule: v.severity for v in business_rules(in_order().replace("Code>FR<", "Code>DE<").encode())}
    assert found["DE-R-001"] is Severity.FATAL


def test_self_billing_is_in_order_under_its_own_identifiers() -> None:
    xml = in_order().replace("poacc:billing", "poacc:selfbilling").replace(">380<", ">389<")
    assert peppol(xml) == {}


def test_vat_rules_of_en_16931_stay_fatal_in_peppol() -> None:
    xml = in_order().replace("<cbc:Percent>19</cbc:Percent>", "<cbc:Percent>0</cbc:Percent>")
    found = {v.rule: v.severity for v in business_rules(xml.encode())}
    assert found["BR-S-05"] is Severity.FATAL


def test_a_made_up_number_of_an_organization_is_a_warning() -> None:
    found = peppol(in_order().replace('schemeID="0204">991-1<', 'schemeID="0088">4711<'))
    assert {rule: v.severity for rule, v in found.items()} == {"PEPPOL-COMMON-R040": Severity.WARNING}


def test_a_credit_note_with_a_price_base_quantity_is_in_order_unless_its_units_differ() -> None:
    credit_note = as_credit_note(in_order())
    assert peppol(credit_note) == {}
    (wrong,) = peppol(credit_note.replace('BaseQuantity unitCode="C62"', 'BaseQuantity unitCode="KGM"')).values()
    assert wrong.rule == "PEPPOL-EN16931-R130"


@pytest.mark.parametrize(
    ("specification", "is_known"),
    [
        (CORE, True),
        (PEPPOL, True),
        (XRECHNUNG, True),
        (f"{CORE}#compliant#urn:factur-x.eu:1p0:basic", True),
        (f"{CORE}#conformant#urn:factur-x.eu:1p0:extended", True),
        (f"{CORE}#compliant#urn:efactura.mfinante.ro:CIUS-RO:1.0.1", False),
        ("urn:peppol:pint:billing-1@jp-1", False),
        ("123", False),
    ],
)
def test_a_specification_that_is_not_known_gets_a_remark(specification: str, is_known: bool) -> None:
    verdict = validate(read_document(following(specification, CII).encode()), Expectations(today=TODAY))
    remarks = [v for v in verdict.violations if v.rule == "IP-PROFILE-03"]
    assert len(remarks) == (0 if is_known else 1)
    assert all(v.severity is Severity.INFORMATION and specification in v.message for v in remarks)


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpus is not beside the project")
def test_the_examples_of_peppol_are_in_order() -> None:
    asked = 0
    for path in sorted(CORPUS.glob("en16931/**/*.xml")):
        root = etree.parse(path).getroot()
        if "peppol" in (root.findtext("{*}CustomizationID") or ""):
            # Some have made up numbers of organizations, of which Peppol's rules of countries only warn here.
            found = peppol(path.read_text("utf-8")).values()
            assert not [violation for violation in found if violation.severity is Severity.FATAL], path.name
            asked += 1
    assert asked >= 30


def test_amounts_that_cannot_be_computed_with_are_told_in_words() -> None:
    xml = following(PEPPOL, CII).replace(
        ">50.00</ram:ChargeAmount>", f">{Decimal('1E+40'):f}E999999</ram:ChargeAmount>"
    )
    for violation in business_rules(xml.encode()):
        assert "decimal." not in violation.message + violation.message_de
        assert "class" not in violation.message + violation.message_de
