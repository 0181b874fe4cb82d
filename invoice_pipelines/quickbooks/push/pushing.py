"""What the threads of a push know of one another: what is on its way, how large the next batch is, whether the company
answers, what was found out. What a thread does in its turn is in `sending`; threads, leases and the end are the Run's.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.quickbooks.api.client import LARGEST_BATCH, QuickBooks
from invoice_pipelines.quickbooks.api.faults import Fault
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.invoices.document import WAITS_FOR_RATE
from invoice_pipelines.quickbooks.push.batches import Batch
from invoice_pipelines.quickbooks.push.composing import WAITS, Hints
from invoice_pipelines.quickbooks.push.entries import Entries, Outcomes
from invoice_pipelines.quickbooks.push.open_batches import is_aside
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Failed, Outcome, Progress, Report, Run, Succeeded, enqueue

REST = timedelta(seconds=20)
"""How long a batch rests before it is sent again."""
REST_ASIDE = timedelta(minutes=10)
"""How long one that was set aside does."""

_SECONDS_BETWEEN_LOOKS = 0.2
_BUSY = timedelta(seconds=1)
_GROWS_BY = 5


WAITING = (WAITS, WAITS_FOR_RATE)
"""Codes of entries that are not at fault: what they need is not there yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport(Report):
    """What a push did, in entries of the queue.

    Of those that `succeeded`, `unchanged` needed no call; `skipped` are none of QuickBooks' business; `retried` failed
    and are tried again, `waiting` wait for their customer, an item or an exchange rate. `resent` counts batches that
    were found unanswered. `ended` may also say why the company is paused or out of reach, or what the push was held up
    by (see open_batches).
    """

    created: int
    updated: int
    voided: int
    unchanged: int
    waiting: int
    batches: int
    resent: int

    @property
    def pushed(self) -> int:
        """Entries that changed something in QuickBooks."""
        return self.created + self.updated + self.voided


class Pace:
    """When batches were answered, and so for how long a push may still take. Thread safe."""

    def __init__(self, batches_per_minute: int, minute: float) -> None:
        """`minute` is in seconds how long the window lasts in which so many batches may be sent."""
        self._minute = minute
        self._answered_at: deque[float] = deque(maxlen=batches_per_minute)
        self._batches = 0
        self._lock = threading.Lock()

    def answered(self, at: float, batches: int = 1) -> None:
        """Batches were answered, so many seconds after the push began."""
        with self._lock:
            self._batches += batches
            self._answered_at.extend([at] * batches)

    def seconds_for(self, batches: int, now: float) -> float:
        """How long so many batches take: at the pace so far, and no more in any minute than may be sent."""
        with self._lock:
            pace = now / max(self._batches, 1)
            sent = deque(self._answered_at, maxlen=self._answered_at.maxlen)
        at = now
        for _ in range(batches):
            free = sent[0] + self._minute if len(sent) == sent.maxlen else 0.0
            at = max(at + pace, free)
            sent.append(at)
        return at - now


