"""One review as its page shows it: fields in the order in which they are to be looked at, sums, and marks on pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page
from invoice_pipelines.intake.reading import Source
from invoice_pipelines.intake.review.decision_log import Kind
from invoice_pipelines.intake.review.fields import AMOUNTS, DATES, FIELDS, shown
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.review.reasons import LOW_CONFIDENCE, THRESHOLDS
from invoice_pipelines.intake.review.show import Document, ReadValue, Review
from invoice_pipelines.organizations import ReviewThresholds
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.reviews.words import (
    field_words,
    reason_sentence,
    reason_words,
    shown_value,
    written,
)

SUMS: Sequence[tuple[Sequence[tuple[int, str]], str]] = (
    (((1, "net_amount"), (1, "tax_amount")), "gross_amount"),
    (((1, "gross_amount"), (-1, "prepaid_amount"), (1, "rounding_amount")), "payable_amount"),
    (((1, "line_total"), (-1, "allowance_total"), (1, "charge_total")), "net_amount"),
)
"""What has to add up: terms with their signs, and the field that says their sum. The first term and the sum must be
there; of the others, what is missing is nothing."""


@dataclass(frozen=True, slots=True)
class Said:
    """One reason to look, in words; `kind` as of a badge."""

    kind: str
    title: str
    words: str
    can_be_accepted: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate for a field, by its number from 1, and where it stands."""

    number: int
    written: str
    page: int
    box: Box


@dataclass(frozen=True, slots=True)
class Row:
    """A field: its value in the reader's notation (`words` where nobody writes), and why somebody has to look at it.
    `state` is doubt, broken, sure, person (who confirmed or typed it) or absent. `unconfirmed` was read and left out.
    `typed`, `choice`, `place` and `error` are of a form that was refused.
    """

    name: str
    label: str
    kind: str
    value: str
    words: str
    state: str
    reasons: tuple[Said, ...] = ()
    choices: tuple[Choice, ...] = ()
    confidence: float | None = None
    page: int | None = None
    box: Box | None = None
    typed: str | None = None
    choice: int | None = None
    place: str = ""
    error: str = ""
    unconfirmed: str | None = None

    @property
    def text(self) -> str:
        """What stands in the form."""
        return self.value if self.typed is None else self.typed


@dataclass(frozen=True, slots=True)
class Sum:
    """An equation between fields, with both sides as they were read."""

    terms: Sequence[tuple[int, str, str]]
    total: str
    total_label: str
    left: Decimal | None
    right: Decimal | None

    @property
    def holds(self) -> bool | None:
        """None where a side is missing."""
        return None if self.left is None or self.right is None else self.left == self.right


@dataclass(frozen=True, slots=True)
class Typing:
    """What somebody had put into the form, by field, and what was wrong with it."""

    values: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


def rows_of(
    document: Document, thresholds: ReviewThresholds, language: Language, typing: Typing | None = None
) -> list[Row]:
    """All fields: those in doubt first, then those of broken rules, then the others, and last what is not there."""
    typing = typing or Typing()
    values = {value.field: value for value in document.values}
    found = [_row(document, name, values.get(name), thresholds, language, typing) for name in FIELDS]
    order = {"doubt": 0, "broken": 1, "sure": 2, "person": 2, "absent": 3}
    return sorted(found, key=lambda row: order[row.state])


def general_reasons(document: Document, language: Language) -> list[Said]:
    """The reasons that are of no field."""
    return [_said(reason, None, language) for reason in document.reasons if reason.field is None]


def sums_of(document: Document, language: Language) -> list[Sum]:
    """What has to add up, also where nothing is there yet to add."""
    kept = {value.field: value.value for value in document.values if value.field in AMOUNTS and value.value is not None}
    amounts = {name: Decimal(value) for name, value in kept.items()}
    found = []
    for terms, total in SUMS:
        left = sum((sign * amounts.get(name, Decimal(0)) for sign, name in terms), Decimal(0))
        found.append(
            Sum(
                [(sign, name, field_words(name, language)) for sign, name in terms],
                total,
                field_words(total, language),
                left if terms[0][1] in amounts else None,
                amounts.get(total),
            )
        )
    return found


def marks_of(rows: Sequence[Row], page: Page) -> list[Row]:
    """The fields whose values stand on a page."""
    return [row for row in rows if row.box is not None and row.page == page.number]


def is_e_invoice(document: Document) -> bool:
    """Whether its XML is the invoice, so that nothing can be corrected."""
    return document.source == Source.XML


def decided_words(document: Document, language: Language) -> str:
    """What was last decided about an invoice, in one word."""
    last = document.decisions[-1].entry.decision if document.decisions else None
    _ = language.gettext
    if last is Kind.REJECTED:
        return _("Rejected")
    if last is Kind.CORRECTED or any(
        decision.entry.decision is Kind.CORRECTED and decision.act == document.decisions[-1].act
        for decision in document.decisions
    ):
        return _("Corrected")
    if last is Kind.ASKED:
        return _("Asked for the supplier")
    return _("Taken back") if last is Kind.UNDONE else _("Accepted")


def name_of(document: Document) -> str:
    """What people call an invoice: its number and seller, or its file."""
    values = {value.field: value.value for value in document.values}
    return " · ".join(filter(None, (values.get("number"), values.get("seller.name")))) or document.file_name


def _row(
    document: Document,
    name: str,
    read: ReadValue | None,
    thresholds: ReviewThresholds,
    language: Language,
    typing: Typing,
) -> Row:
    threshold = getattr(thresholds, THRESHOLDS[name]) if name in THRESHOLDS else None
    reasons = [reason for reason in document.reasons if reason.field == name]
    value = read.value if read is not None else None
    place = read.place if read is not None and value is not None else None
    candidates = document.candidates.get(name, ()) if isinstance(document, Review) else ()
    return Row(
        name,
        field_words(name, language),
        "amount" if name in AMOUNTS else "date" if name in DATES else "code" if name == "type_code" else "text",
        written(name, value, language),
        shown_value(name, value, language),
        _state(reasons, read),
        tuple(_said(reason, threshold, language) for reason in reasons),
        tuple(
            Choice(number, shown_value(name, shown(one.value), language), one.page, one.box)
            for number, one in enumerate(candidates, start=1)
        ),
        place.confidence if place is not None and value is not None else None,
        place.page if place is not None else None,
        place.box if place is not None else None,
        typing.values.get(name),
        typing.choices.get(name),
        typing.places.get(name, ""),
        typing.errors.get(name, ""),
        read.unconfirmed if read is not None else None,
    )


def _state(reasons: Sequence[ReviewReason], read: ReadValue | None) -> str:
    if any(reason.code == LOW_CONFIDENCE for reason in reasons):
        return "doubt"
    if reasons:
        return "broken"
    if read is None or read.value is None:
        return "absent"
    return "person" if read.place is not None and read.place.source is Source.PERSON else "sure"


def _said(reason: ReviewReason, threshold: float | None, language: Language) -> Said:
    return Said(
        "bad" if reason.must_be_corrected else "warn",
        reason_words(reason.code, language),
        reason_sentence(reason, threshold, language),
        not reason.must_be_corrected,
    )
