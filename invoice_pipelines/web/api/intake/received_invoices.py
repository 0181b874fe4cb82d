"""Received invoices: what was read, where it stands, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake import lists
from invoice_pipelines.intake.operations import STUCK_AFTER, intake_statistics, logged_errors, stuck_invoices
from invoice_pipelines.intake.received_invoices import retry_invoices
from invoice_pipelines.intake.review.show import show_document
from invoice_pipelines.intake.states import Status
from invoice_pipelines.storage import blob_path, root_path, verified_chunks
from invoice_pipelines.web.api.attachments import ATTACHMENT, attachment
from invoice_pipelines.web.api.intake.values import (
    DOCUMENT_EXAMPLE,
    INVOICE_EXAMPLE,
    Reading,
    ReceivedInvoice,
    reading_of,
)
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Day, Instant, Text

router = OrganizationRouter(tags=["received invoices"])

InvoiceId = Annotated[UUID, Path(description="Id of the received invoice")]


class Line(Answer):
    """A line as it was read."""

    line_number: int
    description: str | None
    quantity: Amount | None
    unit: str | None
    unit_price: Amount | None
    net_amount: Amount | None
    tax_category: str | None
    tax_rate: Amount | None


class StatusChange(Answer):
    """A change of the status, with the processing version that it led to."""

    processing_version: int
    from_status: str | None
    to_status: str
    changed_at: Instant
    changed_by: str


class FailedAttempt(Answer):
    """An attempt of a stage that failed; `will_be_retried` says that it did not fail the invoice."""

    stage: str
    attempt: int
    will_be_retried: bool
    code: str
    violation_class: str | None
    message: str
    created_at: Instant


class ReceivedInvoiceInFull(ReceivedInvoice, Reading):
    """A received invoice with all that was read, and its history. The ETag is what a decision refers to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                INVOICE_EXAMPLE
                | DOCUMENT_EXAMPLE
                | {
                    "lines": [
                        {
                            "line_number": 1,
                            "description": "Dachstuhl gerichtet",
                            "quantity": "1",
                            "unit": "C62",
                            "unit_price": "1000.00",
                            "net_amount": "1000.00",
                            "tax_category": "S",
                            "tax_rate": "19",
                        }
                    ],
                    "status_changes": [
                        {
                            "processing_version": 2,
                            "from_status": "UPLOADED",
                            "to_status": "PARSED",
                            "changed_at": "2026-03-31T12:00:04Z",
                            "changed_by": "run 6f1c",
                        }
                    ],
                    "failed_attempts": [],
                }
            ]
        }
    )

    lines: list[Line]
    status_changes: list[StatusChange]
    failed_attempts: list[FailedAttempt]


class StageTime(Answer):
    """How long a stage took the invoices of the last 30 days, with all that they waited for."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)

    stage: str
    invoices: int
    mean_seconds: float
    median_seconds: float


class Failures(Answer):
    """Why invoices failed: the code, one of the messages, and how many."""

    code: str
    message: str
    invoices: int


class Statistics(Answer):
    """How the intake goes. Rates are shares of the finished ones (EXPORTED or FAILED), shares are those of all."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "total": 1200,
                    "byStatus": {
                        "UPLOADED": 3,
                        "CREATED": 0,
                        "PARSED": 17,
                        "VALIDATED": 20,
                        "EXPORTED": 1150,
                        "FAILED": 10,
                    },
                    "successRate": 0.9914,
                    "failureRate": 0.0086,
                    "successShare": 0.9583,
                    "failureShare": 0.0083,
                    "stageTimes": [{"stage": "parse", "invoices": 310, "meanSeconds": 4.2, "medianSeconds": 2.9}],
                    "failures": [{"code": "PDF_ENCRYPTED", "message": "The PDF is encrypted.", "invoices": 4}],
                }
            ]
        },
    )

    total: int
    by_status: dict[Status, int]
    success_rate: float | None
    failure_rate: float | None
    success_share: float | None
    failure_share: float | None
    stage_times: list[StageTime]
    failures: list[Failures]


class Stuck(Answer):
    """A received invoice that nothing went on with, and what it waits for."""

    id: UUID
    file_name: str
    status: Status
    unchanged_since: Instant
    waits_for: str


class StuckInvoices(Answer):
    """How many are stuck, and the first of them, those that wait longest."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "total": 1,
                    "items": [
                        {
                            "id": "0199a1b2-0000-7000-8000-000000000012",
                            "file_name": "rechnung-4711.pdf",
                            "status": "UPLOADED",
                            "unchanged_since": "2026-03-31T12:00:00Z",
                            "waits_for": "a run of this organization",
                        }
                    ],
                }
            ]
        }
    )

    total: int
    items: list[Stuck]


class Retried(Answer):
    """An invoice that is read again. `url` is where it stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000012",
                    "status": "CREATED",
                    "url": "/api/v1/organizations/acme/received-invoices/0199a1b2-0000-7000-8000-000000000012",
                }
            ]
        }
    )

    id: UUID
    status: Status
    url: str


