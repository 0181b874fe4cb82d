"""All documents of a batch job as one file: a combined PDF with bookmarks, and a ZIP.

They are made when the job has ended (documents.sql asks for them then), in the order of the invoice numbers, from the
newest documents of its invoices. Making them again does no harm: the same documents give the same file.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, text
from upath import UPath

from invoice_pipelines.delivery.documents.requests import DocumentRequest
from invoice_pipelines.delivery.documents.rows import Document, Key, newest_documents, stored_bytes
from invoice_pipelines.delivery.rendering.combined import combine
from invoice_pipelines.delivery.values import MAKE_DOCUMENTS, DocumentFormat
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import blob_path, root_path, store_blob, verified_chunks
from invoice_pipelines.work import JobStatus, enqueue, get_job

COMBINED_PDF = "combined_pdf"
ZIP = "zip"

_SUBJECT = "job/"
_READ_BYTES = 1 << 20
_AT_ONCE = 1000
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class DocumentBundle:
    """All documents of a batch job as one file. `kind` is combined_pdf or zip; `pages` is None of a ZIP."""

    batch_job_id: UUID
    kind: str
    file_name: str
    sha256: str
    size_bytes: int
    documents: int
    pages: int | None


_COLUMNS = ", ".join(DocumentBundle.__slots__)
_ADD = f"""
    insert into delivery.document_bundle (organization_id, {_COLUMNS})
    values (organizations.current(), {", ".join(f":{name}" for name in DocumentBundle.__slots__)})
    on conflict (batch_job_id, kind, sha256, organization_id) do nothing
