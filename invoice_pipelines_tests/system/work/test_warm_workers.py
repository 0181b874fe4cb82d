"""`up --workers` as a whole, with faults: a child killed, the whole worker, and Redis with its queue.

Whatever ends, each document has one outcome, and work goes on within a minute.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from dagster_graphql import DagsterGraphQLClient
from sqlalchemy import create_engine, text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import set_role
from invoice_pipelines.cli.supervisor import WARM_WORKERS, prepare_home
from invoice_pipelines.database import create_app_engine, create_login_engine, login_session
from invoice_pipelines.database.access import EMBEDDED_DATABASE
from invoice_pipelines.database.embedded import SUPERUSER, EmbeddedServer
from invoice_pipelines.database.roles import APP
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.support.needs import need, needs_redis
from invoice_pipelines_tests.support.server import free_ports
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.support.waiting import seconds_until, wait_for
from invoice_pipelines_tests.support.web import add_person, add_session

need("dagster_celery", reason="the extra celery is not installed")
pytestmark = [
    pytest.mark.slow,
    needs_redis,
    pytest.mark.timeout(900),
]

DOCUMENT = (PROJECT / "examples/nordwind-handel/polder-bloemen-20260214.xml").read_text("utf-8")
COMMAND = Path(sys.executable).parent / "invoice-pipelines"
ABROAD = ("--country", "DE", "--time-zone", "Europe/Berlin", "--currency", "EUR")
QUICK = {
    "INVOICE_PIPELINES_LEASE_SECONDS": "5",
    "INVOICE_PIPELINES_REST_AFTER_FAILURE_SECONDS": "1",
    "INVOICE_PIPELINES_INTAKE_MAX_ATTEMPTS": "100",
    "INVOICE_PIPELINES_DATABASE_LOCK_TIMEOUT_SECONDS": "300",  # tests hold up runs by a lock
    "INVOICE_PIPELINES_RUN_TIME_BOX_SECONDS": "10",
}
LEASE = int(QUICK["INVOICE_PIPELINES_LEASE_SECONDS"])
A_MINUTE = 60


@dataclass
class WarmInstallation:
    """An installation with two warm processes, and two organizations."""

    environment: dict[str, str]
    home: Path
    folder: Path
    up: subprocess.Popen[bytes]

    def say(self, *words: str) -> None:
        subprocess.run([COMMAND, *words], env=self.environment, cwd=PROJECT, check=True, capture_output=True)

    def upload(self, slug: str, *numbers: str) -> None:
        paths = []
        for number in numbers:
            path = self.folder / f"{number}.xml"
            path.write_text(DOCUMENT.replace("PB-260214", number), "utf-8")
            paths.append(str(path))
        self.say("upload", *paths, "--organization", slug)

    def upload_by_page(self, slug: str, number: str) -> None:
        """As a person does at the desk."""
        server = self._server
        engine, superuser = (server.url(EMBEDDED_DATABASE, role) for role in (APP, SUPERUSER))
        database = TestDatabase(create_app_engine(engine), create_login_engine(superuser), engine, superuser)
        person = add_person(database, "anna")
        with database.engine.begin() as connection:
            set_role(connection, person, slug, Role.ACCOUNTANT, actor="test")
        with database.superuser.begin() as connection:  # a new one may have no partition yet
            connection.execute(text("update organizations.organization set created_at = now() - interval '1 hour'"))
        headers = {
            "Cookie": f"{SESSION_COOKIE}={add_session(database, person)}",
            "Sec-Fetch-Site": "same-origin",
        }
        for each in (database.engine, database.superuser):
            each.dispose()
        url = f"http://127.0.0.1:{self.environment['INVOICE_PIPELINES_WEB_PORT']}/desk/{slug}/received/uploads"
        document = DOCUMENT.replace("PB-260214", number).encode()
        answer = httpx.post(url, headers=headers, files={"file": (f"{number}.xml", document)}, timeout=60)
        assert answer.status_code == 200, answer.text

    def rows(self, statement: str) -> list[Any]:
        with login_session(self._server.url(EMBEDDED_DATABASE)) as session:
            return list(session.execute(text(statement)))

    def runs(self, *statuses: str) -> list[tuple[str, str]]:
        """Id and status of runs of the intake, the newest first."""
        with login_session(self._server.url("invoice_pipelines_dagster")) as session:
            found = session.execute(
                text("select run_id, status from runs where pipeline_name = 'intake' order by id desc")
            )
            return [(row[0], row[1]) for row in found if not statuses or row[1] in statuses]

    def partitions(self) -> set[str]:
        """Organizations that Dagster knows."""
        with login_session(self._server.url("invoice_pipelines_dagster")) as session:
            return set(session.execute(text("select partition from dynamic_partitions")).scalars())

    def tags(self, run_id: str) -> dict[str, str]:
        """The tags of a run."""
        with login_session(self._server.url("invoice_pipelines_dagster")) as session:
            found = session.execute(text("select key, value from run_tags where run_id = :id"), {"id": run_id})
            return {row[0]: row[1] for row in found}

    def open_runs(self) -> int:
        """How many runs, of whatever job, have not ended."""
        with login_session(self._server.url("invoice_pipelines_dagster")) as session:
            unfinished = "select count(*) from runs where status not in ('SUCCESS', 'FAILURE', 'CANCELED')"
            return int(session.execute(text(unfinished)).scalar_one())

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Lets no run judge an invoice."""
        engine = create_engine(self._server.url(EMBEDDED_DATABASE).set(drivername="postgresql+psycopg"))
        with engine.begin() as session:
            session.execute(text("lock table intake.verdict in access exclusive mode"))
            yield
        engine.dispose()

    def is_held(self) -> bool:
        return bool(
            self.rows("select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'run %'")
        )

    def outcomes(self) -> list[Any]:
        return self.rows("select status, count(*) from intake.received_invoice group by status order by status")

    def all_are_exported(self) -> bool:
        return [status for status, _ in self.outcomes()] == ["EXPORTED"]

    def said(self) -> str:
        """What `up` has said."""
        return (self.folder / "told").read_text("utf-8")

    def told_by(self, name: str) -> str:
        """What a process of `up` has said."""
        return (self.home / "service_logs" / f"{name}.log").read_text("utf-8", "replace")

    def process(self, name: str) -> psutil.Process:
        """A process of `up`, by a word of its command."""
        (found,) = [
            each
            for each in psutil.Process(self.up.pid).children()
            if each.status() != psutil.STATUS_ZOMBIE and name in each.cmdline()
        ]
        return found

    @property
    def _server(self) -> EmbeddedServer:
        return EmbeddedServer(self.home / "postgresql")


