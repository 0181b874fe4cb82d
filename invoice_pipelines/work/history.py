"""How jobs are looked at: one job with progress and ETA, the history in pages, statistics, what is due, and how
old history is removed. Nothing here changes an open job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from invoice_pipelines.database.ids import find_id
from invoice_pipelines.database.pruning import delete_older
from invoice_pipelines.work.jobs import JobNotFound
from invoice_pipelines.work.values import JobStatus


@dataclass(frozen=True, slots=True)
class Job:
    """A batch job as it stands.

    `progress` is the percentage of items processed, 0 to 100. `items_per_second` is the rate since the job, or its
    last retry, was started; `eta_seconds` is what is left at that rate. Both are None where nothing is known yet;
    `eta_seconds` also when the job has ended. `actual_duration_seconds` is from the last start to the end.
    `waiting_since` is from when on it waits for a worker that begins it; None once one did.
    """

    id: UUID
    kind: str
    status: JobStatus
    total_items: int
    processed_items: int
    successful_items: int
    failed_items: int
    skipped_items: int
    cancelled_items: int
    progress: int
    parameters: Mapping[str, Any]
    summary: Mapping[str, Any] | None
    last_error: str | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    actual_duration_seconds: Decimal | None
    items_per_second: float | None
    eta_seconds: float | None
    waiting_since: datetime | None


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of the history, newest job first. `next_page` goes into `history(before=...)`; None on the last one."""

    jobs: tuple[Job, ...]
    next_page: UUID | None


@dataclass(frozen=True, slots=True)
class JobStatistics:
    """Jobs and items of one kind. `success_rate` is percent of the processed items; durations are seconds.

    Today is the day in UTC; its items are those of the jobs that ended on it.
    """

    job_type: str
    total_jobs: int
    pending_jobs: int
    processing_jobs: int
    completed_jobs: int
    completed_with_errors_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    total_items: int
    processed_items: int
    successful_items: int
    failed_items: int
    skipped_items: int
    success_rate: Decimal | None
    average_duration_seconds: Decimal | None
    waiting_items: int
    leased_items: int
    oldest_waiting_at: datetime | None
    jobs_created_today: int
    jobs_ended_today: int
    successful_items_today: int
    failed_items_today: int
    skipped_items_today: int
    average_duration_seconds_today: Decimal | None


@dataclass(frozen=True, slots=True)
class OrganizationWork:
    """An organization with items of a kind that can be done now."""

    organization_id: UUID
    kind: str
    due_items: int
    oldest_due_at: datetime


@dataclass(frozen=True, slots=True)
class OpenItems:
    """What is open of a kind, in all organizations together. `expired_items` are leased ones whose lease ran out;
    `oldest_due_at`: since when the first could be done.
    """

    kind: str
    waiting_items: int
    leased_items: int
    expired_items: int
    oldest_due_at: datetime | None


_JOBS = """
    select j.*, work.items_per_second(j) as items_per_second, work.eta_seconds(j) as eta_seconds,
           work.waiting_since(j) as waiting_since
    from work.batch_job j
"""


def get_job(connection: Connection, job_id: UUID) -> Job:
    """A job of the organization in scope. Raises JobNotFound."""
    row = connection.execute(text(f"{_JOBS} where j.id = :id"), {"id": job_id}).one_or_none()
    if row is None:
        raise JobNotFound(job_id)
    return _job(row)


def find_job(connection: Connection, written: str) -> UUID:
    """The id of the job whose id begins or ends with what was written. Raises UnknownId."""
    return find_id(connection, "work.batch_job", written, "a batch job", "batch list")


