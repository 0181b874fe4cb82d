"""Holds what a push tells of itself, while it works and at its end."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from invoice_pipelines.quickbooks.invoices.document import WAITS_FOR_RATE
from invoice_pipelines.quickbooks.push.composing import WAITS
from invoice_pipelines.work import Failed, Outcome, Skipped, Succeeded

_WAITING = (WAITS, WAITS_FOR_RATE)
_LARGEST_SAMPLE = 20


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
    `waiting` wait for their customer, an item or an exchange rate; `released` were given back undone. `resent` counts
    batches that were found unanswered. `ended` says why: `empty`, `time box`, `asked to stop`, why the company is
    paused or out of reach, or what it was held up by (see open_batches).
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


class Tally:
    """Counts what the threads of a push do. Thread safe."""

    def __init__(self, batches_per_minute: int, minute: float) -> None:
        """`minute` is in seconds how long the window lasts in which so many batches may be sent."""
        self._minute = minute
        self._answered_at: deque[float] = deque(maxlen=batches_per_minute)
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._failures: list[PushFailure] = []

    def seconds(self) -> float:
        """Since the push began."""
        return time.monotonic() - self._started

    def outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Counts entries that have an outcome."""
        with self._lock:
            for outcome in outcomes:
                match outcome:
                    case Succeeded(result):
                        self._counts[str((result or {}).get("operation"))] += 1
                    case Skipped():
                        self._counts["skipped"] += 1
                    case Failed(code, message, retry):
                        self._counts["waiting" if code in _WAITING else "retried" if retry else "failed"] += 1
                        if len(self._failures) < _LARGEST_SAMPLE:
                            self._failures.append(PushFailure(code, message, not retry))

    def released(self, entries: int) -> None:
        """Counts entries that were given back."""
        with self._lock:
            self._counts["released"] += entries

    def batches(self, batches: int = 1) -> None:
        """Counts batches that were answered."""
        with self._lock:
            self._counts["batches"] += batches
            self._answered_at.extend([self.seconds()] * batches)

    def resent(self) -> None:
        """Counts a batch that was found unanswered."""
        with self._lock:
            self._counts["resent"] += 1

    def progress(self, due_at_start: int, batch_size: int) -> PushProgress:
        """How far it is, with `due_at_start` entries to do and so many in a batch from now on."""
        seconds, done = self.seconds(), self._done()
        rate, due = done / max(seconds, 1e-6), max(due_at_start - done, 0)
        with self._lock:
            eta = self._seconds_for(ceil(due / batch_size), seconds, done / rate if rate > 0 else 0.0)
        return PushProgress(done, due, seconds, rate, eta if rate > 0 else None)

    def _seconds_for(self, batches: int, now: float, since: float) -> float:
        """How long so many batches take: at the pace so far, and no more in any minute than may be sent."""
        pace = since / max(self._counts["batches"], 1)
        sent = deque(self._answered_at, maxlen=self._answered_at.maxlen)
        at = now
        for _ in range(batches):
            free = sent[0] + self._minute if len(sent) == sent.maxlen else 0.0
            at = max(at + pace, free)
            sent.append(at)
        return at - now

    def report(self, due: int, oldest_due_at: datetime | None, ended: str) -> PushReport:
        """What it did."""
        seconds, counts = self.seconds(), self._counts
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
            oldest_due_at=oldest_due_at,
            ended=ended,
        )

    def _done(self) -> int:
        return sum(self._counts[name] for name in ("create", "update", "void", "none", "skipped", "failed"))
