"""Whether the installation works, for those who watch it: on a port of its own, without account.

Figures are counts and ages over all organizations. No name and no business record is among them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Lock

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.database.errors import DatabaseError
from invoice_pipelines.database.schema import Comparison, read_state
from invoice_pipelines.web.measures import Measures
from invoice_pipelines.web.pages.operator.dagster import daemon_ages
from invoice_pipelines.work import open_items

_FRESH_SECONDS = 5.0


def create_health_app(web: Engine, application: Engine, dagster: Engine, measures: Measures) -> Starlette:
    """The application. `web` is the engine whose readiness is asked for; `application` sees the queues of all
    organizations, `dagster` the records of Dagster.
    """
    registry = measures.registry
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Figures(application, dagster))

    def live(_: Request) -> Response:
        return JSONResponse({"status": "live"})

    def ready(_: Request) -> Response:
        problem = _problem_of(web)
        return JSONResponse(
            {"status": "ready"} if problem is None else {"status": "not ready", "problem": problem},
            200 if problem is None else 503,
        )

    def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Starlette(
        routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)],
    )


def _problem_of(web: Engine) -> str | None:
    try:
        with web.connect() as connection:
            state = read_state(connection)
    except (SQLAlchemyError, DatabaseError):
        return "the database does not answer"
    if state.comparison is not Comparison.SAME:
        return "the schema of the database is not the one of this program"
    return None


class _Figures(Collector):
    """Figures of the queues, of accounting systems and of Dagster's daemon, looked up when they are asked for; those of
    the last look are given again for a while, however many ask.
    """

    def __init__(self, application: Engine, dagster: Engine) -> None:
        self._application = application
        self._dagster = dagster
        self._lock = Lock()
        self._looked_at = float("-inf")
        self._found: list[Metric] = []

    def describe(self) -> list[Metric]:
        """Nothing is looked up before it is asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """As Prometheus asks for them."""
        with self._lock:
            if time.monotonic() - self._looked_at > _FRESH_SECONDS:
                self._found = self._look()
                self._looked_at = time.monotonic()
            yield from self._found

    def _look(self) -> list[Metric]:
        up = GaugeMetricFamily("invoice_pipelines_database_up", "Whether the database answers (1) or not (0)")
        try:
            found = [*_queues(self._application), *_connections(self._application)]
            up.add_metric([], 1)
        except (SQLAlchemyError, DatabaseError):
            found = []
            up.add_metric([], 0)
        return [up, *found, *_daemons(self._dagster)]


def _queues(application: Engine) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("invoice_pipelines_queue_waiting_items", "Items that wait, by kind", labels=["kind"])
    leased = GaugeMetricFamily("invoice_pipelines_queue_leased_items", "Items in work, by kind", labels=["kind"])
    oldest = GaugeMetricFamily(
        "invoice_pipelines_queue_oldest_seconds", "For how long the first item of a kind could be done", labels=["kind"]
    )
    with application.connect() as connection:
        now = datetime.now(UTC)
        for found in open_items(connection):
            waiting.add_metric([found.kind], found.waiting_items)
            leased.add_metric([found.kind], found.leased_items)
            age = now - found.oldest_due_at if found.oldest_due_at is not None else None
            oldest.add_metric([found.kind], max(age.total_seconds(), 0) if age is not None else 0)
    yield from (waiting, leased, oldest)


def _connections(application: Engine) -> Iterator[Metric]:
    counts = GaugeMetricFamily(
        "invoice_pipelines_accounting_connections",
        "Connections of organizations with an accounting system, by how they stand",
        labels=["system", "status"],
    )
    with application.connect() as connection:
        for system in accounting_systems():
            for status, count in system.connection_counts(connection).items():
                counts.add_metric([system.name, status], count)
    yield counts


def _daemons(dagster: Engine) -> Iterator[Metric]:
    ages = GaugeMetricFamily(
        "invoice_pipelines_daemon_heartbeat_age_seconds",
        "Seconds since a daemon of Dagster showed that it lives; it does so every 30 seconds",
        labels=["daemon"],
    )
    try:
        with dagster.connect() as connection:
            for daemon, age in daemon_ages(connection).items():
                ages.add_metric([daemon], age)
    except (SQLAlchemyError, DatabaseError):
        return
    yield ages
