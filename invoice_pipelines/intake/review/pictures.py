"""Draws the pages of a document, for people: as they are, and with boxes around what was read. Loads the picture
libraries.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont
from sqlalchemy import Connection, text

from invoice_pipelines.einvoice.reading.safe_xml import looks_like_xml
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.ocr.drawing import turns_of_text
from invoice_pipelines.intake.documents.ocr.engine import PageImage
from invoice_pipelines.intake.documents.ocr.pictures import decode_pictures, is_picture, page_key
from invoice_pipelines.intake.documents.ocr.rendering import begin_apart, render_pages
from invoice_pipelines.intake.documents.pdf_attachments import looks_like_pdf
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page
from invoice_pipelines.intake.reading import Source
from invoice_pipelines.intake.review.show import Document
from invoice_pipelines.intake.stages.stages import intake_of
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.storage import StorageError
from invoice_pipelines.storage.blobs import blob_path
from invoice_pipelines.storage.places import storage_errors

DOUBTED = (200, 30, 30)
READ = (20, 110, 190)
_MARGIN = 3  # points around a box
_LETTERS = 8  # points
_NOTES = 130  # points, beside the page
_PAPER = (245, 245, 240)
_WIDTHS = (900, 750, 600, 450, 300)
_QUALITIES = (70, 50, 35)
AT_ONCE = min(os.cpu_count() or 1, 4)
"""Pages that are drawn at the same time in a process, however many ask: each needs a process of its own and memory."""
_LONGEST_WAIT = 20.0
_slots = threading.BoundedSemaphore(AT_ONCE)


class PageNotFound(InvoicePipelinesError):
    """A document has no page with this number."""


class DrawingBusy(InvoicePipelinesError):
    """Too many pages are being drawn at this moment."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A box in points around a value, and what is written on it."""

    box: Box
    text: str
    doubted: bool


def review_picture(
    connection: Connection, data: bytes, document: Document, limits: Limits, number: int | None = None
) -> Image.Image:
    """Page `number` of a document with boxes around the values, those with a reason in red; without a number the page
    that has most of them, else the first. `data` are the bytes of the upload. Raises what `page_picture` does.
    """
    number = number or _worst_page(document)
    plain = page_picture(lambda: data, document.pages, number, limits, partial(turns_of_recognized, connection))
    return with_marks(plain, document, number)


def has_first_page(context: OrganizationContext, document: Document) -> bool:
    """Whether there are pages that can be drawn of a document that was read from XML: those of a PDF that carries it.
    What the file is called tells nothing, so its first bytes are looked at. False where they cannot be read.
    """
    if document.source != Source.XML:
        return False
    try:
        with storage_errors("The original could not be read"):
            root = intake_of(context).originals
            with blob_path(root, context.organization.id, document.sha256).open("rb") as file:
                return looks_like_pdf(file.read(1024))
    except StorageError:
        return False


def page_picture(
    original: Callable[[], bytes],
    pages: Sequence[Page],
    number: int,
    limits: Limits,
    turns_of: Callable[[str], int],
) -> Image.Image:
    """A page as it is, grey and upright: as the boxes have it, whose points are scaled by its width. `original` gives
    the bytes of the upload, once it is its turn; `turns_of` is `turns_of_recognized` on a connection.

    Raises PageNotFound, DrawingBusy where others ask for too many pages, and ReadingError where it cannot be drawn.
    """
    page = next((page for page in pages if page.number == number), None)
    if number < 1 or (pages and page is None):
        raise PageNotFound(f"The document has no page {number}.")
    with _slot():
        data = original()
        image, is_pdf = _image_of(data, number, limits)
        turns = 0
        if page is not None and page.engine:
            turns = turns_of(page_key(image))
        elif page is not None and is_pdf:
            with begin_apart(turns_of_text, data, number) as answer:
                turns = answer()
        return image.image.rotate(-90 * turns, expand=True)


def with_marks(plain: Image.Image, document: Document, number: int) -> Image.Image:
    """The picture of a page with boxes around what was read on it."""
    page = next((page for page in document.pages if page.number == number), None)
    return draw_marks(plain, page, marks_on(document, number))


