"""Paths and contexts of rules, compiled into functions on nodes.

A path is a short XPath: `cac:Price/cbc:PriceAmount`, with `..` for the element around and `/*` for the root at its
beginning. `a|b` as a step is one of the two.

A context says of which elements a rule is asked, wherever they stand: `cac:PaymentMeans`, or only inside of others:
`cac:InvoiceLine/cac:InvoicePeriod`. With `/*/` at its beginning the path is from the root. `*Amount` as its last step
is any element whose name ends so. Several are separated by ` | `.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from invoice_pipelines.einvoice.rules.engine.walk import Node

Path = Callable[[Node], Sequence[Node]]
_NONE: tuple[Node, ...] = ()


@functools.cache
def path(steps: str) -> Path:
    """The nodes at a path from a node, in the order of the document; the node itself at ""."""
    from_root = steps.startswith("/*")
    parts = [part for part in steps.removeprefix("/*").split("/") if part]
    if from_root:
        return _from_root(_chain(parts))
    return _chain(parts)


def _chain(parts: Sequence[str]) -> Path:
    if not parts:
        return lambda node: (node,)
    if parts[0] == "..":
        return _from_parent(_chain(parts[1:]))
    first = _step(parts[0])
    if len(parts) == 1:
        return first
    rest = _chain(parts[1:])

    def along(node: Node) -> Sequence[Node]:
        found = first(node)
        if not found:
            return _NONE
        if len(found) == 1:
            return rest(found[0])
        return [end for start in found for end in rest(start)]

    return along


def _step(name: str) -> Path:
    if "|" in name:
        names = name.split("|")

        def either(node: Node) -> Sequence[Node]:
            return [kid for each in names for kid in node.kids.get(each, _NONE)]

        return either

    def step(node: Node) -> Sequence[Node]:
        return node.kids.get(name, _NONE)

    return step


def _from_root(inner: Path) -> Path:
    def from_root(node: Node) -> Sequence[Node]:
        while node.parent is not None:
            node = node.parent
        return inner(node)

    return from_root


def _from_parent(inner: Path) -> Path:
    def from_parent(node: Node) -> Sequence[Node]:
        return inner(node.parent) if node.parent is not None else _NONE

    return from_parent


@functools.cache
def contexts(text: str) -> tuple[tuple[str, Callable[[Node], bool] | None], ...]:
    """Each alternative of a context: the name of the elements, and what else must be true of one, if anything."""
    return tuple(_context(each.strip()) for each in text.split(" | "))


def _context(text: str) -> tuple[str, Callable[[Node], bool] | None]:
    if text == "/*":
        return "/", None
    from_root = text.startswith("/*/")
    *around, name = text.removeprefix("/*/").split("/")
    if not around and not from_root:
        return name, None
    above = tuple(reversed([frozenset(step.split("|")) for step in around]))

    def stands(node: Node) -> bool:
        outer = node.parent
        for names in above:
            if outer is None or outer.name not in names:
                return False
            outer = outer.parent
        return not from_root or (outer is not None and outer.parent is None)

    return name, stands
