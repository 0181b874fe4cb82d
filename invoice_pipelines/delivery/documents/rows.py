"""The documents that are kept: their rows, and their files by sha256. They are made in `making`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text
from upath import UPath

from invoice_pipelines.database.filters import narrowed, planned_by_order
from invoice_pipelines.delivery.values import DeliveryError, DocumentFormat
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import StorageError, read_blob, root_path

Key = tuple[UUID, DocumentFormat, str]
"""Invoice, format, language."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document whose file is stored and whose row is to be written."""

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
    input_sha256: str
    template_sha256: str | None
    engine: str
    batch_job_id: UUID | None

    @property
    def key(self) -> Key:
        """Documents with the same one are versions of one another."""
        return self.invoice_id, self.format, self.language


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(NewDocument):
    """A document of an issued invoice as it was made once; see delivery.invoice_document for its columns."""

    id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ChangedDocument:
    """A document whose file is not what it was when it was made, or is missing."""

    document: Document
    reason: str


_NEW_COLUMNS = tuple(field.name for field in fields(NewDocument))
_COLUMNS = ", ".join(f"d.{field.name}" for field in fields(Document))

_NEWEST = f"""
    select distinct on (d.invoice_id, d.format, d.language) {_COLUMNS} from delivery.invoice_document d
    where d.organization_id = (select organizations.current()) and d.invoice_id = any(cast(:ids as uuid[]))
    order by d.invoice_id, d.format, d.language, d.version desc
"""
_ADD = f"""
    insert into delivery.invoice_document as d (organization_id, {", ".join(_NEW_COLUMNS)})
    select organizations.current(), r.*
    from jsonb_to_recordset(cast(:rows as jsonb)) as r (
        invoice_id uuid, invoice_number text, format text, language text, version integer, file_name text, sha256 text,
        size_bytes bigint, pages integer, missing_glyphs text, plain_reason text, input_sha256 text,
        template_sha256 text, engine text, batch_job_id uuid)
    order by r.invoice_id, r.format, r.language  -- one order for all: two over the same invoices wait, never deadlock
    on conflict (invoice_id, format, language, version, organization_id) do nothing
    returning {_COLUMNS}
"""


def newest_documents(connection: Connection, invoice_ids: Iterable[UUID]) -> dict[Key, Document]:
    """The newest version of each document of these invoices, in one statement however many."""
    rows = connection.execute(text(_NEWEST), {"ids": list(dict.fromkeys(invoice_ids))})
    return {document.key: document for document in map(_document, rows)}


def newest_document(
    connection: Connection, invoice_id: UUID, format: DocumentFormat, language: str | None = None
) -> Document | None:
    """The newest version of a document of an invoice; without a language, of the one that was made last."""
    found = newest_documents(connection, [invoice_id]).values()
    fitting = (each for each in found if each.format is format and language in (None, each.language))
    return max(fitting, key=lambda document: document.id, default=None)


def document_by_id(connection: Connection, document_id: UUID) -> Document:
    """A document. Raises DeliveryError."""
    query = f"""select {_COLUMNS} from delivery.invoice_document d
                where d.organization_id = (select organizations.current()) and d.id = :id"""
    row = connection.execute(text(query), {"id": document_id}).one_or_none()
    if row is None:
        raise DeliveryError(f"This organization has no document {document_id}.", code="DOCUMENT_NOT_FOUND")
    return _document(row)


def list_documents(
    connection: Connection,
    *,
    invoice_id: UUID | None = None,
    format: DocumentFormat | None = None,
    job_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Document]:
    """Documents of the organization in scope, all versions, the newest first; of one invoice, format or batch job.
    `before` is the last one of the page before.
    """
    conditions, values = narrowed(
        {
            "format": ("d.format = :format", format and format.value),
            "job_id": ("d.batch_job_id = :job_id", job_id),
            "before": ("d.id < :before", before),
        }
    )
    source = """(select * from delivery.invoice_document d
                 where d.organization_id = (select organizations.current())
                   and d.invoice_id between :invoice_id and :invoice_id
                 order by d.invoice_id)"""
    with nullcontext() if invoice_id is None else planned_by_order(connection):
        rows = connection.execute(
            text(
                f"""select {_COLUMNS} from {"delivery.invoice_document" if invoice_id is None else source} d
                    where d.organization_id = (select organizations.current()) and d.version > 0 {conditions}
                    order by d.id desc limit :limit"""
            ),
            {"limit": limit, "invoice_id": invoice_id, **values},
        ).all()
    return [_document(row) for row in rows]


def add_documents(connection: Connection, documents: Sequence[NewDocument]) -> dict[Key, Document]:
    """Writes rows of documents whose files are stored; returns those that nobody else made in the meantime."""
    if not documents:
        return {}
    rows = json.dumps([asdict(document) for document in documents], default=str)
    added = connection.execute(text(_ADD), {"rows": rows})
    return {document.key: document for document in map(_document, added)}


def document_bytes(context: OrganizationContext, document: NewDocument) -> bytes:
    """The file of a document, with its sha256 checked. Raises DeliveryError where it is missing or damaged."""
    return stored_bytes(root_path(context.settings.documents_root), context.id, document)


def stored_bytes(root: UPath, organization_id: UUID, document: NewDocument) -> bytes:
    """As document_bytes, for whoever reads many."""
    try:
        return read_blob(root, organization_id, document.sha256, document.size_bytes)
    except StorageError as error:
        raise DeliveryError(
            f"The file of {document.invoice_number} ({document.file_name}, version {document.version}) is missing, "
            f"damaged or cannot be read: restore {document.sha256} from a backup, or make it again as a new version.",
            code="DOCUMENT_DAMAGED",
            hint="`batch documents --renew` makes new versions",
        ) from error


def damage(root: UPath, organization_id: UUID, document: Document) -> str | None:
    """What is wrong with the file of a document; None: it is there and as it was."""
    try:
        stored_bytes(root, organization_id, document)
    except DeliveryError as error:
        return str(error)
    return None


def changed_documents(connection: Connection, context: OrganizationContext, *, limit: int) -> list[ChangedDocument]:
    """Which of the `limit` newest documents are not as they were."""
    root = root_path(context.settings.documents_root)
    rows = connection.execute(
        text(
            f"""select {_COLUMNS} from delivery.invoice_document d
                where d.organization_id = (select organizations.current()) and d.version > 0
                order by d.id desc limit :limit"""
        ),
        {"limit": limit},
    )
    looked_at = ((document, damage(root, context.id, document)) for document in map(_document, rows))
    return [ChangedDocument(document, reason) for document, reason in looked_at if reason is not None]


def _document(row: Row[Any]) -> Document:
    return Document(**{**row._mapping, "format": DocumentFormat(row.format)})
