"""Holds the loop that works through an organization's batch jobs of invoicing, chunk by chunk.

What happens in a chunk is in `issuing.sql`: one transaction, a fixed number of statements. Here is what goes around it:
the time box, progress, and what to do when the database is busy or goes away.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from invoice_pipelines.database import organization_scope

log = logging.getLogger(__name__)

KINDS = ("invoice_orders", "invoice_customers")
"""Kinds of batch jobs that end in issued invoices."""

CHUNK_SIZE = 2000
_TRANSIENT = frozenset({"40001", "40P01", "57P01", "57P03"})
"""Serialization failure, deadlock, server going down or coming up: nothing was done. A lock that was waited for in vain
is not among them: whoever holds it would hold up the next attempts as long again, so the work is left for later.
"""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class InvoicingProgress:
    """How far the work is, after each chunk. `due` items wait in all open jobs of the organization."""

    done: int
    due: int
    seconds: float
    items_per_second: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class InvoicingReport:
    """What was done: items by outcome, money per currency, the numbers given, and how long it took.

    `gross_amounts` are of the invoices issued here. `locked_seconds` is for how long the counter's row was held until
    the end of the statement, over all chunks. `ended` says why: `empty`, `time box` or `asked to stop`.
    """

    succeeded: int
    failed: int
    skipped: int
    jobs: tuple[UUID, ...]
    chunks: int
    first_number: str | None
    last_number: str | None
    gross_amounts: dict[str, Decimal]
    seconds: float
    locked_seconds: float
    due: int
    ended: str

    @property
    def done(self) -> int:
        """Items that need no more work."""
        return self.succeeded + self.failed + self.skipped

    @property
    def items_per_second(self) -> float:
        return self.done / max(self.seconds, 1e-6)


def process_jobs(
    engine: Engine,
    organization_id: UUID,
    *,
    job_id: UUID | None = None,
    chunk_size: int = CHUNK_SIZE,
    time_box: timedelta = timedelta(minutes=30),
    on_progress: Callable[[InvoicingProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> InvoicingReport:
    """Issues the invoices of the organization's open batch jobs, the oldest first; or of the named one alone.

    Any number of these may run at once, in any number of processes: each takes a job that nobody else works on. A
    process that dies loses the chunk that it was in, and nothing of it was done.

    Raises OperationalError where PostgreSQL cannot do the work for now: somebody else's transaction holds what a chunk
    needs for longer than `lock_timeout`, or the disk is full. The chunk is undone, and its job stays open.
    """
    started = time.monotonic()
    counts = {"succeeded": 0, "failed": 0, "skipped": 0}
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    jobs: dict[UUID, None] = {}
    numbers: list[str] = []
    chunks, locked, due = 0, 0.0, 0
    size = chunk_size
    idle: set[UUID] = set()
    _record_start(engine, organization_id, job_id)
    while True:
        seconds = time.monotonic() - started
        if should_stop is not None and should_stop():
            ended = "asked to stop"
            break
        if seconds >= time_box.total_seconds():
            ended = "time box"
            break
        step = _next_chunk(engine, organization_id, job_id, chunk_size, size)
        if step is None:
            ended = "empty"
            break
        if not step.taken:
            # An open job without items to do is closed by that. If it was not, its counts are wrong, as no program of
            # ours leaves them; the clean-up mends them.
            if step.job_id in idle:
                ended = "empty"
                break
            idle.add(step.job_id)
        jobs[step.job_id] = None
        size = step.next_size
        chunks += 1 if step.taken else 0
        locked += step.locked_seconds
        for outcome in counts:
            counts[outcome] += getattr(step, outcome)
        for currency, amount in step.amounts.items():
            amounts[currency] += amount
        numbers += [number for number in (step.first_number, step.last_number) if number is not None]
        if on_progress is not None and step.taken:
            done, seconds = sum(counts.values()), time.monotonic() - started
            rate = done / max(seconds, 1e-6)
            due = count_due(engine, organization_id)
            on_progress(InvoicingProgress(done, due, seconds, rate, due / rate if rate else None))
    return InvoicingReport(
        **counts,
        jobs=tuple(jobs),
        chunks=chunks,
        first_number=numbers[0] if numbers else None,
        last_number=numbers[-1] if numbers else None,
        gross_amounts=dict(amounts),
        seconds=time.monotonic() - started,
        locked_seconds=locked,
        due=count_due(engine, organization_id),
        ended=ended,
    )


def count_due(engine: Engine, organization_id: UUID) -> int:
    """Items of open invoicing jobs that are still to do."""
    with organization_scope(engine, organization_id) as connection:
        return int(
            connection.execute(
                text(
                    """select coalesce(sum(total_items - processed_items - cancelled_items), 0) from work.batch_job
                       where status in ('pending', 'processing') and kind = any(:kinds)"""
                ),
                {"kinds": list(KINDS)},
            ).scalar_one()
        )


def _record_start(engine: Engine, organization_id: UUID, job_id: UUID | None) -> None:
    """Commits that the next job is in work, before its first chunk: the clean-up can then tell a job whose chunks kill
    their workers, and so leave no other trace, from one that waits for its turn.
    """
    with organization_scope(engine, organization_id) as connection:
        connection.execute(
            text("select work.take_job(cast(:kinds as text[]), cast(:job_id as uuid))"),
            {"kinds": list(KINDS), "job_id": job_id},
        )


@dataclass(frozen=True, slots=True)
class _Step:
    job_id: UUID
    taken: int
    succeeded: int
    failed: int
    skipped: int
    first_number: str | None
    last_number: str | None
    amounts: dict[str, Decimal]
    locked_seconds: float
    next_size: int


def _next_chunk(
    engine: Engine, organization_id: UUID, job_id: UUID | None, chunk_size: int, first_size: int
) -> _Step | None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with organization_scope(engine, organization_id) as connection:
                row = connection.execute(
                    text(
                        """select s.*, extract(epoch from clock_timestamp() - s.counter_locked_at) as locked_seconds
                           from billing.issue_next(:chunk_size, :job_id, :first_size) s"""
                    ),
                    {"chunk_size": chunk_size, "job_id": job_id, "first_size": first_size},
                ).one()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in _TRANSIENT or attempt == _ATTEMPTS:
                raise
            log.info("A chunk of invoices was rolled back (%s); attempt %d follows.", error.orig, attempt + 1)
            time.sleep(0.05 * 2**attempt)
            continue
        if row.job_id is None:
            return None
        return _Step(
            job_id=row.job_id,
            taken=row.taken,
            succeeded=row.succeeded,
            failed=row.failed,
            skipped=row.skipped,
            first_number=row.first_number,
            last_number=row.last_number,
            amounts={currency: Decimal(amount) for currency, amount in (row.amounts or {}).items()},
            locked_seconds=float(row.locked_seconds or 0),
            next_size=row.next_size,
        )
    raise AssertionError("unreachable")
