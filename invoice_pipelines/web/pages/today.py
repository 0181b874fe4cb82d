"""Today: what waits for a person, what runs, and how the money stands. Each figure leads to its list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from fastapi import Response
from sqlalchemy import Connection

from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.overview import MonthlySales, sales_by_month
from invoice_pipelines.billing.receivables.receivables import Receivables, read_receivables
from invoice_pipelines.delivery.overview import delivery_state
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.intake.overview import MonthlyPurchases, purchases_by_month
from invoice_pipelines.intake.received_invoices import statistics
from invoice_pipelines.intake.review.queue import backlog
from invoice_pipelines.intake.states import Status
from invoice_pipelines.web.pages.batch_operations.words import Words
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.work.history import Job, history
from invoice_pipelines.work.values import JobStatus

router = PageRouter()

MONTHS = 12
_RECENT = timedelta(days=7)
_MOST_JOBS = 5


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a person: how many, in words, and where. kind: warn or bad."""

    address: str
    name: str
    count: int
    below: str
    kind: str


@dataclass(frozen=True, slots=True)
class Months:
    """Amounts of one currency by month, the oldest first: what each bar says, and how high it is."""

    bars: list[tuple[str, Decimal, str]]
    this_month: Decimal
    others: list[str]
    """amounts of this month in other currencies"""


@router.get("", role=Role.VIEWER)
def today(page: Page) -> Response:
    """What waits for me, what runs, and how the money stands."""
    with page.enter() as at:
        organization = at.organization.organization
        day = datetime.now(organization.time_zone).date()
        first = months_until(day)[0]
        waiting = _waiting(page, at.connection)
        jobs = [*_running(at.connection), *_troubled(at.connection)]
        sold = sales_by_month(at.connection, first)
        bought = purchases_by_month(at.connection, first, str(organization.time_zone))
        owed = read_receivables(at.connection)  # what changes between its statements shows with the next look
    currency = organization.currency
    return page.show(
        "today.html",
        waiting=[each for each in waiting if each.count],
        jobs=jobs,
        words=Words(page.language),
        issued=_months(sold, currency, day, page.language),
        received=_months(bought, currency, day, page.language),
        owed=next((each.aged for each in owed.currencies if each.currency == currency), None),
        owed_elsewhere=_elsewhere(owed, currency, page.language),
        month=day.replace(day=1),
        currency=currency,
    )


def months_until(day: date) -> list[date]:
    """The first days of the last twelve months, that of a day included."""
    last = day.year * 12 + day.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(last - MONTHS + 1, last + 1)]


def _waiting(page: Page, connection: Connection) -> list[Waiting]:
    _, language = page.gettext, page.language
    reviews, messages = backlog(connection), delivery_state(connection).messages
    found = [
        Waiting(
            page.url("reviews"),
            _("Invoices to review"),
            reviews.invoices,
            _("The oldest: %(time)s") % {"time": language.ago(reviews.oldest_since)},
            "warn",
        ),
        Waiting(
            page.url("received") + "?status=FAILED",
            _("Received invoices that failed"),
            statistics(connection).by_status[Status.FAILED],
            _("Read why, then try them again"),
            "bad",
        ),
        Waiting(
            page.url("messages") + "?status=unknown",
            _("Messages in doubt"),
            messages.get(MessageStatus.UNKNOWN, 0),
            _("Nobody knows whether they arrived: decide"),
            "warn",
        ),
        Waiting(
            page.url("messages") + "?status=failed",
            _("Messages that failed"),
            messages.get(MessageStatus.FAILED, 0),
            _("Their recipients got nothing"),
            "bad",
        ),
    ]
    for system in accounting_systems():
        if (state := system.state(connection)) is None:
            continue
        found.append(
            Waiting(
                page.url(system.name, "conflicts"),
                _("Conflicts with %(system)s") % {"system": system.title},
                state.open_conflicts,
                _("Both sides changed: decide which one holds"),
                "warn",
            )
        )
        found.append(
            Waiting(
                page.url(system.name),
                _("Connection to %(system)s") % {"system": system.title},
                int(state.stands.partition(":")[0] not in ("connected", "disconnected")),
                _("It needs somebody's attention"),
                "bad",
            )
        )
    return found


def _running(connection: Connection) -> tuple[Job, ...]:
    return history(connection, statuses=(JobStatus.PENDING, JobStatus.PROCESSING), limit=_MOST_JOBS).jobs


def _troubled(connection: Connection) -> tuple[Job, ...]:
    """Batch operations of the last days in which something failed."""
    failed = (JobStatus.FAILED, JobStatus.COMPLETED_WITH_ERRORS)
    return history(connection, statuses=failed, created_from=datetime.now(UTC) - _RECENT, limit=_MOST_JOBS).jobs


def _months(rows: Iterable[MonthlySales | MonthlyPurchases], currency: str, day: date, language: Language) -> Months:
    """The bars of the organization's own currency. Credit notes may make a month negative: it has no bar then."""
    found = {(row.month, row.currency): row.gross_amount for row in rows}
    months = months_until(day)
    of_month = {month: found.get((month, currency), Decimal(0)) for month in months}
    return Months(
        [
            (name, max(of_month[month], Decimal(0)), f"{name}: {language.amount(of_month[month], currency)}")
            for month in months
            for name in [language.month(month)]
        ],
        of_month[months[-1]],
        [
            language.amount(amount, other)
            for (month, other), amount in sorted(found.items())
            if month == months[-1] and other != currency
        ],
    )


def _elsewhere(owed: Receivables, currency: str, language: Language) -> list[str]:
    """What is due in other currencies."""
    return [
        language.amount(each.aged.total, each.currency)
        for each in owed.currencies
        if each.currency != currency and each.aged.total
    ]
