"""The sending of an organization's messages: its threads, their heartbeat, and what it reports.

    report = send_messages(engine, settings, organization, time_box=timedelta(minutes=30))

Entries come from batch jobs over invoices, from overdue notifications, and from messages that were written when their
invoices were issued. What one thread does with an entry is in `sender`. Any number of runs may go on at once.

What each channel can promise of a message whose answer was lost, in a crash or on the way:

- SMS and WhatsApp by Twilio: it goes out once. Twilio lists what was sent to a number since then, and no two messages
  to a number are alike, as each names its invoice.
- Email with a mailbox that gets a blind copy of each: once, as far as the mailbox tells. A copy that arrives later than
  LOOK_UP_AFTER_SECONDS is not seen, and the email goes out again with the same Message-ID, by which many mail
  programs show it once.
- Email without such a mailbox: at most once. Nobody can tell whether it went out, so it is `unknown`, which a check and
  `messages list` show, and a person says what is right with `messages resolve`.

No message is given up silently, and none is sent a second time while the first may have gone out.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines import work
from invoice_pipelines.delivery.channels.channel import OpenChannel, Unavailable, channel_of
from invoice_pipelines.delivery.messages.decisions import cancel_messages_of_cancelled_jobs
from invoice_pipelines.delivery.sending.report import SendFailure, SendProgress, SendReport
from invoice_pipelines.delivery.sending.sender import Sender
from invoice_pipelines.delivery.sending.turns import take_turn
from invoice_pipelines.delivery.values import COMMUNICATIONS, SENDING_KINDS
from invoice_pipelines.organizations import Organization
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Claim, Failed, JobStatus, Later, Outcome, Skipped, Succeeded

__all__ = ["SendFailure", "SendProgress", "SendReport", "send_messages"]

MOST_THREADS = 12
"""Each has a database connection while its provider answers, and an engine has fifteen."""

_LARGEST_SAMPLE = 20
_SECONDS_BETWEEN_PROGRESS = 1.0
_SECONDS_BETWEEN_RETURNS = 2.0
_SECONDS_BETWEEN_LOOKS = 1.0
_OPEN = (JobStatus.PENDING, JobStatus.PROCESSING)


def send_messages(
    engine: Engine,
    settings: Settings,
    organization: Organization,
    *,
    time_box: timedelta,
    job_id: UUID | None = None,
    on_progress: Callable[[SendProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    channels: Callable[[str], OpenChannel] | None = None,
) -> SendReport:
    """Sends what is due until nothing is left, the time box ends or `should_stop()` says so.

    With `job_id` only batch jobs over invoices are worked at, until that one has ended or waits. `channels` opens a
    channel for one thread; by default as the settings say.
    """
    return Shared(engine, settings, organization, time_box, job_id, should_stop, channels).run(on_progress)


class Shared:
    """What the threads of a run have in common. Thread safe."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        organization: Organization,
        time_box: timedelta,
        job_id: UUID | None,
        should_stop: Callable[[], bool] | None,
        channels: Callable[[str], OpenChannel] | None,
    ) -> None:
        self.settings = settings
        self.organization = organization
        self.kinds = SENDING_KINDS if job_id is None else (COMMUNICATIONS,)
        self.lease = timedelta(seconds=settings.lease_seconds)
        self.look_up_after = timedelta(seconds=settings.look_up_after_seconds)
        self.open_channel = channels or (lambda name: channel_of(name).open(settings))
        self._engine = engine
        self._time_box = time_box
        self._job_id = job_id
        self._should_stop = should_stop
        self._started = time.monotonic()
        self._looked_at_job = self._started
        self._lock = threading.Lock()
        self._claims: dict[UUID, Claim] = {}
        self._closed: dict[str, tuple[datetime, Unavailable]] = {}
        self._returned: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self._by_channel: Counter[str] = Counter()
        self._by_reason: Counter[str] = Counter()
        self._failures: list[SendFailure] = []
        self._ended: str | None = None
        self._error: BaseException | None = None
        self._stopping = threading.Event()

    def run(self, on_progress: Callable[[SendProgress], None] | None) -> SendReport:
        """Drains the queue with several threads, while this one keeps their leases."""
        with self.scope() as connection:
            cancel_messages_of_cancelled_jobs(connection)
        threads = min(self.settings.message_senders, MOST_THREADS)
        workers = [threading.Thread(target=self._work, name=f"sender-{n}", daemon=True) for n in range(threads)]
        for worker in workers:
            worker.start()
        extended = told = time.monotonic()
        try:
            while any(worker.is_alive() for worker in workers):
                next(worker for worker in workers if worker.is_alive() or worker is workers[-1]).join(0.05)
                now = time.monotonic()
                if now - extended > self.lease.total_seconds() / 3:
                    self._extend()
                    extended = now
                if on_progress is not None and now - told > _SECONDS_BETWEEN_PROGRESS:
                    on_progress(self._progress())
                    told = now
        except BaseException:
            self._stopping.set()
            for worker in workers:
                worker.join()
            raise
        if self._error is not None:
            raise self._error
        if on_progress is not None:
            on_progress(self._progress())
        return self._report()

    def _work(self) -> None:
        sender = Sender(self)
        try:
            while not self.is_over() and sender.turn():
                pass
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            with self._lock:
                self._error = self._error or error
            self._stopping.set()
        finally:
            sender.close()

    def is_over(self) -> bool:
        """Whether nothing more is to be begun."""
        if self._stopping.is_set():
            return True
        if self._should_stop is not None and self._should_stop():
            self._end("asked to stop")
        elif time.monotonic() - self._started >= self._time_box.total_seconds():
            self._end("time box")
        elif self._job_id is not None and self._job_has_ended(self._job_id):
            self._end("empty")
        return self._stopping.is_set()

    def wait_for_turn(self, channel: str) -> bool:
        """Waits until the next message of a channel may go out; False: the run is over before."""
        with self.scope() as connection:
            wait = take_turn(connection, channel_of(channel), self.organization.settings.messages)
        until = time.monotonic() + wait
        while (left := until - time.monotonic()) > 0:
            if self.is_over():
                return False
            self._stopping.wait(min(left, 1.0))
        return not self.is_over()

    @contextmanager
    def scope(self) -> Iterator[Connection]:
        """A transaction within the organization, in which rows are found by index whatever the statistics say."""
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    """select set_config('app.organization_id', :id, true), set_config('enable_seqscan', 'off', true),
                              set_config('enable_bitmapscan', 'off', true)"""
                ),
                {"id": str(self.organization.id)},
            )
            yield connection

    def closed(self, name: str) -> Unavailable | None:
        """Why messages of a channel cannot go out now; None: they can."""
        with self._lock:
            until, error = self._closed.get(name, (datetime.min.replace(tzinfo=UTC), None))
        return error if until > datetime.now(UTC) else None

    def close_channel(self, name: str, error: Unavailable, until: datetime) -> datetime:
        """Lets the messages of a channel wait; until when. They come back one after the other."""
        with self._lock:
            known, _ = self._closed.get(name, (until, error))
            if known <= datetime.now(UTC):
                known = until
            self._closed[name] = (known, error)
        return known + timedelta(seconds=random.uniform(0, 5))

    def return_expired(self, kind: str) -> None:
        """Takes entries from processes that died, now and then."""
        now = time.monotonic()
        with self._lock:
            if now - self._returned.get(kind, -_SECONDS_BETWEEN_RETURNS) < _SECONDS_BETWEEN_RETURNS:
                return
            self._returned[kind] = now
        with self.scope() as connection:
            work.return_expired(connection, kind)

    def hold(self, claimed: Claim) -> None:
        """Keeps the lease of a claim from now on."""
        with self._lock:
            self._claims[claimed.lease_token] = claimed

    def let_go(self, claimed: Claim) -> None:
        """Does not keep it any more."""
        with self._lock:
            self._claims.pop(claimed.lease_token, None)

    def count(self, subject_id: str, outcome: Outcome) -> None:
        """Counts an entry that has an outcome."""
        with self._lock:
            match outcome:
                case Succeeded(result):
                    done = result or {}
                    self._counts[str(done["operation"])] += 1
                    self._by_channel[str(done["channel"])] += 1
                case Skipped():
                    self._counts["skipped"] += 1
                case Later(_, code, _):
                    self._counts["postponed"] += 1
                    self._by_reason[code] += 1
                case Failed(code, message, retry):
                    self._counts["retried" if retry else "failed"] += 1
                    if code == "OUTCOME_UNKNOWN":
                        self._counts["unknown"] += 1
                    if len(self._failures) < _LARGEST_SAMPLE:
                        self._failures.append(SendFailure(subject_id, code, message, not retry))

    def count_released(self, released: int) -> None:
        """Counts entries that were given back."""
        with self._lock:
            self._counts["released"] += released

    def _end(self, reason: str) -> None:
        with self._lock:
            self._ended = self._ended or reason
        self._stopping.set()

    def _job_has_ended(self, job_id: UUID) -> bool:
        now = time.monotonic()
        with self._lock:
            if now < self._looked_at_job + _SECONDS_BETWEEN_LOOKS:
                return False
            self._looked_at_job = now
        with self.scope() as connection:
            return work.get_job(connection, job_id).status not in _OPEN

    def _extend(self) -> None:
        with self._lock:
            claims = list(self._claims.values())
        for claimed in claims:
            # What is not held any more has an outcome, or was taken away: that is found out when it is finished.
            with suppress(SQLAlchemyError), self.scope() as connection:
                connection.execute(
                    text("select work.extend_lease(:token, cast(:ids as uuid[]), :lease)"),
                    {
                        "token": claimed.lease_token,
                        "ids": [item.id for item in claimed.items],
                        "lease": self.lease,
                    },
                )

    def _done(self) -> int:
        return sum(self._counts[name] for name in ("sent", "found", "skipped", "failed"))

    def _progress(self) -> SendProgress:
        seconds, due = time.monotonic() - self._started, self._due()[0]
        done = self._done()
        rate = done / max(seconds, 1e-6)
        return SendProgress(done, due, seconds, rate, due / rate if rate > 0 else None)

    def _due(self) -> tuple[int, datetime | None]:
        with self.scope() as connection:
            row = connection.execute(
                text(
                    """select count(*) as due, min(i.available_at) as oldest
                       from work.few(cast(:kinds as text[])) k
                       cross join lateral (
                           select i.available_at from work.batch_item i
                           where i.organization_id = organizations.current()
                             and i.kind = k.element and i.status = 'pending' and i.available_at <= now()
                           order by i.available_at) i"""
                ),
                {"kinds": list(self.kinds)},
            ).one()
        return row.due, row.oldest

    def _report(self) -> SendReport:
        seconds, counts = time.monotonic() - self._started, self._counts
        due, oldest = self._due()
        return SendReport(
            sent=counts["sent"],
            found=counts["found"],
            skipped=counts["skipped"],
            failed=counts["failed"],
            unknown=counts["unknown"],
            retried=counts["retried"],
            postponed=counts["postponed"],
            released=counts["released"],
            sent_by_channel=dict(self._by_channel),
            postponed_by_reason=dict(self._by_reason),
            seconds=seconds,
            items_per_second=self._done() / max(seconds, 1e-6),
            failures=tuple(self._failures),
            due=due,
            oldest_due_at=oldest,
            ended=self._ended or "empty",
        )
