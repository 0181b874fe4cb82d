"""The processes of one installation: PostgreSQL, the code server, the daemon, Dagster's webserver and the API.

They are started together, watched, started again where one ends by itself, and stopped together. What they share, they
get by their environment.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from invoice_pipelines.database.access import database_urls, prepare_databases, running_server
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.settings import PREFIX, Settings, variable_of
from invoice_pipelines.workers.shared import is_beyond_this_machine, note_installation, require_shared

SECONDS_TO_STOP = 25.0
SECONDS_TO_START = 180.0
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""How many seconds a process that ended rests before it is started again: twice as long each time it does not live for
`LONG_ENOUGH`."""
LONG_ENOUGH = 300.0
OLD_LOGS = 3
"""How many logs are kept besides the one that is written to."""
RUNS_FOR_A_PROCESS = 6
"""So many runs are given to warm workers for each of their processes: Dagster looks once a second whether one may
begin, and a process does three in a second and has the next at once."""
LONGEST_WAIT = 7200
"""Seconds for which they may wait there, as long as a run may last."""
MODULE = "invoice_pipelines.definitions"
CODE_SERVER = "code server"
DAEMON = "daemon"
API = "api"
QUEUE = "queue"
WORKER = "worker"
_MOST_RUNS = re.compile(r"^(\s*max_concurrent_runs:\s*)(\d+)", re.MULTILINE)
_LONGEST_START = re.compile(r"^(\s*start_timeout_seconds:\s*)(\d+)", re.MULTILINE)
_MOST_IN_BULK = re.compile(r"(value: bulk\s+limit:\s*)\d+")
_OURSELVES = [sys.executable, "-c", "from invoice_pipelines.cli.main import main; main()"]
STORAGE = """
# Runs, events and schedules, in a database of their own (never the business one).
storage:
  custom:
    module: invoice_pipelines.kept_sessions
    class: KeptSessions
    config:
      postgres_url:
        env: INVOICE_PIPELINES_DAGSTER_DATABASE_URL
      should_autocreate_tables: false  # `up` makes them; else each tick of a sensor looks whether they are there
"""
WARM_WORKERS = """
# Runs go to warm workers where there is a queue for them (INVOICE_PIPELINES_BROKER_URL, or `up --workers`).
run_launcher:
  module: invoice_pipelines.workers.chosen
  class: ChosenLauncher

# What runs print is kept in the home folder, and not at all where that queue is on another machine.
compute_logs:
  module: invoice_pipelines.workers.chosen
  class: ChosenComputeLogs
"""
"""What `dagster.yaml` gets in a home; without a server, as in a fresh checkout, Dagster could not load it."""


class ServiceError(InvoicePipelinesError):
    """A process of the installation could not be started, or ended by itself."""


@dataclass(slots=True)
class Life:
    """When a process was started, and when it is to be started again after it ended (seconds of `time.monotonic`)."""

    began: float = field(default_factory=time.monotonic)
    pause: float = 0.0
    again_at: float | None = None

    def ended(self) -> None:
        """Sets the moment at which it is started again."""
        now = time.monotonic()
        lived_long = now - self.began > LONG_ENOUGH
        self.pause = FIRST_PAUSE if lived_long or not self.pause else min(self.pause * 2, LONGEST_PAUSE)
        self.again_at = now + self.pause


