"""The clock of the sandbox, which can be set, shifted and stopped, and how QuickBooks writes instants."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

SERVER_ZONE = ZoneInfo("America/Los_Angeles")
"""What instants are written in, with its summer time."""


class Clock:
    """Runs as the machine's clock does, until someone sets it. May be used by several threads."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._stopped_at: datetime | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The instant, in UTC."""
        with self._lock:
            return self._stopped_at or datetime.now(UTC) + self._offset

    def shift(self, by: timedelta) -> None:
        """Moves the clock, forwards or backwards."""
        with self._lock:
            self._offset += by
            if self._stopped_at is not None:
                self._stopped_at += by

    def set(self, instant: datetime, *, stopped: bool = False) -> None:
        """Lets it be this instant now; it runs on from there unless it is stopped."""
        if instant.tzinfo is None:
            raise ValueError(f"{instant} has no time zone")
        with self._lock:
            self._offset = instant - datetime.now(UTC)
            self._stopped_at = instant.astimezone(UTC) if stopped else None

    def run(self) -> None:
        """Lets a stopped clock run on from where it stands."""
        with self._lock:
            if self._stopped_at is not None:
                self._offset = self._stopped_at - datetime.now(UTC)
                self._stopped_at = None


def stamp(second: int) -> str:
    """As MetaData has it: whole seconds and the offset of the season, such as `2015-07-24T10:48:27-07:00`."""
    return datetime.fromtimestamp(second, SERVER_ZONE).isoformat()


def envelope_time(instant: datetime) -> str:
    """As the answer around a document has it: with milliseconds."""
    return instant.astimezone(SERVER_ZONE).isoformat(timespec="milliseconds")


def parse_instant(text: str, zone: tzinfo) -> datetime:
    """The instant of a text with date and time; one without offset is in `zone`. Raises ValueError."""
    if " " in text.strip():
        raise ValueError(f"{text!r} has a blank")  # what a `+` becomes that was not written as %2B
    instant = datetime.fromisoformat(text.strip())
    return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
