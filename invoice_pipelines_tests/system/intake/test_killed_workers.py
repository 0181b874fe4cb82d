"""Workers and PostgreSQL are killed at random moments while documents go through: at the end all is as it should be."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.roles import APP
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.conftest import kill_postgresql
from invoice_pipelines_tests.system.intake.documents import (
    assert_all_came_out_right,
    interrupted_items,
    is_quiet,
    make_organization,
    more,
)
from invoice_pipelines_tests.system.workers import worker_maker

SLUG = "crashed"
KILLS = 10


@pytest.mark.slow
def test_killed_workers_and_a_killed_postgresql_lose_and_double_nothing(
    own_server: EmbeddedServer, tmp_path: Path
) -> None:
    moments = random.Random(20260601)
    url = own_server.url("crash", APP)
    engine = create_app_engine(url)
    organization_id = make_organization(engine, SLUG)
    inbox, exports = tmp_path / "inbox" / SLUG, tmp_path / "exports"
    inbox.mkdir(parents=True)
    dropped = [file for file in more(3, "a") if b"urn:factur-x.eu" not in file.data]
    waiting = dropped[:]
    with worker_maker("intake.worker", url, tmp_path, SLUG) as start_worker:
        worker = start_worker()
        for kill in range(KILLS):
            for file in [waiting.pop() for _ in range(len(waiting) // (KILLS - kill))]:
                (inbox / file.name).write_bytes(file.data)
            time.sleep(moments.uniform(0.1, 1.2))  # to be killed at any moment
            if kill % 5 == 3:
                kill_postgresql(own_server)
                if moments.random() < 0.5:
                    continue  # the worker has to live through it
            os.kill(worker, signal.SIGKILL)
            worker = start_worker()
        wait_for("the end", lambda: is_quiet(engine, organization_id, dropped), 60)
    assert_all_came_out_right(engine, organization_id, dropped, inbox, exports)
    assert interrupted_items(engine, organization_id) > 0, "the kills hit work in progress"
    engine.dispose()
