"""The text recognition (OCR) of uploads: pages that are pictures get words, which are kept for the parse stage.

Reading a page takes seconds and may cost money, so it is a stage of its own, which nothing waits for but the documents
that need it: each page is kept as soon as it is read. Parsing then finds all pages, now and whenever the document is
read again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection, Engine
from upath import UPath

from invoice_pipelines.database import organization_scope
from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Limits
from invoice_pipelines.intake.documents.ocr.engine import (
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.intake.documents.ocr.kept_pages import find_page, keep_page
from invoice_pipelines.intake.documents.ocr.pages import SeenPage
from invoice_pipelines.intake.documents.ocr.pictures import page_key
from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer
from invoice_pipelines.intake.documents.pictured_pages import pictured_pages
from invoice_pipelines.intake.reading_errors import class_of_reading_error
from invoice_pipelines.intake.received_invoices import (
    ParseableInvoice,
    ProcessingError,
    keep_pictured_pages,
    mark_failed,
    parseable_invoices,
)
from invoice_pipelines.intake.stages.originals import read_original
from invoice_pipelines.intake.stages.recognition import Recognition
from invoice_pipelines.intake.states import PARSE
from invoice_pipelines.work import Chunk, Failed, Outcome, Skipped, Succeeded, enqueue

UNAVAILABLE = "OCR_UNAVAILABLE"


@dataclass(slots=True)
class _Document:
    invoice: ParseableInvoice
    recognized: int = 0
    known: int = 0
    pages: list[SeenPage] | None = None  # none until all were looked at
    problem: Failed | None = None

    @property
    def is_complete(self) -> bool:
        return self.pages is not None and self.recognized + self.known == len(self.pages)


@dataclass(slots=True)
class RecognizingStage:
    """Recognizes what is asked for, with one engine that is opened when the first page needs it.

    To be used as a context manager, which ends the engine's processes.
    """

    engine: Engine
    organization_id: UUID
    originals: UPath
    limits: Limits
    spec: EngineSpec
    processes: int
    max_attempts: int
    actor: str
    done: Recognition = field(init=False)
    _recognizer: SharedRecognizer = field(init=False)

    def __post_init__(self) -> None:
        self.done = Recognition(self.spec.name)
        self._recognizer = SharedRecognizer(self.spec, self.processes)

    def __enter__(self) -> RecognizingStage:
        return self

    def __exit__(self, *exception: object) -> None:
        self._recognizer.close()

    def is_stopped(self) -> bool:
        """Whether the engine cannot work, so that there is no use in going on."""
        return self.done.unavailable is not None

    def handle(self, connection: Connection, chunk: Chunk) -> list[Outcome]:
        """The handler of the `recognize_upload` queue, whose subjects are ids of received invoices.

        A page that cannot be read fails its document, with the page named. While the engine cannot work, documents
        wait, however often they are tried.
        """
        outcomes = self.recognize(connection, chunk)
        enqueue(connection, PARSE, [subject for subject, outcome in outcomes.items() if isinstance(outcome, Succeeded)])
        return [outcomes[item.subject_id] for item in chunk.items]

    def recognize(self, connection: Connection, chunk: Chunk) -> dict[str, Outcome]:
        """Reads the pages of the documents of a chunk that are not known yet; an outcome for each subject."""
        started = time.monotonic()
        waiting = parseable_invoices(connection, [UUID(item.subject_id) for item in chunk.items])
        documents = {str(invoice_id): _Document(invoice) for invoice_id, invoice in waiting.items()}
        asked: deque[tuple[_Document, int, str]] = deque()
        try:
            for result in self._recognizer.recognize(self._unknown_pages(connection, list(documents.values()), asked)):
                document, number, key = asked.popleft()
                self._take(document, number, key, result)
                chunk.check()
        except EngineUnavailable as error:
            self.done.unavailable = str(error)
            for document in documents.values():
                if not document.is_complete:
                    document.problem = document.problem or Failed(UNAVAILABLE, str(error), retry=True)
        self.done.seconds += time.monotonic() - started
        outcomes: dict[str, Outcome] = {}
        for item in chunk.items:
            outcomes[item.subject_id] = self._outcome(connection, documents.get(item.subject_id), item.attempts)
        return outcomes

    def _unknown_pages(
        self, connection: Connection, documents: Sequence[_Document], asked: deque[tuple[_Document, int, str]]
    ) -> Iterator[PageImage]:
        for document in documents:
            invoice = document.invoice
            pages: list[SeenPage] = []
            try:
                data = read_original(self.originals, invoice.organization_id, invoice.sha256, self.limits.file_bytes)
                for number, image in pictured_pages(data, self.limits):
                    key = page_key(image)
                    pages.append(SeenPage(number, key, image.dpi))
                    identity = self._recognizer.identity  # not before a page needs it: the engine may be unavailable
                    self.done.engine = identity.label
                    if find_page(connection, key, identity) is not None:
                        document.known += 1
                        self.done.known += 1
                        continue
                    asked.append((document, number, key))
                    yield image
            except ReadingError as error:
                document.problem = Failed(error.code, error.message)
            document.pages = pages

    def _take(self, document: _Document, number: int, key: str, result: RecognizedPage | PageError) -> None:
        if isinstance(result, PageError):
            self.done.unreadable += 1
            problem = Failed(result.code, f"Page {number}: {result.message}", retry=result.retry)
            document.problem = document.problem or problem
            return
        with organization_scope(self.engine, self.organization_id) as connection:
            keep_page(connection, key, self._recognizer.identity, result, self.actor)
        document.recognized += 1
        self.done.recognized += 1
        self.done.cost_usd += result.cost_usd

    def _outcome(self, connection: Connection, document: _Document | None, attempts: int) -> Outcome:
        if document is None:
            return Skipped("the invoice no longer waits to be read")
        problem = document.problem
        if problem is None:
            keep_pictured_pages(connection, document.invoice.version, document.pages or [])
            return Succeeded({"pages recognized": document.recognized, "pages known": document.known})
        if problem.retry and (problem.code == UNAVAILABLE or attempts < self.max_attempts):
            return problem
        reason = ProcessingError("parse", problem.code, problem.message, class_of_reading_error(problem.code), attempts)
        mark_failed(connection, [(document.invoice.version, reason)])
        return Failed(problem.code, problem.message)
