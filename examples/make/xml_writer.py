"""The little that all XML syntaxes need: elements by prefixed name, and amounts and dates as text."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from lxml import etree


class Writer:
    """Adds elements under prefixed names, such as `cbc:ID`."""

    def __init__(self, root: str, namespaces: dict[str | None, str]) -> None:
        self._namespaces = namespaces
        self.root = etree.Element(self._name(root), nsmap=namespaces)

    def _name(self, name: str) -> str:
        prefix, _, local = name.rpartition(":")
        return f"{{{self._namespaces[prefix or None]}}}{local}"

    def add(self, parent: etree._Element, path: str, text: object = None, **attributes: str) -> etree._Element:
        """Adds the elements of a path (`a:b/a:c`) one below the other and returns the last."""
        element = parent
        for name in path.split("/"):
            element = etree.SubElement(element, self._name(name))
        if text is not None:
            element.text = text.isoformat() if isinstance(text, date) else str(text)
        for name, value in attributes.items():
            element.set(name, value)
        return element

    def add_some(self, parent: etree._Element, path: str, text: object, **attributes: str) -> None:
        """Adds elements only where there is a text."""
        if text:
            self.add(parent, path, text, **attributes)

    def bytes(self) -> bytes:
        etree.indent(self.root)
        return etree.tostring(self.root, xml_declaration=True, encoding="UTF-8") + b"\n"


def plain(value: Decimal) -> str:
    """A number without exponent and without needless zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
