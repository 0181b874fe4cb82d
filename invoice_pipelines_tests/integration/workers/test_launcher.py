"""Runs on their way to warm workers, and workers, processes and a Redis that go away: each run ends, and each document
has one outcome.
"""

from __future__ import annotations

import time

import pytest

from invoice_pipelines_tests.integration.workers.conftest import (
    NOBODY_ANSWERS,
    Status,
    WorkersHouse,
    launching,
    seconds_to_answer,
)
from invoice_pipelines_tests.support.needs import needs_redis
from invoice_pipelines_tests.support.waiting import wait_for

pytestmark = needs_redis


def is_done(here: WorkersHouse, run_id: str, slug: str) -> None:
    """A run has done its work, and it alone."""
    wait_for("its end", lambda: here.run(run_id).is_finished)
    assert (here.status(run_id), here.starts(run_id)) == (Status.SUCCESS, 1)
    assert (here.outcomes(slug), here.exports(slug)) == (["EXPORTED"], 1)


def test_a_run_that_waits_is_not_lost_and_one_that_redis_forgot_is_launched_again(installation: WorkersHouse) -> None:
    here, slug = installation, installation.organization()
    run_id = here.launched(slug)
    assert [here.look_for_lost() for _ in range(4)] == ["none is lost"] * 4
    here.forget_queue()
    assert [here.look_for_lost() for _ in range(2)] == ["none is lost", f"launched again: {run_id}"]
    assert here.waiting() == {run_id}


@pytest.mark.slow
def test_a_run_whose_launch_died_before_redis_had_it_is_launched(installation: WorkersHouse) -> None:
    here, slug = installation, installation.organization()
    run_id = here.created(slug)
    assert [here.look_for_lost() for _ in range(2)][-1] == f"launched again: {run_id}"
    with here.worker():
        is_done(here, run_id, slug)


@pytest.mark.slow
def test_a_run_that_is_launched_while_redis_is_away_waits_for_it(installation: WorkersHouse) -> None:
    here, slug = installation, installation.organization()
    run_id = here.created(slug)
    with here.without_redis():
        here.launch(run_id)
        assert here.status(run_id) is Status.STARTING
        assert [here.look_for_lost() for _ in range(4)] == ["none is lost"] * 4
    assert [here.look_for_lost() for _ in range(2)][-1] == f"launched again: {run_id}"
    with here.worker():
        is_done(here, run_id, slug)


@pytest.mark.slow
def test_a_worker_that_does_not_answer_once_keeps_its_runs(installation: WorkersHouse) -> None:
    here = installation
    with here.worker() as worker:
        (process,) = worker.processes
        process.suspend()  # takes a run and does not begin it
        slug = here.organization()
        run_id = here.launched(slug)
        wait_for("that it is taken", lambda: not here.waiting())
        assert [here.look_for_lost() for _ in range(3)] == ["none is lost"] * 3
        with worker.silent():
            assert here.look_for_lost() == "none is lost"
        assert here.look_for_lost() == "none is lost"
        with worker.silent():
            assert here.look_for_lost() == "none is lost"
        process.resume()
        is_done(here, run_id, slug)


@pytest.mark.slow
def test_a_run_that_a_worker_had_taken_and_not_begun_is_done_by_the_next_one(installation: WorkersHouse) -> None:
    here = installation
    with here.worker() as worker:
        (process,) = worker.processes
        process.suspend()
        slug = here.organization()
        run_id = here.launched(slug)
        wait_for("that it is taken", lambda: not here.waiting())
        worker.kill()
        with seconds_to_answer(NOBODY_ANSWERS):
            assert [here.look_for_lost() for _ in range(2)][-1] == f"launched again: {run_id}"
    with here.worker():
        is_done(here, run_id, slug)


@pytest.mark.slow
def test_a_run_that_is_launched_twice_is_done_once(installation: WorkersHouse) -> None:
    here, slug = installation, installation.organization()
    run_id = here.launched(slug)
    here.launch(run_id)
    with here.standing_still() as go_on, here.worker(2) as worker:
        wait_for("its begin", lambda: here.status(run_id) is Status.STARTED)
        wait_for("that it is taken", lambda: not here.waiting())
        assert [here.health(run_id) for _ in range(4)] == [("RUNNING", "")] * 4, "whichever of the two it is"
        assert here.look_for_lost() == "none is lost"
        assert len(worker.processes) == 2
        go_on()
        is_done(here, run_id, slug)


@pytest.mark.slow
def test_a_run_that_was_stopped_before_it_began_never_begins(installation: WorkersHouse) -> None:
    here, slug = installation, installation.organization()
    in_queue, nowhere = here.launched(slug), here.created(slug)
    for run_id in (in_queue, nowhere):
        assert here.launcher.terminate(run_id)
        assert here.status(run_id) is Status.CANCELED
        assert not here.launcher.terminate(run_id), "it has ended"
    assert [here.look_for_lost() for _ in range(4)] == ["none is lost"] * 4
    with here.worker():
        wait_for("that it is taken", lambda: not here.waiting())
        next_one = here.launched(slug)
        is_done(here, next_one, slug)
    for run_id in (in_queue, nowhere):
        assert (here.status(run_id), here.starts(run_id)) == (Status.CANCELED, 0)


