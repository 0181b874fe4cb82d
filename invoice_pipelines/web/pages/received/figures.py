"""How the intake goes: counts, rates, the time of each stage, why invoices failed, and which are stuck."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.operations import intake_statistics, stuck_invoices
from invoice_pipelines.intake.overview import arrivals_by_day
from invoice_pipelines.intake.review.queue import backlog
from invoice_pipelines.web.pages.received.words import Words
from invoice_pipelines.web.pages.routing import Page, PageRouter

router = PageRouter()

DAYS = 30
MOST_STUCK = 50


@router.get("/received/statistics", role=Role.VIEWER)
def received_statistics(page: Page) -> Response:
    """How the intake goes."""
    with page.enter() as at:
        found = intake_statistics(at.connection)
        total_stuck, stuck = stuck_invoices(at.connection, limit=MOST_STUCK)
        waiting = backlog(at.connection).invoices
        zone = at.organization.organization.time_zone
        today = datetime.now(zone).date()
        days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
        arrived = arrivals_by_day(at.connection, days[0], str(zone))
    counts = [(day, arrived.get(day, 0)) for day in days]
    return page.show(
        "received/statistics.html",
        counts=found.invoices,
        waiting=waiting,
        stage_times=found.stage_times,
        failures=found.failures,
        arrivals=[
            (page.language.day(day), count, f"{page.language.day(day)}: {page.language.number(count)}")
            for day, count in counts
        ],
        arrived=sum(arrived.values()),
        days=DAYS,
        stuck=stuck,
        total_stuck=total_stuck,
        words=Words(page.language),
    )
