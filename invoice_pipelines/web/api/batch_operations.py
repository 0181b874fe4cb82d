"""Batch operations: work that was asked for in bulk, and how far it is."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.callers import Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Instant
from invoice_pipelines.work import ItemStatus, JobStatus, get_job, history, job_items

router = OrganizationRouter(tags=["batch operations"])

JobId = Annotated[UUID, Path(description="Id of the batch operation")]


class BatchOperation(Answer):
    """Where a batch operation stands. `progress` is percent of its items; the last four statuses are final."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000001",
                    "kind": "invoice_orders",
                    "status": "processing",
                    "total_items": 500,
                    "processed_items": 120,
                    "successful_items": 118,
                    "failed_items": 2,
                    "skipped_items": 0,
                    "cancelled_items": 0,
                    "progress": 24,
                    "parameters": {"due_days": 14},
                    "summary": None,
                    "last_error": None,
                    "created_by": "token shop",
                    "created_at": "2026-03-31T12:00:00Z",
                    "started_at": "2026-03-31T12:00:02Z",
                    "completed_at": None,
                    "actual_duration_seconds": None,
                    "items_per_second": 60.5,
                    "eta_seconds": 6.3,
                }
            ]
        }
    )

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
    parameters: dict[str, Any]
    summary: dict[str, Any] | None
    last_error: str | None
    created_by: str
    created_at: Instant
    started_at: Instant | None
    completed_at: Instant | None
    actual_duration_seconds: Amount | None
    items_per_second: float | None
    eta_seconds: float | None


class BatchItem(Answer):
    """An item of a batch operation. `code` and `message` say why it failed, waits for its next attempt, or was
    skipped.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000003",
                    "subject_id": "0199a1b2-0000-7000-8000-000000000004",
                    "status": "failed",
                    "attempts": 1,
                    "code": "ORDER_CANCELLED",
                    "message": "The order was cancelled.",
                    "result": None,
                    "finished_at": "2026-03-31T12:00:09Z",
                }
            ]
        }
    )

    id: UUID
    subject_id: str
    status: ItemStatus
    attempts: int
    code: str | None
    message: str | None
    result: dict[str, Any] | None
    finished_at: Instant | None


@router.get("/batch-operations", role=Role.VIEWER)
def list_batch_operations(
    caller: Caller,
    page: PageQuery,
    kind: Annotated[
        str | None, Query(description="Only of this kind", max_length=60, examples=["invoice_orders"])
    ] = None,
    status: Annotated[list[JobStatus] | None, Query(description="Only in one of these statuses")] = None,
) -> Page[BatchOperation]:
    """List batch operations, the newest first."""
    with caller.enter() as at:
        found = history(at.connection, kind=kind, statuses=status, before=page.after_id, limit=page.one_more)
    return page.of(found.jobs, key=lambda job: job.id)


@router.get("/batch-operations/{job_id}", role=Role.VIEWER)
def get_batch_operation(caller: Caller, job_id: JobId) -> BatchOperation:
    """Get a batch operation with its progress."""
    with caller.enter() as at:
        return BatchOperation.model_validate(get_job(at.connection, job_id))


@router.get("/batch-operations/{job_id}/items", role=Role.VIEWER)
def list_batch_items(
    caller: Caller,
    page: PageQuery,
    job_id: JobId,
    status: Annotated[ItemStatus | None, Query(description="Only in this status")] = None,
) -> Page[BatchItem]:
    """List the items of a batch operation, in the order in which they were asked for."""
    with caller.enter() as at:
        get_job(at.connection, job_id)
        found = job_items(at.connection, job_id, status=status, after=page.after_id, limit=page.one_more)
    return page.of(found.items, key=lambda item: item.id)
