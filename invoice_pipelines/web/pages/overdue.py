"""Overdue invoices: what customers owe by how late it is, who was told, and the runs that look for what is overdue."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.receivables.receivables import read_receivables
from invoice_pipelines.delivery.messages.messages import reminders_of
from invoice_pipelines.overdue import OverdueError
from invoice_pipelines.overdue.asked import LOOK_FOR_OVERDUE, ask_for_run
from invoice_pipelines.overdue.execution_log import find_execution, list_executions
from invoice_pipelines.overdue.notifications import NotificationStatus, list_notifications
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.batch_operations.words import Words
from invoice_pipelines.web.pages.messages.words import channel_name, shown
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.pages.typed import day_of
from invoice_pipelines.web.paging import PageQuery, PageRequest
from invoice_pipelines.work import history

router = PageRouter()

_JOBS = 3
_STATES = {str(status): status for status in NotificationStatus}


@router.get("/overdue", role=Role.VIEWER)
def overdue(page: Page, of: PageQuery, status: Annotated[str, Query(max_length=20)] = "") -> Response:
    """What is overdue, and which of it customers were told."""
    with page.enter() as at:
        return _show(page, at, of, status)


@router.post("/overdue/runs", role=Role.ACCOUNTANT, area="billing")
def look_now(
    page: Page,
    of: PageQuery,
    key: Annotated[str, Form(max_length=100)] = "",
    as_of: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Asks for a run that looks for what is overdue, as of today or an earlier day."""

    def effect(at: At) -> str:
        ask_for_run(at.connection, as_of=day, created_by=at.entry.actor)
        return page.url("overdue") + "#work"

    day = day_of(as_of)
    said = page.gettext("Asked for. It runs as soon as a worker is free; below you see how far it is.")
    if as_of and day is None:
        error = page.gettext("This is no day. Write it like 2026-03-31.")
    else:
        try:
            return page.once_to(key, as_of, effect, said)
        except OverdueError:
            error = page.gettext("This day is still to come. Name an earlier one.")
    with page.enter() as at:
        return _show(page, at, of, "", typed=as_of, error=error)


@router.get("/overdue/runs", role=Role.VIEWER)
def runs(page: Page, of: PageQuery) -> Response:
    """The runs that looked for what is overdue, the newest first."""
    with page.enter() as at:
        rows = list_executions(at.connection, after=of.after_id, limit=of.one_more)
    return page.show("overdue/runs.html", found=of.of(rows, key=lambda row: row.id))


@router.get("/overdue/runs/{run}", role=Role.VIEWER)
def run(page: Page, run: UUID) -> Response:
    """A run, with what went wrong in it."""
    with page.enter() as at:
        return page.show("overdue/run.html", run=find_execution(at.connection, str(run)))


def _show(page: PageCaller, at: At, of: PageRequest, status: str, *, typed: str = "", error: str = "") -> Response:
    chosen = _STATES.get(status)
    rows = list_notifications(
        at.connection, statuses=[chosen] if chosen else None, after=of.after_id, limit=of.one_more
    )
    settings = at.organization.organization.settings
    return page.show(
        "overdue/overdue.html",
        status=422 if error else 200,
        found=of.of(rows, key=lambda row: row.id),
        wanted=status if chosen else "",
        told=reminders_of(at.connection, [row.invoice_id for row in rows]),
        owed=read_receivables(at.connection),
        levels=settings.overdue_levels,
        channels=[channel_name(name, page.language) for name in settings.overdue_channels],
        words=Words(page.language),
        jobs=history(at.connection, kind=LOOK_FOR_OVERDUE, limit=_JOBS).jobs,
        typed=typed,
        error=error,
        **shown(page.language),
    )
