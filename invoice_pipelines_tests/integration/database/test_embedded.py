"""The embedded server comes back by itself, whatever was killed, and stops when the last process leaves."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.support.programs import Program
from invoice_pipelines_tests.support.waiting import wait_for

HOLDER = """
import sys, time
from pathlib import Path
from invoice_pipelines.database.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.acquire()
print("up", flush=True)
sys.stdin.read()
server.release()
"""


def wait_up(holder: Program) -> None:
    assert holder.stdout.readline() == "up\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose server stands still between tests, with a path that is too long for a socket."""
    return tmp_path_factory.mktemp("embedded") / ("long-" * 30)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedServer]:
    """The server of that folder, up."""
    server = EmbeddedServer(folder)
    server.acquire()
    yield server
    server.release()
    assert not server.running()


def postmaster_pid(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def connect(server: EmbeddedServer) -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket_folder), user="postgres", dbname="postgres", autocommit=True)


def test_processes_at_once_make_and_share_one_server_and_the_last_one_stops_it(tmp_path):
    holders = [Program(HOLDER, tmp_path) for _ in range(4)]
    for holder in holders:
        wait_up(holder)
    server = EmbeddedServer(tmp_path)
    pid = postmaster_pid(server)
    for holder in holders[:-1]:
        holder.communicate()
    assert postmaster_pid(server) == pid
    assert server.running()
    holders[-1].communicate()
    assert not (server.data / "postmaster.pid").exists()
    assert not server.running()


def test_committed_rows_survive_kill_9_of_every_process(folder):
    holder = Program(HOLDER, folder)
    wait_up(holder)
    server = EmbeddedServer(folder)
    with connect(server) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as n")
    holder.kill()
    os.kill(postmaster_pid(server), signal.SIGKILL)
    holder.wait()
    server.acquire()
    with connect(server) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1000,)
    server.release()
    assert not server.running()


def test_a_killed_holder_is_not_waited_for(server, folder):
    holder = Program(HOLDER, folder)
    wait_up(holder)
    holder.kill()
    holder.wait()
    assert server.running()


def test_a_pid_file_that_names_another_living_process_does_not_keep_the_server_down(server):
    pid_file = server.data / "postmaster.pid"
    text = pid_file.read_text().splitlines()
    os.kill(int(text[0]), signal.SIGKILL)
    wait_for("its end", lambda: not server.running())
    pid_file.write_text("\n".join([str(os.getpid()), *text[1:]]) + "\n")
    server.acquire()
    assert server.running()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that the server's user may not enter")
def test_root_can_keep_data_and_programs_in_a_folder_closed_to_others(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    bin_folder = EmbeddedServer(tmp_path).binary("postgres").parent
    wheel = bin_folder.parent.parent
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True, copy_function=os.link)
    server = EmbeddedServer(closed / "postgresql", closed / bin_folder.relative_to(wheel.parent))
    server.acquire()
    assert server.running()
    server.release()
    assert closed.stat().st_mode & 0o777 == 0o700


def test_its_socket_and_its_log_are_closed_to_other_users(server):
    assert server.socket_folder.stat().st_mode & 0o077 == 0
    server.release()
    server.log.chmod(0o644)  # as an earlier version left it
    server.acquire()
    assert server.log.stat().st_mode & 0o777 == 0o600
    assert server.log.stat().st_size > 50
