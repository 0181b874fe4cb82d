"""The benchmark `overdue`: how fast an organization's overdue invoices are found and notified.

All sides work on the same books in one session, as the application, with the same tables, indexes, constraints and
row-level security, and begin without a notification:

- `batches_of_N`: a whole run of `notify_overdue`, in transactions of N notifications, with its log.
- `plain`: one `insert ... select ... on conflict do nothing` of the same rows in one transaction, as PostgreSQL plans
  it.
- `plain_by_index`: the same statement, kept from reading tables as a whole, which is faster here. It is what the rows
  cost at least.
- `plain_in_transactions`: the same by index, in as many transactions as a run in batches of the default size, from
  within PostgreSQL. It is what the rows cost at least where each hundred of them is committed by itself.
- `second_of_N`: a run right after one in batches of N, which finds nothing new.
- `loop`: one query per invoice, compared in Python, and an insert for each that is overdue.
- `commit`, `commit_not_flushed`: a transaction that writes to no table, with and without the wait for the disk.

Sides take turns, and a ratio is the median of the ratios of their rounds. It works in a PostgreSQL and a folder of its
own, which are removed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import embedded_server, open_database
from invoice_pipelines.overdue import BATCH_SIZE, notify_overdue
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.bench.benches import Progress
from invoice_pipelines.workshop.bench.overdue.ground import Books, Ground, make_ground
from invoice_pipelines.workshop.bench.result import Bar, BenchError, BenchResult, Case, environment
from invoice_pipelines.workshop.bench.worker import PLACES

MOST_OF_PLAIN = 1.5
LEAST_GAIN_ON_LOOP = 50.0
MOST_OF_SECOND = 0.05
SECONDS = "s"
MILLISECONDS = "ms"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. `sampled` invoices go through the loop, whose time is scaled to all of them."""

    invoices: int = 1_000_000
    overdue: int = 20_000
    batch_sizes: tuple[int, ...] = (BATCH_SIZE, 1_000, 5_000)
    rounds: int = 5
    sampled: int = 2_000
    loop_rounds: int = 3
    commits: int = 200


Side = Callable[[Ground, Books], None]


