"""A day of many organizations in a few minutes: when which document arrives, and by which way."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from invoice_pipelines.workshop.bench.installation.installation import Installation, Tenant
from invoice_pipelines.workshop.bench.installation.uploads import Sent

HOURS = (1, 1, 1, 1, 1, 1, 2, 4, 6, 9, 9, 8, 4, 5, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1)
"""How many documents come in each hour, against one another: 78 in all, so three times as many as on average from nine
to eleven."""
PEAK = (9 / 24, 11 / 24)
SEED = 20_260_331


def timetable(tenants: Sequence[Tenant], documents: int, seconds: float, prefix: str) -> list[Sent]:
    """So many documents for each, at moments of their own, in the order in which they come."""
    chance = random.Random(f"{SEED}{prefix}")
    sent = []
    for tenant in tenants:
        for number in range(documents):
            hour = chance.choices(range(24), HOURS)[0] + chance.random()
            sent.append(Sent(hour / 24 * seconds, tenant, f"{prefix}-{tenant.slug}-{number}"))
    return sorted(sent, key=lambda each: each.at)


@dataclass
class Arrivals:
    """Brings documents as a timetable says, in a thread of its own, without asking for runs. Those that are due at the
    same moment for the same organization come together.
    """

    here: Installation
    sent: Sequence[Sent]
    error: BaseException | None = None
    latest: float = 0.0
    """How many seconds it was late at the most."""
    _thread: threading.Thread | None = field(default=None, init=False)

    def begin(self) -> None:
        """Begins the day."""
        self._thread = threading.Thread(target=self._bring, daemon=True)
        self._thread.start()

    def goes_on(self) -> bool:
        """Whether some are to come yet. Raises what went wrong."""
        if self.error is not None:
            raise self.error
        return self._thread is not None and self._thread.is_alive()

    def _bring(self) -> None:
        began, place = time.monotonic(), 0
        try:
            while place < len(self.sent):
                now = time.monotonic() - began
                due: dict[Tenant, list[str]] = {}
                while place < len(self.sent) and self.sent[place].at <= now:
                    due.setdefault(self.sent[place].tenant, []).append(self.sent[place].number)
                    self.latest = max(self.latest, now - self.sent[place].at)
                    place += 1
                for tenant, numbers in due.items():
                    self.here.upload(tenant, numbers)
                time.sleep(0.05)
        except BaseException as error:  # noqa: BLE001 - `goes_on` raises it
            self.error = error
