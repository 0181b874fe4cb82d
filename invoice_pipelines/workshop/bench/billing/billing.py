"""The benchmark `billing`: how fast sales orders become issued invoices.

Four ways of doing the same, on clones of one database and thus from the same state, with the same tables, indexes,
constraints, triggers and row-level security:

- `system`: a whole job from pending to completed, by `process_jobs`, with items, progress and numbers.
- `limit`: the rows that this writes for the invoices, inserted as they are, in one transaction, by a plain statement
  per table. No order is read or changed, and nothing is checked but what the tables check.
- `limit_with_foreign_keys`, `system_with_foreign_keys`: the same with tables that have foreign keys in place of the
  checks per statement, which is how PostgreSQL usually asserts what these assert.
- `one_transaction`: an order-by-order function in one transaction, with a block that catches failures, and the progress
  of the job, per order.
- `commit_per_order`: the same function called by the client, in a transaction of its own per order.

They take turns, and a ratio is the median of the ratios of their pairs. It works in a PostgreSQL and a
folder of its own, which are removed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from invoice_pipelines.billing.processing import CHUNK_SIZE, process_jobs
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import embedded_server, open_database
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.billing import yardsticks
from invoice_pipelines.workshop.bench.billing.ground import Backlog, Clone, Ground, Template
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment
from invoice_pipelines.workshop.bench.worker import PLACES, Worker

MOST_OF_LIMIT = 1.45
MOST_OF_FOREIGN_KEYS = 0.8
MOST_RISE = 1.1
LEAST_GAIN_ON_ONE_TRANSACTION = 10.0
LEAST_GAIN_ON_COMMIT_PER_ORDER = 4.0
MOST_LOCKED = 0.2
LEAST_GAIN_OF_ORGANIZATIONS = 1.5
SECONDS = "s"
INSERTS = "plain inserts of the rows of these invoices"
WITH_FOREIGN_KEYS = "the same with foreign keys and no checks per statement"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: orders of a small, a medium and a large job, and how often each.

    `earlier` invoices are there before. Order by order in one transaction, the medium job is run once, and is cut off
    after `cap`; with a commit per order, `committed` of its orders are issued and the time is scaled to all of them.
    """

    small: int = 500
    medium: int = 15_000
    large: int = 150_000
    rounds: int = 5
    large_rounds: int = 3
    earlier: int = 5_000
    committed: int = 3_000
    cap: timedelta = timedelta(seconds=120)
    organizations: int = 8
    orders_of_each: int = 4_000


class _Series:
    """Seconds of system and limit for one size, measured in turns."""

    def __init__(self, ground: Ground, orders: int, earlier: int) -> None:
        self.template = ground.make_template(orders, earlier=earlier)
        self.system: list[float] = []
        self.limit: list[float] = []
        self.limit_with_foreign_keys: list[float] = []
        self._ground = ground

    def run_round(self) -> None:
        """One measurement of each, in alternating order."""
        sides = [
            (self.system, system, False),
            (self.limit, limit, False),
            (self.limit_with_foreign_keys, limit, True),
        ]
        for values, run_side, foreign_keys in reversed(sides) if len(self.system) % 2 else sides:
            with warm_clone(self._ground, self.template, run_side, foreign_keys=foreign_keys) as clone:
                values.append(seconds_of(run_side, clone, clone.backlog))
                if run_side is system:
                    clone.check(clone.backlog)

    @property
    def ratio(self) -> float:
        """To the limit of tables with foreign keys."""
        return _ratio(self.system, self.limit_with_foreign_keys)


Side = Callable[[Clone, Backlog], None]


def system(clone: Clone, backlog: Backlog) -> None:
    """The whole job of a backlog. Raises BenchError where an order failed."""
    report = process_jobs(backlog.context(clone.engine), job_id=backlog.job_id)
    if report.succeeded != backlog.orders:
        raise BenchError(f"of {backlog.orders} orders, all of them valid, {report.succeeded} were invoiced")


def limit(clone: Clone, backlog: Backlog) -> None:
    """The rows of a backlog's invoices, inserted as they are."""
    yardsticks.insert_rows(clone.engine, backlog.organization_id, backlog.inserts)


def seconds_of(side: Side, clone: Clone, backlog: Backlog) -> float:
    """How long it takes, to the end of the last commit."""
    started = time.perf_counter()
    side(clone, backlog)
    return time.perf_counter() - started


def processor_seconds_of(side: Side, clone: Clone, backlog: Backlog) -> float:
    """How long PostgreSQL's process for the session computes meanwhile. Other load does not change that."""
    before = _processor_seconds(clone)
    side(clone, backlog)
    return _processor_seconds(clone) - before


def _processor_seconds(clone: Clone) -> float:
    with clone.engine.connect() as connection:  # the pool has one session, as nothing here needs two at once
        process = connection.execute(text("select pg_backend_pid()")).scalar_one()
    try:
        fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError as error:
        raise BenchError(f"processor time is read from /proc, which this system does not have: {error}") from None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # proc_pid_stat(5): utime, stime


