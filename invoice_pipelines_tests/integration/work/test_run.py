"""Runs: their threads, what they keep, what they wait for and how they end. All by a clock that is moved by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from invoice_pipelines.work import Failed, Later, Progress, Report, Run, Succeeded
from invoice_pipelines_tests.integration.work.conftest import LEASE, WorkDesk
from invoice_pipelines_tests.integration.work.effects import KIND
from invoice_pipelines_tests.support.waiting import HandClock, wait_for

BEAT = LEASE.total_seconds() / 3


def run_of(desk: WorkDesk, clock: HandClock | None = None, **options) -> Run:
    return Run(
        desk.engine,
        desk.organization_id,
        [KIND],
        **{"lease": LEASE, "time_box": timedelta(hours=1), "clock": clock or HandClock()} | options,
    )


class Thing:
    """Something with a lease, which counts how often that is extended."""

    def __init__(self, error: Exception | None = None) -> None:
        self.extended = 0
        self.error = error

    def extend(self, connection, lease) -> None:
        self.extended += 1
        if self.error is not None:
            raise self.error


def database_error(state: str) -> OperationalError:
    error = type("Error", (psycopg.OperationalError,), {"sqlstate": state})()
    return OperationalError("select", {}, error)


def test_workers_take_turns_in_threads_of_their_own_and_each_is_closed(desk):
    run, closed, seen = run_of(desk), [], set()
    meeting = threading.Barrier(3)

    def worker() -> Iterator[None]:
        try:
            for _ in range(4):
                meeting.wait(10)
                seen.add(threading.current_thread().name)
                yield
        finally:
            closed.append(threading.current_thread().name)

    run.work(worker, threads=3)
    assert len(seen) == 3
    assert sorted(closed) == sorted(seen)
    report = run.report(Report)
    assert (report.chunks, report.ended, report.due) == (12, "empty", 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_error_of_a_worker_is_raised_when_all_have_ended_their_step(desk, threads):
    run, closed = run_of(desk), []
    meeting = threading.Barrier(threads)

    def worker() -> Iterator[None]:
        try:
            meeting.wait(10)
            while True:
                yield
                if threading.current_thread().name in ("worker 1", "MainThread"):
                    raise ValueError("broken")
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match="broken"):
        run.work(worker, threads)
    assert len(closed) == threads


def test_an_interruption_of_the_caller_ends_all_workers(desk):
    closed = []

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    clock, meeting = HandClock(), threading.Barrier(2)
    run = run_of(desk, clock, on_progress=interrupt)

    def worker() -> Iterator[None]:
        try:
            meeting.wait(10)
            while True:
                clock.advance(1)
                yield
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt):
        run.work(worker, threads=2)
    assert closed == [True, True]


@pytest.mark.parametrize(
    ("options", "ended"),
    [
        ({"should_stop": iter([False, False, True]).__next__}, "asked to stop"),
        ({"time_box": timedelta(seconds=3)}, "time box"),
        ({"is_done": iter([False, True]).__next__}, "empty"),
    ],
)
def test_it_says_why_it_ended(desk, options, ended):
    clock = HandClock()
    run = run_of(desk, clock, **options)

    def worker() -> Iterator[None]:
        while True:
            clock.advance(2)
            yield

    run.work(worker)
    assert run.report(Report).ended == ended


def test_the_first_reason_to_end_counts(desk):
    run = run_of(desk)
    run.end("paused: the company rests")
    run.end("out of reach")
    assert run.is_over()
    assert run.report(Report).ended == "paused: the company rests"


def test_what_is_held_is_kept_until_it_is_let_go(desk):
    clock = HandClock()
    run, kept, let_go = run_of(desk, clock), Thing(), Thing()
    broken = Thing(database_error("08006"))

    def worker() -> Iterator[None]:
        for each in (kept, let_go, broken):
            run.hold(each)
        clock.advance(BEAT - 1)
        assert kept.extended == 0
        clock.advance(1)
        wait_for("another lease", lambda: kept.extended == let_go.extended == broken.extended == 1)
        run.let_go(let_go)
        clock.advance(BEAT)
        wait_for("another lease", lambda: kept.extended == broken.extended == 2)
        yield

    run.work(worker)
    clock.advance(BEAT)
    assert (kept.extended, let_go.extended, broken.extended) == (2, 1, 2)


def test_what_a_hanging_step_holds_is_taken_up_by_another_run(desk):
    desk.put("a")
    clock = HandClock()
    hanging = run_of(desk, clock, lease=timedelta(hours=1), time_box=timedelta(minutes=1))

    def worker() -> Iterator[None]:
        claimed, watched = hanging.claim(KIND, 1, max_attempts=3), Thing()
        assert claimed is not None
        with hanging.holding([claimed]):
            hanging.hold(watched)
            for extended in (1, 2, 3):
                clock.advance(20 * 60)
                wait_for("another lease", lambda extended=extended: watched.extended == extended)
            clock.advance(20 * 60)
            wait_for(
                "another lease", lambda: not any(thread.name == "keeper of leases" for thread in threading.enumerate())
            )
            desk.let_leases_expire()
            taken = run_of(desk).claim(KIND, 1, max_attempts=3)
            assert taken is not None
            assert [item.subject_id for item in taken.items] == ["a"]
        yield

    hanging.work(worker)


def test_letting_go_waits_for_an_extension_under_way(desk):
    clock = HandClock()
    run, begun, may_end, order = run_of(desk, clock), threading.Event(), threading.Event(), []

    class Slow:
        def extend(self, connection, lease) -> None:
            begun.set()
            may_end.wait(10)
            order.append("extended")

    def worker() -> Iterator[None]:
        slow = Slow()
        run.hold(slow)
        clock.advance(BEAT)
        begun.wait(10)
        threading.Timer(0.05, may_end.set).start()
        run.let_go(slow)
        order.append("let go")
        yield

    run.work(worker)
    assert order == ["extended", "let go"]


def test_what_has_no_outcome_is_given_back_when_a_worker_ends(desk):
    desk.put("a", "b")
    run = run_of(desk)

    def worker() -> Iterator[None]:
        claimed = run.claim(KIND, 10, max_attempts=3)
        assert claimed is not None
        with run.holding([claimed]):
            yield

    run.work(worker)
    assert set(desk.items().values()) == {"pending"}
    assert (run.report(Report).released, run.report(Report).due) == (2, 2)


def test_a_transaction_that_lost_a_deadlock_is_repeated_after_a_pause(desk):
    clock = HandClock(jumps=True)
    run, tries = run_of(desk, clock), []

    def transaction() -> str:
        tries.append(clock.monotonic())
        if len(tries) < 4:
            raise database_error("40P01")
        return "done"

    assert run.again(transaction) == "done"
    pauses = [after - before for before, after in pairwise(tries)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4])


@pytest.mark.parametrize(("state", "also", "tries"), [("40001", (), 5), ("55P03", (), 1), ("55P03", ("55P03",), 5)])
def test_only_what_may_pass_is_repeated_and_not_for_ever(desk, state, also, tries):
    run, tried = run_of(desk, HandClock(jumps=True)), []

    def transaction() -> None:
        tried.append(True)
        raise database_error(state)

    with pytest.raises(DBAPIError):
        run.again(transaction, also=also)
    assert len(tried) == tries


def test_waiting_ends_with_the_run(desk):
    clock = HandClock()
    run, waited = run_of(desk, clock), []

    def worker() -> Iterator[None]:
        if threading.current_thread().name == "worker 0":
            waited.append(run.wait(3600))
        else:
            run.end("enough")
        yield

    run.work(worker, threads=2)
    assert waited == [False]
    assert clock.monotonic() == 0
    assert run_of(desk, HandClock(jumps=True)).wait(20)


def test_what_is_closed_opens_at_the_time_that_was_said_first(desk):
    clock = HandClock()
    run = run_of(desk, clock)
    first, second = ValueError("away"), ValueError("still away")
    assert run.closed("sms") is None
    until = clock.now() + timedelta(seconds=30)
    assert until <= run.close("sms", until, first) <= until + timedelta(seconds=5)
    assert run.close("sms", until + timedelta(hours=1), second) <= until + timedelta(seconds=5)
    assert (run.closed("sms"), run.closed("email")) == (second, None)
    clock.advance(30)
    assert run.closed("sms") is None


def test_progress_is_told_after_each_step_with_what_is_left_and_how_long_that_takes(desk):
    desk.put(*list("abcd"))
    clock = HandClock()
    seen: list[Any] = []
    run = run_of(desk, clock, on_progress=seen.append)

    def worker() -> Iterator[None]:
        for outcome in (Succeeded(), Failed("BUSY", "busy", retry=True), Later(clock.now(), "QUIET", "quiet")):
            run.tally.outcome("x", outcome)
            run.tally.add_figure("pages", 3)
            clock.advance(2)
            yield

    run.work(worker)
    assert [(told.done, told.due, told.seconds, told.figures["pages"]) for told in seen] == [
        (1, 4, 2, 3),
        (1, 3, 4, 6),
        (1, 3, 6, 9),
    ]
    assert [told.eta_seconds for told in seen] == [8, 6, 9]
    report = run.report(Report)
    assert (report.succeeded, report.retried, report.postponed, report.due) == (1, 1, 1, 4)
    assert report.oldest_due_at is not None


def test_a_kind_may_count_what_is_due_and_reckon_how_long_it_takes_by_itself(desk):
    seen: list[Progress] = []
    run = run_of(desk, on_progress=seen.append, count_due=lambda: (7, None), eta=lambda due: due * 60.0)

    def worker() -> Iterator[None]:
        yield

    run.work(worker, threads=2)
    assert (seen[-1].due, seen[-1].eta_seconds) == (7, 420)
