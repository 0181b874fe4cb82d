"""A whole installation that is measured from outside: PostgreSQL, Redis, Dagster and the API, as `up` runs them. How
runs are done can be changed while the rest goes on: each by a process of its own, or by warm workers.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import Engine, create_engine, text

from invoice_pipelines.cli.supervisor import DAEMON, WORKER, ServiceError, Services, prepare_home, running_services
from invoice_pipelines.database import create_app_engine, organization_scope
from invoice_pipelines.database.access import database_urls
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.settings import Settings, variable_of
from invoice_pipelines.storage import root_path, store_blob
from invoice_pipelines.workshop.bench.documents import EXAMPLES
from invoice_pipelines.workshop.bench.result import BenchError
from invoice_pipelines.workshop.bench.worker import PLACES, free_port

NO_LIMIT = 1_000_000
OPEN = ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING")
_BROKER = variable_of("broker_url")
_NUMBER = "PB-260214"
_EXAMPLE = EXAMPLES / "nordwind-handel/polder-bloemen-20260214.xml"


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization of the benchmark."""

    id: UUID
    slug: str


@dataclass
class Installation:
    """A running installation. `engine` is the login of the application; `owner` sees all of the business database, and
    `dagster` all of Dagster's.
    """

    services: Services
    settings: Settings
    engine: Engine
    owner: Engine
    dagster: Engine

    def place_runs(self, workers: int) -> None:
        """From now on so many warm processes do the runs; 0: each has a process of its own."""
        for name in (DAEMON, WORKER):
            self.end(name)
        (self.settings.home / "dagster.yaml").unlink()
        prepare_home(self.settings, workers)
        services, broker = self.services, self.services.environment[_BROKER]
        services.workers = workers
        if not workers:
            del services.environment[_BROKER]  # with it, the daemon gives runs to workers
        services.start_daemon()
        services.environment[_BROKER] = broker

    def end(self, name: str) -> None:
        """Ends a process and what it started, with no time to finish."""
        process = self.services.processes.pop(name, None)
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def add_tenants(self, prefix: str, number: int) -> list[Tenant]:
        """Adds organizations, which seem to have been there since yesterday."""
        with self.owner.begin() as connection:
            rows = connection.execute(
                text(
                    """insert into organizations.organization (slug, name, country_code, time_zone, currency,
                                                               created_by, created_at)
                       select slug, slug, 'DE', 'Europe/Berlin', 'EUR', 'bench', now() - interval '1 day'
                       from (select :prefix || lpad(n::text, 6, '0') from generate_series(1, :number) n) as n (slug)
                       returning id, slug"""
                ),
                {"prefix": f"{prefix}-", "number": number},
            )
            return sorted((Tenant(row.id, row.slug) for row in rows), key=lambda tenant: tenant.slug)

    def wait_for_partitions(self) -> float:
        """Waits until Dagster knows all organizations; returns the seconds it took."""
        wanted = self.scalar(self.owner, "select count(*) from organizations.organization where removed_at is null")
        known = "select count(*) from dynamic_partitions"
        return self.wait("Dagster knows all organizations", lambda: self.scalar(self.dagster, known) >= wanted)

    def upload(self, tenant: Tenant, numbers: Iterable[str]) -> None:
        """Stores and records documents of these invoice numbers, as a command would, without asking for a run."""
        originals = root_path(self.settings.originals_root)
        files = [StoredFile(f"{number}.xml", *store_blob(originals, tenant.id, document(number))) for number in numbers]
        with organization_scope(self.engine, tenant.id) as connection:
            record_uploads(connection, files, source="command line", created_by="bench")

    def scalar(self, engine: Engine, statement: str, **parameters: Any) -> Any:
        with engine.connect() as connection:
            return connection.execute(text(statement), parameters).scalar_one()

    def last_run(self) -> int:
        """The number of the run that was launched last; later ones have larger numbers."""
        return int(self.scalar(self.dagster, "select coalesce(max(id), 0) from runs"))

    def open_runs(self) -> int:
        """How many runs have not ended."""
        return int(self.scalar(self.dagster, "select count(*) from runs where status = any(:open)", open=list(OPEN)))

    def failed_runs(self, after: int) -> list[dict[str, str]]:
        """Runs launched after that one that failed: job, organization, and what Dagster says of it first."""
        with self.dagster.connect() as connection:
            rows = connection.execute(
                text(
                    """select r.pipeline_name as job, r.run_body::jsonb -> 'tags' ->> 'organization' as organization,
                              (select left(string_agg(e.event, ' ' order by e.id), 2000) from event_logs e
                               where e.run_id = r.run_id
                                 and e.dagster_event_type in ('STEP_FAILURE', 'PIPELINE_FAILURE')) as reason
                       from runs r where r.id > :after and r.status = 'FAILURE' order by r.id"""
                ),
                {"after": after},
            )
            return [{key: value or "" for key, value in row._asdict().items()} for row in rows]

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds so far, of each process with all that it started, ended ones included."""
        return {name: _cpu_seconds(pid) for name, pid in self.roots().items()}

    def roots(self) -> dict[str, int]:
        """The processes that `up` starts, by their names."""
        roots = {name: process.pid for name, process in self.services.processes.items()}
        if self.services.server is not None:
            roots["postgresql"] = int(self.services.server.start_mark().split()[0])
        return roots

    def wait(self, what: str, condition: Callable[[], object], seconds: float = 300.0) -> float:
        """Waits for a condition; returns the seconds it took. Raises BenchError where it takes more than `seconds`."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                raise BenchError(f"after {seconds:.0f} s it is not so that {what}")
            self.services.check()
            time.sleep(0.1)
        return time.monotonic() - began


