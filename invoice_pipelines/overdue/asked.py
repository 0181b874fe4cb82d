"""Runs that somebody asked for, as batch jobs: an item is the day that a run judges by, or `today`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue.errors import AlreadyRunning, OverdueError
from invoice_pipelines.overdue.execution_log import ExecutionReport, ExecutionStatus
from invoice_pipelines.work import Failed, Outcome, Run, Succeeded, create_job, finish, organizations_with_work

LOOK_FOR_OVERDUE = "look_for_overdue"
"""Kind of this work."""
TODAY = "today"
_ATTEMPTS = 5
_REST = timedelta(seconds=20)

Look = Callable[[date | None], ExecutionReport]
"""Looks for what is overdue as of a day, without one as of today."""


def ask_for_run(connection: Connection, *, as_of: date | None = None, created_by: str) -> UUID:
    """Asks for a run in the organization in scope, as a batch job; returns its id. Raises OverdueError for a day that
    is still to come there.
    """
    today: date = connection.execute(
        text(
            """select (now() at time zone o.time_zone)::date from organizations.organization o
               where o.id = organizations.current()"""
        )
    ).scalar_one()
    if as_of is not None and as_of > today:
        raise OverdueError(f"as_of: {as_of} is after today, {today}, where this organization is; name an earlier day.")
    return create_job(connection, LOOK_FOR_OVERDUE, [as_of.isoformat() if as_of else TODAY], created_by=created_by)


def organizations_with_requests(connection: Connection) -> set[UUID]:
    """Where somebody asked for a run. Needs no scope."""
    return {work.organization_id for work in organizations_with_work(connection, (LOOK_FOR_OVERDUE,))}


def look_as_asked(organization: OrganizationContext, look: Look, time_box: timedelta) -> ExecutionReport | None:
    """Looks for whoever asked for it; returns the report of the last run as of today, which need not be made again, if
    there was one.
    """
    lease = timedelta(seconds=organization.settings.lease_seconds)
    run = Run(organization.engine, organization.id, [LOOK_FOR_OVERDUE], lease=lease, time_box=time_box)
    of_today: ExecutionReport | None = None

    def worker() -> Iterator[None]:
        nonlocal of_today
        while (claimed := run.claim(LOOK_FOR_OVERDUE, 1, max_attempts=_ATTEMPTS)) is not None:
            with run.holding([claimed]):
                day = claimed.items[0].subject_id
                outcome: Outcome
                try:
                    report = look(None if day == TODAY else date.fromisoformat(day))
                    of_today = report if day == TODAY else of_today
                    outcome = _outcome(report)
                except AlreadyRunning as busy:
                    outcome = run.later(_REST, busy.code, str(busy))
                except OverdueError as error:
                    outcome = Failed(error.code, str(error))
                run.let_go(claimed)
                with run.scope() as connection:
                    finish(connection, claimed, [outcome])
            yield

    run.work(worker)
    return of_today


def _outcome(report: ExecutionReport) -> Outcome:
    if report.status is ExecutionStatus.FAILED:
        return Failed("RUN_FAILED", f"The run {report.id} failed.", retry=True)
    return Succeeded(
        {
            "run_id": report.id,
            "overdue": report.overdue_count,
            "made": report.created_count,
            "closed": report.closed_count,
            "errors": report.error_count,
        }
    )
