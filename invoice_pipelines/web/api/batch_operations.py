"""Batch operations: work that was asked for in bulk, and how far it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import ConfigDict, Field

from invoice_pipelines.accounts.roles import ANY_AREA, Role
from invoice_pipelines.billing.requests import retry_with_date
from invoice_pipelines.delivery.documents.bundles import are_bundles_waiting, bundle_chunks, find_bundles
from invoice_pipelines.web.api.attachments import PDF, ZIP, answers_with, attachment
from invoice_pipelines.web.api.batch_areas import require_area
from invoice_pipelines.web.api.batch_requests import job_url
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.problems import Refusal
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Body, Day, Instant, JobAccepted, Text
from invoice_pipelines.work import (
    ItemStatus,
    JobStatus,
    cancel_job,
    get_job,
    history,
    job_events,
    job_items,
    retry_failed,
    statistics,
)

router = OrganizationRouter(tags=["batch operations"])

JobId = Annotated[UUID, Path(description="Id of the batch operation")]
FileKind = Literal["combined_pdf", "zip"]


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


class BatchStatistics(Answer):
    """Batch operations and items of one kind. `success_rate` is percent of those processed; days are those of UTC."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "invoice_orders",
                    "total_jobs": 12,
                    "pending_jobs": 0,
                    "processing_jobs": 1,
                    "completed_jobs": 10,
                    "completed_with_errors_jobs": 1,
                    "failed_jobs": 0,
                    "cancelled_jobs": 0,
                    "total_items": 6000,
                    "processed_items": 5600,
                    "successful_items": 5590,
                    "failed_items": 10,
                    "skipped_items": 0,
                    "success_rate": "99.82",
                    "average_duration_seconds": "8.412",
                    "waiting_items": 400,
                    "leased_items": 0,
                    "oldest_waiting_at": "2026-03-31T12:00:00Z",
                    "jobs_created_today": 2,
                    "jobs_ended_today": 1,
                    "successful_items_today": 500,
                    "failed_items_today": 0,
                    "skipped_items_today": 0,
                    "average_duration_seconds_today": "7.902",
                }
            ]
        }
    )

    kind: str = Field(validation_alias="job_type")
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
    success_rate: Amount | None
    average_duration_seconds: Amount | None
    waiting_items: int
    leased_items: int
    oldest_waiting_at: Instant | None
    jobs_created_today: int
    jobs_ended_today: int
    successful_items_today: int
    failed_items_today: int
    skipped_items_today: int
    average_duration_seconds_today: Amount | None


class Statistics(Answer):
    """All kinds of batch operations that the organization ever had."""

    kinds: list[BatchStatistics]


class BatchEvent(Answer):
    """What was done to a batch operation: created, cancelled, retried, repaired or changed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "retried",
                    "detail": {"items": 2},
                    "created_by": "anna@example.com",
                    "created_at": "2026-03-31T12:05:00Z",
                }
            ]
        }
    )

    action: str
    detail: dict[str, Any]
    created_by: str
    created_at: Instant


class History(Answer):
    """What was done to a batch operation, the first first."""

    events: list[BatchEvent]


class BatchFile(Answer):
    """All documents of a batch operation as one file, and where it is downloaded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "combined_pdf",
                    "file_name": "invoices_2026-03-31_4c1d2e.pdf",
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "size_bytes": 1843200,
                    "documents": 500,
                    "pages": 512,
                    "url": "/api/v1/organizations/acme/batch-operations/0199a1b2-0000-7000-8000-000000000001"
                    "/files/combined_pdf",
                }
            ]
        }
    )

    kind: FileKind
    file_name: str
    sha256: str
    size_bytes: int
    documents: int
    pages: int | None
    url: str


class BatchFiles(Answer):
    """The files of a batch operation. `is_waiting`: some are still being made."""

    is_waiting: Annotated[bool, Field(examples=[False])]
    files: list[BatchFile]


