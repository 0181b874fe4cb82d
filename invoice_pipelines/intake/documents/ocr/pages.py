"""Finds the words of pictured pages for readers: those that an engine has read before, or reads now."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.intake.documents.aids import FindPages
from invoice_pipelines.intake.documents.ocr.engine import (
    EngineIdentity,
    EngineSpec,
    EngineUnavailable,
    PageError,
    PageImage,
    RecognizedPage,
)
from invoice_pipelines.intake.documents.ocr.engines import identify
from invoice_pipelines.intake.documents.ocr.kept_pages import find_page
from invoice_pipelines.intake.documents.ocr.recognizer import SharedRecognizer
from invoice_pipelines.intake.documents.text_layer.page.words import Page, Word

_POINTS_PER_INCH = 72
_HEIGHT_OF_A4 = 842  # points; what a picture of unknown resolution is taken for


class PagesNotRecognized(InvoicePipelinesError):
    """A page has not been recognized yet, so the document cannot be parsed before it is."""


class SeenPage(NamedTuple):
    """A page that is a picture, without the picture."""

    number: int
    key: str
    dpi: float | None


def known_pages(connection: Connection, spec: EngineSpec, seen: Sequence[SeenPage] | None) -> FindPages:
    """Gives readers the pages that were recognized; raises PagesNotRecognized for one that was not.

    `seen` are the pictured pages of the document as recognition drew them; None where it has not come to it. None is
    drawn again to find out which it is: that costs more than all else that a reader does.
    """

    def find(images: Iterator[tuple[int, PageImage]]) -> list[Page]:
        if seen is None:
            raise PagesNotRecognized
        try:
            identity = identify(spec)
        except EngineUnavailable:
            raise PagesNotRecognized from None  # the stage that recognizes says so; other documents go on
        pages = []
        for page in seen:
            recognized = find_page(connection, page.key, identity)
            if recognized is None:
                raise PagesNotRecognized
            pages.append(page_of(page.number, recognized, page.dpi, identity))
        return pages

    return find


def pages_read_now(recognizer: SharedRecognizer) -> FindPages:
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
            pages.append(page_of(number, result, dpi, recognizer.identity))
        return pages

    return read


def page_of(number: int, recognized: RecognizedPage, dpi: float | None, engine: EngineIdentity) -> Page:
    """The result of an engine as a page in points, like that of a text layer."""
    scale = _POINTS_PER_INCH / dpi if dpi else _HEIGHT_OF_A4 / max(recognized.width, recognized.height)
    words = []
    for word in recognized.words:
        if word.text.strip():
            left, top, right, bottom = (round(side * scale, 2) for side in word.box)
            words.append(Word(word.text, (left, top, right, bottom), number, word.confidence))
    width, height = round(recognized.width * scale, 2), round(recognized.height * scale, 2)
    return Page(number, width, height, tuple(words), usable=bool(words), engine=engine.label)
