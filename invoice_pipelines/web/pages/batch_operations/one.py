"""One batch operation: how far it is, what became of each part and why, and what can be done about it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Query, Response

from invoice_pipelines.accounts.roles import ANY_AREA, Role
from invoice_pipelines.billing.batch_items import subjects_of
from invoice_pipelines.billing.processing import KINDS as INVOICING
from invoice_pipelines.billing.requests import retry_with_date
from invoice_pipelines.delivery.documents.bundles import are_bundles_waiting, bundle_chunks, find_bundles
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS
from invoice_pipelines.web.api.attachments import PDF, ZIP, attachment
from invoice_pipelines.web.api.batch_areas import may_change, require_area
from invoice_pipelines.web.pages.batch_operations.words import Words
from invoice_pipelines.web.pages.routing import Page, PageRouter
from invoice_pipelines.web.paging import PageQuery
from invoice_pipelines.web.problems import Refusal, not_found
from invoice_pipelines.work import ItemStatus, Job, cancel_job, get_job, job_events, job_items, retry_failed

router = PageRouter()

Outcome = Literal["", "pending", "processing", "succeeded", "failed", "skipped", "cancelled"]


@router.get("/batch-operations/{job_id}", role=Role.VIEWER)
def batch_operation(page: Page, of: PageQuery, job_id: UUID, outcome: Annotated[Outcome, Query()] = "") -> Response:
    """A batch operation with its items."""
    with page.enter() as at:
        job = get_job(at.connection, job_id)
        status = ItemStatus(outcome) if outcome else None
        items = job_items(at.connection, job_id, status=status, after=of.after_id, limit=of.one_more).items
        subjects = subjects_of(at.connection, [item.id for item in items])
        events = job_events(at.connection, job_id)
        makes_files = job.kind == MAKE_DOCUMENTS
        bundles = find_bundles(at.connection, job_id) if makes_files else []
        waits_for_files = makes_files and are_bundles_waiting(at.connection, job_id)
    return page.show(
        "batch_operations/one.html",
        job=job,
        found=of.of(items, key=lambda item: item.id),
        outcome=outcome,
        outcomes=_outcomes(job),
        subjects=subjects,
        events=events,
        bundles=bundles,
        waits_for_files=waits_for_files,
        words=Words(page.language),
        may_change=may_change(at.entry, job),
        takes_date=job.kind in INVOICING,
    )


@router.get("/batch-operations/{job_id}/files/{kind}", role=Role.VIEWER, response_class=Response)
def download(page: Page, job_id: UUID, kind: str) -> Response:
    """The combined PDF or the ZIP of a batch operation."""
    with page.enter() as at:
        get_job(at.connection, job_id)
        bundle = next((each for each in find_bundles(at.connection, job_id) if each.kind == kind), None)
        if bundle is None:
            raise not_found()
        chunks = bundle_chunks(at.organization, bundle)
    return attachment(chunks, bundle.file_name, ZIP if kind == "zip" else PDF)


@router.post("/batch-operations/{job_id}/cancel", role=Role.ACCOUNTANT, area=ANY_AREA)
def cancel(page: Page, job_id: UUID) -> Response:
    """Begins nothing more of a batch operation; what is done stays."""
    with page.enter() as at:
        require_area(at, get_job(at.connection, job_id))
        if not cancel_job(at.connection, job_id, cancelled_by=at.entry.actor):
            raise Refusal(409, "JOB_HAS_ENDED", "The batch operation has ended before.")
    return page.go(page.url("batch-operations", job_id), page.gettext("Cancelled. What is done stays done."))


@router.post("/batch-operations/{job_id}/retry", role=Role.ACCOUNTANT, area=ANY_AREA)
def retry(page: Page, job_id: UUID, today: Annotated[bool, Form()] = False) -> Response:
    """Tries the failed items again; `today` dates what is still to be issued with the day of issue. Twice is as once,
    as nothing has failed any more.
    """
    with page.enter() as at:
        job = get_job(at.connection, job_id)
        require_area(at, job)
        if today and job.kind in INVOICING:
            count = retry_with_date(at.connection, job_id, requested_by=at.entry.actor, invoice_date=None)
        else:
            count = retry_failed(at.connection, job_id, requested_by=at.entry.actor)
    said = page.ngettext("%(count)s is tried again.", "%(count)s are tried again.", count) % {"count": count}
    return page.go(page.url("batch-operations", job_id), said if count else page.gettext("Nothing had failed."))


def _outcomes(job: Job) -> list[tuple[str, int, str]]:
    """The ways to narrow the items: outcome, how many there are, and the kind of the figure."""
    return [
        ("succeeded", job.successful_items, "good"),
        ("failed", job.failed_items, "bad"),
        ("skipped", job.skipped_items, ""),
        ("cancelled", job.cancelled_items, ""),
    ]
