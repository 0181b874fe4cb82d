"""The order in which this project's own rules (IP-*) are asked of a `Reading`, whatever it was read from.

They guard what seeds a payment run. The table in `docs/validation.md` lists them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from invoice_pipelines.einvoice.rules.german import in_german
from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.reading import DiscrepancyKind, Reading
from invoice_pipelines.intake.validation.accounts import KnownAccount, account_violations
from invoice_pipelines.intake.validation.codes import code_violations
from invoice_pipelines.intake.validation.dates import date_violations
from invoice_pipelines.intake.validation.duplicates import EarlierInvoice, duplicate_violations
from invoice_pipelines.intake.validation.identifiers import identifier_violations
from invoice_pipelines.intake.validation.own_rules import broken
from invoice_pipelines.intake.validation.required import required_violations
from invoice_pipelines.intake.validation.tax import tax_violations
from invoice_pipelines.intake.validation.totals import total_violations


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the caller knows beside the invoice.

    `today` is the date in the time zone of the organization. An issue date more than `future_days` days after it is
    fatal, one more than `past_years` years before it is a warning. `earlier_invoices` are those the organization has
    already received: with the same content, and from the same seller the ones with the same number, and those with the
    same gross amount and an issue date at most `duplicates.A_FEW_DAYS` away. `other_account` is an account that earlier
    invoices of the seller named, where none of them named that of this one. `country` is that of the organization (ISO
    3166-1), by whose law a seller is judged whose own country is not known.
    """

    today: date
    future_days: int = 30
    past_years: int = 10
    earlier_invoices: tuple[EarlierInvoice, ...] = ()
    other_account: KnownAccount | None = None
    country: str | None = None


_DISCREPANCIES = {
    DiscrepancyKind.XML_MISSING: "IP-HYB-01",
    DiscrepancyKind.XML_UNREADABLE: "IP-HYB-02",
    DiscrepancyKind.PAGES_DIFFER: "IP-HYB-03",
    DiscrepancyKind.SEVERAL_INVOICES: "IP-HYB-04",
    DiscrepancyKind.ANOTHER_DOCUMENT: "IP-TYPE-03",
    DiscrepancyKind.SEVERAL_DOCUMENTS: "IP-TYPE-04",
}


def content_violations(reading: Reading, expectations: Expectations) -> Iterator[Violation]:
    """What the own rules say against an invoice."""
    yield from required_violations(reading, expectations.country)
    yield from code_violations(reading)
    yield from total_violations(reading)
    yield from tax_violations(reading)
    yield from date_violations(reading, expectations.today, expectations.future_days, expectations.past_years)
    yield from identifier_violations(reading)
    yield from account_violations(reading, expectations.other_account)
    yield from duplicate_violations(reading, expectations.earlier_invoices)
    for discrepancy in reading.discrepancies:
        yield broken(_DISCREPANCIES[discrepancy.kind], found=(discrepancy.message, discrepancy.message_de))
    for remark in reading.warnings:
        yield broken("IP-READ-01", remark=(remark, in_german(remark) or remark))
