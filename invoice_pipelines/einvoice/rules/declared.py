"""What the rules of this project find in a document: the declarations of all its rule sets, asked in one go."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

from lxml import etree

from invoice_pipelines.einvoice.rules.declarations.national.releases import RELEASES, Release
from invoice_pipelines.einvoice.rules.engine.asking import Finding, Found, Plan
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration
from invoice_pipelines.einvoice.rules.engine.texts import message_of
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View, walk
from invoice_pipelines.einvoice.rules.rule_sets import RuleSet
from invoice_pipelines.einvoice.rules.schema import element_path
from invoice_pipelines.einvoice.rules.severities import severity_of
from invoice_pipelines.einvoice.rules.stopped import STOPPED, why_stopped
from invoice_pipelines.einvoice.rules.syntax.asking import ask as ask_of_syntax
from invoice_pipelines.einvoice.rules.syntax.asking import states
from invoice_pipelines.einvoice.rules.verdict import LISTED, Violation, ViolationClass
from invoice_pipelines.einvoice.rules.xml_document import Root, XmlDocument

_RELEASES = {
    RuleSet.EN_16931_UBL: "EN 16931",
    RuleSet.EN_16931_CII: "EN 16931",
    RuleSet.XRECHNUNG_UBL: "XRechnung",
    RuleSet.XRECHNUNG_CII: "XRechnung",
    RuleSet.PEPPOL: "Peppol BIS Billing",
    RuleSet.FACTURX_MINIMUM: "Factur-X",
    RuleSet.FACTURX_BASIC_WL: "Factur-X",
    RuleSet.FACTURX_EXTENDED: "Factur-X",
}
"""Whose releases (`declarations.national.releases`) a set has."""


def is_declared(rule_set: RuleSet) -> bool:
    """Whether the rules of a set are among the declarations."""
    return rule_set in _RELEASES


def release_of(rule_set: RuleSet, on: date | None = None) -> Release:
    """The release of a rule set that is valid on a day, or the first that is known; without a day the newest."""
    releases = [release for name, release in RELEASES.items() if name.rpartition(" ")[0] == _RELEASES[rule_set]]
    releases.sort(key=lambda release: release.valid_from)
    valid = [release for release in releases if on is None or release.valid_from <= on]
    return valid[-1] if valid else releases[0]


def declared_version(rule_set: RuleSet, on: date | None = None) -> str:
    """The release of a rule set that is asked on a day (`release_of`), for the verdict."""
    return f"{rule_set} {release_of(rule_set, on).name.rpartition(' ')[2]}"


def declared_rules(rule_set: RuleSet, on: date | None = None) -> list[Declaration]:
    """The declarations of a rule set as of a day (`release_of`), without those of its syntax (`syntax.asking`)."""
    return _rules_of(rule_set, release_of(rule_set, on))


def _rules_of(rule_set: RuleSet, release: Release) -> list[Declaration]:
    return [rule for rule in _declarations(rule_set) if not rule.releases or release.name in rule.releases]


def prepare(document: XmlDocument, rule_sets: Sequence[RuleSet], on: date | None = None) -> None:
    """Compiles the rules, before the document can have taken the memory that this needs."""
    if document.root is not None and rule_sets:
        syntax = _syntax(document.root)
        _plan_of(rule_sets, syntax, on)
        if not _CORE.isdisjoint(rule_sets):
            states(syntax)


def declared_violations(document: XmlDocument, rule_sets: Sequence[RuleSet], on: date | None = None) -> list[Violation]:
    """What the rules of these sets, as of a day (`release_of`), find in a document. None raises: one that cannot be
    asked is told as IP-RULES-01.

    After `LISTED` violations each rule has one more, which stands for all that follow.
    """
    if document.root is None or not rule_sets:
        return []
    found = found_in(document.tree.getroot(), _syntax(document.root), rule_sets, on)
    violations = [_violation(finding, times, document, document.root) for finding, times in _counted(found.findings)]
    if found.stopped:
        violations.append(_stopped(found.stopped))
    return violations


def found_in(root: etree._Element, syntax: Syntax, rule_sets: Sequence[RuleSet], on: date | None = None) -> Found:
    """What the rules of these sets say of a document: those of its syntax first."""
    plan = _plan_of(rule_sets, syntax, on)
    if _CORE.isdisjoint(rule_sets):
        view = walk(root, syntax)
        found = plan.ask(view)
        return Found(found.findings + _of_profiles(view, rule_sets), found.stopped)
    view = walk(root, syntax, states(syntax).start)
    found, of_syntax = plan.ask(view), ask_of_syntax(view)
    return Found(of_syntax.findings + found.findings, of_syntax.stopped + found.stopped)


_PROFILES = {
    RuleSet.FACTURX_MINIMUM: "MINIMUM",
    RuleSet.FACTURX_BASIC_WL: "BASIC_WL",
    RuleSet.FACTURX_EXTENDED: "EXTENDED",
}


def _of_profiles(view: View, rule_sets: Sequence[RuleSet]) -> list[Finding]:
    """What the tables of profiles of Factur-X speak against."""
    names = [_PROFILES[rule_set] for rule_set in rule_sets if rule_set in _PROFILES]
    if not names:
        return []
    from invoice_pipelines.einvoice.rules.declarations.national import profiles

    return [finding for name in names for finding in profiles.ask(view, profiles.Profile[name])]


_CORE = frozenset((RuleSet.EN_16931_UBL, RuleSet.EN_16931_CII))


def _syntax(root: Root) -> Syntax:
    return Syntax.CII if root is Root.CII else Syntax.UBL


def _plan_of(rule_sets: Sequence[RuleSet], syntax: Syntax, on: date | None) -> Plan:
    return _plan(tuple((rule_set, release_of(rule_set, on)) for rule_set in rule_sets), syntax)


@functools.lru_cache(maxsize=64)
def _plan(asked: tuple[tuple[RuleSet, Release], ...], syntax: Syntax) -> Plan:
    # By releases, not by day: a process that judges for weeks compiles them once.
    return Plan([rule for rule_set, release in asked for rule in _rules_of(rule_set, release)], syntax)


def _declarations(rule_set: RuleSet) -> Iterable[Declaration]:
    # Imported late: a document needs the rules of its usage only.
    match rule_set:
        case RuleSet.EN_16931_UBL | RuleSet.EN_16931_CII:
            from invoice_pipelines.einvoice.rules.declarations import decimals, required, sums, vat
            from invoice_pipelines.einvoice.rules.declarations.national import code_lists

            return (*required.RULES, *sums.RULES, *decimals.RULES, *vat.RULES, *code_lists.RULES)
        case RuleSet.XRECHNUNG_UBL | RuleSet.XRECHNUNG_CII:
            from invoice_pipelines.einvoice.rules.declarations.national import extension, peppol, xrechnung

            return (*xrechnung.RULES, *extension.RULES, *peppol.IN_XRECHNUNG)
        case RuleSet.PEPPOL:
            from invoice_pipelines.einvoice.rules.declarations.national import countries, peppol
            from invoice_pipelines.einvoice.rules.declarations.national.peppol import codes

            return (*peppol.RULES, *codes.RULES, *countries.RULES)
        case RuleSet.FACTURX_MINIMUM | RuleSet.FACTURX_BASIC_WL | RuleSet.FACTURX_EXTENDED:
            from invoice_pipelines.einvoice.rules.declarations.national import factur_x, profiles

            name = _PROFILES[rule_set]
            return (*getattr(factur_x, name), *profiles.rules(profiles.Profile[name]))
    return ()


def _counted(findings: Sequence[Finding]) -> Iterable[tuple[Finding, int]]:
    """The findings that are told, and how many each stands for."""
    yield from ((finding, 1) for finding in findings[:LISTED])
    following = findings[LISTED:]
    times = Counter(finding.rule.id for finding in following)
    for finding in following:
        if count := times.pop(finding.rule.id, 0):
            yield finding, count


def _violation(finding: Finding, times: int, document: XmlDocument, root: Root) -> Violation:
    rule = finding.rule
    message, message_de = message_of(finding)
    return Violation(
        rule.id,
        severity_of(rule.id, rule.severity, document.usage, root),
        ViolationClass.BUSINESS_RULE,
        message,
        message_de,
        element_path(finding.node.element),
        times,
    )


def _stopped(stopped: Sequence[tuple[Declaration, str, Node]]) -> Violation:
    rules = list(dict.fromkeys(rule.id for rule, _, _ in stopped))
    _, code, node = stopped[0]
    named = ", ".join(rules[:_NAMED])
    more = len(rules) > _NAMED
    return STOPPED.broken(
        element_path(node.element),
        rules=(named + " and others" * more, named + " und andere" * more),
        why=why_stopped(code),
    )


_NAMED = 5
