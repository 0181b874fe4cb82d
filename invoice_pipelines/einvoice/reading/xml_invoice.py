"""Tells which XML is an invoice, and in which syntax and profile, and reads it. `syntaxes` says where terms stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.model import Invoice
from invoice_pipelines.einvoice.profiles import Syntax, profile_name
from invoice_pipelines.einvoice.reading import zugferd1
from invoice_pipelines.einvoice.reading.limits import XmlLimits
from invoice_pipelines.einvoice.reading.raw_xml import xml_as_json
from invoice_pipelines.einvoice.reading.safe_xml import BLANKS, parse_xml
from invoice_pipelines.einvoice.syntaxes import cii, ubl

# Decided by the namespace and name of the root: names of files and attachments are often wrong.
_READERS: dict[str, tuple[Syntax, Callable[[etree._Element, list[str]], Invoice]]] = {
    ubl.INVOICE: (Syntax.UBL, ubl.read_ubl),
    ubl.CREDIT_NOTE: (Syntax.UBL, ubl.read_ubl),
    cii.INVOICE: (Syntax.CII, cii.read_cii),
    zugferd1.INVOICE: (Syntax.ZUGFERD1, zugferd1.read_zugferd1),
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

_DEFAULT_LIMITS = XmlLimits()
_WARNINGS = 100  # remarks kept per document; a file can be made to cause a million


class AnotherDocument(ReadingError):
    """A business document that is no invoice; `kind` says which, with its article: "a purchase order"."""

    def __init__(self, kind: str) -> None:
        super().__init__("NOT_AN_INVOICE", f"This is {kind}, not an invoice.")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class XmlInvoice:
    """An invoice as an XML document has it.

    `profile` is a short name, see `profile_name`. `xml` is the document byte for byte, `raw` all of it as JSON (see
    `raw_xml`). `warnings` are sentences on what could not be understood and is left out.
    """

    invoice: Invoice
    syntax: Syntax
    profile: str | None
    xml: bytes
    raw: Mapping[str, Any] = field(repr=False)
    warnings: tuple[str, ...]


def read_xml(data: bytes, limits: XmlLimits = _DEFAULT_LIMITS) -> XmlInvoice:
    """Read an XML invoice of any known syntax.

    Raises `AnotherDocument` for another business document, `ReadingError` NOT_AN_INVOICE for any other XML, and what
    `safe_xml.parse_xml` raises.
    """
    document = data.lstrip(BLANKS)
    root = parse_xml(document, limits)
    syntax, reader = _READERS.get(str(root.tag), (None, None))
    if syntax is None or reader is None:
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
    invoice = reader(root, warnings)
    if len(warnings) > _WARNINGS:
        warnings[_WARNINGS:] = [f"There are {len(warnings) - _WARNINGS:,} more remarks of this kind."]
    profile = profile_name(invoice.specification_identifier)
    return XmlInvoice(invoice, syntax, profile, document, raw, tuple(warnings))


def _shown(root: etree._Element) -> str:
    name = etree.QName(root)
    shown = f"{name.localname[:60]!r}"
    return f"{shown} ({name.namespace[:120]})" if name.namespace else shown
