"""Which rules of a table a document breaks, and what is said of it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from invoice_pipelines.einvoice.rules.engine.asking import Finding, Found, code_of
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration
from invoice_pipelines.einvoice.rules.engine.states import Asked, States
from invoice_pipelines.einvoice.rules.engine.table import Fact, Kind, Section, facts_of, load_table
from invoice_pipelines.einvoice.rules.engine.values import TWICE, Stopped, normalized
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View
from invoice_pipelines.einvoice.rules.syntax.conditions_cii import CII
from invoice_pipelines.einvoice.rules.syntax.conditions_ubl import UBL
from invoice_pipelines.einvoice.rules.verdict import Severity

_CONDITIONS = {Syntax.UBL: UBL, Syntax.CII: CII}
_SOURCES = {"UBL": "CEN/TS 16931-3-2:2020", "CII": "CEN/TS 16931-3-3:2020"}
_LONGEST = 60  # characters of a value that a text quotes

# The texts of rules with conditions, where several say the same. The others have one of their own, by their id.
_TEXTS = {
    **dict.fromkeys(("UBL-CR-666", "UBL-CR-673"), "syntax_not_of_object"),
    **dict.fromkeys(("CII-DT-015", "CII-DT-021", "CII-DT-022"), "syntax_of_supporting"),
    **dict.fromkeys(("CII-DT-041", "CII-DT-054", "CII-DT-058"), "syntax_of_breakdown"),
    **dict.fromkeys(("CII-DT-052", "CII-DT-098"), "syntax_of_tax"),
    **dict.fromkeys(("CII-SR-449", "CII-SR-450", "CII-SR-451"), "syntax_one_identifier"),
    **dict.fromkeys(("CII-SR-465", "CII-SR-466"), "syntax_person_or_department"),
}
_MISSING = "syntax_missing"


@functools.cache
def states(syntax: Syntax) -> States:
    """The table of a syntax, read at its first use."""
    return States(table_of(syntax), _CONDITIONS[syntax])


def rules(syntax: Syntax) -> list[Declaration]:
    """All rules of the table of a syntax."""
    return [_rule(fact, _text(fact)) for section in table_of(syntax) for fact in facts_of(section.top) if fact.rule]


def ask(view: View) -> Found:
    """What a document breaks of the rules of its syntax: each rule once for each element of its section.

    The node of a finding is the element to look at: what may not stand there, stands there too often, differs from
    others, or is without what it needs.
    """
    try:
        return Found(list(_broken(view)), [])
    except Exception as error:  # noqa: BLE001 (a rule that fails must neither crash nor let pass)
        return Found([], [(_SYNTAX_RULES[view.syntax], code_of(error), view.root)])


_SYNTAX_RULES = {
    syntax: Declaration(f"{name}-SR", Severity.FATAL, _SOURCES[name], {})
    for syntax, name in ((Syntax.UBL, "UBL"), (Syntax.CII, "CII"))
}
"""All of a syntax, which stop together."""


@functools.cache
def table_of(syntax: Syntax) -> list[Section]:
    text = resources.files(__package__).joinpath(f"{syntax}.txt").read_text("utf-8")
    return load_table(text.splitlines())


def _broken(view: View) -> Iterator[Finding]:
    told: set[tuple[Fact, Node]] = set()  # or counted, and found right
    first: dict[Fact, tuple[Node, str]] = {}
    for state, node in view.spoken:
        for asked in state.asks:
            fact = asked.fact
            if asked.condition is not None and not asked.condition(node, view):
                continue
            other = ""
            if fact.most != 0:  # at most one in the document, or all alike
                text = normalized(node.string) if fact.kind is Kind.SAME else node.string
                one, other = first.setdefault(fact, (node, text))
                if one is node or (fact.kind is not Kind.COUNT and other == text):
                    continue
            above = _above(asked, node, view)
            if (fact, above) not in told:
                told.add((fact, above))
                yield _finding(fact, node, above, other)
        for asked in state.needs:
            if (asked.fact, node) not in told and len(_counted(asked.fact, node)) < asked.fact.least:
                told.add((asked.fact, node))
                yield _missing(asked.fact, node)
        if state.attributes:
            for name in map(str, node.element.attrib):
                for asked in state.attributes.get(name, ()):
                    above = _above(asked, node, view)
                    if (asked.fact, above) in told or (asked.condition and not asked.condition(node, view)):
                        continue
                    told.add((asked.fact, above))
                    yield _finding(asked.fact, node, above)
    for state, node in view.repeated:
        for asked in state.repeats:
            if asked.fact.kind is Kind.SINGLE:
                raise Stopped(TWICE)
            above = _above(asked, node, view)
            if (asked.fact, above) in told:
                continue
            told.add((asked.fact, above))
            nodes = _counted(asked.fact, above)
            if asked.condition is not None:
                nodes = [each for each in nodes if asked.condition(each, view)]
            if asked.fact.most is not None and len(nodes) > asked.fact.most:
                yield _finding(asked.fact, nodes[asked.fact.most], above, count=len(nodes))


def _above(asked: Asked, node: Node, view: View) -> Node:
    """The element of the section."""
    if asked.height is None:
        return view.root
    for _ in range(asked.height):
        assert node.parent is not None
        node = node.parent
    return node


def _counted(fact: Fact, above: Node) -> list[Node]:
    """What a fact is about, in an element of the section."""
    nodes = [above]
    for names in fact.path:
        nodes = [kid for node in nodes for name in names for kid in node.kids.get(name, ())]
    if fact.attribute is not None:
        nodes = [node for node in nodes if node.get(fact.attribute) is not None]
    return nodes


@functools.cache
def _rule(fact: Fact, text: str) -> Declaration:
    severity = Severity.FATAL if fact.fatal else Severity.WARNING
    return Declaration(fact.rule, severity, _SOURCES[fact.rule[:3]], {}, text=text)


def _text(fact: Fact) -> str:
    if fact.conditional:
        return _TEXTS.get(fact.rule, fact.rule)
    if fact.kind is not Kind.COUNT:
        return "syntax_alike"
    if fact.most == 0:
        return "syntax_not_used"
    return "syntax_once" if fact.most == 1 else "syntax_often" if fact.most else _MISSING


def _finding(fact: Fact, node: Node, above: Node, other: str = "", *, count: int = 2) -> Finding:
    def facts() -> Mapping[str, Any]:
        value = (node.get(fact.attribute) or "") if fact.attribute is not None else node.string
        return {
            "what": _named(fact, node, above),
            "value": _short(value),
            "other": _short(other),
            "count": count,
            "most": fact.most,
        }

    return Finding(_rule(fact, _text(fact)), node, facts)


def _named(fact: Fact, node: Node, above: Node) -> str:
    """The path to an element from that of the section."""
    names = [node.name]
    around = node
    while around is not above and around.parent is not None:
        around = around.parent
        names.append(around.name)
    if above.parent is None and len(names) > 1:  # that it is in the invoice goes without saying
        names.pop()
    names.reverse()
    if fact.attribute is not None:
        names.append(f"@{fact.attribute}")
    return "/".join(names)


def _missing(fact: Fact, node: Node) -> Finding:
    def facts() -> Mapping[str, Any]:
        names = [each[0] for each in fact.path]
        if fact.attribute is not None:
            names.append(f"@{fact.attribute}")
        return {"what": "/".join(names), "around": node.name}

    return Finding(_rule(fact, _MISSING), node, facts)


def _short(text: str) -> str:
    text = normalized(text[: 10 * _LONGEST])  # it may be an attached file
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
