"""Makes one document at once, for a message that goes out or a person who waits. `making` makes many."""

from __future__ import annotations

import threading
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy import Connection

from invoice_pipelines.billing.issued_invoices import InvoiceStatus, get_issued_invoice
from invoice_pipelines.delivery.documents.chunk import language_of, new_document
from invoice_pipelines.delivery.documents.pool import PoolError, warm_pool
from invoice_pipelines.delivery.documents.rows import (
    Document,
    NewDocument,
    add_documents,
    document_bytes,
    newest_document,
    stored_bytes,
)
from invoice_pipelines.delivery.documents.writing import NotMade, Stationery, Task
from invoice_pipelines.delivery.rendering.template_files import load_bundle
from invoice_pipelines.delivery.values import DeliveryError, DocumentFormat
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import root_path

_one_at_a_time = threading.Lock()
"""Threads that send messages share one process: it takes milliseconds for a document, and 150 MB."""


class DocumentNotMade(DeliveryError):
    """A document cannot be made; `code` and `retry` as in work.Failed."""

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retry = retry


def make_one(
    connection: Connection,
    context: OrganizationContext,
    invoice_id: UUID,
    format: DocumentFormat = DocumentFormat.ZUGFERD,
    language: str | None = None,
) -> Document:
    """The newest document of an invoice, made now if there is none; a plain one where it cannot be an e-invoice.

    It is made in a process that is kept warm, as this one must not hang by a template. Raises DocumentNotMade (with the
    code STORAGE where it cannot be stored) and InvoiceNotFound.
    """
    task, made = _found_or_made(connection, context, invoice_id, format, language, context.settings.documents_root)
    if isinstance(made, Document):
        return made
    add_documents(connection, [made])
    kept = newest_document(connection, *task.key)  # ours, or that of somebody who was faster
    if kept is None:
        raise DocumentNotMade("CHANGED_MEANWHILE", f"{made.invoice_number}: it cannot be found again.", retry=True)
    return kept


def show_one(
    connection: Connection,
    context: OrganizationContext,
    invoice_id: UUID,
    format: DocumentFormat = DocumentFormat.ZUGFERD,
    language: str | None = None,
) -> tuple[NewDocument, bytes]:
    """As make_one, for somebody who may only look, with its bytes: of what is made, nothing is kept."""
    with TemporaryDirectory(prefix="invoice-pipelines-") as folder:
        _, made = _found_or_made(connection, context, invoice_id, format, language, folder)
        root = context.settings.documents_root if isinstance(made, Document) else folder
        return made, stored_bytes(root_path(root), context.id, made)


def document_for(
    connection: Connection,
    context: OrganizationContext,
    invoice_id: UUID,
    format: DocumentFormat = DocumentFormat.ZUGFERD,
    language: str | None = None,
    *,
    may_keep: bool,
) -> tuple[NewDocument, bytes]:
    """The newest document of an invoice with its bytes, for somebody who waits: made and kept or, if they may only
    look, made and not kept. Raises what make_one does.
    """
    if not may_keep:
        return show_one(connection, context, invoice_id, format, language)
    made = make_one(connection, context, invoice_id, format, language)
    return made, document_bytes(context, made)


def _found_or_made(
    connection: Connection,
    context: OrganizationContext,
    invoice_id: UUID,
    format: DocumentFormat,
    language: str | None,
    documents_root: str,
) -> tuple[Task, NewDocument]:
    invoice = get_issued_invoice(connection, invoice_id)
    stationery = Stationery.of(context.organization, load_bundle(connection), documents_root)
    task = Task.of(invoice, format, language_of(stationery)(language, invoice.language))
    existing = newest_document(connection, *task.key)
    if existing is not None:
        return task, existing
    if invoice.status is InvoiceStatus.VOID:
        raise DocumentNotMade("VOID", f"{invoice.invoice_number} is void; nothing new is made of it.")
    try:
        with _one_at_a_time, warm_pool(1) as pool:
            ((_, answer),) = pool.make(stationery, [task])
    except PoolError as error:
        raise DocumentNotMade("NO_PROCESS", str(error), retry=True) from error
    if isinstance(answer, NotMade):
        raise DocumentNotMade(answer.code, f"{invoice.invoice_number}: {answer.message}", retry=answer.retry)
    return task, new_document(task, answer, 1, None)