@router.get("/received-invoices", role=Role.VIEWER)
def list_received_invoices(
    caller: Caller,
    page: PageQuery,
    status: Annotated[list[Status] | None, Query(description="Only in one of these statuses")] = None,
    in_review: Annotated[bool | None, Query(description="Only those that wait, or do not wait, for a person")] = None,
    seller: Annotated[Text | None, Query(max_length=200, description="Part of the seller's name")] = None,
    number: Annotated[
        Text | None, Query(max_length=200, description="The invoice number, whatever its case and blanks")
    ] = None,
    issued_from: Annotated[Day | None, Query(description="Issued on this day or later")] = None,
    issued_until: Annotated[Day | None, Query(description="Issued on this day or earlier")] = None,
    gross_from: Annotated[Amount | None, Query(description="A total with VAT of this or more")] = None,
    gross_until: Annotated[Amount | None, Query(description="A total with VAT of this or less")] = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="Only in this currency")] = None,
    text: Annotated[
        Text | None, Query(max_length=200, description="Part of a name, number, reference, IBAN or the file's name")
    ] = None,
) -> Page[ReceivedInvoice]:
    """List received invoices, the newest first."""
    sought = lists.Sought(
        statuses=status or (),
        in_review=in_review,
        seller=seller,
        number=number,
        issued_from=issued_from,
        issued_until=issued_until,
        gross_from=gross_from,
        gross_until=gross_until,
        currency=currency,
        words=text,
    )
    with caller.enter() as at:
        found = lists.list_received(at.connection, sought, after=page.after_id, limit=page.one_more)
    return page.of(found, key=lambda invoice: invoice.id)


@router.get("/received-invoices/statistics", role=Role.VIEWER)
def get_received_invoice_statistics(caller: Caller) -> Statistics:
    """Get how the intake goes: statuses, rates, the time of each stage, and why invoices failed."""
    with caller.enter() as at:
        found = intake_statistics(at.connection)
    counts: dict[str, Any] = {name: getattr(found.invoices, name) for name in found.invoices.__slots__}
    return Statistics.model_validate(counts | {"stage_times": found.stage_times, "failures": found.failures})


@router.get("/received-invoices/stuck", role=Role.VIEWER)
def list_stuck_received_invoices(
    caller: Caller,
    minutes: Annotated[
        float, Query(ge=0, le=100_000, description="Unchanged for longer than this")
    ] = STUCK_AFTER.total_seconds() / 60,
    limit: Annotated[int, Query(ge=1, le=200, description="Most items of the answer")] = 50,
) -> StuckInvoices:
    """List invoices that make no progress, the longest waiting first."""
    with caller.enter() as at:
        total, found = stuck_invoices(at.connection, timedelta(minutes=minutes), limit)
        return StuckInvoices.model_validate({"total": total, "items": found})


@router.get("/received-invoices/{invoice_id}", role=Role.VIEWER)
def get_received_invoice(caller: Caller, invoice_id: InvoiceId) -> ReceivedInvoiceInFull:
    """Get a received invoice: its values with source, confidence and place, reasons, decisions and history."""
    with caller.enter() as at:
        invoice = lists.get_received(at.connection, invoice_id)
        document = show_document(at.connection, invoice_id)
        caller.tag(document.seen)
        return ReceivedInvoiceInFull.model_validate(
            {name: getattr(invoice, name) for name in invoice.__slots__}
            | reading_of(document)
            | {
                "lines": lists.lines_of_received(at.connection, invoice_id),
                "status_changes": lists.status_changes(at.connection, invoice_id),
                "failed_attempts": logged_errors(at.connection, invoice_ids=[invoice_id]),
            }
        )


@router.get("/received-invoices/{invoice_id}/original", role=Role.VIEWER, response_class=Response, responses=ATTACHMENT)
def get_received_original(caller: Caller, invoice_id: InvoiceId) -> Response:
    """Get the file that a received invoice is read from, to be saved."""
    with caller.enter() as at:
        upload = lists.get_upload(at.connection, lists.get_received(at.connection, invoice_id).upload_id)
        path = blob_path(root_path(at.organization.settings.originals_root), at.entry.organization_id, upload.sha256)
    return attachment(verified_chunks(path, upload.sha256), upload.file_name)


@router.post("/received-invoices/{invoice_id}/retry", role=Role.ACCOUNTANT, area="intake", status_code=202)
def retry_received_invoice(caller: Caller, invoice_id: InvoiceId) -> Retried:
    """Have a failed invoice read again. One that did not fail is refused with its status (409)."""

    def retry(at: At) -> Retried:
        retry_invoices(at.connection, [invoice_id])
        return Retried(id=invoice_id, status=Status.CREATED, url=at.url("received-invoices", invoice_id))

    return caller.once(None, retry)
