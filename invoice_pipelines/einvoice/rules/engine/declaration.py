"""What a rule declares, and the kinds of rules that are alike.

A declaration names the elements that it is asked of in each syntax and tests one of them. What is wrong is said by
texts (`texts`) that may name values; those a rule works out only where it is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import normalized, one
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View
from invoice_pipelines.einvoice.rules.verdict import Severity

Test = Callable[[Node, View], bool]
"""Whether an element keeps a rule. Raises `Stopped` where that cannot be said."""
Where = Callable[[Node], bool]
Find = Callable[[View], Sequence[Node]]
Facts = Callable[[Node, View], Mapping[str, Any]]
"""The values that a text names, of an element that does not keep the rule."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule in one syntax: of which elements it is asked, and what it tests. `context` says where they stand
    (`engine.paths`), or is a function that finds them, and `where` what else must be true of one; where that cannot be
    said, the rule is not asked."""

    context: str | Find
    test: Test
    facts: Facts | None = None
    where: Where | None = None


@dataclass(frozen=True, slots=True)
class Declaration:
    """A rule. `source` says where it stands in the standard. `releases` are those that it is in, all where empty.
    `text` is the key of its text, where several rules share one; else that is the id. `about` are values for it; a pair
    of texts is one in English and one in German."""

    id: str
    severity: Severity
    source: str
    asked: Mapping[Syntax, tuple[Asked, ...]]
    releases: frozenset[str] = frozenset()
    text: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


def declare(
    rule: str,
    ubl: Asked | tuple[Asked, ...] | None = None,
    cii: Asked | tuple[Asked, ...] | None = None,
    *,
    source: str,
    severity: Severity = Severity.FATAL,
    **more: Any,
) -> Declaration:
    """A rule that is asked so in UBL and so in CII."""
    asked = {
        syntax: given if isinstance(given, tuple) else (given,)
        for syntax, given in ((Syntax.UBL, ubl), (Syntax.CII, cii))
        if given is not None
    }
    return Declaration(rule, severity, source, asked, **more)


def any_of(*tests: Test) -> Test:
    return lambda node, view: any(test(node, view) for test in tests)


def all_of(*tests: Test) -> Test:
    return lambda node, view: all(test(node, view) for test in tests)


def has(steps: str) -> Test:
    """That there is such an element, whatever it says."""
    if "@" in steps:
        return _has_attribute(steps)
    at = path(steps)
    return lambda node, view: bool(at(node))


def _has_attribute(steps: str) -> Test:
    before, _, name = steps.rpartition("@")
    at = path(before.rstrip("/")) if before else None

    def test(node: Node, view: View) -> bool:
        return any(each.element.get(name) is not None for each in (at(node) if at else (node,)))

    return test


def says(steps: str) -> Test:
    """That there is such an element, and something in it. Stops where there are two."""
    if "@" in steps:
        return _says_attribute(steps)
    at = path(steps)

    def test(node: Node, view: View) -> bool:
        found = at(node)
        if len(found) == 1:
            return bool(found[0].string.strip(" \t\r\n"))
        return one(found) is not None

    return test


def _says_attribute(steps: str) -> Test:
    before, _, name = steps.rpartition("@")
    at = path(before.rstrip("/")) if before else path("")

    def test(node: Node, view: View) -> bool:
        found = [each for each in at(node) if each.element.get(name) is not None]
        only = one(found)
        return only is not None and bool(normalized(only.element.get(name) or ""))

    return test


def in_cents(steps: str, first: bool = False) -> Test:
    """That an amount has at most two characters after the point. Stops where there are two, unless the `first`
    counts."""
    at = path(steps)

    def test(node: Node, view: View) -> bool:
        found = at(node)
        if not found:
            return True
        if len(found) > 1 and not first:
            one(found)
        return len(found[0].string.partition(".")[2]) <= 2

    return test
