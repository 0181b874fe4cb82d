"""Reads a PDF: from the XML attached to it, which takes precedence over the pages, or else from its text layer.

A PDF whose XML invoice is missing or unreadable is never passed off as an ordinary PDF: the reading says so in its
discrepancies. A PDF that carries another kind of business document is refused.
"""

from __future__ import annotations

from dataclasses import replace

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.reading.safe_xml import looks_like_xml
from invoice_pipelines.einvoice.reading.xml_invoice import AnotherDocument
from invoice_pipelines.intake.documents.aids import NO_AIDS, Aids
from invoice_pipelines.intake.documents.e_invoice import read_e_invoice
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.pdf_attachments import Attachment, Attachments, attachments
from invoice_pipelines.intake.reading import Discrepancy, DiscrepancyKind, Reading

# A document made to do harm is refused, even if the PDF around it has a text layer.
_HOSTILE = {"TOO_LARGE", "XML_DOCTYPE", "XML_TOO_DEEP", "XML_TEXT_TOO_LONG"}

# Types of Order-X in the metadata of a PDF.
_DECLARED = {
    "ORDER": "a purchase order (Order-X)",
    "ORDER_CHANGE": "a change of a purchase order (Order-X)",
    "ORDER_RESPONSE": "an order response (Order-X)",
}


def read_pdf(data: bytes, limits: Limits, aids: Aids = NO_AIDS, *, ignore_attached_xml: bool = False) -> Reading:
    """Read a hybrid PDF, or what is printed on the pages. Raises `ReadingError` with the codes of both."""
    found: list[Discrepancy] = []
    if ignore_attached_xml:
        return _read_text_layer(data, limits, aids, found)
    try:
        attached = attachments(data, limits)
    except ReadingError as error:
        if error.code != "PDF_DAMAGED":
            raise
        found.append(
            Discrepancy(
                DiscrepancyKind.XML_UNREADABLE,
                f"The attachments could not be listed, so an XML invoice may be missed: {error.message}",
                "Die Anhänge ließen sich nicht auflisten; eine XML-Rechnung darunter wurde womöglich übersehen.",
            )
        )
    else:
        found.extend(map(_lost, attached.lost))
        read = _read_hybrid(data, attached, limits, found) if attached.files else None
        if read is not None:
            return read
        _remark_on_declared(attached.declares, found)
    return _read_text_layer(data, limits, aids, found)


def _read_hybrid(data: bytes, attached: Attachments, limits: Limits, found: list[Discrepancy]) -> Reading | None:
    """The invoice among the attachments, with what the pages say otherwise; None where none is attached."""
    # Imported when needed: an inbox of XML never pays for loading the PDF engine.
    from invoice_pipelines.intake.documents.hybrid import differences_of_pages, texts_of_pages

    with texts_of_pages(data) as texts:
        reading = _read_attached(attached, limits, found)
        if reading is None:
            return None
        differences = differences_of_pages(data, reading, texts, limits)
    return replace(reading, discrepancies=(*found, *differences))


def _read_attached(attached: Attachments, limits: Limits, found: list[Discrepancy]) -> Reading | None:
    """The invoice among the attachments, or None. Adds to `found` what was expected and cannot be read.

    Raises `AnotherDocument` where there is a purchase order or the like instead of an invoice.
    """
    read: list[tuple[Attachment, Reading]] = []
    another: AnotherDocument | None = None
    unpacked = 0  # bytes; each attachment has the limit to itself, but a thousand of them must not have it each
    for attachment in attached.files:
        # What neither name nor type call XML is worth a look all the same: a second invoice may hide in it.
        expected = attachment.has_invoice_name or attachment.says_xml
        if unpacked > limits.xml_bytes:
            if expected or not read:
                found.append(_unreadable(attachment, "The attachments before it are too large."))
            break
        try:
            content = attachment.unpack(limits)
            unpacked += len(content)
            if looks_like_xml(content):
                read.append((attachment, read_e_invoice(content, limits)))
            elif attachment.has_invoice_name:
                found.append(_unreadable(attachment, "It is not XML." if content else "It is empty."))
        except AnotherDocument as document:
            another = another or document
        except ReadingError as error:
            if error.code == "TOO_LARGE":
                unpacked += limits.xml_bytes + 1
            if attachment.has_invoice_name and error.code in _HOSTILE and not read:
                raise
            if attachment.has_invoice_name or (attachment.says_xml and error.code != "NOT_AN_INVOICE"):
                found.append(_unreadable(attachment, error.message))
    if not read:
        if another is not None:
            raise another
        return None
    (chosen, reading), *others = read
    for attachment, other in others:
        if (other.number, other.payable_amount) != (reading.number, reading.payable_amount):
            found.append(
                Discrepancy(
                    DiscrepancyKind.SEVERAL_INVOICES,
                    f"The PDF carries several invoices: {chosen.name[:100]!r} (number {reading.number}) was read,"
                    f" {attachment.name[:100]!r} (number {other.number}) was not.",
                    f"Die PDF-Datei enthält mehrere Rechnungen: {chosen.name[:100]!r} (Nummer {reading.number}) wurde"
                    f" gelesen, {attachment.name[:100]!r} (Nummer {other.number}) nicht.",
                )
            )
    return reading


def _remark_on_declared(declared: str | None, found: list[Discrepancy]) -> None:
    """Adds that the XML which the metadata declare is not there. Raises `AnotherDocument` where it is no invoice."""
    if declared in _DECLARED:
        raise AnotherDocument(_DECLARED[declared])
    if declared and not found:
        found.append(
            Discrepancy(
                DiscrepancyKind.XML_MISSING,
                "The PDF declares an attached XML invoice, but none is attached.",
                "Laut ihren Metadaten enthält die PDF-Datei eine XML-Rechnung, angehängt ist aber keine.",
            )
        )


def _lost(name: str) -> Discrepancy:
    return Discrepancy(
        DiscrepancyKind.XML_MISSING,
        f"The PDF lists the attachment {name[:100]!r}, but its content is missing from the file.",
        f"Die PDF-Datei führt den Anhang {name[:100]!r} auf, sein Inhalt fehlt aber in der Datei.",
    )


def _unreadable(attachment: Attachment, reason: str) -> Discrepancy:
    name = repr(attachment.name[:100])
    return Discrepancy(
        DiscrepancyKind.XML_UNREADABLE,
        f"The attachment {name} was not read: {reason}",
        f"Der Anhang {name} ließ sich nicht lesen.",
    )


def _read_text_layer(data: bytes, limits: Limits, aids: Aids, found: list[Discrepancy]) -> Reading:
    # Imported when needed: an inbox of XML never pays for loading the PDF engine.
    from invoice_pipelines.intake.documents.text_layer import read_text_layer

    try:
        reading = read_text_layer(data, limits, aids)
    except ReadingError as error:
        message = " ".join((error.message, *(discrepancy.message for discrepancy in found[:1])))
        raise ReadingError(error.code, message) from None
    if not found:
        return reading
    warning = "The values were read from the text of the pages instead."
    return replace(reading, warnings=(warning, *reading.warnings), discrepancies=(*found, *reading.discrepancies))