"""


def job_of_bundles(subject_id: str) -> UUID | None:
    """The job whose files an entry of the queue asks for; None: it asks for something else."""
    if not subject_id.startswith(_SUBJECT):
        return None
    try:
        return UUID(subject_id.removeprefix(_SUBJECT))
    except ValueError:
        return None


def ask_for_missing_bundles(connection: Connection) -> int:
    """Puts jobs into the queue that have ended and lack their files, though nobody asked for them; returns how many."""
    jobs = connection.execute(text("select * from delivery.jobs_without_bundles()")).scalars()
    subjects = [f"{_SUBJECT}{job_id}" for job_id in jobs]
    return enqueue(connection, MAKE_DOCUMENTS, subjects) if subjects else 0


def are_bundles_waiting(connection: Connection, job_id: UUID) -> bool:
    """Whether files of a job are still to be made."""
    return bool(
        connection.execute(
            text(
                """select exists (
                       select from work.items i
                       where i.organization_id = organizations.current() and i.job_id is null
                         and i.kind = :kind and i.subject_id = :subject and i.status in ('pending', 'processing'))"""
            ),
            {"kind": MAKE_DOCUMENTS, "subject": f"{_SUBJECT}{job_id}"},
        ).scalar_one()
    )


def find_bundles(connection: Connection, job_id: UUID) -> list[DocumentBundle]:
    """The newest file of each kind of a job."""
    rows = connection.execute(
        text(
            f"""select distinct on (kind) {_COLUMNS} from delivery.document_bundle
                where organization_id = organizations.current() and batch_job_id = :job_id
                order by kind, id desc"""
        ),
        {"job_id": job_id},
    )
    return [DocumentBundle(**row._mapping) for row in rows]


def bundle_chunks(context: OrganizationContext, bundle: DocumentBundle) -> Iterator[bytes]:
    """The content of a file of a job, piece by piece. Raises StorageError."""
    return verified_chunks(
        blob_path(root_path(context.settings.documents_root), context.id, bundle.sha256), bundle.sha256
    )


def make_bundles(
    connection: Connection,
    root: UPath,
    organization_id: UUID,
    job_id: UUID,
    language_of: Callable[[str | None, str], str],
    while_working: Callable[[], None],
) -> list[DocumentBundle]:
    """Makes the files that an ended job asks for and writes their rows; none where there is nothing to put in, or the
    job is open again.

    `language_of` says in which language a document is, given what the request says and what the invoice is in.
    Raises DeliveryError for a document that cannot be read, StorageError, and JobNotFound.
    """
    job = get_job(connection, job_id)
    if job.status not in (JobStatus.COMPLETED, JobStatus.COMPLETED_WITH_ERRORS):
        return []
    request = DocumentRequest.of(job.parameters)
    documents = _documents(connection, job_id, request, language_of)
    pages = [document for document in documents if document.format.is_pdf]
    stem = f"invoices_{job.created_at:%Y-%m-%d}_{str(job_id)[-6:]}"
    made: list[DocumentBundle] = []

    def parts(wanted: Sequence[Document]) -> Iterator[tuple[Document, bytes]]:
        for document in wanted:
            while_working()
            yield document, stored_bytes(root, organization_id, document)

    def keep(kind: str, name: str, documents: int, pages: int | None) -> None:
        with path.open("rb") as file:
            sha256, size = store_blob(root, organization_id, iter(lambda: file.read(_READ_BYTES), b""))
        made.append(DocumentBundle(job_id, kind, f"{stem}.{name}", sha256, size, documents, pages))

    with tempfile.TemporaryDirectory(prefix="invoice-pipelines-") as folder:
        path = Path(folder) / "bundle"
        if request.combined and pages:
            count = combine(((document.invoice_number, data) for document, data in parts(pages)), path)
            keep(COMBINED_PDF, "pdf", len(pages), count)
        if request.zip and documents:
            _write_zip(path, parts(documents))
            keep(ZIP, "zip", len(documents), None)
    for bundle in made:
        connection.execute(text(_ADD), asdict(bundle))
    return made


def _documents(
    connection: Connection,
    job_id: UUID,
    request: DocumentRequest,
    language_of: Callable[[str | None, str], str],
) -> list[Document]:
    """The newest documents of the invoices of a job, in the order of their numbers."""
    rows = connection.execute(
        text(
            """with done as materialized (  -- a cast in a join would keep row-level security from its index
                   select organization_id, cast(subject_id as uuid) as invoice_id from work.items
                   where organization_id = organizations.current() and job_id = :job_id
                     and status in ('succeeded', 'skipped')
               )
               select n.invoice_id, i.language
               from done d
               join billing.invoice_numbers n on n.organization_id = d.organization_id and n.invoice_id = d.invoice_id
               join billing.invoices i on i.organization_id = d.organization_id and i.id = d.invoice_id
               order by n.series desc, n.period, n.number"""
        ),
        {"job_id": job_id},
    ).all()
    found: list[Document] = []
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        newest = newest_documents(connection, [row.invoice_id for row in part])
        for row in part:
            language = language_of(request.language, row.language)
            made = (_newest(newest, row.invoice_id, format, language) for format in request.formats)
            found += dict.fromkeys(document for document in made if document is not None)
    return found


def _newest(newest: Mapping[Key, Document], invoice_id: UUID, format: DocumentFormat, language: str) -> Document | None:
    """The document that stands for a format: a plain one where the invoice cannot be an e-invoice."""
    plain = newest.get((invoice_id, DocumentFormat.PLAIN, language))
    if format is DocumentFormat.ZUGFERD and plain is not None and plain.plain_reason is not None:
        return plain
    return newest.get((invoice_id, format, language))


def _write_zip(path: Path, parts: Iterator[tuple[Document, bytes]]) -> None:
    names: set[str] = set()
    with zipfile.ZipFile(path, "w") as archive:
        for document, data in parts:
            name, number = document.file_name, 1
            while name in names:  # numbers that differ in signs that no file name has
                number += 1
                stem, _, suffix = document.file_name.rpartition(".")
                name = f"{stem}_{number}.{suffix}"
            names.add(name)
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)  # no time of now: the same documents give the same file
            entry.compress_type = zipfile.ZIP_STORED if document.format.is_pdf else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o640 << 16
            archive.writestr(entry, data)
