"""The ZIP of the documents of a DATEV export, which DATEV's document transfer takes beside the batch.

Each document lies there under the GUID that the link of its bookings names (field 20, Beleglink), and `document.xml`
says which GUID a file has (DATEV XML interface online, document v6.0). Pure.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from xml.sax.saxutils import quoteattr

LARGEST_ZIP = 100_000_000
"""Bytes of documents in a ZIP at the most, unless one document alone has more; DATEV takes up to 465 MB."""

MOST_DOCUMENTS = 4_999
"""Documents in a ZIP at the most; DATEV takes 5,000."""

_NAMESPACE = "http://xml.datev.de/bedi/tps/document/v06.0"
_EARLIEST_IN_A_ZIP = 1980
_SIGNATURES = (
    (b"%PDF", "pdf"),
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its GUID."""

    guid: UUID
    data: bytes

    @property
    def name(self) -> str:
        """Its name in the ZIP: the GUID, with an ending by what the document is."""
        head = self.data[:1024]
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        ending = next((ending for signature, ending in _SIGNATURES if start.startswith(signature)), None)
        if ending is None:
            is_xml = start.startswith(b"<") or b"<\0" in start[:4] or b"\0<" in start[:4]
            # A PDF may begin a little later (ISO 32000-1, annex H).
            ending = "xml" if is_xml else "pdf" if b"%PDF" in head else _ending_of_container(head)
        return f"{guid_text(self.guid)}.{ending}"


def _ending_of_container(head: bytes) -> str:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return "heic" if head[4:8] == b"ftyp" else "bin"


def guid_text(guid: UUID) -> str:
    """A GUID as links and `document.xml` write it."""
    return str(guid).upper()


def document_zips(
    documents: Iterable[Document],
    created_at: datetime,
    largest: int = LARGEST_ZIP,
    most: int = MOST_DOCUMENTS,
) -> Iterator[tuple[bytes, int]]:
    """ZIPs of documents, each with the number of documents in it; the same bytes for the same documents.

    The documents of one ZIP are in memory together.
    """
    some: list[Document] = []
    size = 0
    for document in documents:
        if some and (size + len(document.data) > largest or len(some) == most):
            yield _zip(some, created_at), len(some)
            some, size = [], 0
        some.append(document)
        size += len(document.data)
    if some:
        yield _zip(some, created_at), len(some)


def _zip(documents: list[Document], created_at: datetime) -> bytes:
    out = io.BytesIO()
    # Not compressed: PDFs and pictures are already, and the bytes must not depend on a library's version.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry("document.xml", created_at), _document_xml(documents, created_at))
        for document in documents:
            archive.writestr(_entry(document.name, created_at), document.data)
    return out.getvalue()


def _entry(name: str, created_at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, max(created_at.timetuple()[:6], (_EARLIEST_IN_A_ZIP, 1, 1, 0, 0, 0)))
    entry.create_system = 3
    entry.external_attr = 0o640 << 16
    return entry


def _document_xml(documents: list[Document], created_at: datetime) -> bytes:
    listed = "".join(
        f'    <document guid="{guid_text(document.guid)}" processID="1" type="2">\n'
        f'      <extension xsi:type="File" name={quoteattr(document.name)}/>\n'
        "    </document>\n"
        for document in documents
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<archive xmlns="{_NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{_NAMESPACE} Document_v060.xsd" version="6.0" generatingSystem="invoice_pipelines">\n'
        f"  <header>\n    <date>{created_at:%Y-%m-%dT%H:%M:%S}</date>\n  </header>\n"
        f"  <content>\n{listed}  </content>\n</archive>\n"
    ).encode()
