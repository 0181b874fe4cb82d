"""What the table says at each place of a document, worked out along its paths.

A `State` stands for all elements that the table cannot tell apart by the names on the way to them. From the state of an
element and the name of one in it follows the state of that one; so a walk over a document has one look-up for each
element, however many rules there are. States are made when they are first needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from invoice_pipelines.einvoice.rules.engine.table import Context, Entry, Fact, Kind, Section, facts_of

Condition = Callable[[Any, Any], bool]
"""Whether a node counts for a rule, in a view."""

_MOST_KEPT = 10_000
"""Steps from state to state that are kept. Documents need a few hundred, and those that invent names must cost no
memory: where there would be more, all are forgotten, and found again where they are needed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A fact that is asked of an element. `height` is how many elements above it that of the section stands; None for
    the root."""

    fact: Fact
    height: int | None
    condition: Condition | None


@dataclass(slots=True, eq=False)
class _Spot:
    """A place on a path of a table."""

    section: Section | None = None
    next: dict[str, list[_Spot]] = field(default_factory=lambda: defaultdict(list))
    endings: list[tuple[str, str, str | None, _Spot]] = field(default_factory=list)
    entry: Entry | None = None
    height: int | None = None

    def following(self, name: str) -> Iterator[_Spot]:
        if name in self.next:
            yield from self.next[name]
        for prefix, ending, but, spot in self.endings:
            if name.endswith(ending) and name.startswith(prefix) and name != but:
                yield spot


class State(dict[str, "State"]):
    """What is to be asked of an element; by name, the states of the elements in it.

    `asks`: asked of each such element. `needs`: what it must have in it. `speaks`: whether there is either. `repeats`:
    asked where it stands a second time in the element around. `attributes`: asked of each attribute of that name.
    """

    __slots__ = ("_spots", "_table", "asks", "attributes", "needs", "repeats", "speaks")

    def __init__(self, table: States, spots: frozenset[_Spot]) -> None:
        super().__init__()
        self._table = table
        self._spots = spots
        self.asks: list[Asked] = []
        self.needs: list[Asked] = []
        self.repeats: list[Asked] = []
        self.attributes: dict[str, list[Asked]] = {name: [*asked] for name, asked in table.anywhere.items()}
        for spot in spots:
            self._read(spot)
        self.speaks = bool(self.asks or self.needs)

    def __missing__(self, name: str) -> State:
        return self._table.step(self, self._spots, name)

    def _read(self, spot: _Spot) -> None:
        entry = spot.entry
        if entry is None:
            return
        conditions = self._table.conditions
        for fact in entry.facts:
            asked = Asked(fact, spot.height, conditions[fact.rule] if fact.conditional else None)
            if fact.attribute is not None and fact.most == 0:
                self.attributes.setdefault(fact.attribute, []).append(asked)
            elif fact.kind is not Kind.SINGLE and (fact.most == 0 or fact.kind is not Kind.COUNT or fact.anywhere):
                self.asks.append(asked)
        for fact in facts_of(entry):
            if fact.kind is Kind.SINGLE:
                if fact in entry.facts:
                    self.repeats.append(Asked(fact, 0, None))
            elif not fact.anywhere and spot.height and fact.most:
                condition = conditions[fact.rule] if fact.conditional else None
                self.repeats.append(Asked(fact, spot.height, condition))
        if spot.height == 0:
            self.needs.extend(Asked(fact, 0, None) for fact in facts_of(entry) if fact.least and not fact.anywhere)


class States:
    """The states of one table. `start` is what the root element stands in.

    Raises `KeyError` where a condition that the table names is not among `conditions`.
    """

    def __init__(self, sections: Iterable[Section], conditions: Mapping[str, Condition]) -> None:
        self.conditions = conditions
        self.anywhere: dict[str, list[Asked]] = {}
        self._kept = 0
        self._states: dict[frozenset[_Spot], State] = {}
        self._root = _Spot()
        self._any = _Spot()
        for section in sections:
            self._enter(section)
        self.start = self._state(frozenset((self._root,)))

    def step(self, state: State, spots: frozenset[_Spot], name: str) -> State:
        """The state of an element of that name in one of this state."""
        found = {spot for at in (*spots, self._any) for spot in at.following(name)}
        tops = [spot for spot in found if spot.section is not None]
        if len(tops) > 1:
            first = min(tops, key=lambda spot: spot.section.number if spot.section else 0)
            found.difference_update(top for top in tops if top is not first)
        following = self._state(frozenset(found))
        if self._kept == _MOST_KEPT:
            for each in list(self._states.values()):
                each.clear()
            self._kept = 0
        self._kept += 1
        state[name] = following
        return following

    def _state(self, spots: frozenset[_Spot]) -> State:
        state = self._states.get(spots)
        if state is None:
            state = self._states[spots] = State(self, spots)
        return state

    def _enter(self, section: Section) -> None:
        top = _Spot(section, entry=section.top, height=0)
        for context in section.contexts:
            self._lead(context, top)
        self._hang(section.top, [top], 0)

    def _lead(self, context: Context, top: _Spot) -> None:
        """The way to the elements of a section."""
        spot = self._any if context.anywhere else self._root
        *way, last = context.steps
        for step in way:
            following = _Spot()
            spot.next[step].append(following)
            spot = following
        prefix, star, ending = last.partition("*")
        if star:
            spot.endings.append((prefix, ending, context.but, top))
        else:
            spot.next[last].append(top)

    def _hang(self, entry: Entry, spots: Sequence[_Spot], height: int) -> None:
        """The tree of a section, below the spot of its elements."""
        for kid in entry.kids:
            if kid.anywhere and not kid.names:
                for fact in kid.facts:
                    condition = self.conditions[fact.rule] if fact.conditional else None
                    self.anywhere.setdefault(fact.attribute or "", []).append(Asked(fact, None, condition))
                continue
            spot = _Spot(entry=kid, height=None if kid.anywhere or spots[0].height is None else height + 1)
            for name in kid.names:
                for start in (self._any,) if kid.anywhere else spots:
                    start.next[name].append(spot)
            self._hang(kid, [spot], height + 1)


NOTHING = States((), {}).start
"""Of a table that says nothing."""
