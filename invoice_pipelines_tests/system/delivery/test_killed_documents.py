"""Workers are killed at random moments while documents are made: each invoice has one version, each file is whole."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path
from uuid import UUID

import pytest

from invoice_pipelines.delivery.documents.bundles import COMBINED_PDF, find_bundles
from invoice_pipelines.delivery.documents.rows import changed_documents
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.delivery.press import Press, open_press
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.workers import worker_maker

DOCUMENTS = 150
"""Asked for at a time."""


def left(press: Press) -> int:
    return int(press.rows("select count(*) from work.batch_item where status in ('pending', 'processing')")[0][0])


@pytest.mark.slow
def test_killed_workers_lose_no_document_and_make_none_twice(database: TestDatabase, tmp_path: Path) -> None:
    moments = random.Random(20261121)
    press = open_press(database, tmp_path)
    kills = size(3, 20)
    jobs: list[UUID] = []
    in_work = 0
    where = press.shop.organization.slug, press.settings.home
    with worker_maker("delivery.document_worker", database.app_url, *where) as start_worker:
        workers = [start_worker(), start_worker()]
        for kill in range(kills):
            if kill % 2 == 0:
                jobs.append(press.ask(press.shop.issue(*[{}] * DOCUMENTS), combined=True))
            time.sleep(moments.uniform(0.2, 2.5))  # to be killed at any moment
            in_work += left(press) > 0
            victim = moments.randrange(2)
            os.kill(workers[victim], signal.SIGKILL)
            workers[victim] = start_worker()
        wait_for("the end", lambda: left(press) == 0)

    assert in_work > kills / 2, "the kills hit work in progress"
    assert set(map(tuple, press.versions().values())) == {(1,)}
    assert len(press.versions()) == DOCUMENTS * len(jobs)
    with press.shop.scope() as connection:
        assert changed_documents(connection, press.context, limit=10_000) == []
        for job_id in jobs:
            (combined,) = find_bundles(connection, job_id)
            assert (combined.kind, combined.documents) == (COMBINED_PDF, DOCUMENTS)
    for job_id in jobs:
        job = press.job(job_id)
        assert (job.status, job.failed_items, job.processed_items) == ("completed", 0, DOCUMENTS)
    wait_for(
        "that the processes of killed workers end by themselves", lambda: not left_behind(), 20, instead=left_behind
    )


def left_behind() -> list[str]:
    """Processes that make documents and whose parent is gone."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            command = status.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "delivery.documents.process" in command and "PPid:\t1\n" in status.read_text():
                found.append(command)
    return found
