"""German messages: there for what users meet, and never half-filled."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from lxml import etree

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules.german import german_message
from invoice_pipelines.einvoice.rules.judging import business_rules as business_rules
from invoice_pipelines.einvoice.rules.schema import bundled_file
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.reading_errors import german_reading_error
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines_tests.support.intake.validation.specimens import CII, TODAY, UBL

SVRL = "{http://purl.oclc.org/dsdl/svrl}"

CATEGORIES = ("S", "Z", "E", "AE", "IC", "G", "O", "AF", "AG", "IG", "IP")


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("number", range(1, 11))
def test_the_rules_of_each_vat_category_have_a_german_text(category: str, number: int) -> None:
    text = german_message(f"BR-{category}-{number:02}")
    assert text is not None
    assert "{" not in text


@pytest.mark.parametrize(
    "rule", [*(f"BR-{n:02}" for n in range(1, 34)), *(f"BR-CO-{n}" for n in range(10, 27)), "BR-DE-1", "BR-DE-23-a"]
)
def test_frequent_rules_have_a_german_text(rule: str) -> None:
    assert german_message(rule)


def published_rules() -> Iterator[tuple[str, str]]:
    """Rule and text of each assertion in an official rule file, that of EN 16931 in UBL."""
    sheet = etree.parse(bundled_file("ubl-2.1/EN16931-UBL-validation.xslt"))
    for entry in sheet.iter(f"{SVRL}failed-assert", f"{SVRL}successful-report"):
        identifier = entry.find("{*}attribute[@name='id']")
        said = entry.find(f"{SVRL}text")
        assert identifier is not None
        assert said is not None
        text = " ".join("".join(str(part) for part in said.itertext()).split())
        yield identifier.text or "", re.sub(r"^\[[^]]*\][ :-]*", "", text)


def test_every_rule_of_others_has_a_german_text() -> None:
    rules = set(published_rules())
    assert len({rule for rule, _ in rules}) > 900
    assert {rule for rule, text in rules if not german_message(rule, text)} == set()


ENGLISH = re.compile(r"\b(the|must|shall|should|not|is|are|has|more|than|missing|expected)\b")


@pytest.mark.parametrize(
    "xml",
    [
        UBL.replace("<cbc:ID>2026-001", "<cbc:CopyIndicator>false</cbc:CopyIndicator><cbc:Wrong/><cbc:ID>2026-001"),
        UBL.replace("<cbc:IssueDate>2026-03-01</cbc:IssueDate>", ""),
        UBL.replace(">119.00</cbc:PayableAmount>", ">lots</cbc:PayableAmount>"),
        UBL.replace("119.00", "1200.50").replace(">19.00<", ">1190.10<"),
        UBL.replace('currencyID="EUR">50.00', 'wrong="EUR">50.00'),
        UBL.replace("2026-03-31", "2026-02-28").replace("<cbc:Percent>19", "<cbc:Percent>20"),
        UBL.replace("en16931:2017", "en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"),
        CII.replace("<ram:TypeCode>380</ram:TypeCode>", ""),
        CII.replace("urn:cen.eu:en16931:2017", "urn:factur-x.eu:1p0:minimum"),
        CII.replace(">119.00</ram:Grand", ">abc</ram:Grand"),
    ],
)
def test_a_message_speaks_one_language(xml: str) -> None:
    found = validate(read_document(xml.encode()), Expectations(today=TODAY)).violations
    assert found
    for violation in found:
        assert not ENGLISH.search(violation.message_de), violation.message_de
        assert not re.search(r"(?<![\d.])\d+\.\d\d(?![\d.])", violation.message_de), violation.message_de
        assert "decimal." not in violation.message + violation.message_de


def test_amounts_and_dates_are_german() -> None:
    xml = UBL.replace(">119.00</cbc:TaxInc", ">-1190.00</cbc:TaxInc").replace("2026-03-31", "2026-02-28")
    found = {v.rule: v.message_de for v in validate(read_document(xml.encode()), Expectations(today=TODAY)).violations}
    assert "100,00 + Umsatzsteuer 19,00 = 119,00" in found["IP-TOTAL-01"]
    assert "-1.190,00" in found["IP-TOTAL-01"]
    assert "28.02.2026 (BT-9) liegt vor dem Rechnungsdatum 01.03.2026" in found["IP-DATE-03"]


def test_what_a_schema_says_is_german_too() -> None:
    xml = UBL.replace("<cbc:IssueDate>2026-03-01</cbc:IssueDate>", "")
    violation = next(v for v in validate(read_document(xml.encode()), Expectations(today=TODAY)).violations)
    assert violation.rule == "XSD"
    expected = r"Schema, Zeile \d+: Das Element \S+ wird an dieser Stelle nicht erwartet, sondern:"
    assert re.match(expected, violation.message_de)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "Die Datei ist leer"),
        (b"hello", "ist weder XML noch PDF noch ein Bild"),
        (UBL[:500].encode(), "Das XML ist nicht wohlgeformt"),
        (UBL.replace("UTF-8", "UTF-16").encode(), "gibt als Zeichensatz UTF-16 an, ist aber in UTF-8 geschrieben"),
        (b"<!DOCTYPE x><x/>", "Dokumenttyp-Deklaration"),
        (b"<Order/>", "Das XML ist keine Rechnung: Sein Wurzelelement ist 'Order'"),
        (UBL.replace("Schrauben", "x" * 5000).encode(), "hat 5.000 Zeichen; zulässig sind höchstens 4.000"),
    ],
)
def test_why_a_document_cannot_be_read_is_told_in_german(data: bytes, says: str) -> None:
    with pytest.raises(ReadingError) as refusal:
        read_document(data)
    assert says in german_reading_error(refusal.value.code, refusal.value.message)


def test_a_broken_rule_speaks_both_languages() -> None:
    (violation,) = business_rules(UBL.replace(">119.00</cbc:TaxInc", ">118.00</cbc:TaxInc").encode())[:1]
    assert "stated as 118.00 (BT-112)" in violation.message
    assert "mit 118,00 angegeben (BT-112)" in violation.message_de
