"""That the JSON form of a document loses nothing that the document says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from invoice_pipelines.einvoice.reading.raw_xml import xml_as_json
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines_tests.support.intake.documents import samples

_NAME = st.sampled_from(["ID", "Name", "Über", "a-b"])
_NAMESPACE = st.sampled_from(["", "urn:a", "urn:b", "urn:c"])
_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=8)


@st.composite
def _elements(draw: st.DrawFn, depth: int = 3) -> etree._Element:
    namespace = draw(_NAMESPACE)
    # Prefixes are drawn apart from namespaces, so one prefix gets several namespaces and the other way round.
    prefix = draw(st.sampled_from([None, "p", "q"]))
    nsmap: Any = {"z": "urn:z"}
    if namespace:
        nsmap[prefix] = namespace
    element = etree.Element(_qualified(namespace, draw(_NAME)), nsmap=nsmap)
    for name in draw(st.sets(st.tuples(st.sampled_from(["", "urn:z"]), _NAME), max_size=2)):
        element.set(_qualified(*name), draw(_TEXT))
    element.text = draw(_TEXT)
    for _ in range(draw(st.integers(0, 3)) if depth else 0):
        child = draw(st.one_of(_elements(depth - 1), st.builds(etree.Comment, st.just("remark"))))
        child.tail = draw(_TEXT)
        element.append(child)
    return element


@given(_elements())
def test_the_document_can_be_rebuilt_from_its_json_form(element: etree._Element) -> None:
    document = etree.fromstring(etree.tostring(element, encoding="utf-8"))
    form = json.loads(json.dumps(xml_as_json(document)))
    assert _canonical(_rebuilt(form["root"], form["namespaces"])) == _canonical(document)


@pytest.mark.parametrize("sample", [samples.UBL, samples.CII, samples.CREDIT_NOTE, samples.ZUGFERD1])
def test_a_reading_carries_the_whole_document_as_json(sample: str) -> None:
    raw = json.loads(json.dumps(read_document(sample.encode()).raw))
    without_indentation = etree.fromstring(sample.encode(), etree.XMLParser(remove_blank_text=True))
    assert _canonical(_rebuilt(raw["root"], raw["namespaces"])) == _canonical(without_indentation)


def test_the_form_is_the_documented_one() -> None:
    xml = b'<a:x xmlns:a="urn:1" n="1"><!--c--><y xmlns="urn:2" a:m="2"> t </y> <?go now?></a:x>'
    assert xml_as_json(etree.fromstring(xml)) == {
        "namespaces": {"a": "urn:1", "": "urn:2"},
        "root": {
            "name": "a:x",
            "attributes": {"n": "1"},
            "content": [
                {"comment": "c"},
                {"name": "y", "attributes": {"a:m": "2"}, "content": [" t "]},
                {"instruction": "go", "text": "now"},
            ],
        },
    }


def _qualified(namespace: str, name: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name


def _rebuilt(form: dict[str, Any], namespaces: dict[str, str]) -> etree._Element:
    def full_name(name: str, default: str) -> str:
        prefix, _, local = name.rpartition(":")
        return _qualified(namespaces[prefix] if prefix else default, local)

    element = etree.Element(full_name(form["name"], namespaces.get("", "")))
    for name, value in form.get("attributes", {}).items():
        element.set(full_name(name, ""), value)
    for item in form.get("content", []):
        if isinstance(item, str):
            if len(element):
                element[-1].tail = (element[-1].tail or "") + item
            else:
                element.text = (element.text or "") + item
        elif "comment" in item:
            element.append(etree.Comment(item["comment"]))
        else:
            element.append(_rebuilt(item, namespaces))
    return element


def _canonical(element: etree._Element) -> Any:
    """Everything but prefixes and the blanks that indent."""
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if len(element) and all(not text or text.isspace() for text in texts):
        texts = ["" for _ in texts]
    if not isinstance(element.tag, str):
        return ["comment", element.text]
    return [element.tag, sorted(element.attrib.items()), texts, [_canonical(child) for child in element]]
