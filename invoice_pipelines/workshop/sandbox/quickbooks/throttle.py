"""The throttles: how many calls and batches a company may be asked in a minute, in a second, and at once."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from invoice_pipelines.workshop.sandbox.quickbooks.switches import Switches


@dataclass
class _Count:
    """The calls of a company that count."""

    calls: deque[float] = field(default_factory=deque)
    batches: deque[float] = field(default_factory=deque)
    in_flight: int = 0


class Throttle:
    """Counts in real time, scaled; the clock of the sandbox has no part in it. What is refused does not count."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()

    def enter(self, realm: str, *, batch: bool) -> float | None:
        """Lets a call in (None), or says after how many seconds it would be; `leave` must follow if it is let in."""
        switches = self._switches
        minute, second = 60 / switches.time_scale, 1 / switches.time_scale
        now = time.monotonic()
        with self._lock:
            count = self._counts.setdefault(realm, _Count())
            if switches.throttled:
                waits = [
                    self._wait(count.calls, now, minute, switches.calls_per_minute),
                    self._wait(count.calls, now, second, switches.calls_per_second),
                    second if count.in_flight >= switches.calls_in_flight else 0.0,
                ]
                if batch:
                    waits.append(self._wait(count.batches, now, minute, switches.batches_per_minute))
                if (wait := max(waits)) > 0:
                    return wait
            for times in (count.calls, count.batches) if batch else (count.calls,):
                times.append(now)
                while times[0] <= now - 2 * minute:
                    times.popleft()
            count.in_flight += 1
            return None

    def leave(self, realm: str) -> None:
        """A call that was let in is answered."""
        with self._lock:
            self._counts[realm].in_flight -= 1

    def _wait(self, times: deque[float], now: float, window: float, most: int) -> float:
        """How long until one more fits; 0: it fits now."""
        if most <= 0:
            return window
        if self._switches.window == "fixed":
            begin = now - now % window
            inside = sum(1 for at in times if at >= begin)
            return begin + window - now if inside >= most else 0.0
        if len(times) < most or times[-most] <= now - window:
            return 0.0
        return times[-most] + window - now
