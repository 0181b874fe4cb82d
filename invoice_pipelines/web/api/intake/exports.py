"""Exports of received invoices: the files, and asking for them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import ConfigDict, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake import lists
from invoice_pipelines.intake.exports.asked_exports import SECONDS_PER_INVOICE, ask_for_export, export_again
from invoice_pipelines.storage import root_path, verified_chunks
from invoice_pipelines.web.api.attachments import ATTACHMENT, attachment
from invoice_pipelines.web.api.batch_requests import job_accepted
from invoice_pipelines.web.api.intake.values import ReceivedInvoice
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.problems import not_found, wrong_field
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Body, Instant, JobAccepted

router = OrganizationRouter(tags=["exports"])

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the export", examples=[17])]


class ExportFile(Answer):
    """A file of an export; `rows` does not count headings."""

    name: str
    size_bytes: int
    sha256: str
    rows: int
    url: str


class Export(Answer):
    """An export. It has no files while it is pending."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000021",
                    "number": 17,
                    "format": "CSV",
                    "status": "completed",
                    "invoice_count": 42,
                    "files": [
                        {
                            "name": "acme_17_2026-03-31_invoices.csv",
                            "size_bytes": 9120,
                            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                            "rows": 42,
                            "url": "/api/v1/organizations/acme/exports/17/files/acme_17_2026-03-31_invoices.csv",
                        }
                    ],
                    "created_at": "2026-03-31T12:00:00Z",
                    "created_by": "run 6f1c",
                    "completed_at": "2026-03-31T12:00:02Z",
                }
            ]
        }
    )

    id: UUID
    number: int
    format: str
    status: str
    invoice_count: int
    files: list[ExportFile]
    created_at: Instant
    created_by: str
    completed_at: Instant | None


class ExportAgain(Body):
    """Exported invoices that are to be exported once more."""

    received_invoice_ids: list[UUID] = Field(
        min_length=1, max_length=1000, examples=[["0199a1b2-0000-7000-8000-000000000012"]]
    )


@router.get("/exports", role=Role.VIEWER)
def list_exports(
    caller: Caller,
    page: PageQuery,
    format: Annotated[str | None, Query(max_length=60, description="Only in this format", examples=["CSV"])] = None,
) -> Page[Export]:
    """List exports, the newest first."""
    if page.after is not None and not page.after.isdecimal():
        raise wrong_field("after", "is not a cursor of this list")
    after = None if page.after is None else int(page.after)
    with caller.enter() as at:
        found = lists.list_exports(at.connection, format=format, after=after, limit=page.one_more)
        shown = [_shown(at, export) for export in found]
    return page.of(shown, key=lambda export: str(export.number))


@router.get("/exports/{number}", role=Role.VIEWER)
def get_export(caller: Caller, number: Number) -> Export:
    """Get an export with its files."""
    with caller.enter() as at:
        return _shown(at, lists.find_export(at.connection, number))


@router.get("/exports/{number}/invoices", role=Role.VIEWER)
def list_exported_invoices(caller: Caller, page: PageQuery, number: Number) -> Page[ReceivedInvoice]:
    """List the received invoices in an export, the newest first."""
    with caller.enter() as at:
        export = lists.find_export(at.connection, number)
        found = lists.list_exported(at.connection, export.id, after=page.after_id, limit=page.one_more)
    return page.of(found, key=lambda invoice: invoice.id)


@router.get("/exports/{number}/files/{name}", role=Role.VIEWER, response_class=Response, responses=ATTACHMENT)
def get_export_file(
    caller: Caller,
    number: Number,
    name: Annotated[
        str,
        Path(max_length=500, description="Name of the file", examples=["acme_17_2026-03-31_invoices.csv"]),
    ],
) -> Response:
    """Get a file of an export, to be saved."""
    with caller.enter() as at:
        export = lists.find_export(at.connection, number)
        root = root_path(at.organization.settings.exports_root)
    for file in export.files:
        if _name(file["path"]) == name:
            return attachment(verified_chunks(root / file["path"], file["sha256"]), name)
    raise not_found()


@router.post("/exports", role=Role.ACCOUNTANT, area="intake", status_code=202)
def export_now(caller: Caller) -> JobAccepted:
    """Have everything exported now that is validated.

    An item is skipped where the bookings of an invoice are refused, with the reason. The export appears in the list.
    """

    def ask(at: At) -> JobAccepted:
        return job_accepted(at, ask_for_export(at.connection, asked_by=at.entry.actor).job_id, SECONDS_PER_INVOICE)

    return caller.once(None, ask)


@router.post("/exports/again", role=Role.ACCOUNTANT, area="intake", status_code=202)
def export_invoices_again(caller: Caller, body: ExportAgain) -> JobAccepted:
    """Have exported invoices exported once more, in a new export.

    Where one of them is not exported, nothing is asked for (409, with their statuses).
    """

    def ask(at: At) -> JobAccepted:
        asked = export_again(at.connection, body.received_invoice_ids, asked_by=at.entry.actor)
        return job_accepted(at, asked.job_id, SECONDS_PER_INVOICE)

    return caller.once(body, ask)


def _shown(at: At, export: lists.ExportRecord) -> Export:
    files = [
        {
            "name": _name(file["path"]),
            "size_bytes": file["size_bytes"],
            "sha256": file["sha256"],
            "rows": file["rows"],
            "url": at.url("exports", export.number, "files", _name(file["path"])),
        }
        for file in export.files
    ]
    return Export.model_validate({name: getattr(export, name) for name in export.__slots__} | {"files": files})


def _name(path: str) -> str:
    return path.rpartition("/")[2]
