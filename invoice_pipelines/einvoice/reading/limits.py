"""The bounds within which an XML document is read. What lies beyond them is refused with a `ReadingError`.

Documents come from strangers: every bound is checked before, or while, the resource is used, never afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class XmlLimits:
    """Bounds for one document. Sizes are in bytes; all bounds are inclusive."""

    xml_bytes: int = 50_000_000
    """Size of an XML document; where it is attached to a PDF, after decompression."""

    xml_markup: int = 1_000_000
    """Number of tags plus attributes in an XML document: some ten thousand invoice lines. Bounds the memory of the
    tree, which is many times that of the bytes."""

    xml_depth: int = 100
    """Nesting of XML elements. The deepest path of EN 16931 has about 10."""

    xml_number: int = 100
    """Characters of an amount, quantity, percentage or rate. No invoice has 40; computing with a million takes minutes,
    in every tool that the invoice comes to."""

    xml_value: int = 4_000
    """Characters of a name, code, identifier, date or address in an XML invoice, and of an attribute. Rules look
    through such values with regular expressions, some of which take the square of the length."""

    xml_prose: int = 100_000
    """Characters of a note, a description, or another text of free length in an XML invoice."""
