"""The three-way merge of one record: pure, no database, no clock, the same answer whenever it is repeated.

A record is its synced fields (see `fields`). `base` is what both sides had when they last agreed. A field that changed
on one side flows to the other; one that changed on both, to different values, is a conflict, which a rule decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Value = str | bool | None
Fields = dict[str, Value]
Policy = Literal["newest", "ours", "theirs", "review"]
Rule = Literal["merge", "theirs", "ours"]
Winner = Literal["ours", "theirs"]

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """Both sides changed a field. `winner` None: it stays as it is on both sides until a person decides."""

    field: str
    base: Value
    ours: Value
    theirs: Value
    ours_changed_at: datetime | None
    theirs_changed_at: datetime
    winner: Winner | None


@dataclass(frozen=True, slots=True)
class Merged:
    """What a record is to be here (`values`), and by which fields that differs: `push` from theirs, `apply` from ours.

    `base` is what to keep as the base of the next merge: where one side has something that the other did not get yet,
    it still differs from that side, so that a push that failed is not forgotten and a conflict is not found twice.
    """

    values: Fields
    push: frozenset[str]
    apply: frozenset[str]
    conflicts: tuple[FieldConflict, ...]
    base: Fields


def merge(
    base: Mapping[str, Value],
    ours: Mapping[str, Value],
    theirs: Mapping[str, Value],
    *,
    policy: Policy,
    ours_changed_at: Mapping[str, datetime],
    theirs_changed_at: datetime,
    rules: Mapping[str, Rule],
) -> Merged:
    """Brings the two sides of a record together.

    A field that `theirs` does not have was not said there and stays. A field without a base was never in step: what
    only one side has flows, and two different values are a conflict. `rules` name the fields on which one side always
    wins: with `theirs`, a change made only here is taken back, and told as a conflict; with `ours`, what was changed
    here stays whatever they do, but what was not follows them. For the others `policy` decides; `newest` compares
    instants in whole seconds, as QuickBooks keeps no more, and in the same second theirs wins, so that the outcome
    does not depend on who looks first.
    """
    values, kept = dict(ours), dict(base)
    push, apply, conflicts = set[str](), set[str](), list[FieldConflict]()
    for field, our_value in ours.items():
        if field not in theirs:
            kept.setdefault(field, our_value)
            continue
        their_value, rule = theirs[field], rules.get(field, "merge")
        kept[field] = their_value
        if our_value == their_value:
            continue
        if field in base:
            changed_here, changed_there = our_value != base[field], their_value != base[field]
        else:
            changed_here, changed_there = our_value is not None, their_value is not None
        if not changed_here:
            apply.add(field)
        elif not changed_there and rule != "theirs":
            push.add(field)
        else:
            changed_at = ours_changed_at.get(field)
            winner = _winner(policy, rule, changed_at, theirs_changed_at)
            conflicts.append(
                FieldConflict(field, base.get(field), our_value, their_value, changed_at, theirs_changed_at, winner)
            )
            if winner == "theirs":
                apply.add(field)
            elif winner == "ours":
                push.add(field)
            elif field in base:
                kept[field] = base[field]
            else:
                del kept[field]
    values.update({field: theirs[field] for field in apply})
    return Merged(values, frozenset(push), frozenset(apply), tuple(conflicts), kept)


def _winner(policy: Policy, rule: Rule, ours: datetime | None, theirs: datetime) -> Winner | None:
    if rule != "merge":
        return rule
    if policy == "newest":
        return "ours" if (ours or _LONG_AGO).replace(microsecond=0) > theirs.replace(microsecond=0) else "theirs"
    return None if policy == "review" else policy
