"""Fixtures of tests that kill: a PostgreSQL that belongs to one test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import create_database, migrate


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A PostgreSQL of this test alone, since it is killed, with a migrated database `crash`."""
    server = EmbeddedServer(tmp_path / "postgresql")
    server.acquire()
    create_database(server.url("postgres"), "crash")
    migrate(server.url("crash"))
    yield server
    server.release()


def kill_postgresql(server: EmbeddedServer) -> None:
    os.kill(int((server.data / "postmaster.pid").read_text().split("\n", 1)[0]), signal.SIGKILL)
    server.acquire()
