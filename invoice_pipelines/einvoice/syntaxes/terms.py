"""How a term of EN 16931 is taken from an element and put into one. The tables `ubl` and `cii` are made of these.

A table names the terms in the order of the schema, so that it can be written from top to bottom. What a syntax says in
another way than a path can tell is a subclass of `Term` beside its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Generic, TypeVar

from invoice_pipelines.einvoice.model import Identifier
from invoice_pipelines.einvoice.reading.node import Node
from invoice_pipelines.einvoice.writing.element_writer import ElementWriter
from invoice_pipelines.einvoice.writing.xml_text import end_of_terms, escaped, money, number, price

T = TypeVar("T")
_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Group(Generic[T]):
    """A group of terms, as a class of the model, in one syntax."""

    model: type[T]
    terms: tuple[Term, ...]

    def read(self, at: Node, others: Mapping[str, Any] = _NONE) -> T:
        """What stands in an element, and what is known from elsewhere."""
        values = dict(others)
        for term in self.terms:
            term.read(at, values)
        return self.model(**values)

    def write(self, out: ElementWriter, group: T) -> None:
        for term in self.terms:
            term.write(out, group)


class Term:
    """A term with a place in a syntax."""

    __slots__ = ()

    def read(self, at: Node, values: dict[str, Any]) -> None:
        """Add what stands there to the fields of the group, or nothing."""

    def write(self, out: ElementWriter, group: Any) -> None:
        """Write what the group says, or nothing."""


@dataclass(frozen=True, slots=True)
class Field(Term):
    """A term that is one field of the model at one path."""

    name: str
    path: str

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values[self.name] = self.take(at)

    def write(self, out: ElementWriter, group: Any) -> None:
        value = getattr(group, self.name)
        if value is not None:
            self.put(out, value)

    def take(self, at: Node) -> Any:
        raise NotImplementedError

    def put(self, out: ElementWriter, value: Any) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Text(Field):
    """A name or a code. Where `path` has none, that at `otherwise` is read."""

    otherwise: str | None = None

    def take(self, at: Node) -> str | None:
        return at.text(self.path) or (at.text(self.otherwise) if self.otherwise else None)

    def put(self, out: ElementWriter, value: str) -> None:
        out.text(self.path, value)


@dataclass(frozen=True, slots=True)
class Prose(Field):
    """A text that keeps its line breaks."""

    def take(self, at: Node) -> str | None:
        return at.prose(self.path)

    def put(self, out: ElementWriter, value: str) -> None:
        out.text(self.path, value)


@dataclass(frozen=True, slots=True)
class PaymentTerms(Prose):
    """BT-20, in the notation of XRechnung (BR-DE-18)."""

    def put(self, out: ElementWriter, value: str) -> None:
        out.text(self.path, value, end=end_of_terms(value))


@dataclass(frozen=True, slots=True)
class Fixed(Term):
    """An element that the syntax asks for and that says nothing."""

    path: str
    text: str

    def write(self, out: ElementWriter, group: Any) -> None:
        out.text(self.path, self.text)


@dataclass(frozen=True, slots=True)
class Number(Field):
    """A percentage; `term` names it in remarks."""

    term: str

    def take(self, at: Node) -> Decimal | None:
        return at.decimal(self.path, self.term)

    def put(self, out: ElementWriter, value: Decimal) -> None:
        out.leaf(self.path, number(value))


@dataclass(frozen=True, slots=True)
class Amount(Number):
    """An amount in the currency of the invoice."""

    def put(self, out: ElementWriter, value: Decimal) -> None:
        out.leaf(self.path, money(value), out.currency)


@dataclass(frozen=True, slots=True)
class Price(Number):
    """An amount that may have more decimals than the currency has."""

    def put(self, out: ElementWriter, value: Decimal) -> None:
        out.leaf(self.path, price(value), out.currency)


@dataclass(frozen=True, slots=True)
class Measure(Number):
    """A quantity, and its unit, which is another field."""

    unit: str

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values[self.name] = self.take(at)
        values[self.unit] = at.text(self.path + "/@unitCode")

    def write(self, out: ElementWriter, group: Any) -> None:
        quantity, unit = getattr(group, self.name), getattr(group, self.unit)
        if quantity is not None or unit:
            attribute = f' unitCode="{escaped(unit)}"' if unit else ""
            out.leaf(self.path, "" if quantity is None else number(quantity), attribute)


@dataclass(frozen=True, slots=True)
class Day(Field):
    """A date; `term` names it in remarks."""

    term: str

    def take(self, at: Node) -> date | None:
        return at.day(self.path, self.term)

    def put(self, out: ElementWriter, value: date) -> None:
        out.day(self.path, value)


@dataclass(frozen=True, slots=True)
class Indicator(Field):
    """Whether something is the case; `term` names it in remarks."""

    term: str

    def take(self, at: Node) -> bool:
        return at.is_true(self.path, self.term)

    def put(self, out: ElementWriter, value: bool) -> None:
        out.indicator(self.path, value)


@dataclass(frozen=True, slots=True)
class Id(Field):
    """An identifier and its scheme."""

    def take(self, at: Node) -> Identifier | None:
        return at.identifier(self.path)

    def put(self, out: ElementWriter, value: Identifier) -> None:
        out.identifier(self.path, value)


@dataclass(frozen=True, slots=True)
class Ids(Field):
    """Identifiers, each in an element `around` of its own."""

    around: str
    scheme: str = "schemeID"

    def take(self, at: Node) -> tuple[Identifier, ...]:
        return at.identifiers(f"{self.around}/{self.path}", "@" + self.scheme)

    def put(self, out: ElementWriter, value: tuple[Identifier, ...]) -> None:
        for identifier in value:
            out.begin(self.around)
            out.identifier(self.path, identifier, self.scheme)
            out.end()


@dataclass(frozen=True, slots=True)
class Pairs(Field):
    """Names with values, each pair in an element of its own."""

    name_path: str
    value_path: str

    def take(self, at: Node) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, node.text(self.value_path) or "")
            for node in at.nodes(self.path)
            if (name := node.text(self.name_path))
        )

    def put(self, out: ElementWriter, value: tuple[tuple[str, str], ...]) -> None:
        for name, text in value:
            out.begin(self.path)
            out.text(self.name_path, name)
            out.text(self.value_path, text)
            out.end()


@dataclass(frozen=True, slots=True)
class Part(Field):
    """A group that occurs once; absent where nothing is in it."""

    group: Group[Any]

    def read(self, at: Node, values: dict[str, Any]) -> None:
        node = at.node(self.path)
        found = self.group.read(node) if node else None
        if found is not None and found != self.group.model():
            values[self.name] = found

    def put(self, out: ElementWriter, value: Any) -> None:
        out.enter(self.path)
        self.group.write(out, value)
        out.leave()


@dataclass(frozen=True, slots=True)
class Parts(Field):
    """A group that may occur more than once. `place` is how remarks call each, followed by its number; those without
    the field `needed` are left out. Where they are `apart`, each has the elements around it to itself."""

    group: Group[Any]
    place: str | None = None
    needed: str | None = None
    apart: bool = False

    def take(self, at: Node) -> tuple[Any, ...]:
        found = (self.group.read(node) for node in at.nodes(self.path, self.place))
        return tuple(part for part in found if self.needed is None or getattr(part, self.needed))

    def put(self, out: ElementWriter, value: tuple[Any, ...]) -> None:
        for part in value:
            out.begin(self.path, apart=self.apart)
            self.group.write(out, part)
            out.end()


@dataclass(frozen=True, slots=True)
class Attachment(Term):
    """BT-125 without its content."""

    path: str

    def read(self, at: Node, values: dict[str, Any]) -> None:
        values |= {"media_type": at.text(self.path + "/@mimeCode"), "file_name": at.text(self.path + "/@filename")}

    def write(self, out: ElementWriter, group: Any) -> None:
        attributes = (("mimeCode", group.media_type), ("filename", group.file_name))
        if written := "".join(f' {name}="{escaped(text)}"' for name, text in attributes if text):
            out.leaf(self.path, "", written)


def tax_totals(found: list[Node], stated_in: str, values: dict[str, Any]) -> tuple[Node | None, Node | None]:
    """The tax total in the currency of the invoice (BT-110), and that in the tax currency (BT-111).

    One that states no currency, or another, counts as the former where there is none.
    """
    currency, tax_currency = values["currency"], values["tax_currency"]
    in_tax_currency = None
    if tax_currency and tax_currency != currency:
        in_tax_currency = next((total for total in found if total.text(stated_in) == tax_currency), None)
    others = [total for total in found if total is not in_tax_currency]
    in_currency = next((total for total in others if total.text(stated_in) == currency), None)
    return in_currency or next(iter(others), None), in_tax_currency
