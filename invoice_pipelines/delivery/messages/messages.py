"""Messages as rows: how they are asked for, found or made, and looked at.

Each message is one row of delivery.message, by invoice, purpose, level, channel and recipient, whatever asks for it and
however often; the lock of that row decides who works on it. What is done with it is in `sending`.

Functions that take a connection work in its transaction, which must come from `organization_scope`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, Row, text

from invoice_pipelines.database.filters import narrowed, planned_by_order
from invoice_pipelines.delivery.channels.channel import Part, channel_of
from invoice_pipelines.delivery.messages.templates import LONGEST_SUBJECT, check_subject
from invoice_pipelines.delivery.values import COMMUNICATIONS, DeliveryError, MessageStatus, Purpose
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.overdue.sending import mark_sent
from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines.work import BatchAnswer, ask
from invoice_pipelines.work.values import one_line

CANCELLED_BY_HAND = "CANCELLED"
"""Code of a message that a person cancelled; only who asks anew, later, gets it sent."""


SECONDS_PER_MESSAGE = 0.1
"""As long as the organization has sent none."""


class CommunicationRequest(BaseModel):
    """How invoices are sent to their customers. The parameters of a batch job of kind COMMUNICATIONS.

    `subject` stands above those of the templates and may name the same fields; `include_pdf` counts for emails only;
    `language` (ISO 639-1) stands above that of the invoice.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    method: Annotated[str, AfterValidator(MESSAGING_CHANNELS.check)]
    subject: str | None = Field(default=None, min_length=1, max_length=LONGEST_SUBJECT)
    include_pdf: bool = True
    language: str | None = Field(default=None, pattern="^[a-z]{2}$")


