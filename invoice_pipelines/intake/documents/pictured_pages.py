"""Pages that are pictures of text: those of an upload, and the invoice on a photo, scan or fax.

The picture libraries are loaded when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import Aids
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.pdf_attachments import looks_like_pdf
from invoice_pipelines.intake.reading import Format, Reading

if TYPE_CHECKING:
    from invoice_pipelines.intake.documents.ocr.engine import PageImage
    from invoice_pipelines.intake.documents.text_layer.page.words import Page


def pictured_pages(data: bytes, limits: Limits) -> Iterator[tuple[int, PageImage]]:
    """The numbers and pictures of the pages of a PDF or picture that text recognition has to read; one at a time. An
    upload of another kind has none.

    Raises ReadingError with the codes of `read_text_layer` and `decode_pictures`.
    """
    from invoice_pipelines.intake.documents.ocr.pictures import decode_pictures, is_picture
    from invoice_pipelines.intake.documents.ocr.rendering import read_pages_apart

    if looks_like_pdf(data):
        yield from render_pictured(data, read_pages_apart(data, limits), limits)
    elif is_picture(data):
        yield from enumerate(decode_pictures(data, limits), start=1)


def render_pictured(data: bytes, pages: Sequence[Page], limits: Limits) -> Iterator[tuple[int, PageImage]]:
    """Those pages of a PDF that need OCR, as pictures. Raises ReadingError PDF_TOO_MANY_SCANNED_PAGES."""
    numbers = [page.number for page in pages if page.needs_ocr]
    if len(numbers) > limits.ocr_pages:
        raise ReadingError(
            "PDF_TOO_MANY_SCANNED_PAGES",
            f"The PDF has {len(numbers)} pages that are pictures, more than the limit of {limits.ocr_pages}. Split it "
            "and send the invoice alone.",
        )
    if not numbers:
        return
    from invoice_pipelines.intake.documents.ocr.rendering import render_pages

    yield from zip(numbers, render_pages(data, numbers, limits), strict=True)


def read_picture(data: bytes, limits: Limits, aids: Aids) -> Reading:
    """The invoice on a picture of one or more pages.

    Raises ReadingError: NO_OCR_ENGINE, OCR_NO_TEXT, NOT_AN_INVOICE, PICTURE_* for what is no usable picture, and what
    `aids.recognize` raises.
    """
    from invoice_pipelines.intake.documents.ocr.pictures import decode_pictures
    from invoice_pipelines.intake.documents.text_layer import find_fields_with

    if aids.recognize is None:
        raise ReadingError(
            "NO_OCR_ENGINE", "The file is a picture, and text recognition (OCR) is switched off. Choose an OCR engine."
        )
    pages = aids.recognize(enumerate(decode_pictures(data, limits), start=1))
    if not any(page.words for page in pages):
        raise ReadingError("OCR_NO_TEXT", "No text was found in the picture. Ask the sender for a better one.")
    return replace(find_fields_with(pages, aids), format=Format.PICTURE)
