"""Figures from outcomes: how right the fields are, how sure, and what passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invoice_pipelines.intake.review.reasons import Judgement
from invoice_pipelines.workshop.bench.reading.outcomes import Outcome
from invoice_pipelines.workshop.bench.reading.truth import FIELDS, KIND

SAFETY = ("gross", "issue_date", "vat_id", "iban", KIND)
"""What must never pass wrong: it decides who is paid what, which way, and when it is booked."""
BINS = 10


@dataclass(frozen=True, slots=True)
class Sureness:
    """A value that was read: how sure, and whether it is right."""

    confidence: float
    right: bool


@dataclass(frozen=True, slots=True)
class FieldFigures:
    """Of one field. `printed` are the documents that show it, `values` all that were read and are judged; `found`
    those that were read right, `sure` those at or above the threshold (all, where there is none)."""

    printed: int
    found: int
    values: Sequence[Sureness]
    sure: Sequence[Sureness]

    @property
    def precision(self) -> float:
        return _share(sum(value.right for value in self.values), len(self.values))

    @property
    def recall(self) -> float:
        return _share(self.found, self.printed)

    @property
    def sure_and_right(self) -> float:
        return _share(sum(value.right for value in self.sure), len(self.sure))

    def as_json(self) -> dict[str, Any]:
        """All of it, with the calibration error and, by tenths of confidence: its mean, the share of right ones, and of
        how many."""
        return {
            "printed": self.printed,
            "read": len(self.values),
            "precision": round(self.precision, 3),
            "recall": round(self.recall, 3),
            "sure": len(self.sure),
            "sure_and_right": sum(value.right for value in self.sure),
            "calibration_error": round(calibration_error(self.values), 3),
            "reliability": [
                [
                    round(sum(value.confidence for value in found) / len(found), 3),
                    round(_share(sum(value.right for value in found), len(found)), 3),
                    len(found),
                ]
                for found in binned(self.values)
            ],
        }


def field_figures(outcomes: Iterable[Outcome], thresholds: Mapping[str, float]) -> dict[str, FieldFigures]:
    """The figures of each field over documents whose truth is known."""
    outcomes = list(outcomes)
    return {field: _figures(field, outcomes, thresholds.get(field, 0.0)) for field in FIELDS}


def _figures(field: str, outcomes: Sequence[Outcome], threshold: float) -> FieldFigures:
    judged = [outcome for outcome in outcomes if field in outcome.right]
    printed = [outcome for outcome in judged if outcome.document.truth[field] is not None]
    values = [
        Sureness(outcome.confidence(field), right)
        for outcome in judged
        if outcome.values[field] is not None and (right := outcome.right[field]) is not None
    ]
    return FieldFigures(
        len(printed),
        sum(outcome.right[field] is True for outcome in printed),
        values,
        [value for value in values if value.confidence >= threshold],
    )


def calibration_error(values: Sequence[Sureness]) -> float:
    """The expected calibration error: by how much confidence and share of right values differ, on average, in ten bins
    of equal width."""
    return sum(
        abs(sum(value.confidence for value in found) - sum(value.right for value in found)) for found in binned(values)
    ) / max(len(values), 1)


def binned(values: Iterable[Sureness]) -> list[list[Sureness]]:
    """The values by tenths of confidence, rising; a tenth without values is left out."""
    bins: dict[int, list[Sureness]] = {}
    for value in values:
        bins.setdefault(min(int(value.confidence * BINS), BINS - 1), []).append(value)
    return [found for _, found in sorted(bins.items())]


def passed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that go through without a person."""
    return [outcome for outcome in outcomes if outcome.judgement is Judgement.VALID]


def waiting(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that wait for a person."""
    return [outcome for outcome in outcomes if outcome.judgement is Judgement.NEEDS_REVIEW]


def wrong_values(outcomes: Iterable[Outcome], fields: Iterable[str] = FIELDS) -> list[dict[str, Any]]:
    """Each value of these fields that is not what the document says."""
    fields = set(fields)
    return [
        {
            "file": outcome.document.name,
            "field": field,
            "expected": outcome.document.truth[field],
            "read": None if outcome.values[field] is None else str(outcome.values[field]),
            "confidence": outcome.confidence(field),
        }
        for outcome in outcomes
        for field, right in outcome.right.items()
        if field in fields and right is False
    ]


def wrongly_passed(outcomes: Iterable[Outcome], fields: Iterable[str]) -> list[dict[str, Any]]:
    """Each wrong value of these fields that is told of what passed. One that is printed and was not read, or was read
    and is left out, does no harm."""
    fields = set(fields)
    return [
        wrong
        for outcome in passed(outcomes)
        for wrong in wrong_values([outcome], fields - outcome.withheld)
        if wrong["read"] is not None
    ]


def passed_without(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """Of what passed, by field: how many without the value that was read, as it was unsure and is not asked for; and of
    those that are judged, how many such values were right and how many wrong."""
    outcomes = passed(outcomes)
    return {
        field: {
            "documents": sum(field in outcome.withheld for outcome in outcomes),
            "right": sum(field in outcome.withheld and outcome.right.get(field) is True for outcome in outcomes),
            "wrong": sum(field in outcome.withheld and outcome.right.get(field) is False for outcome in outcomes),
        }
        for field in FIELDS
        if any(field in outcome.withheld for outcome in outcomes)
    }


def reasons(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Why documents wait or fail, the most frequent first: in how many, how many of these were entirely right, and in
    how many it is the only reason. A document has several reasons."""
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for outcome in outcomes:
        names = {f"{code} {field}" if field else code for code, field in outcome.reasons}
        found.update(names)
        right.update(names if outcome.document.labelled and outcome.all_right else ())
        alone.update(names if len(names) == 1 else ())
    return {
        name: {"documents": count, "entirely_right": right[name], "alone": alone[name]}
        for name, count in found.most_common()
    }


def part_figures(outcomes: Sequence[Outcome], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """All figures of a part of the documents, as JSON."""
    judged = [outcome for outcome in outcomes if outcome.document.truth]
    labelled = [outcome for outcome in judged if outcome.document.labelled]
    waits = waiting(labelled)
    return {
        "documents": len(outcomes),
        "labelled": len(labelled),
        "passed": len(passed(outcomes)),
        "passed_and_labelled": len(passed(labelled)),
        "passed_without": passed_without(outcomes),
        "waiting": len(waiting(outcomes)),
        "failed": len(outcomes) - len(passed(outcomes)) - len(waiting(outcomes)),
        "waiting_and_labelled": len(waits),
        "waiting_and_entirely_right": sum(outcome.all_right for outcome in waits),
        "entirely_right": sum(outcome.all_right for outcome in labelled),
        "wrong_passes": wrongly_passed(judged, SAFETY),
        "other_wrong_values_that_passed": wrongly_passed(judged, set(FIELDS) - set(SAFETY)),
        "fields": {field: found.as_json() for field, found in field_figures(judged, thresholds).items()},
        "wrong": wrong_values(judged),
        "reasons": reasons([outcome for outcome in outcomes if outcome.judgement is not Judgement.VALID]),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