def _cpu_seconds(pid: int) -> float:
    found = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found += sum(each.cpu_times()[:4])  # its own, and of those that it waited for
    return found


def document(number: str) -> bytes:
    """A valid e-invoice of that number."""
    return _EXAMPLE.read_bytes().replace(_NUMBER.encode(), number.encode())


@contextmanager
def running_installation(progress: Callable[[str], None], *, workers: int, **chosen: Any) -> Iterator[Installation]:
    """An installation with settings of its own and in a folder of its own, for the length of the block. `workers`, one
    at least, do the runs; `place_runs` changes that."""
    with tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as folder, ExitStack() as stack:
        told = {
            "DAGSTER_HOME": f"{folder}/home",
            variable_of("web_requests_per_minute"): str(NO_LIMIT),
            variable_of("web_address_requests_per_minute"): str(NO_LIMIT),
            **{variable_of(port): str(free_port()) for port in ("webserver_port", "web_port", "web_health_port")},
            **{variable_of(name): str(value) for name, value in chosen.items()},
        }
        stack.enter_context(_environment(told))
        settings = Settings()
        progress("starting PostgreSQL, Dagster and the API")
        try:
            services = stack.enter_context(running_services(settings, webserver=True, api=True, workers=workers))
        except ServiceError as error:
            raise BenchError(str(error)) from None
        urls = database_urls(settings)
        engine = create_app_engine(urls.app, application_name="bench")
        owner = create_engine(urls.owner, isolation_level="AUTOCOMMIT")
        dagster = create_engine(urls.owner.set(database=urls.dagster.database), isolation_level="AUTOCOMMIT")
        for each in (engine, owner, dagster):
            stack.callback(each.dispose)
        yield Installation(services, settings, engine, owner, dagster)


@contextmanager
def _environment(told: Mapping[str, str]) -> Iterator[None]:
    """The environment with these variables, and with none that would lead to another installation."""
    before = dict(os.environ)
    for place in (*PLACES, "broker_url"):
        os.environ.pop(variable_of(place), None)
    os.environ.update(told)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
