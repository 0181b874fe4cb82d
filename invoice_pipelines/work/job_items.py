"""How one job is looked at from near: its items in pages, and what people and runs did to it. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.work.values import ItemStatus


@dataclass(frozen=True, slots=True)
class JobItem:
    """An item of a job as it stands. `message` says why it failed, waits for its next attempt, or was skipped."""

    id: UUID
    subject_id: str
    status: ItemStatus
    attempts: int
    available_at: datetime
    code: str | None
    message: str | None
    result: Mapping[str, Any] | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One page of the items of a job. `next_page` goes into `job_items(after=...)`; None on the last one."""

    items: tuple[JobItem, ...]
    next_page: UUID | None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """What was done to a job, by whom and when: `created`, `cancelled`, `retried` or `repaired`; `detail` says to how
    many items.
    """

    action: str
    detail: Mapping[str, Any]
    created_by: str
    created_at: datetime


def job_items(
    connection: Connection,
    job_id: UUID,
    *,
    status: ItemStatus | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> ItemPage:
    """Items of a job of the organization in scope, in the order of the request; of a job that is unknown, none."""
    # `offset 0`: by an index that has the job in it. The primary key is in the wanted order, and would be read from the
    # first item of the organization on (demanded by test_a_page_of_a_job_is_read_without_the_items_of_others).
    rows = connection.execute(
        text(
            f"""select i.id, i.subject_id, i.status, i.attempts, i.available_at, i.error_code, i.error_message,
                       i.result, i.finished_at
                from (select * from work.batch_item
                      where organization_id = organizations.current() and job_id = :job_id
                        {"" if status is None else "and status = :status"} offset 0) i
                {"" if after is None else "where i.id > :after"}
                order by i.id limit :one_more"""
        ),
        {
            "job_id": job_id,
            "one_more": limit + 1,
            **({} if status is None else {"status": str(status)}),
            **({} if after is None else {"after": after}),
        },
    ).all()
    items = tuple(
        JobItem(
            row.id,
            row.subject_id,
            ItemStatus(row.status),
            row.attempts,
            row.available_at,
            row.error_code,
            row.error_message,
            row.result,
            row.finished_at,
        )
        for row in rows[:limit]
    )
    return ItemPage(items, items[-1].id if len(rows) > limit else None)


def job_events(connection: Connection, job_id: UUID) -> tuple[JobEvent, ...]:
    """What was done to a job of the organization in scope, the first first."""
    rows = connection.execute(
        text(
            """select action, detail, created_by, created_at from work.batch_job_event
               where organization_id = organizations.current() and job_id = :job_id
               order by id"""
        ),
        {"job_id": job_id},
    )
    return tuple(JobEvent(*row) for row in rows)
