"""What is to go wrong next in a stand-in for a service: which fault, how often, for whom, for how long."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

F = TypeVar("F", bound=StrEnum)


@dataclass
class Injected(Generic[F]):
    """A fault that waits for its turn. `seconds` is how long what it does lasts, where it lasts."""

    fault: F
    times: int | None
    recipient: str | None
    seconds: float | None
    until: float | None


class Faults(Generic[F]):
    """What is to go wrong. Safe for use by several threads."""

    def __init__(self) -> None:
        self.happened: Counter[F] = Counter()
        self._waiting: list[Injected[F]] = []
        self._share = 0.0
        self._dice = random.Random(0)
        self._random: Sequence[F] = ()
        self._random_seconds: float | None = None
        self._lock = threading.Lock()

    def inject(
        self,
        fault: F,
        *,
        times: int | None = 1,
        recipient: str | None = None,
        seconds: float | None = None,
        within: float | None = None,
    ) -> None:
        """Lets something go wrong the next `times` times (None: always) where it can, for one recipient or for any,
        for the next `within` seconds or for good.
        """
        until = None if within is None else time.monotonic() + within
        with self._lock:
            self._waiting.append(Injected(fault, times, _key(recipient), seconds, until))

    def at_random(self, share: float, seed: int, faults: Sequence[F], *, seconds: float | None = None) -> None:
        """From now on, lets such a share of the moments at which one of these faults can be have one."""
        with self._lock:
            self._share, self._dice, self._random = share, random.Random(seed), tuple(faults)
            self._random_seconds = seconds

    def clear(self) -> None:
        """Lets nothing go wrong any more."""
        with self._lock:
            self._waiting.clear()
            self._share = 0.0

    def take(self, possible: Collection[F], recipients: Iterable[str] = ()) -> Injected[F] | None:
        """What goes wrong at this moment, and counts it as happened."""
        whom = {_key(one) for one in recipients} | {None}
        now = time.monotonic()
        with self._lock:
            self._waiting = [one for one in self._waiting if one.until is None or now < one.until]
            for index, one in enumerate(self._waiting):
                if one.fault in possible and one.recipient in whom:
                    if one.times is not None:
                        one.times -= 1
                        if one.times <= 0:
                            del self._waiting[index]
                    self.happened[one.fault] += 1
                    return one
            choice = [one for one in self._random if one in possible]
            if choice and self._dice.random() < self._share:
                fault = self._dice.choice(choice)
                self.happened[fault] += 1
                return Injected(fault, 1, None, self._random_seconds, None)
        return None


def _key(recipient: str | None) -> str | None:
    return None if recipient is None else recipient.strip().casefold()
