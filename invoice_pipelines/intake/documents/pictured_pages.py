"""Which pages of an upload are pictures of text, given as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.pdf_attachments import looks_like_pdf

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
    from invoice_pipelines.intake.documents.ocr.rendering import render_pages  # loads the picture libraries

    yield from zip(numbers, render_pages(data, numbers, limits), strict=True)
