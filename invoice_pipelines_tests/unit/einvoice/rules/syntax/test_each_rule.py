"""Each syntax rule has a document that breaks it and one, as small a change away as can be, that does not."""

from collections.abc import Iterator, Sequence

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.engine.names import PREFIXES
from invoice_pipelines.einvoice.rules.engine.table import Context, Fact, Kind, Section, facts_of
from invoice_pipelines.einvoice.rules.engine.texts import message_of
from invoice_pipelines.einvoice.rules.engine.walk import Syntax
from invoice_pipelines.einvoice.rules.syntax.asking import table_of
from invoice_pipelines_tests.unit.einvoice.rules.syntax.documents import asked_of
from invoice_pipelines_tests.unit.einvoice.rules.syntax.examples import EXAMPLES

_URIS = {prefix: uri for uri, prefix in PREFIXES.items()}
_ROOTS = {Syntax.UBL: "ubl:Invoice", Syntax.CII: "rsm:CrossIndustryInvoice"}
# An element for each ending of a name that a section is about.
_ENDINGS = {
    "*Amount": "cbc:TaxAmount",
    "*BinaryObject": "cbc:EmbeddedDocumentBinaryObject",
    "*DocumentContextParameter": "ram:GuidelineSpecifiedDocumentContextParameter",
    "ram:*ID": "ram:URIID",
    "ram:*ReferencedDocument": "ram:ContractReferencedDocument",
    "ram:*Amount": "ram:BasisAmount",
    "ram:*Quantity": "ram:BilledQuantity",
    "ram:*TradeTax": "ram:ApplicableTradeTax",
}
_SHADOWED = {"CII-DT-010", "CII-DT-011", "CII-DT-012"}  # never broken, as in the official rules


def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{_URIS[prefix]}}}{local}"


def _inside(parent: etree._Element, steps: Sequence[str]) -> etree._Element:
    for step in steps:
        parent = etree.SubElement(parent, _tag(_ENDINGS.get(step, step)))
    return parent


def _root(syntax: Syntax) -> etree._Element:
    return etree.Element(_tag(_ROOTS[syntax]), nsmap=_URIS)


def _of_section(syntax: Syntax, context: Context) -> etree._Element:
    """An element of a section, in a document of its own."""
    root = _root(syntax)
    return _inside(root, context.steps if context.anywhere else context.steps[1:])


def _put(around: etree._Element, fact: Fact, times: int) -> None:
    """Puts so many of what a fact is about into an element of its section."""
    if not fact.path:
        if times:
            around.set(str(fact.attribute), "x")
        return
    *way, last = [names[0] for names in fact.path]
    inner = _inside(around, way) if times else around
    for number in range(times):
        element = etree.SubElement(inner, _tag(last))
        element.text = str(number) if fact.kind is not Kind.COUNT else None
        if fact.attribute is not None:
            element.set(fact.attribute, "x")


def _fired(element: etree._Element) -> set[str]:
    return _told(etree.tostring(element.getroottree()))


def _told(xml: str | bytes) -> set[str]:
    found = asked_of(xml)
    for finding in found.findings:
        for text in message_of(finding):
            assert text.endswith("."), text
            assert "{" not in text, text
    return {finding.rule.id for finding in found.findings}


def _plain(syntax: Syntax) -> Iterator[tuple[Section, Fact]]:
    for section in table_of(syntax):
        for fact in facts_of(section.top):
            if fact.rule and not fact.conditional and fact.rule not in _SHADOWED:
                yield section, fact


@pytest.mark.parametrize("syntax", Syntax)
def test_each_rule_without_condition_speaks_of_too_many_and_too_few_and_of_nothing_else(syntax: Syntax) -> None:
    asked = 0
    for section, fact in _plain(syntax):
        context = section.contexts[0]
        most = 1 if fact.kind is not Kind.COUNT else fact.most
        several = bool(fact.path)  # an attribute stands only once in an element
        for times in range((most or 1) + 2 if several else 2):
            element = _root(syntax) if fact.anywhere else _of_section(syntax, context)
            _put(element, fact, times)
            right = fact.least <= times and (most is None or times <= most)
            assert (fact.rule not in _fired(element)) == right, (fact.rule, times)
        asked += 1
    assert asked > 500


@pytest.mark.parametrize("rule", EXAMPLES)
def test_each_rule_with_a_condition_has_a_document_that_breaks_it_and_one_that_does_not(rule: str) -> None:
    broken, kept = EXAMPLES[rule]
    assert rule in _told(broken)
    assert rule not in _told(kept)


def test_no_rule_with_a_condition_is_without_examples() -> None:
    conditional = {
        fact.rule
        for syntax in Syntax
        for section in table_of(syntax)
        for fact in facts_of(section.top)
        if fact.conditional
    }
    assert conditional == set(EXAMPLES)
