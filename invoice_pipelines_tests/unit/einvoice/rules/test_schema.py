"""Format errors: what the XML schemas refuse, and that codes newer than a schema are none of their business."""

from __future__ import annotations

import pytest

from invoice_pipelines.einvoice.rules.schema import MAX_VIOLATIONS, schema_violations
from invoice_pipelines.einvoice.rules.verdict import Severity, Violation, ViolationClass
from invoice_pipelines.einvoice.rules.xml_document import parse
from invoice_pipelines_tests.support.intake.validation.specimens import CII, UBL


def schema(xml: str) -> list[Violation]:
    return schema_violations(parse(xml.encode()))


@pytest.mark.parametrize("xml", [UBL, CII])
def test_a_sound_document_has_no_format_error(xml: str) -> None:
    assert schema(xml) == []


@pytest.mark.parametrize(
    ("xml", "place"),
    [
        (UBL.replace("<cbc:ID>2026-001</cbc:ID>", ""), "/Invoice[1]/"),
        (UBL.replace("<cbc:ID>2026-001", "<cbc:Nonsense/><cbc:ID>2026-001"), "/Invoice[1]/cbc:Nonsense[1]"),
        (CII.replace("<ram:InvoiceCurrencyCode>", "<ram:Nonsense/><ram:InvoiceCurrencyCode>"), "/ram:Nonsense"),
        (
            UBL.replace(">119.00</cbc:PayableAmount>", ">1.19e2x</cbc:PayableAmount>"),
            "/cac:LegalMonetaryTotal[1]/cbc:PayableAmount[1]",
        ),
    ],
)
def test_a_document_against_its_schema_has_a_fatal_format_error_that_names_the_place(xml: str, place: str) -> None:
    first = schema(xml)[0]
    assert (first.rule, first.severity, first.violation_class) == ("XSD", Severity.FATAL, ViolationClass.FORMAT)
    assert first.location is not None
    assert place in first.location
    assert "{" not in first.message + first.message_de


def test_another_kind_of_document_is_a_format_error() -> None:
    (violation,) = schema('<Order xmlns="urn:x"/>')
    assert violation.severity is Severity.FATAL
    assert "Order" in violation.message
    assert "Order" in violation.message_de


@pytest.mark.parametrize("currency", ["VES", "SLE", "XXX"])
def test_a_currency_that_is_newer_than_the_schema_is_no_format_error(currency: str) -> None:
    assert schema(CII.replace("EUR", currency)) == []


def test_a_second_amount_due_in_cii_is_allowed_by_its_schema_but_warned_of() -> None:
    amount = "<ram:DuePayableAmount>119.00</ram:DuePayableAmount>"
    (violation,) = schema(CII.replace(amount, amount * 2))
    assert (violation.rule, violation.severity) == ("XSD-PROFILE", Severity.WARNING)


def test_a_profile_without_lines_is_not_measured_by_one_with_lines() -> None:
    minimum = CII.replace("urn:cen.eu:en16931:2017", "urn:factur-x.eu:1p0:minimum")
    start, end = minimum.index("<ram:IncludedSupply"), minimum.index("<ram:ApplicableHeaderTradeAgreement>")
    assert schema(minimum[:start] + minimum[end:]) == []


def test_a_flood_of_errors_is_cut() -> None:
    flood = "".join(f"<cac:Nonsense{number}/>" for number in range(3))
    bad_line = UBL[UBL.index("<cac:InvoiceLine>") : UBL.index("</Invoice>")].replace("<cbc:ID>1</cbc:ID>", flood)
    assert len(schema(UBL.replace("</Invoice>", bad_line * 100 + "</Invoice>"))) == MAX_VIOLATIONS
