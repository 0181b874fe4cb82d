"""Uploads: files as they arrive, and the invoices that are read from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import Path, Query, Request, Response
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake import lists
from invoice_pipelines.intake.stages.asked_uploads import SECONDS_PER_UPLOAD, ask_for_uploads
from invoice_pipelines.intake.stages.stages import MEGABYTE
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads, store_upload
from invoice_pipelines.intake.states import INTAKE_RUN, Status
from invoice_pipelines.storage import blob_path, root_path, verified_chunks
from invoice_pipelines.web.api.attachments import ATTACHMENT, attachment
from invoice_pipelines.web.api.batch_requests import job_accepted
from invoice_pipelines.web.api.intake.receiving import IncomingFile, receive_file
from invoice_pipelines.web.api.intake.values import ReceivedInvoice
from invoice_pipelines.web.callers import At, Caller, RequestCaller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Instant, JobAccepted
from invoice_pipelines.work.launching import Launcher

router = OrganizationRouter(tags=["uploads"])

UploadId = Annotated[UUID, Path(description="Id of the upload")]
COUNTED_AS_IT_COMES = 2**63
"""The frame reads nothing of the body, and so leaves its size to the upload."""

_BINARY = {"type": "string", "format": "binary"}
_TAKES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One file: as the body itself, or in a form",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": _BINARY},
                    "required": ["file"],
                    "additionalProperties": False,
                }
            },
            "application/octet-stream": {"schema": _BINARY},
            "application/pdf": {"schema": _BINARY},
            "application/xml": {"schema": _BINARY},
        },
    }
}
_EXAMPLE: dict[str, Any] = {
    "id": "0199a1b2-0000-7000-8000-000000000011",
    "file_name": "rechnung-4711.pdf",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size_bytes": 48213,
    "media_type": "application/pdf",
    "source": "api",
    "received_at": "2026-03-31T12:00:00Z",
    "created_by": "token shop",
    "received_invoice_id": "0199a1b2-0000-7000-8000-000000000012",
    "status": "UPLOADED",
    "url": "/api/v1/organizations/acme/uploads/0199a1b2-0000-7000-8000-000000000011",
}


class Upload(Answer):
    """A file as it arrived. `status` is that of the invoice that is read from it. `media_type` is what its sender says
    it is; readers go by the bytes.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: UUID
    file_name: str
    sha256: str
    size_bytes: int
    media_type: str | None
    source: str
    received_at: Instant
    created_by: str
    received_invoice_id: UUID | None
    status: Status | None
    url: str


class UploadTaken(Upload):
    """What became of a file: a new upload, or the one that has had the same bytes before."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE | {"is_new": True}]})

    is_new: bool


class UploadWithInvoice(Upload):
    """An upload with the invoice that is read from it, as far as it is read."""

    invoice: ReceivedInvoice | None


@router.post(
    "/uploads",
    role=Role.ACCOUNTANT,
    area="intake",
    status_code=201,
    max_bytes=COUNTED_AS_IT_COMES,
    openapi_extra=_TAKES,
)
async def upload_file(
    caller: Caller,
    request: Request,
    file_name: Annotated[
        str | None,
        Query(description="Name of a file that is the body itself", max_length=1000, examples=["rechnung-4711.pdf"]),
    ] = None,
) -> UploadTaken:
    """Upload a file.

    It is stored while it comes, and read soon. The same bytes again are the same upload, under whatever name; then
    `is_new` is false. A file that is too large is refused before it has come in full, and one that breaks off is not
    stored.
    """
    settings = request.app.state.settings
    organization_id = await run_sync(_organization_id, caller)

    def store(file: IncomingFile) -> StoredFile:
        return store_upload(
            root_path(settings.originals_root),
            organization_id,
            file.name,
            _unless_refused(caller, file),
            settings.upload_max_megabytes * MEGABYTE,
            expected_bytes=file.expected_bytes,
            media_type=file.media_type,
        )

    stored = await receive_file(request, store)

    launcher: Launcher = request.app.state.launcher
    begun: list[str] = []

    def record(at: At) -> UploadTaken:
        (recorded,) = record_uploads(at.connection, [stored], source="api", created_by=at.entry.actor)
        if recorded.is_new and launcher.expects(at.connection, INTAKE_RUN):
            begun.append(at.entry.slug)
        return UploadTaken.model_validate(_shown(at, recorded.upload_id) | {"is_new": recorded.is_new})

    taken = await run_sync(lambda: caller.once(_told_by(stored.sha256, stored.name), record))
    for slug in begun:
        launcher.begin_soon(slug, INTAKE_RUN)
    return taken


@router.get("/uploads", role=Role.VIEWER)
def list_uploads(caller: Caller, page: PageQuery) -> Page[Upload]:
    """List uploads, the newest first."""
    with caller.enter() as at:
        found = lists.list_uploads(at.connection, after=page.after_id, limit=page.one_more)
        shown = [Upload.model_validate(_with_url(at, upload)) for upload in found]
    return page.of(shown, key=lambda upload: upload.id)


@router.get("/uploads/{upload_id}", role=Role.VIEWER, is_polled=True)
def get_upload(caller: Caller, upload_id: UploadId) -> UploadWithInvoice:
    """Get an upload, with the invoice that is read from it."""
    with caller.enter() as at:
        shown = _shown(at, upload_id)
        invoice = shown["received_invoice_id"]
        found = None if invoice is None else lists.get_received(at.connection, invoice)
        return UploadWithInvoice.model_validate(shown | {"invoice": found})


@router.get("/uploads/{upload_id}/original", role=Role.VIEWER, response_class=Response, responses=ATTACHMENT)
def get_original(caller: Caller, upload_id: UploadId) -> Response:
    """Get a file as it arrived, to be saved."""
    with caller.enter() as at:
        upload = lists.get_upload(at.connection, upload_id)
        path = blob_path(root_path(at.organization.settings.originals_root), at.entry.organization_id, upload.sha256)
    return attachment(verified_chunks(path, upload.sha256), upload.file_name)


@router.post("/uploads/{upload_id}/process", role=Role.ACCOUNTANT, area="intake", status_code=202)
def process_upload(caller: Caller, upload_id: UploadId) -> JobAccepted:
    """Have an upload read ahead of the queue.

    One that is read already, or failed, is refused with its status (409): a failed one is retried as a received
    invoice first.
    """

    def ask(at: At) -> JobAccepted:
        job_id = ask_for_uploads(at.connection, [upload_id], asked_by=at.entry.actor)
        return job_accepted(at, job_id, SECONDS_PER_UPLOAD)

    return caller.once(None, ask)


def _unless_refused(caller: RequestCaller, file: IncomingFile) -> Iterator[bytes]:
    """What comes of a file. Where its key belongs to another one, that is known before this one is stored."""
    digest = hashlib.sha256()
    for chunk in file.chunks:
        digest.update(chunk)
        yield chunk
    caller.check_key(_told_by(digest.hexdigest(), file.name))


def _told_by(sha256: str, name: str) -> str:
    """What tells one upload from another."""
    return f"{sha256} {name}"


def _organization_id(caller: RequestCaller) -> UUID:
    with caller.enter() as at:
        return at.entry.organization_id


def _shown(at: At, upload_id: UUID) -> dict[str, Any]:
    return _with_url(at, lists.get_upload(at.connection, upload_id))


def _with_url(at: At, upload: lists.Upload) -> dict[str, Any]:
    return {name: getattr(upload, name) for name in lists.Upload.__slots__} | {"url": at.url("uploads", upload.id)}
