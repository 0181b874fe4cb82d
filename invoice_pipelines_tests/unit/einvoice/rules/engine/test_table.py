"""Tables of what may stand where, the states that they are compiled into, and what the walk notes by them."""

import pytest
from lxml import etree

from invoice_pipelines.einvoice.rules.engine.states import States
from invoice_pipelines.einvoice.rules.engine.table import Kind, facts_of, load_table
from invoice_pipelines.einvoice.rules.engine.walk import Syntax, View, walk

NAMESPACES = """xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
  xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
  xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2" """
TABLE = """
# a remark
let $line /ubl:Invoice/cac:InvoiceLine
at /ubl:Invoice
  cbc:UUID                        0 X-1, 0..1 X-2 fatal
  cac:Party | cac:Delivery
    cbc:Name                      0..2 X-3
      @languageID                 0 X-4 if
  //cbc:PaymentID                 equal X-5
at //cac:Item
at $line/cac:Price
  cbc:Name                        1 X-6
  .                               0 X-7 if
at //cbc:*Amount except cbc:Amount
  @currencyID                     1..n X-8
"""


def view(content: str) -> View:
    sections = load_table(TABLE.splitlines())
    conditions = {"X-4": lambda node, view: True, "X-7": lambda node, view: node.string == "x"}
    root = etree.fromstring(f"<Invoice {NAMESPACES}>{content}</Invoice>")
    return walk(root, Syntax.UBL, States(sections, conditions).start)


def asked(content: str) -> list[tuple[str, list[str]]]:
    """What is asked, or what they need, of which elements."""
    return [
        (node.name, [each.fact.rule for each in (*state.asks, *state.needs)]) for state, node in view(content).spoken
    ]


def test_a_table_says_what_may_stand_where_and_how_often() -> None:
    sections = load_table(TABLE.splitlines())
    facts = {fact.rule: fact for section in sections for fact in facts_of(section.top)}
    assert {rule: (fact.least, fact.most) for rule, fact in facts.items()} == {
        "X-1": (0, 0),
        "X-2": (0, 1),
        "X-3": (0, 2),
        "X-4": (0, 0),
        "X-5": (0, None),
        "X-6": (1, 1),
        "X-7": (0, 0),
        "X-8": (1, None),
    }
    assert [rule for rule, fact in facts.items() if fact.fatal] == ["X-2"]
    assert [rule for rule, fact in facts.items() if fact.conditional] == ["X-4", "X-7"]
    assert [(fact.rule, fact.anywhere) for fact in facts.values() if fact.kind is Kind.EQUAL] == [("X-5", True)]
    assert facts["X-4"].path == (("cac:Party", "cac:Delivery"), ("cbc:Name",))
    assert (facts["X-4"].attribute, facts["X-7"].path) == ("languageID", ())
    assert [context.steps for context in sections[1].contexts] == [
        ("cac:Item",),
        ("ubl:Invoice", "cac:InvoiceLine", "cac:Price"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "   cbc:ID 0 X-1",
        "    cbc:ID 0 X-1",
        "cbc:ID 0 X-1",
        "  cbc:ID never X-1",
        "  cbc:ID 0 X-1 deadly",
        "  cbc:ID 0",
    ],
)
def test_what_is_no_table_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        load_table(["at /ubl:Invoice", line])


def test_the_walk_notes_only_what_the_table_has_something_to_say_about() -> None:
    assert asked("<cbc:ID/><cac:Party/><cbc:UUID/>") == [("cbc:UUID", ["X-1"])]
    assert asked("<cac:Delivery><cbc:PaymentID/></cac:Delivery>") == [("cbc:PaymentID", ["X-5"])]
    assert asked("<cac:InvoiceLine><cac:Price/></cac:InvoiceLine>") == [("cac:Price", ["X-7", "X-6"])]
    assert asked("<cac:Price/><cbc:Amount/><cbc:TaxAmount/>") == [("cbc:TaxAmount", ["X-8"])]
    assert asked("<cac:Party><cbc:Name languageID='de'/></cac:Party><cac:Party><cbc:Name/></cac:Party>") == [
        ("cbc:Name", [])
    ]


def test_the_walk_notes_what_stands_twice_in_one_element() -> None:
    seen = view("<cac:Party><cbc:Name/></cac:Party><cac:Delivery/><cac:Party><cbc:Name/><cbc:Name/></cac:Party>")
    assert [(node.name, [each.fact.rule for each in state.repeats]) for state, node in seen.repeated] == [
        ("cac:Party", ["X-3"]),
        ("cbc:Name", ["X-3"]),
    ]


def test_names_that_a_document_invents_are_not_kept() -> None:
    states = States(load_table(TABLE.splitlines()), {"X-4": lambda *_: True, "X-7": lambda *_: True})
    root = states.start["ubl:Invoice"]
    for number in range(25_000):
        assert root[f"x{number}"]["cbc:TaxAmount"].needs
    assert sum(map(len, (states.start, root, root["x1"]))) < 20_000
    assert root["cbc:UUID"].asks
