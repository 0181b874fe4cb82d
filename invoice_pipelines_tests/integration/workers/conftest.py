"""An installation whose runs go to warm workers: databases, a Redis, and workers that a test starts and kills."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

import dagster as dg
import psutil
import pytest
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext
from dagster._daemon.monitoring.run_monitoring import monitor_canceling_run
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import text

from invoice_pipelines.cli.supervisor import prepare_home
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import create_dagster_database
from invoice_pipelines.database.roles import DAGSTER
from invoice_pipelines.defs.work.sensors import lost_runs
from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.conftest import drop_database, fresh_database
from invoice_pipelines_tests.integration.defs.conftest import GOOD, DagsterHouse, code_location
from invoice_pipelines_tests.support.needs import need
from invoice_pipelines_tests.support.programs import COMMAND_LINE, Program
from invoice_pipelines_tests.support.server import running_redis
from invoice_pipelines_tests.support.waiting import wait_for

need("dagster_celery", reason="the extra celery is not installed")
from invoice_pipelines.workers import launcher as launching  # noqa: E402 - it needs the extra

Status = dg.DagsterRunStatus
IN_REALITY = launching.SECONDS_TO_ANSWER
NOBODY_ANSWERS = 0.1


@dataclass
class WarmWorker:
    """A worker and its processes."""

    main: psutil.Process

    @property
    def processes(self) -> list[psutil.Process]:
        """Those that do runs."""
        return self.main.children()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It answers nobody."""
        self.main.suspend()
        try:
            with seconds_to_answer(NOBODY_ANSWERS):
                yield
        finally:
            self.main.resume()

    def kill(self) -> None:
        """Kills all of it at once, as if its machine went away."""
        with suppress(psutil.NoSuchProcess):
            all_of_it = [self.main, *self.main.children()]
            for each in all_of_it:
                each.suspend()
            for each in all_of_it:
                each.kill()


@dataclass
class WorkersHouse:
    """What `up --workers` makes, without its processes: tests do what the daemon does."""

    house: DagsterHouse
    redis: ExitStack
    cursor: str | None = None
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.house.instance

    @property
    def launcher(self) -> launching.WarmRunLauncher:
        found = self.instance.run_launcher
        assert isinstance(found, launching.WarmRunLauncher)
        return found

    def organization(self) -> str:
        """A new one, for which a document waits; its slug."""
        slug = f"org-{next(self.numbers)}"
        self.house.add(slug)
        self.house.upload(slug, "one.xml", GOOD)
        return slug

    def created(self, slug: str) -> str:
        """A run of an organization that Dagster has begun to launch and not given to the launcher; its id."""
        job = ReconstructableJob(
            ReconstructableRepository(CodePointer.from_module("invoice_pipelines.definitions", "defs", None)),
            INTAKE_RUN,
        )
        tags = {"organization": slug, "dagster/partition": slug, "lane": "express"}
        run = self.instance.create_run_for_job(
            code_location().resolve_job_def(INTAKE_RUN), job_code_origin=job.get_python_origin(), tags=tags
        )
        starting = dg.DagsterEvent("PIPELINE_STARTING", run.job_name)
        self.instance.report_dagster_event(starting, run.run_id)
        return run.run_id

    def launch(self, run_id: str) -> None:
        """What Dagster's daemon does then."""
        self.launcher.launch_run(LaunchRunContext(self.run(run_id), workspace=None))

    def launched(self, slug: str) -> str:
        """A run of an organization that was launched; its id."""
        run_id = self.created(slug)
        self.launch(run_id)
        return run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        return self.run(run_id).status

    def health(self, run_id: str) -> tuple[str, str]:
        """What Dagster's daemon is told when it looks."""
        found = self.launcher.check_run_worker_health(self.run(run_id))
        return found.status.name, found.msg or ""

    def has_left(self, run_id: str) -> bool:
        """Whether the process that did a run is done with it."""
        told = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        return any(event.message.startswith("Process for run exited") for event in told)

    def is_given_up(self, run_id: str) -> bool:
        """Whether Dagster's daemon, when it looks, calls a run ended that was stopped a second ago and more. Else it
        does so after three minutes.
        """
        at_once = {"run_monitoring": {"enabled": True, "cancel_timeout_seconds": 1}}
        reference = InstanceRef.from_dir(str(self.house.folder), overrides=at_once)
        with dg.DagsterInstance.from_ref(reference) as instance:
            (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run_id]))
            monitor_canceling_run(instance, record, logging.getLogger(__name__))
        return self.status(run_id) is Status.CANCELED

    def look_for_lost(self) -> str:
        """One tick of the sensor `lost_runs`; what it says."""
        # Each tick has an instance of its own, as in the code server.
        with (
            dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(self.house.folder))) as instance,
            dg.build_sensor_context(instance=instance, cursor=self.cursor) as context,
        ):
            said = lost_runs(context)
            self.cursor = context.cursor
        assert isinstance(said, dg.SkipReason)
        return str(said.skip_message)

    def forget_queue(self) -> None:
        """What Redis does that ends and begins anew."""
        with self.launcher.celery.connection_for_write() as connection, connection.channel() as channel:
            channel.client.flushall()

    def waiting(self) -> frozenset[str]:
        """The runs in the queue."""
        return self.launcher._waiting()

    def starts(self, run_id: str) -> int:
        """How often a run began."""
        return len(self.instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_START))

    def outcomes(self, slug: str) -> list[str]:
        """What became of the documents of an organization."""
        return list(self.house.statuses(slug).values())

    def exports(self, slug: str) -> int:
        """How many documents of an organization stand in an export."""
        return int(self.house.rows(slug, "select count(*) from intake.export_invoice")[0][0])

    @contextmanager
    def standing_still(self) -> Iterator[Callable[[], None]]:
        """Lets no run judge an invoice, until the end of the block or until what it gives is called."""
        with self.house.database.superuser.connect() as session:
            session.execute(text("lock table intake.verdict in access exclusive mode"))
            yield session.rollback

    def is_held(self) -> bool:
        """Whether a run stands still."""
        waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'run %'"
        with self.house.database.superuser.connect() as session:
            return bool(session.execute(text(waiting)).all())

    def has_no_lease(self, slug: str) -> bool:
        """Whether nobody holds items of an organization any more."""
        held = "select from work.items where status = 'processing' and lease_expires_at > clock_timestamp()"
        return not self.house.rows(slug, held)

    @contextmanager
    def without_redis(self) -> Iterator[None]:
        """Redis ends, with all that was in it, and is there again behind the block."""
        self.redis.close()
        try:
            yield
        finally:
            self.redis.enter_context(running_redis(self.house.folder))

    @contextmanager
    def worker(self, processes: int = 1, most_runs: int = 5_000) -> Iterator[WarmWorker]:
        """A worker that takes runs, for the length of the block at the most. Processes end after so many."""
        ready = self.house.folder / f"ready-{uuid4().hex}"
        words = ("worker", "--processes", processes, "--same-machine", "--ready-file", ready)
        replacing = f"from invoice_pipelines.workers import worker; worker.MOST_RUNS = {most_runs}"
        program = Program(f"{replacing}; {COMMAND_LINE}", *words)
        worker = WarmWorker(psutil.Process(program.pid))
        try:
            wait_for("the worker", lambda: ready.exists() or program.complaints().count("Error"), 60)
            assert ready.exists(), program.complaints()
            with seconds_to_answer(IN_REALITY):
                yield worker
        finally:
            worker.kill()
            program.wait()
            print(program.complaints())


