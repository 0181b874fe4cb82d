"""What validation must know of an XML document before it judges: its tree, its root, whose rules it follows.

The readers have parsed the same bytes before. That is done again here, in their way, because a `Reading` carries no
tree, and because `business_rules` must be safe for callers that have no `Reading`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from lxml import etree

from invoice_pipelines.einvoice.reading.limits import XmlLimits
from invoice_pipelines.einvoice.reading.safe_xml import parse_xml
from invoice_pipelines.einvoice.reading.zugferd1 import INVOICE as ZUGFERD_1_INVOICE
from invoice_pipelines.einvoice.syntaxes import cii, ubl


class Root(StrEnum):
    """The root elements whose documents have a schema."""

    UBL_INVOICE = ubl.INVOICE
    UBL_CREDIT_NOTE = ubl.CREDIT_NOTE
    CII = cii.INVOICE
    ZUGFERD_1 = ZUGFERD_1_INVOICE


class Usage(StrEnum):
    """Which rules a document claims to follow, by its specification identifier (BT-24)."""

    EN_16931 = "EN 16931"
    XRECHNUNG = "XRechnung"
    XRECHNUNG_EXTENSION = "XRechnung Extension"
    XRECHNUNG_CVD = "XRechnung CVD"
    PEPPOL = "Peppol BIS Billing"
    FACTURX_MINIMUM = "Factur-X MINIMUM"
    FACTURX_BASIC_WL = "Factur-X BASIC WL"
    FACTURX_EXTENDED = "Factur-X EXTENDED"


# In this order: the identifiers of XRechnung's extension and CVD contain that of the standard.
_USAGE_BY_PATTERN = (
    (re.compile(r"extension:xrechnung"), Usage.XRECHNUNG_EXTENSION),
    (re.compile(r"xrechnung:cvd"), Usage.XRECHNUNG_CVD),
    (re.compile(r":xrechnung_"), Usage.XRECHNUNG),
    (re.compile(r"peppol\.eu:2017:poacc:(billing|selfbilling):"), Usage.PEPPOL),
    (re.compile(r"(factur-x\.eu:1p0|zugferd\.de:2p\d):minimum$"), Usage.FACTURX_MINIMUM),
    (re.compile(r"(factur-x\.eu:1p0|zugferd\.de:2p\d):basicwl$"), Usage.FACTURX_BASIC_WL),
    (re.compile(r"(factur-x\.eu:1p0|zugferd\.de:2p\d):extended$"), Usage.FACTURX_EXTENDED),
)


@dataclass(frozen=True, slots=True)
class XmlDocument:
    """A parsed XML document. `root` is None where it is no invoice of a known syntax."""

    tree: etree._ElementTree
    root: Root | None
    usage: Usage


def parse(xml: bytes) -> XmlDocument:
    """Parses the XML of an invoice as hostile input, within the readers' limits. Raises `ReadingError` as they do."""
    root = parse_xml(xml, XmlLimits())
    return XmlDocument(
        tree=root.getroottree(),
        root=next((known for known in Root if known == root.tag), None),
        usage=usage_of(_specification(root)),
    )


# What stands for EN 16931 alone; BASIC and EN 16931 of Factur-X are no more than that.
_CORE = re.compile(
    r"urn:cen\.eu:en16931:2017(#compliant#urn:(factur-x\.eu:1p0|zugferd\.de:2p\d):basic)?|"
    r"urn:(factur-x\.eu:1p0|zugferd\.de:2p\d):en16931"
)


def usage_of(specification_identifier: str | None) -> Usage:
    """The rules that a specification identifier (BT-24) stands for; those of EN 16931 where it names none we know.

    What decides is BT-24: the business process (BT-23) of Peppol also stands in invoices that follow XRechnung.
    """
    return _known_usage(specification_identifier or "") or Usage.EN_16931


def is_known(specification_identifier: str) -> bool:
    """Whether a specification identifier (BT-24) names something whose rules are known here."""
    identifier = specification_identifier.strip().lower()
    return _known_usage(identifier) is not None or _CORE.fullmatch(identifier) is not None


def _known_usage(specification_identifier: str) -> Usage | None:
    identifier = specification_identifier.strip().lower()
    return next((usage for pattern, usage in _USAGE_BY_PATTERN if pattern.search(identifier)), None)


def _specification(root: etree._Element) -> str | None:
    return root.findtext("{*}CustomizationID") or root.findtext(
        "{*}ExchangedDocumentContext/{*}GuidelineSpecifiedDocumentContextParameter/{*}ID"
    )
