"""Asks declared rules of a document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import localcontext
from functools import partial
from typing import Any

from invoice_pipelines.einvoice.rules.engine.declaration import Declaration, Facts, Find, Test, Where
from invoice_pipelines.einvoice.rules.engine.paths import contexts
from invoice_pipelines.einvoice.rules.engine.values import EXACT, Stopped
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that an element breaks."""

    rule: Declaration
    node: Node
    facts: Callable[[], Mapping[str, Any]] = dict
    """Works out the values that the text of the rule names. Of thousands of findings only the first are told."""

    @property
    def values(self) -> Mapping[str, Any]:
        """The values that the text of the rule names."""
        with localcontext(EXACT):
            try:
                return self.facts()
            except Exception:  # noqa: BLE001 (the rule is broken all the same; its text can do without the values)
                return {}


@dataclass(frozen=True, slots=True)
class Found:
    """What rules say of a document. `stopped` are those that could not be asked, with the code that says why."""

    findings: list[Finding]
    stopped: list[tuple[Declaration, str, Node]]


_Question = tuple[Test, Declaration, Facts | None]


@dataclass(frozen=True, slots=True)
class _Step:
    stands: Where | None
    where: Where | None
    tests: tuple[_Question, ...]


class Plan:
    """Declarations, compiled for one syntax. Those that are asked of the same elements are asked together."""

    def __init__(self, rules: Iterable[Declaration], syntax: Syntax) -> None:
        by_context: dict[tuple[str | Find, Where | None], list[_Question]] = defaultdict(list)
        for rule in rules:
            for asked in rule.asked.get(syntax, ()):
                by_context[asked.context, asked.where].append((asked.test, rule, asked.facts))
        self._by_name: dict[str, list[_Step]] = defaultdict(list)
        self._by_ending: dict[str, list[_Step]] = defaultdict(list)
        self._found: list[tuple[Find, _Step]] = []
        for (context, where), tests in by_context.items():
            if not isinstance(context, str):
                self._found.append((context, _Step(None, where, tuple(tests))))
                continue
            for name, stands in contexts(context):
                steps = self._by_ending if name.startswith("*") else self._by_name
                steps[name.removeprefix("*")].append(_Step(stands, where, tuple(tests)))

    def ask(self, view: View) -> Found:
        """Asks all of them; none raises."""
        found = Found([], [])
        index = view.index
        with localcontext(EXACT):
            for step in self._by_name.get("/", ()):
                _ask(step, (view.root,), view, found)
            for name, steps in self._by_name.items():
                nodes = index.get(name)
                if nodes is not None:
                    for step in steps:
                        _ask(step, nodes, view, found)
            for find, step in self._found:
                if asked := find(view):
                    _ask(step, asked, view, found)
            for ending, steps in self._by_ending.items():
                for name, nodes in index.items():
                    if name.endswith(ending):
                        for step in steps:
                            _ask(step, nodes, view, found)
        return found


def _ask(step: _Step, nodes: Iterable[Node], view: View, found: Found) -> None:
    stands, where = step.stands, step.where
    for node in nodes:
        if stands is not None and not stands(node):
            continue
        if where is not None and not _is_so(where, node):
            continue
        for test, rule, facts in step.tests:
            try:
                if test(node, view):
                    continue
            except Exception as error:  # noqa: BLE001 (a rule that fails must neither crash nor let pass)
                found.stopped.append((rule, code_of(error), node))
                continue
            found.findings.append(Finding(rule, node, partial(facts, node, view)) if facts else Finding(rule, node))


def code_of(error: Exception) -> str:
    """What says why a rule failed: a code of XPath, or the kind of an error that nobody thought of."""
    if isinstance(error, Stopped):
        return error.code
    return "FOAR0002" if isinstance(error, ArithmeticError) else type(error).__name__


def _is_so(where: Where, node: Node) -> bool:
    try:
        return where(node)
    except (Stopped, ArithmeticError):
        return False
