"""A full disk: what PostgreSQL could not write is undone, and it says so, also where it cannot start any more."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import create_login_engine
from invoice_pipelines.database.embedded import EmbeddedServer, EmbeddedServerError
from invoice_pipelines.database.errors import code_of, explain
from invoice_pipelines_tests.support.programs import run_command


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that has room for a server and little else."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Takes all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return ballast


def test_a_full_disk_is_named_by_statements_and_by_a_server_that_cannot_start(small_disk):
    home = small_disk / "home"
    server = EmbeddedServer(home / "postgresql")
    server.acquire()
    engine = create_login_engine(server.url("postgres"))
    try:
        with engine.begin() as connection:
            connection.execute(text("create table kept as select generate_series(1, 100) as n"))
        with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
            connection.execute(text("create temporary table t as select repeat('x', 900) from generate_series(1, 3e5)"))
        assert code_of(refused.value) == "DISK_FULL"
        assert "has no disk space left" in str(explain(refused.value))
        with engine.connect() as connection:
            assert connection.execute(text("select count(*) from kept")).scalar_one() == 100

        engine.dispose()
        server.release()
        ballast = fill(small_disk)
        place = f"no space left on device, on the disk with {server.folder}"
        with pytest.raises(EmbeddedServerError, match=place):
            EmbeddedServer(server.folder).acquire()
        told = run_command(home, "status")
        assert told.returncode == 2
        assert place in told.stderr

        ballast.unlink()
        server.acquire()
        with engine.connect() as connection:
            assert connection.execute(text("select count(*) from kept")).scalar_one() == 100
    finally:
        engine.dispose()
        server.release()


def test_a_server_that_cannot_be_made_for_lack_of_space_says_so(small_disk):
    fill(small_disk).rename(small_disk / "b")
    with (small_disk / "b").open("r+b") as ballast:
        ballast.truncate(80 * 2**20)
    with pytest.raises(EmbeddedServerError, match="no space left on device"):
        EmbeddedServer(small_disk / "postgresql").acquire()
