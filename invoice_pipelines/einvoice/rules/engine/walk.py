"""One walk over a document. It gives a view of it in plain values, and what stands where the table forbids it.

The view keeps texts as they are: a rule must see what a typed model cannot hold, such as a missing, a repeated or an
unreadable amount. lxml makes a Python object for each element that is looked at, which is what rules would spend most
of their time on; here that is done once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from lxml import etree

from invoice_pipelines.einvoice.rules.engine.names import NAMES
from invoice_pipelines.einvoice.rules.engine.states import NOTHING, State
from invoice_pipelines.errors import InvoicePipelinesError

T = TypeVar("T")


class Syntax(StrEnum):
    """The two syntaxes that EN 16931 is bound to."""

    UBL = "ubl"
    CII = "cii"


def _all_text(element: etree._Element) -> str:
    return "".join(str(part) for part in element.itertext("*"))


class Node:
    """An element: its short name, the elements in it by name, and what it says."""

    __slots__ = ("element", "kids", "name", "parent", "text")

    element: etree._Element
    name: str
    parent: Node | None
    kids: dict[str, list[Node]]
    text: str | None
    """Of an element without elements in it; None of others."""

    def get(self, attribute: str) -> str | None:
        """An attribute without namespace."""
        return self.element.get(attribute)

    @property
    def string(self) -> str:
        """All text in it and below."""
        return self.text if self.text is not None else _all_text(self.element)


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


@dataclass(slots=True)
class View:
    """A document as rules see it."""

    syntax: Syntax
    root: Node
    index: dict[str, list[Node]]
    """All elements by name, in the order of the document."""
    spoken: list[tuple[State, Node]]
    """What the table of the syntax may have something to say about, with its state there (`syntax.asking`)."""
    repeated: list[tuple[State, Node]]
    """Of that what stands a second time, or more often, in the element around."""
    _worked_out: dict[Any, Any] = field(default_factory=dict)

    def once(self, work_out: Callable[[View], T]) -> T:
        """What a function works out of the document, for all rules that ask for it. What stops it stops all of them."""
        try:
            result: T = self._worked_out[work_out]
        except KeyError:
            try:
                result = self._worked_out[work_out] = work_out(self)
            except (InvoicePipelinesError, ArithmeticError) as error:
                self._worked_out[work_out] = _Failed(error)
                raise
        if isinstance(result, _Failed):
            raise result.error.with_traceback(None)
        return result

    def of(self, node: Node | None, work_out: Callable[[Node], T]) -> T | None:
        """What a function works out of an element, once for all that ask: a thousand in one element cost no million."""
        if node is None:
            return None
        if (work_out, node) not in self._worked_out:
            self._worked_out[work_out, node] = work_out(node)
        result: T = self._worked_out[work_out, node]
        return result


_NO_KIDS: dict[str, list[Node]] = {}


def walk(root: etree._Element, syntax: Syntax, start: State = NOTHING) -> View:
    """The view of a document. `start` is what the table of its syntax says of a document, before its root element."""
    name = NAMES[root.tag]
    top = Node()
    top.element, top.name, top.parent, top.text, top.kids = root, name, None, None, _NO_KIDS
    view = View(syntax, top, {name: [top]}, [], [])
    state = start[name]
    if state.speaks or (state.attributes and root.keys()):
        view.spoken.append((state, top))
    _enter(top, state, view.index, view.spoken, view.repeated)
    return view


def _enter(
    parent: Node,
    around: State,
    index: dict[str, list[Node]],
    spoken: list[tuple[State, Node]],
    repeated: list[tuple[State, Node]],
) -> None:
    # The hot loop of all rules: each line counts. Recursion is bounded by the depth that a document may have.
    names = NAMES
    kids: dict[str, list[Node]] = {}
    for element in parent.element:
        name = names[element.tag]
        if not name:
            continue
        node = Node()
        node.element = element
        node.name = name
        node.parent = parent
        state = around[name]
        if name in kids:
            kids[name].append(node)
            if state.repeats:
                repeated.append((state, node))
        else:
            kids[name] = [node]
        if name in index:
            index[name].append(node)
        else:
            index[name] = [node]
        if state.speaks or (state.attributes and element.keys()):
            spoken.append((state, node))
        if len(element):
            _enter(node, state, index, spoken, repeated)
            node.text = None if node.kids else _all_text(element)
        else:
            node.kids = _NO_KIDS
            node.text = element.text or ""
    parent.kids = kids
