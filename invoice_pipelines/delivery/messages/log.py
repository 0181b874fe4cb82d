"""What is on record of a message beside itself: each attempt to send it, what people decided, providers reported.

Functions that take a connection work in its transaction, which must come from `organization_scope`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class MessageAttempt:
    """An attempt to send a message, or to find out what became of it.

    Without an outcome it is under way, or its process died.
    """

    attempt: int
    kind: str
    """send, look_up"""
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    """accepted, temporary, permanent, unknown, found, not_found"""
    code: str | None
    detail: str | None
    provider_id: str | None
    worker: str


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """What a person decided of a message, or its provider reported."""

    action: str
    detail: str | None
    created_at: datetime
    created_by: str


def attempts_of(connection: Connection, message_id: UUID) -> list[MessageAttempt]:
    """All attempts of a message, in their order."""
    rows = connection.execute(
        text(
            """select a.attempt, a.kind, a.started_at, a.ended_at, a.outcome, a.code, a.detail, a.provider_id, a.worker
               from delivery.message_attempt a
               where a.organization_id = organizations.current() and a.message_id = :id
               order by a.attempt"""
        ),
        {"id": message_id},
    )
    return [MessageAttempt(*row) for row in rows]


def events_of(connection: Connection, message_id: UUID) -> list[MessageEvent]:
    """What was decided and reported of a message, in its order."""
    rows = connection.execute(
        text(
            """select e.action, e.detail, e.created_at, e.created_by from delivery.message_event e
               where e.organization_id = organizations.current() and e.message_id = :id
               order by e.id"""
        ),
        {"id": message_id},
    )
    return [MessageEvent(*row) for row in rows]


def record_event(
    connection: Connection, message_id: UUID, action: str, *, created_by: str, detail: str | None = None
) -> None:
    """Writes down what a person decided, or a provider reported."""
    connection.execute(
        text(
            """insert into delivery.message_event (organization_id, message_id, action, detail, created_by)
               values (organizations.current(), :id, :action, :detail, :by)"""
        ),
        {"id": message_id, "action": action, "detail": detail, "by": created_by},
    )
