"""The text recognition (OCR) of uploads: pages that are pictures get words, which are kept for the parse stage.

Reading a page takes seconds and may cost money, so it is done ahead of parsing, outside of its transactions: each page
is kept as soon as it is read. Parsing then finds all pages, now and whenever the document is read again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple
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
from invoice_pipelines.intake.documents.ocr.engines import identify
from invoice_pipelines.intake.documents.ocr.kept_pages import EngineIdentity, find_page, keep_page
from invoice_pipelines.intake.documents.ocr.pictures import page_key
from invoice_pipelines.intake.documents.ocr.recognizer import Recognizer, open_recognizer
from invoice_pipelines.intake.documents.pictured_pages import pictured_pages
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word
from invoice_pipelines.intake.reading_errors import class_of_reading_error
from invoice_pipelines.intake.received_invoices import (
    ParseableInvoice,
    ProcessingError,
    mark_failed,
    parseable_invoices,
)
from invoice_pipelines.intake.stages.recognition import Recognition
from invoice_pipelines.intake.states import PARSE
from invoice_pipelines.storage import read_blob
from invoice_pipelines.work import Chunk, Failed, Outcome, Skipped, Succeeded, enqueue

UNAVAILABLE = "OCR_UNAVAILABLE"

_PAGES_REMEMBERED = 10_000
"""Of the documents that were recognized last; 3 MB."""
_POINTS_PER_INCH = 72
_HEIGHT_OF_A4 = 842  # points; what a picture of unknown resolution is taken for


class PagesNotRecognized(Exception):
    """A page has not been recognized yet, so the document cannot be parsed before it is."""


class SeenPage(NamedTuple):
    """A page that is a picture, without the picture."""

    number: int
    key: str
    dpi: float | None


@dataclass(slots=True)
class _Document:
    invoice: ParseableInvoice
    recognized: int = 0
    known: int = 0
    pages: int | None = None  # none until all were looked at
    problem: Failed | None = None

    @property
    def is_complete(self) -> bool:
        return self.pages is not None and self.recognized + self.known == self.pages


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
    _known_identity: EngineIdentity | None = field(init=False, default=None)
    _recognizer: Recognizer | None = field(init=False, default=None)
    _open: ExitStack = field(init=False, default_factory=ExitStack)
    _seen: dict[str, list[SeenPage]] = field(init=False, default_factory=dict)
    _remembered: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.done = Recognition(self.spec.name)

    def __enter__(self) -> RecognizingStage:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    @property
    def _identity(self) -> EngineIdentity:
        if self._known_identity is None:
            self._known_identity = identify(self.spec)  # not before a page needs it: the engine may be unavailable
            self.done.engine = self._known_identity.label
        return self._known_identity

    def is_stopped(self) -> bool:
        """Whether the engine cannot work, so that there is no use in going on."""
        return self.done.unavailable is not None

    def seen(self, sha256: str) -> Sequence[SeenPage] | None:
        """The pictured pages of a document whose pages were all looked at; None for one that is not remembered."""
        return self._seen.get(sha256)

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
            for result in self._read(self._unknown_pages(connection, list(documents.values()), asked)):
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

    def _read(self, images: Iterator[PageImage]) -> Iterator[RecognizedPage | PageError]:
        first = next(images, None)
        if first is None:
            return  # nothing is unknown, and no engine is needed
        if self._recognizer is None:
            self._recognizer = self._open.enter_context(open_recognizer(self.spec, self.processes))
        yield from self._recognizer.recognize(chain([first], images))

    def _unknown_pages(
        self, connection: Connection, documents: Sequence[_Document], asked: deque[tuple[_Document, int, str]]
    ) -> Iterator[PageImage]:
        for document in documents:
            invoice = document.invoice
            data = read_blob(self.originals, invoice.organization_id, invoice.sha256, self.limits.file_bytes)
            pages: list[SeenPage] = []
            try:
                for number, image in pictured_pages(data, self.limits):
                    key = page_key(image)
                    pages.append(SeenPage(number, key, image.dpi))
                    if find_page(connection, key, self._identity) is not None:
                        document.known += 1
                        self.done.known += 1
                        continue
                    asked.append((document, number, key))
                    yield image
            except ReadingError as error:
                document.problem = Failed(error.code, error.message)
            else:
                self._remember(invoice.sha256, pages)
            document.pages = len(pages)

    def _remember(self, sha256: str, pages: list[SeenPage]) -> None:
        self._remembered += len(pages) - len(self._seen.pop(sha256, ()))
        self._seen[sha256] = pages
        while self._remembered > _PAGES_REMEMBERED:
            oldest = next(iter(self._seen))
            self._remembered -= len(self._seen.pop(oldest))

    def _take(self, document: _Document, number: int, key: str, result: RecognizedPage | PageError) -> None:
        if isinstance(result, PageError):
            self.done.unreadable += 1
            problem = Failed(result.code, f"Page {number}: {result.message}", retry=result.retry)
            document.problem = document.problem or problem
            return
        with organization_scope(self.engine, self.organization_id) as connection:
            keep_page(connection, key, self._identity, result, self.actor)
        document.recognized += 1
        self.done.recognized += 1
        self.done.cost_usd += result.cost_usd

    def _outcome(self, connection: Connection, document: _Document | None, attempts: int) -> Outcome:
        if document is None:
            return Skipped("the invoice is not waiting to be read any more")
        problem = document.problem
        if problem is None:
            return Succeeded({"pages recognized": document.recognized, "pages known": document.known})
        if problem.retry and (problem.code == UNAVAILABLE or attempts < self.max_attempts):
            return problem
        reason = ProcessingError("parse", problem.code, problem.message, class_of_reading_error(problem.code), attempts)
        mark_failed(connection, [(document.invoice.version, reason)])
        return Failed(problem.code, problem.message)


def known_pages(
    connection: Connection, spec: EngineSpec, seen: Sequence[SeenPage] | None = None
) -> Callable[[Iterator[tuple[int, PageImage]]], Sequence[Page]]:
    """Gives readers the pages that were recognized; raises PagesNotRecognized for one that was not.

    `seen` are the pictured pages of the document where they are known: then none is drawn to find out which it is.
    """

    def find(images: Iterator[tuple[int, PageImage]]) -> list[Page]:
        try:
            identity = identify(spec)
        except EngineUnavailable:
            raise PagesNotRecognized from None  # the stage that recognizes says so; other documents go on
        pages = []
        drawn = (SeenPage(number, page_key(image), image.dpi) for number, image in images)
        for page in drawn if seen is None else seen:
            recognized = find_page(connection, page.key, identity)
            if recognized is None:
                raise PagesNotRecognized
            pages.append(page_of(page.number, recognized, page.dpi, identity))
        return pages

    return find


def no_page_is_known(images: Iterator[tuple[int, PageImage]]) -> Sequence[Page]:
    """Tells readers so without a look at any; raises PagesNotRecognized."""
    raise PagesNotRecognized


def pages_read_now(
    recognizer: Recognizer, identity: EngineIdentity
) -> Callable[[Iterator[tuple[int, PageImage]]], Sequence[Page]]:
    """Lets readers recognize at once, without keeping anything. Raises EngineUnavailable, and ReadingError for a page
    that cannot be read."""

    def read(images: Iterator[tuple[int, PageImage]]) -> list[Page]:
        numbered: deque[tuple[int, float | None]] = deque()

        def pictures() -> Iterator[PageImage]:
            for number, image in images:
                numbered.append((number, image.dpi))
                yield image

        pages = []
        for result in recognizer.recognize(pictures()):
            number, dpi = numbered.popleft()
            if isinstance(result, PageError):
                raise ReadingError(result.code, f"Page {number}: {result.message}")
            pages.append(page_of(number, result, dpi, identity))
        return pages

    return read


def page_of(number: int, recognized: RecognizedPage, dpi: float | None, engine: EngineIdentity) -> Page:
    """What an engine read, as the page that fields are found on: in points, like a text layer."""
    scale = _POINTS_PER_INCH / dpi if dpi else _HEIGHT_OF_A4 / max(recognized.width, recognized.height)
    words = tuple(
        Word(word.text, _scaled(word.box, scale), number, word.confidence)
        for word in recognized.words
        if word.text.strip()
    )
    return Page(
        number,
        round(recognized.width * scale, 2),
        round(recognized.height * scale, 2),
        words,
        usable=bool(words),
        engine=engine.label,
    )


def _scaled(box: tuple[float, float, float, float], scale: float) -> tuple[float, float, float, float]:
    left, top, right, bottom = (round(side * scale, 2) for side in box)
    return (left, top, right, bottom)
