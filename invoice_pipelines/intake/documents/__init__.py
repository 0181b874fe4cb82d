"""From the bytes of an upload to a `Reading`: `read_document`.

The content of a file decides how it is read, not its name or media type. Each kind of document has its own module.
"""

from __future__ import annotations

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.aids import NO_AIDS, Aids
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.reading import Reading

__all__ = ["Aids", "Limits", "read_document"]

_DEFAULT_LIMITS = Limits()


def read_document(
    data: bytes,
    file_name: str = "",
    limits: Limits = _DEFAULT_LIMITS,
    aids: Aids = NO_AIDS,
    *,
    ignore_attached_xml: bool = False,
) -> Reading:
    """Read one upload: an XML invoice, a PDF that carries one, a PDF with a text layer, or, where `aids` can
    recognize text, a scan or photo.

    `file_name` only serves messages; `ignore_attached_xml` is for measuring how well pages are read. Raises
    `ReadingError`, and nothing else of its own, for what cannot be read; its codes: EMPTY_FILE, TOO_LARGE,
    UNKNOWN_TYPE, NOT_AN_INVOICE, XML_MALFORMED, XML_DOCTYPE, XML_TOO_DEEP, XML_TEXT_TOO_LONG, PDF_ENCRYPTED,
    PDF_DAMAGED, PDF_TOO_MANY_PAGES, PDF_TOO_MANY_ATTACHMENTS, PDF_TOO_MUCH_TEXT, PDF_TOO_COMPLEX, PDF_NO_TEXT_LAYER,
    PDF_TOO_MANY_SCANNED_PAGES, NO_OCR_ENGINE, OCR_NO_TEXT, those of `pictures` (PICTURE_*), and
    what `aids.recognize` raises.
    """
    # Here, so that whoever only needs `Limits` (or only describes assets) loads neither lxml nor pypdf.
    from invoice_pipelines.einvoice.reading.safe_xml import looks_like_xml
    from invoice_pipelines.intake.documents.e_invoice import read_e_invoice
    from invoice_pipelines.intake.documents.pdf_attachments import looks_like_pdf
    from invoice_pipelines.intake.documents.pdf_invoice import read_pdf

    if not data.strip(b" \t\r\n\0"):
        raise ReadingError("EMPTY_FILE", "The file is empty; ask for it again.")
    if len(data) > limits.file_bytes:
        raise ReadingError(
            "TOO_LARGE", f"The file has {len(data):,} bytes; at most {limits.file_bytes:,} are accepted."
        )
    if looks_like_xml(data):
        return read_e_invoice(data, limits)
    if looks_like_pdf(data):
        return read_pdf(data, limits, aids, ignore_attached_xml=ignore_attached_xml)
    from invoice_pipelines.intake.documents.ocr.pictures import is_picture  # loads the picture libraries
    from invoice_pipelines.intake.documents.picture import read_picture

    if is_picture(data):
        return read_picture(data, limits, aids)
    raise ReadingError(
        "UNKNOWN_TYPE",
        f"{file_name[:100] or 'The file'} is neither XML, PDF nor a picture; send the invoice as one of these.",
    )
