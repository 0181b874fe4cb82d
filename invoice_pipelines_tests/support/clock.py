"""A clock that stands still until a test lets it go on."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from invoice_pipelines.work import Clock


class HandClock(Clock):
    """Its time passes by `advance`; with `jumps` also at once where the test's own thread waits for something."""

    def __init__(self, *, jumps: bool = False) -> None:
        self._jumps = jumps
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._started = datetime.now(UTC)
        self._waited_for: set[threading.Condition] = set()

    def advance(self, seconds: float) -> None:
        """Lets time pass, and wakes whoever waits for that."""
        with self._lock:
            self._seconds += seconds
            waited_for = list(self._waited_for)
        for condition in waited_for:
            with condition:
                condition.notify_all()

    def monotonic(self) -> float:
        with self._lock:
            return self._seconds

    def now(self) -> datetime:
        return self._started + timedelta(seconds=self.monotonic())

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        if self._jumps and threading.current_thread() is threading.main_thread():
            self.advance(seconds)
            return
        with self._lock:
            self._waited_for.add(condition)
        condition.wait(0.05)  # and not for ever, as time may have gone on before this was known of
