"""Our rules beside official files, which here are small sheets of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from invoice_pipelines.einvoice.rules.comparison import compare
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.unit.einvoice.rules.rule_sheets import failed, install

pytest.importorskip("saxonche", reason="official files need the extra rules")

WRONG = UBL.replace("119.00", "120.00")  # which breaks BR-CO-15 alone


def compared(folder: Path, document: str, *found: str):
    install(folder, "".join(found))
    return compare(document.encode(), folder)


def test_sides_that_find_the_same_do_not_differ(tmp_path: Path) -> None:
    found = compared(tmp_path, WRONG, failed("totals", 'id="BR-CO-15" flag="fatal"'))
    assert (found.ours_valid, found.official_valid, found.differences) == (False, False, ())
    assert found.same_verdict
    assert found.same_fatal_rules


def test_a_rule_that_only_one_side_finds_is_a_difference_with_what_it_says(tmp_path: Path) -> None:
    found = compared(tmp_path, WRONG, failed("no number", 'id="BR-02" flag="fatal"'))
    assert [(each.rule, each.ours is None, each.official is None) for each in found.differences] == [
        ("BR-02", True, False),
        ("BR-CO-15", False, True),
    ]
    assert found.differences[0].official.message == "no number"
    assert found.same_verdict
    assert not found.same_fatal_rules


def test_another_weight_is_a_difference_and_makes_another_verdict(tmp_path: Path) -> None:
    found = compared(tmp_path, WRONG, failed("totals", 'id="BR-CO-15" flag="warning"'))
    (difference,) = found.differences
    assert (difference.ours.severity, difference.official.severity) == (Severity.FATAL, Severity.WARNING)
    assert not found.same_verdict


def test_warnings_of_one_side_leave_the_fatal_rules_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path, UBL, failed("not used", 'id="UBL-CR-001" flag="warning"'))
    assert [each.rule for each in found.differences] == ["UBL-CR-001"]
    assert found.same_fatal_rules


@pytest.mark.parametrize(("document", "told"), [(UBL, ["IP-RULES-01"]), (WRONG, [])], ids=["lets pass", "refuses"])
def test_where_an_official_rule_stops_the_verdict_counts_alone(tmp_path: Path, document: str, told: list[str]) -> None:
    found = compared(tmp_path, document, "<xsl:value-of select=\"xs:decimal('no number')\"/>")
    assert found.stopped
    assert not found.official_valid
    assert [each.rule for each in found.differences] == told
    assert found.same_fatal_rules is found.same_verdict is not told
