"""What Prometheus is told: each figure as what it counts changes, at any load, and what is shipped for it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from dagster_postgres import DagsterPostgresStorage
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, create_engine, text

from invoice_pipelines.database import create_login_engine, enter_organization
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.migrate import create_database
from invoice_pipelines.intake.stages.stages import parse_uploads, validate_invoices
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.figures import collector
from invoice_pipelines.web.figures import runs as run_figures
from invoice_pipelines.web.figures.domains import domain_of
from invoice_pipelines.web.health import create_health_app
from invoice_pipelines.web.measures import Measures
from invoice_pipelines.web.serving import running, server_of
from invoice_pipelines.work import claim, create_job
from invoice_pipelines.workers.presence import forget_worker, note_worker
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase, drop_database
from invoice_pipelines_tests.integration.intake.conftest import open_desk
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.needs import IN_CI, needs_redis
from invoice_pipelines_tests.support.programs import COMMAND_LINE, Program
from invoice_pipelines_tests.support.server import running_redis
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.support.web import open_tenant

MONITORING = PROJECT / "deploy" / "monitoring"
OURS = re.compile(r"\b(?:invoice_pipelines|process)_[a-z_]+")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None and not IN_CI, reason="needs promtool; on Debian: apt install prometheus"
)


@pytest.fixture(scope="module")
def dagster(server: EmbeddedServer) -> Iterator[Engine]:
    """A database with Dagster's tables."""
    name = f"test_{uuid4().hex[:12]}"
    create_database(server.url("postgres"), name)
    url = server.url(name).set(drivername="postgresql+psycopg2")
    DagsterPostgresStorage(url.render_as_string(hide_password=False))
    engine = create_login_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            """insert into daemon_heartbeats (daemon_type, daemon_id, timestamp)
               values ('SENSOR', 'x', now() at time zone 'UTC')"""
        )
    yield engine
    engine.dispose()
    drop_database(server, name)


