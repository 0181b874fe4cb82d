"""The rules on invoices that were received before (IP-DUP). What was received is the caller's to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from invoice_pipelines.einvoice.rules.verdict import Severity, Violation
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.validation.own_rules import broken

A_FEW_DAYS = timedelta(days=5)
"""Within these, two invoices of a seller over the same amount are seldom both right; shorter than a weekly delivery."""


@dataclass(frozen=True, slots=True)
class EarlierInvoice:
    """An invoice that the same organization has received before: from the same seller, or with the same content.

    `label` is how to name it to a user, such as its file name. With `same_content` its XML is the same to the byte, or
    all words on its pages are. `same_seller` compares what was read; it is not told surely without `sure_seller`: who
    the seller is of either one was left out or is in doubt.
    """

    number: str | None
    issue_date: date | None
    gross_amount: Decimal | None
    currency: str | None
    label: str
    same_content: bool = False
    same_seller: bool = True
    sure_seller: bool = True


def comparable_number(number: str) -> str:
    """An invoice number as it is compared: without blanks and without regard to case, as people retype them."""
    return "".join(number.split()).casefold()


def duplicate_violations(reading: Reading, earlier_invoices: Iterable[EarlierInvoice]) -> Iterator[Violation]:
    """IP-DUP-01 to -06.

    The same number in the same year is the same invoice: fatal, where the seller is sure. Some sellers start anew each
    year, so in another year it is a warning, as is another number with the same amount on the same date or a few days
    apart. Of the same content, XML is the same invoice, whatever was read from it: fatal; pages are a warning, as a
    form may be reused. Where one of two has no number, its date and total must do: a seller's, or anybody's, since the
    name of who made a receipt is often read in two ways. Two equal tickets of a day are like that, too: a person tells.
    """
    number = comparable_number(reading.number) if reading.number else None
    for earlier in earlier_invoices:
        if number and earlier.same_seller and earlier.number and comparable_number(earlier.number) == number:
            years = {issued.year for issued in (reading.issue_date, earlier.issue_date) if issued is not None}
            rule = "IP-DUP-01" if len(years) < 2 else "IP-DUP-02"
            severity = None if earlier.sure_seller else Severity.WARNING
            yield broken(rule, "number", severity, number=reading.number, label=earlier.label)
        elif _same_receipt(reading, earlier):
            yield broken("IP-DUP-06", None, label=earlier.label)
        elif earlier.same_content:
            if reading.source is Source.XML:
                yield broken("IP-DUP-05", content=("XML", "Dasselbe XML"), label=earlier.label)
            else:
                content = ("text", "Derselbe Text")
                yield broken("IP-DUP-05", None, Severity.WARNING, content=content, label=earlier.label)
        elif number and earlier.same_seller and _same_amount(reading, earlier):
            rule = "IP-DUP-03" if reading.issue_date == earlier.issue_date else "IP-DUP-04"
            yield broken(rule, "number", issued=earlier.issue_date, number=earlier.number, label=earlier.label)


def _same_receipt(reading: Reading, earlier: EarlierInvoice) -> bool:
    """Whether both are over the same total of the same day, and nothing tells them apart: neither two numbers, nor a
    number and two sellers that are sure."""
    if reading.issue_date != earlier.issue_date or not _same_amount(reading, earlier):
        return False
    if reading.number is None:
        return True
    alike = earlier.number is None or comparable_number(earlier.number) == comparable_number(reading.number)
    return alike and (earlier.same_seller or not earlier.sure_seller)


def _same_amount(reading: Reading, earlier: EarlierInvoice) -> bool:
    """Whether both are over the same total and at most a few days apart."""
    return (
        reading.issue_date is not None
        and earlier.issue_date is not None
        and abs(reading.issue_date - earlier.issue_date) <= A_FEW_DAYS
        and reading.gross_amount is not None
        and reading.gross_amount == earlier.gross_amount
        and reading.currency == earlier.currency
    )
