"""The history of batch operations: filtered, with figures by kind; those that run show how far they are."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from operator import itemgetter
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import Query, Response
from pydantic import BaseModel, StringConstraints

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.pages.batch_operations.words import JOB_STATES, KINDS, Words
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.paging import PageQuery
from invoice_pipelines.work import JobStatus, history, statistics

router = PageRouter()

Typed = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True, pattern=r"^[^\x00]*$")]


class Filters(BaseModel):
    """What the list is asked for, as it was typed."""

    kind: Typed = ""
    status: Literal["", "open"] | JobStatus = ""
    who: Typed = ""
    asked_from: Typed = ""
    asked_until: Typed = ""

    @property
    def are_set(self) -> bool:
        """Whether anything was asked for."""
        return any(value for _, value in self)

    @property
    def statuses(self) -> list[JobStatus] | None:
        """The statuses that are meant; None: all."""
        if self.status == "open":
            return [JobStatus.PENDING, JobStatus.PROCESSING]
        return [JobStatus(self.status)] if self.status else None


@router.get("/batch-operations", role=Role.VIEWER)
def batch_operations(page: Page, of: PageQuery, filters: Annotated[Filters, Query()]) -> Response:
    """Batch operations, the newest first."""
    wrong: dict[str, str] = {}
    with page.enter() as at:
        zone = at.organization.organization.time_zone
        first = _begin_of_day(filters, "asked_from", zone, page, wrong)
        last = _begin_of_day(filters, "asked_until", zone, page, wrong)
        jobs = history(
            at.connection,
            kind=filters.kind or None,
            statuses=filters.statuses,
            created_by=filters.who or None,
            created_from=first,
            created_until=None if last is None else last + timedelta(days=1),
            before=of.after_id,
            limit=of.one_more,
        ).jobs
        figures = statistics(at.connection)
    words = Words(page.language)
    used = {figure.job_type for figure in figures if figure.total_jobs}
    known = [figure for figure in figures if figure.job_type in KINDS]
    return page.show(
        "batch_operations/list.html",
        status=422 if wrong else 200,
        found=of.of([] if wrong else jobs, key=lambda job: job.id),
        filters=filters,
        wrong=wrong,
        words=words,
        kinds=[("", page.gettext("All")), *sorted(((kind, words.kind(kind)) for kind in used), key=itemgetter(1))],
        states=[
            ("", page.gettext("All")),
            ("open", page.gettext("Not ended yet")),
            *((status, words.job_state(status)[1]) for status in JOB_STATES),
        ],
        figures=sorted(known, key=lambda figure: words.kind(figure.job_type)),
        is_used=bool(used),
    )


def _begin_of_day(filters: Filters, name: str, zone: ZoneInfo, page: Page, wrong: dict[str, str]) -> datetime | None:
    typed = getattr(filters, name)
    try:
        return datetime.combine(date.fromisoformat(typed), time(), zone) if typed else None
    except ValueError:
        wrong[name] = page.gettext("Write a day of the calendar.")
        return None
