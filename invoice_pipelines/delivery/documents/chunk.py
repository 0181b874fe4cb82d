"""The way of one chunk's invoices: loaded, made by the processes, stored, written down. See `making`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID

from sqlalchemy import Connection
from upath import UPath

from invoice_pipelines.billing.issued_invoices import InvoiceStatus, IssuedInvoice, issued_invoices
from invoice_pipelines.delivery.documents.pool import TIMEOUT, DocumentPool, PoolError
from invoice_pipelines.delivery.documents.requests import DocumentRequest
from invoice_pipelines.delivery.documents.rows import (
    Document,
    Key,
    NewDocument,
    add_documents,
    damage,
    newest_documents,
)
from invoice_pipelines.delivery.documents.writing import (
    Made,
    NotMade,
    Stationery,
    Task,
    as_made_before,
    file_name,
    input_sha256,
)
from invoice_pipelines.delivery.rendering.language.catalogue import languages
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.organizations import Organization
from invoice_pipelines.work import Chunk, Failed, ItemError, Outcome, Skipped, Succeeded

_LOADED_AT_ONCE = 25
_LATE_IN_A_ROW = 3
"""After so many documents that took too long, it is the template that does not come to an end."""


@dataclass(slots=True)
class DocumentRun:
    """What the chunks of a run have in common, and the figures of what they made. `broken` holds why nothing can be
    made of a job (or the queue) with the stationery of this key.
    """

    root: UPath
    organization: Organization
    pool: DocumentPool
    figures: Counter[str] = field(default_factory=Counter)
    first: Document | None = None
    broken: dict[tuple[UUID | None, str], NotMade] = field(default_factory=dict)
    is_stopped: bool = False

    def count(self, document: Document) -> None:
        """Adds a new document to the figures; the `first` is a PDF if any is."""
        self.figures.update(
            made=1,
            size_bytes=document.size_bytes,
            pages=document.pages or 0,
            with_missing_glyphs=int(document.missing_glyphs is not None),
        )
        if self.first is None or (document.format.is_pdf and not self.first.format.is_pdf):
            self.first = document


def language_of(stationery: Stationery) -> Callable[[str | None, str], str]:
    """Says in which language a document is: what was asked for, else that of the invoice; if there is no catalogue
    for it, that of the organization.
    """
    known = languages(stationery.bundle)

    def language(asked: str | None, of_invoice: str) -> str:
        wanted = asked or of_invoice
        return wanted if wanted in known else stationery.organization.settings.language

    return language


def new_document(task: Task, made: Made, version: int, job_id: UUID | None) -> NewDocument:
    """The row of a document whose file is stored."""
    return NewDocument(
        invoice_id=task.invoice.id,
        invoice_number=task.invoice.invoice_number,
        format=task.format,
        language=task.language,
        version=version,
        file_name=file_name(task.invoice.invoice_number, task.format),
        sha256=made.sha256,
        size_bytes=made.size_bytes,
        plain_reason=task.plain_reason,
        batch_job_id=job_id,
        **asdict(made.origin),
    )


Part = Document | NotMade | str
"""What became of one document: it was made, or why it was not, or why it was not to be made."""


class Making:
    """The invoices of one chunk on their way through the processes and the storage."""

    def __init__(self, run: DocumentRun, connection: Connection, chunk: Chunk, stationery: Stationery) -> None:
        self._run = run
        self._connection = connection
        self._job_id = chunk.job_id
        self._stationery = stationery
        self._check = chunk.check
        self._language_of = language_of(stationery)
        self._parts: dict[UUID, list[Part]] = {}
        self._existing: dict[Key, Document] = {}
        self._taken: list[Task] = []
        self._made: list[tuple[Task, Made]] = []
        self._late = 0
        self._no_process: NotMade | None = None
        try:
            self._request = DocumentRequest.of(chunk.parameters)
        except DeliveryError as error:
            raise ItemError("BAD_REQUEST", str(error)) from error

    def make(self, subjects: Sequence[str]) -> dict[str, Outcome]:
        """Makes the documents of invoices and writes their rows; the outcome of each."""
        ids = {subject: _uuid(subject) for subject in subjects}
        self._work_off(self._tasks([invoice_id for invoice_id in dict.fromkeys(ids.values()) if invoice_id]))
        self._write_rows()
        return {subject: self._outcome(subject, invoice_id) for subject, invoice_id in ids.items()}

    @property
    def _why_none(self) -> NotMade | None:
        """Why nothing more is begun."""
        return self._no_process or self._run.broken.get((self._job_id, self._stationery.key))

    def _work_off(self, tasks: Iterator[Task]) -> None:
        try:
            for task, answer in self._run.pool.make(self._stationery, tasks, self._check):
                self._taken.remove(task)
                self._late = self._late + 1 if isinstance(answer, NotMade) and answer.code == TIMEOUT else 0
                if isinstance(answer, Made):
                    self._made.append((task, answer))
                else:
                    self._note(task, answer)
        except PoolError as error:
            self._run.is_stopped = True
            self._no_process = NotMade("NO_PROCESS", str(error), retry=True)
            for task in self._taken:
                self._parts[task.invoice.id].append(self._no_process)
            for _ in tasks:  # notes it for the rest
                pass

    def _tasks(self, wanted: Sequence[UUID]) -> Iterator[Task]:
        """What is to be made, loaded in parts while the processes work; none any more once there is a reason."""
        for start in range(0, len(wanted), _LOADED_AT_ONCE):
            part = wanted[start : start + _LOADED_AT_ONCE]
            if (why := self._why_none) is not None:
                self._parts |= {invoice_id: [why] for invoice_id in part}
                continue
            invoices = issued_invoices(self._connection, part)
            self._existing |= newest_documents(self._connection, part)
            for invoice in invoices:
                self._parts[invoice.id] = []
                for task in self._plan(invoice):
                    if (why := self._why_none) is not None:
                        self._parts[invoice.id].append(why)
                    else:
                        self._taken.append(task)
                        yield task

    def _plan(self, invoice: IssuedInvoice) -> Iterator[Task]:
        language = self._language_of(self._request.language, invoice.language)
        tasks = {task.format: task for task in (Task.of(invoice, each, language) for each in self._request.formats)}
        for task in tasks.values():
            existing = self._existing.get(task.key)
            if existing is not None:
                task = as_made_before(self._stationery, task, existing.input_sha256)
            if existing is not None and (reason := self._stays(existing, task)):
                self._parts[invoice.id].append(reason)
            elif invoice.status is InvoiceStatus.VOID:
                self._note(task, NotMade("VOID", f"{invoice.invoice_number} is void; nothing new is made of it."))
            else:
                yield task

    def _stays(self, existing: Document, task: Task) -> str | None:
        """Why a document is not made again."""
        if not self._request.renew:
            return f"{_named(existing)} exists already"
        changes = existing.input_sha256 != input_sha256(self._stationery, task)
        if changes or damage(self._run.root, self._run.organization.id, existing) is not None:
            return None
        return f"{_named(existing)} is unchanged"

    def _note(self, task: Task, answer: NotMade) -> None:
        if answer.code == TIMEOUT and self._late >= _LATE_IN_A_ROW:
            answer = NotMade(
                "TEMPLATE",
                f"{self._late} documents in a row took too long: look for a loop in the templates. {answer.message}",
                is_of_all=True,
            )
        if answer.is_of_all:
            self._run.broken[self._job_id, self._stationery.key] = answer
        if answer.code == "LACKS_DATA":
            answer = NotMade(answer.code, f"{task.invoice.invoice_number}: {answer.message}")
        self._parts[task.invoice.id].append(answer)

    def _write_rows(self) -> None:
        new = []
        for task, made in self._made:
            existing = self._existing.get(task.key)
            if existing is not None and existing.sha256 == made.sha256:
                self._parts[task.invoice.id].append(f"{_named(existing)} is unchanged")
            else:
                new.append(new_document(task, made, existing.version + 1 if existing else 1, self._job_id))
        added = add_documents(self._connection, new)
        for document in new:
            self._parts[document.invoice_id].append(added.get(document.key) or self._made_elsewhere(document))
        for each in added.values():
            self._run.count(each)

    def _made_elsewhere(self, ours: NewDocument) -> Part:
        """What to say where another run has made the same version in the meantime."""
        theirs = newest_documents(self._connection, [ours.invoice_id])[ours.key]
        if not self._request.renew or theirs.input_sha256 == ours.input_sha256:
            return f"{_named(theirs)} was made by another run at the same time"
        return NotMade("CHANGED_MEANWHILE", f"Version {ours.version} was made by another run.", retry=True)

    def _outcome(self, subject: str, invoice_id: UUID | None) -> Outcome:
        parts = self._parts.get(invoice_id) if invoice_id is not None else None
        if parts is None:
            return Failed("NOT_FOUND", f"{subject[:60]} is not the id of an issued invoice of this organization.")
        if refused := [part for part in parts if isinstance(part, NotMade)]:
            message = " ".join(dict.fromkeys(part.message for part in refused))
            return Failed(refused[0].code, message, any(part.retry for part in refused))
        if made := [part for part in parts if isinstance(part, Document)]:
            return Succeeded({"documents": [_result(document) for document in made]})
        return Skipped("; ".join(map(str, parts)))


def _named(document: Document) -> str:
    return f"{document.file_name}, version {document.version},"


def _result(document: Document) -> dict[str, object]:
    return {
        "id": document.id,
        "format": document.format.value,
        "language": document.language,
        "version": document.version,
        "sha256": document.sha256,
        **({"plain_reason": document.plain_reason} if document.plain_reason else {}),
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
