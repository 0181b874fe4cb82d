"""The rules on plausible dates (IP-DATE)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.own_rules import broken


def date_violations(reading: Reading, today: date, future_days: int, past_years: int) -> Iterator[Violation]:
    """IP-DATE-01 to -04. A date far in the future is a misreading or a mistake; an old one may be a late invoice."""
    issued = reading.issue_date
    if issued is not None:
        if issued > today + timedelta(days=future_days):
            yield broken("IP-DATE-01", "issue_date", issued=issued, days=str(future_days))
        if issued.year < today.year - past_years:
            yield broken("IP-DATE-02", "issue_date", issued=issued, years=str(past_years))
        if reading.due_date is not None and reading.due_date < issued:
            yield broken("IP-DATE-03", "due_date", due=reading.due_date, issued=issued)
    period = reading.period
    if period is not None and period.start is not None and period.end is not None and period.end < period.start:
        yield broken("IP-DATE-04", "period", end=period.end, start=period.start)