class Retry(Body):
    """What is different this time: another issue date for what a job of invoices still issues, or `today`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"invoice_date": "2026-03-31"}]})

    invoice_date: Day | Literal["today"] | None = None


@router.get("/batch-operations", role=Role.VIEWER)
def list_batch_operations(
    caller: Caller,
    page: PageQuery,
    kind: Annotated[
        str | None, Query(description="Only of this kind", max_length=60, examples=["invoice_orders"])
    ] = None,
    status: Annotated[list[JobStatus] | None, Query(description="Only in one of these statuses")] = None,
    created_by: Annotated[Text | None, Query(description="Only those that this one asked for")] = None,
    created_from: Annotated[Instant | None, Query(description="Asked for at this moment or later")] = None,
    created_until: Annotated[Instant | None, Query(description="Asked for before this moment")] = None,
) -> Page[BatchOperation]:
    """List batch operations, the newest first."""
    with caller.enter() as at:
        found = history(
            at.connection,
            kind=kind,
            statuses=status,
            created_by=created_by,
            created_from=created_from,
            created_until=created_until,
            before=page.after_id,
            limit=page.one_more,
        )
    return page.of(found.jobs, key=lambda job: job.id)


@router.get("/batch-operations/statistics", role=Role.VIEWER)
def get_batch_statistics(caller: Caller) -> Statistics:
    """Get figures of all batch operations by kind."""
    with caller.enter() as at:
        return Statistics(kinds=[BatchStatistics.model_validate(kind) for kind in statistics(at.connection)])


@router.get("/batch-operations/{job_id}", role=Role.VIEWER, is_polled=True)
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


@router.get("/batch-operations/{job_id}/history", role=Role.VIEWER)
def get_batch_history(caller: Caller, job_id: JobId) -> History:
    """Get what was done to a batch operation, by whom and when."""
    with caller.enter() as at:
        get_job(at.connection, job_id)
        return History(events=[BatchEvent.model_validate(event) for event in job_events(at.connection, job_id)])


@router.get("/batch-operations/{job_id}/files", role=Role.VIEWER)
def list_batch_files(caller: Caller, job_id: JobId) -> BatchFiles:
    """List the combined PDF and the ZIP of a batch operation that made documents."""
    with caller.enter() as at:
        get_job(at.connection, job_id)
        files = [
            BatchFile.model_validate({**asdict(bundle), "url": f"{job_url(at, job_id)}/files/{bundle.kind}"})
            for bundle in find_bundles(at.connection, job_id)
        ]
        return BatchFiles(is_waiting=are_bundles_waiting(at.connection, job_id), files=files)


@router.get(
    "/batch-operations/{job_id}/files/{kind}",
    role=Role.VIEWER,
    response_class=Response,
    responses=answers_with(PDF, ZIP),
)
def download_batch_file(
    caller: Caller, job_id: JobId, kind: Annotated[FileKind, Path(description="Which of its files")]
) -> Response:
    """Download the combined PDF or the ZIP of a batch operation."""
    with caller.enter() as at:
        get_job(at.connection, job_id)
        bundle = next((each for each in find_bundles(at.connection, job_id) if each.kind == kind), None)
        if bundle is None and are_bundles_waiting(at.connection, job_id):
            raise Refusal(
                409, "FILE_NOT_READY", "The file is still to be made. Try again soon.", headers={"Retry-After": "2"}
            )
        if bundle is None:
            raise Refusal(404, "FILE_NOT_FOUND", f"The batch operation has no {kind}.")
        chunks = bundle_chunks(at.organization, bundle)
    return attachment(chunks, bundle.file_name, ZIP if kind == "zip" else PDF)


@router.post("/batch-operations/{job_id}/cancel", role=Role.ACCOUNTANT, area=ANY_AREA)
def cancel_batch_operation(caller: Caller, job_id: JobId) -> BatchOperation:
    """Cancel a batch operation. What is done stays done, what is in work is finished.

    A token needs the scope of what the operation does, as for asking for it.
    """

    def cancel(at: At) -> BatchOperation:
        require_area(at, get_job(at.connection, job_id))
        if not cancel_job(at.connection, job_id, cancelled_by=at.entry.actor):
            job = get_job(at.connection, job_id)
            raise Refusal(409, "JOB_HAS_ENDED", f"The batch operation has ended before: it is {job.status}.")
        return BatchOperation.model_validate(get_job(at.connection, job_id))

    return caller.once(None, cancel)


@router.post("/batch-operations/{job_id}/retry", role=Role.ACCOUNTANT, area=ANY_AREA, status_code=202)
def retry_batch_operation(
    caller: Caller,
    job_id: JobId,
    body: Retry | None = None,
) -> JobAccepted:
    """Try the failed items of a batch operation again, and only those.

    `total` is how many they are. `invoice_date` helps where a date is now earlier than the last one of its series. A
    token needs the scope of what the operation does, as for asking for it.
    """

    def retry(at: At) -> JobAccepted:
        require_area(at, get_job(at.connection, job_id))
        date = body.invoice_date if body else None
        if date is None:
            items = retry_failed(at.connection, job_id, requested_by=at.entry.actor)
        else:
            day = None if date == "today" else date
            items = retry_with_date(at.connection, job_id, requested_by=at.entry.actor, invoice_date=day)
        return JobAccepted(job_id=str(job_id), total=items, estimated_duration_seconds=None, url=job_url(at, job_id))

    return caller.once(body, retry)
