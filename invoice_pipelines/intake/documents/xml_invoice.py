"""Holds which XML is an invoice, in which syntax and under which profile.

What stands where in it: `ubl`, `cii`, `zugferd1`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from lxml import etree

from invoice_pipelines.intake.documents import cii, ubl, zugferd1
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.raw_xml import xml_as_json
from invoice_pipelines.intake.documents.safe_xml import BLANKS, parse_xml
from invoice_pipelines.intake.reading import Reading, ReadingError

# Decided by the namespace and name of the root: names of files and attachments are often wrong.
_READERS: dict[str, Callable[[etree._Element, list[str]], Reading]] = {
    ubl.INVOICE: ubl.read_ubl,
    ubl.CREDIT_NOTE: ubl.read_ubl,
    cii.INVOICE: cii.read_cii,
    zugferd1.INVOICE: zugferd1.read_zugferd1,
}

# Business documents that arrive where invoices are expected, by the local name of their root element.
_OTHER_DOCUMENTS = {
    "SCRDMCCBDACIOMessageStructure": "a purchase order (Order-X)",
    "CrossIndustryOrder": "a purchase order",
    "Order": "a purchase order",
    "OrderChange": "a change of a purchase order",
    "OrderCancellation": "a cancellation of a purchase order",
    "OrderResponse": "an order response",
    "OrderResponseSimple": "an order response",
    "SCRDMCCBDACIDAMessageStructure": "a despatch advice",
    "CrossIndustryDespatchAdvice": "a despatch advice",
    "DespatchAdvice": "a despatch advice",
    "ReceiptAdvice": "a receipt advice",
    "Quotation": "a quotation",
    "RequestForQuotation": "a request for quotation",
    "Catalogue": "a catalogue",
    "Statement": "a statement of account",
    "Reminder": "a reminder",
    "ApplicationResponse": "a response to another document",
}
_BUSINESS_NAMESPACES = ("urn:oasis:names:specification:ubl:", "urn:un:unece:uncefact:data:")

_WARNINGS = 100  # remarks kept per document; a file can be made to cause a million

# BT-24 names the specification; the first pattern that occurs in it gives the short name.
_PROFILES = (
    (re.compile(r"xrechnung", re.IGNORECASE), "XRECHNUNG"),
    (re.compile(r"peppol\.eu:2017:poacc:billing", re.IGNORECASE), "PEPPOL"),
    (re.compile(r"(factur-x\.eu|zugferd\.de):\dp\d:minimum$", re.IGNORECASE), "MINIMUM"),
    (re.compile(r"(factur-x\.eu|zugferd\.de):\dp\d:basicwl$", re.IGNORECASE), "BASIC WL"),
    (re.compile(r"(factur-x\.eu|zugferd\.de):\dp\d:basic$", re.IGNORECASE), "BASIC"),
    (re.compile(r"(factur-x\.eu|zugferd\.de):\dp\d:extended$", re.IGNORECASE), "EXTENDED"),
    (re.compile(r"^urn:cen\.eu:en16931:2017$", re.IGNORECASE), "EN 16931"),
    (re.compile(r"^urn:ferd:.*:basic$", re.IGNORECASE), "BASIC"),
    (re.compile(r"^urn:ferd:.*:comfort$", re.IGNORECASE), "COMFORT"),
    (re.compile(r"^urn:ferd:.*:extended$", re.IGNORECASE), "EXTENDED"),
)


class AnotherDocument(ReadingError):
    """A business document that is no invoice; `kind` says which, with its article: "a purchase order"."""

    def __init__(self, kind: str) -> None:
        super().__init__("NOT_AN_INVOICE", f"This is {kind}, not an invoice.")
        self.kind = kind


def read_xml(data: bytes, limits: Limits) -> Reading:
    """Read an XML invoice of any known syntax.

    Raises `AnotherDocument` for another business document, `ReadingError` NOT_AN_INVOICE for any other XML, and what
    `safe_xml.parse_xml` raises.
    """
    document = data.lstrip(BLANKS)
    root = parse_xml(document, limits)
    reader = _READERS.get(str(root.tag))
    if reader is None:
        name = etree.QName(root)
        if name.localname in _OTHER_DOCUMENTS and (name.namespace or "").startswith(_BUSINESS_NAMESPACES):
            raise AnotherDocument(_OTHER_DOCUMENTS[name.localname])
        raise ReadingError(
            "NOT_AN_INVOICE",
            f"The XML is not an invoice: its root element is {_shown(root)}, and UBL Invoice or CreditNote,"
            " CrossIndustryInvoice or ZUGFeRD 1.0 CrossIndustryDocument are expected.",
        )
    raw = xml_as_json(root)
    warnings: list[str] = []
    if len(document) < len(data):
        warnings.append("Blanks before the XML declaration, which XML forbids, were dropped.")
    reading = reader(root, warnings)
    if len(warnings) > _WARNINGS:
        warnings[_WARNINGS:] = [f"There are {len(warnings) - _WARNINGS:,} more remarks of this kind."]
    return replace(
        reading, profile=_profile(reading.specification_identifier), raw=raw, xml=document, warnings=tuple(warnings)
    )


def _profile(specification: str | None) -> str | None:
    if specification is None:
        return None
    for pattern, name in _PROFILES:
        if pattern.search(specification):
            return name
    return re.split(r"[:#]", specification)[-1] or None


def _shown(root: etree._Element) -> str:
    name = etree.QName(root)
    shown = f"{name.localname[:60]!r}"
    return f"{shown} of {name.namespace[:120]!r}" if name.namespace else shown
