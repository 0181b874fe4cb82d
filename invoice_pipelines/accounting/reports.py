"""What an accounting system reports: what a sync did, its state, where one is due. Plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from invoice_pipelines.work import Failure


@dataclass(frozen=True, slots=True)
class Pulled:
    """The outcome of a pull. `finished` False: there is more, and the next pull goes on with it."""

    read: int
    created: int
    changed: int
    conflicts: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Pushed:
    """The outcome of a push; `jobs` are the batch jobs of which something was taken."""

    sent: int
    failed: int
    waiting: int
    failures: tuple[Failure, ...] = ()
    jobs: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class ConflictDecision:
    """What became of a conflict between `ours` and `theirs`, or would: the `outcome` is `ours` or `theirs`, `would be`
    one of them, or `refused`, with the reason as `message`.
    """

    conflict: str
    record: str
    field: str
    ours: str
    theirs: str
    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class EntityReport:
    """What a sync did for one entity, if it got that far. `happened`: there is something to report.

    `shown` is what people see, by its name: numbers, words and instants, and tables as lists of rows.
    """

    happened: bool
    shown: Mapping[str, object]
    pulled: Pulled | None = None
    pushed: Pushed | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did, by the names of entities. `stopped` says why it came to no more, such as a connection that must
    be made again. Without a connection nothing is done, and that is no error.
    """

    is_connected: bool
    entities: Mapping[str, EntityReport]
    stopped: str | None = None
    calls: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SystemState:
    """The state of an organization's sync with its company there.

    `waiting` counts what is to be sent, `oldest_waiting_at` is since when the first of it waits, `pulled_at` when the
    last pull of each entity began that came to its end, `calls` are those of this month (UTC).
    """

    company: str
    stands: str
    waiting: int
    oldest_waiting_at: datetime | None
    pulled_at: Mapping[str, datetime]
    open_conflicts: int
    calls: int


@dataclass(frozen=True, slots=True)
class DuePull:
    """An organization where a pull is due: since when, and whether an earlier one did not come to its end."""

    organization_id: UUID
    due_at: datetime
    is_unfinished: bool


class Health(StrEnum):
    """The state of a connection."""

    NONE = "not connected"
    FINE = "fine"
    WARNING = "soon to fail"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class ConnectionHealth:
    """The state of a connection, and in one line why, and what to do."""

    health: Health
    why: str | None = None