def run(progress: Progress, size: Size | None = None) -> BenchResult:
    """Measures. Raises BenchError where an overdue invoice has no notification, or another one has."""
    size = size or Size()
    progress(f"{size.invoices:,} invoices, {size.overdue:,} of them overdue")
    with _ground(size) as (ground, found):
        plain, by_index, in_transactions = [], [], []
        runs: dict[int, list[float]] = {batch_size: [] for batch_size in size.batch_sizes}
        seconds: dict[int, list[float]] = {batch_size: [] for batch_size in size.batch_sizes}
        commit, not_flushed = [], []

        def measure_run(batch_size: int) -> None:
            side = _run_of(batch_size)
            runs[batch_size].append(_measure(ground, side))
            seconds[batch_size].append(_seconds_of(side, ground, ground.books))
            ground.check(ground.books)

        for number in range(size.rounds):
            progress(f"round {number + 1} of {size.rounds}")
            turns: list[Callable[[], None]] = [
                lambda: plain.append(_measure(ground, _plain)),
                lambda: by_index.append(_measure(ground, _plain_by_index)),
                lambda: in_transactions.append(_measure(ground, _plain_in_transactions)),
                *(lambda batch_size=batch_size: measure_run(batch_size) for batch_size in size.batch_sizes),
                lambda: commit.append(_commit(ground, size.commits, "on")),
                lambda: not_flushed.append(_commit(ground, size.commits, "off")),
            ]
            for turn in reversed(turns) if number % 2 else turns:
                turn()
        progress("one query per invoice")
        every = [_loop(ground, size.sampled, "true") for _ in range(size.loop_rounds)]
        open_ones = [_loop(ground, size.sampled, "i.status = 'issued'") for _ in range(size.loop_rounds)]

    configured = runs[BATCH_SIZE]
    ratios = {"scan_to_plain": _ratio(configured, plain)}
    for batch_size in size.batch_sizes:
        if batch_size != BATCH_SIZE:
            ratios[f"scan_to_plain_batches_of_{batch_size}"] = _ratio(runs[batch_size], plain)
    for batch_size in size.batch_sizes:
        ratios[f"scan_to_plain_by_index_batches_of_{batch_size}"] = _ratio(runs[batch_size], by_index)
    ratios["scan_to_plain_in_transactions"] = _ratio(configured, in_transactions)
    ratios["loop_to_scan"] = median(every) / median(configured)
    ratios["loop_over_open_to_scan"] = median(open_ones) / median(configured)
    ratios["second_to_first"] = _ratio(seconds[BATCH_SIZE], configured)
    bars = {
        "scan_to_plain": (MOST_OF_PLAIN, True),
        "scan_to_plain_in_transactions": (MOST_OF_PLAIN, True),
        "loop_to_scan": (LEAST_GAIN_ON_LOOP, False),
        "second_to_first": (MOST_OF_SECOND, True),
    }
    smallest, largest = min(size.batch_sizes), max(size.batch_sizes)
    fewer = -(-size.overdue // smallest) - -(-size.overdue // largest)
    per_batch = [1000 * (many - few) / max(fewer, 1) for many, few in zip(runs[smallest], runs[largest], strict=True)]
    scaled = f"one query per invoice, on {size.sampled:,} of them, scaled to all"
    return BenchResult(
        bench="overdue",
        cases={
            "plain": Case(plain, SECONDS, f"one insert ... select of {size.overdue:,} notifications, one transaction"),
            "plain_by_index": Case(by_index, SECONDS, "the same, kept from reading tables as a whole"),
            "plain_in_transactions": Case(in_transactions, SECONDS, f"the same by index, {BATCH_SIZE} per transaction"),
            **{
                f"batches_of_{batch_size}": Case(
                    runs[batch_size],
                    SECONDS,
                    f"a run in transactions of {batch_size:,}" + (", the default" if batch_size == BATCH_SIZE else ""),
                )
                for batch_size in size.batch_sizes
            },
            **{
                f"second_of_{batch_size}": Case(seconds[batch_size], SECONDS, "a run after it, with nothing new")
                for batch_size in size.batch_sizes
            },
            "loop": Case(every, SECONDS, f"{scaled} {size.invoices:,}; one transaction"),
            "loop_over_open": Case(open_ones, SECONDS, f"{scaled} that are not paid; one transaction"),
            "batch": Case(per_batch, MILLISECONDS, f"what a transaction more costs: {smallest:,} against {largest:,}"),
            "commit": Case(
                commit, MILLISECONDS, "a transaction without rows: its round trip, and the wait for the disk"
            ),
            "commit_not_flushed": Case(not_flushed, MILLISECONDS, "the same without the wait"),
        },
        ratios=ratios,
        bars={name: Bar(ratios[name], value, at_most) for name, (value, at_most) in bars.items()},
        environment=found,
    )


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))


def _measure(ground: Ground, side: Side) -> float:
    """Seconds of a side that begins without notifications, in a session that did the same for another organization."""
    ground.clear()
    side(ground, ground.warm_up)
    seconds = _seconds_of(side, ground, ground.books)
    ground.check(ground.books)
    return seconds


def _seconds_of(side: Side, ground: Ground, books: Books) -> float:
    started = time.perf_counter()
    side(ground, books)
    return time.perf_counter() - started


def _run_of(batch_size: int) -> Side:
    def side(ground: Ground, books: Books) -> None:
        report = notify_overdue(books.organization, as_of=books.as_of, batch_size=batch_size)
        if report.error_count or report.overdue_count != books.overdue:
            raise BenchError(f"{books.overdue} overdue invoices were expected: {report}")

    return side


_NOTIFICATIONS = """
    insert into overdue.notification (organization_id, invoice_id, level, as_of, days_overdue, invoice_number,
                                      customer_id, customer_name, amount_due, currency, due_date, execution_id)
    select i.organization_id, i.id, 1, :as_of, :as_of - i.due_date, n.invoice_number, i.customer_id,
           i.buyer ->> 'name', i.amount_due, i.currency, i.due_date, uuidv7()
    from billing.invoice i
    join billing.invoice_number n on n.organization_id = i.organization_id and n.invoice_id = i.id
    where i.organization_id = :organization and i.status in ('issued', 'partially_paid')
      and i.document_kind = 'invoice' and i.amount_due > 0 and i.due_date < cast(:as_of as date)
    on conflict do nothing
"""


