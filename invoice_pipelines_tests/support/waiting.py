"""Time in tests: a clock that stands still until a test lets it go on, for code that takes one; and waiting for what a
thread, a process or a session of the database brings about, no longer than it takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, text

from invoice_pipelines.work import Clock

T = TypeVar("T")


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


def wait_for(
    what: str, condition: Callable[[], T | None], seconds: float = 120, *, instead: Callable[[], object] = lambda: ""
) -> T:
    """Asks until an answer is true, and returns it; at first at once, then ever less often, up to three times a second.

    Raises AssertionError, with `what` did not come and what there is `instead`, after so many seconds.
    """
    deadline, pause = time.monotonic() + seconds, 0.005
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s {instead()}"
        time.sleep(pause)
        pause = min(pause * 1.2, 0.3)
    return answer


def seconds_until(what: str, condition: Callable[[], object], seconds: float = 120) -> float:
    """How long `wait_for` waited."""
    began = time.monotonic()
    wait_for(what, condition, seconds)
    return time.monotonic() - began


def wait_for_blocked(connection: Connection, sessions: int = 1) -> None:
    """Waits until so many sessions of the server wait for a lock; the connection may be the one that has it."""
    blocked = text("select count(distinct pid) from pg_locks where not granted")  # of now, in any transaction
    wait_for(f"{sessions} that wait for a lock", lambda: connection.execute(blocked).scalar_one() >= sessions, 30)
