"""What a run tells of itself: progress while it works, a report at its end, and the counts that both are made from.

A kind of work adds its own figures: a subclass of Report, filled from what it counted by name. No database here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from invoice_pipelines.work.values import Failed, ItemStatus, Later, Outcome, Skipped, Succeeded

R = TypeVar("R", bound="Report")

_LARGEST_SAMPLE = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that failed in this run. `is_final` is False if it will be tried again."""

    subject_id: str
    code: str
    message: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `due` is about how many items are left that can be done now, 0 where that is not counted;
    `figures` are what its kind of work counts besides.
    """

    done: int
    due: int
    seconds: float
    items_per_second: float
    eta_seconds: float | None
    figures: Mapping[Hashable, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did, in items of the queue.

    `succeeded`, `skipped` and `failed` are final; `retried` items failed and wait for their next attempt; `postponed`
    ones wait for a time that was said; `cancelled` ones will not be tried again, as their job was cancelled. `released`
    items were given back undone. `lost` ones were taken over by another worker because their lease ran out, and what
    this run did to them was rolled back; `died` counts items of earlier, dead workers that were found. `chunks` counts
    the steps that the work was done in. `failures` is a sample of at most 20. `due` items are left, the longest waiting
    since `oldest_due_at`, with `eta_seconds` to do them at this rate. `ended` says why: `empty`, `time box`,
    `asked to stop`, or a reason of the kind's own. `jobs` are the batch jobs whose items it took, in the order in which
    it came to them.
    """

    succeeded: int
    skipped: int
    failed: int
    retried: int
    postponed: int
    cancelled: int
    released: int
    lost: int
    died: int
    chunks: int
    seconds: float
    items_per_second: float
    failures: tuple[Failure, ...]
    due: int
    oldest_due_at: datetime | None
    eta_seconds: float | None
    ended: str
    jobs: tuple[UUID, ...]

    @property
    def done(self) -> int:
        """Items that need no more work."""
        return self.succeeded + self.skipped + self.failed

    def of_kind(self, kind: type[R], **figures: Any) -> R:
        """The same as the report of a kind of work, with the `figures` it has besides, or counts otherwise."""
        return kind(**{field.name: getattr(self, field.name) for field in fields(Report)} | figures)


class Tally:
    """Counts what the threads of a run do. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Hashable] = Counter()
        self._figures: Counter[Hashable] = Counter()
        self._failures: list[Failure] = []
        self._jobs: dict[UUID, None] = {}

    def outcome(self, subject_id: str, outcome: Outcome, status: ItemStatus | None = None) -> None:
        """Counts an item that has an outcome, by the `status` that it has now where that is known."""
        with self._lock:
            self._counts[_name_of(outcome, status)] += 1
            if isinstance(outcome, Failed) and len(self._failures) < _LARGEST_SAMPLE:
                is_final = not outcome.retry if status is None else status is not ItemStatus.PENDING
                self._failures.append(Failure(subject_id, outcome.code, outcome.message, is_final))

    def add(self, what: str, number: int = 1) -> None:
        """Counts what is not told of item by item, by the name of its field in Report."""
        with self._lock:
            self._counts[what] += number

    def add_figure(self, name: Hashable, number: int = 1) -> None:
        """Counts something that only the kind of work knows of."""
        with self._lock:
            self._figures[name] += number

    def took(self, job_id: UUID) -> None:
        """Notes that items of a batch job were taken."""
        with self._lock:
            self._jobs[job_id] = None

    def __getitem__(self, what: str) -> int:
        with self._lock:
            return self._counts[what]

    @property
    def figures(self) -> Counter[Hashable]:
        """What the kind counted, as it is now."""
        with self._lock:
            return self._figures.copy()

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The first that failed."""
        with self._lock:
            return tuple(self._failures)

    @property
    def jobs(self) -> tuple[UUID, ...]:
        """The batch jobs whose items were taken."""
        with self._lock:
            return tuple(self._jobs)

    @property
    def done(self) -> int:
        """Items that need no more work."""
        with self._lock:
            return sum(self._counts[what] for what in ("succeeded", "skipped", "failed"))

    @property
    def worked(self) -> int:
        """Items that were worked on, be it in vain."""
        with self._lock:
            return sum(self._counts[what] for what in ("succeeded", "skipped", "failed", "retried", "cancelled"))


def _name_of(outcome: Outcome, status: ItemStatus | None) -> str:
    if status is not None and status is not ItemStatus.PENDING:
        return status.value
    match outcome:
        case Succeeded():
            return "succeeded"
        case Skipped():
            return "skipped"
        case Failed(retry=retry):
            return "retried" if retry else "failed"
        case Later():
            return "postponed"