@dataclass(slots=True)
class Services:
    """The running processes. `workers` are warm ones, which do runs. `url` is where the Dagster UI is, `api_url` where
    the API is; None: not started.

    `server` is the embedded PostgreSQL as this process holds it; None where the operator names another one.
    """

    settings: Settings
    server: EmbeddedServer | None
    environment: dict[str, str]
    workers: int = 0
    url: str | None = None
    api_url: str | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _commands: dict[str, list[str]] = field(default_factory=dict, init=False)
    _lives: dict[str, Life] = field(default_factory=dict, init=False)
    _port: int = field(default=0, init=False)
    _postgresql: str = field(default="", init=False)

    def check(self) -> list[str]:
        """Starts again what ended by itself, PostgreSQL at once and the others after a pause, and sets full logs aside.
        Returns what happened, for people. To be called about once a second.
        """
        happened = []
        while self.server is not None and not self._has_lived_on(self.server):
            self.server.acquire()
            happened += ["PostgreSQL had ended and was started again", *self._start_over()]
        for name, process in list(self.processes.items()):
            _set_aside(self.log_of(name), self.settings.log_megabytes * 2**20)
            code = process.poll()
            if code is None:
                continue
            life = self._lives[name]
            if life.again_at is None:
                life.ended()
                happened.append(f"the {name} ended with code {code}; see {self.log_of(name)}")
            elif time.monotonic() >= life.again_at and name == CODE_SERVER:
                return [*happened, *self._start_over()]  # others have changed with it
            elif time.monotonic() >= life.again_at:
                happened += self._again(name)
        return happened

    def check_processes(self) -> None:
        """Raises ServiceError where a process ended by itself."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise ServiceError(f"the {name} ended with code {process.returncode}; see {self.log_of(name)}")

    def log_of(self, name: str) -> Path:
        """Where a process writes what it has to say."""
        return self.settings.home.absolute() / "service_logs" / f"{name.replace(' ', '_')}.log"

    def spawn(self, name: str, command: list[str]) -> None:
        """Starts a process in a group of its own, which on Linux ends with this one, however this one ends."""
        self._commands[name] = command
        pause = self._lives[name].pause if name in self._lives else 0.0
        self._lives[name] = Life(pause=pause)
        log = self.log_of(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.processes[name] = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_prepare_process,
            )

    def start(self) -> None:
        """Starts what runs the work: the code server, and the daemon that asks for runs."""
        self._postgresql = self.server.start_mark() if self.server is not None else ""
        _prepare_dagster(self)
        self._port = self._port or _free_port()
        address = ["-h", "127.0.0.1", "-p", str(self._port)]
        command = [*_python("dagster"), "api", "grpc", "-m", MODULE, *address, "-n", "4"]
        self.spawn(CODE_SERVER, command)
        self.workspace.write_text(
            f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {self._port}\n"
            "      location_name: invoice_pipelines\n"
        )
        _wait_for_port(self, self._port)
        self.start_daemon()

    def start_daemon(self) -> None:
        """Starts the daemon, and the warm workers to which it gives runs."""
        quiet = ["--log-level", "warning"]  # else it tells of each tick of each sensor
        command = [*_python("dagster._daemon"), "run", "-w", str(self.workspace), *quiet]
        self.spawn(DAEMON, command)
        if self.workers:
            self.spawn(WORKER, [*_OURSELVES, "worker", "--processes", str(self.workers), "--same-machine"])

    @property
    def workspace(self) -> Path:
        """The file that says where the code server listens."""
        return self.settings.home.absolute() / "workspace.running.yaml"

    def _has_lived_on(self, server: EmbeddedServer) -> bool:
        """Whether PostgreSQL runs since the code server and the daemon were started."""
        return server.running() and server.start_mark() == self._postgresql

    def _start_over(self) -> list[str]:
        """Starts the code server and the daemon again, after PostgreSQL was, or after the code server ended.

        Runs lose their sessions and transactions with PostgreSQL and cannot go on, and a code server that could not
        report the end of a run watches no run any more, as one that ended does: those would stay STARTED, and their
        organizations wait.
        """
        for name in (DAEMON, WORKER, CODE_SERVER):
            if name in self.processes:
                _signal(self.processes[name], signal.SIGKILL)
                self.processes[name].wait()
        for name in (DAEMON, WORKER):  # `start` starts them when the code server is there
            self.processes.pop(name, None)
        try:
            self.start()
        except ServiceError as error:
            _signal(self.processes[CODE_SERVER], signal.SIGKILL)
            self._lives[CODE_SERVER].ended()
            return [f"{error}; it is tried again in {self._lives[CODE_SERVER].pause:g} s"]
        return [f"the {CODE_SERVER} and the daemon were started again"]

    def _again(self, name: str) -> list[str]:
        _signal(self.processes[name], signal.SIGKILL)  # whatever is left of its group
        self.spawn(name, self._commands[name])
        return [f"the {name} was started again"]

    def stop(self) -> None:
        """Ends all processes: the ones that ask for work first, each with time to finish what it is about."""
        for name in reversed(list(self.processes)):
            _signal(self.processes[name], signal.SIGTERM)
        deadline = time.monotonic() + SECONDS_TO_STOP
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.1))
            _signal(process, signal.SIGKILL)  # also whatever is left of its group
            process.wait()


@contextmanager
def running_services(settings: Settings, *, webserver: bool, api: bool, workers: int = 0) -> Iterator[Services]:
    """Everything that works through the queues, for the length of the block; nothing is left running behind it.
    `webserver`: and the Dagster UI; `api`: and the API, for which an operator's server needs a login of its own;
    `workers`: so many warm processes do the runs, which come through a Redis.
    """
    api = api and (settings.database_url is None or settings.web_database_url is not None)
    home = prepare_home(settings, workers)
    with ExitStack() as stack:
        server = stack.enter_context(running_server(settings))
        prepare_databases(settings)
        note_installation(settings, makes_key=True)
        if is_beyond_this_machine(settings):
            require_shared(settings)
        services = Services(settings, server, child_environment(settings, home), workers=workers)
        stack.callback(services.stop)
        if workers:
            _start_queue(services, stack)
        services.start()
        if api:
            _start_api(services)
        if webserver:
            host, web_port = settings.webserver_host, settings.webserver_port
            _require_free("webserver_port", host, web_port)
            services.url = f"http://{host}:{web_port}"
            services.spawn(
                "webserver",
                [
                    *_python("dagster_webserver"),
                    *("-w", str(services.workspace), "-h", host, "-p", str(web_port)),
                    *("--dagster-log-level", "warning"),
                ],
            )
            _wait_for_answer(services, "webserver", f"{services.url}/server_info")
            settings.dagster_url_file.write_text(services.url, "utf-8")
            stack.callback(settings.dagster_url_file.unlink, missing_ok=True)
        if api:
            _wait_for_answer(
                services, API, f"http://{_near(settings.web_health_host)}:{settings.web_health_port}/health/ready"
            )
        yield services


def _start_api(services: Services) -> None:
    settings = services.settings
    _require_free("web_port", settings.web_host, settings.web_port)
    _require_free("web_health_port", settings.web_health_host, settings.web_health_port)
    services.api_url = f"http://{settings.web_host}:{settings.web_port}"
    services.spawn(API, [*_OURSELVES, "web"])


def _start_queue(services: Services, stack: ExitStack) -> None:
    """Starts Redis on a socket of its own, which nobody else may enter, unless the settings name another one."""
    if services.settings.broker_url is not None:
        return
    redis = shutil.which("redis-server")
    if redis is None:
        raise ServiceError(
            f"Warm workers need Redis: install it (Debian: redis-server), or name one by {variable_of('broker_url')}."
        )
    # The path of a socket must be short.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="invoice-pipelines-queue-")))
    path = folder / "redis.sock"
    services.environment[f"{PREFIX}BROKER_URL"] = f"redis+socket://{path}"
    command = [redis, "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--dir", str(folder)]
    services.spawn(QUEUE, [*command, "--save", "", "--appendonly", "no"])


def prepare_home(settings: Settings, workers: int = 0) -> Path:
    """Makes the home folder with `dagster.yaml` and the inbox; what is there already stays as it is.

    With warm `workers`, some more runs may begin than there are, but fewer in bulk. Raises ServiceError where the file
    that is there lets more begin, and Dagster would take those for dead that wait at the workers.
    """
    home = settings.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists():
        shipped = _shipped("dagster.yaml").read_text("utf-8")
        if workers:
            shipped = _MOST_RUNS.sub(rf"\g<1>{RUNS_FOR_A_PROCESS * workers}", shipped)
            shipped = _LONGEST_START.sub(rf"\g<1>{LONGEST_WAIT}", shipped)
            shipped = _MOST_IN_BULK.sub(rf"\g<1>{max(workers - 1, 1)}", shipped)
        target.write_text(shipped + STORAGE + WARM_WORKERS, "utf-8")
    written = target.read_text("utf-8")
    most, longest = (int(found[2]) if (found := each.search(written)) else 0 for each in (_MOST_RUNS, _LONGEST_START))
    if workers and most > workers and longest < LONGEST_WAIT:
        raise ServiceError(
            f"{target} lets {most} runs begin at the same time (max_concurrent_runs), and there would be {workers} "
            f"warm processes: use --workers {most} or more, or let runs wait for one (start_timeout_seconds: "
            f"{LONGEST_WAIT}), and fewer begin in the lane bulk than there are processes."
        )
    if "://" not in settings.inbox_root:
        Path(settings.inbox_root).mkdir(parents=True, exist_ok=True)
    return home


def child_environment(settings: Settings, home: Path) -> dict[str, str]:
    """What the processes get to know: where the databases are, with the rights they need and no others."""
    urls = database_urls(settings)
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONUNBUFFERED": "1"}
    environment.pop(f"{PREFIX}DATABASE_OWNER_URL", None)
    environment[f"{PREFIX}DATABASE_URL"] = urls.app.render_as_string(hide_password=False)
    environment[f"{PREFIX}WEB_DATABASE_URL"] = urls.web.render_as_string(hide_password=False)
    environment[f"{PREFIX}DAGSTER_DATABASE_URL"] = urls.dagster.render_as_string(hide_password=False)
    for name in ("inbox", "originals", "exports", "imports"):
        environment[PREFIX + name.upper()] = getattr(settings, f"{name}_root")
    return environment


def _prepare_dagster(services: Services) -> None:
    """Makes Dagster's tables before several processes want to at once, and closes runs that a kill left open.

    With the embedded server no run can be alive before this: its runs are processes of this machine that end with
    their code server.
    """
    script = "from invoice_pipelines.cli.dagster_storage import prepare; prepare({})"
    closes = services.server is not None
    done = subprocess.run(
        [sys.executable, "-c", script.format(closes)],
        env=services.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ServiceError(f"Dagster's storage cannot be prepared: {last}")


def _shipped(name: str) -> Path:
    """A file that stands beside the package in a checkout, and inside of it in an installation."""
    package = Path(__file__).parent.parent
    inside = package / name
    return inside if inside.exists() else package.parent / name


def _python(module: str) -> list[str]:
    return [sys.executable, "-m", "invoice_pipelines.plain_logs", module]


def _set_aside(log: Path, most_bytes: int) -> None:
    """Empties a log that is full, after its content was copied: the process that writes keeps its file."""
    if not log.exists() or log.stat().st_size < most_bytes:
        return
    for number in range(OLD_LOGS, 1, -1):
        with suppress(FileNotFoundError):
            Path(f"{log}.{number - 1}").replace(f"{log}.{number}")
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)


def _prepare_process() -> None:
    # Dagster ends on SIGTERM only where SIGINT is not ignored, as it is for what a shell runs in the background.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _near(host: str) -> str:
    """Where a server that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _require_free(field: str, host: str, port: int) -> None:
    if not _is_free(host, port):
        raise ServiceError(f"port {port} is taken; set {variable_of(field)} to another one")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _wait_for_port(services: Services, port: int) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        services.check_processes()
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise ServiceError(f"the code server did not start in time; see {services.log_of(CODE_SERVER)}")


def _wait_for_answer(services: Services, name: str, url: str) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        services.check_processes()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise ServiceError(f"the {name} did not start in time; see {services.log_of(name)}")
