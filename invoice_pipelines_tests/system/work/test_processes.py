"""Several processes at one queue, and processes that die: every item is done once, none is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from invoice_pipelines_tests.integration.work.conftest import WorkDesk
from invoice_pipelines_tests.integration.work.effects import leave_effects
from invoice_pipelines_tests.support.programs import Program, begin_together
from invoice_pipelines_tests.support.sizes import size

pytestmark = pytest.mark.slow

WORKER = "from invoice_pipelines_tests.system.work.worker import main; main()"


@pytest.fixture
def start(desk: WorkDesk) -> Iterator[Callable[..., list[Program]]]:
    """Starts workers, which begin at the same moment; kills those that are left at the end."""
    started: list[Program] = []

    def start(*arguments: object, count: int = 1) -> list[Program]:
        where = [desk.url.render_as_string(hide_password=False), desk.organization_id]
        workers = [Program(WORKER, *where, *arguments) for _ in range(count)]
        started.extend(workers)
        begin_together(workers)
        return workers

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


def numbers(count: int) -> list[str]:
    return [f"{number:05}" for number in range(count)]


ITEMS = size(2_000, 20_000)


def test_three_processes_do_very_many_items_once_each(desk, start):
    subjects = numbers(ITEMS)
    job_id = desk.make(*subjects)
    workers = start(50, 60, 2, count=3)
    reports = [json.loads(worker.communicate()[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 3
    assert desk.effects() == subjects
    assert sum(report["succeeded"] for report in reports) == ITEMS
    assert all(report["succeeded"] > 0 for report in reports), reports
    job = desk.job(job_id)
    assert (job.status, job.successful_items, job.processed_items) == ("completed", ITEMS, ITEMS)


def test_a_worker_killed_in_the_middle_of_a_chunk_loses_and_doubles_nothing(desk, start):
    subjects = numbers(100)
    job_id = desk.make(*subjects)
    (worker,) = start(20, 60, 2, "hang")
    assert worker.stdout.readline() == "in the middle of a chunk\n"
    worker.kill()
    worker.wait()
    assert desk.run(leave_effects).succeeded == 40, "the lease still runs"
    desk.let_leases_expire()
    report = desk.run(leave_effects, lease=timedelta(seconds=5))
    assert (report.died, report.succeeded) == (20, 20)
    assert desk.effects() == subjects
    assert (desk.job(job_id).status, desk.job(job_id).successful_items) == ("completed", 100)


def test_an_item_that_kills_its_process_takes_no_other_with_it(desk, start):
    subjects = numbers(10)
    job_id = desk.make(*subjects)
    deaths = 0
    while desk.job(job_id).status in ("pending", "processing"):
        (worker,) = start(10, 60, 2, "exit-on=00004")
        worker.wait()
        deaths += worker.returncode == 9
        desk.let_leases_expire()
        assert deaths <= 2, "it may try as often as the worker allows"
    assert deaths == 2
    job = desk.job(job_id)
    assert (job.status, job.successful_items, job.failed_items) == ("completed_with_errors", 9, 1)
    assert job.summary == {"failures": {"WORKER_DIED": 1}}
    assert desk.effects() == [subject for subject in subjects if subject != "00004"]


def test_workers_killed_over_and_over_lose_and_double_nothing(desk, start):
    subjects = numbers(5_000)
    job_id = desk.make(*subjects)
    for moment in range(6):
        workers = start(50, 60, 100, count=2)
        time.sleep(0.05 + 0.05 * moment)  # to be killed at any moment of their work
        for worker in workers:
            worker.kill()
            worker.wait()
        desk.let_leases_expire()
    desk.run(leave_effects, max_attempts=100)
    assert desk.effects() == subjects
    assert desk.job(job_id).successful_items == 5_000
