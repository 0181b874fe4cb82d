"""Tests that rules of one shape share, and the facts that their texts name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoice_pipelines.einvoice.rules.engine.declaration import Facts, Test
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import normalized
from invoice_pipelines.einvoice.rules.engine.walk import Node, View

BLANKS = " \t\r\n"


def is_blank(text: str | None) -> bool:
    """Whether there is nothing but white space, as XML has it."""
    return not text or not text.strip(BLANKS)


def empty_elements(view: View) -> list[Node]:
    """The elements without elements in them that say nothing."""
    return [
        node
        for nodes in view.index.values()
        for node in nodes
        if not node.kids and (not node.text or (node.text.isspace() and is_blank(node.text)))
    ]


def says_something(steps: str) -> Test:
    """That one of the elements at a path is not empty, however many there are."""
    at = path(steps)

    def test(node: Node, view: View) -> bool:
        return any(not is_blank(each.string) for each in at(node))

    return test


def exists(steps: str) -> Test:
    """That there is an element at one of several paths, which ` | ` separates."""
    paths = [path(each) for each in steps.split(" | ")]
    return lambda node, view: any(at(node) for at in paths)


def absent(steps: str) -> Test:
    """That there is no element at any of several paths, which ` | ` separates."""
    paths = [path(each) for each in steps.split(" | ")]
    return lambda node, view: not any(at(node) for at in paths)


def never(node: Node, view: View) -> bool:
    """What a context alone forbids."""
    return False


def text_of(node: Node, view: View) -> Mapping[str, Any]:
    """What the element says, as `value`."""
    return {"value": normalized(node.string)}


def attribute(name: str) -> Facts:
    """What an attribute of the element says, as `value`."""
    return lambda node, view: {"value": node.get(name) or ""}


def is_within(node: Node, *names: str) -> bool:
    """Whether it stands, at any depth, in an element of one of these names."""
    outer = node.parent
    while outer is not None:
        if outer.name in names:
            return True
        outer = outer.parent
    return False