class Pushing:
    """The push of one entity of an organization. Thread safe."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        organization_id: UUID,
        quickbooks: QuickBooks,
        *,
        entity: EntityType,
        limits: Limits,
        time_box: timedelta,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        needed: Collection[UUID] = frozenset(),
    ) -> None:
        """`needed` are records that others need although they are inactive."""
        self.run = Run(
            engine,
            organization_id,
            [KINDS[entity]],
            lease=timedelta(seconds=settings.lease_seconds),
            time_box=time_box,
            on_progress=on_progress,
            should_stop=should_stop,
            eta=self._eta,
        )
        self.quickbooks = quickbooks
        self.entity = entity
        self.rest = min(REST, limits.minute / 3)
        self.rest_aside = min(REST_ASIDE, limits.minute * 10)
        self.hints = Hints(needed=needed)
        self.looking = threading.Lock()  # for what must be answered first; see Sender
        self.bringing = threading.Lock()  # what invoices need: one thread brings it for all
        self._seconds_between_attempts = limits.minute.total_seconds() / 60
        self._pace = Pace(limits.batches_per_minute, limits.minute_window.total_seconds())
        self._largest = min(settings.quickbooks_batch_size, LARGEST_BATCH)
        self._size = self._largest
        self._lock = threading.Lock()
        self._batches: dict[UUID, Batch] = {}
        self._unanswered: Fault | None = None
        self._busy_until = 0.0

    def finish(
        self,
        entries: Entries | None,
        outcomes: Outcomes,
        also: Callable[[Connection], None] | None = None,
    ) -> None:
        """Ends entries, if there are any, in one transaction with what `also` writes; then counts them."""
        ended: Mapping[str, Outcome] = {}
        if also is None and (entries is None or not outcomes):
            return
        with self.run.scope() as connection:
            if also is not None:
                also(connection)
            if entries is not None:
                ended = entries.finish(connection, outcomes)
        self.count(ended)

    def count(self, ended: Mapping[str, Outcome]) -> None:
        """Counts entries that have an outcome, once that is committed."""
        for subject, outcome in ended.items():
            self.run.tally.outcome(subject, outcome)
            if isinstance(outcome, Succeeded):
                self.run.tally.add_figure(str((outcome.result or {}).get("operation")))
            elif isinstance(outcome, Failed) and outcome.code in WAITING:
                self.run.tally.add_figure("waiting")

    def count_batches(self, batches: int = 1) -> None:
        """Counts batches that were answered."""
        self.run.tally.add_figure("batches", batches)
        self._pace.answered(self.run.seconds(), batches)

    def report(self) -> PushReport:
        """What the push did."""
        figures = self.run.tally.figures
        return self.run.report(
            PushReport,
            created=figures["create"],
            updated=figures["update"],
            voided=figures["void"],
            unchanged=figures["none"],
            waiting=figures["waiting"],
            retried=self.run.tally["retried"] - figures["waiting"],
            batches=figures["batches"],
            resent=figures["resent"],
        )

    def hold_batch(self, batch: Batch) -> None:
        """Keeps the lease of a batch that is being sent."""
        with self._lock:
            self._batches[batch.id] = batch
        self.run.hold(batch)

    def let_go_batch(self, batch: Batch) -> None:
        """It is answered, or rests."""
        with self._lock:
            self._batches.pop(batch.id, None)
        self.run.let_go(batch)

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
        self.run.wait_for_news(_SECONDS_BETWEEN_LOOKS)

    def end_held_up(self, since: datetime) -> None:
        """Ends the push, as what must be answered first rests, or is sent by another push."""
        if self._unanswered is not None:
            self.run.end(f"out of reach: {self._unanswered}")
        else:
            at = f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
            self.run.end(f"held up: what was sent at {at} has no answer yet and is sent again first")

    def batch_size(self) -> int:
        """How many entries the next batch takes."""
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
        self._unanswered = None

    def went_unanswered(self, fault: Fault) -> None:
        """The company answered nothing: unless it does so later, that is why the push ends."""
        self._unanswered = fault

    def busy(self) -> Outcome:
        """The outcome of an entry of whose subject something is being sent already: it is looked at again in a moment
        if this push sends it, else when it has rested."""
        message = "It is being sent already."
        if not self.is_sending():
            return Failed("UNDER_WAY", message, retry=True)
        self._busy_until = self.run.clock.monotonic() + 2 * _BUSY.total_seconds()
        return self.run.later(_BUSY, "UNDER_WAY", message)

    def waits_for_busy(self) -> bool:
        """Waits for a moment where an entry is to be looked at again very soon; false where none is."""
        if self.run.clock.monotonic() >= self._busy_until:
            return False
        self.wait_for_answer()
        return True

    def pause(self, attempt: int) -> bool:
        """Between two attempts of the same call: a second, two, three (scaled with the minute of the limits). Says
        whether the push goes on.
        """
        return self.run.wait(attempt * self._seconds_between_attempts)

    def look_first(self, local_ids: Iterable[UUID], again: Iterable[UUID]) -> None:
        """Lets entries go first that rested with their batch; those to be decided anew are in the queue after that."""
        subjects, anew = list(local_ids), sorted(map(str, again))
        with self.run.scope() as connection:
            if anew:
                enqueue(connection, KINDS[self.entity], anew)
            connection.execute(
                text("select quickbooks.look_first(:entity, cast(:ids as uuid[]))"),
                {"entity": self.entity.value, "ids": subjects},
            )

    def _eta(self, due: int) -> float | None:
        return self._pace.seconds_for(ceil(due / self._size), self.run.seconds()) if self.run.tally.done else None


class ThreadOfPush:
    """What the parts of one thread of a push share."""

    def __init__(self, pushing: Pushing) -> None:
        self._pushing = pushing
        self._run = pushing.run
        self._scope = pushing.run.scope
        self._quickbooks = pushing.quickbooks
        self._connected = pushing.quickbooks.connected
        self._realm_id = self._connected.realm_id
        self._entity = pushing.entity
