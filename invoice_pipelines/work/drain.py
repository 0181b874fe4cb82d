"""Holds the loop that empties a queue: claim a chunk, do it, commit effects and outcomes together, go on.

What a chunk means is the handler's; the steps are in `leases`. Here is what happens when something goes wrong.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.errors import is_put_off
from invoice_pipelines.work.failures import reason_of
from invoice_pipelines.work.leases import Claim, LeaseLost, claim, finish, heartbeat, release, return_expired
from invoice_pipelines.work.values import Chunk, Failed, Item, ItemStatus, Later, Outcome

log = logging.getLogger(__name__)

Handler = Callable[[Connection, Chunk], Sequence[Outcome]]
"""Does one chunk in the transaction it is given and returns one outcome per item, in the order of `chunk.items`.

The transaction commits the handler's writes and the outcomes together, or neither. Effects outside of the database
must stand being repeated, as a process can die after them and before the commit. A raised exception means that an item
is at fault: the chunk is rolled back and each item is done alone.
"""

_LARGEST_SAMPLE = 20
_SECONDS_BETWEEN_COUNTS = 5.0
_PUT_OFF_FOR = timedelta(minutes=1)


class _PutOff(Exception):
    """A chunk was put off, and the drain is to end with what was the cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that failed in this drain. `final` is False if it will be tried again."""

    subject_id: str
    code: str
    message: str
    final: bool


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """How far a drain is, after each chunk. `due` is about how many items are still to do now; see DrainReport."""

    done: int
    due: int
    seconds: float
    items_per_second: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What a drain did.

    `succeeded`, `skipped` and `failed` are final; `retried` items failed and wait for their next attempt; `cancelled`
    items failed and will not be tried again as their job was cancelled; `lost` items were taken over by another worker
    because the lease ran out, and what this one did to them was rolled back. `failures` is a sample of at most 20.
    `died` counts items of earlier, dead workers that were found. `due` items are left; with `eta_seconds` to do them at
    this rate. `ended` says why: `empty`, `time box` or `asked to stop`.
    """

    succeeded: int
    skipped: int
    failed: int
    retried: int
    cancelled: int
    lost: int
    died: int
    chunks: int
    seconds: float
    items_per_second: float
    failures: tuple[Failure, ...]
    due: int
    eta_seconds: float | None
    ended: str

    @property
    def done(self) -> int:
        """Items that need no more work."""
        return self.succeeded + self.skipped + self.failed


