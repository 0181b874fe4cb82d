"""The schedule and a backfill as Dagster itself runs them: daemon, code server, queue and UI are those of `up`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from invoice_pipelines.database import create_app_engine, create_login_engine
from invoice_pipelines.database.access import database_urls
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.overdue.conftest import OverdueDesk
from invoice_pipelines_tests.support.server import free_ports
from invoice_pipelines_tests.support.sizes import only_at_full_size
from invoice_pipelines_tests.support.waiting import wait_for

BACKFILL = """mutation ($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
RUNS = """query ($filter: RunsFilter!) { runsOrError(filter: $filter) {
  ... on Runs { results { status runId tags { key value } } } } }"""


@dataclass
class DagsterByUp:
    """What `up` runs."""

    port: int
    database: TestDatabase

    def ask(self, query: str, **variables: Any) -> Any:
        """An answer of Dagster's GraphQL."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]

    def open(self, slug: str) -> OverdueDesk:
        organization = add_organization(
            self.database.engine, slug, slug.title(), country_code="DE", time_zone="Europe/Berlin", currency="EUR"
        )
        return OverdueDesk(self.database.engine, self.database.superuser, self.database.app_url, organization)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[DagsterByUp]:
    with running(tmp_path, {"SCHEDULER_SCHEDULE_VALUE": "* * * * *"}) as installation:
        yield installation


@contextmanager
def running(home: Path, settings: Mapping[str, str]) -> Iterator[DagsterByUp]:
    """`up` with these settings, in a home of its own."""
    ports = free_ports()
    port = int(ports["INVOICE_PIPELINES_WEBSERVER_PORT"])
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")}
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "invoice-pipelines"), "up"],
        env={
            **clean,
            "DAGSTER_HOME": str(home),
            **ports,
            "INVOICE_PIPELINES_SWEEP_SIZE": "2",
            **settings,
        },
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    urls = database_urls(Settings(DAGSTER_HOME=home))  # type: ignore[call-arg]
    engine, superuser = create_app_engine(urls.app), create_login_engine(urls.owner)
    try:
        assert process.stdout is not None
        while "Ctrl-C" not in (line := process.stdout.readline()):
            assert line, "up ended early"
        yield DagsterByUp(port, TestDatabase(engine, superuser, urls.app, urls.owner))
    finally:
        engine.dispose()
        superuser.dispose()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=90)


@only_at_full_size
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_schedule_sweeps_by_itself_and_a_backfill_takes_its_partitions(up: DagsterByUp) -> None:
    desks = {slug: up.open(slug) for slug in ("acme", "beta", "gamma")}
    for desk in desks.values():
        desk.add([desk.late(3), desk.late(40), desk.late(0)])
    wait_for("the schedule", lambda: all(len(desk.told()) == 2 for desk in desks.values()))
    wait_for("a second tick", lambda: all(len(desk.log_rows()) > 1 for desk in desks.values()))
    assert all(len(desk.told()) == 2 for desk in desks.values())
    runs = up.ask(RUNS, filter={"pipelineName": "overdue_sweep"})["runsOrError"]["results"]
    assert len(runs) >= 4, "two sweeps of at most two organizations for each tick"
    schedules = {tag["value"] for run in runs for tag in run["tags"] if tag["key"] == "dagster/schedule_name"}
    assert schedules == {"overdue_schedule"}

    as_of = desks["acme"].today - timedelta(days=20)
    launched = up.ask(
        BACKFILL,
        parameters={
            "assetSelection": [{"path": ["overdue", "notifications"]}],
            "partitionNames": ["acme", "beta"],
            "runConfigData": {"ops": {"overdue__notifications": {"config": {"as_of": str(as_of)}}}},
        },
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    of_backfill = {"tags": [{"key": "dagster/backfill", "value": launched["backfillId"]}]}

    def done() -> list[str] | None:
        found = [run["status"] for run in up.ask(RUNS, filter=of_backfill)["runsOrError"]["results"]]
        return found if len(found) == 2 and set(found) <= {"SUCCESS", "FAILURE", "CANCELED"} else None

    assert wait_for("the backfill", done) == ["SUCCESS", "SUCCESS"]
    judged = {slug: {row.as_of for row in desk.log_rows()} for slug, desk in desks.items()}
    assert [as_of in judged[slug] for slug in ("acme", "beta", "gamma")] == [True, True, False]
    assert all(len(desk.told()) == 2 for desk in desks.values())
