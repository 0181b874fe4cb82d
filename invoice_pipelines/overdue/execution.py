"""Holds a run: it looks for what is overdue in one organization, notifies, and closes what is settled, batch by batch.

What happens in a batch is in `notifying.sql`: one transaction, a fixed number of statements. PostgreSQL does batch
after batch until it is time to tell what was done. Here is what goes around it: the lock, the log, and what to do when
a batch or the run cannot go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Row, TextClause, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.organizations import OrganizationSettings
from invoice_pipelines.overdue.errors import AlreadyRunning, OverdueError, refusal_of
from invoice_pipelines.overdue.execution_log import ExecutionReport, report_from
from invoice_pipelines.work.failures import reason_of

log = logging.getLogger(__name__)

BATCH_SIZE = 100
"""Notifications per transaction, unless a run is given another number."""
LARGEST_BATCH_SIZE = 100_000
PROGRESS_SECONDS = 0.5
"""For so long a run does batches without a word; also how long a killed one may go on."""

_TRANSIENT = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available: nothing was done, and it may work the next time."""
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run did so far."""

    batches: int
    created: int
    reopened: int
    closed: int
    errors: int
    seconds: float


def notify_overdue(
    engine: Engine,
    organization_id: UUID,
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
    ends `progress_seconds` or more after it was told last; with 0 after each.

    Two runs never work on the same organization: the later one raises AlreadyRunning. Raises OverdueError, before
    anything is done, for a day that is still to come or wrong settings; ValueError for a time without zone or a wrong
    batch size. Any other exception is one that no run can get around, as when the database went away; the log then says
    FAILED, what was done is kept, and the next run does the rest.
    """
    if now is not None and now.tzinfo is None:
        raise ValueError("now needs a time zone.")
    if not 1 <= batch_size <= LARGEST_BATCH_SIZE:
        raise ValueError(f"batch_size is {batch_size}; it must be between 1 and {LARGEST_BATCH_SIZE}.")
    with _lock(engine, organization_id) as session:
        return _Run(
            engine, session, organization_id, now, as_of, batch_size, run_id, on_progress, progress_seconds
        ).work()


@contextmanager
def _lock(engine: Engine, organization_id: UUID) -> Iterator[Connection]:
    """Holds the organization for the block; gives the session that does, which commits each statement.

    The lock belongs to the session, so that it outlasts the transactions of the batches and ends with the process. The
    batches are done in the same session: one that lost the lock can do nothing any more.
    """
    key = {"key": f"overdue {organization_id}"}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text("select pg_try_advisory_lock(hashtextextended(:key, 0))"), key).scalar_one():
            raise AlreadyRunning(organization_id)
        try:
            yield connection
        finally:
            if not connection.invalidated:  # otherwise the session is gone, and the lock with it
                try:
                    connection.execute(text("select pg_advisory_unlock(hashtextextended(:key, 0))"), key)
                except DBAPIError:
                    connection.invalidate()  # it must not go back to the pool with the lock


