"""The words of pages that are pictures, as OCR read them before, for documents that are read again.

New text recognition costs time and perhaps money, so it is only done where it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import FindPages
from invoice_pipelines.intake.documents.ocr.engine import (
    EngineIdentity,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.intake.documents.ocr.kept_pages import find_page, keep_page
from invoice_pipelines.intake.documents.ocr.pages import PagesNotRecognized, page_of
from invoice_pipelines.intake.documents.ocr.pictures import page_key
from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.received_invoices import IntakeError
from invoice_pipelines.intake.stages.stages import Intake


class KeptPages:
    """Gives readers the pages that were recognized: by the present engine, else by the one that read them last.

    With `recognize`, a page that the present engine has not read is read now and kept. To be used as a context
    manager, which ends the engine.
    """

    def __init__(self, intake: Intake, *, recognize: bool) -> None:
        self._intake = intake
        self._recognizes = recognize
        self._recognizer = None if intake.ocr is None else SharedRecognizer(intake.ocr, 1)
        self._identity: EngineIdentity | None = None

    def __enter__(self) -> KeptPages:
        """Raises IntakeError where pages are to be recognized and there is no engine, or it cannot work."""
        if self._recognizer is not None:
            try:
                self._identity = self._recognizer.identity
            except EngineUnavailable as error:
                if self._recognizes:
                    raise _cannot_work(error) from None
        elif self._recognizes:
            raise IntakeError("text recognition (OCR) is switched off for this organization; choose an engine first")
        return self

    def __exit__(self, *exception: object) -> None:
        if self._recognizer is not None:
            self._recognizer.close()

    def finder(self, connection: Connection) -> FindPages:
        """What readers ask; it raises PagesNotRecognized for a page that no engine has read."""

        def find(images: Iterator[tuple[int, PageImage]]) -> list[Page]:
            return [self._page(connection, number, image) for number, image in images]

        return find

    def _page(self, connection: Connection, number: int, image: PageImage) -> Page:
        key = page_key(image)
        if self._identity is not None and (kept := find_page(connection, key, self._identity)):
            return page_of(number, kept, image.dpi, self._identity)
        if self._recognizer is not None and self._recognizes:
            kept = self._recognize(self._recognizer, number, key, image)
            return page_of(number, kept, image.dpi, self._recognizer.identity)
        other = _last_engine(connection, key)
        if other is None or (kept := find_page(connection, key, other)) is None:
            raise PagesNotRecognized
        return page_of(number, kept, image.dpi, other)

    def _recognize(self, recognizer: SharedRecognizer, number: int, key: str, image: PageImage) -> RecognizedPage:
        try:
            (result,) = recognizer.recognize([image])
        except EngineUnavailable as error:
            raise _cannot_work(error) from None
        if isinstance(result, PageError):
            raise ReadingError(result.code, f"Page {number}: {result.message}")
        # In a transaction of its own: what was paid for is kept, whatever becomes of the reading.
        with organization_scope(self._intake.engine, self._intake.organization.id) as connection:
            keep_page(connection, key, recognizer.identity, result, self._intake.actor)
        return result


def _cannot_work(error: EngineUnavailable) -> IntakeError:
    return IntakeError(f"text recognition cannot work: {error}; what was read up to now is kept")


def _last_engine(connection: Connection, page_sha256: str) -> EngineIdentity | None:
    row = connection.execute(
        text(
            """select engine, engine_version, options from intake.ocr_page
               where page_sha256 = :sha256 order by created_at desc limit 1"""
        ),
        {"sha256": page_sha256},
    ).one_or_none()
    return None if row is None else EngineIdentity(*row)