@dataclass(frozen=True, slots=True)
class MessageKey:
    """What a message is about, without whom it goes to."""

    invoice_id: UUID
    purpose: Purpose
    level: int
    channel: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands; see the comments of delivery.message."""

    id: UUID
    invoice_id: UUID
    invoice_number: str
    customer_id: UUID
    purpose: Purpose
    level: int
    channel: str
    recipient: str
    redirected_from: str | None
    status: MessageStatus
    language: str | None
    wishes: Mapping[str, Any]
    notification_id: UUID | None
    batch_job_id: UUID | None
    document_id: UUID | None
    address: str | None
    sender: str | None
    sender_name: str | None
    reply_to: str | None
    subject: str | None
    body_text: str | None
    body_html: str | None
    content_sid: str | None
    content_variables: Mapping[str, str] | None
    amount_due: Decimal | None
    message_id_header: str | None
    composed_at: datetime | None
    attempts: int
    provider_id: str | None
    provider_status: str | None
    error_code: str | None
    error_message: str | None
    sent_at: datetime | None
    ended_at: datetime | None
    looked_up_at: datetime | None
    created_at: datetime
    created_by: str

    @property
    def key(self) -> MessageKey:
        return MessageKey(self.invoice_id, self.purpose, self.level, self.channel)


class UnderWay(InvoicePipelinesError):
    """Another process works on the message at this moment."""


def ask_for_communications(
    connection: Connection, invoice_ids: Iterable[UUID | str], request: CommunicationRequest, *, created_by: str
) -> BatchAnswer:
    """Asks for invoices to be sent, as a batch job.

    An id that is unknown becomes an item that fails with a reason. Raises DeliveryError for a wrong request.
    """
    if request.subject is not None:
        if Part.SUBJECT not in (channel := channel_of(request.method)).parts:
            raise DeliveryError(f"subject: {channel.title} have none")
        check_subject(request.subject)
    return ask(
        connection,
        COMMUNICATIONS,
        invoice_ids,
        request.model_dump(mode="json", exclude_none=True),
        created_by=created_by,
        seconds_per_item=SECONDS_PER_MESSAGE,
    )


def read_request(parameters: Mapping[str, Any]) -> CommunicationRequest:
    """The request that a batch job was made with. Raises DeliveryError."""
    try:
        return CommunicationRequest.model_validate(parameters)
    except ValidationError as error:
        wrong = error.errors()[0]
        reason = wrong["msg"].removeprefix("Value error, ")
        raise DeliveryError(f"{'.'.join(map(str, wrong['loc']))}: {reason}") from None


def get_message(connection: Connection, message_id: UUID) -> Message | None:
    """A message of the organization in scope."""
    row = connection.execute(
        text(
            """select m.* from delivery.message m
               where m.organization_id = (select organizations.current()) and m.id = :id"""
        ),
        {"id": message_id},
    ).one_or_none()
    return None if row is None else _from_row(row)


def lock_message(connection: Connection, message_id: UUID, *, wait: bool = False) -> Message | None:
    """Locks a message to the end of the transaction; it is returned as it is then. Raises UnderWay, unless it waits."""
    found = connection.execute(
        text(
            f"""select m.* from delivery.message m
                where m.organization_id = (select organizations.current()) and m.id = :id
                for no key update {"" if wait else "skip locked"}"""
        ),
        {"id": message_id},
    ).one_or_none()
    if found is None and get_message(connection, message_id) is not None:
        raise UnderWay
    return None if found is None else _from_row(found)


def lock_messages(connection: Connection, key: MessageKey) -> list[Message]:
    """Locks all messages of a key, to whomever they go. Raises UnderWay."""
    ids = [row.id for row in connection.execute(text(f"select m.id from {_OF_KEY} m"), _values(key))]
    locked = [lock_message(connection, message_id) for message_id in sorted(ids)]
    return [message for message in locked if message is not None]


_OF_KEY = "delivery.messages_of(:invoice, :purpose, :level, :channel)"


def _values(key: MessageKey) -> dict[str, Any]:
    return {
        "invoice": key.invoice_id,
        "purpose": key.purpose.value,
        "level": key.level,
        "channel": key.channel,
    }


def insert_message(
    connection: Connection,
    key: MessageKey,
    *,
    recipient: str,
    redirected_from: str | None,
    language: str | None,
    wishes: Mapping[str, Any],
    notification_id: UUID | None,
    batch_job_id: UUID | None,
) -> Message | None:
    """Makes a message about an invoice. None: another process has just made it, or there is no such invoice."""
    row = connection.execute(
        text(
            """insert into delivery.message (organization_id, invoice_id, invoice_number, customer_id, purpose, level,
                   channel, recipient, redirected_from, language, wishes, notification_id, batch_job_id, created_by)
               select i.organization_id, i.id, n.invoice_number, i.customer_id, :purpose, :level, :channel, :recipient,
                      :redirected_from, :language, cast(:wishes as jsonb), :notification, :job,
                      coalesce((select j.created_by from work.jobs j
                                where j.organization_id = i.organization_id and j.id = :job),
                               organizations.actor())
               from billing.invoices i
               join billing.invoice_numbers n on n.invoice_id = i.id and n.organization_id = i.organization_id
               where i.organization_id = (select organizations.current()) and i.id = :invoice
               on conflict (invoice_id, purpose, level, channel, recipient, organization_id) do nothing
               returning *"""
        ),
        {
            **_values(key),
            "recipient": recipient,
            "redirected_from": redirected_from,
            "language": language,
            "wishes": json.dumps(dict(wishes)),
            "notification": notification_id,
            "job": batch_job_id,
        },
    ).one_or_none()
    return None if row is None else _from_row(row)


def update_message(connection: Connection, message_id: UUID, **values: Any) -> None:
    """Changes some columns of a message that this transaction has locked."""
    connection.execute(
        text(
            f"""update delivery.message set {", ".join(f"{name} = :{name}" for name in values)}
                where organization_id = (select organizations.current()) and id = :message_id"""
        ),
        {"message_id": message_id} | {name: _stored(value) for name, value in values.items()},
    )


def fail_message(connection: Connection, message: Message, code: str, reason: str) -> None:
    """A locked message did not and will not go out, unless it is asked for again."""
    _end(connection, message, MessageStatus.FAILED, code, reason)


def cancel_message(connection: Connection, message: Message, code: str, reason: str) -> None:
    """A locked message is not to go out any more."""
    _end(connection, message, MessageStatus.CANCELLED, code, reason)


def _end(connection: Connection, message: Message, status: MessageStatus, code: str, reason: str) -> None:
    values = {"status": status.value, "error_code": code, "error_message": one_line(reason)}
    update_message(connection, message.id, ended_at=datetime.now(UTC), **values)


def tell_overdue(connection: Connection, message: Message) -> None:
    """The customer was reminded; in test mode nobody was."""
    if message.purpose is Purpose.REMINDER and message.notification_id and message.redirected_from is None:
        mark_sent(connection, [message.notification_id])


def list_messages(
    connection: Connection,
    *,
    statuses: Sequence[MessageStatus] | None = None,
    channel: str | None = None,
    invoice_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Message]:
    """Messages of the organization in scope, the newest first; `before` is the last one of the page before."""
    conditions, values = narrowed(
        {
            "statuses": ("m.status = any(cast(:statuses as text[]))", statuses and [s.value for s in statuses]),
            "channel": ("m.channel = :channel", channel),
            "before": ("m.id < :before", before),
        }
    )
    source = """(select * from delivery.message m
                 where m.organization_id = (select organizations.current())
                   and m.invoice_id between :invoice_id and :invoice_id and m.invoice_number <> ''
                 order by m.invoice_id)"""
    with nullcontext() if invoice_id is None else planned_by_order(connection):
        rows = connection.execute(
            text(
                f"""select m.* from {"delivery.message" if invoice_id is None else source} m
                    where m.organization_id = (select organizations.current()) and m.attempts >= 0 {conditions}
                    order by m.id desc limit :limit"""
            ),
            {"limit": limit, "invoice_id": invoice_id, **values},
        ).all()
    return [_from_row(row) for row in rows]


def sent_to_customers(connection: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When invoices first went out to their customers; test mode does not count. Those that did not are left out."""
    rows = connection.execute(
        text(
            """select m.invoice_id, m.sent_at
               from unnest(cast(:ids as uuid[])) k (id)
               cross join lateral (
                   select m.invoice_id, min(m.sent_at) as sent_at from delivery.message m
                   where m.organization_id = (select organizations.current()) and m.invoice_id = k.id
                     and m.invoice_number <> ''
                     and m.purpose = 'invoice' and m.redirected_from is null
                     and m.status in ('sent', 'delivered')
                   group by m.invoice_id) m"""
        ),
        {"ids": list(invoice_ids)},
    )
    return {row.invoice_id: row.sent_at for row in rows}


