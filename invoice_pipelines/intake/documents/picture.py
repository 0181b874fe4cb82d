"""Reads an upload that is a picture (a photo, a scan, a fax): by text recognition, page by page."""

from __future__ import annotations

from dataclasses import replace

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import Aids
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.reading import Format, Reading


def read_picture(data: bytes, limits: Limits, aids: Aids) -> Reading:
    """The invoice on a picture of one or more pages.

    Raises ReadingError: NO_OCR_ENGINE, OCR_NO_TEXT, NOT_AN_INVOICE, PICTURE_* for what is no usable picture, and what
    `aids.recognize` raises.
    """
    # Here, as these load the picture libraries.
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
