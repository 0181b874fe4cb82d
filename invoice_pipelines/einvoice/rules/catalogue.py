"""All rules that e-invoices are judged by, to be listed and explained: made from the declarations."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import Any

from invoice_pipelines.einvoice.rules.declared import declared_rules, is_declared
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration
from invoice_pipelines.einvoice.rules.engine.table import Fact, Section, facts_of
from invoice_pipelines.einvoice.rules.engine.texts import text_of
from invoice_pipelines.einvoice.rules.engine.walk import Syntax
from invoice_pipelines.einvoice.rules.german import as_german
from invoice_pipelines.einvoice.rules.judge import NOT_JUDGED
from invoice_pipelines.einvoice.rules.judging import NOT_ASKED
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.einvoice.rules.severities import severity_of
from invoice_pipelines.einvoice.rules.stopped import STOPPED
from invoice_pipelines.einvoice.rules.syntax.asking import rules as syntax_rules
from invoice_pipelines.einvoice.rules.syntax.asking import table_of
from invoice_pipelines.einvoice.rules.verdict import Rule, Severity, ViolationClass
from invoice_pipelines.einvoice.rules.xml_document import Root, Usage

_USAGES = {
    RuleSet.EN_16931_UBL: (Usage.EN_16931, Root.UBL_INVOICE),
    RuleSet.EN_16931_CII: (Usage.EN_16931, Root.CII),
    RuleSet.XRECHNUNG_UBL: (Usage.XRECHNUNG, Root.UBL_INVOICE),
    RuleSet.XRECHNUNG_CII: (Usage.XRECHNUNG, Root.CII),
    RuleSet.PEPPOL: (Usage.PEPPOL, Root.UBL_INVOICE),
    RuleSet.FACTURX_MINIMUM: (Usage.FACTURX_MINIMUM, Root.CII),
    RuleSet.FACTURX_BASIC_WL: (Usage.FACTURX_BASIC_WL, Root.CII),
    RuleSet.FACTURX_EXTENDED: (Usage.FACTURX_EXTENDED, Root.CII),
}
"""A usage and root by which a set of rules is asked, whose name it has here and whose weights."""


@dataclass(frozen=True, slots=True)
class ListedRule:
    """A rule as people look it up. `sets` has the weight in each set of rules that it is in. `message` and `message_de`
    are what it says of an invoice that breaks it, with values as examples."""

    id: str
    violation_class: ViolationClass
    sets: Mapping[str, Severity]
    syntaxes: tuple[str, ...]
    source: str
    message: str
    message_de: str

    @property
    def severity(self) -> Severity:
        """The gravest weight."""
        return min(self.sets.values(), key=list(Severity).index)


@functools.cache
def listed_rules() -> tuple[ListedRule, ...]:
    """All of them: those of the schema, of EN 16931 and its syntaxes, then of the usages of it; each once."""
    found: dict[str, ListedRule] = {rule.id: rule for rule in _OF_THE_SCHEMA}
    for rule_set, declared, values in _declared():
        known = found.get(declared.id)
        made = _listed(declared, rule_set, values)
        if known is not None:
            syntaxes = tuple(dict.fromkeys((*known.syntaxes, *made.syntaxes)))
            made = ListedRule(
                known.id,
                known.violation_class,
                {**known.sets, **made.sets},
                syntaxes,
                known.source,
                known.message,
                known.message_de,
            )
        found[declared.id] = made
    for rule in (STOPPED, NOT_JUDGED, NOT_ASKED):
        found[rule.id] = of_project(rule)
    return tuple(found.values())


def of_project(rule: Rule) -> ListedRule:
    """A rule of this project itself, which is asked whatever the usage."""
    english, german = _said((rule.message, rule.message_de), rule.id, {})
    return ListedRule(rule.id, rule.violation_class, {"own": rule.severity}, (), "invoice-pipelines", english, german)


def _declared() -> Iterator[tuple[RuleSet, Declaration, Mapping[str, Any]]]:
    """All declarations: the set that each is in, and examples of values, as far as they follow from the rule itself."""
    for rule_set in _USAGES:
        if not is_declared(rule_set):
            continue
        for declared in declared_rules(rule_set):
            yield rule_set, declared, {}
        if rule_set in (RuleSet.EN_16931_UBL, RuleSet.EN_16931_CII):
            syntax = Syntax.UBL if rule_set is RuleSet.EN_16931_UBL else Syntax.CII
            facts = [(section, fact) for section in table_of(syntax) for fact in facts_of(section.top) if fact.rule]
            for declared, (section, fact) in zip(syntax_rules(syntax), facts, strict=True):
                yield rule_set, declared, _values_of(section, fact)


def _values_of(section: Section, fact: Fact) -> Mapping[str, Any]:
    around = section.contexts[0].steps[-1]
    names = [each[0] for each in fact.path]
    if fact.attribute is not None:
        names.append(f"@{fact.attribute}")
    is_whole = len(section.contexts[0].steps) == 1 and not section.contexts[0].anywhere
    if not fact.least and not (is_whole and names):
        names.insert(0, around)
    most = fact.most if fact.most is not None else 1
    return {"what": "/".join(names), "around": around, "count": most + 1, "most": most}


def _listed(declared: Declaration, rule_set: RuleSet, values: Mapping[str, Any]) -> ListedRule:
    usage, root = _USAGES[rule_set]
    english, german = _said(text_of(declared.text or declared.id), declared.id, {**values, **declared.about})
    syntaxes = [syntax.name for syntax in Syntax if syntax in declared.asked]
    if not syntaxes:
        syntaxes = [declared.id.partition("-")[0]]
    return ListedRule(
        declared.id,
        ViolationClass.BUSINESS_RULE,
        {usage.value: severity_of(declared.id, declared.severity, usage, root)},
        tuple(syntaxes),
        declared.source,
        english,
        german,
    )


def _said(texts: tuple[str, str], rule: str, about: Mapping[str, Any]) -> tuple[str, str]:
    """Both texts with examples for values."""
    values = {**examples()["values"], "rule": rule, **about, **examples().get(rule, {})}
    english, german = (
        text.format_map(_Values({name: _of_language(value, language) for name, value in values.items()}))
        for language, text in enumerate(texts)
    )
    return english, german


class _Values(dict[str, Any]):
    """Values by name. One without an example shows that it is left out."""

    def __missing__(self, name: str) -> str:
        return "…"


def _of_language(value: Any, language: int) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value[language]
    return as_german(value) if language else value


@functools.cache
def examples() -> Mapping[str, Mapping[str, Any]]:
    """Examples of values: those under `values` for any rule, those under a rule's id for that."""
    return tomllib.loads(resources.files(__package__).joinpath("examples.toml").read_text("utf-8"), parse_float=Decimal)


_OF_THE_SCHEMA = (
    ListedRule(
        "XSD",
        ViolationClass.FORMAT,
        {"schema": Severity.FATAL},
        ("UBL", "CII"),
        "UBL 2.1; UN/CEFACT CII D22B; Factur-X EXTENDED",
        "The element cbc:IssueDate: '31.01.2026' is not a date.",
        "Das Element cbc:IssueDate: '31.01.2026' ist kein Datum.",
    ),
    ListedRule(
        "XSD-PROFILE",
        ViolationClass.FORMAT,
        {"schema": Severity.WARNING},
        ("CII",),
        "Factur-X EXTENDED",
        "The element ram:UltimatePayeeTradeParty is not expected here.",
        "Das Element ram:UltimatePayeeTradeParty wird hier nicht erwartet.",
    ),
)