@contextmanager
def seconds_to_answer(seconds: float) -> Iterator[None]:
    """Waits so long for workers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launching, "SECONDS_TO_ANSWER", seconds)
        yield


@pytest.fixture(scope="module")
def lasting_installation(
    server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkersHouse]:
    """An installation with a Redis."""
    folder = tmp_path_factory.mktemp("warm")
    name = f"test_{uuid4().hex[:12]}_dagster"
    with ExitStack() as stack, ExitStack() as redis:
        database = stack.enter_context(fresh_database(server, template))
        create_dagster_database(server.url("postgres"), name)
        stack.callback(drop_database, server, name)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        stack.callback(load_settings.cache_clear)
        for variable in [each for each in os.environ if each.startswith("INVOICE_PIPELINES_")]:
            patch.delenv(variable)
        dagster_url = server.url(name, DAGSTER).set(drivername="postgresql+psycopg2")
        told = {
            "DATABASE_URL": database.app_url.render_as_string(hide_password=False),
            "DAGSTER_DATABASE_URL": dagster_url.render_as_string(hide_password=False),
            "BROKER_URL": redis.enter_context(running_redis(folder)),
            "LEASE_SECONDS": "5",
        }
        patch.setenv("DAGSTER_HOME", str(folder))
        for variable, value in told.items():
            patch.setenv(f"INVOICE_PIPELINES_{variable}", value)
        load_settings.cache_clear()
        DagsterPostgresStorage(told["DAGSTER_DATABASE_URL"])  # makes the tables
        prepare_home(load_settings(), 2)
        stack.enter_context(seconds_to_answer(NOBODY_ANSWERS))
        patch.setattr(launching, "SECONDS_KNOWN", 0.0)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(folder)))
        yield WorkersHouse(DagsterHouse(database, folder, instance, code_location()), redis)


@pytest.fixture
def installation(lasting_installation: WorkersHouse) -> Iterator[WorkersHouse]:
    """An installation without runs and with an empty queue."""
    yield lasting_installation
    instance = lasting_installation.instance
    for run in instance.get_runs(dg.RunsFilter(statuses=[Status.STARTING, Status.STARTED])):
        instance.report_run_canceled(run)
    lasting_installation.forget_queue()
    lasting_installation.cursor = None
