"""Fixtures for Dagster's side: a house of organizations with inboxes, and an instance to run the definitions on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import UUID, uuid4

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.event_log.in_memory import InMemoryEventLogStorage
from dagster._core.storage.event_log.sqlite import consolidated_sqlite_event_log
from dagster._core.storage.runs.in_memory import InMemoryRunStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import QueuePool

from invoice_pipelines.cli.supervisor import prepare_home
from invoice_pipelines.database import create_login_engine, organization_scope
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import create_dagster_database
from invoice_pipelines.database.roles import DAGSTER
from invoice_pipelines.defs.organizations import organization_partitions, organizations
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.intake.stages.stages import (
    export_invoices,
    intake_of,
    parse_uploads,
    take_uploads,
    validate_invoices,
)
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.storage import root_path, store_blob
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.support.intake.inbox import let_files_lie

EXAMPLES = PROJECT / "examples"
GOOD = EXAMPLES / "nordwind-handel" / "polder-bloemen-20260214.xml"
"""A valid invoice over 1,016.00 EUR."""
WRONG_TOTAL = EXAMPLES / "nordwind-handel" / "XRechnung falsche Summe.xml"
CREDIT_NOTE = EXAMPLES / "nordwind-handel" / "polder-bloemen-gutschrift.xml"
BROKEN_XML = EXAMPLES / "nordwind-handel" / "kaputt.xml"


@dataclass
class DagsterHouse:
    """An installation: its database, its folders, and the Dagster instance whose sensors and runs work in it."""

    database: TestDatabase
    folder: Path
    instance: dg.DagsterInstance
    defs: dg.Definitions
    cursor: str | None = None

    def add(self, *slugs: str) -> None:
        """Adds organizations, and their partitions as the sensor of partitions does."""
        for slug in slugs:
            add_organization(
                self.database.engine, slug, slug.title(), country_code="DE", time_zone="Europe/Berlin", currency="EUR"
            )
        self.keep_partitions_in_step()

    def add_many(self, count: int) -> None:
        """Adds organizations org-00001 and so on, without partitions."""
        self.behind(
            """insert into organizations.organization (id, slug, name, country_code, time_zone, currency, settings,
                                                       created_by)
               select uuidv7(), 'org-' || lpad(i::text, 5, '0'), 'Organization ' || i, 'DE', 'Europe/Berlin', 'EUR',
                      '{}', 'test'
               from generate_series(1, :count) i""",
            count=count,
        )

    def id_of(self, slug: str) -> UUID:
        statement = "select id from organizations.organization where slug = :slug"
        with self.database.superuser.connect() as connection:
            return UUID(str(connection.execute(text(statement), {"slug": slug}).scalar_one()))

    def drop(self, slug: str, name: str, content: Path | bytes) -> Path:
        """Puts a file into an inbox."""
        path = self.folder / "inbox" / slug / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        return path

    def let_files_lie(self, passed: timedelta) -> None:
        """As if so much time had passed since the last look into the inboxes."""
        with self.database.superuser.begin() as connection:
            let_files_lie(connection, passed)

    def upload(self, slug: str, name: str, content: Path) -> str:
        """Stores and records a file without an inbox; returns the id of the upload."""
        organization_id = self.id_of(slug)
        sha256, size = store_blob(root_path(load_settings().originals_root), organization_id, content.read_bytes())
        with organization_scope(self.database.engine, organization_id) as connection:
            stored = [StoredFile(name, sha256, size)]
            recorded = record_uploads(connection, stored, source="command line", created_by="test")
        return str(recorded[0].upload_id)

    def keep_partitions_in_step(self) -> dg.SensorResult:
        """One tick of the sensor of partitions, with what the daemon makes of it."""
        with self.sensor_context() as context:
            result = organization_partitions(context)
        assert isinstance(result, dg.SensorResult)
        for request in result.dynamic_partitions_requests or []:
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)
        return result

    @property
    def partitions(self) -> set[str]:
        return set(self.instance.get_dynamic_partitions("organization"))

    def tick(self) -> dg.SensorResult:
        """One tick of the intake's sensor."""
        return self.look("intake_due")

    def asked_for(self) -> list[str]:
        """Slugs for which two ticks (seen, and found unchanged) ask for a run of their own."""
        self.tick()
        return self.wanted("intake_due")

    @contextmanager
    def sensor_context(self) -> Iterator[dg.SensorEvaluationContext]:
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"database": InvoiceDatabase()}
        ) as context:
            yield context

    @contextmanager
    def schedule_context(self, moment: datetime | None = None) -> Iterator[dg.ScheduleEvaluationContext]:
        """What a schedule is evaluated in."""
        with dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=moment, resources={"database": InvoiceDatabase()}
        ) as context:
            if self.instance.is_persistent:
                # It would make another one of the same files.
                context._instance = self.instance  # type: ignore[assignment]
            yield context

    def run(self, job: str, partition: str | None = None, config: Any = None) -> dg.ExecuteInProcessResult:
        """Runs a job of the code location in this process, as a run request would."""
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition,
            run_config=config,
            tags={"organization": partition} if partition else None,
            raise_on_error=False,
        )

    def sweep(self, *slugs: str) -> dg.ExecuteInProcessResult:
        """Runs a sweep over organizations."""
        return self.run(
            "intake_sweep", config={"ops": {"sweep_organizations": {"config": {"organizations": list(slugs)}}}}
        )

    def context(self, slug: str, actor: str = "test") -> OrganizationContext:
        """An organization as a domain's entries take it."""
        return OrganizationContext.of(self.database.engine, slug, load_settings(), actor)

    def take_in(self, slug: str) -> None:
        """Does what a run of the intake does, without one: a run costs more than the work."""
        intake = intake_of(self.context(slug))
        for stage in (take_uploads, parse_uploads, validate_invoices, export_invoices):
            stage(intake)

    def ended(self, job: str, status: dg.DagsterRunStatus, slug: str) -> dg.DagsterRun:
        """The record of a run that ended, or works, without one."""
        return self.instance.create_run_for_job(
            self.defs.resolve_job_def(job), status=status, tags={"dagster/partition": slug, "organization": slug}
        )

    def swept(self, slugs: list[str], status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """The record of a sweep of the intake, without one."""
        config = {"ops": {"sweep_organizations": {"config": {"organizations": slugs}}}}
        job = self.defs.resolve_job_def("intake_sweep")
        return self.instance.create_run_for_job(job, status=status, run_config=config)

    def run_later(self, by: timedelta, *run_ids: str) -> None:
        """Lets time pass for Dagster's records of runs, or of some: they ended earlier."""
        with self.instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
            for run_id, updated in connection.execute(text("select run_id, update_timestamp from runs")).all():
                if not run_ids or run_id in run_ids:
                    moment = datetime.fromisoformat(updated) if isinstance(updated, str) else updated
                    values = {"at": str(moment - by) if isinstance(updated, str) else moment - by, "id": run_id}
                    earlier = "update runs set update_timestamp = :at, end_time = end_time - :by where run_id = :id"
                    connection.execute(text(earlier), {**values, "by": by.total_seconds()})
        if not run_ids:
            self.behind("update work.turn set ended_at = ended_at - :by, rests_until = rests_until - :by", by=by)

    def left_out(self, result: dg.ExecuteInProcessResult) -> dict[str, str]:
        """The organizations that a sweep left out, each with the reason, by the tags of its run."""
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        return {tag.removeprefix("left_out/"): why for tag, why in run.tags.items() if tag.startswith("left_out/")}

    def check_states(self, asset: str, check: str) -> dict[str, str]:
        """What the UI says of a check of an asset such as `intake/uploads`: its state in each organization that has
        one.
        """
        key = dg.AssetCheckKey(dg.AssetKey(asset.split("/")), check)
        with partition_loading_context(dynamic_partitions_store=self.instance):
            state = self.instance.event_log_storage.get_asset_check_state([(key, organizations)])[key]
            return {
                slug: status.value
                for status, subset in state.subsets.items()
                for slug in subset.subset_value.get_partition_keys()
            }

    def look(self, sensor: str) -> dg.SensorResult:
        """One tick of a sensor."""
        with self.sensor_context() as context:
            result = self.defs.resolve_sensor_def(sensor)(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def wanted(self, sensor: str) -> list[str]:
        """Slugs for which a tick of a sensor asks for a run of their own."""
        return sorted(str(request.partition_key) for request in self.look(sensor).run_requests or [])

    def statuses(self, slug: str) -> dict[str, str]:
        """Status of each received invoice by its file name."""
        return {row[0]: row[1] for row in self.rows(slug, "select file_name, status from public.received_invoice")}

    def rows(self, slug: str, statement: str, **values: Any) -> list[Any]:
        with organization_scope(self.database.engine, self.id_of(slug)) as connection:
            return list(connection.execute(text(statement), values))

    def behind(self, statement: str, **values: Any) -> None:
        """A change that only the operator of the database could make."""
        with self.database.superuser.begin() as connection:
            connection.execute(text(statement), values)

    def break_organization(self, slug: str) -> None:
        """Leaves it with settings that nobody can work with."""
        self.behind(
            """update organizations.organization set settings = '{"oldest_invoice_years": 0}' where slug = :slug""",
            slug=slug,
        )

    def mend_organization(self, slug: str) -> None:
        """Gives it the settings of a new one."""
        self.behind("update organizations.organization set settings = '{}' where slug = :slug", slug=slug)


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """Metadata of the only materialization of an asset such as `intake/uploads`, tables as lists of rows."""
    (event,) = result.asset_materializations_for_node(asset.replace("/", "__"))
    return plain(event.metadata)


def plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as values, tables as lists of rows."""
    return {
        name: [dict(record.data) for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in metadata.items()
    }


def outputs(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Metadata of all steps together."""
    events = [event for event in result.all_events if event.is_successful_output]
    return {name: value for event in events for name, value in plain(event.step_output_data.metadata).items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """What each check found, by its name."""
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks that did not pass."""
    return {name: evaluation for name, evaluation in checks(result).items() if not evaluation.passed}


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """The line that a person reads about the step that failed."""
    assert not result.success
    (event,) = result.get_step_failure_events()
    data = event.step_failure_data
    assert data.user_failure_data is not None, data.error
    told = str(data.user_failure_data.description)
    assert "\n" not in told
    return told


@cache
def code_location() -> dg.Definitions:
    """What Dagster loads; once, as it takes seconds."""
    from invoice_pipelines.definitions import defs as load

    return load()


@pytest.fixture(scope="session")
def defs() -> dg.Definitions:
    """The code location."""
    return code_location()


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets settings by their environment variables, and lets this process read them anew."""

    def configure(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"INVOICE_PIPELINES_{name}".upper(), str(value))
        load_settings.cache_clear()

    yield configure
    monkeypatch.undo()
    load_settings.cache_clear()


@pytest.fixture
def database(emptied_database: TestDatabase) -> TestDatabase:
    """A database without organizations."""
    return emptied_database


@pytest.fixture
def installation(
    database: TestDatabase, tmp_path: Path, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder of an installation without organizations, whose files are taken as soon as they lie still."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    configure(database_url=database.app_url.render_as_string(hide_password=False), inbox_settle_seconds=0)
    (tmp_path / "inbox").mkdir()
    return tmp_path


@contextmanager
def transaction(engine: Engine, lock: AbstractContextManager[object]) -> Iterator[Connection]:
    """A transaction of Dagster's records, one at a time where there is a lock."""
    with lock, engine.begin() as connection:
        yield connection


@pytest.fixture(scope="session")
def instance_in_memory() -> Iterator[dg.DagsterInstance]:
    """Dagster's records in memory. One for all tests, as it takes half a second to make, and with connections that are
    kept: Dagster makes a new one for each statement and sets it up by two more, which is most of what a run costs.
    """
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        for storage, name in ((instance.event_log_storage, "_connect"), (instance.run_storage, "connect")):
            assert isinstance(storage, InMemoryEventLogStorage | InMemoryRunStorage)
            engine = create_engine(storage._engine.url, poolclass=QueuePool, connect_args={"check_same_thread": False})
            event.listen(engine, "connect", lambda session, _: session.execute("pragma foreign_keys = on"))
            patch.setattr(storage, "_engine", engine)
            # Threads must take turns: sessions of one database in memory do not wait for one another's locks.
            lock = storage._db_lock if isinstance(storage, InMemoryEventLogStorage) else RLock()
            patch.setattr(storage, name, partial(transaction, engine, lock))
        yield instance


@contextmanager
def emptied(instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """An instance that forgets at the end what it was told."""
    yield instance
    instance.wipe()
    for slug in instance.get_dynamic_partitions("organization"):
        instance.delete_dynamic_partition("organization", slug)


@pytest.fixture
def house(
    database: TestDatabase, installation: Path, defs: dg.Definitions, instance_in_memory: dg.DagsterInstance
) -> Iterator[DagsterHouse]:
    """An installation whose Dagster keeps its records in memory."""
    with emptied(instance_in_memory) as instance:
        yield DagsterHouse(database, installation, instance, defs)


@contextmanager
def kept_engines() -> Iterator[None]:
    """Lets Dagster's records in files go by an engine for each file. Dagster makes one for each statement, which has to
    compile that anew.
    """
    engines: dict[str, Engine] = {}

    def engine_of(url: str, **options: Any) -> Engine:
        if url not in engines:
            engines[url] = create_engine(url, **options)
        return engines[url]

    with pytest.MonkeyPatch.context() as patch:
        for module in (consolidated_sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
            patch.setattr(module, "create_engine", engine_of)
        yield


@pytest.fixture(scope="session")
def kept_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """Dagster's records in files: a schedule cannot be evaluated on those in memory. One for all tests, as it takes a
    second to make, with one database for the events of all runs: it takes a quarter as long to make one for each.
    Nobody reads what steps print, for which Dagster would start four processes each.
    """
    folder = str(tmp_path_factory.mktemp("dagster"))
    events = {"module": "dagster.core.storage.event_log", "class": "ConsolidatedSqliteEventLogStorage"}
    printed = {"module": "dagster.core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    overrides = {"event_log_storage": {**events, "config": {"base_dir": folder}}, "compute_logs": printed}
    with kept_engines(), dg.DagsterInstance.local_temp(folder, overrides) as instance:
        yield instance


@pytest.fixture
def kept_house(
    database: TestDatabase, installation: Path, defs: dg.Definitions, kept_instance: dg.DagsterInstance
) -> Iterator[DagsterHouse]:
    """An installation whose Dagster keeps its records in files."""
    with emptied(kept_instance) as instance:
        yield DagsterHouse(database, installation, instance, defs)


@pytest.fixture
def lasting_house(
    database: TestDatabase,
    installation: Path,
    defs: dg.Definitions,
    server: EmbeddedServer,
    configure: Callable[..., None],
) -> Iterator[DagsterHouse]:
    """An installation whose Dagster is set up as by `up` and keeps its records in PostgreSQL."""
    name = f"test_{uuid4().hex[:12]}_dagster"
    create_dagster_database(server.url("postgres"), name)
    url = server.url(name, DAGSTER).set(drivername="postgresql+psycopg2")
    configure(dagster_database_url=url.render_as_string(hide_password=False))
    prepare_home(load_settings())
    DagsterPostgresStorage(url.render_as_string(hide_password=False))  # makes the tables
    with dg.DagsterInstance.from_config(str(installation)) as instance:
        yield DagsterHouse(database, installation, instance, defs)
    admin = create_login_engine(server.url("postgres"))
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    admin.dispose()
