"""How long the texts of an XML invoice may be, by what they hold: numbers, values, or prose.

EN 16931 sets no lengths, so these are far beyond what any invoice has (`XmlLimits`). They keep what comes after the
parser from work that grows faster than the document.
"""

from __future__ import annotations

import re

from lxml import etree

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.reading.limits import XmlLimits

_NUMBER = re.compile(r"(Amount|Quantity|Percent|Percentage|Numeric|Rate|Measure)$")
_PROSE = frozenset(
    (
        *("Note", "Description", "DocumentDescription", "AllowanceChargeReason", "TaxExemptionReason", "Value", "URI"),
        *("Content", "Reason", "ExemptionReason", "Information", "URIID", "InstructionNote", "Line"),
    )
)
_ATTACHMENTS = frozenset(("EmbeddedDocumentBinaryObject", "AttachmentBinaryObject"))
# Anything else, such as the signature in an extension, is none of ours and may be long.
_INVOICE_NAMESPACES = (
    "urn:oasis:names:specification:ubl:schema:xsd:Common",
    "urn:un:unece:uncefact:data:",
    "urn:ferd:",
)
_LONGEST_NAME = 1_000  # characters of the name of an element or attribute, with its namespace

_DIGITS = rb"[0-9.+-]{%d}"


def refuse_long_texts(root: etree._Element, data: bytes, limits: XmlLimits) -> None:
    """Raises `ReadingError` (XML_TEXT_TOO_LONG) where a text or attribute of the document is longer than its kind may
    be. `data` is what `root` was parsed from. Attachments (BT-125) have no length of their own.
    """
    if _is_short_at_a_glance(data, limits):
        return
    for element in root.iter(etree.Element):
        name = str(element.tag)
        if len(name) > _LONGEST_NAME:
            raise ReadingError("XML_TEXT_TOO_LONG", f"The XML has an element with a name of {len(name):,} characters.")
        kind, most = _kind(name, limits)
        if kind and (length := _length(element)) > most:
            raise _too_long(f"The {kind}", element, length, most)
        for attribute, value in element.items():
            length = max(len(attribute), len(value))
            if length > limits.xml_value:
                shown = f"The attribute {etree.QName(attribute).localname[:60]}"
                raise _too_long(shown, element, length, limits.xml_value)


def _is_short_at_a_glance(data: bytes, limits: XmlLimits) -> bool:
    """Whether no text can be too long, as in nearly all invoices: none has more from one tag to the next than a value
    may have, nothing joins two such stretches, and there is no long run of digits."""
    if b"<!" in data or b"<?" in data[1:] or b"\0" in data:
        return False
    if re.search(_DIGITS % (limits.xml_number + 1), data):
        return False
    return max(map(len, data.split(b"<"))) <= limits.xml_value


def _kind(tag: str, limits: XmlLimits) -> tuple[str, int]:
    """What an element holds and how long that may be; "" for an attachment."""
    namespace, _, name = tag.rpartition("}")
    if name in _ATTACHMENTS:
        return "", 0
    if name in _PROSE or not namespace.lstrip("{").startswith(_INVOICE_NAMESPACES):
        return "text", limits.xml_prose
    return ("number", limits.xml_number) if _NUMBER.search(name) else ("value", limits.xml_value)


def _length(element: etree._Element) -> int:
    """Characters of all text directly in the element, whatever stands between its parts."""
    return len(element.text or "") + sum(len(child.tail or "") for child in element)


def _too_long(what: str, element: etree._Element, length: int, most: int) -> ReadingError:
    steps = reversed([element, *element.iterancestors()])
    path = "".join(f"/{_shown(step)}" for step in steps)
    return ReadingError(
        "XML_TEXT_TOO_LONG",
        f"{what} in {path} has {length:,} characters; at most {most:,} are accepted. Ask the sender for a correct "
        "invoice.",
    )


def _shown(element: etree._Element) -> str:
    name = etree.QName(element).localname[:60]
    return f"{element.prefix}:{name}" if element.prefix else name
