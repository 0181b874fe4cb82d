"""What takes runs from the queue and does them, each in a process that stays, with everything loaded beforehand."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from celery import Celery, signals
from celery.worker import state
from dagster import DagsterInstance
from dagster._cli.api import _execute_run_command_body
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.make_app import make_app
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.database.access import database_urls, keep_sessions, session_limits
from invoice_pipelines.database.errors import DatabaseError
from invoice_pipelines.einvoice import Invoice, Syntax, validate, write
from invoice_pipelines.intake.documents.ocr.recognizer import keep_engines
from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines.json_logs import JsonLines, about_run, are_wanted
from invoice_pipelines.plain_logs import let_dagster_write_json
from invoice_pipelines.settings import Settings
from invoice_pipelines.workers.broker import QUEUES, app_arguments
from invoice_pipelines.workers.presence import SECONDS_BETWEEN, forget_worker, note_worker

log = logging.getLogger(__name__)

SECONDS_TO_CONNECT = 3.0
MOST_RUNS = 5_000
MOST_MEGABYTES = 2_000
"""A process is replaced after so many runs, or as soon as one has made it so large, so that no leak of a library grows
for ever. Not often: runs that wait meanwhile, and the first one of the new process, are seconds late.
"""
SECONDS_FOR_A_LAST_STEP = 20
"""So long after its time box a run may end by itself, before a worker that is to stop interrupts it."""
SECONDS_BETWEEN_LOOKS = 5.0
"""So often the process of a run sees whether Dagster still wants it."""
LOADED_BEFORE = (
    "invoice_pipelines.billing.processing",
    "invoice_pipelines.delivery.sending.sending",
    "invoice_pipelines.intake.documents.pdf_invoice",
    "invoice_pipelines.intake.exports.exporting",
    "invoice_pipelines.intake.stages.parsing",
    "invoice_pipelines.intake.stages.validating",
)


def make_worker(settings: Settings) -> Celery:
    """The Celery application of a worker. Raises ValueError where the settings name no queue."""
    arguments = app_arguments(settings)
    arguments["task_default_queue"] = arguments.pop("default_queue")
    app: Celery = make_app(app_args={**arguments, "include": []})  # type: ignore[no-untyped-call]

    @app.task(bind=True, name=TASK_EXECUTE_JOB_NAME)  # type: ignore[untyped-decorator]
    def execute_run(task: Any, execute_job_args_packed: Any) -> int:
        return do_run(unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs).run_id, task.request.id)

    return app


def do_run(run_id: str, task_id: str) -> int:
    """Does a run that Dagster has launched. One that has ended meanwhile is left alone: it was stopped, or taken for
    lost and begun again. So is one that was launched again by another task, which two processes would begin at once.
    """
    instance = _kept_instance()
    try:
        run = instance.get_run_by_id(run_id)
        if run is None or run.status is not DagsterRunStatus.STARTING:
            return 0
        if run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) != task_id:
            return 0
        with about_run(run_id, run.tags), _interrupted_if_unwanted(instance, run_id):
            return _execute_run_command_body(
                instance=instance, run_id=run_id, write_stream_fn=lambda _: None, set_exit_code_on_failure=False
            )
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Dagster takes it for itself


@contextmanager
def _interrupted_if_unwanted(instance: DagsterInstance, run_id: str) -> Iterator[None]:
    """Interrupts this thread, within the block, where Dagster has stopped the run or calls it ended. The worker is told
    as well, but hears nothing while Redis is away, and nothing of what was said meanwhile.
    """
    here, ended = threading.get_ident(), threading.Event()

    def look() -> None:
        looks = 0  # in a row: one that has heard of it is ending, and is not to be interrupted there
        while looks < 2 and not ended.wait(SECONDS_BETWEEN_LOOKS):
            try:
                run = instance.get_run_by_id(run_id)
            except Exception as error:  # noqa: BLE001 - PostgreSQL is away, or whatever it is: the next look tells
                log.warning("Whether a run is to stop was not found out: %s", type(error).__name__)
                continue
            unwanted = run is None or run.is_finished or run.status is DagsterRunStatus.CANCELING
            looks = looks + 1 if unwanted else 0
        if not ended.is_set():
            signal.pthread_kill(here, signal.SIGTERM)

    looking = threading.Thread(target=look, name="whether the run is wanted", daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()


@cache
def _kept_instance() -> DagsterInstance:
    """Of this process, which keeps its sessions from run to run."""
    keep_sessions()
    return DagsterInstance.get()


def load_all() -> None:
    """Loads what runs need, before the processes of a worker are forked from this one, which share it then."""
    for name in LOADED_BEFORE:
        import_module(name)
    for syntax in (Syntax.UBL, Syntax.CII):
        validate(write(Invoice(), syntax))  # whose schema and rules are loaded when they are first asked
    keep_engines()
    definitions = CodePointer.from_module("invoice_pipelines.definitions", "defs", None)
    ReconstructableJob(ReconstructableRepository(definitions), INTAKE_RUN).get_definition()


class _Presence:
    """Says in the database that a worker takes runs, as long as it does: Celery calls `there` every two seconds from
    the loop that takes them. No thread of its own, as processes are forked from this one at any time.
    """

    def __init__(self, settings: Settings, name: str, lanes: tuple[str, ...], processes: int) -> None:
        self._settings = settings
        self._name = name
        self._lanes = lanes
        self._processes = processes
        self._next = 0.0

    def there(self, **_: Any) -> None:
        """Says so, if it did not do so just now."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN
            self._say(lambda connection: note_worker(connection, self._name, self._lanes, self._processes))

    def gone(self, **_: Any) -> None:
        """Takes leave."""
        self._say(lambda connection: forget_worker(connection, self._name))

    def _say(self, what: Callable[[Connection], None]) -> None:
        limits = replace(session_limits(self._settings), connect=SECONDS_TO_CONNECT, lock=SECONDS_TO_CONNECT)
        engine = create_app_engine(database_urls(self._settings).app, pool_size=1, limits=limits)
        try:
            with engine.begin() as connection:
                what(connection)
        except (SQLAlchemyError, DatabaseError) as error:
            log.warning("Nobody was told that this worker is there: %s", type(error).__name__)
        finally:
            engine.dispose()  # a process that is forked meanwhile must not share a session


