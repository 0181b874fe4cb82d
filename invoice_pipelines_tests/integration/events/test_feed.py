"""Whoever reads the feed on from where it was sees each event once, however transactions overlap."""

from __future__ import annotations

import random
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.events.feed import newest_events, prune_events, read_events
from invoice_pipelines.events.values import EventsError
from invoice_pipelines.work import cancel_job, create_job
from invoice_pipelines_tests.conftest import TestDatabase, open_organization
from invoice_pipelines_tests.support.billing.shop import Shop
from invoice_pipelines_tests.support.organization_view import OrganizationView


def change(connection: Connection) -> str:
    """A change that is told; gives what it is about."""
    job = create_job(connection, "tidy_up", ["a"], created_by="anna")
    cancel_job(connection, job, cancelled_by="anna")
    return str(job)


def subjects(desk: OrganizationView, after: str | None = None, **wanted: Any) -> list[str]:
    with desk.scope() as connection:
        return [str(event.subject_id) for event in read_events(connection, after=after, **wanted).events]


def test_a_transaction_that_ends_later_is_not_skipped(desk: OrganizationView) -> None:
    with organization_scope(desk.engine, desk.organization_id) as slow:
        first = change(slow)
        with desk.scope() as quick:
            second = change(quick)
        with desk.scope() as reading:
            page = read_events(reading)
            assert page.events == ()
        third = None
        with desk.scope() as quick:
            third = change(quick)
        assert subjects(desk, page.next) == []
    assert subjects(desk, page.next) == [first, second, third]


def test_who_reads_on_all_the_time_misses_nothing_and_sees_nothing_twice(desk: OrganizationView) -> None:
    """Six writers whose transactions overlap, some of them undone, and a reader that never waits."""
    committed: list[str] = []
    lock = threading.Lock()

    def write(seed: int) -> None:  # transactions that overlap, for different times
        dice = random.Random(seed)
        for _ in range(20):
            with desk.engine.connect() as connection:
                connection.execute(
                    text("select set_config('app.organization_id', :id, true)"), {"id": str(desk.organization_id)}
                )
                made = []
                for _ in range(dice.randint(1, 3)):
                    made.append(change(connection))
                    connection.execute(text("select pg_sleep(:s)"), {"s": dice.random() * 0.02})
                if dice.random() < 0.8:
                    connection.commit()
                    with lock:
                        committed.extend(made)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(6)]
    for writer in writers:
        writer.start()
    seen: list[str] = []
    cursor: str | None = None

    def read() -> None:
        nonlocal cursor
        with desk.scope() as connection:
            page = read_events(connection, after=cursor, limit=7)
        seen.extend(str(event.subject_id) for event in page.events)
        cursor = page.next

    while any(writer.is_alive() for writer in writers):
        read()
    for _ in range(len(committed) // 7 + 2):
        read()
    assert sorted(seen) == sorted(committed)
    assert len(seen) > 100
    assert desk.rows("select from events.shift") == [], "nothing was taken for an event of another server"


def test_a_feed_is_read_page_by_page_and_by_type(shop: Shop) -> None:
    shop.issue(*[{} for _ in range(5)])
    with shop.scope() as connection:
        whole = read_events(connection)
        assert [event.type for event in whole.events] == ["batch_operation.completed"] + ["invoice.issued"] * 5
        cursor: Any = None
        pages: list[Any] = []
        for _ in range(4):
            page = read_events(connection, after=cursor, limit=2)
            cursor = page.next
            pages += page.events
        assert pages == list(whole.events)
        assert read_events(connection, after=cursor).events == ()
        jobs = read_events(connection, types=["batch_operation.*"], limit=2)
        assert jobs.events == whole.events[:1]
        assert read_events(connection, after=jobs.next).events == ()
        newest = newest_events(connection, limit=2)
        assert newest.events == whole.events[-2:]
        assert read_events(connection, after=newest.next).events == ()
        again = read_events(connection, after=whole.events[2].cursor)
        assert again.events == whole.events[3:]


def test_a_program_can_begin_with_what_comes_next(desk: OrganizationView) -> None:
    with desk.scope() as connection:
        change(connection)
    with desk.scope() as connection:
        now = newest_events(connection, limit=1).next
    with desk.scope() as connection:
        later = change(connection)
    assert subjects(desk, now) == [later]


@pytest.mark.parametrize("wrong", ["", "x", "12", "-1-" + "0" * 32, "ffffffffffffffffff-" + "0" * 32, "1-z", "é" * 200])
def test_what_is_no_cursor_is_refused(desk: OrganizationView, wrong: str) -> None:
    with desk.scope() as connection, pytest.raises(EventsError, match="after: "):
        read_events(connection, after=wrong)


def test_what_is_no_type_is_refused(desk: OrganizationView) -> None:
    with desk.scope() as connection, pytest.raises(EventsError, match=r"no type 'invoice.payed'.*invoice\.paid"):
        read_events(connection, types=["invoice.payed"])


def test_another_organization_sees_nothing(shared_database: TestDatabase, desk: OrganizationView) -> None:
    with desk.scope() as connection:
        change(connection)
    other = open_organization(shared_database, OrganizationView)
    assert subjects(other) == []
    with desk.scope() as connection:
        cursor = read_events(connection).events[0].cursor
    assert subjects(other, cursor) == []


def test_after_a_restore_from_another_server_new_events_come_after_old_ones(desk: OrganizationView) -> None:
    """Transactions of that server had higher numbers than those of this one."""
    with desk.scope() as connection:
        old = change(connection)
    with desk.superuser.begin() as connection:
        connection.execute(
            text("update events.event set position = position + 900000000000 where organization_id = :id"),
            {"id": desk.organization_id},
        )
    assert subjects(desk) == [old], "they can be read before anything new comes"
    with desk.scope() as connection:
        cursor = read_events(connection).next
    with ExitStack() as stack:
        slow = stack.enter_context(organization_scope(desk.engine, desk.organization_id))
        first = change(slow)
        assert subjects(desk, cursor) == []
    with desk.scope() as connection:
        second = change(connection)
    assert subjects(desk, cursor) == [first, second]
    assert subjects(desk) == [old, first, second]


def test_the_application_can_neither_add_an_event_nor_change_one(desk: OrganizationView) -> None:
    with desk.scope() as connection:
        change(connection)
    for statement in (
        """insert into events.event (organization_id, position, type, subject_id, data)
           select organization_id, position, 'invoice.paid', subject_id, '{}' from events.event""",
        "update events.event set type = 'invoice.paid'",
        "insert into events.shift select organization_id, 1 from events.event",
        "select events.capture()",
    ):
        with pytest.raises(Exception, match=r"permission denied|can only be called as triggers"):
            desk.rows(statement)
    desk.rows("delete from events.event")
    assert len(subjects(desk)) == 1, "those of the last week stay"


def test_old_events_are_pruned(desk: OrganizationView) -> None:
    with desk.scope() as connection:
        old = change(connection)
    with desk.superuser.begin() as connection:
        connection.execute(
            text("update events.event set created_at = now() - interval '40 days' where organization_id = :id"),
            {"id": desk.organization_id},
        )
    with desk.scope() as connection:
        young = change(connection)
    assert subjects(desk) == [old, young]
    assert prune_events(desk.engine, desk.organization_id, datetime.now(UTC) - timedelta(days=30)) == 1
    assert subjects(desk) == [young]
    assert prune_events(desk.engine, desk.organization_id, datetime.now(UTC)) == 0
