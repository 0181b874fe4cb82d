"""Entries that something outside must answer: how each ends, and what one that goes wrong does to the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from invoice_pipelines.work import Chunk, Failed, Outcome, Report, Run, Skipped, Succeeded
from invoice_pipelines.work.outside import SOON, Entry, do_entries
from invoice_pipelines_tests.integration.work.conftest import LEASE, WorkDesk
from invoice_pipelines_tests.integration.work.effects import KIND, leave_effects
from invoice_pipelines_tests.integration.work.test_run import database_error
from invoice_pipelines_tests.support.waiting import HandClock

OTHER = "other"


def do_all(
    desk: WorkDesk,
    do: Callable[[Entry], None],
    *,
    most: int = 5,
    count: Callable[[Outcome], None] = lambda outcome: None,
    **options: Any,
) -> Report:
    """What a kind does that allows so many attempts."""
    kinds = [KIND, OTHER]
    run = Run(desk.engine, desk.organization_id, kinds, lease=LEASE, time_box=timedelta(hours=1), **options)

    def give_up(connection: Connection, entry: Entry, failed: Failed) -> Failed:
        return failed.at_last(entry.item.attempts, most)

    run.work(lambda: do_entries(run, kinds, do, give_up=give_up, count=count))
    return run.report(Report)


def effect(entry: Entry) -> Callable[[Connection], Outcome]:
    """A row of the entry, by which a test sees what was kept."""

    def leave(connection: Connection) -> Outcome:
        (outcome,) = leave_effects(connection, Chunk(KIND, None, {}, entry.claimed.items, lambda: None))
        return outcome

    return leave


def test_each_entry_ends_with_its_outcome_in_the_order_of_kinds_and_entries(desk):
    other, job_id = desk.make("z", kind=OTHER), desk.make("a", "b", "c", "d", "e", "f")
    done: list[Any] = []
    counted: list[Any] = []

    def do(entry: Entry) -> None:
        done.append(entry.item.subject_id)
        assert entry.within(lambda _: "an intent") == "an intent"
        entry.within(lambda _: Skipped("nobody there") if entry.item.subject_id == "b" else Succeeded())

    report = do_all(desk, do, count=counted.append)
    assert done == ["a", "b", "c", "d", "e", "f", "z"]
    assert (report.succeeded, report.skipped, report.released, report.due) == (6, 1, 0, 0)
    assert desk.items(job_id) == dict.fromkeys("acdef", "succeeded") | {"b": "skipped"}
    assert desk.items(other) == {"z": "succeeded"}
    assert [type(outcome) for outcome in counted].count(Skipped) == 1
    assert len(counted) == 7


def test_one_that_breaks_is_tried_again_until_it_is_enough_and_the_others_go_on(desk):
    job_id = desk.make("a", "b", "c")

    def do(entry: Entry) -> None:
        if entry.item.subject_id == "b":
            raise ZeroDivisionError("password=secret")
        entry.within(effect(entry))

    report = do_all(desk, do, most=2)
    assert (report.succeeded, report.retried, report.failed) == (2, 1, 0)
    desk.rows("update work.batch_item set available_at = now() where status = 'pending' returning id")
    report = do_all(desk, do, most=2)
    assert (report.failed, report.failures[0].code, report.failures[0].is_final) == (1, "UNEXPECTED_ERROR", True)
    assert "secret" not in report.failures[0].message
    assert desk.items(job_id) == {"a": "succeeded", "b": "failed", "c": "succeeded"}


def test_a_lock_that_was_not_to_be_had_is_no_attempt(desk):
    desk.make("a")
    clock = HandClock()

    def do(entry: Entry) -> None:
        raise database_error("55P03")

    report = do_all(desk, do, clock=clock)
    assert (report.postponed, report.failed) == (1, 0)
    ((at, attempts, code),) = desk.rows("select available_at, attempts, error_code from work.batch_item")
    assert (at, attempts, code) == (clock.now() + SOON, 0, "LOCK_TIMEOUT")


def test_a_deadlock_is_the_fault_of_one_entry_and_passes(desk):
    job_id = desk.make("a", "b")

    def do(entry: Entry) -> None:
        if entry.item.subject_id == "a":
            raise database_error("40P01")
        entry.within(effect(entry))

    report = do_all(desk, do)
    assert (report.succeeded, report.retried) == (1, 1)
    assert desk.items(job_id) == {"a": "pending", "b": "succeeded"}


def test_a_server_that_is_away_ends_the_run_and_what_is_held_goes_back(desk):
    job_id = desk.make("a", "b", "c")

    def do(entry: Entry) -> None:
        if entry.item.subject_id == "b":
            raise database_error("57P01")
        entry.within(effect(entry))

    with pytest.raises(OperationalError):
        do_all(desk, do)
    assert desk.items(job_id) == {"a": "succeeded", "b": "pending", "c": "pending"}
    assert desk.rows("select max(attempts) from work.batch_item where status = 'pending'")[0][0] == 0


def test_what_is_not_begun_when_the_run_is_over_goes_back(desk):
    job_id = desk.make("a", "b", "c")
    stop = []

    def do(entry: Entry) -> None:
        entry.within(effect(entry))
        stop.append(True)

    report = do_all(desk, do, should_stop=lambda: bool(stop))
    assert (report.succeeded, report.released, report.ended) == (1, 2, "asked to stop")
    assert desk.items(job_id) == {"a": "succeeded", "b": "pending", "c": "pending"}


def test_one_that_another_worker_has_is_counted_as_lost_and_the_others_go_on(desk):
    desk.make("a", "b")
    desk.put("c")
    begun: list[Any] = []

    def do(entry: Entry) -> None:
        if not begun:
            desk.lose_leases()
        begun.append(entry)
        entry.within(effect(entry))

    report = do_all(desk, do)
    assert (report.lost, report.succeeded) == (2, 3)  # both come again
    assert sorted(desk.effects()) == ["a", "b", "c"]


def test_what_has_happened_outside_is_kept_though_the_entry_is_anothers(desk):
    desk.make("a")
    told: list[Any] = []

    def do(entry: Entry) -> None:
        if not told:
            desk.lose_leases()
        told.append(entry.record(effect(entry)))

    report = do_all(desk, do)
    assert told == [Succeeded(), Succeeded()]  # whoever gets the entry sees what was kept
    assert desk.effects() == ["a", "a"]
    assert (report.succeeded, report.lost) == (1, 0)
