"""Holds how a PDF is read: by the XML attached to it, which leads over the picture; otherwise by its text layer.

A PDF that should carry an XML invoice and doesn't, or whose XML cannot be read, is never passed off as an ordinary
PDF: the reading says so in its warnings.
"""

from __future__ import annotations

from dataclasses import replace

from invoice_pipelines.intake.readers.aids import NO_AIDS, Aids
from invoice_pipelines.intake.readers.limits import Limits
from invoice_pipelines.intake.readers.pdf_attachments import Attachment, Attachments, attachments
from invoice_pipelines.intake.readers.safe_xml import looks_like_xml
from invoice_pipelines.intake.readers.xml_invoice import read_xml
from invoice_pipelines.intake.reading import Reading, ReadingError

# What is made to harm is not looked at any further, though the PDF around it may have a text layer.
_HOSTILE = {"TOO_LARGE", "XML_DOCTYPE", "XML_TOO_DEEP", "XML_TEXT_TOO_LONG"}


def read_pdf(data: bytes, limits: Limits, aids: Aids = NO_AIDS, *, ignore_attached_xml: bool = False) -> Reading:
    """Read a hybrid PDF, or what is printed on the pages. Raises `ReadingError` with the codes of both."""
    warnings: list[str] = []
    if ignore_attached_xml:
        return _read_text_layer(data, limits, aids, warnings)
    try:
        attached = attachments(data, limits)
    except ReadingError as error:
        if error.code != "PDF_DAMAGED":
            raise
        warnings.append(f"Attachments could not be looked for, so an XML invoice may be missed: {error.message}")
    else:
        reading = (
            _read_hybrid(data, attached, limits, warnings)
            if attached.files
            else _read_attached(attached, limits, warnings)
        )
        if reading is not None:
            return reading
    return _read_text_layer(data, limits, aids, warnings)


def _read_hybrid(data: bytes, attached: Attachments, limits: Limits, warnings: list[str]) -> Reading | None:
    """The invoice among the attachments, with what the pages say otherwise; None where none is attached."""
    # Imported when needed: an inbox of XML never pays for loading the PDF engine.
    from invoice_pipelines.intake.readers.hybrid import picture_warnings, texts_of_pages

    with texts_of_pages(data) as texts:
        reading = _read_attached(attached, limits, warnings)
        if reading is None:
            return None
        differences = picture_warnings(data, reading, texts, limits)
    return replace(reading, warnings=(*warnings, *reading.warnings, *differences))


def _read_attached(attached: Attachments, limits: Limits, warnings: list[str]) -> Reading | None:
    """The invoice among the attachments, or None. Adds to `warnings` what was expected and not found."""
    read: list[tuple[Attachment, Reading]] = []
    unpacked = 0  # bytes; each attachment has the limit to itself, but a thousand of them must not have it each
    for attachment in attached.files:
        if read and not attachment.says_xml:
            break  # the rest is neither named nor typed as XML, and was only worth a look while nothing was found
        if unpacked > limits.xml_bytes:
            warnings.append(f"The attachments are too large to look at {attachment.name[:100]!r} and those after it.")
            break
        try:
            content = attachment.unpack(limits)
            unpacked += len(content)
            if looks_like_xml(content):
                read.append((attachment, read_xml(content, limits)))
            elif attachment.has_invoice_name:
                warnings.append(f"The attachment {attachment.name!r} is not XML.")
        except ReadingError as error:
            if error.code == "TOO_LARGE":
                unpacked += limits.xml_bytes + 1
            if attachment.has_invoice_name and error.code in _HOSTILE and not read:
                raise
            if attachment.has_invoice_name or (attachment.says_xml and error.code != "NOT_AN_INVOICE"):
                warnings.append(f"The attachment {attachment.name[:100]!r} was not read: {error.message}")
    if not read:
        if attached.declares_invoice and not warnings:
            warnings.append("The PDF declares an attached XML invoice, but none is attached.")
        if warnings:
            warnings.append("The values were read from the text of the pages instead.")
        return None
    (chosen, reading), *others = read
    for attachment, other in others:
        if (other.number, other.payable_amount) != (reading.number, reading.payable_amount):
            warnings.append(
                f"The PDF carries several invoices: {chosen.name[:100]!r} (number {reading.number}) was read,"
                f" {attachment.name[:100]!r} (number {other.number}) was not."
            )
    return reading


def _read_text_layer(data: bytes, limits: Limits, aids: Aids, warnings: list[str]) -> Reading:
    # Imported when needed: an inbox of XML never pays for loading the PDF engine.
    from invoice_pipelines.intake.readers.text_layer import read_text_layer

    try:
        reading = read_text_layer(data, limits, aids)
    except ReadingError as error:
        raise ReadingError(error.code, " ".join((error.message, *warnings[:1]))) from None
    return replace(reading, warnings=(*warnings, *reading.warnings))
