"""Whatever an invoice was turned into, validation answers with a verdict: no crash, and each violation in one line."""

from __future__ import annotations

import copy

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines_tests.support.intake.validation.specimens import CII, TODAY, UBL
from invoice_pipelines_tests.support.sizes import example_count

texts = st.sampled_from(["", "abc", "-1", "1e5", "NaN", "INF", "9" * 30, "2026-13-45", "1,5", " 12.00 ", "٣"])
changes = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from(["remove", "repeat", "rewrite"]), texts), min_size=1, max_size=4
)


@settings(max_examples=example_count(150))
@given(st.sampled_from([UBL, CII]), changes)
def test_a_mutilated_invoice_gets_a_verdict(xml: str, mutilations: list[tuple[int, str, str]]) -> None:
    root = etree.fromstring(xml.encode())
    for position, kind, text in mutilations:
        below = [element for element in root.iter() if element is not root]
        if not below:
            continue
        element = below[position % len(below)]
        parent = element.getparent()
        assert parent is not None
        if kind == "remove":
            parent.remove(element)
        elif kind == "repeat":
            element.addnext(copy.deepcopy(element))
        else:
            element.text = text
    try:
        reading = read_document(etree.tostring(root))
    except ReadingError:
        return
    for violation in validate(reading, Expectations(today=TODAY)).violations:
        assert violation.rule
        assert violation.message
        assert violation.message_de
        assert "\n" not in violation.message + violation.message_de
