"""What a sending run tells of itself, while it goes on and at its end. No database here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SendFailure:
    """An entry that failed. `is_final` is False if it will be tried again."""

    subject_id: str
    code: str
    message: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class SendProgress:
    """How far a run is. `due` is how many entries are left that can be done now, about."""

    done: int
    due: int
    seconds: float
    items_per_second: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class SendReport:
    """What a run did, in entries of the queue.

    `sent` were handed over; `found` had been by a process that died, as their provider said. `skipped` need no message
    (sent before, paid, opted out); `failed` will not be tried again, `unknown` of them may have gone out. `retried`
    failed and are tried again; `postponed` wait for a time: quiet hours, a channel that is away, a look-up; `released`
    were given back undone. `sent_by_channel` counts messages, with those that were found. `failures` is a sample of at
    most 20. `ended` says why: `empty`, `time box` or `asked to stop`.
    """

    sent: int
    found: int
    skipped: int
    failed: int
    unknown: int
    retried: int
    postponed: int
    released: int
    sent_by_channel: Mapping[str, int]
    postponed_by_reason: Mapping[str, int]
    seconds: float
    items_per_second: float
    failures: tuple[SendFailure, ...]
    due: int
    oldest_due_at: datetime | None
    ended: str

    @property
    def done(self) -> int:
        """Entries that need no more work."""
        return self.sent + self.found + self.skipped + self.failed
