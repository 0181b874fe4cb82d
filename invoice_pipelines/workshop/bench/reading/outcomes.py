"""Reads, validates and judges a document as the stages do, for an organization that has received nothing before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import Aids
from invoice_pipelines.intake.documents.recipient import Recipient
from invoice_pipelines.intake.documents.text_layer import reading_of
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.review.fields import place_of
from invoice_pipelines.intake.review.reasons import THRESHOLDS, Judgement
from invoice_pipelines.intake.stages.judging import Standard, judge_reading
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines.workshop.bench.reading.documents import Document
from invoice_pipelines.workshop.bench.reading.truth import FIELDS, KIND, is_right, read_values

HOME = "DE"
RECIPIENT = Recipient(frozenset({"APImeister Consulting GmbH"}), country=HOME)
"""Whose receipts these are, as far as they are addressed to anybody."""

# Pages are recognized already; those without words are no scans without OCR.
_AIDS = Aids(recognize=lambda images: (), recipient=RECIPIENT)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a document. `right` tells of each field that is judged whether it was read right, and None where
    there was nothing to read and nothing was; `reasons` are why it waits, or the code of the error by which it failed.
    `withheld` are the fields that were read and that the invoice passes without: they are not told to anybody.
    """

    document: Document
    reading: Reading | None
    judgement: Judgement
    reasons: tuple[tuple[str, str | None], ...]
    values: dict[str, Any]
    right: dict[str, bool | None]
    withheld: frozenset[str] = frozenset()

    @property
    def all_right(self) -> bool:
        """Whether everything that is judged was read right."""
        return self.reading is not None and False not in self.right.values()

    def confidence(self, field: str) -> float:
        """How sure the reader is of a value, as the gate sees it."""
        if field == KIND:
            return 1.0
        place = self.reading.provenance.get(place_of(FIELDS[field])) if self.reading else None
        return place.confidence if place else 0.0


def outcome_of(document: Document, today: date) -> Outcome:
    """What becomes of a document on a day."""
    try:
        if isinstance(document.pages, ReadingError):
            raise document.pages
        reading = reading_of(document.pages, _AIDS)
    except ReadingError as error:
        wrong = {field: is_right(field, None, accepted) for field, accepted in document.truth.items()}
        return Outcome(document, None, Judgement.FAILED, ((error.code, None),), dict.fromkeys((*FIELDS, KIND)), wrong)
    standard = Standard(today, past_years=10, country=HOME)
    judged = judge_reading(reading, Expectations(today=today, past_years=10, country=HOME), standard)
    values = read_values(reading)
    return Outcome(
        document,
        reading,
        judged.judgement,
        tuple((reason.code, reason.field) for reason in judged.reasons),
        values,
        {field: is_right(field, values[field], accepted) for field, accepted in document.truth.items()},
        frozenset(field for field, name in FIELDS.items() if name in judged.reading.withheld),
    )


def thresholds() -> dict[str, float]:
    """From which confidence on a value is not asked for, by the names of `FIELDS`; a field without one is left out."""
    names = {name: field for field, name in FIELDS.items()}
    of_fields = ReviewThresholds()
    return {names[field]: getattr(of_fields, name) for field, name in THRESHOLDS.items() if field in names}
