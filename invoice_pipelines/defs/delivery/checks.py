"""Promises about the documents of a run that PostgreSQL cannot check: files as they were made, and XML that an importer
takes. None blocks: a fault of one document must not keep the others from their receivers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection

from invoice_pipelines.delivery.overview import sample_of_invoices
from invoice_pipelines.delivery.promises import late_work
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.promises import SAMPLE, Finding, Promise

if TYPE_CHECKING:
    from invoice_pipelines.delivery.documents.rows import Document

FILES_LOOKED_AT = 20
"""Of the newest documents, whose files are read again after each run."""
JUDGED = 10
"""Documents of a run that are judged by the official rules, which takes about 10 ms for each."""


def changed_files(connection: Connection, organization: OrganizationContext, _: datetime) -> Finding:
    """The newest documents whose files are not what they were."""
    from invoice_pipelines.delivery.documents.rows import changed_documents  # loads the engine of pages

    changed = changed_documents(connection, organization, limit=FILES_LOOKED_AT)
    return Finding(len(changed), tuple(found.reason for found in changed[:SAMPLE]))


def invalid_e_invoices(connection: Connection, organization: OrganizationContext, since: datetime) -> Finding:
    """Documents made since a moment that an importer would refuse."""
    judged = _made_of(connection, sample_of_invoices(connection, since, JUDGED), since)
    wrong = _refused(organization, judged)
    return Finding(len(wrong), tuple(wrong[:SAMPLE]), figures={"judged": len(judged)})


def _made_of(connection: Connection, invoice_ids: Sequence[UUID], since: datetime) -> list[Document]:
    """The newest e-invoices of these invoices, as far as they were made since a moment."""
    from invoice_pipelines.delivery.documents.rows import newest_documents
    from invoice_pipelines.delivery.values import E_INVOICES

    found = newest_documents(connection, invoice_ids).values()
    return [document for document in found if document.created_at >= since and document.format in E_INVOICES][:JUDGED]


def _refused(organization: OrganizationContext, documents: Sequence[Document]) -> list[str]:
    """Which of these documents an importer would refuse, with the first rule that each breaks. What cannot be read
    because its file is damaged is told of by the other check.
    """
    if not documents:
        return []
    # Here, as these load the rules and their processor; loading Dagster must not wait for them.
    from invoice_pipelines.delivery.documents.rows import document_bytes
    from invoice_pipelines.delivery.values import DeliveryError
    from invoice_pipelines.einvoice import ReadingError, validate
    from invoice_pipelines.einvoice.rules.verdict import Severity
    from invoice_pipelines.intake.documents import read_document

    wrong = []
    for document in documents:
        try:
            reading = read_document(document_bytes(organization, document), document.file_name)
        except DeliveryError:
            continue
        except ReadingError as error:
            wrong.append(f"{document.file_name}: {error}")
            continue
        if reading.xml is None:
            wrong.append(f"{document.file_name}: there is no XML in it")
            continue
        if fatal := [
            violation for violation in validate(reading.xml).violations if violation.severity is Severity.FATAL
        ]:
            wrong.append(f"{document.file_name}: {fatal[0].rule}: {fatal[0].message}"[:500])
    return wrong


OF_DOCUMENTS = (
    Promise(
        "documents_match_their_files",
        f"The files of the {FILES_LOOKED_AT} newest documents are what they were when they were made (SHA-256).",
        changed_files,
    ),
    Promise(
        "documents_are_valid_e_invoices",
        f"Of what a run made, {JUDGED} documents: the XML keeps its schema and the rules of EN 16931, and of "
        "XRechnung where it says so.",
        invalid_e_invoices,
    ),
    Promise(
        "no_document_is_late",
        "No document waits for more than an hour to be made.",
        lambda connection, *_: late_work(connection, [MAKE_DOCUMENTS]),
        warns=True,
    ),
)
