"""Figures of Dagster's runs and daemons, from its own tables; loading Dagster takes longer than all of the web."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection, text

from invoice_pipelines.web.pages.operator.dagster import daemon_ages

LANES = ("express", "bulk")
NO_LANE = "none"
"""Runs that a person started, for instance."""
WAITING = ("NOT_STARTED", "QUEUED", "STARTING")
UNFINISHED = (*WAITING, "STARTED", "CANCELING")
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
_BOUNDS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_UNTIL_RECORDED = 10.0
"""Seconds after which the end of a run is surely recorded; younger ones are counted with the next look."""
_LOOK_BACK = 3600.0
"""Where nobody has asked for figures for longer, older runs are not counted any more."""

_LANE = "coalesce((select t.value from run_tags t where t.run_id = r.run_id and t.key = 'lane' limit 1), :no_lane)"


class RunFigures:
    """Counts runs as they end, since this process began; others are read as they are."""

    def __init__(self) -> None:
        self._counted_until = time.time()
        self._ended = Counter(
            "invoice_pipelines_runs_ended",
            "Runs of Dagster that ended, by how",
            ["lane", "status"],
            registry=None,
        )
        self._waited = Histogram(
            "invoice_pipelines_run_wait_seconds",
            "From when a run was asked for until it began, of runs that ended",
            ["lane"],
            buckets=_BOUNDS,
            registry=None,
        )
        self._took = Histogram(
            "invoice_pipelines_run_seconds",
            "From when a run began until it ended",
            ["lane"],
            buckets=_BOUNDS,
            registry=None,
        )
        for lane in (*LANES, NO_LANE):  # from zero on: Prometheus sees no first one otherwise
            self._waited.labels(lane)
            self._took.labels(lane)
            for status in ENDED:
                self._ended.labels(lane, status.lower())

    def look(self, connection: Connection) -> Iterator[Metric]:
        """The figures as they are now."""
        yield from self._unfinished(connection)
        self._count(connection)
        for counted in (self._ended, self._waited, self._took):
            yield from counted.collect()

    def _unfinished(self, connection: Connection) -> Iterator[Metric]:
        runs = GaugeMetricFamily(
            "invoice_pipelines_runs_unfinished", "Runs of Dagster that have not ended", labels=["lane", "status"]
        )
        oldest = GaugeMetricFamily(
            "invoice_pipelines_runs_oldest_waiting_seconds",
            "For how long the oldest run waits that has not begun; 0: none waits",
            labels=["lane"],
        )
        found = connection.execute(
            text(
                f"""select u.lane, u.status, count(*) as runs, max(u.age) as age
                    from (select {_LANE} as lane, r.status,
                                 extract(epoch from now() - r.create_timestamp at time zone 'UTC')::float8 as age
                          from runs r where r.status = any (:unfinished)) u
                    group by u.lane, u.status"""
            ),
            {"no_lane": NO_LANE, "unfinished": list(UNFINISHED)},
        ).all()
        counts = {(row.lane, row.status): row.runs for row in found}
        ages = {(row.lane, row.status): max(row.age, 0.0) for row in found}
        for lane in dict.fromkeys((*LANES, NO_LANE, *(row.lane for row in found))):
            for status in UNFINISHED:
                runs.add_metric([lane, status.lower()], counts.get((lane, status), 0))
            oldest.add_metric([lane], max(ages.get((lane, status), 0.0) for status in WAITING))
        yield from (runs, oldest)

    def _count(self, connection: Connection) -> None:
        until = time.time() - _UNTIL_RECORDED
        since = max(self._counted_until, until - _LOOK_BACK)
        if until <= since:
            return
        # The index is by the time of the last change, which is no earlier than the end.
        rows = connection.execute(
            text(
                f"""select {_LANE} as lane, r.status, r.end_time - r.start_time as took,
                           r.start_time - extract(epoch from r.create_timestamp at time zone 'UTC')::float8 as waited
                    from runs r
                    where r.status = any (:ended) and r.end_time > :since and r.end_time <= :until
                      and r.update_timestamp >= to_timestamp(:since - 60) at time zone 'UTC'"""
            ),
            {"no_lane": NO_LANE, "ended": list(ENDED), "since": since, "until": until},
        )
        for row in rows.all():
            self._ended.labels(row.lane, row.status.lower()).inc()
            if row.took is not None:  # else it ended before it began
                self._waited.labels(row.lane).observe(max(row.waited, 0.0))
                self._took.labels(row.lane).observe(max(row.took, 0.0))
        self._counted_until = until


def daemons(connection: Connection) -> Iterator[Metric]:
    """When Dagster's daemons were seen last."""
    ages = GaugeMetricFamily(
        "invoice_pipelines_daemon_heartbeat_age_seconds",
        "Seconds since a daemon of Dagster showed that it lives; it does so every 30 seconds",
        labels=["daemon"],
    )
    for daemon, age in daemon_ages(connection).items():
        ages.add_metric([daemon], age)
    yield ages
