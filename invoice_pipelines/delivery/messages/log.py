"""The log of a message: each attempt to send it, decisions of people, and reports of providers.

An attempt is written and committed before it begins, and gets its outcome afterwards; without one it is under way, or
its process died over it. Whoever gives it an outcome has the lock of the message, and so has whoever hands it over,
from before it looks whether the attempt is still open until the provider has answered. So an attempt that was given up
by others is not begun any more, by a process that slept.

Functions that take a connection work in its transaction, which must come from `organization_scope`.
"""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.messages.messages import Message
from invoice_pipelines.work.values import one_line


@dataclass(frozen=True, slots=True)
class MessageAttempt:
    """An attempt to send a message, or to find out what became of it."""

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


def begin_attempt(connection: Connection, message: Message, kind: str) -> int:
    """Writes that a locked message is to be handed over (`send`) or asked after (`look_up`); which attempt it is."""
    worker = f"{socket.gethostname()} {os.getpid()} {threading.current_thread().name}"
    number: int = connection.execute(
        text(
            """with begun as (
                   insert into delivery.message_attempt (organization_id, message_id, attempt, kind, worker)
                   values (organizations.current(), :id, :attempt, :kind, :worker)
                   returning attempt)
               update delivery.message m
               set attempts = b.attempt, status = 'sending',
                   looked_up_at = case when :kind = 'look_up' then clock_timestamp() else m.looked_up_at end
               from begun b
               where m.organization_id = organizations.current() and m.id = :id
               returning m.attempts"""
        ),
        {"id": message.id, "attempt": message.attempts + 1, "kind": kind, "worker": worker},
    ).scalar_one()
    return number


def end_attempt(
    connection: Connection,
    message: Message,
    attempt: int,
    outcome: str,
    *,
    code: str | None = None,
    detail: str | None = None,
    provider_id: str | None = None,
) -> None:
    """Gives an attempt its outcome, if it has none yet. The message must be locked by this transaction."""
    connection.execute(
        text(
            """update delivery.message_attempt
               set ended_at = clock_timestamp(), outcome = :outcome, code = :code, detail = :detail,
                   provider_id = :provider_id
               where organization_id = organizations.current() and message_id = :id
                 and attempt = :attempt and outcome is null"""
        ),
        {"id": message.id, "attempt": attempt, "outcome": outcome, "code": code, "provider_id": provider_id}
        | {"detail": None if detail is None else one_line(detail)},
    )


def take_back(connection: Connection, message: Message, attempt: int) -> None:
    """An attempt that others gave up as unknown was not begun: it went nowhere, as its own process says."""
    connection.execute(
        text(
            """update delivery.message_attempt
               set outcome = 'temporary', code = 'NOT_BEGUN', detail = 'Its process was late, and did not begin it.'
               where organization_id = organizations.current() and message_id = :id
                 and attempt = :attempt and outcome = 'unknown'"""
        ),
        {"id": message.id, "attempt": attempt},
    )


def last_attempt(connection: Connection, message: Message) -> MessageAttempt | None:
    """The newest attempt of a message."""
    attempts = attempts_of(connection, message.id)
    return attempts[-1] if attempts else None


def unanswered(attempts: list[MessageAttempt]) -> list[MessageAttempt]:
    """Attempts after which it is not known whether the message went out, with what was looked up taken into account."""
    open_ones: list[MessageAttempt] = []
    for attempt in attempts:
        if attempt.outcome == "not_found":
            open_ones = []
        elif attempt.kind == "send" and attempt.outcome in (None, "unknown"):
            open_ones.append(attempt)
    return open_ones