@contextmanager
def warm_clone(ground: Ground, template: Template, side: Side, *, foreign_keys: bool = False) -> Iterator[Clone]:
    """A clone whose pages are in memory, and a session that has done the same for another organization."""
    with ground.clone(template) as clone:
        if foreign_keys:
            ground.use_foreign_keys(clone)
        side(clone, template.warm_up)
        clone.read_all()
        yield clone


def run(progress: Progress, size: Size | None = None) -> BenchResult:
    """Measures. Raises BenchError where an order did not become an invoice, or a number is missing."""
    size = size or Size()
    with _ground() as (ground, found):
        progress(f"{size.small:,} orders, {size.rounds} rounds")
        small = _Series(ground, size.small, min(size.small, size.earlier))
        one_transaction_small: list[float] = []
        commit_small: list[float] = []
        for _ in range(size.rounds):
            small.run_round()
            one_transaction_small.append(_one_transaction(ground, small.template, size.cap)[0])
            commit_small.append(_commit_per_order(ground, small.template, size.small))

        medium = _Series(ground, size.medium, size.earlier)
        locked: list[float] = []
        computed: list[float] = []
        computed_with_foreign_keys: list[float] = []
        commit: list[float] = []
        for number in range(size.rounds):
            progress(f"{size.medium:,} orders, round {number + 1} of {size.rounds}")
            medium.run_round()
            for values, foreign_keys in ((computed, False), (computed_with_foreign_keys, True)):
                with warm_clone(ground, medium.template, system, foreign_keys=foreign_keys) as clone:
                    values.append(processor_seconds_of(system, clone, clone.backlog))
            locked.append(_locked_share(ground, medium.template))
            commit.append(_commit_per_order(ground, medium.template, size.committed))
        progress(f"{size.medium:,} orders, order by order in one transaction")
        one_transaction, is_whole = _one_transaction(ground, medium.template, size.cap)
        ground.drop(medium.template)

        large = _Series(ground, size.large, size.earlier)
        for number in range(size.large_rounds):
            progress(f"{size.large:,} orders, round {number + 1} of {size.large_rounds}")
            large.run_round()
        ground.drop(large.template)

        progress(f"{size.organizations} organizations at once, and one alone")
        together, alone = _organizations(ground, size)

    ours = median(medium.system)
    ratios = {
        "system_to_limit": medium.ratio,
        "system_to_limit_small": small.ratio,
        "system_to_limit_large": large.ratio,
        "system_to_limit_does_not_rise": large.ratio / medium.ratio,
        "system_to_limit_without_foreign_keys": _ratio(medium.system, medium.limit),
        "processor_time_to_foreign_keys": _ratio(computed, computed_with_foreign_keys),
        "one_transaction_loop_to_system": one_transaction / ours,
        "one_transaction_loop_to_system_small": median(one_transaction_small) / median(small.system),
        "commit_per_order_to_system": median(commit) / ours,
        "commit_per_order_to_system_small": median(commit_small) / median(small.system),
        "counter_locked_share": median(locked),
        "eight_organizations_to_one": _ratio(together, alone),
    }
    bars = {
        "system_to_limit": (MOST_OF_LIMIT, True),
        "system_to_limit_does_not_rise": (MOST_RISE, True),
        "processor_time_to_foreign_keys": (MOST_OF_FOREIGN_KEYS, True),
        "one_transaction_loop_to_system": (LEAST_GAIN_ON_ONE_TRANSACTION, False),
        "commit_per_order_to_system": (LEAST_GAIN_ON_COMMIT_PER_ORDER, False),
        "counter_locked_share": (MOST_LOCKED, True),
        "eight_organizations_to_one": (LEAST_GAIN_OF_ORGANIZATIONS, False),
    }
    whole = "once" if is_whole else f"cut off: it takes longer than the {size.cap.total_seconds():.0f} s that count"
    scaled = f"{size.committed:,} of {size.medium:,} orders, scaled to all: each is a transaction of its own"
    return BenchResult(
        bench="billing",
        cases={
            "system_small": Case(small.system, SECONDS, f"a job of {size.small:,} orders, pending to completed"),
            "limit_small": Case(small.limit, SECONDS, INSERTS),
            "limit_with_foreign_keys_small": Case(small.limit_with_foreign_keys, SECONDS, WITH_FOREIGN_KEYS),
            "one_transaction_loop_small": Case(one_transaction_small, SECONDS, "order by order in one transaction"),
            "commit_per_order_small": Case(commit_small, SECONDS, "order by order, a commit per order"),
            "system": Case(
                medium.system, SECONDS, f"a job of {size.medium:,} orders, in chunks of {CHUNK_SIZE:,}; 3-10 lines each"
            ),
            "limit": Case(medium.limit, SECONDS, INSERTS),
            "limit_with_foreign_keys": Case(medium.limit_with_foreign_keys, SECONDS, WITH_FOREIGN_KEYS),
            "computed": Case(computed, SECONDS, "of processor time of PostgreSQL for such a job"),
            "computed_with_foreign_keys": Case(
                computed_with_foreign_keys, SECONDS, "of processor time, with foreign keys and no checks per statement"
            ),
            "one_transaction_loop": Case([one_transaction], SECONDS, f"order by order in one transaction; {whole}"),
            "commit_per_order": Case(commit, SECONDS, scaled),
            "counter_locked": Case(locked, "share", "of a job's time in which the counter is locked, commit included"),
            "system_large": Case(large.system, SECONDS, f"a job of {size.large:,} orders"),
            "limit_large": Case(large.limit, SECONDS, INSERTS),
            "limit_with_foreign_keys_large": Case(large.limit_with_foreign_keys, SECONDS, WITH_FOREIGN_KEYS),
            "one_organization": Case(alone, "orders/s", f"a job of {size.orders_of_each:,} orders, by one process"),
            "eight_organizations": Case(
                together, "orders/s", f"{size.organizations} such jobs, by two processes, from one start signal"
            ),
        },
        ratios=ratios,
        bars={name: Bar(ratios[name], value, at_most) for name, (value, at_most) in bars.items()},
        environment=found,
    )


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def _one_transaction(ground: Ground, template: Template, cap: timedelta) -> tuple[float, bool]:
    """Seconds, and whether the job was done by then."""
    done = False

    def side(clone: Clone, backlog: Backlog) -> None:
        nonlocal done
        done = yardsticks.invoice_in_one_transaction(clone.engine, backlog.organization_id, backlog.job_id, cap)

    with warm_clone(ground, template, side) as clone:
        seconds = seconds_of(side, clone, clone.backlog)
        if done:
            clone.check(clone.backlog)
    return seconds, done


