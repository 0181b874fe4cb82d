"""Where the reading of a company stands, per entity: up to when all changes are here, and what is under way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self, cast

from sqlalchemy import Connection, text

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.quickbooks.values import EntityType, as_json


class PullTakenOver(InvoicePipelinesError):
    """Another process pulls the same entity and is ahead; what this one was about to store was not stored."""

    def __init__(self, entity: EntityType) -> None:
        super().__init__(f"Another pull of {entity}s is ahead of this one, which ends here; nothing is lost.")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reading in pages got.

    It reads what was changed after `since` (None: everything) and not after `until`, in steps (see `reading`). Within
    a step: rows from the instant `at` on, of these from `position` on; or ids after `after`.
    """

    started_at: datetime
    """by our clock"""
    since: datetime | None
    until: datetime | None = None
    step: int = 0
    at: datetime | None = None
    position: int = 1
    after: str | None = None

    def next_step(self) -> Self:
        """The beginning of the step after this one."""
        return replace(self, step=self.step + 1, at=None, position=1, after=None)

    def stored(self) -> dict[str, Any]:
        """As it is kept in quickbooks.pull."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """As it was kept."""
        instants = {name: stored[name] and datetime.fromisoformat(stored[name]) for name in _INSTANTS}
        return cls(**{**stored, **instants})


_INSTANTS = ("started_at", "since", "until", "at")


@dataclass(frozen=True, slots=True)
class PullState:
    """What is stored of the pulls of an entity."""

    entity: EntityType
    changed_since: datetime | None = None
    progress: Progress | None = None


def load_states(connection: Connection, realm_id: str, entities: Iterable[EntityType]) -> dict[EntityType, PullState]:
    """Where each entity stands. One that was never pulled stands at nothing."""
    states = {entity: PullState(entity) for entity in entities}
    for row in connection.execute(
        text(
            """select entity_type, changed_since, progress from quickbooks.pull
               where organization_id = organizations.current() and realm_id = :realm_id"""
        ),
        {"realm_id": realm_id},
    ):
        entity = EntityType(row.entity_type)
        if entity in states:
            progress = None if row.progress is None else Progress.of(row.progress)
            states[entity] = PullState(entity, row.changed_since, progress)
    return states


def store_state(connection: Connection, realm_id: str, before: PullState, after: PullState, *, finished: bool) -> None:
    """Goes from one state to the next, in the transaction that stores what was read in between.

    Raises PullTakenOver where the stored state is not the one before. `finished`: a pull came to its end with this.
    """
    values = {
        "realm_id": realm_id,
        "entity": str(before.entity),
        "old_since": before.changed_since,
        "old_progress": None if before.progress is None else as_json(before.progress.stored()),
        "since": after.changed_since,
        "progress": None if after.progress is None else as_json(after.progress.stored()),
        "finished": finished,
    }
    connection.execute(
        text(
            """insert into quickbooks.pull (organization_id, realm_id, entity_type)
               values (organizations.current(), :realm_id, :entity)
               on conflict (organization_id, realm_id, entity_type) do nothing"""
        ),
        values,
    )
    changed = connection.execute(
        text(
            """update quickbooks.pull p
               set changed_since = :since, progress = cast(:progress as jsonb),
                   finished_at = case when :finished then clock_timestamp() else p.finished_at end
               where p.organization_id = organizations.current() and p.realm_id = :realm_id
                 and p.entity_type = :entity
                 and p.changed_since is not distinct from cast(:old_since as timestamptz)
                 and p.progress is not distinct from cast(:old_progress as jsonb)
               returning 1"""
        ),
        values,
    ).all()
    if not changed:
        raise PullTakenOver(before.entity)


def clock(connection: Connection) -> datetime:
    """The time by the clock of the database, which all rows have theirs from."""
    return cast(datetime, connection.execute(text("select clock_timestamp()")).scalar_one())


def note_start(connection: Connection, realm_id: str, entity: EntityType) -> None:
    """Notes that a pull of an entity begins now; one that goes on began before."""
    connection.execute(
        text(
            """insert into quickbooks.pull as p (organization_id, realm_id, entity_type, started_at)
               values (organizations.current(), :realm_id, :entity, clock_timestamp())
               on conflict (organization_id, realm_id, entity_type) do update
               set started_at = case when p.progress is null then excluded.started_at else p.started_at end"""
        ),
        {"realm_id": realm_id, "entity": str(entity)},
    )
