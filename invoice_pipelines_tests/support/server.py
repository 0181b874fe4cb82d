"""The PostgreSQL of a test process; with `pytest --pooler` behind a pgbouncer in transaction mode, as managed servers
often are.

Each transaction may get another session at the server then. Tests marked `direct` ask for what only a session of one's
own has, and are left out.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL

from invoice_pipelines.database.embedded import SUPERUSER, EmbeddedServer, _ServerUser
from invoice_pipelines.database.roles import APP, DAGSTER, OWNER, WEB
from invoice_pipelines_tests.support.waiting import wait_for

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
REDIS = shutil.which("redis-server")

WITHOUT_DURABILITY = """
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
"""

POOLER_SETTINGS = """
[databases]
* = host={server}

[pgbouncer]
pool_mode = transaction
listen_port = 5432
unix_socket_dir = {socket}
auth_type = trust
auth_file = {users}
auth_user = {superuser}
ignore_startup_parameters = extra_float_digits, options
max_client_conn = 1000
default_pool_size = 40
server_idle_timeout = 5
server_round_robin = 1
"""


@contextmanager
def pgbouncer(server: EmbeddedServer) -> Iterator[Path]:
    """Runs a pgbouncer before a server; gives the folder of its socket."""
    user = _ServerUser.find()
    folder, settings, users = (server.folder / f"pooler{end}" for end in ("", ".ini", ".users"))
    folder.mkdir(mode=0o700)
    user.own(folder)
    # Of other logins it asks PostgreSQL.
    users.write_text("".join(f'"{login}" ""\n' for login in (SUPERUSER, OWNER, APP, WEB, DAGSTER)))
    settings.write_text(
        POOLER_SETTINGS.format(server=server.socket_folder, socket=folder, users=users, superuser=SUPERUSER),
        encoding="utf-8",
    )
    with (server.folder / "pooler.log").open("wb") as log:
        process = user.spawn([str(PGBOUNCER), str(settings)], stdout=log, stderr=log)
    try:
        wait_for("the pooler", lambda: _listens(folder / ".s.PGSQL.5432") or process.poll() is not None)
        assert process.poll() is None, (server.folder / "pooler.log").read_text()
        yield folder
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class DisposableServer(EmbeddedServer):
    """A server that nobody misses after a crash. Tests of crashes have an `EmbeddedServer` of their own."""

    def _initialize(self) -> None:
        super()._initialize()
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(WITHOUT_DURABILITY)


class PooledServer(DisposableServer):
    """A server whose URLs lead through a pgbouncer. Those of databases that others are made from do not, as
    `create database` needs them without a session, and the pooler keeps its own for a while.
    """

    pooler: Path | None = None

    def url(self, database: str, role: str = SUPERUSER) -> URL:
        url = super().url(database, role)
        if self.pooler is None or database == "postgres" or database.startswith("template"):
            return url
        return url.set(query={"host": str(self.pooler)})


def listens(port: int) -> bool:
    """Whether somebody takes connections there, on this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_redis(folder: Path, *options: str) -> Iterator[str]:
    """Runs a Redis that forgets all when it ends; gives its URL, which leads to a socket in the folder unless `options`
    say otherwise.
    """
    path = folder / "redis.sock"
    command = [str(REDIS), "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", "", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for("Redis", lambda: _listens(path) or process.poll() is not None)
        assert process.poll() is None
        yield f"redis+socket://{path}"
    finally:
        process.kill()
        process.wait()
        path.unlink(missing_ok=True)


def free_ports() -> dict[str, str]:
    """Settings by which `up` takes ports that nobody else has."""
    with ExitStack() as stack:
        found = {}
        for name in ("WEBSERVER_PORT", "WEB_PORT", "WEB_HEALTH_PORT"):
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found[f"INVOICE_PIPELINES_{name}"] = str(probe.getsockname()[1])
    return found
