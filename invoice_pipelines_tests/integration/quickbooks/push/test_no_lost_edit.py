"""No edit is lost: whatever is edited on both sides, and however pulls and pushes come in between, with answers lost on
the way, each edit arrives on the other side, or stands in the conflict log, or its own side edited the field again.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from invoice_pipelines.quickbooks.records.fields import (
    ADDRESS,
    CUSTOMER,
    customer_fields,
    customer_fields_of,
    item_fields,
    item_fields_of,
)
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.integration.quickbooks.both_sides import Ground, Sides
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE, example_count, size

FIELDS = {"customer": ("name", "email", "phone", "street", "city"), "item": ("name", "unit_price", "description")}
PLACES = {"customer": 2, "item": 1}
ENTITIES = {"customer": "Customer", "item": "Item"}
ADDRESS_KEYS = {field.name: field.path[1] for field in CUSTOMER if field.path[0] == ADDRESS}


@st.composite
def _edit(draw: st.DrawFn) -> tuple[str, str, int, str]:
    kind = draw(st.sampled_from(["customer", "customer", "customer", "item"]))
    side = draw(st.sampled_from(["here", "there"]))
    return side, kind, draw(st.integers(0, PLACES[kind] - 1)), draw(st.sampled_from(FIELDS[kind]))


STEP = _edit() | st.sampled_from(
    ["pull", "push", "both at once", "push losing an answer", "pull in full", "time there", "time back"]
)


@dataclass
class _Edit:
    side: str
    key: tuple[str, int, str]
    value: str
    arrived: bool = False
    overwritten: bool = False


@dataclass
class _World:
    """Both sides, and what was edited and seen on them."""

    sides: Sides
    local: dict[tuple[str, int], UUID] = field(default_factory=dict)
    remote: dict[tuple[str, int], str] = field(default_factory=dict)
    edits: list[_Edit] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def begin(self) -> None:
        for place in range(PLACES["customer"]):
            made = self.sides.there.customer(f"Customer {place}", BillAddr={"Line1": "Way", "City": "Town"})
            self.remote["customer", place] = made["Id"]
        self.remote["item", 0] = self.sides.there.item("Item 0", 1, Description="begin")["Id"]
        self.sides.pull()
        for key, theirs in self.remote.items():
            self.local[key] = self.sides.ours(theirs, key[0])

    def here(self, kind: str, place: int) -> dict[str, Any]:
        row = self.sides.rows(f"select * from billing.{kind} where id = :id", id=self.local[kind, place])[0]
        return (customer_fields if kind == "customer" else item_fields)(row._mapping)

    def there(self, kind: str, place: int) -> dict[str, Any]:
        document = self.sides.there.document(ENTITIES[kind], self.remote[kind, place])
        return (customer_fields_of if kind == "customer" else item_fields_of)(document)

    def edit(self, side: str, kind: str, place: int, name: str) -> None:
        number = next(self.numbers)
        value = {"email": f"e{number}@x.example", "unit_price": str(number + 100)}.get(name, f"{name} {number}")
        for edit in self.edits:
            if (edit.side, edit.key) == (side, (kind, place, name)) and getattr(self, side)(kind, place)[
                name
            ] == edit.value:
                edit.overwritten = True
        if side == "here":
            self.sides.edit(kind, self.local[kind, place], **{name: value})
        else:
            self.sides.there.edit(ENTITIES[kind], self.remote[kind, place], **self._written(kind, place, name, value))
        self.edits.append(_Edit(side, (kind, place, name), value))

    def _written(self, kind: str, place: int, name: str, value: str) -> dict[str, Any]:
        if name in ADDRESS_KEYS:
            address = self.sides.there.document("Customer", self.remote[kind, place])[ADDRESS]
            return {ADDRESS: {**address, ADDRESS_KEYS[name]: value}}
        if kind == "item":
            return {  # type: ignore[return-value]
                "name": {"Name": value},
                "unit_price": {"UnitPrice": int(value) if name == "unit_price" else 0},
            }.get(name, {"Description": value})
        return {  # type: ignore[return-value]
            "name": {"DisplayName": value},
            "email": {"PrimaryEmailAddr": {"Address": value}},
            "phone": {"PrimaryPhone": {"FreeFormNumber": value}},
        }[name]

    def step(self, step: Any) -> None:
        sandbox = self.sides.sandbox
        if isinstance(step, tuple):
            self.edit(*step)
        elif step.startswith("pull"):
            self.sides.pull(full=step == "pull in full")
        elif step == "both at once":
            with ThreadPoolExecutor(2) as pool:
                for done in [pool.submit(self.sides.pull), pool.submit(self.sides.push)]:
                    done.result()  # type: ignore[attr-defined]
        elif step.startswith("time"):
            sandbox.clock.shift(timedelta(seconds=7 if step == "time there" else -7))
        else:
            if step == "push losing an answer":
                sandbox.faults.inject(Fault.LOSE_ANSWER, realm=self.sides.realm, operation="batch")
            self.sides.push()
            sandbox.faults.clear()
        self.look()

    def look(self) -> None:
        for edit in self.edits:
            kind, place, name = edit.key
            other = self.there if edit.side == "here" else self.here
            edit.arrived = edit.arrived or other(kind, place)[name] == edit.value

    def settle(self) -> None:
        for _ in range(3):
            self.sides.pull()
            self.look()
            self.sides.push()
            self.look()

    def check(self) -> None:
        assert self.sides.queued() == []
        logged = {
            (conflict.local_id, conflict.field, str(value))
            for conflict in self.sides.conflicts()
            for value in (conflict.ours, conflict.theirs)
        }
        lost = [
            edit
            for edit in self.edits
            if not edit.arrived
            and not edit.overwritten
            and (self.local[edit.key[:2]], edit.key[2], edit.value) not in logged
        ]
        assert lost == []
        undecided = {(conflict.local_id, conflict.field) for conflict in self.sides.conflicts("open")}
        for (kind, place), local_id in self.local.items():
            here, there = self.here(kind, place), self.there(kind, place)
            for name in FIELDS[kind]:
                if (local_id, name) not in undecided:
                    assert here[name] == there[name], (kind, name, here[name], there[name])
        assert self.sides.value("select count(*) from billing.customer") == PLACES["customer"]
        assert self.sides.there.count("Customer") == PLACES["customer"]


@settings(
    max_examples=size(example_count(5), 200),
    phases=tuple(Phase) if AT_FULL_SIZE else (Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes
)
@given(steps=st.lists(STEP, min_size=3, max_size=14), policy=st.sampled_from(["newest", "ours", "theirs", "review"]))
def test_every_edit_arrives_or_stands_in_the_conflict_log(ground: Ground, steps: list[Any], policy: str) -> None:
    ground.sandbox.clock.set(datetime.now(UTC))
    world = _World(ground.sides())
    world.sides.options(conflict_policy=policy, push_descriptions=True)
    world.begin()
    for step in steps:
        world.step(step)
    world.settle()
    world.check()
