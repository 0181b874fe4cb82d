"""The three-way merge: what changed on one side flows, what changed on both is decided, and nothing else moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.quickbooks.records.merge import merge

T = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
VALUES = st.sampled_from([None, "a", "b", "c"])
SIDES = st.fixed_dictionaries({"name": VALUES, "email": VALUES, "phone": VALUES})
POLICIES = st.sampled_from(["newest", "ours", "theirs", "review"])
RULES = st.dictionaries(st.sampled_from(["name", "email"]), st.sampled_from(["merge", "ours", "theirs"]))
INSTANTS = st.integers(-3, 3).map(lambda seconds: T + timedelta(seconds=seconds))


def merged(base, ours, theirs, policy="newest", ours_at=None, theirs_at=T, rules=None):
    return merge(
        base,
        ours,
        theirs,
        policy=policy,
        ours_changed_at={} if ours_at is None else dict.fromkeys(ours, ours_at),
        theirs_changed_at=theirs_at,
        rules=rules or {},
    )


def test_what_changed_on_one_side_flows_to_the_other() -> None:
    result = merged({"name": "a", "email": "a"}, {"name": "b", "email": "a"}, {"name": "a", "email": "c"})
    assert result.values == {"name": "b", "email": "c"}
    assert (result.push, result.apply, result.conflicts) == ({"name"}, {"email"}, ())


def test_the_newest_of_two_changes_wins_by_instants_not_by_text() -> None:
    berlin = timezone(timedelta(hours=1))
    pacific = timezone(timedelta(hours=-8))
    ours_at, theirs_at = datetime(2026, 3, 1, 13, 0, tzinfo=berlin), datetime(2026, 3, 1, 4, 0, 1, tzinfo=pacific)
    result = merged({"name": "a"}, {"name": "b"}, {"name": "c"}, ours_at=ours_at, theirs_at=theirs_at)
    assert (result.values["name"], result.conflicts[0].winner) == ("c", "theirs")
    result = merged(
        {"name": "a"}, {"name": "b"}, {"name": "c"}, ours_at=ours_at + timedelta(hours=1), theirs_at=theirs_at
    )
    assert (result.values["name"], result.conflicts[0].winner) == ("b", "ours")


def test_two_changes_in_the_same_second_are_decided_by_a_fixed_rule() -> None:
    for milliseconds in (0, 1, 999):
        at = T + timedelta(milliseconds=milliseconds)
        result = merged({"name": "a"}, {"name": "b"}, {"name": "c"}, ours_at=at)
        assert (result.values["name"], result.conflicts[0].winner) == ("c", "theirs")
        again = merged(result.base, result.values, {"name": "c"}, ours_at=at)
        assert (again.values["name"], again.conflicts) == ("c", ())


def test_a_field_that_is_theirs_alone_is_taken_back_and_told() -> None:
    result = merged({"unit_price": "1"}, {"unit_price": "2"}, {"unit_price": "1"}, rules={"unit_price": "theirs"})
    assert (result.values, result.push, result.apply) == ({"unit_price": "1"}, set(), {"unit_price"})
    assert result.conflicts[0].winner == "theirs"


def test_a_field_that_was_changed_here_and_is_ours_stays_but_follows_until_then() -> None:
    result = merged({"description": "a"}, {"description": "b"}, {"description": "c"}, rules={"description": "ours"})
    assert (result.values["description"], result.conflicts[0].winner) == ("b", "ours")
    result = merged({"description": "a"}, {"description": "a"}, {"description": "c"}, rules={"description": "ours"})
    assert (result.values["description"], result.conflicts) == ("c", ())


def test_under_review_nothing_moves_until_a_person_decides() -> None:
    result = merged({"name": "a", "email": "a"}, {"name": "b", "email": "a"}, {"name": "c", "email": "c"}, "review")
    assert result.values == {"name": "b", "email": "c"}
    assert (result.push, result.apply, result.base["name"]) == (set(), {"email"}, "a")
    assert result.conflicts[0].winner is None


def test_what_they_do_not_say_stays() -> None:
    result = merged({"country_code": "DE"}, {"country_code": "AT"}, {})
    assert (result.values, result.push, result.base) == ({"country_code": "AT"}, set(), {"country_code": "DE"})


@given(SIDES, SIDES, SIDES, POLICIES, INSTANTS, INSTANTS, RULES)
def test_no_change_is_lost_without_a_conflict(base, ours, theirs, policy, ours_at, theirs_at, rules) -> None:
    result = merged(base, ours, theirs, policy, ours_at, theirs_at, rules)
    told = {conflict.field for conflict in result.conflicts}
    assert not result.push & result.apply
    for field in base:
        values = {ours[field], theirs[field]}
        assert result.values[field] in values
        if ours[field] != base[field] and result.values[field] != ours[field]:
            assert field in told  # ours was overruled
        if theirs[field] not in (base[field], result.values[field]):
            assert field in told  # theirs was
        if ours[field] == base[field] == theirs[field]:
            assert field not in told | result.push | result.apply


@given(SIDES, SIDES, SIDES, POLICIES, INSTANTS, INSTANTS, RULES)
def test_repeated_it_changes_nothing_and_tells_nothing_new(
    base, ours, theirs, policy, ours_at, theirs_at, rules
) -> None:
    first = merged(base, ours, theirs, policy, ours_at, theirs_at, rules)
    again = merged(first.base, first.values, theirs, policy, ours_at, theirs_at, rules)
    assert again.values == first.values
    assert again.base == first.base
    assert again.push == first.push
    open_ = {conflict.field for conflict in first.conflicts if conflict.winner is None}
    assert {conflict.field for conflict in again.conflicts} == open_


@given(SIDES, SIDES, SIDES, POLICIES, INSTANTS, INSTANTS)
def test_after_a_push_both_sides_are_the_same_but_for_what_is_open(
    base, ours, theirs, policy, ours_at, theirs_at
) -> None:
    result = merged(base, ours, theirs, policy, ours_at, theirs_at)
    there = {**theirs, **{field: result.values[field] for field in result.push}}
    open_ = {conflict.field for conflict in result.conflicts if conflict.winner is None}
    assert {field for field in base if there[field] != result.values[field]} == open_