class _Run:
    """One run under the lock of its organization."""

    def __init__(
        self,
        engine: Engine,
        session: Connection,
        organization_id: UUID,
        now: datetime | None,
        as_of: date | None,
        batch_size: int,
        run_id: UUID | None,
        on_progress: Callable[[Progress], None] | None,
        progress_seconds: float,
    ) -> None:
        self._engine = engine
        self._session = session
        self._organization_id = organization_id
        self._batch_size = batch_size
        self._on_progress = on_progress
        self._progress_seconds = progress_seconds
        self._started = time.monotonic()
        self._batches = 0
        self._done = {"created": 0, "reopened": 0, "closed": 0, "errors": 0}
        with organization_scope(engine, organization_id) as connection:
            self._levels, self._channels = _what_the_organization_wants(connection, organization_id)
            try:
                opened = connection.execute(
                    text(
                        """select * from overdue.open_execution(
                               coalesce(cast(:now as timestamptz), now()), cast(:as_of as date), :batch_size,
                               cast(:run_id as uuid))"""
                    ),
                    {"now": now, "as_of": as_of, "batch_size": batch_size, "run_id": run_id},
                ).one()
            except DBAPIError as error:
                raise refusal_of(error) or error from None
        self._execution: UUID = opened.execution
        self._as_of: date = opened.as_of
        if opened.died:
            log.warning("organization %s: %d earlier run(s) died; closed as FAILED", organization_id, opened.died)
        log.info("organization %s: looking for invoices overdue as of %s", organization_id, self._as_of)

    def work(self) -> ExecutionReport:
        """All batches, and the end of the log's row. What keeps it from getting there is in the log as well."""
        try:
            self._notify()
            self._close()
            row = self._try(self._finish)
        except BaseException as error:  # also when the process is asked to stop
            reason = reason_of(error).message if isinstance(error, Exception) else "The run was interrupted."
            log.error("organization %s: the run failed: %s", self._organization_id, reason)
            with suppress(DBAPIError), organization_scope(self._engine, self._organization_id) as connection:
                connection.execute(
                    text("select overdue.fail_execution(:execution, :reason)"),
                    {"execution": self._execution, "reason": reason},
                )
            raise
        report = report_from(row)
        log.log(
            logging.WARNING if report.error_count else logging.INFO,
            "organization %s: %s, %d overdue, %d notifications made, %d opened again, %d closed, %d errors in %s s",
            *(self._organization_id, report.status, report.overdue_count, report.created_count),
            *(report.reopened_count, report.closed_count, report.error_count, report.duration_seconds),
        )
        return report

    def _notify(self) -> None:
        statement = text(
            """call overdue.notify_batches(:organization, :execution, :as_of, cast(:levels as integer[]),
                   cast(:channels as text[]), :batch_size, :seconds, false, 0, 0, 0, '[]', :level, :due, :id)"""
        )
        values = {"as_of": self._as_of, "levels": self._levels, "channels": self._channels}
        for done in self._batches_of(statement, values):
            self._done["created"] += done.created
            self._done["reopened"] += done.reopened
            self._done["errors"] += len(done.failures)
            for failure in done.failures:
                log.warning(
                    "organization %s: no notification for invoice %s, level %s: %s",
                    self._organization_id,
                    failure["invoice_number"] or failure["invoice_id"],
                    failure["level"],
                    failure["reason"],
                )

    def _close(self) -> None:
        statement = text(
            """call overdue.close_batches(:organization, :execution, :batch_size, :seconds, false, 0, 0, :level, :due,
                   :id)"""
        )
        for done in self._batches_of(statement, {}):
            self._done["closed"] += done.closed

    def _batches_of(self, statement: TextClause, values: dict[str, Any]) -> Iterator[Row[Any]]:
        """Calls a procedure that does batches until it says that none is left; what it did each time."""
        values = {
            "organization": self._organization_id,
            "execution": self._execution,
            "batch_size": self._batch_size,
            "seconds": self._progress_seconds,
            "level": 0,
            "due": date.min,
            "id": UUID(int=0),
        } | values
        is_done = False
        while not is_done:
            done = self._try(partial(self._call, statement, values))
            yield done
            self._tell(done.batches)
            values |= {"level": done.last_level, "due": done.last_due, "id": done.last_id}
            is_done = done.is_done

    def _call(self, statement: TextClause, values: dict[str, Any]) -> Row[Any]:
        return self._session.execute(statement, values).one()

    def _finish(self) -> Row[Any]:
        with organization_scope(self._engine, self._organization_id) as connection:
            return connection.execute(
                text("select * from overdue.finish_execution(:execution)"), {"execution": self._execution}
            ).one()

    def _try(self, transaction: Callable[[], Row[Any]]) -> Row[Any]:
        """What is done in transactions, again where that may help."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return transaction()
            except DBAPIError as error:
                if refusal := refusal_of(error):
                    raise refusal from None
                state = getattr(error.orig, "sqlstate", None)
                if state not in _TRANSIENT or attempt == _ATTEMPTS:
                    raise
                log.info("organization %s: a transaction was rolled back (%s); again", self._organization_id, state)
                time.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    def _tell(self, batches: int) -> None:
        if not batches:
            return
        self._batches += batches
        log.debug("organization %s: %d batches, %s", self._organization_id, self._batches, self._done)
        if self._on_progress is not None:
            self._on_progress(Progress(self._batches, **self._done, seconds=time.monotonic() - self._started))


def _what_the_organization_wants(connection: Connection, organization_id: UUID) -> tuple[list[int], list[str]]:
    stored = connection.execute(
        text("select settings from organizations.organization where removed_at is null")
    ).scalar_one_or_none()
    if stored is None:
        raise OverdueError(f"There is no organization {organization_id}, or it was removed.")
    try:
        settings = OrganizationSettings.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "settings"
        raise OverdueError(f"Settings of organization {organization_id}: {field}: {first['msg']}") from None
    return list(settings.overdue_levels), list(settings.overdue_channels)
