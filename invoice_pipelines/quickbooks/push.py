"""Holds the push of an organization: its threads, their heartbeat, and what it reports.

    report = push(engine, settings, organization_id, EntityType.INVOICE, time_box=timedelta(minutes=30))

What one thread does is in `sending`. Entries come from change capture (capture.sql) and from batch jobs; both say "look
at it", and what is done follows from the present state.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.accounts import find_accounts
from invoice_pipelines.quickbooks.batches import extend_batches
from invoice_pipelines.quickbooks.client import LARGEST_BATCH, QuickBooks
from invoice_pipelines.quickbooks.composing import WAITS, Hints
from invoice_pipelines.quickbooks.connections import find_connection
from invoice_pipelines.quickbooks.faults import Fault, QuickBooksError, RealmPaused
from invoice_pipelines.quickbooks.rate import Limits
from invoice_pipelines.quickbooks.sending import FORGOTTEN_AFTER, REST, Sender
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Claim, Failed, LeaseLost, Outcome, Skipped, Succeeded, enqueue

log = logging.getLogger(__name__)

PUSHED = tuple(KINDS)
"""In the order in which others refer to them."""

_LARGEST_SAMPLE = 20
_SECONDS_BETWEEN_PROGRESS = 1.0
_GROWS_BY = 5
_UNANSWERED = 2
"""So many calls in a row without an answer are not the fault of one of them."""


@dataclass(frozen=True, slots=True)
class PushFailure:
    """An entry that failed. `is_final` is False if it will be tried again."""

    code: str
    message: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class PushProgress:
    """How far a push is. `due` is how many entries were to do when that was last counted."""

    done: int
    due: int
    seconds: float
    items_per_second: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did, in entries of the queue.

    `unchanged` needed no call, `skipped` are none of QuickBooks' business; `retried` failed and are tried again,
    `waiting` wait for their customer or an item; `released` were given back undone. `resent` counts batches that were
    found unanswered. `ended` says why: `empty`, `time box`, `asked to stop`, or why the company is paused.
    """

    created: int
    updated: int
    voided: int
    unchanged: int
    skipped: int
    failed: int
    retried: int
    waiting: int
    released: int
    batches: int
    resent: int
    seconds: float
    items_per_second: float
    failures: tuple[PushFailure, ...]
    due: int
    oldest_due_at: datetime | None
    ended: str

    @property
    def pushed(self) -> int:
        """Entries that changed something in QuickBooks."""
        return self.created + self.updated + self.voided

    @property
    def done(self) -> int:
        """Entries that need no more work."""
        return self.pushed + self.unchanged + self.skipped + self.failed


