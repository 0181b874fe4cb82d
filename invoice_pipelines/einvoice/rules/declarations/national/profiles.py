"""FX-SCH-*: which elements a profile of Factur-X uses, how often, and with which codes.

A profile is a table in `tables/`, which the workshop makes. Each line has an element, indented by two blanks for each
element around it, and what is said of it, separated by commas:

    1 ID               as often as that in the element around; `0..1`, `1..n` from and to
    unused             the profile does not use it
    unused @name       nor its attribute
    needs @name ID     it must have the attribute
    code . LIST ID     what it says must be in a list; `code @name LIST ID` what its attribute says

A list is one of `einvoice.code_lists`, with codes added (`+`) or left out (`-`), one that a line `codes NAME ...`
states, or `=A|B`. A name may have a variant in braces: the line is about elements of that kind only, and `{else}`
about all that are of none.

All of these are warnings. What has no id in the rules of Factur-X is called FX-UNUSED here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources

from invoice_pipelines.einvoice.code_lists import codes
from invoice_pipelines.einvoice.rules.engine.asking import Finding
from invoice_pipelines.einvoice.rules.engine.declaration import Declaration
from invoice_pipelines.einvoice.rules.engine.paths import path
from invoice_pipelines.einvoice.rules.engine.values import normalized
from invoice_pipelines.einvoice.rules.engine.walk import Node, Syntax, View
from invoice_pipelines.einvoice.rules.verdict import Severity

UNUSED = "FX-UNUSED"
_SOURCE = "Factur-X 1.09, profile tables"
_COUNT = re.compile(r"(?P<least>\d+)(?:\.\.(?P<most>\d+|n))?")


class Profile(StrEnum):
    """The profiles that have a table; the value is its name."""

    MINIMUM = "minimum"
    BASIC_WL = "basic_wl"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class Count:
    """How often something stands in an element."""

    step: str
    least: int
    most: int | None
    rule: str


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes that an element may say, or an attribute of it."""

    attribute: str | None
    listed: frozenset[str]
    rule: str


@dataclass(slots=True, eq=False)
class Place:
    """What a profile says of the elements at a place, and of those in them: the plain ones by name, and the kinds of a
    name with the place of each."""

    unused: bool = False
    unused_attributes: list[str] = field(default_factory=list)
    needed_attributes: list[tuple[str, str]] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    kids: dict[str, Place] = field(default_factory=dict)
    variants: dict[str, list[tuple[str, Place]]] = field(default_factory=dict)


def ask(view: View, profile: Profile) -> list[Finding]:
    """What a document has that the table of a profile speaks against."""
    top = table_of(profile).kids.get(view.root.name)
    return list(_found(view.root, top)) if top is not None else []


def rules(profile: Profile) -> list[Declaration]:
    """All rules of a table, each once."""
    found: dict[tuple[str, str], Declaration] = {}

    def enter(place: Place) -> None:
        told = [(count.rule, "profile-count") for count in place.counts]
        told += [(each.rule, "profile-code") for each in place.codes]
        told += [(rule, "profile-attribute-missing") for _, rule in place.needed_attributes]
        if place.unused or place.unused_attributes:
            told.append((UNUSED, "profile-unused"))
        for rule, text in told:
            found.setdefault((rule, text), _rule(rule, text))
        for kid in (*place.kids.values(), *(kid for each in place.variants.values() for _, kid in each)):
            enter(kid)

    enter(table_of(profile))
    return list(found.values())


def _found(node: Node, place: Place) -> Iterator[Finding]:
    if place.unused:
        yield _finding(UNUSED, "profile-unused", node, what=node.name)
    for name in place.unused_attributes:
        if node.get(name) is not None:
            yield _finding(UNUSED, "profile-unused", node, what=f"{node.name}/@{name}")
    for name, rule in place.needed_attributes:
        if node.get(name) is None:
            yield _finding(rule, "profile-attribute-missing", node, what=f"{node.name}/@{name}")
    for each in place.codes:
        value = node.string if each.attribute is None else node.get(each.attribute) or ""
        if value and value not in each.listed:
            what = node.name if each.attribute is None else f"{node.name}/@{each.attribute}"
            yield _finding(each.rule, "profile-code", node, what=what, value=normalized(value))
    for count in place.counts:
        number = _number(node, count.step)
        if number < count.least or (count.most is not None and number > count.most):
            name = count.step.partition("{")[0]
            often = f"{count.least}..{'n' if count.most is None else count.most}"
            yield _finding(count.rule, "profile-count", node, what=f"{node.name}/{name}", count=number, often=often)
    if place.kids or place.variants:
        for name, kids in node.kids.items():
            for kid in kids:
                below = _below(place, name, kid)
                if below is not None:
                    yield from _found(kid, below)


