"""What is done to jobs as a whole: asked for, cancelled, retried, cleaned up; and the continuous queue's entry.

Reading jobs is in `history`. The rules are in `jobs.sql` and `operators.sql`; each function runs in the transaction
of its connection, which must come from `organization_scope`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.errors import InvoicePipelinesError


class JobNotFound(InvoicePipelinesError):
    """The organization in scope has no such batch job."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"There is no batch job {job_id} in this organization.")


class JobCancelled(InvoicePipelinesError):
    """The batch job was cancelled and stays so; create a new job for what is left."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"Batch job {job_id} was cancelled: create a new job for what is left of it.")


@dataclass(frozen=True, slots=True)
class StuckWork:
    """What a clean-up found. Items: back in the queue, failed with WORKER_DIED or STUCK, cancelled with their job.
    Jobs: closed because nothing was left to do, set back to pending because nobody worked on them, and ended because
    that had not helped three times.
    """

    returned_items: int
    failed_items: int
    cancelled_items: int
    closed_jobs: int
    reopened_jobs: int
    ended_jobs: int


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The answer to a request: the batch job, how many items it has (a subject that was given twice is one), and how
    long it will take once it starts.
    """

    job_id: UUID
    total: int
    estimated_seconds: float


def ask(
    connection: Connection,
    kind: str,
    subject_ids: Iterable[UUID | str],
    parameters: Mapping[str, Any] | None = None,
    *,
    created_by: str,
    seconds_per_item: float,
) -> BatchAnswer:
    """As create_job, with the answer that whoever asked gets at once."""
    job_id = create_job(connection, kind, subject_ids, parameters, created_by=created_by)
    return answer_of(connection, job_id, seconds_per_item=seconds_per_item)


def answer_of(connection: Connection, job_id: UUID, *, seconds_per_item: float) -> BatchAnswer:
    """The answer to the request that has just become a job. `seconds_per_item` is how long an item takes as long as the
    organization has had no such job.
    """
    row = connection.execute(
        text(
            """select j.total_items, work.estimate_seconds(j.kind, j.total_items,
                                                           j.total_items * cast(:each as numeric)) as seconds
               from work.batch_job j where j.organization_id = organizations.current() and j.id = :id"""
        ),
        {"id": job_id, "each": seconds_per_item},
    ).one()
    return BatchAnswer(job_id, row.total_items, float(row.seconds))


def create_job(
    connection: Connection,
    kind: str,
    subject_ids: Iterable[UUID | str],
    parameters: Mapping[str, Any] | None = None,
    *,
    created_by: str,
) -> UUID:
    """Asks for a piece of work over many subjects, in their order; returns the id of the batch job.

    A subject that is given twice is one item. A job without subjects is completed at once. `kind` is a word like
    `invoice_orders`; `parameters` are stored as JSON and given to the handler with each chunk.
    """
    return UUID(
        str(
            connection.execute(
                text("select work.create_job(:kind, cast(:subject_ids as text[]), cast(:parameters as jsonb), :by)"),
                {
                    "kind": kind,
                    "subject_ids": [str(subject_id) for subject_id in subject_ids],
                    "parameters": json.dumps(parameters or {}, default=str),
                    "by": created_by,
                },
            ).scalar_one()
        )
    )


def enqueue(connection: Connection, kind: str, subject_ids: Iterable[UUID | str]) -> int:
    """Puts subjects into the continuous queue of a kind; returns how many were not waiting already.

    Call it in the transaction that changes the subjects, once and late: a worker takes an entry only after that is
    committed, so it sees the change, and two transactions over the same subjects wait for one another. While an entry
    waits, further changes join it; once it is being worked on, the next one is new.
    """
    return int(
        connection.execute(
            text("select work.enqueue(:kind, cast(:subject_ids as text[]))"),
            {"kind": kind, "subject_ids": [str(subject_id) for subject_id in subject_ids]},
        ).scalar_one()
    )


def put_first(connection: Connection, kind: str, subject_ids: Iterable[UUID | str]) -> int:
    """Puts what waits in the continuous queue of a kind for these subjects before all that waits there, due or not;
    returns how many entries. What is being worked on is left alone.
    """
    return int(
        connection.execute(
            text("select work.put_first(:kind, cast(:subject_ids as text[]))"),
            {"kind": kind, "subject_ids": [str(subject_id) for subject_id in subject_ids]},
        ).scalar_one()
    )


def cancel_job(connection: Connection, job_id: UUID, *, cancelled_by: str) -> bool:
    """Cancels a job: its pending items at once; a chunk in work ends and is counted, and no other is begun.

    Returns False if the job had ended before. Raises JobNotFound.
    """
    cancelled = connection.execute(
        text("select work.cancel_job(:job_id, :by)"), {"job_id": job_id, "by": cancelled_by}
    ).scalar_one()
    if cancelled is None:
        raise JobNotFound(job_id)
    return bool(cancelled)


def retry_failed(connection: Connection, job_id: UUID, *, requested_by: str) -> int:
    """Opens the failed items of a job again, and only those, with all their attempts; returns how many.

    A job that had ended is pending again. Raises JobNotFound, or JobCancelled for a job that was cancelled.
    """
    status = connection.execute(
        text("select work.lock_job(organization_id, id) from work.batch_job where id = :id"), {"id": job_id}
    ).scalar_one_or_none()
    if status is None:
        raise JobNotFound(job_id)
    if status == "cancelled":
        raise JobCancelled(job_id)
    return int(
        connection.execute(
            text("select work.retry_failed_items(:job_id, :by)"), {"job_id": job_id, "by": requested_by}
        ).scalar_one()
    )


def cleanup_stuck(connection: Connection, stuck_after: timedelta = timedelta(minutes=30)) -> StuckWork:
    """Cleans up after dead workers in all organizations: `public.cleanup_stuck_batch_jobs`.

    Items whose lease ran out go back to the queue. Jobs without progress for `stuck_after` and without a living
    worker are closed if all is done, or else pending again; from the fourth time on without an item done in between
    they are ended, and their open items fail with STUCK. Needs no organization scope.
    """
    row = connection.execute(
        text("select * from public.cleanup_stuck_batch_jobs(:stuck_after)"), {"stuck_after": stuck_after}
    ).one()
    return StuckWork(*(int(value) for value in row))
