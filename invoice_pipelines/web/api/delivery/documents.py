"""Documents of issued invoices: PDF and XML, each version as it was made once."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import ConfigDict

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.issued_invoices import find_invoice_id
from invoice_pipelines.delivery.documents.rows import NewDocument, document_by_id, document_bytes, list_documents
from invoice_pipelines.delivery.documents.single import DocumentNotMade, document_for
from invoice_pipelines.delivery.values import DocumentFormat
from invoice_pipelines.web.api.attachments import PDF, XML, answers_with, attachment
from invoice_pipelines.web.callers import Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.problems import Refusal
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Answer, Instant, Text

router = OrganizationRouter(tags=["documents"])

DocumentId = Annotated[UUID, Path(description="Id of the document")]
Format = Annotated[
    DocumentFormat,
    Query(description="zugferd: PDF with the e-invoice in it; xrechnung_cii, xrechnung_ubl: XML; plain: PDF alone"),
]


_FILE = answers_with(PDF, XML)


class DocumentOut(Answer):
    """A document of an issued invoice. The newest version counts; `plain_reason` says why it has no XML although one
    was asked for.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0199a1b2-0000-7000-8000-000000000012",
                    "invoice_id": "0199a1b2-0000-7000-8000-000000000010",
                    "invoice_number": "INV-2026-000123",
                    "format": "zugferd",
                    "language": "de",
                    "version": 1,
                    "file_name": "INV-2026-000123.pdf",
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "size_bytes": 48213,
                    "pages": 1,
                    "missing_glyphs": None,
                    "plain_reason": None,
                    "batch_job_id": None,
                    "created_at": "2026-03-31T12:00:05Z",
                }
            ]
        }
    )

    id: UUID
    invoice_id: UUID
    invoice_number: str
    format: DocumentFormat
    language: str
    version: int
    file_name: str
    sha256: str
    size_bytes: int
    pages: int | None
    missing_glyphs: str | None
    plain_reason: str | None
    batch_job_id: UUID | None
    created_at: Instant


@router.get("/documents", role=Role.VIEWER)
def list_invoice_documents(
    caller: Caller,
    page: PageQuery,
    invoice: Annotated[Text | None, Query(description="Id or number of an invoice")] = None,
    format: Annotated[DocumentFormat | None, Query(description="Only in this format")] = None,
    job: Annotated[UUID | None, Query(description="Only those that a batch operation made")] = None,
) -> Page[DocumentOut]:
    """List documents of issued invoices, all versions, the newest first."""
    with caller.enter() as at:
        rows = list_documents(
            at.connection,
            invoice_id=None if invoice is None else find_invoice_id(at.connection, invoice),
            format=format,
            job_id=job,
            before=page.after_id,
            limit=page.one_more,
        )
    return page.of(rows, key=lambda row: row.id)


@router.get("/documents/{document}", role=Role.VIEWER)
def get_document(caller: Caller, document: DocumentId) -> DocumentOut:
    """Get what is known of a document."""
    with caller.enter() as at:
        return DocumentOut.model_validate(document_by_id(at.connection, document))


@router.get("/documents/{document}/content", role=Role.VIEWER, response_class=Response, responses=_FILE)
def download_document(caller: Caller, document: DocumentId) -> Response:
    """Download a document."""
    with caller.enter() as at:
        found = document_by_id(at.connection, document)
        content = document_bytes(at.organization, found)
    return _file(content, found)


@router.get("/invoices/{invoice}/document", role=Role.VIEWER, response_class=Response, responses=_FILE)
def download_document_of_invoice(
    caller: Caller,
    invoice: Annotated[str, Path(description="Id or number of the invoice", examples=["INV-2026-000123"])],
    format: Format = DocumentFormat.ZUGFERD,
    language: Annotated[
        str | None, Query(pattern="^[a-z]{2}$", description="Code of two letters; of the invoice if left out")
    ] = None,
) -> Response:
    """Download the PDF or XML of an invoice: the newest version, made at once if there is none.

    Where no e-invoice can say its amounts, as in a currency with three decimals, it is a plain PDF.
    """
    with caller.enter() as at:
        invoice_id = find_invoice_id(at.connection, invoice)
        may_keep = at.entry.may(Role.ACCOUNTANT, "delivery")
        try:
            made, content = document_for(
                at.connection, at.organization, invoice_id, format, language, may_keep=may_keep
            )
        except DocumentNotMade as error:
            if error.retry:
                raise Refusal(503, error.code, str(error), headers={"Retry-After": "5"}) from None
            raise
    return _file(content, made)


def _file(content: bytes, document: NewDocument) -> Response:
    return attachment(iter([content]), document.file_name, PDF if document.format.is_pdf else XML)
