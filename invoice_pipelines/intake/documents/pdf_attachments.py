"""Finds and unpacks the XML files attached to a PDF. Whether one is an invoice: see `pdf_invoice`.

The structure is read by pypdf, not by a native library: a hostile PDF can then raise an exception, but not crash the
process, and every decompression stops at the limit instead of filling the memory first.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar

import pypdf
from pypdf import PasswordType
from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject, StreamObject

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.limits import Limits

Kind = TypeVar("Kind")

# pypdf remarks on every oddity it works around; what matters for the invoice is said in warnings and errors.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

# In order of preference. ZUGFeRD, Factur-X and XRechnung prescribe the first three, Odoo writes the fourth.
INVOICE_NAMES = ("factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml", "ubl-invoice-2.1.xml")

# XMP extension schemas by which a PDF declares that it is a hybrid invoice.
_HYBRID_MARKS = (b"urn:factur-x:pdfa", b"urn:zugferd:pdfa", b"urn:ferd:pdfa")

# As an element or an attribute, under any prefix: <fx:DocumentType>INVOICE</..., fx:DocumentType="ORDER".
_DOCUMENT_TYPE = re.compile(rb":DocumentType\s*(?:>|=\s*[\"'])\s*(?P<type>[A-Za-z_]{1,40})")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a PDF, still packed."""

    name: str
    media_type: str
    _stream: StreamObject | None
    """None where the PDF lists the file, but its content is not there."""

    @property
    def has_invoice_name(self) -> bool:
        """Whether it is called what the invoice in a hybrid PDF has to be called."""
        return self.name.lower() in INVOICE_NAMES

    @property
    def says_xml(self) -> bool:
        """Whether name or media type call it XML."""
        return self.name.lower().endswith(".xml") or "xml" in self.media_type.lower()

    def unpack(self, limits: Limits) -> bytes:
        """The bytes of the file. Raises `ReadingError`: TOO_LARGE, PDF_DAMAGED."""
        assert self._stream is not None, "a lost attachment is not among the files"
        try:
            with bounded(limits.xml_bytes):
                return self._stream.get_data()
        except LimitReachedError:
            raise ReadingError(
                "TOO_LARGE",
                f"The attachment {self.name[:100]!r} unpacks to more than {limits.xml_bytes:,} bytes.",
            ) from None
        except Exception as error:  # noqa: BLE001 (pypdf raises any builtin exception on damaged input)
            raise ReadingError(
                "PDF_DAMAGED", f"The attachment {self.name[:100]!r} cannot be unpacked ({type(error).__name__})."
            ) from None


@dataclass(frozen=True, slots=True)
class Attachments:
    """The attachments of a PDF, the likeliest invoice first."""

    files: tuple[Attachment, ...]
    lost: tuple[str, ...]
    """Names of XML files that the PDF lists, but whose content is not in it."""
    declares: str | None
    """What the metadata of the PDF say is attached: INVOICE, or another type of Factur-X and Order-X (ORDER, ...)."""


def looks_like_pdf(data: bytes) -> bool:
    """Whether there is a PDF header within the first 1024 bytes, where PDF readers look for it."""
    return b"%PDF-" in data[:1024]


def attachments(data: bytes, limits: Limits) -> Attachments:
    """List the attachments of a PDF without unpacking them.

    Raises `ReadingError`: PDF_ENCRYPTED where a password is needed, PDF_DAMAGED, PDF_TOO_MANY_PAGES,
    PDF_TOO_MANY_ATTACHMENTS, TOO_LARGE.
    """
    try:
        with bounded(limits.pdf_stream_bytes):
            reader = pypdf.PdfReader(BytesIO(data))
            if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
                raise _encrypted()
            catalog = reader.root_object
            _refuse_pages(catalog, limits)
            found: dict[object, Attachment] = {}
            lost: dict[str, None] = {}
            for attachment in _file_specifications(catalog):
                if attachment._stream is None:
                    if attachment.says_xml:
                        lost[attachment.name] = None
                    continue
                found.setdefault(id(attachment._stream), attachment)
                if len(found) > limits.pdf_attachments:
                    raise ReadingError(
                        "PDF_TOO_MANY_ATTACHMENTS",
                        f"The PDF has more than {limits.pdf_attachments:,} attachments.",
                    )
            files = tuple(sorted(found.values(), key=_preference))
            return Attachments(files, tuple(lost), _declared_type(catalog))
    except ReadingError:
        raise
    except (FileNotDecryptedError, DependencyError):
        raise _encrypted() from None
    except LimitReachedError:
        raise ReadingError(
            "TOO_LARGE", f"A stream in the PDF unpacks to more than {limits.pdf_stream_bytes:,} bytes."
        ) from None
    except Exception as error:  # noqa: BLE001 (pypdf raises any builtin exception on damaged input)
        raise ReadingError(
            "PDF_DAMAGED", f"The structure of the PDF is damaged ({type(error).__name__}); ask for it again."
        ) from None


