"""Mutants of the examples: always the same ones, each a document of its own, of every syntax and usage."""

from collections import Counter

import pytest

from invoice_pipelines.einvoice import ReadingError, Syntax, write
from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines.einvoice.rules.verdict import Severity
from invoice_pipelines.einvoice.rules.xml_document import Root, Usage, parse
from invoice_pipelines.workshop.bench.documents import valid_e_invoices
from invoice_pipelines.workshop.mutants.crowded import crowded
from invoice_pipelines.workshop.mutants.mutants import mutants
from invoice_pipelines_tests.support.einvoice.cases import bases
from invoice_pipelines_tests.support.sizes import size


@pytest.fixture(scope="module")
def documents() -> dict[str, bytes]:
    return {document.name: document.xml for document in valid_e_invoices()}


def test_the_same_seed_gives_the_same_mutants_and_another_seed_others(documents: dict[str, bytes]) -> None:
    first = list(mutants(documents, 40, seed=1))
    assert first == list(mutants(documents, 40, seed=1))
    assert first[:20] == list(mutants(documents, 20, seed=1))  # however many are asked for
    assert [mutant.xml for mutant in first] != [mutant.xml for mutant in mutants(documents, 40, seed=2)]


def test_mutants_differ_from_their_documents_and_say_in_what(documents: dict[str, bytes]) -> None:
    for mutant in mutants(documents, 60, seed=1):
        assert mutant.changes
        assert mutant.xml != documents[mutant.base]


def test_every_syntax_and_usage_is_among_them(documents: dict[str, bytes]) -> None:
    found = [parse(mutant.xml) for mutant in mutants(documents, 400, seed=1)]
    assert {document.root for document in found} == {Root.UBL_INVOICE, Root.UBL_CREDIT_NOTE, Root.CII}
    by_usage = Counter(document.usage for document in found)
    assert set(by_usage) == set(Usage)


def test_documents_that_are_no_invoices_are_passed_over(documents: dict[str, bytes]) -> None:
    others = {"a.xml": b"<a/>", "b.xml": b"no XML"}
    assert len(list(mutants({**documents, **others}, 5, seed=1))) == 5
    with pytest.raises(ValueError, match="no UBL or CII invoice"):
        list(mutants(others, 5, seed=1))


def test_no_rule_raises_on_them_and_what_stops_one_refuses_the_document(documents: dict[str, bytes]) -> None:
    sound = {
        f"{name} {syntax}": write(invoice, syntax)
        for name, invoice in bases().items()
        for syntax in (Syntax.UBL, Syntax.CII)
    }
    for mutant in mutants({**documents, **sound}, size(600, 5_000), seed=3, changes=(1, 2, 4, 8)):
        try:
            violations = business_rules(mutant.xml)
        except ReadingError:
            continue  # beyond what is read at all
        stopped = [each for each in violations if each.rule == "IP-RULES-01"]
        assert all(each.severity is Severity.FATAL for each in stopped), mutant
        assert all(each.message and each.message_de for each in violations), mutant


def test_crowded_invoices_have_what_no_invoice_has_and_are_read_nevertheless(documents: dict[str, bytes]) -> None:
    ubl = {name: xml for name, xml in documents.items() if parse(xml).root is Root.UBL_INVOICE}
    one = dict([min(ubl.items(), key=lambda item: len(item[1]))])
    found = list(crowded(one, seed=1, at_once=100))
    assert found == list(crowded(one, seed=1, at_once=100))
    elements = {element.tag for mutant in found for element in parse(mutant.xml).tree.iter("*")}
    assert {tag.rpartition("}")[2] for tag in elements} >= {
        "UUID",
        "CopyIndicator",
        "ManufacturerParty",
        "PricingReference",
    }