def _plain(ground: Ground, books: Books) -> None:
    with organization_scope(ground.engine, books.organization_id) as connection:
        connection.execute(text(_NOTIFICATIONS), {"organization": books.organization_id, "as_of": books.as_of})


def _plain_by_index(ground: Ground, books: Books) -> None:
    with organization_scope(ground.engine, books.organization_id) as connection:
        connection.execute(text("set local enable_seqscan = off"))
        connection.execute(text("set local enable_bitmapscan = off"))
        connection.execute(text("set local enable_hashjoin = off"))
        connection.execute(text("set local enable_mergejoin = off"))
        connection.execute(text(_NOTIFICATIONS), {"organization": books.organization_id, "as_of": books.as_of})


def _plain_in_transactions(ground: Ground, books: Books) -> None:
    with ground.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            text("call bench.insert_in_transactions(:organization, :as_of, :size)"),
            {"organization": books.organization_id, "as_of": books.as_of, "size": BATCH_SIZE},
        )


def _loop(ground: Ground, sampled: int, condition: str) -> float:
    """Seconds for all invoices of a condition, from a sample of them, which ids anyhow scattered make."""
    ground.clear()
    books = ground.books
    read = text(
        """select i.id, i.status, i.document_kind, i.due_date, i.amount_due, i.currency, i.customer_id,
                  i.buyer ->> 'name' as customer_name, n.invoice_number
           from billing.invoice i
           join billing.invoice_number n on n.organization_id = i.organization_id and n.invoice_id = i.id
           where i.organization_id = :organization and i.id = :id"""
    )
    write = text(
        """insert into overdue.notification (organization_id, invoice_id, level, as_of, days_overdue, invoice_number,
                                             customer_id, customer_name, amount_due, currency, due_date, execution_id)
           values (:organization, :id, 1, :as_of, :days, :number, :customer, :name, :due, :currency, :due_date,
                   uuidv7())
           on conflict do nothing"""
    )
    with organization_scope(ground.engine, books.organization_id) as connection:
        ids = (
            connection.execute(
                text(f"select i.id from billing.invoice i where {condition} order by hashtext(i.id::text)")
            )
            .scalars()
            .all()
        )
    sample = ids[:sampled]
    started = time.perf_counter()
    with organization_scope(ground.engine, books.organization_id) as connection:
        for invoice_id in sample:
            invoice = connection.execute(read, {"organization": books.organization_id, "id": invoice_id}).one()
            is_open = invoice.status in ("issued", "partially_paid") and invoice.document_kind == "invoice"
            if is_open and invoice.due_date < books.as_of and invoice.amount_due > 0:
                connection.execute(
                    write,
                    {
                        "organization": books.organization_id,
                        "id": invoice.id,
                        "as_of": books.as_of,
                        "days": (books.as_of - invoice.due_date).days,
                        "number": invoice.invoice_number,
                        "customer": invoice.customer_id,
                        "name": invoice.customer_name,
                        "due": invoice.amount_due,
                        "currency": invoice.currency,
                        "due_date": invoice.due_date,
                    },
                )
    return (time.perf_counter() - started) * len(ids) / len(sample)


def _commit(ground: Ground, commits: int, flushed: str) -> float:
    """Milliseconds per transaction that writes a few bytes to the log of PostgreSQL and to no table."""
    with ground.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"set synchronous_commit = {flushed}"))
        started = time.perf_counter()
        for _ in range(commits):
            connection.execute(text("select pg_logical_emit_message(true, 'bench', 'x')"))
        seconds = time.perf_counter() - started
        connection.execute(text("reset synchronous_commit"))
    return 1000 * seconds / commits


@contextmanager
def _ground(size: Size) -> Iterator[tuple[Ground, dict[str, Any]]]:
    with tempfile.TemporaryDirectory(prefix="invoice-pipelines-bench-") as folder:
        own: dict[str, Any] = {"DAGSTER_HOME": Path(folder) / "home", **dict.fromkeys(PLACES)}
        settings = Settings(**own)
        server = embedded_server(settings)
        if server is None:
            raise BenchError("the benchmark works on a server of its own")
        with (
            open_database(settings, application_name="bench") as engine,
            make_ground(server, invoices=size.invoices, overdue=size.overdue) as ground,
        ):
            ground.read_all()
            yield ground, environment(engine)
