"""How readings are scored against what is true: accuracy, coverage and precision of what is given as sure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from invoice_pipelines.intake.reading import Reading

SURE = 0.95


@dataclass
class FieldScore:
    """Of one field: how many documents have it, how many were read right, were given as sure, and right of these."""

    documents: int = 0
    right: int = 0
    sure: int = 0
    sure_and_right: int = 0

    def add(self, is_right: bool, confidence: float) -> None:
        self.documents += 1
        self.right += is_right
        if confidence >= SURE:
            self.sure += 1
            self.sure_and_right += is_right

    @property
    def accuracy(self) -> float:
        return self.right / self.documents if self.documents else 1.0

    @property
    def coverage(self) -> float:
        return self.sure / self.documents if self.documents else 1.0

    @property
    def precision(self) -> float:
        return self.sure_and_right / self.sure if self.sure else 1.0


Scores = dict[tuple[str, str], FieldScore]
"""By what kind of document and field."""


def value_of(reading: Reading, field: str) -> Any:
    if field == "iban":
        return reading.iban
    value: Any = reading
    for name in field.split("."):
        value = getattr(value, name)
    return value


def confidence_of(reading: Reading, field: str) -> float:
    path = "payments[0].accounts[0].account_id" if field == "iban" else field
    return reading.provenance[path].confidence if path in reading.provenance else 0.0


def score(read: Iterable[tuple[str, Reading | None, dict[str, Any]]]) -> Scores:
    """The scores of readings, each with its kind and what is true; None for what was not read at all."""
    scores: Scores = defaultdict(FieldScore)
    for sort, reading, truth in read:
        for field, expected in truth.items():
            is_right = reading is not None and value_of(reading, field) == expected
            scores[sort, field].add(is_right, confidence_of(reading, field) if reading else 0.0)
    return scores


def table(scores: Scores) -> str:
    """The scores as a table, one line for each kind of document and field."""
    lines = [f"{'source':16} {'field':16} {'n':>4} {'right':>7} {'sure':>7} {'right if sure':>14}"]
    for (sort, field), found in sorted(scores.items()):
        lines.append(
            f"{sort:16} {field:16} {found.documents:4} {found.accuracy:7.1%} {found.coverage:7.1%}"
            f" {found.sure_and_right:6}/{found.sure:<6}"
        )
    return "\n".join(lines)
