"""The engine: whatever works through a queue of an organization does so in a Run.

It alone has threads, keeps what is held, retries what passes, closes what is away for a while, and knows when to end
and how far it is. What is done in a step, and in which transactions, is the business of a kind of work: `drain` for
effects in this database, `outside` for entries that something outside must answer, the push to QuickBooks for calls
with many entries, billing and overdue for steps that PostgreSQL does by itself.

    run = Run(engine, organization_id, ["send_message"], lease=lease, time_box=time_box, should_stop=should_stop)

    def worker() -> Iterator[None]:             # one for each thread; every yield is the end of a step
        with open_channel() as channel:
            while (claimed := run.claim("send_message", 4, max_attempts=5)) is not None:
                with run.holding([claimed]):    # kept while it takes, what has no outcome is given back
                    ...
                yield

    run.work(worker, threads=3)
    report = run.report(Report)
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.errors import TRANSIENT, sqlstate
from invoice_pipelines.work.clock import CLOCK, Clock
from invoice_pipelines.work.leases import Claim, claim, release, return_expired
from invoice_pipelines.work.report import Progress, Report, Tally
from invoice_pipelines.work.values import Later

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R", bound=Report)

Worker = Callable[[], Iterator[None]]
"""What one thread does, as a generator: it yields after each step, and ends when nothing is left. It is closed when the
run is over.
"""

_NOTHING_LEFT = object()
_SECONDS_BETWEEN_COUNTS = 5.0
_SECONDS_BETWEEN_PROGRESS = 1.0
_SECONDS_BETWEEN_RETURNS = 2.0
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_FOR_A_LAST_STEP = 3600.0
_ATTEMPTS = 5


class Held(Protocol):
    """Something that others must not take while a run works on it, for as long as its lease runs."""

    def extend(self, connection: Connection, lease: timedelta) -> object:
        """Lets the lease run for `lease` from now. What is not held any more is left alone: whoever works on it finds
        that out when it is finished.
        """


class Run:
    """One run through the queue of an organization: what it was asked for, and what it has done so far. Thread safe."""

    def __init__(
        self,
        engine: Engine,
        organization_id: UUID,
        kinds: Sequence[str],
        *,
        lease: timedelta = timedelta(minutes=5),
        time_box: timedelta,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        is_done: Callable[[], bool] = lambda: False,
        count_due: Callable[[], tuple[int, datetime | None]] | None = None,
        eta: Callable[[int], float | None] | None = None,
        clock: Clock = CLOCK,
    ) -> None:
        """`is_done`, asked before each step, says that what was asked for is done, though the queue may not be empty.

        `count_due` says how many items are due and since when the longest waiting one is, by default in the queue of
        the `kinds`; `eta` how many seconds so many take, by default at the rate so far.
        """
        self.clock = clock
        self.lease = lease
        self.tally = Tally()
        self._engine = engine
        self._organization_id = organization_id
        self._kinds = list(kinds)
        self._time_box = time_box
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._is_done = is_done
        self._count_due = count_due or self._count_due_items
        self._eta = eta or self._eta_at_this_rate
        self._started = clock.monotonic()
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._keepers_turn = threading.Condition(self._lock)
        self._ended: str | None = None
        self._error: BaseException | None = None
        self._at_work = 0
        self._keeper: threading.Thread | None = None
        self._kept: dict[int, tuple[Held, threading.Lock]] = {}
        self._closed: dict[Hashable, tuple[datetime, Exception]] = {}
        self._returned: dict[str, float] = {}
        self._told = self._started
        self._counted: float | None = None
        self._due = 0
        self._worked_when_counted = 0

    # What it does, and until when

    def work(self, worker: Worker, threads: int = 1, *, apart: bool = False) -> None:
        """Lets workers do step after step until none has anything left, or the run is over.

        One works in the thread of the caller, several each in one of their own, and so does one that is `apart`: when
        the caller is interrupted, each ends the step it is in, as what it has begun lies outside of this database. The
        first exception that one raises is raised here, when all have ended the step they are in.
        """
        try:
            if threads == 1 and not apart:
                for _ in self._steps_of(worker):
                    self._tell()
            else:
                self._work_in_threads(worker, threads)
        finally:
            self._let_keeper_go()

    def seconds(self) -> float:
        """Since the run began."""
        return self.clock.monotonic() - self._started

    def time_left(self) -> timedelta:
        """Of its time box."""
        return max(self._time_box - timedelta(seconds=self.seconds()), timedelta(0))

    def is_over(self) -> bool:
        """Whether nothing more is to be begun."""
        if self._ended is None:
            if self._should_stop is not None and self._should_stop():
                self.end("asked to stop")
            elif self.seconds() >= self._time_box.total_seconds():
                self.end("time box")
        return self._ended is not None

    def end(self, reason: str) -> None:
        """Lets nothing more be begun; the first reason counts."""
        with self._lock:
            self._ended = self._ended or reason
            self._news.notify_all()

    def wait(self, seconds: float) -> bool:
        """Waits so long, or until the run is over; says whether it goes on."""
        until = self.clock.monotonic() + seconds
        while not self.is_over() and (left := until - self.clock.monotonic()) > 0:
            self.wait_for_news(min(left, _SECONDS_BETWEEN_LOOKS))
        return not self.is_over()

    def wait_for_news(self, seconds: float) -> None:
        """Waits until a worker lets something go, or the run is over, but no longer than so."""
        with self._lock:
            if self._ended is None:
                self.clock.wait(self._news, seconds)

    def again(self, transaction: Callable[[], T], *, also: Iterable[str] = ()) -> T:
        """What transactions of the database do, again where that may help: after a deadlock, a serialization failure,
        or `also` one of these SQLSTATEs. Nothing of them was kept.
        """
        states = TRANSIENT.union(also)
        for attempt in range(1, _ATTEMPTS):
            try:
                return transaction()
            except DBAPIError as error:
                if sqlstate(error) not in states:
                    raise
                log.info("A transaction was rolled back (%s); attempt %d follows.", error.orig, attempt + 1)
                self.wait(0.05 * 2**attempt)
        return transaction()

    # The queue, and what is held of it

    def scope(self) -> AbstractContextManager[Connection]:
        """A transaction within the organization."""
        return organization_scope(self._engine, self._organization_id)

    def claim(self, kind: str, chunk_size: int, *, max_attempts: int) -> Claim | None:
        """Takes items of a kind that are due (see leases.claim), and what dead workers left of it."""
        self.return_expired(kind)

        def transaction() -> Claim | None:
            with self.scope() as connection:
                return claim(connection, kind, chunk_size=chunk_size, lease=self.lease, max_attempts=max_attempts)

        return self.again(transaction)

    def return_expired(self, kind: str) -> None:
        """Puts items of dead workers back into the queue; every other second is enough."""
        now = self.clock.monotonic()
        with self._lock:
            if now - self._returned.get(kind, -_SECONDS_BETWEEN_RETURNS) < _SECONDS_BETWEEN_RETURNS:
                return
            self._returned[kind] = now
        with self.scope() as connection:
            self.tally.add("died", return_expired(connection, kind))

    @contextmanager
    def holding(self, claims: Iterable[Claim]) -> Iterator[None]:
        """Keeps claims for the length of the block, and gives back what has no outcome by then, uncounted."""
        claims = list(claims)
        for claimed in claims:
            self.hold(claimed)
        try:
            yield
        finally:
            for claimed in claims:
                self.let_go(claimed)
            with suppress(SQLAlchemyError):
                self.release(claims)

    def release(self, claims: Iterable[Claim], *, wait: str | None = None) -> None:
        """Gives back what has no outcome yet; `wait` is for how long a lock is waited for (a setting of PostgreSQL)."""
        with self.scope() as connection:
            if wait is not None:
                connection.execute(text("select set_config('lock_timeout', :wait, true)"), {"wait": wait})
            released = sum(release(connection, claimed) for claimed in claims)
        self.tally.add("released", released)

    def hold(self, held: Held) -> None:
        """Keeps the lease of something from now on. Do not let go of it in a transaction that has changed it.

        An hour after the time box it is not kept any more: a step that takes so long hangs, and what it holds is for
        others to do.
        """
        if isinstance(held, Claim) and held.job_id is not None:
            self.tally.took(held.job_id)
        with self._lock:
            self._kept[id(held)] = held, threading.Lock()
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="keeper of leases", daemon=True)
                self._keeper.start()

    def let_go(self, held: Held) -> None:
        """Does not keep it any more; after that its lease is as whoever works on it leaves it."""
        with self._lock:
            _, being_extended = self._kept.pop(id(held), (held, threading.Lock()))
            self._news.notify_all()
        with being_extended:
            pass

    def close(self, what: Hashable, until: datetime, why: Exception) -> datetime:
        """Lets all that needs something wait until then, as it is away: a channel, a company.

        Returns when to come back: a little after, so that not all comes at once. A time that was said before counts.
        """
        now = self.clock.now()
        with self._lock:
            known, _ = self._closed.get(what, (now, why))
            if known > now:
                until = known
            self._closed[what] = until, why
        return until + timedelta(seconds=random.uniform(0, 5))

    def closed(self, what: Hashable) -> Exception | None:
        """Why something is closed; None: it is not."""
        with self._lock:
            until, why = self._closed.get(what, (None, None))
        return why if until is not None and until > self.clock.now() else None

    def later(self, pause: timedelta, code: str, message: str) -> Later:
        """The outcome of what is not to be done before so long from now; see Later."""
        return Later(self.clock.now() + pause, code, message)

    # What it tells

    def progress(self) -> Progress:
        """How far it is; what is due is counted every few seconds, and reckoned in between."""
        seconds, worked = self.seconds(), self.tally.worked
        if self._counted is None or seconds - self._counted > _SECONDS_BETWEEN_COUNTS:
            self._due, _ = self._count_due()
            self._counted, self._worked_when_counted = seconds, worked
        due = max(0, self._due - (worked - self._worked_when_counted))
        return Progress(
            done=self.tally.done,
            due=due,
            seconds=seconds,
            items_per_second=self._rate(),
            eta_seconds=self._eta(due),
            figures=self.tally.figures,
        )

    def report(self, kind: type[R], **figures: Any) -> R:
        """What it did, as a report of its kind; see Report.of_kind."""
        seconds, (due, oldest) = self.seconds(), self._count_due()
        return Report(
            succeeded=self.tally["succeeded"],
            skipped=self.tally["skipped"],
            failed=self.tally["failed"],
            retried=self.tally["retried"],
            postponed=self.tally["postponed"],
            cancelled=self.tally["cancelled"],
            released=self.tally["released"],
            lost=self.tally["lost"],
            died=self.tally["died"],
            chunks=self.tally["chunks"],
            seconds=seconds,
            items_per_second=self._rate(),
            failures=self.tally.failures,
            due=due,
            oldest_due_at=oldest,
            eta_seconds=self._eta(due),
            ended=self._ended or "empty",
            jobs=self.tally.jobs,
        ).of_kind(kind, **figures)

    def _steps_of(self, worker: Worker) -> Iterator[None]:
        steps = worker()
        try:
            while not self.is_over() and not self._is_done() and next(steps, _NOTHING_LEFT) is None:
                self.tally.add("chunks")
                yield
        finally:
            if isinstance(steps, Generator):
                steps.close()

    def _work_in_threads(self, worker: Worker, count: int) -> None:
        threads = [
            threading.Thread(target=self._thread, args=(worker,), name=f"worker {n}", daemon=True) for n in range(count)
        ]
        self._at_work = count
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                with self._lock:
                    if self._at_work:
                        self.clock.wait(self._news, _SECONDS_BETWEEN_PROGRESS)
                if self.clock.monotonic() - self._told >= _SECONDS_BETWEEN_PROGRESS:
                    self._tell()
        except BaseException:
            self.end("interrupted")
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            raise
        if self._error is not None:
            raise self._error
        self._counted = None
        self._tell()

    def _thread(self, worker: Worker) -> None:
        try:
            for _ in self._steps_of(worker):
                pass
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            with self._lock:
                self._error = self._error or error
            self.end("an error")
        finally:
            with self._lock:
                self._at_work -= 1
                self._news.notify_all()

    def _keep(self) -> None:
        every = self.lease.total_seconds() / 3
        due = self.clock.monotonic() + every
        while True:
            with self._lock:
                while self._keeper is not None and (left := due - self.clock.monotonic()) > 0:
                    self.clock.wait(self._keepers_turn, left)
                if self._keeper is None:
                    return
                kept = list(self._kept.values())
            if self.seconds() > self._time_box.total_seconds() + _SECONDS_FOR_A_LAST_STEP:
                log.error("Work on %s hangs. What it holds goes back to the queue.", ", ".join(self._kinds))
                return
            due = self.clock.monotonic() + every
            for held, being_extended in kept:
                self._extend(held, being_extended)

    def _extend(self, held: Held, being_extended: threading.Lock) -> None:
        with being_extended:
            with self._lock:
                if id(held) not in self._kept:
                    return
            try:
                with self.scope() as connection:
                    held.extend(connection, self.lease)
            except SQLAlchemyError as error:  # it is tried again before the lease has run out
                log.warning("A lease could not be extended: %s", error)

    def _let_keeper_go(self) -> None:
        with self._lock:
            keeper, self._keeper = self._keeper, None
            self._keepers_turn.notify_all()
        if keeper is not None:
            keeper.join()

    def _tell(self) -> None:
        self._told = self.clock.monotonic()
        if self._on_progress is not None:
            self._on_progress(self.progress())

    def _rate(self) -> float:
        return self.tally.worked / max(self.seconds(), 1e-6)

    def _eta_at_this_rate(self, due: int) -> float | None:
        rate = self._rate()
        return due / rate if rate > 0 else None

    def _count_due_items(self) -> tuple[int, datetime | None]:
        with self.scope() as connection:
            row = connection.execute(
                text(
                    """select count(*) as due, min(i.available_at) as oldest
                       from work.batch_item i
                       where i.organization_id = organizations.current()
                         and i.kind = any(cast(:kinds as text[]))
                         and i.status = 'pending' and i.available_at <= now()"""
                ),
                {"kinds": self._kinds},
            ).one()
        return row.due, row.oldest
