"""What becomes of an invoice that was read from pages, for an organization that has received nothing before."""

from __future__ import annotations

from datetime import date

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.review.reasons import Judgement
from invoice_pipelines.intake.stages.judging import Standard, judge_reading
from invoice_pipelines.intake.validation.content import Expectations

_TODAY, _COUNTRY = date(2026, 5, 1), "DE"


def judgement(reading: Reading) -> Judgement:
    """Whether a calibrated reading passes, waits or fails."""
    expectations = Expectations(_TODAY, country=_COUNTRY)
    return judge_reading(reading, expectations, Standard(_TODAY, past_years=10, country=_COUNTRY)).judgement
