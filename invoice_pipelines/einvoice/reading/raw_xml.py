"""The JSON form in which everything that an XML document says can be kept.

    {"namespaces": {"cbc": "urn:...", "": "urn:..."},
     "root": {"name": "cbc:ID", "attributes": {"schemeID": "0088"}, "content": ["123", {"name": ...}]}}

- `namespaces` maps the prefixes to their namespaces, "" being no prefix or no namespace. Prefixes are those of the
  document; where it gives one prefix to two namespaces, the later one is called ns1, ns2, ...
- An attribute without a prefix is in no namespace.
- `attributes` and `content` are left out where there are none.
- `content` holds texts, elements, {"comment": text} and {"instruction": target, "text": text} in document order.
- Texts stand as they were written. Only the blanks that indent child elements are dropped.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"


def xml_as_json(root: etree._Element) -> dict[str, Any]:
    """The document from `root` down in the form that the module describes; what stands outside of it is dropped."""
    names = _Names(root)
    top: dict[str, Any] = {}
    open_elements = [(root, top)]  # a stack instead of recursion: depth is the sender's choice
    while open_elements:
        element, form = open_elements.pop()
        form["name"] = names.of_element(element)
        if attributes := element.items():
            form["attributes"] = {names.of_attribute(str(name), element): value for name, value in attributes}
        text = element.text
        content: list[Any] = [text] if text else []
        if len(element):
            indented = not text or text.isspace()
            for child in element:
                child_form: dict[str, Any]
                if not isinstance(child.tag, str):
                    child_form = _remark(child)
                elif len(child):
                    child_form = {}  # filled when its turn comes
                    open_elements.append((child, child_form))
                else:  # most are; done here, as a turn of its own costs as much as the rest
                    child_form = {"name": names.of_element(child)}
                    if of_child := child.items():
                        child_form["attributes"] = {
                            names.of_attribute(str(name), child): value for name, value in of_child
                        }
                    if child_text := child.text:
                        child_form["content"] = [child_text]
                content.append(child_form)
                if tail := child.tail:
                    content.append(tail)
                    indented = indented and tail.isspace()
            if indented:
                content = [item for item in content if not isinstance(item, str)]
        if content:
            form["content"] = content
    return {"namespaces": names.namespaces, "root": top}


def _remark(child: etree._Element) -> dict[str, Any]:
    if isinstance(child, etree._ProcessingInstruction):
        return {"instruction": child.target, "text": child.text or ""}
    return {"comment": child.text or ""}


class _Names:
    """Prefixed names, each worked out once per document."""

    def __init__(self, root: etree._Element) -> None:
        self.namespaces: dict[str, str] = {prefix or "": uri for prefix, uri in root.nsmap.items()}
        self._prefixes = {uri: prefix for prefix, uri in self.namespaces.items()}
        self._known: dict[str, str] = {}

    def of_element(self, element: etree._Element) -> str:
        tag = str(element.tag)
        known = self._known.get(tag)
        if known is None:
            known = self._known[tag] = self._name(tag, element.prefix or "")
        return known

    def of_attribute(self, name: str, element: etree._Element) -> str:
        if not name.startswith("{"):
            return name
        key = "@" + name
        if key not in self._known:
            uri = name[1:].partition("}")[0]
            written = (prefix for prefix, known in element.nsmap.items() if prefix and known == uri)
            self._known[key] = self._name(name, "xml" if uri == _XML_NAMESPACE else next(written, "ns1"))
        return self._known[key]

    def _name(self, name: str, wish: str) -> str:
        uri, local = name[1:].split("}", 1) if name.startswith("{") else ("", name)
        prefix = self._prefixes.get(uri)
        if prefix is None or (prefix == "" and wish):
            prefix, number = wish, 0
            while self.namespaces.setdefault(prefix, uri) != uri:
                number += 1
                prefix = f"ns{number}"
            self._prefixes[uri] = prefix
        return f"{prefix}:{local}" if prefix else local
