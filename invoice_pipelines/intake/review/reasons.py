"""Why a reading goes to a person, and what becomes of it: `judge` tells valid, waiting and failed apart.

Pure: values in, values out. Storing reasons is for `queue`, deciding on them for `decisions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum

from invoice_pipelines.einvoice.rules.verdict import Severity, Verdict, Violation
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.review.fields import FIELDS, field_of, place_of, shown, value_of
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.validation.unasked import Unasked, Unsure, unasked
from invoice_pipelines.organizations import ReviewThresholds

LOW_CONFIDENCE = "LOW_CONFIDENCE"
REJECTED = "REJECTED"

DUPLICATE = "IP-DUP-01"

FOR_A_PERSON = frozenset({"IP-IBAN-02", DUPLICATE, "IP-DUP-06", "IP-HYB-04"})
"""Warnings that a person must have seen before an invoice passes, whatever it was read from: signs of fraud, what may
be the same receipt once more, and further invoices in the same file, which nobody has read."""

FOR_A_PERSON_ON_PAGES = frozenset({"IP-TAX-02", "IP-TAX-03", "IP-TYPE-03", "IP-TYPE-04"})
"""Warnings that a person must have seen where an invoice was read from a page: its VAT by rate, which is booked, does
not sum up to its totals; its title is that of another document; it seems to be several documents."""

THRESHOLDS = {
    "number": "number",
    "issue_date": "issue_date",
    "seller.name": "seller_name",
    "currency": "currency",
    "net_amount": "net_amount",
    "tax_amount": "tax_amount",
    "gross_amount": "gross_amount",
    "payable_amount": "payable_amount",
    "seller.vat_id": "seller_vat_id",
    "iban": "iban",
}
"""Fields whose confidence counts, and what `ReviewThresholds` calls them."""


class Judgement(StrEnum):
    """What becomes of a parsed invoice."""

    VALID = "valid"
    NEEDS_REVIEW = "needs review"
    FAILED = "failed"


Accepted = Collection[tuple[str, str | None, str | None]]


def judge(
    reading: Reading,
    verdict: Verdict,
    thresholds: ReviewThresholds,
    *,
    home: str | None = None,
    accepted: Accepted = (),
    seen_by_a_person: bool = False,
    rejection: str | None = None,
) -> tuple[Judgement, tuple[ReviewReason, ...]]:
    """What becomes of an invoice, and the reasons to look at it where it needs a review.

    XML says what it says: only signs of fraud go to a person, and a fatal violation fails the invoice. What was read
    from a page may have been misread: it also waits where a value is less sure than its threshold, and for each fatal
    violation. The one exception is a duplicate of which every value is sure, and that no person has seen: it fails.
    What `not_asked` names needs no look, unless it should have been left out and was not; `home` is the country of the
    organization (ISO 3166-1).
    `accepted` are the subjects of reasons that a person has accepted. `rejection` is why a person rejected the invoice,
    where nobody decided otherwise since: a retry does not overrule that.
    """
    fatal = [violation for violation in verdict.violations if violation.severity is Severity.FATAL]
    on_pages = reading.source is not Source.XML
    doubts = list(_low_confidences(reading, thresholds)) if on_pages else []
    not_to_ask = not_asked(reading, thresholds, home)
    skipped = not_to_ask.remarks.keys() - not_to_ask.left_out
    others = [
        violation
        for violation in verdict.violations
        if violation.severity is not Severity.FATAL
        and (violation.rule in FOR_A_PERSON or (on_pages and violation.rule in FOR_A_PERSON_ON_PAGES))
    ]
    is_duplicate = {violation.rule for violation in fatal} == {DUPLICATE} and not doubts and not seen_by_a_person
    if fatal and (not on_pages or is_duplicate):
        return Judgement.FAILED, ()
    reasons = [
        *(_of_violation(reading, violation, must_be_corrected=True) for violation in fatal),
        *(reason for reason in doubts if reason.subject not in accepted and reason.field not in skipped),
        *(
            reason
            for violation in others
            if (reason := _of_violation(reading, violation, must_be_corrected=False)).subject not in accepted
        ),
    ]
    if rejection is not None:
        reasons.insert(0, ReviewReason(REJECTED, None, f"Rejected before: {rejection}", f"Abgelehnt: {rejection}"))
    return (Judgement.NEEDS_REVIEW if reasons else Judgement.VALID), tuple(reasons)


def not_asked(
    reading: Reading, thresholds: ReviewThresholds, home: str | None, *, asks_for_sellers: bool = False
) -> Unasked:
    """The fields that are less sure than their thresholds and that nobody is asked for all the same, each with the
    remark that belongs into its verdict. XML has none."""
    unsure = dict(_unsure(reading, thresholds)) if reading.source is not Source.XML else {}
    return unasked(reading, unsure, home, asks_for_sellers=asks_for_sellers)


def seller_is_sure(reading: Reading, thresholds: ReviewThresholds) -> bool:
    """Whether who the seller is was read surely, as far as it was read."""
    doubted = () if reading.source is Source.XML else dict(_unsure(reading, thresholds))
    return not ({"seller.name", "seller.vat_id"} & {*doubted, *reading.withheld})


def _unsure(reading: Reading, thresholds: ReviewThresholds) -> Iterator[tuple[str, Unsure]]:
    for field, name in THRESHOLDS.items():
        value = value_of(reading, field)
        threshold: float = getattr(thresholds, name)
        if value is not None and (confidence := _confidence(reading, field)) < threshold:
            named = (FIELDS[field].label, FIELDS[field].label_de)
            yield field, Unsure(named, shown(value), confidence, threshold)


def _low_confidences(reading: Reading, thresholds: ReviewThresholds) -> Iterator[ReviewReason]:
    for field, unsure in _unsure(reading, thresholds):
        (label, label_de), value = unsure.name, unsure.value
        confidence, threshold = unsure.confidence, unsure.threshold
        yield ReviewReason(
            LOW_CONFIDENCE,
            field,
            f"The {label} {value} was read with confidence {confidence:.2f}, below {threshold:.2f}.",
            f"{label_de} {value} wurde mit der Sicherheit {confidence:.2f} gelesen, unter {threshold:.2f}.",
            value,
            round(confidence, 3),
        )


def _confidence(reading: Reading, field: str) -> float:
    """How sure a value is. A net amount that is the total itself, without VAT, is as sure as the total."""
    place = reading.provenance.get(place_of(field))
    confidence = place.confidence if place else 0.0
    if field == "net_amount" and reading.net_amount == reading.gross_amount and not reading.tax_amount:
        return max(confidence, _confidence(reading, "gross_amount"))
    return confidence


def _of_violation(reading: Reading, violation: Violation, *, must_be_corrected: bool) -> ReviewReason:
    field = field_of(violation.location)
    place = reading.provenance.get(place_of(field)) if field else None
    return ReviewReason(
        violation.rule,
        field,
        violation.message,
        violation.message_de,
        shown(value_of(reading, field)) if field else None,
        place.confidence if place else None,
        must_be_corrected,
    )
