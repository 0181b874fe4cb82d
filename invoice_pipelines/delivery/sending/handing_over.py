"""Hands a message over to its provider. The attempt is committed first; its outcome is recorded with it.

Functions that take a connection work in its transaction, within the organization; the message is locked by it.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from sqlalchemy import Connection

from invoice_pipelines.delivery.channels.channel import (
    Accepted,
    LookedUp,
    OpenChannel,
    OutcomeUnknown,
    Outgoing,
    Refused,
    Unavailable,
)
from invoice_pipelines.delivery.messages.log import (
    attempts_of,
    begin_attempt,
    end_attempt,
    last_attempt,
    take_back,
    unanswered,
)
from invoice_pipelines.delivery.messages.messages import (
    Message,
    cancel_message,
    fail_message,
    lock_message,
    tell_overdue,
    update_message,
)
from invoice_pipelines.delivery.messages.opt_outs import add_opt_out
from invoice_pipelines.delivery.sending.composing import compose, outgoing
from invoice_pipelines.delivery.sending.examining import Ready, still_wanted
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Clock, Failed, Item, Later, Outcome, Skipped, Succeeded
from invoice_pipelines.work.failures import reason_of
from invoice_pipelines.work.values import one_line

log = logging.getLogger(__name__)

_CODE = re.compile(r"[A-Z][A-Z0-9_-]*")


class Again(Enum):
    """What an entry gets that is to be begun anew at once."""

    BEGIN_ANEW = 1


@dataclass(frozen=True, slots=True)
class Intended:
    """A message with an attempt that is written and not begun."""

    message: Message
    attempt: int
    outgoing: Outgoing


def intend(connection: Connection, context: OrganizationContext, ready: Ready) -> Intended:
    """Writes a message, if it is not yet, and its attempt; commit before it is handed over. Raises as compose does."""
    message = ready.message
    is_stale = ready.due is not None and ready.due.amount_due != message.amount_due
    # One that may have gone out is sent again as it was, or not at all.
    if message.composed_at is None or (is_stale and not unanswered(attempts_of(connection, message.id))):
        message = compose(connection, context, message, ready.address, ready.due, ready.now)
    written = outgoing(connection, context, message)
    return Intended(message, begin_attempt(connection, message, "send"), written)


def hand_over(
    connection: Connection, settings: Settings, item: Item, intended: Intended, channel: OpenChannel, clock: Clock
) -> Outcome | Unavailable | Again:
    """Hands a message over in a transaction that stays open while the provider answers. Nothing that happens with the
    provider is raised: all of it is recorded. An Unavailable that is returned holds for all messages of the channel.
    """
    attempt = intended.attempt
    reason = still_wanted(connection, intended.message)
    message = lock_message(connection, intended.message.id, wait=True)
    assert message is not None
    last = last_attempt(connection, message)
    if last is None or last.attempt != attempt or last.outcome is not None:
        if message.status is MessageStatus.SENDING and message.attempts == attempt:
            take_back(connection, message, attempt)
            update_message(connection, message.id, status="waiting")
        return Again.BEGIN_ANEW
    if reason is not None:
        return _not_wanted(connection, message, attempt, *reason)
    try:
        accepted = channel.send(intended.outgoing)
    except Refused as error:
        end_attempt(connection, message, attempt, "permanent", code=error.code, detail=str(error))
        fail_message(connection, message, error.code, str(error))
        if error.code == "OPTED_OUT":
            address = intended.outgoing.recipient
            add_opt_out(connection, message.channel, address, created_by="provider", note=str(error))
        return Failed(known_code(error.code), str(error))
    except Unavailable as error:
        end_attempt(connection, message, attempt, "temporary", code=error.code, detail=str(error))
        values = {"error_code": error.code, "error_message": one_line(str(error))}
        update_message(connection, message.id, status="waiting", **values)
        if error.is_of_all:
            return error
        failed = Failed(known_code(error.code), str(error), retry=True)
        outcome = failed.at_last(item.attempts, settings.message_attempts)
        if not outcome.retry:
            fail_message(connection, message, outcome.code, outcome.message)
        return outcome
    except Exception as error:  # noqa: BLE001 - the message may be out, whatever it is
        detail = str(error) if isinstance(error, OutcomeUnknown) else reason_of(error).message
        if not isinstance(error, OutcomeUnknown):
            log.error("A channel failed in a way that it should not: %s", detail)
        end_attempt(connection, message, attempt, "unknown", code="NO_ANSWER", detail=detail)
        wait = timedelta(seconds=settings.look_up_after_seconds)
        return Later(clock.now() + wait, "NO_ANSWER", f"{detail} The provider will be asked.")
    return record_sent(connection, message, attempt, accepted)


def record_sent(connection: Connection, message: Message, attempt: int, answer: Accepted | LookedUp) -> Succeeded:
    """The provider has the message, as it answered, or as it said when it was asked."""
    was_found = isinstance(answer, LookedUp)
    end_attempt(
        connection,
        message,
        attempt,
        "found" if was_found else "accepted",
        detail=answer.detail or None,
        provider_id=answer.provider_id,
    )
    update_message(
        connection,
        message.id,
        status="sent",
        sent_at=datetime.now(UTC),
        provider_id=answer.provider_id,
        error_code=None,
        error_message=None,
    )
    tell_overdue(connection, message)
    operation = "found" if was_found else "sent"
    return Succeeded({"message_id": message.id, "operation": operation, "channel": message.channel})


def known_code(code: str) -> str:
    """The code as an entry of the queue can have it."""
    return code if _CODE.fullmatch(code) else "REFUSED"


def _not_wanted(connection: Connection, message: Message, attempt: int, code: str, reason: str) -> Outcome | Again:
    """What may change at any moment has changed: the attempt is not begun."""
    end_attempt(connection, message, attempt, "temporary", code=code, detail=f"Not handed over. {reason}")
    if code == "CHANGED":
        update_message(connection, message.id, status="waiting")
        return Again.BEGIN_ANEW
    cancel_message(connection, message, code, reason)
    return Skipped(reason)