def history(
    connection: Connection,
    *,
    kind: str | None = None,
    statuses: Sequence[JobStatus] | None = None,
    created_by: str | None = None,
    created_from: datetime | None = None,
    created_until: datetime | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> JobPage:
    """The jobs of the organization in scope, newest first, in pages of `limit` that do not shift when jobs are added.

    `created_from` is included, `created_until` is not. `before` is the `next_page` of the page before.
    """
    filters = {
        "j.kind = :kind": kind,
        "j.status = any(cast(:statuses as text[]))": None if statuses is None else [str(s) for s in statuses],
        "j.created_by = :created_by": created_by,
        "j.created_at >= :created_from": created_from,
        "j.created_at < :created_until": created_until,
        "j.id < :before": before,
    }
    conditions = [condition for condition, value in filters.items() if value is not None]
    where = f"where {' and '.join(conditions)}" if conditions else ""
    values = {
        "kind": kind,
        "statuses": filters["j.status = any(cast(:statuses as text[]))"],
        "created_by": created_by,
        "created_from": created_from,
        "created_until": created_until,
        "before": before,
        "one_more": limit + 1,
    }
    rows = connection.execute(text(f"{_JOBS} {where} order by j.id desc limit :one_more"), values).all()
    jobs = tuple(_job(row) for row in rows[:limit])
    return JobPage(jobs, jobs[-1].id if len(rows) > limit else None)


def statistics(connection: Connection) -> tuple[JobStatistics, ...]:
    """Statistics per kind for the organization in scope; `public.get_batch_processing_stats()` is for all."""
    rows = connection.execute(text("select * from work.processing_statistics()")).all()
    return tuple(JobStatistics(*row) for row in rows)


def statistics_of_all(connection: Connection) -> tuple[JobStatistics, ...]:
    """The same for all organizations together. Needs no organization scope."""
    rows = connection.execute(text("select * from public.get_batch_processing_stats()")).all()
    return tuple(JobStatistics(*row) for row in rows)


def organizations_with_work(connection: Connection, kinds: Sequence[str]) -> tuple[OrganizationWork, ...]:
    """Where items of these kinds are due, the longest waiting first; organizations that were removed are left out.

    Counts items whose pause is over and items of dead workers whose lease ran out. Needs no organization scope.
    """
    rows = connection.execute(
        text("select * from work.organizations_with_work(cast(:kinds as text[]))"), {"kinds": list(kinds)}
    ).all()
    return tuple(OrganizationWork(*row) for row in rows)


def due_items(connection: Connection, kinds: Sequence[str]) -> dict[UUID, int]:
    """How many items of these kinds are due by organization; as `organizations_with_work`."""
    items: Counter[UUID] = Counter()
    for work in organizations_with_work(connection, kinds):
        items[work.organization_id] += work.due_items
    return dict(items)


def open_items(connection: Connection) -> tuple[OpenItems, ...]:
    """What is open of each kind that has open items. Needs no organization scope."""
    return tuple(OpenItems(*row) for row in connection.execute(text("select * from work.open_items()")))


def prune(engine: Engine, organization_id: UUID, older_than: datetime, *, batch_size: int = 10_000) -> int:
    """Deletes items that ended before `older_than` (with a time zone): of jobs that ended then, and of queues.

    Jobs stay, with their counts, and what people did to them. PostgreSQL refuses to delete items of the last 30 days:
    those stay whatever `older_than` is. Works in short transactions of at most `batch_size` items, so that it can be
    stopped and run again at any time. Returns how many items were deleted. Raises ValueError for a time without zone.
    """
    statements = (
        """delete from work.batch_item where id in (
               select i.id from work.batch_item i
               where i.job_id is null and i.finished_at < least(:older_than, now() - interval '30 days')
               order by i.finished_at limit :batch_size)""",
        """delete from work.batch_item where id in (
               select i.id from work.batch_job j join work.batch_item i using (organization_id)
               where j.completed_at < :older_than and i.job_id = j.id
                 and i.finished_at < least(:older_than, now() - interval '30 days')
               limit :batch_size)""",
    )
    return sum(
        delete_older(engine, organization_id, older_than, statement, batch_size=batch_size) for statement in statements
    )


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        status=JobStatus(row.status),
        total_items=row.total_items,
        processed_items=row.processed_items,
        successful_items=row.successful_items,
        failed_items=row.failed_items,
        skipped_items=row.skipped_items,
        cancelled_items=row.cancelled_items,
        progress=row.progress,
        parameters=row.parameters,
        summary=row.summary,
        last_error=row.last_error,
        created_by=row.created_by,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        actual_duration_seconds=row.actual_duration_seconds,
        items_per_second=row.items_per_second,
        eta_seconds=row.eta_seconds,
        waiting_since=row.waiting_since,
    )
