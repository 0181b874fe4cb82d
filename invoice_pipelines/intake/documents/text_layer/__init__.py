"""Reads invoices that are PDFs without XML: words with boxes, then the fields among them.

`read_text_layer` is the door. `find_fields` takes words from anywhere, so OCR shares everything but `words`.
What the words of invoices are in which language stands in `labels/*.toml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import NO_AIDS, Aids
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.pictured_pages import render_pictured
from invoice_pipelines.intake.documents.text_layer.calibration import calibrated
from invoice_pipelines.intake.documents.text_layer.fields import find_fields
from invoice_pipelines.intake.documents.text_layer.page.layout import is_bent
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.documents.text_layer.prose import refuse_prose
from invoice_pipelines.intake.reading import Reading

__all__ = ["find_fields", "find_fields_with", "pages_of", "read_text_layer", "reading_of"]

_NO_LIMITS_GIVEN = Limits()
_OF_BENT_PAPER = 0.5


def read_text_layer(data: bytes, limits: Limits = _NO_LIMITS_GIVEN, aids: Aids = NO_AIDS) -> Reading:
    """The invoice on the pages of a PDF; attachments are not looked at.

    Pages whose text layer does not hold what is printed are recognized, if `aids` can; a page with a usable text
    layer never is. Values have confidence and place in `Reading.provenance`; what is missing or ambiguous is None.
    Pages that remain without text are left out, with a warning. Raises ReadingError: PDF_NO_TEXT_LAYER, OCR_NO_TEXT,
    PDF_ENCRYPTED, PDF_DAMAGED, PDF_TOO_COMPLEX, PDF_TOO_MANY_PAGES, PDF_TOO_MANY_SCANNED_PAGES, PDF_TOO_MUCH_TEXT,
    NOT_AN_INVOICE, and
    what `aids.recognize` raises.
    """
    return reading_of(pages_of(data, limits, aids), aids)


def pages_of(data: bytes, limits: Limits, aids: Aids) -> tuple[Page, ...]:
    """All pages of a PDF, recognized where they need it and `aids` can. Raises ReadingError as `read_text_layer`."""
    from invoice_pipelines.intake.documents.ocr.rendering import read_pages_apart  # loads the picture libraries

    pages = read_pages_apart(data, limits)
    return pages if aids.recognize is None else _recognize(data, pages, limits, aids)


def reading_of(pages: Sequence[Page], aids: Aids) -> Reading:
    """The invoice on the pages of `pages_of`, of which some may be without words. Raises ReadingError likewise."""
    usable = [page for page in pages if page.usable]
    unread = [str(page.number) for page in pages if not page.usable]
    if not usable and aids.recognize is None:
        raise ReadingError(
            "PDF_NO_TEXT_LAYER", "The PDF holds no readable text, only pictures. It needs text recognition (OCR)."
        )
    if not usable:
        raise ReadingError("OCR_NO_TEXT", "No text was found on the pages. Ask the sender for a better document.")
    reading = find_fields_with(usable, aids)
    if not unread:
        return reading
    warning = f"Without readable text, and so not read: page {', '.join(unread)}."
    return replace(reading, warnings=(*reading.warnings, warning))


def find_fields_with(pages: Sequence[Page], aids: Aids) -> Reading:
    """The fields on these pages, with what was learned of their layout, and with shares for scores (`calibration`).

    Raises ReadingError NOT_AN_INVOICE.
    """
    if aids.learned is None:
        reading = find_fields(pages, recipient=aids.recipient)
        refuse_prose(reading, pages)
        return _doubted(calibrated(reading), pages)
    from invoice_pipelines.intake.documents.text_layer.learned import fingerprint

    learned = aids.learned(fingerprint(pages))
    reading = find_fields(pages, learned, aids.recipient)
    if not learned:  # what a person has worked on is an invoice
        refuse_prose(reading, pages)
    from invoice_pipelines.intake.documents.text_layer.ranking.known_sellers import with_known_seller

    reading = _doubted(calibrated(reading, {place.field for place in learned}), pages)
    return with_known_seller(reading, pages, aids.learned, aids.recipient)


def _doubted(reading: Reading, pages: Sequence[Page]) -> Reading:
    """The reading, unsure of all that stands on a page whose rows may have been taken for others."""
    bent = {page.number for page in pages if is_bent(page)}
    if not bent:
        return reading
    places = {
        field: replace(place, confidence=min(place.confidence, _OF_BENT_PAPER)) if place.page in bent else place
        for field, place in reading.provenance.items()
    }
    warning = (
        f"The paper is bent, so that values may be those of another line: page {', '.join(map(str, sorted(bent)))}."
    )
    return replace(reading, provenance=places, warnings=(*reading.warnings, warning))


def _recognize(data: bytes, pages: tuple[Page, ...], limits: Limits, aids: Aids) -> tuple[Page, ...]:
    """The pages with those recognized that need it."""
    if aids.recognize is None or not any(page.needs_ocr for page in pages):
        return pages
    recognized = {page.number: page for page in aids.recognize(render_pictured(data, pages, limits))}
    return tuple(recognized.get(page.number, page) for page in pages)
