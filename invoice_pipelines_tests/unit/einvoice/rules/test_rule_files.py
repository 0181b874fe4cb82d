"""A directory with official release files decides, and each verdict says which rules it came from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest

from invoice_pipelines.einvoice.rules.declared import declared_rules, release_of
from invoice_pipelines.einvoice.rules.judging import business_rules as business_rules
from invoice_pipelines.einvoice.rules.official.rule_files import RulesDirectoryError
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.intake.reading import Format, Reading
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines_tests.support.intake.validation.specimens import CII, SIMPLE, TODAY, UBL
from invoice_pipelines_tests.unit.einvoice.rules.rule_sheets import failed, install

XRECHNUNG = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
EN_16931 = "urn:cen.eu:en16931:2017"


def reading(xml: str, format: Format = Format.UBL) -> Reading:
    return replace(SIMPLE, xml=xml.encode(), format=format)


def test_the_version_of_all_rules_is_in_the_verdict() -> None:
    factur_x = version("factur-x")
    ubl = validate(reading(UBL), Expectations(today=TODAY))
    assert ubl.valid
    assert ubl.rules_version == f"factur-x {factur_x}; EN16931-UBL 1.3.16; invoice_pipelines 6"
    cii = validate(reading(CII, Format.CII), Expectations(today=TODAY))
    assert cii.valid
    assert cii.rules_version == f"factur-x {factur_x}; EN16931-CII 1.3.16; invoice_pipelines 6"
    assert validate(SIMPLE, Expectations(today=TODAY)).rules_version == "invoice_pipelines 6"


def test_files_of_the_directory_decide_and_the_rest_stays_as_it_is(tmp_path: Path) -> None:
    install(tmp_path, failed("[BR-99]-From the directory."), "EN16931-CII")
    assert [v.rule for v in business_rules(CII.encode(), rules_directory=tmp_path)] == ["BR-99"]
    assert business_rules(UBL.encode(), rules_directory=tmp_path) == ()
    verdict = validate(reading(CII, Format.CII), Expectations(today=TODAY), rules_directory=tmp_path)
    assert not verdict.valid
    assert "EN16931-CII 9.8.7 (official)" in verdict.rules_version


def test_xrechnung_rules_are_asked_of_xrechnung_only(tmp_path: Path) -> None:
    install(tmp_path, failed("[BR-DE-99]-National."), "XRechnung-UBL")
    assert business_rules(UBL.encode(), rules_directory=tmp_path) == ()
    national = business_rules(UBL.replace(EN_16931, XRECHNUNG).encode(), rules_directory=tmp_path)
    assert [v.rule for v in national] == ["BR-DE-99"]


@pytest.mark.parametrize("xml", [UBL, CII])
def test_xrechnung_rules_work_out_of_the_box(xml: str) -> None:
    assert business_rules(xml.encode()) == ()
    rules = {violation.rule for violation in business_rules(xml.replace(EN_16931, XRECHNUNG).encode())}
    assert {"BR-DE-1", "BR-DE-2", "BR-DE-15"} <= rules


@pytest.mark.parametrize(
    ("rule_set", "on", "release"),
    [
        (RuleSet.XRECHNUNG_UBL, None, "XRechnung 3.0.2"),
        (RuleSet.XRECHNUNG_UBL, date(2024, 6, 20), "XRechnung 3.0.2"),
        (RuleSet.XRECHNUNG_CII, date(2024, 6, 19), "XRechnung 3.0.1"),
        (RuleSet.XRECHNUNG_CII, date(2020, 1, 1), "XRechnung 3.0.1"),
    ],
)
def test_releases_stand_side_by_side(rule_set: RuleSet, on: date | None, release: str) -> None:
    assert release_of(rule_set, on).name == release
    others = {name for rule in declared_rules(rule_set, on) for name in rule.releases} - {release}
    assert others == set()


def test_an_invoice_can_be_asked_the_rules_of_its_day() -> None:
    xml = UBL.replace(EN_16931, XRECHNUNG).encode()
    today, then = ({v.rule for v in business_rules(xml, on=on)} for on in (None, date(2024, 5, 1)))
    assert {"BR-DE-1", "BR-DE-15"} <= today & then


def test_a_version_is_provable_where_a_file_states_none(tmp_path: Path) -> None:
    sheet = install(tmp_path, "")
    sheet.write_text(sheet.read_text("utf-8").replace("Schematron version 9.8.7", "of our own"), "utf-8")
    verdict = validate(reading(UBL), Expectations(today=TODAY), rules_directory=tmp_path)
    assert "EN16931-UBL sha256:" in verdict.rules_version


def test_a_directory_that_cannot_be_used_is_refused_in_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RulesDirectoryError, match="does not exist"):
        business_rules(UBL.encode(), rules_directory=tmp_path / "missing")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RulesDirectoryError, match=r"holds none of EN16931-UBL-validation\.xslt"):
        business_rules(UBL.encode(), rules_directory=empty)
    install(tmp_path / "twice" / "old", "")
    install(tmp_path / "twice" / "new", "")
    with pytest.raises(RulesDirectoryError, match="EN16931-UBL twice"):
        business_rules(UBL.encode(), rules_directory=tmp_path / "twice")


@pytest.mark.parametrize("profile", ["minimum", "basicwl"])
def test_profiles_below_en_16931_are_judged_by_their_own_rules(profile: str) -> None:
    booking_aid = CII.replace(EN_16931, f"urn:factur-x.eu:1p0:{profile}")
    start, end = booking_aid.index("<ram:IncludedSupply"), booking_aid.index("<ram:ApplicableHeaderTradeAgreement>")
    without_lines = booking_aid[:start] + booking_aid[end:]
    fatal = {v.rule for v in business_rules(without_lines.encode()) if v.severity == "fatal"}
    assert "BR-16" not in fatal  # an invoice shall have a line
    assert "BR-02" in {v.rule for v in business_rules(without_lines.replace("2026-001", "").encode())}


def test_extended_is_judged_by_its_own_rules() -> None:
    extended = CII.replace(EN_16931, EN_16931 + "#conformant#urn:factur-x.eu:1p0:extended")
    assert [v for v in business_rules(extended.encode()) if v.severity == "fatal"] == []
    wrong = extended.replace("<ram:GrandTotalAmount>119.00", "<ram:GrandTotalAmount>190.00")
    assert "BR-FXEXT-CO-15" in {v.rule for v in business_rules(wrong.encode()) if v.severity == "fatal"}


@pytest.mark.parametrize(("tax", "flagged"), [("17.99", True), ("18.00", False), ("20.00", False), ("20.01", True)])
def test_br_co_17_of_cii_lets_a_deviation_of_one_unit_pass(tax: str, flagged: bool) -> None:
    document = CII.replace("<ram:CalculatedAmount>19.00", f"<ram:CalculatedAmount>{tax}")
    assert ("BR-CO-17" in {v.rule for v in business_rules(document.encode())}) == flagged


@pytest.mark.parametrize("amount", ["NaN", "INF", "", "nineteen"])
def test_vat_that_is_no_number_is_no_small_deviation(amount: str) -> None:
    document = CII.replace("<ram:CalculatedAmount>19.00", f"<ram:CalculatedAmount>{amount}")
    stopped = {v.rule: v for v in business_rules(document.encode())}["IP-RULES-01"]
    assert stopped.severity == "fatal"
    assert "BR-CO-17" in stopped.message
