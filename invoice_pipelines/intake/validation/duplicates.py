"""Holds the rules on invoices that were received before (IP-DUP). What was received is the caller's to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.verdict import Severity, Violation, content_violation


@dataclass(frozen=True, slots=True)
class EarlierInvoice:
    """An invoice that the same organization has received from the same seller before.

    `label` is how to name it to a user, such as its file name.
    """

    number: str
    issue_date: date | None
    gross_amount: Decimal | None
    currency: str | None
    label: str


def comparable_number(number: str) -> str:
    """An invoice number as it is compared: without blanks and without regard to case, as people retype them."""
    return "".join(number.split()).casefold()


def duplicate_violations(reading: Reading, earlier_invoices: Iterable[EarlierInvoice]) -> Iterator[Violation]:
    """IP-DUP-01 to -03.

    The same number in the same year is the same invoice: fatal. Some sellers start anew each year, so in another year
    it is a warning, as is another number with the same date and amount.
    """
    if not reading.number:
        return
    number = comparable_number(reading.number)
    for earlier in earlier_invoices:
        if comparable_number(earlier.number) == number:
            years = {issued.year for issued in (reading.issue_date, earlier.issue_date) if issued is not None}
            if len(years) < 2:
                yield content_violation(
                    "IP-DUP-01",
                    Severity.FATAL,
                    f"The number {reading.number} of this seller was received before: {earlier.label}.",
                    f"Die Nummer {reading.number} dieses Verkäufers ist bereits eingegangen: {earlier.label}.",
                    "number",
                )
            else:
                yield content_violation(
                    "IP-DUP-02",
                    Severity.WARNING,
                    f"The number {reading.number} of this seller was received before, in another year: "
                    f"{earlier.label}.",
                    f"Die Nummer {reading.number} dieses Verkäufers ist bereits in einem anderen Jahr eingegangen: "
                    f"{earlier.label}.",
                    "number",
                )
        elif _same_date_and_amount(reading, earlier):
            yield content_violation(
                "IP-DUP-03",
                Severity.WARNING,
                f"Another invoice of this seller has the same date and total: {earlier.number} ({earlier.label}).",
                f"Eine andere Rechnung dieses Verkäufers hat dasselbe Datum und denselben Gesamtbetrag: "
                f"{earlier.number} ({earlier.label}).",
                "number",
            )


def _same_date_and_amount(reading: Reading, earlier: EarlierInvoice) -> bool:
    return (
        reading.issue_date is not None
        and reading.issue_date == earlier.issue_date
        and reading.gross_amount is not None
        and reading.gross_amount == earlier.gross_amount
        and reading.currency == earlier.currency
    )
