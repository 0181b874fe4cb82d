"""What takes runs from the queue and does them, each in a process that stays, with everything loaded beforehand."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from dagster import DagsterInstance
from dagster._cli.api import _execute_run_command_body
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.make_app import make_app

from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines.settings import Settings
from invoice_pipelines.workers.broker import QUEUES, app_arguments

MOST_RUNS = 200
"""After so many runs a process is replaced, so that nothing that a library leaks grows for ever."""
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

    @app.task(bind=True, name=TASK_EXECUTE_JOB_NAME, track_started=True)  # type: ignore[untyped-decorator]
    def execute_run(_task: Any, execute_job_args_packed: Any) -> int:
        return do_run(unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs).run_id)

    return app


def do_run(run_id: str) -> int:
    """Does a run that Dagster has launched. One that has ended meanwhile is left alone: it was stopped, or taken for
    lost and begun again.
    """
    try:
        with DagsterInstance.get() as instance:
            run = instance.get_run_by_id(run_id)
            if run is None or run.status is not DagsterRunStatus.STARTING:
                return 0
            return _execute_run_command_body(
                instance=instance, run_id=run_id, write_stream_fn=lambda _: None, set_exit_code_on_failure=False
            )
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Dagster takes it for itself


def load_all() -> None:
    """Loads what runs need, before the processes of a worker are forked from this one, which share it then."""
    for name in LOADED_BEFORE:
        import_module(name)
    definitions = CodePointer.from_module("invoice_pipelines.definitions", "defs", None)
    ReconstructableJob(ReconstructableRepository(definitions), INTAKE_RUN).get_definition()


def work(settings: Settings, processes: int, queues: Sequence[str] = QUEUES, ready_file: Path | None = None) -> None:
    """Takes runs of these queues and does them, so many at the same time, until it is told to stop; what has begun ends
    before. `ready_file` is there as soon as it takes runs.
    """
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
        worker_ready.connect(lambda **_: ready_file.touch(), weak=False)
    load_all()
    app = make_worker(settings)
    app.worker_main(
        [
            "worker",
            *("--pool", "prefork", "--concurrency", str(processes)),
            *("--queues", ",".join(queues), "--hostname", f"{os.getpid()}@{socket.gethostname()}"),
            *("--max-tasks-per-child", str(MOST_RUNS), "--loglevel", "warning"),
            *("--disable-prefetch", "--without-gossip", "--without-mingle"),
        ]
    )
