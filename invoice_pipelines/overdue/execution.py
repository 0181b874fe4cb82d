"""A run over one organization: finds overdue invoices, notifies, and closes what is settled, batch by batch.

A batch is one transaction with a fixed number of statements: see `notifying.sql`. PostgreSQL does batch after batch
until it is time to report progress. This module keeps other runs out, writes the log, and ends a run that cannot go on.
What all kinds of runs share is in `work.Run`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Row, TextClause, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database.errors import LOCK_NOT_AVAILABLE
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue.errors import AlreadyRunning, refusal_of
from invoice_pipelines.overdue.execution_log import ExecutionReport, report_from
from invoice_pipelines.work import Progress, Run
from invoice_pipelines.work.failures import reason_of

log = logging.getLogger(__name__)

BATCH_SIZE = 100
"""Notifications per transaction, unless a run is given another number."""
LARGEST_BATCH_SIZE = 100_000
PROGRESS_SECONDS = 0.5
"""For so long a run does batches without a word; also how long a killed one may go on."""
_LEASE = timedelta(seconds=5)
"""The shortest time that settings allow a transaction to do nothing."""

T = TypeVar("T")


def notify_overdue(
    organization: OrganizationContext,
    *,
    now: datetime | None = None,
    as_of: date | None = None,
    batch_size: int = BATCH_SIZE,
    run_id: UUID | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    progress_seconds: float = PROGRESS_SECONDS,
) -> ExecutionReport:
    """Makes the notifications that are missing in an organization and closes those of invoices that are settled.

    An invoice is overdue if it was due before the day `as_of` and is not paid, credited or void. `as_of` is today in
    the time zone of the organization, at the instant `now` (with a time zone; the database's clock if None), or an
    earlier day; payments are taken as they stand, whatever the day. `batch_size` notifications are one transaction.
    `run_id` is kept in the log, for runs over several organizations. `on_progress` is told after the first batch that
    ends `progress_seconds` or more after it was told last; with 0 after each. Its figures are `batches`, `created`,
    `reopened`, `closed` and `errors`.

    Two runs never work on the same organization: the later one raises AlreadyRunning. Raises OverdueError, before
    anything is done, for a day that is still to come; ValueError for a time without zone or a wrong batch size. Any
    other exception is one that no run can get around, as when the database went away; the log then says FAILED, what
    was done is kept, and the next run does the rest.
    """
    if now is not None and now.tzinfo is None:
        raise ValueError("now needs a time zone.")
    if not 1 <= batch_size <= LARGEST_BATCH_SIZE:
        raise ValueError(f"batch_size is {batch_size}; it must be between 1 and {LARGEST_BATCH_SIZE}.")
    run = Run(
        organization.engine,
        organization.id,
        (),
        lease=_LEASE,
        time_box=timedelta.max,
        on_progress=on_progress,
        count_due=lambda: (0, None),  # nobody knows before it has looked
    )
    with _alone(organization) as alone:
        execution = _Execution(organization, run, alone, batch_size, progress_seconds)
        execution.open(now, as_of, run_id)
        return execution.work()


@dataclass
class _Alone:
    """Keeps other runs away from the organization for as long as a transaction of its own stays open.

    A transaction, not a session, so that it goes through a pooler that gives each transaction another session. It ends
    with the process, however that ends. It changes nothing and reads nothing, so that it keeps nothing from being
    vacuumed. Who lost it has its row in the log closed by the next run, after which its batches are refused.
    """

    connection: Connection

    def extend(self, _: Connection, __: timedelta) -> None:
        """Keeps PostgreSQL from taking it for one that stands still; see work.Held."""
        self.connection.execute(text("select"))


@contextmanager
def _alone(organization: OrganizationContext) -> Iterator[_Alone]:
    lock = text("select pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
    with organization.engine.connect() as connection:
        try:
            if not connection.execute(lock, {"key": f"overdue {organization.id}"}).scalar_one():
                raise AlreadyRunning(organization.id)
            yield _Alone(connection)
        finally:
            with suppress(DBAPIError):  # its session may be gone
                connection.rollback()


@dataclass
class _Execution:
    """One run that has its organization for itself."""

    organization: OrganizationContext
    run: Run
    alone: _Alone
    batch_size: int
    progress_seconds: float

    def open(self, now: datetime | None, as_of: date | None, run_id: UUID | None) -> None:
        """Opens its row in the log."""
        with self.run.scope() as connection:
            try:
                opened = connection.execute(
                    text(
                        """select * from overdue.open_execution(
                               coalesce(cast(:now as timestamptz), now()), cast(:as_of as date), :batch_size,
                               cast(:run_id as uuid))"""
                    ),
                    {"now": now, "as_of": as_of, "batch_size": self.batch_size, "run_id": run_id},
                ).one()
            except DBAPIError as error:
                raise refusal_of(error) or error from None
        self._execution: UUID = opened.execution
        self._as_of: date = opened.as_of
        if opened.died:
            log.warning("organization %s: %d earlier run(s) died; closed as FAILED", self.organization.id, opened.died)
        log.info("organization %s: looking for invoices overdue as of %s", self.organization.id, self._as_of)

    def work(self) -> ExecutionReport:
        """All batches, and the end of the log's row. What keeps it from getting there is in the log as well."""
        try:
            self.run.work(self._steps)
            row = self._again(self._finish)
        except BaseException as error:  # also when the process is asked to stop
            reason = reason_of(error).message if isinstance(error, Exception) else "The run was interrupted."
            log.error("organization %s: the run failed: %s", self.organization.id, reason)
            with suppress(DBAPIError), self.run.scope() as connection:
                connection.execute(
                    text("select overdue.fail_execution(:execution, :reason)"),
                    {"execution": self._execution, "reason": reason},
                )
            raise
        report = report_from(row)
        log.log(
            logging.WARNING if report.error_count else logging.INFO,
            "organization %s: %s, %d overdue, %d notifications made, %d opened again, %d closed, %d errors in %s s",
            *(self.organization.id, report.status, report.overdue_count, report.created_count),
            *(report.reopened_count, report.closed_count, report.error_count, report.duration_seconds),
        )
        return report

    def _steps(self) -> Iterator[None]:
        self.run.hold(self.alone)
        # The procedures commit by themselves, which only a session without a transaction lets them.
        with self.organization.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            yield from self._notify(session)
            yield from self._close(session)

    def _notify(self, session: Connection) -> Iterator[None]:
        statement = text(
            """call overdue.notify_batches(:organization, :execution, :as_of, cast(:levels as integer[]),
                   cast(:channels as text[]), :batch_size, :seconds, false, 0, 0, 0, '[]', :level, :due, :id)"""
        )
        wanted = self.organization.organization.settings
        levels, channels = list(wanted.overdue_levels), list(wanted.overdue_channels)
        values = {"as_of": self._as_of, "levels": levels, "channels": channels}
        for done in self._batches_of(session, statement, values):
            for failure in done.failures:
                log.warning(
                    "organization %s: no notification for invoice %s, level %s: %s",
                    self.organization.id,
                    failure["invoice_number"] or failure["invoice_id"],
                    failure["level"],
                    failure["reason"],
                )
            self._count(batches=done.batches, created=done.created, reopened=done.reopened, errors=len(done.failures))
            if done.batches:
                yield

    def _close(self, session: Connection) -> Iterator[None]:
        statement = text(
            """call overdue.close_batches(:organization, :execution, :batch_size, :seconds, false, 0, 0, :level, :due,
                   :id)"""
        )
        for done in self._batches_of(session, statement, {}):
            self._count(batches=done.batches, closed=done.closed)
            if done.batches:
                yield

    def _batches_of(self, session: Connection, statement: TextClause, values: dict[str, Any]) -> Iterator[Row[Any]]:
        """Calls a procedure that does batches until it says that none is left; what it did each time."""
        values = {
            "organization": self.organization.id,
            "execution": self._execution,
            "batch_size": self.batch_size,
            "seconds": self.progress_seconds,
            "level": 0,
            "due": date.min,
            "id": UUID(int=0),
        } | values
        is_done = False
        while not is_done:
            done = self._again(partial(session.execute, statement, values)).one()
            yield done
            values |= {"level": done.last_level, "due": done.last_due, "id": done.last_id}
            is_done = done.is_done

    def _finish(self) -> Row[Any]:
        with self.run.scope() as connection:
            return connection.execute(
                text("select * from overdue.finish_execution(:execution)"), {"execution": self._execution}
            ).one()

    def _again(self, transactions: Callable[[], T]) -> T:
        """Repeats transactions where that may help."""
        try:
            return self.run.again(transactions, also=(LOCK_NOT_AVAILABLE,))
        except DBAPIError as error:
            raise refusal_of(error) or error from None

    def _count(self, **figures: int) -> None:
        self.run.tally.add("failed", figures.get("errors", 0))
        self.run.tally.add("succeeded", sum(figures.get(name, 0) for name in ("created", "reopened", "closed")))
        for name, number in figures.items():
            self.run.tally.add_figure(name, number)
        if figures["batches"]:
            log.debug("organization %s: %s", self.organization.id, dict(self.run.tally.figures))