def _commit_per_order(ground: Ground, template: Template, orders: int) -> float:
    def side(clone: Clone, backlog: Backlog) -> None:
        yardsticks.invoice_with_a_commit_per_order(clone.engine, backlog.organization_id, backlog.job_id, orders)

    with warm_clone(ground, template, side) as clone:
        seconds = seconds_of(side, clone, clone.backlog)
        if orders >= clone.backlog.orders:
            clone.check(clone.backlog)
        return seconds * max(1.0, clone.backlog.orders / orders)


def _locked_share(ground: Ground, template: Template) -> float:
    """Share of the time of all chunks from when the counter's row is locked until the commit has come back."""
    locked = whole = 0.0
    with warm_clone(ground, template, system) as clone:
        backlog = clone.backlog
        while True:
            started = time.time()
            with organization_scope(clone.engine, backlog.organization_id) as connection:
                step = connection.execute(
                    text(
                        """select s.taken, extract(epoch from s.counter_locked_at)::double precision as locked_at
                           from billing.issue_next(:size, :job) s"""
                    ),
                    {"size": CHUNK_SIZE, "job": backlog.job_id},
                ).one()
            if not step.taken:
                break
            ended = time.time()  # by the clock that PostgreSQL reads as well
            whole += ended - started
            locked += ended - float(step.locked_at)
        clone.check(backlog)
    return locked / whole


def _organizations(ground: Ground, size: Size) -> tuple[list[float], list[float]]:
    """Orders per second of several organizations by two processes, and of one by one process, in pairs."""
    template = ground.make_template(
        size.orders_of_each, earlier=min(size.earlier, size.orders_of_each), organizations=size.organizations
    )
    together: list[float] = []
    alone: list[float] = []
    with ExitStack() as stack:
        workers = [Worker("invoice_pipelines.workshop.bench.billing.worker", ground.folder) for _ in range(2)]
        for worker in workers:
            stack.callback(worker.stop)
        for _ in range(size.rounds):
            for values, used, backlogs in (
                (together, workers, template.backlogs),
                (alone, workers[:1], template.backlogs[:1]),
            ):
                with ground.clone(template) as clone:
                    clone.read_all()
                    values.append(_rate(ground, clone, used, backlogs))
    ground.drop(template)
    return together, alone


def _rate(ground: Ground, clone: Clone, workers: list[Worker], backlogs: tuple[Backlog, ...]) -> float:
    for number, worker in enumerate(workers):
        worker.order(
            url=ground.url(clone),
            warm_up=clone.template.warm_up.slug,
            organizations=[backlog.slug for backlog in backlogs[number :: len(workers)]],
        )
        worker.answer()  # one after the other, as they share what they warm up with
    started = time.perf_counter()
    for worker in workers:
        worker.order()
    done = sum(int(worker.answer()["succeeded"]) for worker in workers)
    seconds = time.perf_counter() - started
    for backlog in backlogs:
        clone.check(backlog)
    if done != sum(backlog.orders for backlog in backlogs):
        raise BenchError(f"{done} orders were invoiced, and {sum(backlog.orders for backlog in backlogs)} expected")
    return done / seconds


@contextmanager
def _ground() -> Iterator[tuple[Ground, dict[str, Any]]]:
    with tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as folder:
        own: dict[str, Any] = {"DAGSTER_HOME": Path(folder) / "home", **dict.fromkeys(PLACES)}
        settings = Settings(**own)
        server = embedded_server(settings)
        if server is None:
            raise BenchError("the benchmark works on a server of its own")
        with open_database(settings, application_name="bench") as engine:
            found = environment(engine)
            engine.dispose()  # a database with sessions cannot be cloned
            yield Ground(server), found
