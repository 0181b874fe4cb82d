"""What becomes of a reading: as it was read, or without what nobody is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from invoice_pipelines.einvoice.rules.verdict import Verdict, listed
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.review.decision_log import Decision, accepted_in, asks_for_seller, rejection
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.review.reasons import Judgement, judge, not_asked
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines.intake.validation.withholding import unconfirmed_seller, withhold
from invoice_pipelines.organizations import ReviewThresholds


@dataclass(frozen=True, slots=True)
class Standard:
    """What the invoices of an organization are judged by.

    `today` is the date in its time zone; an invoice dated more than `past_years` earlier gets a warning. `thresholds`
    say how sure a reader must be of what no XML says. `country` is that of the organization (ISO 3166-1). With
    `asks_for_sellers` it wants to know who made a simplified invoice, too.
    """

    today: date
    past_years: int
    rules_directory: Path | None = None
    thresholds: ReviewThresholds = field(default_factory=ReviewThresholds)
    country: str | None = None
    asks_for_sellers: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What validation says of one invoice, and why it waits for a person where it does. `reading` is what is told of
    it where it passes: without what may be wrong and is not asked for."""

    verdict: Verdict
    judgement: Judgement
    reasons: tuple[ReviewReason, ...]
    reading: Reading


def judge_reading(
    reading: Reading, expectations: Expectations, standard: Standard, made: Sequence[Decision] = ()
) -> Judged:
    """Judges a reading; `made` is what people decided about it and still holds.

    An unsure seller is left out only where the invoice passes by that. One that waits for something else waits for its
    seller as well: whoever looks at it sees the name, and the next invoice of that seller is known by it.
    """
    judged = _judged(reading, expectations, standard, made, standard.asks_for_sellers or asks_for_seller(made))
    if judged.judgement is Judgement.VALID or unconfirmed_seller(judged.reading) is None:
        return judged
    return _judged(reading, expectations, standard, made, asks_for_sellers=True)


def _judged(
    reading: Reading, expectations: Expectations, standard: Standard, made: Sequence[Decision], asks_for_sellers: bool
) -> Judged:
    skipped = not_asked(reading, standard.thresholds, standard.country, asks_for_sellers=asks_for_sellers)
    told = withhold(reading, skipped.left_out)
    verdict = validate(told, expectations, rules_directory=standard.rules_directory)
    verdict = replace(verdict, violations=listed((*verdict.violations, *skipped.remarks.values())))
    judgement, reasons = judge(
        told,
        verdict,
        standard.thresholds,
        home=standard.country,
        accepted=accepted_in(made),
        seen_by_a_person=bool(made),
        rejection=rejection(made),
    )
    return Judged(verdict, judgement, reasons, told)
