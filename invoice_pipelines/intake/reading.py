"""What was found in an upload: one type for XML, text layer and OCR alike.

An invoice in the terms of EN 16931 (`einvoice.Invoice`), and where each value comes from. No parsing here (see
`documents`) and no judgement (see `validation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from invoice_pipelines.einvoice.model import Invoice


class Source(StrEnum):
    """Which kind of reader a value comes from; PERSON where somebody confirmed or corrected it."""

    XML = "xml"
    TEXT = "text"
    OCR = "ocr"
    PERSON = "person"


class Format(StrEnum):
    """Which syntax an invoice was read from. A hybrid PDF has the format of the XML it carries; a PICTURE is a photo or
    scan that is no PDF."""

    UBL = "UBL"
    CII = "CII"
    ZUGFERD1 = "ZUGFERD1"
    PDF = "PDF"
    PICTURE = "PICTURE"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value was found and how sure the reader is.

    `confidence` is 0 to 1; XML is always 1. `page` counts from 1. `box` is (left, top, right, bottom) in PDF points
    from the top left corner of the page. `path` is the XPath of an XML value, with the prefixes of the syntax
    binding. `text` is the value as it was written. `engine` names the OCR engine and its version, of words that come
    from one.
    """

    source: Source
    confidence: float
    page: int | None = None
    box: tuple[float, float, float, float] | None = None
    path: str | None = None
    text: str | None = None
    engine: str | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """What was read of a field and is not told, as it may be wrong and nobody was asked: compared, never booked."""

    value: str
    place: Provenance | None = None


class DiscrepancyKind(StrEnum):
    """What can be wrong between a PDF and the XML invoice that it carries, or should carry; or between a document and
    what it is taken for."""

    XML_MISSING = "xml_missing"
    XML_UNREADABLE = "xml_unreadable"
    PAGES_DIFFER = "pages_differ"
    SEVERAL_INVOICES = "several_invoices"
    ANOTHER_DOCUMENT = "another_document"
    SEVERAL_DOCUMENTS = "several_documents"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Why the values may not be what the sender of a document meant: one sentence in English and in German."""

    kind: DiscrepancyKind
    message: str
    message_de: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Invoice):
    """An invoice as a reader found it.

    `profile` is a short name (MINIMUM, BASIC WL, BASIC, EN 16931, EXTENDED, XRECHNUNG, PEPPOL, COMFORT, ...) or the
    last part of BT-24 where it is not known. `raw` holds all of the document as JSON: every element, attribute and
    text of an XML, or the words of a page. `xml` is the XML document that was read, byte for byte, also where it was
    attached to a PDF. `provenance` maps a field name ("number", "seller.vat_id", "lines[0].quantity") to where
    the value stands; values from XML may leave it out, since their confidence is 1.
    `warnings` are remarks of the reader, each one sentence, such as a value that could not be understood;
    `discrepancies` weigh more: a PDF and the XML in it do not go together, or the title is not that of an invoice.
    `withheld` are the fields that were read unsurely and that nobody is asked for (see `validation.withholding`): they
    are left out of the invoice, with their places.
    """

    source: Source
    format: Format
    profile: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    xml: bytes | None = None
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    discrepancies: tuple[Discrepancy, ...] = ()
    withheld: Mapping[str, Withheld] = field(default_factory=dict)
