"""Settles messages that may have gone out, as their answer was lost or their process died.

Its attempt is given up first, so that nobody sends it any more (see `messages.log`). What went out until then is known
to the provider LOOK_UP_AFTER_SECONDS later, and then it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from invoice_pipelines.delivery.channels.channel import LookedUp, NotAccepted, Outgoing
from invoice_pipelines.delivery.messages.log import attempts_of, begin_attempt, end_attempt, last_attempt, unanswered
from invoice_pipelines.delivery.messages.messages import Message, lock_message, update_message
from invoice_pipelines.delivery.sending.composing import outgoing
from invoice_pipelines.delivery.sending.examining import Unsettled, unknown_outcome
from invoice_pipelines.delivery.sending.handing_over import Again, record_sent
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Failed, Item, Later, Outcome
from invoice_pipelines.work.failures import reason_of
from invoice_pipelines.work.values import one_line


@dataclass(frozen=True, slots=True)
class ToLookUp:
    """A message to ask its provider about, since the time of the first attempt that is in doubt."""

    message: Message
    attempt: int
    outgoing: Outgoing
    since: datetime


def settle(connection: Connection, context: OrganizationContext, unsettled: Unsettled) -> ToLookUp | Later:
    """What is to be done with a locked message that is being handed over, or was when its process died."""
    message, now = unsettled.message, unsettled.now
    wait = timedelta(seconds=context.settings.look_up_after_seconds)
    last = last_attempt(connection, message)
    if last is not None and last.outcome is None:
        if now < last.started_at + wait:
            return Later(last.started_at + wait, "UNDER_WAY", "It is being sent, or its process has just died.")
        detail = "Its process ended, or slept, before there was an answer."
        end_attempt(connection, message, last.attempt, "unknown", code="NO_ANSWER", detail=detail)
        if last.kind == "send" and wait:
            return Later(now + wait, "NO_ANSWER", f"{detail} The provider will be asked.")
    doubtful = unanswered(attempts_of(connection, message.id))
    ended_at = doubtful[-1].ended_at if doubtful else None
    if ended_at is not None and now < ended_at + wait:
        return Later(ended_at + wait, "NO_ANSWER", "The provider will be asked.")
    since = doubtful[0].started_at if doubtful else message.created_at
    # Without its document, which nobody looks at for this.
    written = outgoing(connection, context, replace(message, document_id=None))
    return ToLookUp(message, begin_attempt(connection, message, "look_up"), written, since)


def record_look_up(
    connection: Connection, settings: Settings, item: Item, asked: ToLookUp, answer: LookedUp | Exception
) -> Outcome | Again:
    """Records what a provider said of a message. What did not go out is begun anew."""
    message = lock_message(connection, asked.message.id, wait=True)
    assert message is not None
    last = last_attempt(connection, message)
    if message.status is not MessageStatus.SENDING or last is None or last.attempt != asked.attempt:
        end_attempt(connection, message, asked.attempt, "temporary", code="SUPERSEDED")
        return Again.BEGIN_ANEW
    if isinstance(answer, Exception):
        why = str(answer) if isinstance(answer, NotAccepted) else reason_of(answer).message
        failed = Failed("LOOK_UP_FAILED", f"Whether it went out could not be asked. {why}", retry=True)
        end_attempt(connection, message, asked.attempt, "temporary", code=failed.code, detail=failed.message)
        failed = failed.at_last(item.attempts, settings.message_attempts)
        if failed.retry:
            return failed
        return _for_a_person(connection, message, failed.message)
    if answer.went_out is None:
        end_attempt(connection, message, asked.attempt, "unknown", code="CANNOT_TELL", detail=answer.detail)
        return _for_a_person(connection, message, answer.detail)
    if answer.went_out:
        return record_sent(connection, message, asked.attempt, answer)
    end_attempt(connection, message, asked.attempt, "not_found", detail=answer.detail)
    update_message(connection, message.id, status="waiting")
    return Again.BEGIN_ANEW


def _for_a_person(connection: Connection, message: Message, why: str) -> Failed:
    values = {"error_code": "OUTCOME_UNKNOWN", "error_message": one_line(why)}
    update_message(connection, message.id, status="unknown", **values)
    return unknown_outcome(message)
