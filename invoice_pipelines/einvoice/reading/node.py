"""Takes typed values out of XML elements by path. `syntaxes` says which path has which term.

A value that is there but cannot be understood becomes None and leaves a sentence in the warnings, never an exception:
whether an invoice can live without it is for validation to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar, cast

from lxml import etree

from invoice_pipelines.einvoice.model import Identifier

T = TypeVar("T")

# xs:decimal, with a bound on its length: no invoice has 40 digits, and a million of them would only cost time.
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_DECIMAL_LENGTH = 40
# xs:date or xs:dateTime; the time and the zone don't move the calendar date that was written.
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(T[\d:.]+)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
# UNTDID 2379: 102 is CCYYMMDD; 203 and 204 add hours, minutes and seconds.
_PLAIN_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{4}(\d{2})?)?", re.ASCII)


def parse_decimal(text: str) -> Decimal | None:
    """A decimal as xs:decimal writes it (a point, no thousands separators); None for anything else."""
    return Decimal(text) if len(text) <= _DECIMAL_LENGTH and _DECIMAL.fullmatch(text) else None


def parse_date(text: str) -> date | None:
    """A calendar date as ISO 8601 or as UNTDID 2379 format 102, 203 or 204 writes it.

    None for anything else: a month (610) or a week (616) is not a day, and guessing one would shift due dates.
    """
    match = _ISO_DATE.fullmatch(text) or _PLAIN_DATE.fullmatch(text)
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


# A path of nothing but names, such as most are: "cac:Party/cbc:Name".
_NAMES = re.compile(r"\w+:\w+(/\w+:\w+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Binding:
    """The prefixes of a syntax binding, and its paths, compiled once: to names, or to an XPath."""

    namespaces: Mapping[str, str]
    _compiled: dict[str, etree.XPath | tuple[str, ...]] = field(default_factory=dict)

    def path(self, path: str) -> etree.XPath | tuple[str, ...]:
        compiled = self._compiled.get(path)
        if compiled is None:
            compiled = self._names(path) or etree.XPath(path, namespaces=dict(self.namespaces))
            self._compiled[path] = compiled
        return compiled

    def _names(self, path: str) -> tuple[str, ...]:
        if not _NAMES.fullmatch(path):
            return ()
        steps = (step.split(":") for step in path.split("/"))
        return tuple(f"{{{self.namespaces[prefix]}}}{name}" for prefix, name in steps)


# The children by name of the elements of a document that were asked for so far.
_Index = dict[etree._Element, dict[str, list[etree._Element]]]


class Node:
    """An element from which values are read by path. `place` names it in warnings ("line 3")."""

    __slots__ = ("_binding", "_element", "_index", "_place", "_warnings")

    def __init__(
        self,
        element: etree._Element,
        binding: Binding,
        warnings: list[str],
        place: str = "the document",
        index: _Index | None = None,
    ) -> None:
        self._element = element
        self._index: _Index = {} if index is None else index
        self._binding = binding
        self._warnings = warnings
        self._place = place

    def nodes(self, path: str, place: str | None = None) -> Iterator[Node]:
        """The elements at `path`, one after the other. `place` is how warnings call them, followed by their number."""
        for number, element in enumerate(self._found(path), start=1):
            yield Node(element, self._binding, self._warnings, f"{place} {number}" if place else self._place)

    def node(self, path: str) -> Node | None:
        """The first element at `path`."""
        found = self._found(path)
        return Node(found[0], self._binding, self._warnings, self._place, self._index) if found else None

    def text(self, path: str) -> str | None:
        """The first text at `path` that is not empty: a name or a code, so on one line, with single blanks."""
        for item in self._found(path):
            if text := " ".join(_text(item).split()):
                return text
        return None

    def texts(self, path: str) -> list[str]:
        """Every text at `path` that is not empty, with its line breaks."""
        return [text for item in self._found(path) if (text := _text(item))]

    def prose(self, path: str) -> str | None:
        """The texts at `path` one below the other, with their line breaks."""
        return "\n".join(self.texts(path)) or None

    def decimal(self, path: str, term: str) -> Decimal | None:
        """The number at `path`. `term` is its business term, for the warning."""
        return self._first(path, term, parse_decimal, "a decimal number")

    def is_true(self, path: str, term: str) -> bool:
        """The indicator at `path`; False, with a warning, where it is missing or neither true nor false."""
        text = self.text(path)
        if text not in ("true", "1", "false", "0"):
            self.warn(f"{term} of {self._place} is {(text or '')[:60]!r}, neither true nor false; false is assumed.")
        return text in ("true", "1")

    def day(self, path: str, term: str) -> date | None:
        """The date at `path`."""
        return self._first(path, term, parse_date, "a calendar date")

    def days(self, path: str, term: str) -> tuple[date, ...]:
        """Every date at `path`."""
        read = (self._parsed(text, term, parse_date, "a calendar date") for text in self.texts(path))
        return tuple(day for day in read if day is not None)

    def identifier(self, path: str, scheme: str = "@schemeID") -> Identifier | None:
        """The first identifier at `path`, with the attribute that names its scheme."""
        return next(iter(self.identifiers(path, scheme)), None)

    def identifiers(self, path: str, scheme: str = "@schemeID") -> tuple[Identifier, ...]:
        """Every identifier at `path` that is not empty."""
        return tuple(
            Identifier(value, node.text(scheme)) for node in self.nodes(path) if (value := node.text(".")) is not None
        )

    def warn(self, sentence: str) -> None:
        """Add a remark to the warnings of the reading."""
        self._warnings.append(sentence)

    def _first(self, path: str, term: str, parse: Callable[[str], T | None], kind: str) -> T | None:
        texts = self.texts(path)
        if len(set(texts)) > 1:
            self.warn(f"{term} occurs {len(texts)} times in {self._place} with different values; the first is used.")
        return self._parsed(texts[0], term, parse, kind) if texts else None

    def _parsed(self, text: str, term: str, parse: Callable[[str], T | None], kind: str) -> T | None:
        value = parse(text)
        if value is None:
            self.warn(f"{term} of {self._place} is {text[:60]!r}, which is not {kind}; it is left empty.")
        return value

    def _found(self, path: str) -> list[Any]:
        compiled = self._binding.path(path)
        if isinstance(compiled, etree.XPath):
            return cast(list[Any], compiled(self._element))
        # Faster than XPath, above all for what is not there, as most of 160 business terms are not.
        found = [self._element]
        for name in compiled:
            if len(found) == 1:
                found = self._children(found[0]).get(name, _NOTHING)
            else:
                found = [child for element in found for child in self._children(element).get(name, _NOTHING)]
        return found

    def _children(self, element: etree._Element) -> dict[str, list[etree._Element]]:
        children = self._index.get(element)
        if children is None:
            children = self._index[element] = {}
            for child in element:
                if isinstance(tag := child.tag, str):  # comments and instructions have none
                    children.setdefault(tag, []).append(child)
        return children


_NOTHING: list[etree._Element] = []


def _text(item: etree._Element | str) -> str:
    if isinstance(item, str):
        return item.strip()
    if len(item):  # a wrapped value (udt:DateTimeString), or a comment inside the text
        return str(_STRING_VALUE(item)).strip()
    return (item.text or "").strip()


_STRING_VALUE = etree.XPath("string()")
