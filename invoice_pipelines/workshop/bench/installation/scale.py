"""The benchmark `scale`: a day of ten thousand organizations in a few minutes, on warm workers.

All organizations are in the registry and partitions of Dagster, so that sensors and look-ups cost what they cost then.
Some of them get documents, in the course of a day with a peak of three times the average; one gets as many as hundreds
of others; some upload by the API, one document at a time. In the peak the worker is killed, twice. A million documents
would take hours on two cores: what is measured are seconds of each document, and CPU, memory and storage of each, from
which `docs/scale.md` reckons what more would take.

Before the day the installation rests for a while, and documents are swept by one worker and by two in bulk.
"""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from threading import Thread
from typing import Any

from sqlalchemy import text

from invoice_pipelines.cli.supervisor import WORKER
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.installation.day import PEAK, Arrivals, timetable
from invoice_pipelines.workshop.bench.installation.installation import Installation, Tenant, running_installation
from invoice_pipelines.workshop.bench.installation.latencies import percentile, spread
from invoice_pipelines.workshop.bench.installation.uploads import Clients
from invoice_pipelines.workshop.bench.installation.watching import Sample, look
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment

MOST_GROWTH = 1.25
"""Sessions and memory at the end of the day against those before its peak."""
MOST_CPU_OF_TWO = 1.15
"""CPU seconds of a document with two sweeps at a time against one."""
MOST_UNFAIR = 6.0
"""Seconds that the organization waited whose document took longest, against the 95th percentile of all."""
MOST_AT_REST = 0.3
"""CPU seconds a second of an installation that has nothing to do."""
SECONDS_BETWEEN_SAMPLES = 3.0
LEASE = 15
BULK, EXPRESS, LARGEST = "bulk", "express", "large"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: `organizations` in all; of them so many get `documents` each, so many upload by the API;
    the largest one gets `of_largest`. The day lasts `seconds`.
    """

    organizations: int = 10_000
    active: int = 800
    documents: int = 4
    uploaders: int = 40
    of_largest: int = 1_000
    seconds: float = 150.0
    rest: float = 20.0
    swept: int = 100
    kills: int = 2


@dataclass(frozen=True, slots=True)
class Swept:
    """What documents cost that were swept: CPU seconds of each, by process, documents a second, and runs by job."""

    cpu: Mapping[str, float]
    rate: float
    runs: Mapping[str, int]


def run(
    progress: Progress,
    size: Size | None = None,
    *,
    organizations: int | None = None,
    active: int | None = None,
    largest: int | None = None,
    seconds: int | None = None,
) -> BenchResult:
    """Measures. Raises BenchError where a document was lost or came twice."""
    size = size or Size()
    chosen = {"organizations": organizations, "active": active, "of_largest": largest, "seconds": seconds}
    size = Size(**{**asdict(size), **{name: value for name, value in chosen.items() if value is not None}})
    with running_installation(progress, workers=3, lease_seconds=LEASE) as here:
        return _Bench(here, progress, size).run()


class _Bench:
    def __init__(self, here: Installation, progress: Progress, size: Size) -> None:
        self._here = here
        self._progress = progress
        self._size = size
        self._sent = 0
        self._killed = 0.0
        """CPU seconds of workers that were killed."""

    def run(self) -> BenchResult:
        here, size = self._here, self._size
        found = environment(here.owner)
        self._progress(f"{size.organizations:,} organizations")
        bulk = here.add_tenants(BULK, size.active)
        uploaders = here.add_tenants(EXPRESS, size.uploaders)
        large = here.add_tenants(LARGEST, 1)
        swept = {way: here.add_tenants(f"swept{way}", size.swept) for way in (1, 2)}
        rest = size.organizations - len(bulk) - len(uploaders) - 1 - 2 * size.swept
        here.add_tenants("resting", max(rest, 0))
        partitions = here.wait_for_partitions()
        clients = Clients(here, uploaders)

        self._progress(f"at rest for {size.rest:.0f} s")
        at_rest, ticks, scans = self._rest()
        sweeps = {}
        for way, tenants in swept.items():
            self._progress(f"{size.swept} organizations swept, {way} at a time")
            here.place_runs(way + 1)
            sweeps[way] = self._sweep(tenants)

        self._progress(f"a day of {size.seconds:.0f} s")
        before, stored = here.cpu_seconds(), self._stored()
        samples, late = self._day(bulk, uploaders, large, clients)
        after, stored_after = here.cpu_seconds(), self._stored()
        self._check()
        taken = self._latencies()
        documents = sum(len(each) for lane in taken.values() for each in lane.values())
        lanes = {lane: [seconds for each in found.values() for seconds in each] for lane, found in taken.items()}
        small = {slug: max(each) for lane in (BULK, EXPRESS) for slug, each in taken[lane].items()}
        everything = [seconds for each in lanes.values() for seconds in each]
        cpu = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
        cpu[WORKER] += self._killed
        ratios = {
            "cpu_two_to_one": sum(sweeps[2].cpu.values()) / sum(sweeps[1].cpu.values()),
            "rate_two_to_one": sweeps[2].rate / sweeps[1].rate,
            "sessions_last_to_first": _growth(samples, size.seconds, lambda each: each.sessions),
            "memory_last_to_first": _growth(samples, size.seconds, lambda each: each.megabytes),
            "slowest_to_p95": max(small.values()) / percentile(everything, 95),
            "cpu_at_rest": sum(at_rest.values()),
        }
        limits = {
            "cpu_two_to_one": MOST_CPU_OF_TWO,
            "sessions_last_to_first": MOST_GROWTH,
            "memory_last_to_first": MOST_GROWTH,
            "slowest_to_p95": MOST_UNFAIR,
            "cpu_at_rest": MOST_AT_REST,
        }
        cases = {
            f"{lane}_{name}": Case([value], "s", f"of {len(values)} documents, from their arrival to VALIDATED: {lane}")
            for lane, values in lanes.items()
            for name, value in spread(values).items()
        }
        cases |= {
            "organizations_p50": Case([percentile(list(small.values()), 50)], "s", "of each, its slowest document"),
            "organizations_p95": Case([percentile(list(small.values()), 95)], "s", "the same"),
            "organizations_max": Case([max(small.values())], "s", "the same"),
            "backlog": Case([float(max(each.waiting for each in samples))], "documents", "most that waited at once"),
            "drained": Case([samples[-1].at - size.seconds], "s", "from the end of the day until none waited"),
            "cpu": Case(
                [1000 * sum(cpu.values()) / documents], "CPU-ms", "of a document of the day, with all of Dagster"
            ),
            **{
                f"cpu_{way}": Case([1000 * sum(sweeps[way].cpu.values())], "CPU-ms", f"of a document, {way} in bulk")
                for way in sweeps
            },
            "events": Case(
                [(stored_after["events"] - stored["events"]) / documents / 1000],
                "kB",
                "of Dagster's events, per document",
            ),
            "rows": Case(
                [(stored_after["business"] - stored["business"]) / documents / 1000],
                "kB",
                "of business rows, per document",
            ),
            "memory": Case([max(each.megabytes for each in samples)], "MB", "of all processes, at the most"),
            "sessions": Case([float(max(each.sessions for each in samples))], "sessions", "of PostgreSQL, at the most"),
        }
        return BenchResult(
            bench="scale",
            cases=cases,
            ratios=ratios,
            bars={name: Bar(ratios[name], limit, at_most=True) for name, limit in limits.items()},
            environment=found,
            details={
                "size": asdict(size),
                "seconds_until_partitions": round(partitions, 1),
                "arrivals_late_seconds": round(late, 2),
                "documents": documents,
                "cpu_at_rest": _rounded(at_rest),
                "tick_seconds_at_rest": ticks,
                "rows_scanned_at_rest": scans,
                "swept": {
                    str(way): {"cpu": _rounded(each.cpu), "rate": round(each.rate, 1), "runs": each.runs}
                    for way, each in sweeps.items()
                },
                "cpu_of_the_day": _rounded(cpu),
                "samples": [{name: round(value, 1) for name, value in asdict(each).items()} for each in samples],
                "latency": {lane: _curve(values) for lane, values in lanes.items()},
                "slowest_of_organizations": _curve(list(small.values())),
            },
        )

    def _rest(self) -> tuple[dict[str, float], dict[str, dict[str, float]], dict[str, float]]:
        """CPU seconds a second of each process, what ticks take by sensor, and rows that scans of tables read."""
        here = self._here
        time.sleep(5)
        before, scans, began = here.cpu_seconds(), self._scans(), time.monotonic()
        time.sleep(self._size.rest)
        took = time.monotonic() - began
        cpu = {name: (seconds - before.get(name, 0.0)) / took for name, seconds in here.cpu_seconds().items()}
        with here.dagster.connect() as connection:
            rows = connection.execute(
                text(
                    """select b ->> 'job_name' as name, count(*) as ticks,
                              avg((b ->> 'end_timestamp')::float - (b ->> 'timestamp')::float) as mean,
                              max((b ->> 'end_timestamp')::float - (b ->> 'timestamp')::float) as most
                       from (select tick_body::jsonb as b from job_ticks
                             where create_timestamp > now() at time zone 'utc' - make_interval(secs => :seconds)) t
                       where b ->> 'end_timestamp' is not null group by 1 order by 3 desc"""
                ),
                {"seconds": took},
            )
            ticks = {
                row.name: {"ticks": row.ticks, "mean": round(row.mean, 3), "max": round(row.most, 3)} for row in rows
            }
        read = {name: round((rows - scans.get(name, 0)) / took, 1) for name, rows in self._scans().items()}
        return cpu, ticks, {name: rows for name, rows in sorted(read.items(), key=lambda each: -each[1])[:8] if rows}

    def _scans(self) -> dict[str, int]:
        found = {}
        for engine in (self._here.owner, self._here.dagster):
            with engine.connect() as connection:
                for row in connection.execute(
                    text("select schemaname || '.' || relname as name, seq_tup_read as rows from pg_stat_user_tables")
                ):
                    found[str(row.name)] = int(row.rows)
        return found

    def _sweep(self, tenants: Sequence[Tenant]) -> Swept:
        """What it takes to sweep ten documents of each."""
        here = self._here
        time.sleep(15)  # the worker loads
        last, before, began = here.last_run(), here.cpu_seconds(), time.monotonic()
        for tenant in tenants:
            here.upload(tenant, [f"{tenant.slug}-{number}" for number in range(10)])
        self._sent += 10 * len(tenants)
        here.wait("all documents are swept", lambda: self._are_done() and not here.open_runs())
        took, number = time.monotonic() - began, 10 * len(tenants)
        cpu = {name: (seconds - before.get(name, 0.0)) / number for name, seconds in here.cpu_seconds().items()}
        with here.dagster.connect() as connection:
            rows = connection.execute(
                text("select pipeline_name as job, count(*) as runs from runs where id > :last group by 1 order by 1"),
                {"last": last},
            )
            runs = {row.job: row.runs for row in rows}
        return Swept(cpu, number / took, runs)

    def _day(
        self, bulk: Sequence[Tenant], uploaders: Sequence[Tenant], large: Sequence[Tenant], clients: Clients
    ) -> tuple[list[Sample], float]:
        here, size = self._here, self._size
        sent = timetable(bulk, size.documents, size.seconds, "D")
        sent = sorted([*sent, *timetable(large, size.of_largest, size.seconds, "L")], key=lambda each: each.at)
        by_api = timetable(uploaders, size.documents, size.seconds, "E")
        self._sent += len(sent) + len(by_api)
        failed: list[BaseException] = []

        def upload() -> None:
            try:
                clients.upload(by_api)
            except BaseException as error:  # noqa: BLE001 - raised below
                failed.append(error)

        arrivals, uploads = Arrivals(here, sent), Thread(target=upload, daemon=True)
        began = time.monotonic()
        arrivals.begin()
        uploads.start()
        span = (PEAK[1] - PEAK[0]) * size.seconds
        kills = [PEAK[0] * size.seconds + span * (number + 0.5) / size.kills for number in range(size.kills)]
        samples: list[Sample] = []
        while arrivals.goes_on() or uploads.is_alive() or not self._are_done() or here.open_runs():
            here.services.check()
            now = time.monotonic() - began
            if kills and now > kills[0]:
                kills.pop(0)
                self._progress("the worker is killed")
                self._kill()
            if not samples or now - samples[-1].at > SECONDS_BETWEEN_SAMPLES:
                samples.append(look(here, began))
            if now > size.seconds + 400:
                raise BenchError(f"the backlog is not drained: {samples[-1]}")
            time.sleep(0.5)
        if failed:
            raise failed[0]
        samples.append(look(here, began))
        return samples, arrivals.latest

    def _kill(self) -> None:
        self._killed += self._here.cpu_seconds()[WORKER]
        with suppress(ProcessLookupError):
            os.killpg(self._here.services.processes[WORKER].pid, signal.SIGKILL)

    def _are_done(self) -> bool:
        statement = "select count(*) from intake.received_invoice where status = 'EXPORTED'"
        return bool(self._here.scalar(self._here.owner, statement) >= self._sent)

    def _stored(self) -> dict[str, int]:
        here = self._here
        return {
            "events": here.scalar(here.dagster, "select pg_database_size(current_database())"),
            "business": here.scalar(here.owner, "select pg_database_size(current_database())"),
        }

    def _check(self) -> None:
        """Raises BenchError unless each document came to its end once."""
        with self._here.owner.connect() as connection:
            found = connection.execute(
                text(
                    """select (select count(*) from intake.received_invoice) as there,
                              (select count(*) from intake.received_invoice where status = 'EXPORTED') as exported,
                              (select count(*) from intake.export_invoice) as in_exports,
                              (select count(distinct received_invoice_id) from intake.export_invoice) as different"""
                )
            ).one()
        if set(found) != {self._sent}:
            raise BenchError(f"{self._sent} documents came; of them {found._asdict()}")

    def _latencies(self) -> dict[str, dict[str, list[float]]]:
        """Seconds of each document, by lane and organization."""
        found: dict[str, dict[str, list[float]]] = {lane: defaultdict(list) for lane in (BULK, EXPRESS, LARGEST)}
        with self._here.owner.connect() as connection:
            rows = connection.execute(
                text(
                    """select o.slug, extract(epoch from min(c.changed_at) - r.created_at) as seconds
                       from intake.received_invoice r
                       join organizations.organization o on o.id = r.organization_id
                       join intake.status_change c
                         on c.organization_id = r.organization_id and c.received_invoice_id = r.id
                       where c.to_status = 'VALIDATED'
                       group by o.slug, r.organization_id, r.id"""
                )
            )
            for slug, seconds in rows:
                lane = slug.partition("-")[0]
                if lane in found:
                    found[lane][slug].append(float(seconds))
        return {lane: dict(each) for lane, each in found.items()}


def _growth(samples: Sequence[Sample], seconds: float, of: Callable[[Sample], float]) -> float:
    """The median of the last quarter against that of the day before its peak."""
    first = [of(each) for each in samples if each.at < PEAK[0] * seconds]
    last = [of(each) for each in samples[-max(len(samples) // 4, 1) :]]
    return percentile(last, 50) / percentile(first, 50)


def _curve(values: Sequence[float]) -> list[float]:
    """What each percent of the values does not exceed, from the first to the last."""
    return [round(percentile(values, number), 2) for number in range(1, 100)] + [round(max(values), 2)]


def _rounded(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in found.items()}
