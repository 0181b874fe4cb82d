"""What the threads of a push have in common: leases, the size of the next batch, what is under way, when it ends.

What a thread does in its turn is in `sending`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.api.client import LARGEST_BATCH, QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault, RealmPaused
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.invoices.accounts import find_accounts
from invoice_pipelines.quickbooks.push.batches import Batch
from invoice_pipelines.quickbooks.push.composing import Hints
from invoice_pipelines.quickbooks.push.open_batches import extend_batches, is_aside
from invoice_pipelines.quickbooks.push.report import PushProgress, PushReport, Tally
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Claim, Failed, Later, LeaseLost, Outcome, enqueue

log = logging.getLogger(__name__)

REST = timedelta(seconds=20)
"""How long a batch rests before it is sent again."""
REST_ASIDE = timedelta(minutes=10)
"""How long one that was set aside does."""
FORGOTTEN_AFTER = timedelta(hours=20)
"""QuickBooks may have forgotten a request id by then (24 hours are told): what was done is looked up instead."""

_SECONDS_BETWEEN_PROGRESS = 1.0
_SECONDS_BETWEEN_LOOKS = 0.2
_BUSY = timedelta(seconds=1)
_GROWS_BY = 5


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
        new_turn: Callable[[Shared], Callable[[], bool]],
        needed: Collection[UUID] = frozenset(),
    ) -> None:
        """`new_turn` gives each thread what it does, over and over until it says False."""
        self.engine = engine
        self.organization_id = organization_id
        self.quickbooks = quickbooks
        self.entity = entity
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.rest = min(REST, limits.minute / 3)
        self.rest_aside = min(REST_ASIDE, limits.minute * 10)
        self.forgotten_after = FORGOTTEN_AFTER
        self.hints = Hints(needed=needed)
        self.tally = Tally(limits.batches_per_minute, limits.minute_window.total_seconds())
        self.looking = threading.Lock()  # for what must be answered first; see Sender
        self._settings = settings
        self._limits = limits
        self._time_box = time_box
        self._should_stop = should_stop
        self._new_turn = new_turn
        self._largest = min(settings.quickbooks_batch_size, LARGEST_BATCH)
        self._size = self._largest
        self._lock = threading.Lock()
        self._bringing = threading.Lock()
        self._claims: dict[UUID, Claim] = {}
        self._batches: dict[UUID, Batch] = {}
        self._kept: set[UUID] = set()
        self._keeping = threading.Lock()
        self._let_go = threading.Condition(self._lock)
        self._ended: str | None = None
        self._error: BaseException | None = None
        self._unanswered: Fault | None = None
        self._stopping = threading.Event()
        self._busy_until = 0.0

    def run(self, threads: int, on_progress: Callable[[PushProgress], None] | None = None) -> PushReport:
        """Drains the queue with so many threads, while this one keeps their leases."""
        if self.entity is EntityType.ITEM and self._due()[0] > 0:
            self.hints.accounts = find_accounts(self.quickbooks)
        workers = [threading.Thread(target=self._work, name=f"push-{n}") for n in range(threads)]
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
                    on_progress(self.tally.progress(due, self.batch_size()))
                    told = now
        except BaseException:
            self._stopping.set()
            for worker in workers:
                worker.join()
            raise
        if self._error is not None:
            raise self._error
        report = self.tally.report(*self._due(), self._ended or "empty")
        if on_progress is not None:
            on_progress(self.tally.progress(report.done + report.due, self.batch_size()))
        return report

    def _work(self) -> None:
        turn = self._new_turn(self)
        try:
            while not self.is_over() and turn():
                pass
        except RealmPaused as paused:
            self._end(f"paused: {paused}")
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            with self._lock:
                self._error = self._error or error
            self._stopping.set()

    def is_over(self) -> bool:
        """Whether nothing more is to be begun."""
        if self._stopping.is_set():
            return True
        if self._should_stop is not None and self._should_stop():
            self._end("asked to stop")
        elif self.tally.seconds() >= self._time_box.total_seconds():
            self._end("time box")
        return self._stopping.is_set()

    def _end(self, reason: str) -> None:
        with self._lock:
            self._ended = self._ended or reason
        self._stopping.set()

    def _extend(self) -> None:
        with self._lock:
            claims = list(self._claims.values())
        for claimed in claims:
            # What is not held any more has an outcome, or was taken away: that is found out when it is finished.
            with (
                suppress(LeaseLost, SQLAlchemyError),
                organization_scope(self.engine, self.organization_id) as connection,
            ):
                _extend_what_is_held(connection, claimed, self.lease)
        with self._keeping:
            if self._kept:
                with suppress(SQLAlchemyError), organization_scope(self.engine, self.organization_id) as connection:
                    extend_batches(connection, self._kept, self.lease)

    def hold(self, claims: Iterable[Claim]) -> None:
        """Keeps the leases of claims from now on."""
        with self._lock:
            self._claims.update({claimed.lease_token: claimed for claimed in claims})

    def let_go(self, claims: Iterable[Claim]) -> None:
        """Does not keep them any more."""
        with self._lock:
            for claimed in claims:
                self._claims.pop(claimed.lease_token, None)

    def hold_batch(self, batch: Batch) -> None:
        """Keeps the lease of a batch that is being sent."""
        with self._keeping:
            self._kept.add(batch.id)
        with self._lock:
            self._batches[batch.id] = batch

    def stop_keeping(self, batch: Batch) -> None:
        """Does not keep its lease any more, so that it may be given another one; it is not let go yet."""
        with self._keeping:
            self._kept.discard(batch.id)

    def let_go_batch(self, batch: Batch) -> None:
        """It is answered, or rests."""
        self.stop_keeping(batch)
        with self._lock:
            self._batches.pop(batch.id, None)
            self._let_go.notify_all()

    def is_sending(self) -> bool:
        """Whether this push sends anything for which others may have to wait."""
        with self._lock:
            return any(not is_aside(batch) for batch in self._batches.values())

    def is_sending_aside(self) -> bool:
        """Whether this push sends something again that was set aside."""
        with self._lock:
            return any(is_aside(batch) for batch in self._batches.values())

    def wait_for_answer(self) -> None:
        """Waits until a thread of this push is through with a batch, or for a moment."""
        with self._lock:
            self._let_go.wait(_SECONDS_BETWEEN_LOOKS)

    def end_held_up(self, since: datetime) -> None:
        """Ends the push, as what must be answered first rests, or is sent by another push."""
        with self._lock:
            unanswered = self._unanswered
        if unanswered is not None:
            self._end(f"out of reach: {unanswered}")
        else:
            at = f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
            self._end(f"held up: what was sent at {at} has no answer yet and is sent again first")

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
        self.heard()
        with self._lock:
            self._size = min(self._largest, self._size + _GROWS_BY)

    def heard(self) -> None:
        """The company answers."""
        with self._lock:
            self._unanswered = None

    def went_unanswered(self, fault: Fault) -> None:
        """The company answered nothing: unless it does so later, that is why the push ends."""
        with self._lock:
            self._unanswered = fault

    def busy(self) -> Outcome:
        """The outcome of an entry of whose subject something is being sent already: it is looked at again in a moment
        if this push sends it, else when it has rested."""
        message = "Something of it is being sent already."
        if not self.is_sending():
            return Failed("UNDER_WAY", message, retry=True)
        with self._lock:
            self._busy_until = time.monotonic() + 2 * _BUSY.total_seconds()
        return Later(datetime.now(UTC) + _BUSY, "UNDER_WAY", message)

    def waits_for_busy(self) -> bool:
        """Waits for a moment where an entry is to be looked at again very soon; false where none is."""
        with self._lock:
            if time.monotonic() >= self._busy_until:
                return False
            self._let_go.wait(_SECONDS_BETWEEN_LOOKS)
            return True

    def pause(self, attempt: int) -> None:
        """Between two attempts of the same call: a second, two, three (scaled with the minute of the limits)."""
        self._stopping.wait(attempt * self._limits.minute.total_seconds() / 60)

    def bring(self, missing: Iterable[tuple[EntityType, UUID]]) -> None:
        """Brings customers and items that an invoice needs to QuickBooks first; one thread does it for all."""
        wanted: dict[EntityType, set[UUID]] = {}
        for entity, local_id in missing:
            wanted.setdefault(entity, set()).add(local_id)
        with self._bringing:
            for entity in KINDS:
                if entity not in wanted:
                    continue
                self.enqueue(wanted[entity], entity)
                left = max(self._time_box.total_seconds() - self.tally.seconds(), 0)
                others = Shared(
                    self.engine,
                    self._settings,
                    self.organization_id,
                    self.quickbooks,
                    entity,
                    self._limits,
                    timedelta(seconds=left),
                    self._stopping.is_set,
                    self._new_turn,
                    frozenset(wanted[entity]),
                )
                try:
                    report = others.run(self._settings.quickbooks_parallel_calls)
                except Fault as fault:
                    log.warning("The %ss that invoices need could not be brought: %s", entity.value, fault)
                    continue
                self.tally.batches(report.batches)

    def enqueue(self, local_ids: Iterable[UUID], entity: EntityType | None = None) -> None:
        """Puts records into the queue, to be looked at (again)."""
        with organization_scope(self.engine, self.organization_id) as connection:
            enqueue(connection, KINDS[entity or self.entity], sorted(map(str, local_ids)))

    def look_first(self, local_ids: Iterable[UUID], again: Iterable[UUID]) -> None:
        """Lets entries go first that rested with their batch; those to be decided anew are in the queue after that."""
        subjects, anew = list(local_ids), sorted(map(str, again))
        with organization_scope(self.engine, self.organization_id) as connection:
            if anew:
                enqueue(connection, KINDS[self.entity], anew)
            connection.execute(
                text("select quickbooks.look_first(:entity, cast(:ids as uuid[]))"),
                {"entity": self.entity.value, "ids": subjects},
            )

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


def _extend_what_is_held(connection: Connection, claimed: Claim, lease: timedelta) -> None:
    connection.execute(
        text("select work.extend_lease(:token, cast(:ids as uuid[]), :lease)"),
        {"token": claimed.lease_token, "ids": [item.id for item in claimed.items], "lease": lease},
    )
