"""Decisions of people about messages, and reports of providers on them.

Each function runs in the transaction of its connection, which must come from `organization_scope`, and waits for a
message that is being handed over at this moment.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.messages.log import end_attempt, last_attempt, record_event
from invoice_pipelines.delivery.messages.messages import (
    CANCELLED_BY_HAND,
    Message,
    cancel_message,
    lock_message,
    tell_overdue,
    update_message,
)
from invoice_pipelines.delivery.messages.opt_outs import add_opt_out
from invoice_pipelines.delivery.values import SEND_MESSAGE, DeliveryError, MessageStatus
from invoice_pipelines.work import enqueue


class MessageStatusConflict(DeliveryError):
    """What was decided is not possible for a message as it stands."""

    code = "MESSAGE_STATUS_CONFLICT"

    def __init__(self, message: Message, why: str) -> None:
        super().__init__(f"message {message.id} is {message.status}; {why}")


def resolve_message(connection: Connection, message_id: UUID, *, was_sent: bool, decided_by: str) -> None:
    """Says of a message of unknown outcome that it went out, or lets it be sent (again). Raises DeliveryError."""
    message = _locked(connection, message_id)
    if message.status is not MessageStatus.UNKNOWN:
        raise MessageStatusConflict(message, "only one that is unknown can be resolved")
    if was_sent:
        last = last_attempt(connection, message)
        update_message(
            connection,
            message_id,
            status="sent",
            sent_at=last.started_at if last is not None else datetime.now(UTC),
            error_code=None,
            error_message=None,
        )
        tell_overdue(connection, message)
        record_event(connection, message_id, "resolved_as_sent", created_by=decided_by)
        return
    update_message(connection, message_id, status="waiting", error_code=None, error_message=None)
    enqueue(connection, SEND_MESSAGE, [message_id])
    record_event(connection, message_id, "sent_again", created_by=decided_by)


def cancel_by_hand(connection: Connection, message_id: UUID, *, decided_by: str) -> None:
    """Takes back a message that waits. Raises DeliveryError where it does not."""
    message = _locked(connection, message_id)
    if message.status is not MessageStatus.WAITING:
        raise MessageStatusConflict(message, "only one that waits can be cancelled")
    cancel_message(connection, message, CANCELLED_BY_HAND, f"Cancelled by {decided_by}.")
    record_event(connection, message_id, "cancelled", created_by=decided_by)


def send_again(connection: Connection, message_id: UUID, *, decided_by: str) -> None:
    """Lets a message that failed, was cancelled or waits be sent now. Raises DeliveryError for one that went out."""
    message = _locked(connection, message_id)
    if message.status not in (MessageStatus.WAITING, MessageStatus.FAILED, MessageStatus.CANCELLED):
        raise MessageStatusConflict(message, "only one that did not go out can be sent")
    update_message(connection, message_id, status="waiting", error_code=None, error_message=None, ended_at=None)
    enqueue(connection, SEND_MESSAGE, [message_id])
    connection.execute(
        text("select work.move_entries(:kind, array[:subject], no_later => now())"),
        {"kind": SEND_MESSAGE, "subject": str(message_id)},
    )
    record_event(connection, message_id, "sent_again", created_by=decided_by)


def record_report(
    connection: Connection,
    *,
    status: str,
    provider_id: str | None = None,
    message_id_header: str | None = None,
    provider_status: str | None = None,
    code: str | None = None,
    detail: str | None = None,
    reported_by: str = "provider",
) -> bool:
    """Records what became of a message that went out: `delivered` or `bounced`, once and for good; False where that is
    known already, or no message of the organization in scope is meant.

    It is named by its provider's id, or by the Message-ID of an email. A report also says of one in doubt that it went
    out. An address that there is not (enhanced status 5.1.x, RFC 3463) is not written to again until a person ends the
    opt-out.
    """
    if status not in (MessageStatus.DELIVERED, MessageStatus.BOUNCED):
        raise ValueError(f"A report says delivered or bounced, not {status!r}.")
    found = connection.execute(
        text("select id from delivery.message_of_report(:provider_id, :header) id"),
        {"provider_id": provider_id, "header": message_id_header},
    ).scalar()
    message = None if found is None else lock_message(connection, found, wait=True)
    in_doubt = (MessageStatus.SENDING, MessageStatus.UNKNOWN)
    if message is None or message.status not in (MessageStatus.SENT, *in_doubt):
        return False
    sent_at = message.sent_at
    if message.status in in_doubt:
        last = last_attempt(connection, message)
        sent_at = datetime.now(UTC) if last is None else last.started_at
        if last is not None:
            end_attempt(connection, message, last.attempt, "found", detail=f"Reported as {status}.")
        tell_overdue(connection, message)
    bounced = status == MessageStatus.BOUNCED
    update_message(
        connection,
        message.id,
        status=str(status),
        sent_at=sent_at,
        ended_at=datetime.now(UTC),
        provider_status=provider_status,
        error_code=(code or "BOUNCED") if bounced else None,
        error_message=detail if bounced else None,
    )
    record_event(connection, message.id, str(status), detail=detail, created_by=reported_by)
    if bounced and code is not None and code.startswith("5.1.") and message.address is not None:
        add_opt_out(connection, message.channel, message.address, reason="bounced", note=detail, created_by=reported_by)
    return True


def cancel_messages_of_cancelled_jobs(connection: Connection) -> int:
    """Messages that wait and whose batch job was cancelled do not go out, unless something else asks for them."""
    return connection.execute(
        text(
            """update delivery.message m
               set status = 'cancelled', ended_at = clock_timestamp(), error_code = 'JOB_CANCELLED',
                   error_message = 'The batch job that asked for it was cancelled.'
               where m.organization_id = organizations.current() and m.status = 'waiting'
                 and exists (select from work.jobs j
                             where j.organization_id = m.organization_id and j.id = m.batch_job_id
                               and j.status = 'cancelled')
                 and not exists (select from work.items i
                                 where i.organization_id = m.organization_id and i.kind = :kind
                                   and i.subject_id = m.id::text and i.status = 'pending' and i.job_id is null)
                 and not exists (select from work.items i
                                 where i.organization_id = m.organization_id and i.kind = :kind
                                   and i.subject_id = m.id::text and i.status = 'processing')"""
        ),
        {"kind": SEND_MESSAGE},
    ).rowcount


def _locked(connection: Connection, message_id: UUID) -> Message:
    message = lock_message(connection, message_id, wait=True)
    if message is None:
        raise DeliveryError(f"this organization has no message {message_id}", code="MESSAGE_NOT_FOUND")
    return message