def bounded(size: int) -> AbstractContextManager[object]:
    """Within it, pypdf decompresses streams to at most `size` bytes, and has little patience for repairing them."""
    return pypdf.apply_configuration(
        zlib_maximum_output_length=size,
        lzw_maximum_output_length=size,
        run_length_maximum_output_length=size,
        brotli_maximum_output_length=size,
        array_based_stream_maximum_output_length=size,
        stream_decoding_work_maximum_length=2 * size,
        zlib_maximum_recovery_input_length=200_000,
        stream_filters_maximum_length=4,
    )


def _refuse_pages(catalog: DictionaryObject, limits: Limits) -> None:
    count = _entry(_entry(catalog, "/Pages", DictionaryObject), "/Count", int)
    if count is not None and count > limits.pdf_pages:
        raise ReadingError("PDF_TOO_MANY_PAGES", f"The PDF has {count:,} pages; at most {limits.pdf_pages:,} are read.")


def _file_specifications(catalog: DictionaryObject) -> Iterator[Attachment]:
    """From the name tree of embedded files, and from the associated files (PDF/A-3) of the document."""
    names = _entry(catalog, "/Names", DictionaryObject)
    if names is not None:
        yield from _name_tree(names.get("/EmbeddedFiles"))
    for item in _entry(catalog, "/AF", ArrayObject) or ():
        yield from _attachment(item, "")


def _name_tree(root: PdfObject | None) -> Iterator[Attachment]:
    waiting = [root]
    seen: set[tuple[int, int]] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, IndirectObject):
            key = (node.idnum, node.generation)
            if key in seen:  # a tree that refers to itself
                continue
            seen.add(key)
        node = _resolved(node)
        names = _entry(node, "/Names", ArrayObject) or ()
        for position in range(0, len(names) - 1, 2):
            yield from _attachment(names[position + 1], str(names[position]))
        waiting.extend(reversed(_entry(node, "/Kids", ArrayObject) or ()))


def _attachment(specification: PdfObject | None, key: str) -> Iterator[Attachment]:
    specification = _resolved(specification)
    if not isinstance(specification, DictionaryObject):
        return
    name = str(_resolved(specification.get("/UF")) or _resolved(specification.get("/F")) or key)
    embedded = _entry(specification, "/EF", DictionaryObject)
    streams = (_entry(embedded, key, StreamObject) for key in ("/UF", "/F"))
    stream = next((stream for stream in streams if stream is not None), None)
    yield Attachment(name, str(stream.get("/Subtype", "")) if stream is not None else "", stream)


def _preference(attachment: Attachment) -> tuple[int, int]:
    if attachment.has_invoice_name:
        return 0, INVOICE_NAMES.index(attachment.name.lower())
    return (1 if attachment.says_xml else 2), 0


def _declared_type(catalog: DictionaryObject) -> str | None:
    metadata = _entry(catalog, "/Metadata", StreamObject)
    if metadata is None:
        return None
    try:
        content = metadata.get_data()
    except Exception:  # noqa: BLE001 (pypdf raises any builtin exception on damaged input; nothing depends on it)
        return None
    if not any(mark in content for mark in _HYBRID_MARKS):
        return None
    named = _DOCUMENT_TYPE.search(content)
    return named["type"].decode("ascii").upper() if named else "INVOICE"


def _resolved(item: PdfObject | None) -> PdfObject | None:
    return item.get_object() if item is not None else None


def _entry(parent: PdfObject | None, key: str, kind: type[Kind]) -> Kind | None:
    """What a dictionary has under a key, if both are of the right kind."""
    found = _resolved(parent.get(key)) if isinstance(parent, DictionaryObject) else None
    return found if isinstance(found, kind) else None


def _encrypted() -> ReadingError:
    return ReadingError("PDF_ENCRYPTED", "The PDF is protected by a password; ask for it without one.")
