"""The table of a syntax: which elements and attributes may stand where, how often, and which rule says so.

A table is a text. It has sections, each of which begins with its contexts: the elements of which its rules are asked,
by a path from the root, or by names that may stand anywhere:

    at /rsm:CrossIndustryInvoice/rsm:ExchangedDocument
    at //cac:Delivery
    at //ram:*Amount except ram:TaxTotalAmount      (all whose name ends so, but one)

Below them stands a tree of what is in such an element, indented by two blanks for each element around. Behind a name
stands how often it may be there, for each element of the section, and the rule that says so. A rule that is broken is a
warning, or `fatal`:

    cbc:UUID                 0 UBL-CR-005                  never
    cac:InvoicePeriod        0..1 UBL-SR-08 fatal          at most once
      cbc:DescriptionCode    0..1 UBL-SR-49 fatal          at most once in all periods together
    cac:InvoiceLine | cac:CreditNoteLine                   either of the two
      cbc:ID
        @schemeID            0 UBL-CR-650                  an attribute
    .                        0 UBL-SR-43 if fatal          the element of the section itself, if a condition is true
    //@schemeName            0 UBL-DT-08                   anywhere in the document
    //cbc:PaymentID          equal UBL-SR-44 fatal         all say the same, to the letter
    //ram:Information        same CII-SR-468 fatal         all say the same, but for blanks
      ram:TypeCode           single                        a second one in the element around stops the official rules

Of an `if`, only those count for which the condition of the rule's name is true (`conditions_ubl`, `conditions_cii`).

An element that is in the contexts of several sections is only in the first of these: so do the official rules, and a
verdict must be theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

_FACT = re.compile(
    r"(?:(?P<least>\d+)(?:\.\.(?P<most>\d+|n))?|(?P<alike>equal|same)) (?P<rule>[A-Z][\w-]+)"
    r"(?P<conditional> if)?(?P<fatal> fatal)?"
)


class Kind(Enum):
    """What a fact of a table says of the elements at its path."""

    COUNT = auto()
    EQUAL = auto()
    SAME = auto()
    SINGLE = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """How often something may stand in an element of a section. A `most` of None is any number.

    `path` leads there from the element of the section, or, where `anywhere`, from any element of the document; a step
    has one name or several. It is empty where the fact is about the element itself, or about its `attribute`.
    """

    rule: str
    fatal: bool
    kind: Kind
    path: tuple[tuple[str, ...], ...]
    attribute: str | None = None
    anywhere: bool = False
    least: int = 0
    most: int | None = None
    conditional: bool = False


@dataclass(slots=True, eq=False)
class Entry:
    """An element in the tree of a section."""

    names: tuple[str, ...]
    anywhere: bool = False
    kids: list[Entry] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Context:
    """A path to elements of a section. A name may be an ending: `*Amount`, `ram:*Amount`."""

    steps: tuple[str, ...]
    anywhere: bool
    but: str | None


@dataclass(slots=True, eq=False)
class Section:
    """What is to be said of the elements of some contexts. `top` stands for such an element."""

    number: int
    contexts: list[Context] = field(default_factory=list)
    top: Entry = field(default_factory=lambda: Entry(()))


def load_table(lines: Iterable[str]) -> list[Section]:
    """The sections of a table. Raises `ValueError`, which names the line, for a text that is no table."""
    sections: list[Section] = []
    around: list[tuple[Entry, tuple[tuple[str, ...], ...], bool]] = []
    abbreviations: dict[str, str] = {}
    begun = False
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if line.startswith("let "):
            _, name, path = stripped.split()
            abbreviations[name] = _spelt_out(path, abbreviations)
        elif line.startswith("at "):
            if not begun:
                sections.append(Section(len(sections)))
                around, begun = [(sections[-1].top, (), False)], True
            sections[-1].contexts.append(_context(stripped, abbreviations))
        else:
            begun = False
            depth, odd = divmod(len(line) - len(line.lstrip(" ")), 2)
            if odd or not 0 < depth <= len(around):
                raise ValueError(f"line {number}: indent by two blanks for each element around")
            del around[depth:]
            name, _, said = stripped.replace(" | ", "|").partition(" ")
            around.append(_enter(name, said.strip(), *around[-1], number))
    return sections


def _spelt_out(path: str, abbreviations: Mapping[str, str]) -> str:
    first, slash, rest = path.partition("/")
    return abbreviations[first] + slash + rest if first.startswith("$") else path


def _context(line: str, abbreviations: Mapping[str, str]) -> Context:
    path, _, but = line.removeprefix("at ").partition(" except ")
    path = _spelt_out(path, abbreviations)
    return Context(tuple(path.strip("/").split("/")), path.startswith("//"), but or None)


def _enter(
    name: str, said: str, entry: Entry, path: tuple[tuple[str, ...], ...], anywhere: bool, number: int
) -> tuple[Entry, tuple[tuple[str, ...], ...], bool]:
    """Puts what a line says into the tree, and gives what the lines below it are about."""
    if name.startswith("//"):
        name, anywhere = name.removeprefix("//"), True
    if name == "." or name.startswith("@"):
        attribute = name[1:] or None
        if anywhere and not path:  # any attribute of this name
            entry = next((kid for kid in entry.kids if kid.anywhere and not kid.names), None) or _new(entry, (), True)
    else:
        attribute = None
        names = tuple(name.split("|"))
        entry = _new(entry, names, anywhere and not path)
        path = (*path, names)
    for text in said.split(", ") if said else ():
        entry.facts.append(_fact(text, path, attribute, anywhere, number))
    return entry, path, anywhere


def _new(entry: Entry, names: tuple[str, ...], anywhere: bool) -> Entry:
    kid = Entry(names, anywhere)
    entry.kids.append(kid)
    return kid


def _fact(text: str, path: tuple[tuple[str, ...], ...], attribute: str | None, anywhere: bool, number: int) -> Fact:
    if text == "single":
        return Fact("", True, Kind.SINGLE, path)
    match = _FACT.fullmatch(text)
    if match is None:
        raise ValueError(f"line {number}: {text!r} is no fact of a table")
    kind = Kind[match["alike"].upper()] if match["alike"] else Kind.COUNT
    least = int(match["least"] or 0)
    most = match["most"] or match["least"]
    return Fact(
        rule=match["rule"],
        fatal=match["fatal"] is not None,
        kind=kind,
        path=path,
        attribute=attribute,
        anywhere=anywhere,
        least=least,
        most=int(most) if most not in (None, "n") else None,
        conditional=match["conditional"] is not None,
    )


def facts_of(entry: Entry) -> Iterator[Fact]:
    """What a table says of an element and of all in it."""
    yield from entry.facts
    for kid in entry.kids:
        yield from facts_of(kid)
