"""Figures of the queue, of warm workers, of documents, of accounting systems and of PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy import Connection, text

from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.intake.turnaround import turnarounds
from invoice_pipelines.web.figures.domains import domain_of
from invoice_pipelines.work import open_items
from invoice_pipelines.work.turns import resting_organizations
from invoice_pipelines.workers.presence import workers_seen

_LANES = ("express", "bulk")
_OUTCOMES = ("validated", "for_review", "failed")
_SOURCES = ("xml", "text", "ocr")


def queues(connection: Connection) -> Iterator[Metric]:
    """What is open, by kind of work."""
    labels = ["domain", "kind"]
    waiting = GaugeMetricFamily("invoice_pipelines_queue_waiting_items", "Items that wait, by kind", labels=labels)
    leased = GaugeMetricFamily("invoice_pipelines_queue_leased_items", "Items in work, by kind", labels=labels)
    expired = GaugeMetricFamily(
        "invoice_pipelines_queue_expired_items", "Items in work whose lease ran out, by kind", labels=labels
    )
    oldest = GaugeMetricFamily(
        "invoice_pipelines_queue_oldest_seconds", "For how long the first item of a kind could be done", labels=labels
    )
    now = datetime.now(UTC)
    for found in open_items(connection):
        key = [domain_of(found.kind), found.kind]
        waiting.add_metric(key, found.waiting_items)
        leased.add_metric(key, found.leased_items)
        expired.add_metric(key, found.expired_items)
        age = now - found.oldest_due_at if found.oldest_due_at is not None else None
        oldest.add_metric(key, max(age.total_seconds(), 0) if age is not None else 0)
    resting = GaugeMetricFamily(
        "invoice_pipelines_organizations_resting", "Organizations that rest after failed runs", labels=["kind"]
    )
    for kind, organizations in resting_organizations(connection).items():
        resting.add_metric([kind], organizations)
    yield from (waiting, leased, expired, oldest, resting)


def workers(connection: Connection, *, expected: bool) -> Iterator[Metric]:
    """Warm workers by lane. Nothing where there are none and none is `expected`: runs begin without them then."""
    seen = workers_seen(connection)
    if not seen and not expected:
        return
    alive = GaugeMetricFamily("invoice_pipelines_workers", "Warm workers that take runs, by lane", labels=["lane"])
    processes = GaugeMetricFamily(
        "invoice_pipelines_worker_processes", "Runs that warm workers do at the same time, by lane", labels=["lane"]
    )
    silent = GaugeMetricFamily(
        "invoice_pipelines_workers_silent", "Warm workers of the last day that ended without a word, or stand still"
    )
    for lane in _LANES:
        here = [worker for worker in seen if worker.is_alive and lane in worker.lanes]
        alive.add_metric([lane], len(here))
        processes.add_metric([lane], sum(worker.processes for worker in here))
    silent.add_metric([], sum(not worker.is_alive for worker in seen))
    yield from (alive, processes, silent)


def documents(connection: Connection) -> Iterator[Metric]:
    """How many documents came to an outcome, and how soon after their upload those that are valid."""
    counts = CounterMetricFamily(
        "invoice_pipelines_documents",
        "Documents that were read and judged for the first time, by where their text is from and what came of it",
        labels=["source", "outcome"],
    )
    seconds = HistogramMetricFamily(
        "invoice_pipelines_upload_to_validated_seconds",
        "From the upload of a document until it was found to be valid without a person",
        labels=["source"],
    )
    bounds, counted = turnarounds(connection)
    found = {(each.source, each.outcome): each for each in counted}
    keys = dict.fromkeys([*((source, outcome) for source in _SOURCES for outcome in _OUTCOMES), *found])
    for source, outcome in keys:
        each = found.get((source, outcome))
        counts.add_metric([source, outcome], each.documents if each else 0)
    for source in _SOURCES:
        each = found.get((source, "validated"))
        by_bound = each.by_bound if each else {}
        sums = accumulate(by_bound.get(number, 0) for number in range(len(bounds) + 1))
        names = [*map(_bound, bounds), "+Inf"]
        seconds.add_metric([source], list(zip(names, sums, strict=True)), each.seconds if each else 0.0)
    yield from (counts, seconds)


def connections(connection: Connection) -> Iterator[Metric]:
    """How connections with accounting systems stand."""
    counts = GaugeMetricFamily(
        "invoice_pipelines_accounting_connections",
        "Connections of organizations with an accounting system, by how they stand",
        labels=["system", "status"],
    )
    for system in accounting_systems():
        for status, count in system.connection_counts(connection).items():
            counts.add_metric([system.name, status], count)
    yield counts


def postgresql(connection: Connection) -> Iterator[Metric]:
    """What PostgreSQL holds and may hold."""
    row = connection.execute(
        text(
            """select (select sum(numbackends) from pg_stat_database)::bigint as sessions,
                      current_setting('max_connections')::bigint as most,
                      pg_database_size(current_database()) as bytes"""
        )
    ).one()
    for name, says, value in (
        ("connections", "Sessions of all databases of the server", row.sessions),
        ("connections_limit", "Sessions that it allows (max_connections)", row.most),
        ("database_bytes", "Size of the database of this program", row.bytes),
    ):
        yield GaugeMetricFamily(f"invoice_pipelines_postgresql_{name}", says, value=value)


def disk(folder: Path) -> Iterator[Metric]:
    """The disk of a folder; nothing where there is none on this machine."""
    try:
        found = shutil.disk_usage(folder)
    except OSError:
        return
    yield GaugeMetricFamily(
        "invoice_pipelines_disk_free_bytes", "Free on the disk of the home folder", value=found.free
    )
    yield GaugeMetricFamily("invoice_pipelines_disk_bytes", "Size of the disk of the home folder", value=found.total)


def _bound(seconds: float) -> str:
    return f"{float(seconds)}"