def drain(
    engine: Engine,
    organization_id: UUID,
    kind: str,
    handler: Handler,
    *,
    chunk_size: int = 500,
    lease: timedelta = timedelta(minutes=5),
    time_box: timedelta = timedelta(minutes=30),
    max_attempts: int = 5,
    on_progress: Callable[[DrainProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> DrainReport:
    """Does the due items of a kind until none is left, the time box ends or `should_stop()` says so, chunk by chunk.

    Any number of drains may run at once. `lease` must be longer than a chunk takes, or the handler must call
    `chunk.heartbeat()`. An interrupted drain (KeyboardInterrupt, an end of the run) gives back what it has not
    finished; after a kill the lease has to run out first.

    Raises DBAPIError where PostgreSQL cannot do the work for now, such as when somebody else's transaction holds what
    it needs for longer than `lock_timeout`: the chunk is put off for a minute with the reason; the rest stays due.
    """
    return _Drain(
        engine, organization_id, kind, handler, chunk_size, lease, time_box, max_attempts, on_progress, should_stop
    ).run()


class _Drain:
    """One run of `drain`: what it was asked for, and what it has done so far."""

    def __init__(
        self,
        engine: Engine,
        organization_id: UUID,
        kind: str,
        handler: Handler,
        chunk_size: int,
        lease: timedelta,
        time_box: timedelta,
        max_attempts: int,
        on_progress: Callable[[DrainProgress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._engine = engine
        self._organization_id = organization_id
        self._kind = kind
        self._handler = handler
        self._chunk_size = chunk_size
        self._lease = lease
        self._time_box = time_box
        self._max_attempts = max_attempts
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._counts: Counter[ItemStatus] = Counter()
        self._lost = 0
        self._died = 0
        self._chunks = 0
        self._failures: list[Failure] = []
        self._started = time.monotonic()
        self._due = 0
        self._counted = 0.0

    def run(self) -> DrainReport:
        while True:
            ended = self._ended()
            claimed = None if ended else self._claim()
            if claimed is None:
                return self._report(ended or "empty")
            before = sum(self._counts.values())
            try:
                self._do(claimed)
            except LeaseLost as lost:
                log.warning("%s", lost)
                self._lost += len(claimed.items) - (sum(self._counts.values()) - before)
                self._release(claimed)
            except _PutOff as put_off:
                with suppress(SQLAlchemyError):
                    self._release(claimed, wait="2s")  # those that had not had their turn
                raise put_off.cause from None
            except BaseException:
                with suppress(SQLAlchemyError):
                    self._release(claimed)
                raise
            self._chunks += 1
            if self._on_progress is not None:
                self._on_progress(self._progress(len(claimed.items)))

    def _ended(self) -> str | None:
        if self._should_stop is not None and self._should_stop():
            return "asked to stop"
        return "time box" if self._seconds() >= self._time_box.total_seconds() else None

    def _claim(self) -> Claim | None:
        with organization_scope(self._engine, self._organization_id) as connection:
            self._died += return_expired(connection, self._kind)
        with organization_scope(self._engine, self._organization_id) as connection:
            return claim(
                connection,
                self._kind,
                chunk_size=self._chunk_size,
                lease=self._lease,
                max_attempts=self._max_attempts,
            )

    def _do(self, claimed: Claim) -> None:
        try:
            self._attempt(claimed)
        except (LeaseLost, _PutOff):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the fault of one item
            if is_put_off(error):
                self._put_off(claimed, error)
            elif len(claimed.items) == 1:
                self._fail(claimed, error)
            else:
                log.info("A chunk of %d %s items failed; they are done one by one.", len(claimed.items), self._kind)
                self._one_by_one(claimed)

    def _one_by_one(self, claimed: Claim) -> None:
        extended = time.monotonic()
        for index, item in enumerate(claimed.items):
            if self._ended():
                self._release(claimed)
                return
            if time.monotonic() - extended > self._lease.total_seconds() / 3:
                self._extend(replace(claimed, items=claimed.items[index:]))
                extended = time.monotonic()
            self._do(replace(claimed, items=(item,)))

    def _attempt(self, claimed: Claim) -> None:
        with organization_scope(self._engine, self._organization_id) as connection:

            def heartbeat() -> None:
                self._extend(claimed)
                connection.execute(text("select"))  # or PostgreSQL takes the transaction for one that stands still

            chunk = Chunk(claimed.kind, claimed.job_id, claimed.parameters, claimed.items, heartbeat)
            outcomes = self._handler(connection, chunk)
            statuses = finish(connection, claimed, outcomes)
        self._record(claimed.items, outcomes, statuses)

    def _put_off(self, claimed: Claim, error: Exception) -> None:
        """Leaves the items for later with the reason, which was no attempt, and ends the drain: what held up this
        chunk, a lock or a full disk, would hold up one after the other.
        """
        reason = reason_of(error)
        log.warning("%d %s items are put off: %s", len(claimed.items), self._kind, reason.message)
        later = Later(datetime.now(UTC) + _PUT_OFF_FOR, reason.code, reason.message)
        with (
            suppress(SQLAlchemyError, LeaseLost),  # if they are locked as well, they come back with their lease
            organization_scope(self._engine, self._organization_id) as connection,
        ):
            connection.execute(text("set local lock_timeout = '2s'"))
            finish(connection, claimed, [later] * len(claimed.items))
        raise _PutOff(error)

    def _fail(self, claimed: Claim, error: Exception) -> None:
        reason = reason_of(error)
        log.warning("%s item %s failed: %s", self._kind, claimed.items[0].subject_id, reason.message)
        log.debug("The whole error:", exc_info=error)
        with organization_scope(self._engine, self._organization_id) as connection:
            statuses = finish(connection, claimed, [reason])
        self._record(claimed.items, [reason], statuses)

    def _extend(self, claimed: Claim) -> None:
        with organization_scope(self._engine, self._organization_id) as connection:
            heartbeat(connection, claimed, self._lease)

    def _release(self, claimed: Claim, wait: str | None = None) -> None:
        with organization_scope(self._engine, self._organization_id) as connection:
            if wait is not None:
                connection.execute(text(f"set local lock_timeout = '{wait}'"))
            release(connection, claimed)

    def _record(self, items: Sequence[Item], outcomes: Sequence[Outcome], statuses: Sequence[ItemStatus]) -> None:
        for item, outcome, status in zip(items, outcomes, statuses, strict=True):
            self._counts[status] += 1
            if isinstance(outcome, Failed) and len(self._failures) < _LARGEST_SAMPLE:
                final = status is not ItemStatus.PENDING
                self._failures.append(Failure(item.subject_id, outcome.code, outcome.message, final))

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _done(self) -> int:
        return sum(self._counts[s] for s in (ItemStatus.SUCCEEDED, ItemStatus.SKIPPED, ItemStatus.FAILED))

    def _rate(self) -> float:
        return sum(self._counts.values()) / max(self._seconds(), 1e-6)

    def _eta(self) -> float | None:
        rate = self._rate()
        return self._due / rate if rate > 0 else None

    def _progress(self, items: int) -> DrainProgress:
        if self._chunks == 1 or time.monotonic() - self._counted > _SECONDS_BETWEEN_COUNTS:
            self._count_due()
        else:
            self._due = max(0, self._due - items)
        return DrainProgress(self._done(), self._due, self._seconds(), self._rate(), self._eta())

    def _count_due(self) -> None:
        with organization_scope(self._engine, self._organization_id) as connection:
            self._due = connection.execute(
                text(
                    """select count(*) from work.batch_item
                       where kind = :kind and status = 'pending' and available_at <= now()"""
                ),
                {"kind": self._kind},
            ).scalar_one()
        self._counted = time.monotonic()

    def _report(self, ended: str) -> DrainReport:
        seconds, rate = self._seconds(), self._rate()
        self._count_due()
        return DrainReport(
            succeeded=self._counts[ItemStatus.SUCCEEDED],
            skipped=self._counts[ItemStatus.SKIPPED],
            failed=self._counts[ItemStatus.FAILED],
            retried=self._counts[ItemStatus.PENDING],
            cancelled=self._counts[ItemStatus.CANCELLED],
            lost=self._lost,
            died=self._died,
            chunks=self._chunks,
            seconds=seconds,
            items_per_second=rate,
            failures=tuple(self._failures),
            due=self._due,
            eta_seconds=self._eta(),
            ended=ended,
        )
