"""Workers, people, deaths and the clean-up all at once: nobody waits for ever, and the books are right in the end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from invoice_pipelines.work import (
    Failed,
    JobCancelled,
    Skipped,
    Succeeded,
    cancel_job,
    cleanup_stuck,
    create_job,
    enqueue,
    retry_failed,
)
from invoice_pipelines_tests.integration.work.conftest import WorkDesk, succeed
from invoice_pipelines_tests.integration.work.effects import KIND
from invoice_pipelines_tests.integration.work.test_transitions import JOBS

SECONDS = 0.6
JOBS_AT_LEAST = 20
SUBJECTS = [str(number) for number in range(30)]


@pytest.mark.slow
def test_everything_at_once_blocks_nothing_and_miscounts_nothing(lone_desk: WorkDesk):
    desk = lone_desk
    faults: list[BaseException] = []
    end = time.monotonic() + SECONDS
    jobs: list[UUID] = []

    def repeatedly(act: Callable[[random.Random], None], seed: int) -> threading.Thread:
        def loop() -> None:
            chance = random.Random(seed)
            try:
                while time.monotonic() < end or len(jobs) <= JOBS_AT_LEAST:  # on a busy machine it takes longer
                    act(chance)
            except BaseException as fault:  # noqa: BLE001 - a thread has nobody else to tell
                faults.append(fault)

        return threading.Thread(target=loop)

    def handle(connection, chunk):
        if random.random() < 0.1:
            raise ConnectionError
        outcomes = (Succeeded(), Succeeded(), Skipped("so"), Failed("X", "x"), Failed("BUSY", "busy", retry=True))
        return [random.choice(outcomes) for _ in chunk.items]

    def work(chance):
        desk.run(handle, chunk_size=chance.randint(1, 12), max_attempts=3)

    def put(chance):
        with desk.scope() as connection:
            enqueue(connection, KIND, chance.sample(SUBJECTS, 8))
            time.sleep(0.01)  # between changes, so that those who work come to something

    def ask(chance):
        with desk.scope() as connection:
            jobs.append(create_job(connection, KIND, SUBJECTS, created_by="anna"))
        with desk.scope() as connection:
            cancel_job(connection, chance.choice(jobs), cancelled_by="bert")
        try:
            with desk.scope() as connection:
                retry_failed(connection, chance.choice(jobs), requested_by="bert")
        except JobCancelled:
            pass
        time.sleep(0.02)  # as above

    def disturb(chance):
        if chance.random() < 0.3:
            desk.let_leases_expire()
        desk.let_pauses_pass()
        with desk.engine.begin() as connection:
            cleanup_stuck(connection, timedelta(0))
        time.sleep(0.02)  # as above

    threads = [repeatedly(act, seed) for seed, act in enumerate([work, work, work, put, put, ask, disturb])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert faults == []

    desk.let_leases_expire()
    desk.let_pauses_pass()
    desk.run(succeed)
    rows = desk.rows(JOBS)
    assert len(rows) > JOBS_AT_LEAST
    for job in rows:
        assert job.pending == job.processing == 0
        assert job.items == job.total_items
        counted = (job.successful_items, job.failed_items, job.skipped_items, job.cancelled_items)
        assert counted == (job.succeeded, job.failed, job.skipped, job.cancelled)
        assert job.status not in ("pending", "processing")