def work(settings: Settings, processes: int, queues: Sequence[str] = QUEUES, ready_file: Path | None = None) -> None:
    """Takes runs of these queues and does them, so many at the same time, until it is told to stop (SIGTERM). What has
    begun ends before; what does not within its time box, or when the worker is told once more, is interrupted, gives
    back what it holds, and begins again elsewhere. `ready_file` is there as soon as it takes runs.
    """
    signals.worker_shutting_down.connect(_Stop(settings.run_time_box_seconds + SECONDS_FOR_A_LAST_STEP), weak=False)
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
        signals.worker_ready.connect(lambda **_: ready_file.touch(), weak=False)
    load_all()
    app = make_worker(settings)
    quiet = []
    if are_wanted():
        signals.setup_logging.connect(lambda **_: let_dagster_write_json(), weak=False)
        quiet = ["--quiet"]  # no banner
    name = f"{os.getpid()}@{socket.gethostname()}"
    presence = _Presence(settings, name, tuple(queues), processes)
    signals.heartbeat_sent.connect(presence.there, weak=False)
    signals.worker_shutdown.connect(presence.gone, weak=False)
    app.worker_main(
        [
            *quiet,
            "worker",
            *("--pool", "prefork", "--concurrency", str(processes)),
            *("--queues", ",".join(queues), "--hostname", name),
            *("--max-tasks-per-child", str(MOST_RUNS), "--max-memory-per-child", str(MOST_MEGABYTES * 1024)),
            *("--loglevel", "warning"),
            *("--disable-prefetch", "--without-gossip", "--without-mingle"),
        ]
    )


class _Stop:
    """What a worker does each time it is told to stop."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._is_asked = False

    def __call__(self, **_: Any) -> None:
        if self._is_asked:
            self._interrupt()
            return
        self._is_asked = True
        signal.signal(signal.SIGALRM, self._interrupt)
        signal.alarm(self._seconds)
        self._tell(f"ends when its runs have ended, within {self._seconds} s; told again, it interrupts them")

    def _interrupt(self, *_: object) -> None:
        self._tell("interrupts its runs, which begin again elsewhere")
        for request in list(state.active_requests):
            with suppress(ProcessLookupError, TypeError):  # it has just ended, or no process has it yet
                os.kill(request.worker_pid, signal.SIGTERM)

    @staticmethod
    def _tell(what: str) -> None:
        line = f"The worker {what}."
        if are_wanted():
            line = JsonLines().format(logging.LogRecord(__name__, logging.WARNING, "", 0, line, None, None))
        os.write(2, f"{line}\n".encode())  # a signal may come in the middle of a print