@contextmanager
def installed(
    folder: Path, dagster_yaml: Callable[[str], str] = str, *, workers: int = 2, **variables: str
) -> Iterator[WarmInstallation]:
    """An installation that `up` runs, and that has worked."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")}
    environment = {**clean, **QUICK, **variables, **free_ports(), "DAGSTER_HOME": str(folder / "home")}
    settings = prepare_home(Settings.model_validate({"DAGSTER_HOME": folder / "home"}), workers) / "dagster.yaml"
    settings.write_text(dagster_yaml(settings.read_text("utf-8")), "utf-8")
    with (folder / "told").open("wb") as told:
        command = [COMMAND, "up", "--workers", str(workers)]
        up = subprocess.Popen(command, env=environment, cwd=PROJECT, stdout=told, stderr=told)
        found = WarmInstallation(environment, folder / "home", folder, up)
        try:
            wait_for("all has started", lambda: "Ctrl-C" in found.said(), 240)
            for slug in ("acme", "beta"):
                found.say("organizations", "add", slug, "--name", slug, *ABROAD)
            wait_for("their partitions", lambda: found.partitions() >= {"acme", "beta"})
            found.upload("acme", "first-1")
            found.upload("beta", "first-2")
            print(
                f"the first two exported after {seconds_until('all are exported', found.all_are_exported, 180):.1f} s"
            )
            wait_for("ended", lambda: not found.runs("STARTED", "QUEUED", "STARTING"))
            yield found
        finally:
            up.terminate()
            with suppress(subprocess.TimeoutExpired):
                up.wait(60)
            up.kill()
            print(found.said())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmInstallation]:
    with installed(tmp_path_factory.mktemp("warm")) as found:
        yield found


def fault(here: WarmInstallation, name: str, harm: Callable[[], None]) -> None:
    """Does harm in the middle of a run; its document then has one outcome."""
    before = len(here.runs())
    with here.standing_still():
        here.upload("acme", name)
        wait_for("the run is held", here.is_held)
        harm()
        ended = time.monotonic()
    wait_for("all are exported", here.all_are_exported, 180)
    took = time.monotonic() - ended
    print(f"{name}: exported {took:.0f} s after the harm, {len(here.runs()) - before} runs")
    assert took < A_MINUTE + LEASE
    wait_for("all runs have ended", lambda: not here.runs("STARTED", "QUEUED", "STARTING"), A_MINUTE)
    assert_each_is_once(here)


def assert_each_is_once(here: WarmInstallation) -> None:
    """No document has become two."""
    twice = here.rows(
        """select received_invoice_id from intake.export_invoice group by received_invoice_id having count(*) > 1
           union all select upload_id from intake.received_invoice group by upload_id having count(*) > 1"""
    )
    assert twice == []


def test_runs_of_warm_processes_begin_at_once_and_share_what_is_loaded(here: WarmInstallation) -> None:
    here.upload("acme", *[f"warm-{number}" for number in range(5)])
    took = seconds_until("all are exported", here.all_are_exported)
    print(f"five documents exported {took:.1f} s after their upload")
    assert psutil.Process(here.process("worker").pid).children(), "processes stay"


def test_a_document_of_the_page_has_a_run_of_its_own_on_a_warm_process(here: WarmInstallation) -> None:
    before = {run_id for run_id, _ in here.runs()}
    here.upload_by_page("beta", "by-page")
    took = seconds_until("all are exported", here.all_are_exported)
    print(f"a document of the page exported {took:.1f} s after its upload")
    ((run_id, _),) = [run for run in here.runs() if run[0] not in before]
    assert here.tags(run_id).items() >= {"asked_by": "upload", "organization": "beta", "lane": "express"}.items()
    wait_for("its run has ended", lambda: (run_id, "SUCCESS") in here.runs())
    assert_each_is_once(here)


def test_a_killed_child_is_noticed_and_its_run_done_by_another(here: WarmInstallation) -> None:
    def kill() -> None:
        for child in here.process("worker").children():
            child.kill()

    fault(here, "child", kill)


def test_a_killed_worker_is_noticed_and_another_one_goes_on(here: WarmInstallation) -> None:
    def kill() -> None:
        os.killpg(here.process("worker").pid, signal.SIGKILL)

    fault(here, "worker", kill)


def test_a_worker_that_is_told_to_stop_twice_gives_back_what_it_holds(here: WarmInstallation) -> None:
    def stop() -> None:
        worker = here.process("worker")
        before = here.told_by("worker")
        worker.terminate()
        wait_for("it has heard", lambda: "ends when its runs have ended" in here.told_by("worker")[len(before) :], 30)
        assert here.is_held(), "its run goes on"
        worker.terminate()
        wait_for("it has ended", lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 60)

    fault(here, "stopped-twice", stop)


@only_at_full_size
def test_a_worker_that_is_told_to_stop_ends_within_its_grace(here: WarmInstallation) -> None:
    """The time box of its runs, and twenty seconds: it interrupts a run that goes on for longer."""
    grace = int(QUICK["INVOICE_PIPELINES_RUN_TIME_BOX_SECONDS"]) + 20

    def stop() -> None:
        worker = here.process("worker")
        worker.terminate()
        took = seconds_until(
            "it has ended", lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 180
        )
        print(f"ended {took:.0f} s after SIGTERM, with a grace of {grace} s")
        assert took < grace + 15

    fault(here, "stopped", stop)


@only_at_full_size
def test_runs_of_workers_go_on_while_the_daemon_is_killed(here: WarmInstallation) -> None:
    def kill() -> None:
        here.process("dagster._daemon").kill()
        wait_for("it is started again", lambda: "the daemon was started again" in here.said(), 60)

    before = here.runs("FAILURE")
    fault(here, "daemon", kill)
    assert here.runs("FAILURE") == before, "no run was lost with it"


@only_at_full_size
def test_a_worker_that_stands_still_loses_its_run_and_does_no_harm_when_it_comes_back(here: WarmInstallation) -> None:
    still: list[psutil.Process] = []

    def stop() -> None:
        worker = here.process("worker")
        still.extend([worker, *worker.children()])
        for process in still:
            process.suspend()

    before = {run_id for run_id, _ in here.runs()}
    with here.standing_still():
        here.upload("acme", "still")
        wait_for("the run is held", here.is_held)
        stop()
    began = time.monotonic()
    wait_for("its run has failed", lambda: any(run[0] not in before for run in here.runs("FAILURE")), 90)
    print(f"taken for lost after {time.monotonic() - began:.0f} s")
    time.sleep(max(0, began + 2 * A_MINUTE - time.monotonic()))  # others have done its work by then
    for process in reversed(still):
        process.resume()
    wait_for("all are exported", here.all_are_exported, 180)
    print(f"exported {time.monotonic() - began:.0f} s after it stood still")
    wait_for("all runs have ended", lambda: not here.runs("STARTED", "QUEUED", "STARTING"), A_MINUTE)
    assert_each_is_once(here)


@only_at_full_size
def test_redis_may_be_killed_with_what_waits_in_it(here: WarmInstallation) -> None:
    before = len(here.runs())
    worker = here.process("worker")
    for process in [worker, *worker.children()]:
        process.suspend()
    here.upload("acme", "queue-1")
    wait_for("a run waits in the queue", lambda: here.runs("STARTING"))
    (queue,) = [each for each in psutil.Process(here.up.pid).children() if "redis-server" in each.name()]
    queue.kill()
    for process in [*worker.children(), worker]:
        process.resume()
    ended = time.monotonic()
    wait_for("all are exported", here.all_are_exported, 180)
    took = time.monotonic() - ended
    print(f"queue: exported {took:.0f} s after Redis was killed, {len(here.runs()) - before} runs")
    assert took < A_MINUTE
    wait_for("all runs have ended", lambda: not here.runs("STARTED", "QUEUED", "STARTING"), A_MINUTE)
    assert_each_is_once(here)


def test_a_run_is_stopped_within_seconds(here: WarmInstallation) -> None:
    with here.standing_still():
        here.upload("beta", "stopped")
        wait_for("the run is held", here.is_held)
        run_id = here.runs("STARTED")[0][0]
        port = int(here.environment["INVOICE_PIPELINES_WEBSERVER_PORT"])
        asked = time.monotonic()
        DagsterGraphQLClient("127.0.0.1", port_number=port).terminate_run(run_id)
        wait_for("it is stopped", lambda: (run_id, "CANCELED") in here.runs(), 30)
        took = time.monotonic() - asked
    print(f"stopped within {took:.1f} s")
    assert took < 5


STOCK = """
run_launcher:
  module: dagster_celery.launcher
  class: CeleryRunLauncher
  config:
    broker: {env: INVOICE_PIPELINES_BROKER_URL}
    backend: {env: INVOICE_PIPELINES_BROKER_URL}
    default_queue: express
    config_source:
      result_backend_transport_options: {global_keyprefix: invoice_pipelines_}
"""
# It asks Celery for the result of a run, which our workers do not keep: without it, it fails each run within seconds.
KEEPS_RESULTS = """
from invoice_pipelines.workers import broker

ours = broker.app_arguments


def app_arguments(settings):
    found = ours(settings)
    found["config_source"] |= {"task_ignore_result": False, "task_track_started": True}
    return found


broker.app_arguments = app_arguments
"""


@only_at_full_size
def test_the_launcher_of_dagster_celery_does_not_notice_a_killed_worker(tmp_path: Path) -> None:
    """Why there is one of our own."""
    (tmp_path / "sitecustomize.py").write_text(KEEPS_RESULTS, "utf-8")
    with installed(tmp_path, lambda settings: settings.replace(WARM_WORKERS, STOCK), PYTHONPATH=str(tmp_path)) as there:
        with there.standing_still():
            there.upload("acme", "worker")
            wait_for("the run is held", there.is_held)
            os.killpg(there.process("worker").pid, signal.SIGKILL)
        time.sleep(A_MINUTE + 15)  # in which ours would have noticed
        assert there.runs("STARTED"), "it is taken for one that works"
        assert not there.all_are_exported()
