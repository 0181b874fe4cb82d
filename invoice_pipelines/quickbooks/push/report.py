"""What a push tells of itself beside what every run does: what became of entries, and how long it will take."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from invoice_pipelines.quickbooks.invoices.document import WAITS_FOR_RATE
from invoice_pipelines.quickbooks.push.composing import WAITS
from invoice_pipelines.work import Report

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
