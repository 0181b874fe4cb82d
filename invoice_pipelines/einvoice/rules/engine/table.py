"""The table of a syntax: which elements the standard does not use, and which rule says so.

A table is a text. Each line has an element, indented by two blanks for each element around it, and what is to be said
of it, separated by blanks:

    -ID        it is not used here: a warning by the rule ID
    !ID        it may not stand here: fatal
    -@name:ID  its attribute `name` is not used: a warning; with `!` fatal
    *          findings about what is in it are told once for each such element, and with its place; else once for
               the document
    BT-1, BG-1 the term or group that stands here

Elements of one line separated by `|` share what is below. A line that begins with `#` is a remark.

    ubl:Invoice|cn:CreditNote *
      cbc:ID BT-1 -@schemeID:UBL-CR-663
      cbc:UUID -UBL-CR-005
      cac:InvoiceLine|cac:CreditNoteLine BG-25
        cbc:UUID -UBL-CR-499
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_FACT = re.compile(r"(?P<weight>[-!])(?:@(?P<attribute>[\w:.-]+):)?(?P<rule>[A-Z][\w-]+)")
_TERM = re.compile(r"B[TG]-(DEX-)?\d+(-\d+)?")


@dataclass(frozen=True, slots=True)
class Fact:
    """What the table says against an element, or against an attribute of it."""

    rule: str
    fatal: bool
    attribute: str | None
    path: str
    """From the element for which it is told."""


@dataclass(slots=True)
class Place:
    """A place in a document where an element may stand."""

    name: str
    path: str
    terms: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    height: int = 0
    """How many elements above it the findings are told; 0 is the element itself."""
    tells: bool = False
    kids: dict[str, Place] = field(default_factory=dict)
    speaks: bool = False
    """Whether there is anything to say against what stands here, or against an attribute of it."""
    unused: bool = False
    """Whether there is against the element itself."""


NOWHERE = Place("", "")


def load_table(lines: Iterable[str]) -> dict[str, Place]:
    """The places of the root elements by name. Raises `ValueError` that names the line of a text that is no table."""
    roots: dict[str, Place] = {}
    open_places: list[list[Place]] = []
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        depth, odd = divmod(len(line) - len(line.lstrip(" ")), 2)
        if odd or depth > len(open_places):
            raise ValueError(f"line {number}: indent by two blanks for each element around")
        del open_places[depth:]
        names, *said = stripped.split()
        places = []
        for above in open_places[-1] if open_places else [None]:
            for name in names.split("|"):
                siblings = above.kids if above else roots
                places.append(siblings.setdefault(name, Place(name, f"{above.path}/{name}" if above else name)))
        for place in places:
            _say(place, said, open_places, number)
        open_places.append(places)
    return roots


def _say(place: Place, said: list[str], around: list[list[Place]], number: int) -> None:
    place.tells = place.tells or "*" in said
    place.terms += tuple(word for word in said if _TERM.fullmatch(word))
    tells = [index for index, places in enumerate(around) if places[0].tells]
    place.height = len(around) - tells[-1] if tells else len(around)
    path = "/".join(place.path.split("/")[len(around) + 1 - place.height :])
    facts = []
    for word in said:
        if match := _FACT.fullmatch(word):
            facts.append(Fact(match["rule"], match["weight"] == "!", match["attribute"], path))
        elif word != "*" and not _TERM.fullmatch(word):
            raise ValueError(f"line {number}: {word} is no fact of a table")
    place.facts += tuple(facts)
    place.speaks = bool(place.facts)
    place.unused = any(fact.attribute is None for fact in place.facts)
