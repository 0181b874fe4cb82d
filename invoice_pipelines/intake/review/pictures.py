"""Draws a page with boxes around what was read, for people who review. Loads the picture libraries."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont
from pypdfium2 import raw as pdfium
from sqlalchemy import Connection, text

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.ocr.engine import PageImage
from invoice_pipelines.intake.documents.ocr.pictures import decode_pictures, page_key
from invoice_pipelines.intake.documents.ocr.rendering import render_pages
from invoice_pipelines.intake.documents.pdf_attachments import looks_like_pdf
from invoice_pipelines.intake.documents.text_layer.page.words import PDFIUM_LOCK, Box, Page, open_pdf
from invoice_pipelines.intake.review.show import Review

DOUBTED = (200, 30, 30)
READ = (20, 110, 190)
_MARGIN = 3  # points around a box
_LETTERS = 8  # points
_NOTES = 130  # points, beside the page
_PAPER = (245, 245, 240)
_SAMPLE = 500  # characters that show which way a text runs
_WIDTHS = (900, 750, 600, 450, 300)
_QUALITIES = (70, 50, 35)


@dataclass(frozen=True, slots=True)
class Mark:
    """A box in points around a value, and what is written on it."""

    box: Box
    text: str
    doubted: bool


def review_picture(
    connection: Connection, data: bytes, review: Review, limits: Limits, number: int | None = None
) -> Image.Image:
    """Page `number` of the document of a review with boxes around the values, those with a reason in red; without a
    number the page that has most of them, else the first. `data` are the bytes of the upload.

    Raises ReadingError where the page cannot be drawn, or does not exist.
    """
    number = number or _worst_page(review)
    image, is_pdf = _image_of(data, number, limits)
    page = next((page for page in review.pages if page.number == number), None)
    turns = 0
    if page is not None and page.engine:
        turns = _turns_of_recognized(connection, image)
    elif page is not None and is_pdf:
        turns = _turns_of_text(data, number)
    return draw_marks(image.image.rotate(-90 * turns, expand=True), page, marks_on(review, number))


def marks_on(review: Review, number: int) -> list[Mark]:
    """What is marked on a page: every value that has a place on it."""
    doubted = {reason.field for reason in review.reasons}
    return [
        Mark(value.place.box, f"{value.field} {value.place.confidence:.2f}", value.field in doubted)
        for value in review.values
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
    image.save(buffer, "PNG", optimize=True)
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


def _worst_page(review: Review) -> int:
    numbers = [page.number for page in review.pages] or [1]
    return max(numbers, key=lambda number: (sum(mark.doubted for mark in marks_on(review, number)), -number))


def _image_of(data: bytes, number: int, limits: Limits) -> tuple[PageImage, bool]:
    """The picture of a page, and whether it is one of a PDF."""
    if looks_like_pdf(data):
        return next(render_pages(data, [number], limits)), True
    for index, image in enumerate(decode_pictures(data, limits), start=1):
        if index == number:
            return image, False
    raise ReadingError("PICTURE_DAMAGED", f"The picture has no page {number}.")


def _turns_of_recognized(connection: Connection, image: PageImage) -> int:
    """How often the engine that read this picture turned it clockwise."""
    return int(
        connection.execute(
            text(
                """select quarter_turns from intake.ocr_page where page_sha256 = :sha256
                   order by created_at desc limit 1"""
            ),
            {"sha256": page_key(image)},
        ).scalar_one_or_none()
        or 0
    )


def _turns_of_text(data: bytes, number: int) -> int:
    """How often a page has to be turned clockwise, beyond what the PDF says itself, until its text is upright, as boxes
    have it."""
    with PDFIUM_LOCK:
        document = open_pdf(data)
        try:
            page = document[number - 1]
            text_page = page.get_textpage()
            quarters = Counter(
                round(pdfium.FPDFText_GetCharAngle(text_page.raw, index) / (math.pi / 2)) % 4
                for index in range(min(text_page.count_chars(), _SAMPLE))
                if not chr(pdfium.FPDFText_GetUnicode(text_page.raw, index)).isspace()
            )
            text_page.close()
            rotation = page.get_rotation() // 90
            page.close()
        finally:
            document.close()
    if not quarters:
        return 0
    return int((-quarters.most_common(1)[0][0] - rotation) % 4)
