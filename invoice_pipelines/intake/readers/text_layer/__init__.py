"""Reads invoices that are PDFs with a text layer: words with boxes, then the fields among them.

`read_text_layer` is the door. `find_fields` takes words from anywhere, so OCR shares everything but `words`.
What the words of invoices are in which language stands in `labels/*.toml`.
"""

from __future__ import annotations

from dataclasses import replace

from invoice_pipelines.intake.readers.limits import Limits
from invoice_pipelines.intake.readers.text_layer.fields import find_fields
from invoice_pipelines.intake.readers.text_layer.words import read_pages
from invoice_pipelines.intake.reading import Reading, ReadingError

__all__ = ["find_fields", "read_text_layer"]

_NO_LIMITS_GIVEN = Limits()


def read_text_layer(data: bytes, limits: Limits = _NO_LIMITS_GIVEN) -> Reading:
    """The invoice in the text layer of a PDF; attachments are not looked at.

    Values have confidence and place in `Reading.provenance`; what is missing or ambiguous is None. Pages without a
    usable text layer are left out, with a warning. Raises ReadingError: PDF_NO_TEXT_LAYER, PDF_ENCRYPTED,
    PDF_DAMAGED, PDF_TOO_MANY_PAGES, PDF_TOO_MUCH_TEXT, NOT_AN_INVOICE.
    """
    pages = read_pages(data, limits)
    usable = [page for page in pages if page.usable]
    unread = [str(page.number) for page in pages if not page.usable]
    if not usable:
        raise ReadingError(
            "PDF_NO_TEXT_LAYER", "The PDF holds no readable text, only pictures. It needs text recognition (OCR)."
        )
    reading = find_fields(usable)
    if not unread:
        return reading
    warning = f"Without readable text, and so not read: page {', '.join(unread)}."
    return replace(reading, warnings=(*reading.warnings, warning))
