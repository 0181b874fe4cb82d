"""A document is judged by the releases of the rules that are in force on a day, and the verdict names them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from invoice_pipelines.einvoice import Syntax, validate, write
from invoice_pipelines.einvoice.rules import judge
from invoice_pipelines.einvoice.rules.declarations.national.releases import RELEASES
from invoice_pipelines.einvoice.rules.declared import release_of
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate as validate_received
from invoice_pipelines_tests.support.einvoice.cases import cases

# XRechnung asks for a date of delivery since 3.0.2, by a remark.
UNDATED = "XRechnung: no date of delivery"
BEFORE, LAST_DAY, FIRST_DAY = date(2023, 1, 1), date(2024, 6, 19), date(2024, 6, 20)


@pytest.mark.parametrize("syntax", [Syntax.UBL, Syntax.CII])
@pytest.mark.parametrize(
    ("on", "release", "is_remarked"),
    [(BEFORE, "3.0.1", False), (LAST_DAY, "3.0.1", False), (FIRST_DAY, "3.0.2", True), (None, "3.0.2", True)],
)
def test_the_day_decides_which_release_is_asked(
    syntax: Syntax, on: date | None, release: str, is_remarked: bool
) -> None:
    verdict = validate(write(cases()[UNDATED], syntax), on=on)
    assert f"XRechnung-{syntax.name} {release}" in verdict.rules_version
    assert ("BR-DE-TMP-32" in {each.rule for each in verdict.violations}) == is_remarked


def test_a_large_document_is_judged_by_the_releases_of_the_same_day() -> None:
    xml = write(cases()[UNDATED], Syntax.CII)
    apart = judge.Bounds(small=0)
    found = {on: judge.judge(xml, None, apart, on=on) for on in (LAST_DAY, FIRST_DAY)}
    judge.end_judge()
    assert found == {on: judge.judge(xml, None, on=on) for on in (LAST_DAY, FIRST_DAY)}
    assert found[LAST_DAY] != found[FIRST_DAY]


@pytest.mark.parametrize(("today", "release"), [(LAST_DAY, "3.0.1"), (FIRST_DAY, "3.0.2")])
def test_what_is_received_is_judged_by_what_is_in_force_on_the_day(today: date, release: str) -> None:
    reading = read_document(write(cases()[UNDATED], Syntax.UBL), file_name="a.xml")
    verdict = validate_received(reading, Expectations(today=today))
    assert f"XRechnung-UBL {release}" in verdict.rules_version


def test_a_release_that_is_known_before_it_is_in_force_waits_for_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    known = RELEASES["XRechnung 3.0.2"]
    later = replace(known, name="XRechnung 9.9.9", valid_from=date(2090, 1, 1))
    monkeypatch.setitem(RELEASES, later.name, later)
    assert release_of(RuleSet.XRECHNUNG_CII, date(2089, 12, 31)) == known
    assert release_of(RuleSet.XRECHNUNG_CII, date(2090, 1, 1)) == later