def _below(place: Place, name: str, kid: Node) -> Place | None:
    otherwise = place.kids.get(name)
    for variant, below in place.variants.get(name, ()):
        if variant == "else":
            otherwise = below
        elif _KINDS[variant](kid):
            return below
    return otherwise


def _number(node: Node, step: str) -> int:
    name, _, variant = step.removesuffix("}").partition("{")
    kids: Sequence[Node] = node.kids.get(name, ())
    return sum(_KINDS[variant](kid) for kid in kids) if variant else len(kids)


def _says(steps: str, text: str) -> Callable[[Node], bool]:
    found = path(steps)
    return lambda node: any(each.string == text for each in found(node))


def _has_scheme(scheme: str) -> Callable[[Node], bool]:
    return lambda node: any(each.get("schemeID") == scheme for each in node.kids.get("ram:ID", ()))


def _in_currency(name: str) -> Callable[[Node], bool]:
    found = path(f"../../{name}")
    return lambda node: any(each.string == node.get("currencyID") for each in found(node))


_KINDS: dict[str, Callable[[Node], bool]] = {
    "allowance": _says("ram:ChargeIndicator/udt:Indicator", "false"),
    "charge": _says("ram:ChargeIndicator/udt:Indicator", "true"),
    "supporting": _says("ram:TypeCode", "916"),
    "tender": _says("ram:TypeCode", "50"),
    "object": _says("ram:TypeCode", "130"),
    "VA": _has_scheme("VA"),
    "FC": _has_scheme("FC"),
    "plain": lambda node: node.get("listID") is None,
    "tax": lambda node: node.get("listID") == "5153",
    "own": _in_currency("ram:InvoiceCurrencyCode"),
    "other": _in_currency("ram:TaxCurrencyCode"),
}


@functools.cache
def _rule(rule: str, text: str) -> Declaration:
    return Declaration(rule, Severity.WARNING, _SOURCE, {Syntax.CII: ()}, text=text)


def _finding(rule: str, text: str, node: Node, **values: object) -> Finding:
    return Finding(_rule(rule, text), node, lambda: values)


@functools.cache
def table_of(profile: Profile) -> Place:
    """What a profile says, from the document on."""
    text = resources.files(__package__).joinpath("tables", f"{profile}.txt").read_text("utf-8")
    top = Place()
    around = [top]
    own: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            continue
        if line.startswith("codes "):
            _, name, *listed = stripped.split()
            own[name] = frozenset(listed)
            continue
        del around[(len(line) - len(line.lstrip(" "))) // 2 + 1 :]
        step, _, said = stripped.partition(" ")
        place = _enter(around[-1], step)
        for each in said.split(", ") if said else ():
            _say(place, around[-1], step, each, own)
        around.append(place)
    return top


def _enter(above: Place, step: str) -> Place:
    name, _, variant = step.removesuffix("}").partition("{")
    place = Place()
    if variant:
        above.variants.setdefault(name, []).append((variant, place))
    else:
        above.kids[name] = place
    return place


def _say(place: Place, above: Place, step: str, said: str, own: dict[str, frozenset[str]]) -> None:
    word, *more = said.split()
    if word == "unused":
        if more:
            place.unused_attributes.append(more[0].removeprefix("@"))
        else:
            place.unused = True
    elif word == "needs":
        place.needed_attributes.append((more[0].removeprefix("@"), more[1]))
    elif word == "code":
        attribute = more[0].removeprefix("@") if more[0] != "." else None
        place.codes.append(Codes(attribute, _listed(more[1], own), more[2]))
    elif match := _COUNT.fullmatch(word):
        most = match["most"] or match["least"]
        above.counts.append(Count(step, int(match["least"]), None if most == "n" else int(most), more[0]))
    else:
        raise ValueError(f"{said!r} is nothing that a table of Factur-X says")


def _listed(name: str, own: dict[str, frozenset[str]]) -> frozenset[str]:
    if name.startswith("="):
        return frozenset(name[1:].split("|"))
    base, *changes = re.split(r"(?=[+-])", name)
    listed = own[base] if base in own else codes(base)
    more = {each[1:] for each in changes if each[0] == "+"}
    return (listed | more) - {each[1:] for each in changes if each[0] == "-"}
