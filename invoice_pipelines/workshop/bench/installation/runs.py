"""The benchmark `runs`: what a run costs beside its work, by Dagster's default launcher and on warm workers.

An installation does the same runs in three ways: each in a process of its own, on one warm worker, and on two; the
quick ones before and after the slow one, so that none has the machine to itself when it is at its best. In each a
document waits in each of some organizations, a run is asked for for each, all at once, as uploads do it, and the time
runs from the first launch to the last SUCCESS. Before that, a few runs warm up what is to be measured.

Then documents are uploaded by the API, one after the other: with two workers while sweeps take many organizations, and
by the default launcher while nothing else goes on. Here the time runs from the upload until its client could see the
document VALIDATED.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines.work.launching import Launcher
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.installation.installation import Installation, Tenant, running_installation
from invoice_pipelines.workshop.bench.installation.latencies import percentile
from invoice_pipelines.workshop.bench.installation.uploads import Clients, Sent
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment

LEAST_GAIN_OF_WARM = 5.0
LEAST_GAIN_OF_TWO = 1.7
MOST_SECONDS_P95, MOST_SECONDS, MOST_SECONDS_QUIET_P95 = 5.0, 10.0, 10.0
WARM_UP = 4
WAYS = {"default": 0, "one_worker": 1, "two_workers": 2}
ORDER = ("one_worker", "two_workers", "one_worker", "two_workers", "default", "one_worker", "two_workers")
"""What takes a minute stands between what takes seconds; the last one goes on."""
ABOUT = {
    "default": "each in a process of its own, three at a time",
    "one_worker": "on one warm worker",
    "two_workers": "on two warm workers",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    runs: int = 20
    rounds: int = 1
    swept: int = 1_000
    documents: int = 2
    uploads: int = 200
    uploaders: int = 40
    every_seconds: float = 0.8
    quiet_uploads: int = 12
    quiet_every_seconds: float = 4.0


@dataclass(frozen=True, slots=True)
class Round:
    """What runs took: seconds from the first launch to the last end, those of each, and CPU seconds of processes."""

    seconds: float
    each: Sequence[float]
    cpu: dict[str, float]


def run(progress: Progress, size: Size | None = None) -> BenchResult:
    """Measures. Raises BenchError where a run failed, or a document did not come to be validated."""
    size = size or Size()
    rounds: dict[str, list[Round]] = {way: [] for way in WAYS}
    with running_installation(progress, workers=2) as here:
        found = environment(here.owner)
        tenants = here.add_tenants("run", size.runs)
        swept = here.add_tenants("swept", size.swept)
        uploaders = here.add_tenants("upload", size.uploaders)
        here.wait_for_partitions()
        launcher, clients = Launcher(here.settings), Clients(here, uploaders)
        quiet: list[float] = []
        for number, way in enumerate(ORDER * size.rounds):
            here.place_runs(WAYS[way])
            _do_runs(here, launcher, tenants[:WARM_UP], f"W{number}")
            progress(f"{size.runs} runs {ABOUT[way]}")
            rounds[way].append(_do_runs(here, launcher, tenants, f"R{number}"))
            if not WAYS[way]:
                progress(f"{size.quiet_uploads} uploads by the default launcher")
                quiet += clients.upload(
                    _timetable(uploaders, f"Q{number}", size.quiet_uploads, size.quiet_every_seconds)
                )
                here.wait("all runs have ended", lambda: not here.open_runs())

        before = here.last_run()
        progress(f"{size.swept} organizations get {size.documents} documents each")
        for tenant in swept:
            here.upload(tenant, [f"S-{tenant.slug}-{number}" for number in range(size.documents)])
        here.wait("a sweep has begun", lambda: _sweeps(here, "STARTED"))
        progress(f"{size.uploads} uploads while sweeps go on")
        busy = clients.upload(_timetable(uploaders, "U", size.uploads, size.every_seconds))
        left = _left(here)
        failed = here.failed_runs(before)
        launcher.close()
    cases = {way: Case([each.seconds for each in rounds[way]], "s", f"{size.runs} runs {ABOUT[way]}") for way in WAYS}
    for way in WAYS:
        taken = [seconds for each in rounds[way] for seconds in each.each]
        cases |= {
            f"{way}_p50": Case([median(taken)], "s", "of a run from its launch to SUCCESS"),
            f"{way}_p95": Case([percentile(taken, 95)], "s", "of a run from its launch to SUCCESS"),
            f"{way}_cpu": Case(
                [sum(each.cpu.values()) / size.runs for each in rounds[way]], "CPU-s", "of all, per run"
            ),
            f"{way}_cpu_postgresql": Case(
                [each.cpu["postgresql"] / size.runs for each in rounds[way]], "CPU-s", "of PostgreSQL, per run"
            ),
        }
    while_swept = f"an upload until it is seen VALIDATED, two workers, {size.swept} organizations swept meanwhile"
    alone = "an upload until it is seen VALIDATED, default launcher, quiet"
    for name, values, about in (("busy", busy, while_swept), ("quiet", quiet, alone)):
        cases |= {
            f"upload_{name}_p50": Case([median(values)], "s", about),
            f"upload_{name}_p95": Case([percentile(values, 95)], "s", about),
            f"upload_{name}_max": Case([max(values)], "s", about),
        }
    ratios = {
        "two_workers_to_default": _ratio(rounds["default"], rounds["two_workers"]),
        "two_workers_to_one": _ratio(rounds["one_worker"], rounds["two_workers"]),
    }
    return BenchResult(
        bench="runs",
        cases=cases,
        ratios=ratios,
        bars={
            "two_workers_to_default": Bar(ratios["two_workers_to_default"], LEAST_GAIN_OF_WARM),
            "two_workers_to_one": Bar(ratios["two_workers_to_one"], LEAST_GAIN_OF_TWO),
            "upload_busy_p95": Bar(percentile(busy, 95), MOST_SECONDS_P95, at_most=True),
            "upload_busy_max": Bar(max(busy), MOST_SECONDS, at_most=True),
            "upload_quiet_p95": Bar(percentile(quiet, 95), MOST_SECONDS_QUIET_P95, at_most=True),
            "failed_runs": Bar(len(failed), 0, at_most=True),
        },
        environment=found,
        details={
            "cpu_seconds_per_run": {
                way: [
                    {name: round(seconds / size.runs, 3) for name, seconds in each.cpu.items()} for each in rounds[way]
                ]
                for way in WAYS
            },
            "upload_busy_seconds": [round(each, 2) for each in busy],
            "upload_quiet_seconds": [round(each, 2) for each in quiet],
            "documents_of_the_sweeps_left": left,
            "failed_runs": failed,
        },
    )


def _ratio(slow: Sequence[Round], fast: Sequence[Round]) -> float:
    return median(each.seconds for each in slow) / median(each.seconds for each in fast)


def _do_runs(here: Installation, launcher: Launcher, tenants: Sequence[Tenant], number: str) -> Round:
    """A document in each organization, and a run for each."""
    last = here.last_run()
    for tenant in tenants:
        here.upload(tenant, [f"{number}-{tenant.slug}"])
        with organization_scope(here.engine, tenant.id) as connection:
            launcher.expects(connection, INTAKE_RUN)
    before = here.cpu_seconds()
    for tenant in tenants:
        if not launcher.begin(tenant.slug, INTAKE_RUN):
            raise BenchError("Dagster's webserver did not take a run")
    here.wait(
        "all runs have ended",
        lambda: _ended(here, last) >= len(tenants) and not here.open_runs(),
    )
    after = here.cpu_seconds()
    with here.dagster.connect() as connection:
        rows = connection.execute(
            text(
                """select status, extract(epoch from create_timestamp) as launched, end_time from runs
                   where id > :last and pipeline_name = :job"""
            ),
            {"last": last, "job": INTAKE_RUN},
        ).all()
    if len(rows) != len(tenants) or any(row.status != "SUCCESS" for row in rows):
        raise BenchError(f"{len(tenants)} runs were to succeed: {[row.status for row in rows]}")
    return Round(
        max(row.end_time for row in rows) - min(float(row.launched) for row in rows),
        [row.end_time - float(row.launched) for row in rows],
        {name: seconds - before.get(name, 0.0) for name, seconds in after.items()},
    )


def _ended(here: Installation, last: int) -> int:
    return int(
        here.scalar(here.dagster, "select count(*) from runs where id > :last and end_time is not null", last=last)
    )


def _sweeps(here: Installation, status: str) -> int:
    statement = "select count(*) from runs where pipeline_name = 'intake_sweep' and status = :status"
    return int(here.scalar(here.dagster, statement, status=status))


def _left(here: Installation) -> int:
    return int(here.scalar(here.owner, "select count(*) from intake.received_invoice where status = 'UPLOADED'"))


def _timetable(tenants: Sequence[Tenant], prefix: str, number: int, every: float) -> list[Sent]:
    return [Sent(n * every, tenants[n % len(tenants)], f"{prefix}-{n}") for n in range(number)]
