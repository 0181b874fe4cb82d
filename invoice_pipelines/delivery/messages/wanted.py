"""Reads an entry of the queue: which message it asks for, by its kind. `delivery.values` describes the subjects."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.messages.messages import CommunicationRequest, MessageKey, get_message, read_request
from invoice_pipelines.delivery.values import (
    COMMUNICATIONS,
    SEND_MESSAGE,
    SEND_OVERDUE_NOTIFICATION,
    DeliveryError,
    Purpose,
)
from invoice_pipelines.overdue.sending import notification_and_channel
from invoice_pipelines.work import Claim, Failed, Item


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an entry of the queue asks for."""

    key: MessageKey
    kind: str
    item: Item
    job_id: UUID | None = None
    message_id: UUID | None = None
    notification_id: UUID | None = None
    request: CommunicationRequest | None = None


def what_is_wanted(connection: Connection, claimed: Claim, item: Item) -> Wanted | Failed:
    """What an entry asks for; why it asks for nothing that there is."""
    found: Wanted | None = None
    try:
        if claimed.kind == COMMUNICATIONS:
            request = read_request(claimed.parameters)
            key = MessageKey(UUID(item.subject_id), Purpose.INVOICE, 0, request.method)
            found = Wanted(key, claimed.kind, item, claimed.job_id, request=request)
        elif claimed.kind == SEND_MESSAGE:
            message = get_message(connection, UUID(item.subject_id))
            if message is not None:
                found = Wanted(
                    message.key,
                    claimed.kind,
                    item,
                    message.batch_job_id,
                    message_id=message.id,
                    notification_id=message.notification_id,
                )
        elif claimed.kind == SEND_OVERDUE_NOTIFICATION:
            notification_id, channel = notification_and_channel(item.subject_id)
            row = connection.execute(
                text(
                    """select n.invoice_id, n.level from overdue.notifications n
                       where n.organization_id = organizations.current() and n.id = :id"""
                ),
                {"id": notification_id},
            ).one_or_none()
            if row is not None:
                key = MessageKey(row.invoice_id, Purpose.REMINDER, row.level, channel)
                found = Wanted(key, claimed.kind, item, notification_id=notification_id)
    except DeliveryError as error:
        return Failed("BAD_REQUEST", f"{error}. Ask again.")
    except ValueError:
        found = None
    return found or Failed("NOT_FOUND", f"{item.subject_id[:80]!r} names nothing that this organization can send.")
