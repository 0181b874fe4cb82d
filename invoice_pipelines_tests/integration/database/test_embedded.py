"""The embedded server comes back by itself, whatever was killed, and stops when the last process leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from invoice_pipelines.database.embedded import EmbeddedServer

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


def start_holder(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_up(holder: subprocess.Popen[str]) -> None:
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"


def leave(holder: subprocess.Popen[str]) -> None:
    holder.communicate(timeout=60)


def postmaster_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def connect(server: EmbeddedServer) -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket_folder), user="postgres", dbname="postgres", autocommit=True)


def test_ten_processes_at_once_share_one_server_and_the_last_one_stops_it(tmp_path):
    holders = [start_holder(tmp_path) for _ in range(10)]
    for holder in holders:
        wait_up(holder)
    pid = postmaster_pid(tmp_path)
    for holder in holders[:-1]:
        leave(holder)
    assert postmaster_pid(tmp_path) == pid
    assert EmbeddedServer(tmp_path).running()
    leave(holders[-1])
    assert not (tmp_path / "data" / "postmaster.pid").exists()
    assert not EmbeddedServer(tmp_path).running()


def test_committed_rows_survive_kill_9_of_every_process(tmp_path):
    holder = start_holder(tmp_path)
    wait_up(holder)
    server = EmbeddedServer(tmp_path)
    with connect(server) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as n")
    pid = postmaster_pid(tmp_path)
    holder.kill()
    os.kill(pid, signal.SIGKILL)
    holder.wait()
    server.acquire()
    try:
        with connect(server) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (1000,)
    finally:
        server.release()
    assert not server.running()


def test_a_killed_holder_is_not_waited_for(tmp_path):
    holder = start_holder(tmp_path)
    wait_up(holder)
    holder.kill()
    holder.wait()
    server = EmbeddedServer(tmp_path)
    assert server.running()
    server.acquire()
    server.release()
    assert not server.running()


def test_a_pid_file_that_names_another_living_process_does_not_keep_the_server_down(tmp_path):
    server = EmbeddedServer(tmp_path)
    server.acquire()
    pid_file = tmp_path / "data" / "postmaster.pid"
    text = pid_file.read_text().splitlines()
    os.kill(int(text[0]), signal.SIGKILL)
    while server.running():
        time.sleep(0.05)
    pid_file.write_text("\n".join([str(os.getpid()), *text[1:]]) + "\n")
    server.acquire()
    assert server.running()
    server.release()


def test_a_data_folder_with_a_long_path_works(tmp_path):
    folder = tmp_path / ("long-" * 30)
    server = EmbeddedServer(folder)
    server.acquire()
    try:
        with connect(server) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        server.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that the server's user may not enter")
def test_root_can_keep_data_and_programs_in_a_folder_closed_to_others(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    bin_folder = EmbeddedServer(tmp_path).binary("postgres").parent
    wheel = bin_folder.parent.parent
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    server = EmbeddedServer(closed / "postgresql", closed / bin_folder.relative_to(wheel.parent))
    server.acquire()
    assert server.running()
    server.release()
    assert closed.stat().st_mode & 0o777 == 0o700


def test_the_socket_folder_is_closed_to_other_users(tmp_path):
    server = EmbeddedServer(tmp_path)
    server.acquire()
    try:
        assert server.socket_folder.stat().st_mode & 0o077 == 0
    finally:
        server.release()


def test_the_log_is_readable_by_its_owner_alone(tmp_path):
    server = EmbeddedServer(tmp_path)
    for _ in range(2):
        server.acquire()
        assert server.log.stat().st_mode & 0o777 == 0o600
        assert server.log.stat().st_size > 50
        server.release()
        server.log.chmod(0o644)  # as an earlier version left it