def push(
    engine: Engine,
    settings: Settings,
    organization_id: UUID,
    entity: EntityType,
    *,
    limits: Limits | None = None,
    time_box: timedelta,
    on_progress: Callable[[PushProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> PushReport:
    """Sends what waits of an entity until nothing is left, the time is up or `should_stop()` says so.

    What was sent and not answered comes first, as it was. Any number of pushes may run at once. Where the company
    cannot be reached any more, what is left is given back and the report says so; raises RealmPaused where that is so
    from the start, and QuickBooksError without a connection.
    """
    with QuickBooks(engine, settings, organization_id, limits=limits) as quickbooks:
        shared = Shared(
            engine, settings, organization_id, quickbooks, entity, limits or Limits.of(settings), time_box, should_stop
        )
        return shared.run(settings.quickbooks_parallel_calls, on_progress)


def push_all(
    engine: Engine,
    settings: Settings,
    organization_id: UUID,
    *,
    limits: Limits | None = None,
    time_box: timedelta,
    on_progress: Callable[[PushProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[EntityType, PushReport]:
    """Pushes customers, items and invoices, in this order; see push."""
    started = time.monotonic()
    reports = {}
    for entity in PUSHED:
        left = max(time_box - timedelta(seconds=time.monotonic() - started), timedelta(0))
        reports[entity] = push(
            engine,
            settings,
            organization_id,
            entity,
            limits=limits,
            time_box=left,
            on_progress=on_progress,
            should_stop=should_stop,
        )
    return reports


def enqueue_backlog(
    connection: Connection, entity: EntityType, *, created_by: str = "push of the backlog"
) -> UUID | None:
    """Asks for all of the organization in scope that QuickBooks never had, as one batch job; None: nothing is missing.

    Raises QuickBooksError without a connection.
    """
    connected = find_connection(connection)
    if connected is None or connected.status == "disconnected":
        raise QuickBooksError("The organization is not connected with QuickBooks; `quickbooks connect` does that.")
    job: UUID | None = connection.execute(
        text("select quickbooks.enqueue_backlog(:realm, :entity, :creator)"),
        {"realm": connected.realm_id, "entity": entity.value, "creator": created_by},
    ).scalar_one()
    return job


class Shared:
    """What the threads of a push have in common. Thread safe."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        organization_id: UUID,
        quickbooks: QuickBooks,
        entity: EntityType,
        limits: Limits,
        time_box: timedelta,
        should_stop: Callable[[], bool] | None,
        needed: Collection[UUID] = frozenset(),
    ) -> None:
        self.engine = engine
        self.organization_id = organization_id
        self.quickbooks = quickbooks
        self.entity = entity
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.rest = min(REST, limits.minute / 3)
        self.forgotten_after = FORGOTTEN_AFTER
        self.hints = Hints(needed=needed)
        self._settings = settings
        self._limits = limits
        self._time_box = time_box
        self._should_stop = should_stop
        self._started = time.monotonic()
        self._largest = min(settings.quickbooks_batch_size, LARGEST_BATCH)
        self._size = self._largest
        self._lock = threading.Lock()
        self._bringing = threading.Lock()
        self._claims: dict[UUID, Claim] = {}
        self._batches: set[UUID] = set()
        self._counts: Counter[str] = Counter()
        self._failures: list[PushFailure] = []
        self._ended: str | None = None
        self._error: BaseException | None = None
        self._unanswered = 0
        self._stopping = threading.Event()

    def run(self, threads: int, on_progress: Callable[[PushProgress], None] | None = None) -> PushReport:
        """Drains the queue with so many threads, while this one keeps their leases."""
        if self.entity is EntityType.ITEM and self._due()[0] > 0:
            self.hints.accounts = find_accounts(self.quickbooks)
        # All wait until what was unanswered is sent, as its entries would be found to be under way.
        start = threading.Barrier(threads)
        workers = [threading.Thread(target=self._work, args=(start,), name=f"push-{n}") for n in range(threads)]
        for worker in workers:
            worker.start()
        extended = told = time.monotonic()
        due = self._due()[0] if on_progress is not None else 0
        try:
            while any(worker.is_alive() for worker in workers):
                next(worker for worker in workers if worker.is_alive() or worker is workers[-1]).join(0.05)
                now = time.monotonic()
                if now - extended > self.lease.total_seconds() / 3:
                    self._extend()
                    extended = now
                if on_progress is not None and now - told > _SECONDS_BETWEEN_PROGRESS:
                    on_progress(self._progress(due))
                    told = now
        except BaseException:
            self._stopping.set()
            for worker in workers:
                worker.join()
            raise
        if self._error is not None:
            raise self._error
        report = self._report()
        if on_progress is not None:
            on_progress(self._progress(report.done + report.due))
        return report

    def _work(self, start: threading.Barrier) -> None:
        sender = Sender(self)
        try:
            while not self._is_over() and sender.send_open():
                pass
            start.wait()
            while not self._is_over():
                if not sender.turn():
                    return
        except threading.BrokenBarrierError:
            return
        except RealmPaused as paused:
            self._end(f"paused: {paused}")
            start.abort()
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            with self._lock:
                self._error = self._error or error
            self._stopping.set()
            start.abort()

    def _is_over(self) -> bool:
        if self._stopping.is_set():
            return True
        if self._should_stop is not None and self._should_stop():
            self._end("asked to stop")
        elif time.monotonic() - self._started >= self._time_box.total_seconds():
            self._end("time box")
        return self._stopping.is_set()

    def _end(self, reason: str) -> None:
        with self._lock:
            self._ended = self._ended or reason
        self._stopping.set()

    def _extend(self) -> None:
        with self._lock:
            claims, batches = list(self._claims.values()), list(self._batches)
        for claimed in claims:
            # What is not held any more has an outcome, or was taken away: that is found out when it is finished.
            with (
                suppress(LeaseLost, SQLAlchemyError),
                organization_scope(self.engine, self.organization_id) as connection,
            ):
                _extend_what_is_held(connection, claimed, self.lease)
        if batches:
            with suppress(SQLAlchemyError), organization_scope(self.engine, self.organization_id) as connection:
                extend_batches(connection, batches, self.lease)

    def hold(self, claims: Iterable[Claim]) -> None:
        """Keeps the leases of claims from now on."""
        with self._lock:
            self._claims.update({claimed.lease_token: claimed for claimed in claims})

    def let_go(self, claims: Iterable[Claim]) -> None:
        """Does not keep them any more."""
        with self._lock:
            for claimed in claims:
                self._claims.pop(claimed.lease_token, None)

    def hold_batch(self, batch_id: UUID) -> None:
        """Keeps the lease of a batch that is being sent."""
        with self._lock:
            self._batches.add(batch_id)

    def let_go_batch(self, batch_id: UUID) -> None:
        """Does not keep it any more."""
        with self._lock:
            self._batches.discard(batch_id)

    def batch_size(self) -> int:
        """How many entries the next batch takes."""
        with self._lock:
            return self._size

    def shrink(self) -> None:
        """A batch got no answer in time, or was refused as a whole: new ones are half as large."""
        with self._lock:
            self._size = max(1, self._size // 2)

    def answered(self) -> None:
        """A batch was answered: new ones grow."""
        with self._lock:
            self._unanswered = 0
            self._size = min(self._largest, self._size + _GROWS_BY)

    def went_unanswered(self, fault: Fault) -> None:
        """A call was given up. After another one without an answer in between, the company counts as out of reach:
        all that waits would only be sent in vain, and become many batches of which nobody knows what they did.
        """
        with self._lock:
            self._unanswered += 1
            is_out_of_reach = self._unanswered >= _UNANSWERED
        if is_out_of_reach:
            self._end(f"out of reach: {fault}")

    def pause(self, attempt: int) -> None:
        """Between two attempts of the same call: a second, two, three (scaled with the minute of the limits)."""
        self._stopping.wait(attempt * self._limits.minute.total_seconds() / 60)

    def bring(self, missing: Iterable[tuple[EntityType, UUID]]) -> None:
        """Brings customers and items that an invoice needs to QuickBooks first; one thread does it for all."""
        wanted: dict[EntityType, set[UUID]] = {}
        for entity, local_id in missing:
            wanted.setdefault(entity, set()).add(local_id)
        with self._bringing:
            for entity in PUSHED:
                if entity not in wanted:
                    continue
                self.enqueue(wanted[entity], entity)
                left = max(self._time_box.total_seconds() - (time.monotonic() - self._started), 0)
                others = Shared(
                    self.engine,
                    self._settings,
                    self.organization_id,
                    self.quickbooks,
                    entity,
                    self._limits,
                    timedelta(seconds=left),
                    self._stopping.is_set,
                    frozenset(wanted[entity]),
                )
                try:
                    report = others.run(self._settings.quickbooks_parallel_calls)
                except Fault as fault:
                    log.warning("The %ss that invoices need could not be brought: %s", entity.value, fault)
                    continue
                with self._lock:
                    self._counts["batches"] += report.batches

    def enqueue(self, local_ids: Iterable[UUID], entity: EntityType | None = None) -> None:
        """Puts records into the queue, to be looked at (again)."""
        with organization_scope(self.engine, self.organization_id) as connection:
            enqueue(connection, KINDS[entity or self.entity], sorted(map(str, local_ids)))

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Counts entries that have an outcome."""
        with self._lock:
            for outcome in outcomes:
                match outcome:
                    case Succeeded(result):
                        self._counts[str((result or {}).get("operation"))] += 1
                    case Skipped():
                        self._counts["skipped"] += 1
                    case Failed(code, message, retry):
                        self._counts["waiting" if code == WAITS else "retried" if retry else "failed"] += 1
                        if len(self._failures) < _LARGEST_SAMPLE:
                            self._failures.append(PushFailure(code, message, not retry))

    def count_released(self, released: int) -> None:
        """Counts entries that were given back."""
        with self._lock:
            self._counts["released"] += released

    def count_batch(self) -> None:
        """Counts a batch that was answered."""
        with self._lock:
            self._counts["batches"] += 1

    def count_resent(self) -> None:
        """Counts a batch that was found unanswered."""
        with self._lock:
            self._counts["resent"] += 1

    def _done(self) -> int:
        return sum(self._counts[name] for name in ("create", "update", "void", "none", "skipped", "failed"))

    def _progress(self, due_at_start: int) -> PushProgress:
        seconds = time.monotonic() - self._started
        done = self._done()
        rate, due = done / max(seconds, 1e-6), max(due_at_start - done, 0)
        return PushProgress(done, due, seconds, rate, due / rate if rate > 0 else None)

    def _due(self) -> tuple[int, datetime | None]:
        with organization_scope(self.engine, self.organization_id) as connection:
            row = connection.execute(
                text(
                    """select count(*) as due, min(available_at) as oldest from work.batch_item
                       where organization_id = current_setting('app.organization_id')::uuid and kind = :kind
                         and status = 'pending' and available_at <= now()"""
                ),
                {"kind": KINDS[self.entity]},
            ).one()
        return row.due, row.oldest

    def _report(self) -> PushReport:
        seconds, counts = time.monotonic() - self._started, self._counts
        due, oldest = self._due()
        return PushReport(
            created=counts["create"],
            updated=counts["update"],
            voided=counts["void"],
            unchanged=counts["none"],
            skipped=counts["skipped"],
            failed=counts["failed"],
            retried=counts["retried"],
            waiting=counts["waiting"],
            released=counts["released"],
            batches=counts["batches"],
            resent=counts["resent"],
            seconds=seconds,
            items_per_second=self._done() / max(seconds, 1e-6),
            failures=tuple(self._failures),
            due=due,
            oldest_due_at=oldest,
            ended=self._ended or "empty",
        )


def _extend_what_is_held(connection: Connection, claimed: Claim, lease: timedelta) -> None:
    connection.execute(
        text("select work.extend_lease(:token, cast(:ids as uuid[]), :lease)"),
        {"token": claimed.lease_token, "ids": [item.id for item in claimed.items], "lease": lease},
    )
