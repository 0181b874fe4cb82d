"""Drains: effects and outcomes together, faults kept to the item that has them, and an end in time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.work import (
    Failed,
    Failure,
    ItemError,
    Skipped,
    Succeeded,
    return_expired,
)
from invoice_pipelines.work.failures import without_secrets
from invoice_pipelines_tests.integration.work.conftest import LEASE, WorkDesk
from invoice_pipelines_tests.integration.work.effects import leave_effects
from invoice_pipelines_tests.support.waiting import HandClock, wait_for


def lease_of(desk: WorkDesk) -> datetime:
    """Until when what is in work is kept."""
    statement = "select min(lease_expires_at) from work.batch_item where status = 'processing'"
    return desk.rows(statement)[0][0]


def numbers(count: int) -> list[str]:
    return [f"{number:03}" for number in range(count)]


def test_a_drain_does_all_that_is_due_and_reports_it(desk):
    desk.make(*numbers(25))
    desk.put("entry")
    seen = []

    def handler(connection, chunk):
        seen.append((len(chunk.items), chunk.job_id is None, dict(chunk.parameters)))
        return leave_effects(connection, chunk)

    report = desk.run(handler, chunk_size=10)
    assert seen == [(10, False, {"template": "a"})] * 2 + [(5, False, {"template": "a"}), (1, True, {})]
    assert (report.succeeded, report.done, report.chunks, report.due, report.ended) == (26, 26, 4, 0, "empty")
    assert report.items_per_second > 0
    assert report.eta_seconds == 0
    assert desk.effects() == [*numbers(25), "entry"]


def test_each_kind_of_outcome_is_counted_and_failures_are_shown(desk):
    desk.make("a", "b", "c", "d")
    outcomes = {
        "a": Succeeded(),
        "b": Skipped("was done"),
        "c": Failed("NO_LINES", "no lines"),
        "d": Failed("BUSY", "busy", retry=True),
    }
    report = desk.run(lambda connection, chunk: [outcomes[item.subject_id] for item in chunk.items])
    assert (report.succeeded, report.skipped, report.failed, report.retried, report.done) == (1, 1, 1, 1, 3)
    assert report.failures == (
        Failure("c", "NO_LINES", "no lines", is_final=True),
        Failure("d", "BUSY", "busy", is_final=False),
    )


def test_named_subjects_are_done_ahead_of_all_else_and_once_also_where_another_worker_has_them(desk):
    desk.put("held")
    held = desk.take()
    desk.put("first", "a", "b", "broken")

    def handler(connection, chunk):
        outcomes = leave_effects(connection, chunk)
        return [
            Failed("BUSY", "busy", retry=True) if item.subject_id == "broken" else outcome
            for item, outcome in zip(chunk.items, outcomes, strict=True)
        ]

    named = ["b", "held", "a", "broken", "unknown"]
    report = desk.run(handler, subjects=named, chunk_size=3, on_progress=lambda _: desk.release(held))
    assert desk.effects() == ["a", "b", "broken", "held"]
    assert (report.succeeded, report.retried, report.chunks, report.due) == (3, 1, 2, 1)
    assert desk.run(handler, subjects=["broken"]).retried == 1  # due or not


def test_named_subjects_over_which_a_worker_died_are_done_one_by_one_behind_the_others(desk):
    desk.put("a", "b")
    desk.take()
    desk.lose_leases()
    desk.put("c", "d")
    taken = []

    def handler(connection, chunk):
        taken.append([item.subject_id for item in chunk.items])
        return leave_effects(connection, chunk)

    assert desk.run(handler, subjects=["a", "b", "c", "d"]).succeeded == 4
    assert [sorted(subjects) for subjects in taken] == [["c", "d"], ["a"], ["b"]]


def test_a_poisoned_item_fails_alone_and_its_neighbours_are_done(desk):
    job_id = desk.make(*numbers(20))

    def handler(connection, chunk):
        outcomes = leave_effects(connection, chunk)
        if any(item.subject_id == "007" for item in chunk.items):
            raise ItemError("NOT_AN_INVOICE", "The file is not an invoice.")
        return outcomes

    report = desk.run(handler)
    assert (report.succeeded, report.failed) == (19, 1)
    assert report.failures == (Failure("007", "NOT_AN_INVOICE", "The file is not an invoice.", is_final=True),)
    assert desk.effects() == [number for number in numbers(20) if number != "007"]
    assert desk.items(job_id)["007"] == "failed"


def test_an_item_that_breaks_a_constraint_fails_alone_without_its_values_being_shown(desk):
    desk.make(*numbers(5))

    def handler(connection, chunk):
        leave_effects(connection, chunk)
        for item in chunk.items:
            connection.execute(
                text("insert into public.effect values (:organization, :subject, :process)"),
                {
                    "organization": None if item.subject_id == "003" else desk.organization_id,
                    "subject": "x",
                    "process": 1,
                },
            )
        return [Succeeded()] * len(chunk.items)

    report = desk.run(handler)
    assert (report.succeeded, report.retried) == (4, 1)
    (failure,) = report.failures
    assert failure.code == "DATABASE_ERROR"
    assert "null value in column" in failure.message
    assert str(desk.organization_id) not in failure.message


def test_an_unexpected_fault_is_tried_again_and_fails_for_good_with_its_reason(desk):
    desk.make("a")

    def handler(connection, chunk):
        raise ConnectionError("https://user:hunter2@bank.example refused\nBearer abc.def")

    assert desk.run(handler, max_attempts=2).retried == 1
    desk.let_pauses_pass()
    report = desk.run(handler, max_attempts=2)
    assert report.failures == (
        Failure("a", "UNEXPECTED_ERROR", "ConnectionError: https://bank.example refused", is_final=True),
    )


def test_a_result_that_cannot_be_stored_fails_alone(desk):
    desk.make("a", "b")
    results = {"a": {"amount": float("nan")}, "b": {"amount": "1.00"}}
    report = desk.run(lambda connection, chunk: [Succeeded(results[item.subject_id]) for item in chunk.items])
    assert (report.succeeded, report.retried) == (1, 1)


def test_a_handler_that_forgets_an_outcome_loses_nothing(desk):
    job_id = desk.make("a", "b")

    def handler(connection, chunk):
        return leave_effects(connection, chunk)[:-1]

    report = desk.run(handler)
    assert (report.retried, desk.effects()) == (2, [])
    assert set(desk.items(job_id).values()) == {"pending"}


def test_what_a_worker_did_after_it_lost_its_lease_is_rolled_back(desk):
    desk.make("a", "b")
    overtaken: list[Any] = []

    def slow(connection, chunk):
        outcomes = leave_effects(connection, chunk)
        if not overtaken:
            desk.lose_leases()
            overtaken.append(desk.run())
        return outcomes

    report = desk.run(slow)
    assert (report.succeeded, report.lost) == (0, 2)
    assert overtaken[0].succeeded == 2
    assert desk.effects() == ["a", "b"]


def test_a_long_chunk_stays_with_its_worker(desk):
    desk.make("a")
    clock = HandClock()
    others = []

    def long(connection, chunk):
        for _ in range(4):
            runs_out = lease_of(desk)
            clock.advance(LEASE.total_seconds() / 3)
            wait_for("another lease", lambda runs_out=runs_out: lease_of(desk) > runs_out)
            others.append(desk.run())
        return leave_effects(connection, chunk)

    report = desk.run(long, lease=LEASE, clock=clock)
    assert (report.succeeded, [other.done for other in others]) == (1, [0] * 4)
    assert desk.effects() == ["a"]


def test_a_worker_whose_items_are_gone_is_told_in_the_middle_of_a_long_chunk(desk):
    desk.make("a", "b")
    clock = HandClock()

    def handler(connection, chunk):
        chunk.check()
        desk.lose_leases()
        chunk.check()  # as often as it likes: the lease has just begun
        clock.advance(LEASE.total_seconds() / 3)
        chunk.check()
        raise AssertionError("not reached")

    report = desk.run(handler, lease=LEASE, clock=clock, should_stop=iter([False, True]).__next__)
    assert (report.lost, report.due) == (2, 2)
    assert desk.effects() == []


def test_a_transaction_of_a_long_chunk_is_not_taken_for_one_that_stands_still(desk):
    desk.make("a")
    clock = HandClock()

    def long(connection, chunk):
        connection.execute(text("set local idle_in_transaction_session_timeout = '2s'"))
        for _ in range(4):
            time.sleep(0.6)  # PostgreSQL has no other clock, and a busy machine needs room up to its two seconds
            clock.advance(LEASE.total_seconds() / 3)
            chunk.check()
        return leave_effects(connection, chunk)

    assert desk.run(long, lease=LEASE, clock=clock).succeeded == 1


def test_an_interrupted_drain_gives_back_what_it_has_not_finished(desk):
    job_id = desk.make(*numbers(6))
    chunks = []

    def handler(connection, chunk):
        chunks.append(chunk)
        if len(chunks) == 2:
            raise KeyboardInterrupt
        return leave_effects(connection, chunk)

    with pytest.raises(KeyboardInterrupt):
        desk.run(handler, chunk_size=2)
    assert list(desk.items(job_id).values()) == ["succeeded"] * 2 + ["pending"] * 4
    assert desk.rows("select max(attempts) from work.batch_item where status = 'pending'")[0][0] == 0
    assert desk.run().succeeded == 4


def test_a_drain_ends_between_chunks_when_its_time_is_up_or_when_asked(desk):
    desk.make(*numbers(10))
    clock = HandClock()

    def slow(connection, chunk):
        clock.advance(20)
        return leave_effects(connection, chunk)

    report = desk.run(slow, chunk_size=2, time_box=timedelta(seconds=30), clock=clock)
    assert (report.done, report.due, report.ended) == (4, 6, "time box")
    assert report.eta_seconds > 0
    report = desk.run(slow, chunk_size=2, should_stop=iter([False, True]).__next__)
    assert (report.done, report.due, report.ended) == (2, 4, "asked to stop")


def test_a_chunk_that_is_done_one_by_one_ends_in_time_too(desk):
    desk.make(*numbers(10))
    clock = HandClock()

    def slow(connection, chunk):
        if len(chunk.items) > 1:
            raise ConnectionError
        clock.advance(20)
        return leave_effects(connection, chunk)

    report = desk.run(slow, time_box=timedelta(seconds=50), clock=clock)
    assert (report.done, report.due, report.ended) == (3, 7, "time box")


def test_a_chunk_that_is_done_one_by_one_keeps_its_lease(desk):
    desk.make(*numbers(4))
    clock = HandClock()

    def slow(connection, chunk):
        if len(chunk.items) > 1:
            raise ConnectionError
        runs_out = lease_of(desk)
        clock.advance(LEASE.total_seconds() / 3)
        wait_for("another lease", lambda: lease_of(desk) > runs_out)
        with desk.scope() as other:
            assert return_expired(other) == 0
        return leave_effects(connection, chunk)

    assert desk.run(slow, lease=LEASE, clock=clock).succeeded == 4


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://app:s3cr3t@db:5432/x", "postgresql://db:5432/x"),
        ("Authorization: Bearer eyJhbGciOi.x-y_z", "Authorization: ***"),
        ('{"access_token": "abc", "expires_in": 3600}', '{"access_token": ***, "expires_in": 3600}'),
        ("password=hunter2 host=db", "password=*** host=db"),
        ("api_key=abc&x=1", "api_key=***&x=1"),
        ("the invoice has no lines", "the invoice has no lines"),
    ],
)
def test_reasons_hold_no_secrets(text, shown):
    assert without_secrets(text) == shown


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%^*()_+-=", min_size=6))
def test_no_password_in_a_url_is_shown(password):
    assert f":{password}@" not in without_secrets(f"cannot reach postgresql://app:{password}@db/x")