@contextmanager
def _slot() -> Iterator[None]:
    """Waits for its turn to draw."""
    if not _slots.acquire(timeout=_LONGEST_WAIT):
        raise DrawingBusy("Too many pages are being drawn at this moment; try again.")
    try:
        yield
    finally:
        _slots.release()


def marks_on(document: Document, number: int) -> list[Mark]:
    """What is marked on a page: every value that has a place on it."""
    doubted = {reason.field for reason in document.reasons}
    return [
        Mark(value.place.box, f"{value.field} {value.place.confidence:.2f}", value.field in doubted)
        for value in document.values
        if value.place is not None and value.place.box is not None and value.place.page == number
    ]


def draw_marks(image: Image.Image, page: Page | None, marks: Sequence[Mark]) -> Image.Image:
    """The picture in colour with boxes, whose points are scaled from the size of the page, and what they hold written
    beside the page at the height of the box, so that nothing that is printed is covered."""
    drawn = image.convert("RGB")
    if page is None or page.width <= 0:
        return drawn
    scale = drawn.width / page.width
    shown = Image.new("RGB", (drawn.width + round(_NOTES * scale), drawn.height), _PAPER)
    shown.paste(drawn)
    pen = ImageDraw.Draw(shown)
    font = ImageFont.load_default(size=max(round(_LETTERS * scale), 9))
    free = 0.0  # where the next note may begin
    for mark in sorted(marks, key=lambda mark: (mark.box[1] + mark.box[3], mark.box[0])):
        colour = DOUBTED if mark.doubted else READ
        left, top, right, bottom = (
            (mark.box[0] - _MARGIN) * scale,
            (mark.box[1] - _MARGIN) * scale,
            (mark.box[2] + _MARGIN) * scale,
            (mark.box[3] + _MARGIN) * scale,
        )
        outer = (left, top, max(right, left + 1), max(bottom, top + 1))
        pen.rectangle(outer, outline=colour, width=max(round(scale), 1))
        free = max(free, (top + bottom - _LETTERS * scale) / 2)
        pen.text((drawn.width + _MARGIN * scale, free), mark.text, fill=colour, font=font, anchor="lt")
        free += 1.3 * _LETTERS * scale
    return shown


def as_png(image: Image.Image) -> bytes:
    """The picture as a PNG."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def as_small_jpeg(image: Image.Image, most_bytes: int) -> bytes | None:
    """The picture as a JPEG of at most so many bytes, as large as that allows; None where the smallest has more."""
    for width in _WIDTHS:
        shrunk = image.resize(
            (width, max(round(image.height * width / image.width), 1)), Image.Resampling.LANCZOS, reducing_gap=2.0
        )
        for quality in _QUALITIES:
            buffer = BytesIO()
            shrunk.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= most_bytes:
                return buffer.getvalue()
    return None


def _worst_page(document: Document) -> int:
    numbers = [page.number for page in document.pages] or [1]
    return max(numbers, key=lambda number: (sum(mark.doubted for mark in marks_on(document, number)), -number))


def _image_of(data: bytes, number: int, limits: Limits) -> tuple[PageImage, bool]:
    """The picture of a page, and whether it is one of a PDF."""
    if looks_like_xml(data) or not (looks_like_pdf(data) or is_picture(data)):
        raise PageNotFound("The document has no pages that could be drawn.")
    if looks_like_pdf(data):
        return next(render_pages(data, [number], limits)), True
    for index, image in enumerate(decode_pictures(data, limits), start=1):
        if index == number:
            return image, False
    raise PageNotFound(f"The picture has no page {number}.")


def turns_of_recognized(connection: Connection, key: str) -> int:
    """How often the engine that read the picture with a key (see `page_key`) turned it clockwise."""
    return int(
        connection.execute(
            text(
                """select quarter_turns from intake.ocr_page where page_sha256 = :sha256
                   order by created_at desc limit 1"""
            ),
            {"sha256": key},
        ).scalar_one_or_none()
        or 0
    )
