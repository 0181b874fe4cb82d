"""The limiter gives turns so that no window, sliding or fixed, ever holds more calls than QuickBooks allows."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.api.faults import RealmPaused
from invoice_pipelines.quickbooks.api.rate import Limiter, Limits
from invoice_pipelines.quickbooks.connection.realm import Realm
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.sizes import example_count

REALM = "9130001"


@pytest.fixture
def organization(database: TestDatabase, make_organization: Callable[[str], UUID]) -> UUID:
    """An organization whose connection is only a row: nobody is called here."""
    return connected(database, make_organization("acme"), REALM)


def connected(database: TestDatabase, organization_id: UUID, realm: str) -> UUID:
    with organization_scope(database.engine, organization_id) as connection:
        connection.execute(
            text(
                """insert into quickbooks.connection (organization_id, realm_id, confirmed_realm_id, connected_by)
                   values (:id, :realm, :realm, 'test')"""
            ),
            {"id": organization_id, "realm": realm},
        )
    return organization_id


def turns_of(database: TestDatabase, organization: UUID, limits: Limits, wanted: list[bool]) -> list[datetime]:
    """The turns that so many calls (True: batches) get, all asked for at the same moment, whatever they wait."""
    given = {
        "realm": REALM,
        "per_minute": limits.per_minute,
        "per_second": limits.per_second,
        "batches": limits.batches_per_minute,
        "minute": limits.minute_window,
        "second": limits.second_window,
    }
    statement = text(
        """select turn from quickbooks.take_turn(:realm, :is_batch, :per_minute, :per_second, :batches,
               :minute, :second, interval '1 day', interval '5 seconds', null)"""
    )
    with organization_scope(database.engine, organization) as connection:
        return [connection.execute(statement, {**given, "is_batch": each}).scalar_one() for each in wanted]


def most_within(turns: list[datetime], window: timedelta) -> int:
    """The most calls in any window that slides."""
    turns = sorted(turns)
    return max(bisect_left(turns, turn + window) - place for place, turn in enumerate(turns))


def test_calls_keep_to_each_limit_at_full_speed(database: TestDatabase, organization: UUID) -> None:
    limits = Limits()
    turns = turns_of(database, organization, limits, [False] * 1001)
    assert most_within(turns, limits.minute) == 500
    assert most_within(turns, limits.second) <= 10
    minutes = (turns[1000] - turns[0]) / limits.minute
    assert 1000 / minutes >= 0.98 * 500
    assert turns == sorted(turns)


def test_batches_keep_to_their_limit_at_full_speed(database: TestDatabase, organization: UUID) -> None:
    limits = Limits()
    turns = turns_of(database, organization, limits, [True] * 121)
    assert most_within(turns, limits.minute) == 40
    assert 120 / ((turns[120] - turns[0]) / limits.minute) >= 0.98 * 40


def test_a_read_does_not_queue_behind_batches_that_wait_for_the_next_minute(
    database: TestDatabase, organization: UUID
) -> None:
    turns = turns_of(database, organization, Limits(), [True] * 44 + [False] * 5)
    assert turns[40] - turns[0] >= timedelta(minutes=1)
    assert turns[48] - turns[0] < timedelta(seconds=10)


@hypothesis(max_examples=example_count(40))
@given(
    wanted=st.lists(st.booleans(), min_size=20, max_size=60),
    per_minute=st.integers(1, 12),
    per_second=st.integers(1, 6),
    batches=st.integers(1, 6),
)
def test_no_mix_of_reads_and_batches_breaks_a_limit(
    database: TestDatabase, organization: UUID, wanted: list[bool], per_minute: int, per_second: int, batches: int
) -> None:
    limits = Limits(per_minute, per_second, batches)
    with organization_scope(database.engine, organization) as connection:
        connection.execute(text("update quickbooks.rate set calls = default, batches = default"))
    turns = turns_of(database, organization, limits, wanted)
    assert most_within(turns, limits.minute) <= per_minute
    assert most_within(turns, limits.second) <= per_second
    of_batches = [turn for turn, is_batch in zip(turns, wanted, strict=True) if is_batch]
    assert not of_batches or most_within(of_batches, limits.minute) <= batches
    assert of_batches == sorted(of_batches)  # in the order in which they were asked for


def test_processes_share_the_turns_and_a_new_one_goes_on_where_they_stand(
    database: TestDatabase, organization: UUID
) -> None:
    limits = Limits(per_minute=20, per_second=20, batches_per_minute=20, minute=timedelta(seconds=2))
    sent: list[float] = []

    def call(times: int) -> None:
        import time

        limiter = Limiter(
            Realm(database.engine, organization, REALM), limits
        )  # each has what a process of its own would
        for _ in range(times):
            with limiter.turn(is_batch=False):
                sent.append(time.monotonic())
        limiter.close()

    threads = [threading.Thread(target=call, args=(6,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    call(10)
    sent.sort()
    windows = [sum(1 for other in sent if at <= other < at + 2) for at in sent]
    assert len(sent) == 34
    assert max(windows) <= 20


def test_no_more_than_the_allowed_calls_are_under_way_at_once(database: TestDatabase, organization: UUID) -> None:
    import time

    limits = Limits(per_minute=10_000, per_second=1_000, in_flight=3)
    under_way, most = 0, 0
    lock = threading.Lock()

    def call() -> None:
        nonlocal under_way, most
        limiter = Limiter(Realm(database.engine, organization, REALM), limits)
        for _ in range(2):
            with limiter.turn(is_batch=False):
                with lock:
                    under_way += 1
                    most = max(most, under_way)
                time.sleep(0.05)  # in which one too many would be let in
                with lock:
                    under_way -= 1
        limiter.close()

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3


def test_a_company_that_is_not_connected_any_more_gets_no_turn(database: TestDatabase, organization: UUID) -> None:
    limiter = Limiter(Realm(database.engine, organization, REALM), Limits())
    with organization_scope(database.engine, organization) as connection:
        connection.execute(
            text("update quickbooks.connection set status = 'needs_reconnect', status_reason = 'Access was lost.'")
        )
    with pytest.raises(RealmPaused, match=r"Access was lost\."), limiter.turn(is_batch=False):
        pass
    limiter.close()


def test_a_call_that_would_wait_too_long_gets_no_turn(database: TestDatabase, organization: UUID) -> None:
    limits = Limits(per_minute=1, per_second=1)
    turns_of(database, organization, limits, [False] * 4)
    limiter = Limiter(Realm(database.engine, organization, REALM), limits)
    with pytest.raises(RealmPaused, match="The rate limit is used up"), limiter.turn(is_batch=False):
        pass
    limiter.close()
