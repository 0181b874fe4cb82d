"""Adds the metadata that Factur-X 1.0 requires of a PDF (section 6.2.2), as Typst cannot write them.

The metadata of PDF/A are not compressed, and stand near the end of the file. They are lengthened in place, and what
comes after them moves: so its places in the cross-reference table, and where that starts.
"""

from __future__ import annotations

import re

from invoice_pipelines.errors import InvoicePipelinesError

FILE_NAME = "factur-x.xml"
_PROPERTIES = (
    ("DocumentFileName", "The name of the embedded XML document"),
    ("DocumentType", "The type of the hybrid document in capital letters, e.g. INVOICE or ORDER"),
    ("Version", "The actual version of the standard applying to the embedded XML document"),
    ("ConformanceLevel", "The conformance level of the embedded XML document"),
)
_SCHEMA = (
    '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>'
    "<pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI>"
    "<pdfaSchema:prefix>fx</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>"
    + "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        f"<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{description}</pdfaProperty:description></rdf:li>"
        for name, description in _PROPERTIES
    )
    + "</rdf:Seq></pdfaSchema:property></rdf:li>"
).encode()
_VALUES = (
    '<rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">'
    f"<fx:DocumentType>INVOICE</fx:DocumentType><fx:DocumentFileName>{FILE_NAME}</fx:DocumentFileName>"
    "<fx:Version>1.0</fx:Version><fx:ConformanceLevel>EN 16931</fx:ConformanceLevel></rdf:Description>"
).encode()
# The descriptions of schemas get a place of their own, before all values: there readers such as PDFBox look for them.
_SCHEMAS_START = (
    b'<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"'
    b' xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">'
)
_SCHEMAS = re.compile(rb"<pdfaExtension:schemas><rdf:Bag>(.*)</rdf:Bag></pdfaExtension:schemas>", re.DOTALL)
_DESCRIPTION = b'<rdf:Description rdf:about=""'
_END = b"</rdf:RDF>"
_METADATA = re.compile(rb"\d+ 0 obj\n<</Length (\d+)/Type/Metadata/Subtype/XML>>\nstream\n")
_ENTRY = 20


class UnknownLayout(InvoicePipelinesError):
    """The file is not laid out as Typst lays it out."""


def with_factur_x_metadata(pdf: bytes) -> bytes:
    """A PDF/A-3 of Typst as one that declares itself a Factur-X of profile EN 16931. Raises UnknownLayout."""
    at = pdf.rfind(b"/Type/Metadata/Subtype/XML>>")
    found = _METADATA.match(pdf, pdf.rfind(b"\n", 0, pdf.rfind(b"<</Length", 0, at) - 1) + 1) if at >= 0 else None
    table = int(pdf[pdf.rindex(b"startxref\n") + 10 :].split()[0])
    if found is None or not pdf.startswith(b"xref\n0 ", table):
        raise UnknownLayout("the PDF has no metadata to add to, or no cross-reference table")
    start, length = found.end(), int(found.group(1))
    packet = pdf[start : start + length]
    changed = _with_factur_x(packet)
    head = pdf[: found.start(1)] + str(len(changed)).encode() + pdf[found.end(1) : start]
    moved = len(head) + len(changed) - start - length
    return head + changed + pdf[start + length : table] + _table_moved(pdf, table, found.start(), moved)


def _with_factur_x(packet: bytes) -> bytes:
    schemas = _SCHEMAS.search(packet)
    first, end = packet.find(_DESCRIPTION), packet.rfind(_END)
    if schemas is None or not 0 < first < schemas.start() < end:
        raise UnknownLayout("the metadata of the PDF lack what is added to")
    return b"".join(
        (
            packet[:first],
            _SCHEMAS_START,
            b"<pdfaExtension:schemas><rdf:Bag>",
            schemas.group(1),
            _SCHEMA,
            b"</rdf:Bag></pdfaExtension:schemas></rdf:Description>",
            packet[first : schemas.start()],
            packet[schemas.end() : end],
            _VALUES,
            packet[end:],
        )
    )


def _table_moved(pdf: bytes, table: int, behind: int, moved: int) -> bytes:
    """The cross-reference table and the trailer, with each object that stands `behind` moved."""

    def entry(found: re.Match[bytes]) -> bytes:
        offset = int(found[1])
        return b"%010d" % (offset + moved) + found[2] if offset > behind else found[0]

    start = pdf.index(b"\n", table + 5) + 1
    end = start + int(pdf[table + 7 : start]) * _ENTRY
    trailer, _, _ = pdf[end:].rpartition(b"startxref\n")
    entries = re.sub(rb"(\d{10})( \d{5} n)", entry, pdf[start:end])
    return pdf[table:start] + entries + trailer + b"startxref\n%d\n%%%%EOF" % (table + moved)
