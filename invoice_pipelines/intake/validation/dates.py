"""Holds the rules on plausible dates (IP-DATE)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.verdict import Severity, Violation, content_violation
from invoice_pipelines.intake.validation.wording import german_date


def date_violations(reading: Reading, today: date, future_days: int, past_years: int) -> Iterator[Violation]:
    """IP-DATE-01 to -04. A date far in the future is a misreading or a mistake; an old one may be a late invoice."""
    issued = reading.issue_date
    if issued is not None:
        if issued > today + timedelta(days=future_days):
            yield content_violation(
                "IP-DATE-01",
                Severity.FATAL,
                f"The issue date {issued} (BT-2) is more than {future_days} days in the future.",
                f"Das Rechnungsdatum {german_date(issued)} (BT-2) liegt mehr als {future_days} Tage in der Zukunft.",
                "issue_date",
            )
        if issued.year < today.year - past_years:
            yield content_violation(
                "IP-DATE-02",
                Severity.WARNING,
                f"The issue date {issued} (BT-2) is more than {past_years} years ago.",
                f"Das Rechnungsdatum {german_date(issued)} (BT-2) liegt mehr als {past_years} Jahre zurück.",
                "issue_date",
            )
        if reading.due_date is not None and reading.due_date < issued:
            yield content_violation(
                "IP-DATE-03",
                Severity.WARNING,
                f"The due date {reading.due_date} (BT-9) is before the issue date {issued}.",
                f"Das Fälligkeitsdatum {german_date(reading.due_date)} (BT-9) liegt vor dem Rechnungsdatum "
                f"{german_date(issued)}.",
                "due_date",
            )
    period = reading.period
    if period is not None and period.start is not None and period.end is not None and period.end < period.start:
        yield content_violation(
            "IP-DATE-04",
            Severity.WARNING,
            f"The invoicing period ends on {period.end} (BT-74), before it starts on {period.start} (BT-73).",
            f"Der Abrechnungszeitraum endet am {german_date(period.end)} (BT-74), bevor er am "
            f"{german_date(period.start)} (BT-73) beginnt.",
            "period",
        )
