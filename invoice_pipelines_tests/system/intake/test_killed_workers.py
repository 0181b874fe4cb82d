"""Workers and PostgreSQL are killed at random moments while documents go through: at the end all is as it should be."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import create_database, migrate
from invoice_pipelines.database.roles import APP
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.system.intake.documents import (
    assert_all_came_out_right,
    interrupted_items,
    is_quiet,
    make_organization,
    more,
)

SLUG = "crashed"
KILLS = 10


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A PostgreSQL of this test alone, since it is killed."""
    server = EmbeddedServer(tmp_path / "postgresql")
    server.acquire()
    create_database(server.url("postgres"), "crash")
    migrate(server.url("crash"))
    yield server
    server.release()


def kill_postgresql(server: EmbeddedServer) -> None:
    os.kill(int((server.data / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL)
    server.acquire()


@pytest.mark.slow
def test_killed_workers_and_a_killed_postgresql_lose_and_double_nothing(server: EmbeddedServer, tmp_path: Path) -> None:
    moments = random.Random(20260601)
    url = server.url("crash", APP)
    engine = create_app_engine(url)
    organization_id = make_organization(engine, SLUG)
    inbox, exports = tmp_path / "inbox" / SLUG, tmp_path / "exports"
    inbox.mkdir(parents=True)
    dropped = [file for file in more(3, "a") if b"urn:factur-x.eu" not in file.data]
    waiting = dropped[:]
    where = [url.render_as_string(hide_password=False), str(tmp_path), SLUG]
    zygote = subprocess.Popen(
        [sys.executable, "-m", "invoice_pipelines_tests.system.intake.worker", *where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )

    def start_worker() -> int:
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        zygote.stdin.write("\n")
        zygote.stdin.flush()
        return int(zygote.stdout.readline())

    worker = start_worker()
    try:
        for kill in range(KILLS):
            for file in [waiting.pop() for _ in range(len(waiting) // (KILLS - kill))]:
                (inbox / file.name).write_bytes(file.data)
            time.sleep(moments.uniform(0.1, 1.2))
            if kill % 5 == 3:
                kill_postgresql(server)
                if moments.random() < 0.5:
                    continue  # the worker has to live through it
            os.kill(worker, signal.SIGKILL)
            worker = start_worker()
        deadline = time.monotonic() + 60
        while not is_quiet(engine, organization_id, dropped):
            assert time.monotonic() < deadline, "it did not come to an end"
            time.sleep(0.2)
    finally:
        os.kill(worker, signal.SIGKILL)
        zygote.communicate(timeout=10)
    assert_all_came_out_right(engine, organization_id, dropped, inbox, exports)
    assert interrupted_items(engine, organization_id) > 0, "the kills hit work in progress"
    engine.dispose()
