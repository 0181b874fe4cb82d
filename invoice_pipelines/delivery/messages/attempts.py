"""Attempts to send a message: each is written and committed before it begins, and gets its outcome afterwards.

An attempt without an outcome is under way, or its process died over it. Whoever gives it an outcome has the lock of
the message, and so has whoever hands it over, from before it looks whether the attempt is still open until the
provider has answered. So an attempt that was given up by others is not begun any more, by a process that slept.
"""

from __future__ import annotations

import os
import socket
import threading

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.messages.log import MessageAttempt, attempts_of
from invoice_pipelines.delivery.messages.messages import Message
from invoice_pipelines.work.values import one_line


def begin_attempt(connection: Connection, message: Message, kind: str) -> int:
    """Writes that a locked message is to be handed over (`send`) or asked after (`look_up`); which attempt it is."""
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
        {"id": message.id, "attempt": message.attempts + 1, "kind": kind, "worker": _worker()},
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
) -> bool:
    """Gives an attempt its outcome; False if it has one. The message must be locked by this transaction."""
    return (
        connection.execute(
            text(
                """update delivery.message_attempt
                   set ended_at = clock_timestamp(), outcome = :outcome, code = :code, detail = :detail,
                       provider_id = :provider_id
                   where organization_id = organizations.current() and message_id = :id
                     and attempt = :attempt and outcome is null"""
            ),
            {
                "id": message.id,
                "attempt": attempt,
                "outcome": outcome,
                "code": code,
                "detail": None if detail is None else one_line(detail),
                "provider_id": provider_id,
            },
        ).rowcount
        == 1
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


def _worker() -> str:
    return f"{socket.gethostname()} {os.getpid()} {threading.current_thread().name}"
