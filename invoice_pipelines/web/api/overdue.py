"""Overdue: what was noticed of invoices that are past due, and the runs that look for them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.overdue import ExecutionStatus
from invoice_pipelines.overdue.asked import ask_for_run
from invoice_pipelines.overdue.execution_log import find_execution, list_executions
from invoice_pipelines.overdue.notifications import NotificationStatus, find_notification, list_notifications
from invoice_pipelines.web.api.batch_requests import job_accepted
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Body, Day, Instant, JobAccepted

router = OrganizationRouter(tags=["overdue"])

NOTIFICATION = "0199a1b2-0000-7000-8000-0000000000b1"
RUN = "0199a1b2-0000-7000-8000-0000000000c1"


_SECONDS_PER_RUN = 10.0


class Notification(Answer):
    """That an invoice is past due, once for each level of days."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": NOTIFICATION,
                    "invoice_id": "0199a1b2-0000-7000-8000-000000000017",
                    "invoice_number": "INV-2026-000017",
                    "level": 14,
                    "status": "sent",
                    "customer_id": "0199a1b2-0000-7000-8000-000000000002",
                    "customer_name": "Bauhaus Schmidt GmbH",
                    "amount_due": "1190.00",
                    "currency": "EUR",
                    "due_date": "2026-03-14",
                    "days_overdue": 17,
                    "as_of": "2026-03-31",
                    "created_at": "2026-03-31T00:00:10Z",
                    "sent_at": "2026-03-31T08:00:03Z",
                    "closed_at": None,
                    "closed_reason": None,
                    "overtaken_by": None,
                }
            ]
        }
    )

    id: UUID
    invoice_id: UUID
    invoice_number: str
    level: int
    status: NotificationStatus
    customer_id: UUID
    customer_name: str
    amount_due: Amount
    currency: str
    due_date: Day
    days_overdue: int
    as_of: Day
    created_at: Instant
    sent_at: Instant | None
    closed_at: Instant | None
    closed_reason: str | None
    overtaken_by: int | None = Field(
        description="The highest level that the invoice has reached since, where nobody was told of this one"
    )


class Run(Answer):
    """A run through the organization. `errors` are the first hundred of `error_count`; PARTIAL says that single
    invoices have errors and all others are done.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": RUN,
                    "status": "SUCCESS",
                    "as_of": "2026-03-31",
                    "start_time": "2026-03-31T00:00:09Z",
                    "end_time": "2026-03-31T00:00:10Z",
                    "duration_seconds": "0.912",
                    "overdue_count": 42,
                    "processed_count": 3,
                    "created_count": 2,
                    "reopened_count": 0,
                    "closed_count": 1,
                    "error_count": 0,
                    "errors": [],
                }
            ]
        }
    )

    id: UUID
    status: ExecutionStatus
    as_of: Day
    start_time: Instant
    end_time: Instant | None
    duration_seconds: Amount | None
    overdue_count: int | None
    processed_count: int
    created_count: int
    reopened_count: int
    closed_count: int
    error_count: int
    errors: list[dict[str, Any]]


class RunNow(Body):
    """By which day a run judges."""

    as_of: Annotated[
        Day | None,
        Field(
            description="An earlier day; without one, today in the organization's time zone", examples=["2026-03-31"]
        ),
    ] = None


@router.get("/overdue/notifications", role=Role.VIEWER)
def list_overdue_notifications(
    caller: Caller,
    page: PageQuery,
    status: Annotated[list[NotificationStatus] | None, Query(description="Only with one of these statuses")] = None,
) -> Page[Notification]:
    """List notifications, the newest first."""
    with caller.enter() as at:
        rows = list_notifications(at.connection, statuses=status, after=page.after_id, limit=page.one_more)
    return page.of(rows, key=lambda row: row.id)


@router.get("/overdue/notifications/{notification_id}", role=Role.VIEWER)
def get_overdue_notification(
    caller: Caller, notification_id: Annotated[UUID, Path(description="Its id", examples=[NOTIFICATION])]
) -> Notification:
    """Get a notification."""
    with caller.enter() as at:
        return Notification.model_validate(find_notification(at.connection, str(notification_id)))


@router.get("/overdue/runs", role=Role.VIEWER)
def list_overdue_runs(
    caller: Caller,
    page: PageQuery,
    status: Annotated[list[ExecutionStatus] | None, Query(description="Only with one of these outcomes")] = None,
) -> Page[Run]:
    """List the runs that looked for overdue invoices, the newest first."""
    with caller.enter() as at:
        rows = list_executions(at.connection, statuses=status, after=page.after_id, limit=page.one_more)
    return page.of(rows, key=lambda row: row.id)


@router.get("/overdue/runs/{run_id}", role=Role.VIEWER)
def get_overdue_run(caller: Caller, run_id: Annotated[UUID, Path(description="Its id", examples=[RUN])]) -> Run:
    """Get a run."""
    with caller.enter() as at:
        return Run.model_validate(find_execution(at.connection, str(run_id)))


@router.post("/overdue/runs", role=Role.ACCOUNTANT, area="billing", status_code=202)
def look_for_overdue_now(caller: Caller, body: RunNow) -> JobAccepted:
    """Ask for a run that looks for overdue invoices now, as a batch operation; its item tells the id of the run."""

    def effect(at: At) -> JobAccepted:
        job_id = ask_for_run(at.connection, as_of=body.as_of, created_by=at.entry.actor)
        return job_accepted(at, job_id, _SECONDS_PER_RUN)

    return caller.once(body, effect)
