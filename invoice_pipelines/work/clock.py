"""The time by which a run works. Tests give it another one, which stands still until it is told to go on."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class Clock:
    """The time of this machine."""

    def monotonic(self) -> float:
        """Seconds that only go on, for measuring."""
        return time.monotonic()

    def now(self) -> datetime:
        """The instant."""
        return datetime.now(UTC)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Waits until the condition, which the caller holds, is notified, but no longer than so many seconds."""
        condition.wait(seconds)


CLOCK = Clock()