@pytest.mark.slow
def test_a_run_that_was_stopped_at_a_worker_that_had_not_begun_it_never_begins(installation: WorkersHouse) -> None:
    here = installation
    with here.worker() as worker:
        (process,) = worker.processes
        process.suspend()
        slug = here.organization()
        run_id = here.launched(slug)
        wait_for("that it is taken", lambda: not here.waiting())
        assert here.launcher.terminate(run_id)
        process.resume()
        next_one = here.launched(slug)
        is_done(here, next_one, slug)
    assert (here.status(run_id), here.starts(run_id)) == (Status.CANCELED, 0)


@pytest.mark.slow
@pytest.mark.parametrize("is_given_up", [False, True], ids=["stopped", "given up by Dagster"])
def test_a_run_that_is_stopped_while_redis_is_away_ends_though_its_worker_does_not_hear_of_it(
    installation: WorkersHouse, is_given_up: bool
) -> None:
    here, slug = installation, installation.organization()
    run_id = here.launched(slug)
    with here.worker():
        with here.standing_still():
            wait_for("that it stands still", here.is_held)
            with here.without_redis():
                assert here.launcher.terminate(run_id)
                assert here.status(run_id) is Status.CANCELING, "its process does not know yet"
                stopped = time.monotonic()
                if is_given_up:
                    wait_for("that Dagster calls it ended", lambda: here.is_given_up(run_id))
                wait_for("that its process is free", lambda: here.has_left(run_id))
                print(f"stopped within {time.monotonic() - stopped:.1f} s")
                assert here.run(run_id).is_finished
        is_done(here, here.launched(slug), slug)
        assert here.status(run_id) is Status.CANCELED


@pytest.mark.slow
def test_a_run_that_is_stopped_while_redis_is_away_and_has_not_begun_ends_at_once(installation: WorkersHouse) -> None:
    here, slug = installation, installation.organization()
    with here.worker() as worker:
        (process,) = worker.processes
        process.suspend()  # takes a run and does not begin it
        run_id = here.launched(slug)
        wait_for("that it is taken", lambda: not here.waiting())
        with here.without_redis():
            assert here.launcher.terminate(run_id)
            assert here.status(run_id) is Status.CANCELED
            process.resume()
        is_done(here, here.launched(slug), slug)
    assert (here.status(run_id), here.starts(run_id)) == (Status.CANCELED, 0)


@pytest.mark.slow
def test_a_run_whose_worker_is_gone_has_failed_after_three_looks_and_leaves_its_document_to_the_next(
    installation: WorkersHouse,
) -> None:
    here, slug = installation, installation.organization()
    run_id = here.launched(slug)
    with here.worker() as worker:
        with here.standing_still():
            wait_for("that it stands still", here.is_held)
            assert here.health(run_id) == ("RUNNING", "")
            with worker.silent():
                assert [here.health(run_id) for _ in range(2)] == [
                    ("RUNNING", "No worker has it (1)."),
                    ("RUNNING", "No worker has it (2)."),
                ]
            wait_for("an answer", lambda: here.health(run_id) == ("RUNNING", ""))
            with here.without_redis():
                assert here.health(run_id) == ("RUNNING", "Redis cannot be reached.")
            worker.kill()
            with seconds_to_answer(NOBODY_ANSWERS):
                told = [here.health(run_id) for _ in range(3)]
        assert told == [
            ("RUNNING", "No worker has it (1)."),
            ("RUNNING", "No worker has it (2)."),
            ("FAILED", "No worker has it any more."),
        ]
    here.instance.report_run_failed(here.run(run_id))  # as Dagster's daemon does
    with here.worker():
        wait_for("the end of the lease", lambda: here.has_no_lease(slug))
        is_done(here, here.launched(slug), slug)


@pytest.mark.slow
def test_a_run_whose_process_was_killed_has_failed_at_once(installation: WorkersHouse) -> None:
    here, slug = installation, installation.organization()
    run_id = here.launched(slug)
    with here.worker() as worker:
        with here.standing_still():
            wait_for("that it stands still", here.is_held)
            worker.processes[0].kill()
            wait_for("its failure", lambda: here.health(run_id)[0] == "FAILED")
        assert here.health(run_id) == ("FAILED", "The process of the run ended by itself.")
        here.instance.report_run_failed(here.run(run_id))
        wait_for("the end of the lease", lambda: here.has_no_lease(slug))
        is_done(here, here.launched(slug), slug)


def test_misses_of_runs_that_ended_are_forgotten(installation: WorkersHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    here = installation
    missed = [here.launched(here.organization()) for _ in range(3)]
    for run_id in missed:
        here.health(run_id)
    launcher = here.launcher
    assert set(launcher._misses) >= set(missed)
    monkeypatch.setattr(launching, "SECONDS_REMEMBERED", 0.0)
    here.health(missed[0])
    assert set(launcher._misses) == {missed[0]}