@pytest.fixture
def scrape(
    shared_database: TestDatabase, dagster: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scrape]:
    monkeypatch.setattr(collector, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(run_figures, "_UNTIL_RECORDED", 0.0)
    settings = Settings.model_validate({"DAGSTER_HOME": tmp_path, "broker_url": "redis://queue:6379/0"})
    app = create_health_app(shared_database.engine, shared_database.engine, dagster, Measures(), settings, lambda: True)
    with running(server_of(app, settings, "127.0.0.1", 0)) as server:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Scrape(f"http://127.0.0.1:{port}/metrics")


class Scrape:
    """Asks for the figures; `names` are all that were told, as Prometheus keeps them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.text = ""

    def __call__(self) -> dict[tuple[str, ...], float]:
        self.text = httpx.get(self._url, timeout=60, verify=False).text
        return {
            (sample.name.removeprefix("invoice_pipelines_"), *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    @property
    def names(self) -> set[str]:
        samples = {sample.name for family in text_string_to_metric_families(self.text) for sample in family.samples}
        return samples | set(
            re.findall(r"^# TYPE (\S+)", self.text, re.M)
        )  # some have no sample as long as all is well


def add_run(dagster: Engine, status: str, lane: str | None, *, asked: timedelta, began: timedelta | None = None) -> str:
    """A run that was asked for and began so long ago, and ended just now if it is of an end."""
    run_id, now = str(uuid4()), datetime.now(UTC)
    with dagster.begin() as connection:
        connection.execute(
            text(
                """insert into runs (run_id, pipeline_name, status, run_body, create_timestamp, update_timestamp,
                                     start_time, end_time)
                   values (:id, 'intake', :status, '{}', :asked, :now, :began, :ended)"""
            ),
            {
                "id": run_id,
                "status": status,
                "asked": (now - asked).replace(tzinfo=None),
                "now": now.replace(tzinfo=None),
                "began": (now - began).timestamp() if began is not None else None,
                "ended": now.timestamp() if status in run_figures.ENDED else None,
            },
        )
        if lane is not None:
            tag = text("insert into run_tags (run_id, key, value) values (:id, 'lane', :lane)")
            connection.execute(tag, {"id": run_id, "lane": lane})
    return run_id


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_runs_are_counted_by_lane_as_they_wait_and_once_they_end(scrape: Scrape, dagster: Engine) -> None:
    before = scrape()
    assert before["runs_ended_total", "express", "failure"] == 0
    add_run(dagster, "QUEUED", "bulk", asked=minutes(20))
    add_run(dagster, "STARTED", "express", asked=minutes(1), began=minutes(0.5))
    add_run(dagster, "SUCCESS", "express", asked=minutes(3), began=minutes(2))
    add_run(dagster, "FAILURE", "express", asked=minutes(3), began=None)
    add_run(dagster, "CANCELED", None, asked=minutes(3), began=minutes(2.9))
    found = scrape()
    assert found["runs_unfinished", "bulk", "queued"] == 1
    assert found["runs_unfinished", "express", "started"] == 1
    assert 1190 < found["runs_oldest_waiting_seconds", "bulk"] < 1300
    assert found["runs_oldest_waiting_seconds", "express"] == 0
    for _ in range(2):  # each is counted once
        ended = [found["runs_ended_total", *key] for key in (("express", "success"), ("express", "failure"))]
        assert ended == [1, 1]
        assert found["runs_ended_total", "none", "canceled"] == 1
        assert found["run_wait_seconds_count", "express"] == 1  # the other one never began
        assert found["run_wait_seconds_bucket", "express", "120.0"] == 1
        assert found["run_wait_seconds_bucket", "express", "30.0"] == 0
        assert 110 < found["run_seconds_sum", "express"] < 130
        found = scrape()
    assert 0 <= found["daemon_heartbeat_age_seconds", "SENSOR"] < 600


def test_documents_are_counted_by_what_came_of_them(
    scrape: Scrape, shared_database: TestDatabase, tmp_path: Path
) -> None:
    before = scrape()
    desk = open_desk(shared_database, tmp_path)
    desk.upload(UBL.encode(), "first.xml")
    desk.upload(UBL.replace("<cbc:ID>2026-001<", "<cbc:ID>2026-002<").encode(), "second.xml")
    desk.upload(b"<html>no invoice</html>", "page.html")
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql("alter table intake.received_invoice disable trigger user")
        connection.execute(
            text("update intake.received_invoice set created_at = now() - interval '20 s' where organization_id = :id"),
            {"id": desk.organization_id},
        )
        connection.exec_driver_sql("alter table intake.received_invoice enable trigger user")
    parse_uploads(desk.intake())
    validate_invoices(desk.intake())
    assert desk.statuses() == {"first.xml": "VALIDATED", "second.xml": "VALIDATED", "page.html": "FAILED"}
    now = scrape()

    def more(*key: str) -> float:
        return now[key] - before.get(key, 0)

    assert more("documents_total", "validated", "xml") == 2
    assert more("documents_total", "failed", "none") == 1
    assert more("upload_to_validated_seconds_count", "xml") == 2
    assert more("upload_to_validated_seconds_bucket", "15.0", "xml") == 0
    assert more("upload_to_validated_seconds_bucket", "+Inf", "xml") == 2
    assert more("upload_to_validated_seconds_sum", "xml") >= 40
    assert desk.slug not in scrape.text


def test_counts_of_documents_stay_when_many_rows_become_one(scrape: Scrape, shared_database: TestDatabase) -> None:
    before = scrape()["documents_total", "validated", "ocr"]
    with shared_database.engine.begin() as connection:
        for _ in range(1100):
            connection.execute(text("select intake.add_turnarounds('{ocr}', '{validated}', '{7}')"))
    assert scrape()["documents_total", "validated", "ocr"] == before + 1100
    with shared_database.superuser.begin() as connection:
        assert connection.execute(text("select count(*) from intake.turnaround")).scalar_one() < 1000
    assert scrape()["documents_total", "validated", "ocr"] == before + 1100


def test_expired_leases_and_organizations_at_rest_are_counted(scrape: Scrape, shared_database: TestDatabase) -> None:
    tenant = open_tenant(shared_database)
    with shared_database.engine.begin() as connection:
        enter_organization(connection, tenant.id)
        create_job(connection, "expiring", ["a", "b", "c"], created_by="test")
        claim(connection, "expiring", chunk_size=2, lease=timedelta(minutes=5), max_attempts=3)
    assert scrape()["queue_expired_items", "other", "expiring"] == 0
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql(
            """update work.batch_item set lease_expires_at = now() - interval '1 s'
               where kind = 'expiring' and status = 'processing'"""
        )
        connection.execute(
            text(
                """insert into work.turn (organization_id, kind, failures, rests_until)
                   values (:id, 'figured', 1, now() + interval '1 hour')"""
            ),
            {"id": tenant.id},
        )
    found = scrape()
    assert found["queue_leased_items", "other", "expiring"] == 2
    assert found["queue_expired_items", "other", "expiring"] == 2
    assert found["organizations_resting", "figured"] == 1


def test_workers_are_alive_while_they_say_so(scrape: Scrape, shared_database: TestDatabase) -> None:
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql("delete from work.worker")
    assert scrape()["workers", "express"] == 0  # with a queue some are expected
    with shared_database.engine.begin() as connection:
        note_worker(connection, "1@one", ("express", "bulk"), 4)
        note_worker(connection, "2@two", ("bulk",), 2)
        note_worker(connection, "3@three", ("bulk",), 2)
        forget_worker(connection, "3@three")
    found = scrape()
    assert [found["workers", lane] for lane in ("express", "bulk")] == [1, 2]
    assert [found["worker_processes", lane] for lane in ("express", "bulk")] == [4, 6]
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql("update work.worker set seen_at = now() - interval '2 minutes' where id = '1@one'")
    found = scrape()
    assert [found["workers", lane] for lane in ("express", "bulk")] == [0, 1]
    assert found["workers_silent",] == 1
    with shared_database.engine.begin() as connection:
        note_worker(connection, "1@one", ("express", "bulk"), 4)
    assert scrape()["workers", "express"] == 1
    assert "@one" not in scrape.text


def test_a_part_that_hangs_holds_up_no_other_and_no_scrape(
    scrape: Scrape, shared_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "_STATEMENT_MILLISECONDS", 300)
    before = scrape()
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql("lock table work.batch_item in access exclusive mode")
        during = scrape()
    assert (before["figures_up", "queues"], during["figures_up", "queues"]) == (1, 0)
    assert during["database_up",] == 0
    assert during["figures_up", "runs"] == 1
    monkeypatch.setattr(collector, "_STATEMENT_MILLISECONDS", 60_000)
    monkeypatch.setattr(collector, "SECONDS_TO_LOOK", 0.2)
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql("lock table work.batch_item in access exclusive mode")
        scrape()
        during = scrape()  # not found in time, so that those of before are told, and how old they are
        assert during["figures_age_seconds",] > 0.2
        assert ("runs_unfinished", "bulk", "queued") in during
    wait_for("the figures", lambda: scrape()["figures_up", "queues"] == 1)


def test_without_any_database_figures_are_few_and_at_once(tmp_path: Path) -> None:
    nowhere = create_engine("postgresql+psycopg://x@127.0.0.1:1/none")
    settings = Settings.model_validate({"DAGSTER_HOME": tmp_path})
    app = create_health_app(nowhere, nowhere, nowhere, Measures(), settings, lambda: True)
    with running(server_of(app, Settings(), "127.0.0.1", 0)) as server:
        found = Scrape(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/metrics")()
    assert found["database_up",] == 0
    assert found["figures_up", "runs"] == 0
    assert found["disk_free_bytes",] > 0


def used_names(content: str) -> set[str]:
    """The metrics that rules or a dashboard ask for. What rules make themselves has colons."""
    return set(OURS.findall(re.sub(r"\binvoice_pipelines:[a-z_:]+", "", content)))


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_rules_and_dashboard_ask_for_what_is_told(scrape: Scrape, shared_database: TestDatabase) -> None:
    tenant = open_tenant(shared_database)
    with shared_database.engine.begin() as connection:
        enter_organization(connection, tenant.id)
        create_job(connection, "told_of", ["a"], created_by="test")
    scrape()
    told = scrape.names | {f"invoice_pipelines_http_request{end}" for end in ("s_total", "_seconds_bucket")}
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    expressions = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    rules = (MONITORING / "alerts.yml").read_text("utf-8")
    asked = used_names(rules) | used_names("\n".join(expressions))
    assert len(asked) > 15
    assert asked - told == set()
    documented = (PROJECT / "docs" / "watching.md").read_text("utf-8")
    families = {re.sub(r"_(total|bucket|sum|count|created)$", "", name) for name in told if name.startswith("invoice_")}
    assert {name for name in families if f"`{name}" not in documented} == set()


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
    shown = panels(dashboard)
    assert all(panel["title"] and panel["targets"] for panel in shown)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    grids = [panel["gridPos"] for panel in dashboard["panels"]]
    places = {(x, y) for at in grids for x in range(at["x"], at["x"] + at["w"])
              for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
    assert len(places) == sum(at["w"] * at["h"] for at in grids)
    assert max(x for x, _ in places) < 24


@needs_promtool
def test_rules_do_what_their_tests_say() -> None:
    for command in (["check", "config", "--syntax-only", "prometheus.yml"], ["check", "rules", "alerts.yml"]):
        checked = subprocess.run([str(PROMTOOL), *command], cwd=MONITORING, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = subprocess.run(
        [str(PROMTOOL), "test", "rules", "alerts.test.yml"], cwd=MONITORING, capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    names = re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text("utf-8"))
    tests = (MONITORING / "alerts.test.yml").read_text("utf-8")
    assert [name for name in names if f"alertname: {name}" not in tests] == []


def test_each_kind_of_work_has_its_domain() -> None:
    from invoice_pipelines.defs.operations.health import DOMAINS

    for domain in DOMAINS:
        assert {domain_of(kind) for kind in domain.kinds} <= {domain.name}


@pytest.mark.slow
@needs_redis
def test_a_worker_is_told_of_while_it_takes_runs(
    scrape: Scrape, shared_database: TestDatabase, dagster: Engine, tmp_path: Path
) -> None:
    with shared_database.superuser.begin() as connection:
        connection.exec_driver_sql("delete from work.worker")
    urls = {"DATABASE_URL": shared_database.app_url, "DAGSTER_DATABASE_URL": dagster.url}
    with running_redis(tmp_path) as queue:
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(tmp_path / "home"),
            "INVOICE_PIPELINES_BROKER_URL": queue,
            "INVOICE_PIPELINES_LOG_FORMAT": "json",
            **{f"INVOICE_PIPELINES_{name}": url.render_as_string(hide_password=False) for name, url in urls.items()},
        }
        worker = Program(COMMAND_LINE, "worker", "--processes", "2", "--same-machine", environment=environment)
        try:
            wait_for(
                "the workers", lambda: scrape()["workers", "express"] == 1 and scrape()["worker_processes", "bulk"] == 2
            )
            os.kill(worker.pid, signal.SIGTERM)
            worker.wait()
            assert scrape()["workers", "express"] == 0
            assert scrape()["workers_silent",] == 0  # it took leave
            assert [line for line in worker.complaints().splitlines() if "message" not in json.loads(line)] == []
        finally:
            worker.kill()
