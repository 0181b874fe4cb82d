"""Processes of a worker that are replaced, and sessions that end between two runs: no run fails of it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from invoice_pipelines_tests.integration.workers.conftest import Status, WorkersHouse
from invoice_pipelines_tests.support.needs import needs_redis
from invoice_pipelines_tests.support.waiting import wait_for

pytestmark = [needs_redis, pytest.mark.slow]


def test_processes_that_are_replaced_after_each_run_lose_none(installation: WorkersHouse) -> None:
    here = installation
    slugs = [here.organization() for _ in range(8)]
    run_ids = [here.launched(slug) for slug in slugs]
    with here.worker(2, most_runs=1) as worker:
        first = {process.pid for process in worker.processes}
        wait_for("their end", lambda: all(here.run(run_id).is_finished for run_id in run_ids))
        assert not first & {process.pid for process in worker.processes}
    assert {(here.status(run_id), here.starts(run_id)) for run_id in run_ids} == {(Status.SUCCESS, 1)}
    assert [here.exports(slug) for slug in slugs] == [1] * len(slugs)


@pytest.mark.direct  # which ends sessions of its own accord
def test_sessions_that_end_between_two_runs_are_opened_again(installation: WorkersHouse) -> None:
    here = installation
    of_dagster = here.instance.event_log_storage._engine.url.database  # type: ignore[attr-defined]
    with here.worker() as worker:
        (process,) = worker.processes
        for _ in range(3):
            slug = here.organization()
            run_id = here.launched(slug)
            wait_for("its end", lambda run_id=run_id: here.run(run_id).is_finished)
            assert (here.status(run_id), here.exports(slug)) == (Status.SUCCESS, 1)
            ended = """select pg_terminate_backend(pid, 5000) from pg_stat_activity
                       where datname in (current_database(), :dagster) and pid <> pg_backend_pid()"""
            with here.house.database.superuser.begin() as connection:
                assert len(connection.execute(text(ended), {"dagster": of_dagster}).all()) > 1
            assert worker.processes == [process], "it was the same all the time"
