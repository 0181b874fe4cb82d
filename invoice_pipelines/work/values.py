"""The words of the queue: statuses, items, chunks and the outcomes a handler returns. No database here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

_CODE = re.compile(r"[A-Z][A-Z0-9_-]*")
_LONGEST_MESSAGE = 500


class JobStatus(StrEnum):
    """Where a batch job stands. The last four are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in (JobStatus.PENDING, JobStatus.PROCESSING)


class ItemStatus(StrEnum):
    """Where a batch item stands. The last four are final; an item that waits for its next attempt is pending."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Item:
    """One claimed item. `subject_id` is what the kind says it is; `attempts` counts the present attempt."""

    id: UUID
    subject_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a handler gets: items of one job, or of the continuous queue (then `job_id` is None).

    The lease is kept while the handler works. One that takes long calls `check()` as often as it likes: that keeps
    PostgreSQL from taking its transaction for one that stands still, and raises `LeaseLost` when somebody else has the
    items by now, which the handler must let pass.
    """

    kind: str
    job_id: UUID | None
    parameters: Mapping[str, Any]
    items: tuple[Item, ...]
    check: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Done. `result` is stored with the item as JSON (decimals, dates and ids as strings)."""

    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nothing was to be done, and that is fine, for instance because it was done before."""

    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", one_line(self.reason))


@dataclass(frozen=True, slots=True)
class Failed:
    """Not done. With `retry` it is tried again after a pause, up to the attempts the drain allows.

    `code` is for machines (capitals, digits, `_`, `-`: `BOUNCED`, `BR-CO-15`), `message` is one line for people: what
    is wrong and what to do, without secrets. Raises ValueError for a code of another form.
    """

    code: str
    message: str
    retry: bool = False

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"A failure code is written like WRONG_STATUS or BR-CO-15, not {self.code!r}.")
        object.__setattr__(self, "message", one_line(self.message))

    def at_last(self, attempts: int, most: int) -> Failed:
        """The failure after so many attempts: final once there were as many as the kind allows."""
        return replace(self, retry=self.retry and attempts < most)


@dataclass(frozen=True, slots=True)
class Later:
    """Not to be done before `at` (aware), as in quiet hours. It waits until then, and this was no attempt.

    For `code` and `message` see Failed; they are shown while it waits.
    """

    at: datetime
    code: str
    message: str

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"A code is written like QUIET_HOURS, not {self.code!r}.")
        if self.at.tzinfo is None:
            raise ValueError("The time needs a time zone.")
        object.__setattr__(self, "message", one_line(self.message))


Outcome = Succeeded | Skipped | Failed | Later


def one_line(text: str) -> str:
    """The text on one line of at most 500 characters, without NUL, which PostgreSQL does not store."""
    line = " ".join(text.replace("\x00", "").split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 1] + "…"
