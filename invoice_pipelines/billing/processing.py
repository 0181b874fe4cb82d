"""Works through the batch jobs of an organization that ask for invoices, chunk by chunk, and reports what they came to.

A chunk is one transaction with a fixed number of statements: see `issuing.sql`. `work.Run` keeps the time box, and
handles a database that is busy or goes away.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from invoice_pipelines.database.errors import CANNOT_CONNECT_NOW, ENDED_BY_ADMINISTRATOR
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.work import Progress, Report, Run

KINDS = ("invoice_orders", "invoice_customers")
"""Kinds of batch jobs that end in issued invoices."""

CHUNK_SIZE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicingReport(Report):
    """The result of a run: the items by outcome, money per currency, and the numbers given.

    `gross_amounts` are of the invoices issued here. `locked_seconds` is for how long the counter's row was held until
    the end of the statement, over all chunks. `due` counts items of all open jobs of the organization.
    """

    first_number: str | None
    last_number: str | None
    gross_amounts: dict[str, Decimal]
    locked_seconds: float


def process_jobs(
    organization: OrganizationContext,
    *,
    job_id: UUID | None = None,
    chunk_size: int = CHUNK_SIZE,
    time_box: timedelta | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> InvoicingReport:
    """Issues the invoices of the organization's open batch jobs, the oldest first; or of the named one alone.

    Any number of these may run at once, in any number of processes: each takes a job that nobody else works on. A
    process that dies loses the chunk that it was in, and nothing of it was done. `time_box` is by default that of the
    settings.

    Raises OperationalError where PostgreSQL cannot do the work for now: somebody else's transaction holds what a chunk
    needs for longer than `lock_timeout`, or the disk is full. The chunk is undone, and its job stays open.
    """
    run = Run(
        organization.engine,
        organization.id,
        KINDS,
        time_box=organization.time_box if time_box is None else time_box,
        on_progress=on_progress,
        count_due=lambda: (_count_due(organization), None),
    )
    issuing = _Issuing(run, job_id, chunk_size)
    run.work(issuing.steps)
    return issuing.report()


def _count_due(organization: OrganizationContext) -> int:
    with organization.scope() as connection:
        return due_items(connection)


def due_items(connection: Connection) -> int:
    """Items of open invoicing jobs of the organization in scope that are still to do."""
    statement = """select coalesce(sum(total_items - processed_items - cancelled_items), 0) from work.jobs
                   where status in ('pending', 'processing') and kind = any(:kinds)"""
    return int(connection.execute(text(statement), {"kinds": list(KINDS)}).scalar_one())


class _Issuing:
    """The work of one run."""

    def __init__(self, run: Run, job_id: UUID | None, chunk_size: int) -> None:
        self._run = run
        self._job_id = job_id
        self._chunk_size = self._next_size = chunk_size
        self._numbers: list[str] = []
        self._amounts: dict[str, Decimal] = defaultdict(Decimal)
        self._locked_seconds = 0.0

    def steps(self) -> Iterator[None]:
        """Chunk after chunk, until no open job has anything to do."""
        self._record_start()
        times_idle: Counter[UUID] = Counter()
        while True:
            done = self._run.again(self._next_chunk, also=(ENDED_BY_ADMINISTRATOR, CANNOT_CONNECT_NOW))
            # An open job without items to do is closed by that. If it was not, its counts are wrong, as no program of
            # ours leaves them; the clean-up mends them.
            if done.job_id is None or times_idle[done.job_id] > 0:
                return
            self._count(done)
            if done.taken:
                yield
            else:
                times_idle[done.job_id] += 1

    def report(self) -> InvoicingReport:
        """The result so far."""
        return self._run.report(
            InvoicingReport,
            first_number=self._numbers[0] if self._numbers else None,
            last_number=self._numbers[-1] if self._numbers else None,
            gross_amounts=dict(self._amounts),
            locked_seconds=self._locked_seconds,
        )

    def _record_start(self) -> None:
        """Commits that the next job is in work, before its first chunk: the clean-up can then tell a job whose chunks
        kill their workers, and so leave no other trace, from one that waits for its turn.
        """
        with self._run.scope() as connection:
            connection.execute(
                text("select work.take_job(cast(:kinds as text[]), cast(:job_id as uuid))"),
                {"kinds": list(KINDS), "job_id": self._job_id},
            )

    def _next_chunk(self) -> Row[Any]:
        with self._run.scope() as connection:
            return connection.execute(
                text(
                    """select s.*, extract(epoch from clock_timestamp() - s.counter_locked_at) as locked_seconds
                       from billing.issue_next(:chunk_size, :job_id, :first_size) s"""
                ),
                {"chunk_size": self._chunk_size, "job_id": self._job_id, "first_size": self._next_size},
            ).one()

    def _count(self, done: Row[Any]) -> None:
        self._run.tally.took(done.job_id)
        self._next_size = done.next_size
        self._locked_seconds += float(done.locked_seconds or 0)
        for outcome in ("succeeded", "failed", "skipped"):
            self._run.tally.add(outcome, getattr(done, outcome))
        for currency, amount in (done.amounts or {}).items():
            self._amounts[currency] += Decimal(amount)
        self._numbers += [number for number in (done.first_number, done.last_number) if number is not None]
