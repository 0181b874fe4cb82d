"""The confidence of a value is the share of such values that are right, and what is not proved never seems so."""

from __future__ import annotations

from itertools import pairwise

import pytest

from invoice_pipelines.intake.documents.text_layer.calibration import load_table, share_of
from invoice_pipelines.intake.review.fields import FIELDS, place_of
from invoice_pipelines.intake.review.reasons import THRESHOLDS
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines.workshop.bench.reading.calibration import Scored, fitted, isotonic

MEASURED = [(field, source) for field, by_source in load_table().items() for source in by_source]
SCORES = [step / 200 for step in range(201)]


@pytest.mark.parametrize(("field", "source"), MEASURED)
def test_a_higher_score_never_comes_to_less(field: str, source: str) -> None:
    shares = [share_of(score, load_table()[field][source]) for score in SCORES]
    assert all(one <= other for one, other in pairwise(shares))
    assert 0 <= shares[0] <= shares[-1] < 1


@pytest.mark.parametrize("source", ["text", "ocr"])
@pytest.mark.parametrize("field", ["net_amount", "tax_amount", "gross_amount", "iban"])
def test_what_is_not_proved_stays_below_its_threshold(field: str, source: str) -> None:
    threshold = getattr(ReviewThresholds(), THRESHOLDS[field])
    points = load_table()[place_of(field)][source]
    for score in SCORES:
        assert (share_of(score, points) >= threshold) == (score >= threshold)


def test_each_field_with_a_threshold_is_measured_and_reaches_it() -> None:
    assert {place_of(field) for field in THRESHOLDS} - set(load_table()) == {"payable_amount"}
    assert set(THRESHOLDS) <= set(FIELDS)
    for field, name in THRESHOLDS.items():
        if field != "payable_amount":
            assert share_of(1, load_table()[place_of(field)]["text"]) >= getattr(ReviewThresholds(), name)


def values(field: str, *scores: tuple[float, int, int]) -> list[Scored]:
    return [
        Scored(field, "text", "a seller", score, number < right, 1.0)
        for score, right, count in scores
        for number in range(count)
    ]


def test_scores_become_shares_that_rise() -> None:
    points = isotonic(values("number", (0.2, 10, 100), (0.5, 60, 100), (0.6, 40, 100), (0.9, 300, 300)))
    assert share_of(0.2, points) == pytest.approx(0.1, abs=0.01)
    assert share_of(0.5, points) == share_of(0.6, points) == pytest.approx(0.5, abs=0.01)
    assert share_of(0.75, points) == pytest.approx(0.75, abs=0.01)
    assert share_of(0.95, points) == share_of(0.9, points) == pytest.approx(0.995)
    assert share_of(0.1, points) <= 0.1  # nobody has measured that


def test_a_few_right_values_are_no_certainty() -> None:
    assert share_of(0.9, isotonic(values("number", (0.9, 3, 3)))) < 0.9


def test_amounts_without_proof_do_not_pass_even_if_all_were_right() -> None:
    points = fitted(values("gross", (0.8, 500, 500), (0.96, 90, 100)))["gross_amount"]["text"]
    assert share_of(0.949, points) < 0.95 <= share_of(0.95, points)