def reminders_of(connection: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, list[Message]]:
    """The messages by which customers are told of overdue invoices, the oldest first, by the id of the notification."""
    rows = connection.execute(
        text(
            """select m.* from delivery.message m
               where m.organization_id = (select organizations.current()) and m.invoice_id = any(cast(:ids as uuid[]))
                 and m.invoice_number <> '' and m.purpose = 'reminder' and m.notification_id is not null
               order by m.id"""
        ),
        {"ids": sorted(set(invoice_ids))},
    )
    found: dict[UUID, list[Message]] = {}
    for row in rows:
        found.setdefault(row.notification_id, []).append(_from_row(row))
    return found


def find_message(connection: Connection, reference: str) -> Message:
    """The message whose id begins or ends with what is given. Raises DeliveryError where that is none or several."""
    wanted = reference.strip().lower()
    with suppress(ValueError):
        if (named := get_message(connection, UUID(wanted))) is not None:
            return named
    if len(wanted) < 4 or not set(wanted) <= set("0123456789abcdef-"):
        raise DeliveryError(
            f"{reference[:60]!r} is not the id of a message, nor four or more characters of its start or end",
            code="MESSAGE_NOT_FOUND",
        )
    rows = connection.execute(
        text(
            """select m.* from delivery.message m
               where m.organization_id = (select organizations.current())
                 and (m.id::text like :wanted || '%' or m.id::text like '%' || :wanted) order by m.id limit 2"""
        ),
        {"wanted": wanted},
    ).all()
    if len(rows) != 1:
        why = f"there is no message {wanted}" if not rows else f"{wanted} fits several messages"
        raise DeliveryError(why, code="MESSAGE_NOT_FOUND")
    return _from_row(rows[0])


_ENUMS: dict[str, Any] = {"purpose": Purpose, "status": MessageStatus}
_NAMES = tuple(field.name for field in fields(Message))


def _from_row(row: Row[Any]) -> Message:
    values = row._mapping
    return Message(**{n: _ENUMS[n](values[n]) if n in _ENUMS else values[n] for n in _NAMES})


def _stored(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
