"""Messages to customers: what became of them, and what people decide of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict
from sqlalchemy import Connection

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.issued_invoices import find_invoice_id
from invoice_pipelines.delivery.messages.decisions import cancel_by_hand, resolve_message, send_again
from invoice_pipelines.delivery.messages.log import attempts_of, events_of
from invoice_pipelines.delivery.messages.messages import find_message, list_messages
from invoice_pipelines.delivery.values import MessageStatus, Purpose
from invoice_pipelines.web.api.billing.bulk import examples
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Body, Instant, Text

router = OrganizationRouter(tags=["messages"])

MessageId = Annotated[UUID, Path(description="Id of the message")]
_MESSAGE: dict[str, Any] = {
    "id": "0199a1b2-0000-7000-8000-000000000013",
    "invoice_id": "0199a1b2-0000-7000-8000-000000000010",
    "invoice_number": "INV-2026-000123",
    "customer_id": "0199a1b2-0000-7000-8000-000000000002",
    "purpose": "invoice",
    "level": 0,
    "channel": "email",
    "recipient": "ap@bauhaus-schmidt.example",
    "redirected_from": None,
    "status": "sent",
    "language": "de",
    "subject": "Rechnung INV-2026-000123",
    "amount_due": None,
    "document_id": "0199a1b2-0000-7000-8000-000000000012",
    "batch_job_id": "0199a1b2-0000-7000-8000-000000000001",
    "attempts": 1,
    "provider_id": None,
    "provider_status": None,
    "error_code": None,
    "error_message": None,
    "created_at": "2026-03-31T12:00:06Z",
    "created_by": "token shop",
    "sent_at": "2026-03-31T12:00:09Z",
    "ended_at": None,
}


class Resolution(Body):
    """What a person found of a message of which nobody knew whether it went out."""

    model_config = examples({"was_sent": True})

    was_sent: bool


class MessageOut(Answer):
    """A message. waiting: not handed over yet; sending: being handed over; sent: its provider has it; unknown: a person
    must look whether it went out; cancelled: its reason is gone.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_MESSAGE]})

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
    subject: str | None
    amount_due: Amount | None
    document_id: UUID | None
    batch_job_id: UUID | None
    attempts: int
    provider_id: str | None
    provider_status: str | None
    error_code: str | None
    error_message: str | None
    created_at: Instant
    created_by: str
    sent_at: Instant | None
    ended_at: Instant | None


class AttemptOut(Answer):
    """An attempt to send a message, or to find out what became of it; without an outcome it is under way."""

    attempt: int
    kind: str
    started_at: Instant
    ended_at: Instant | None
    outcome: str | None
    code: str | None
    detail: str | None


class MessageEventOut(Answer):
    """What a person decided of a message, or its provider reported."""

    action: str
    detail: str | None
    created_at: Instant
    created_by: str


class MessageDetail(MessageOut):
    """A message with its text, the attempts to send it, and what was decided of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_MESSAGE,
                    "body_text": "Guten Tag, anbei Ihre Rechnung.",
                    "attempt_log": [
                        {
                            "attempt": 1,
                            "kind": "send",
                            "started_at": "2026-03-31T12:00:08Z",
                            "ended_at": "2026-03-31T12:00:09Z",
                            "outcome": "accepted",
                            "code": None,
                            "detail": None,
                        }
                    ],
                    "events": [],
                }
            ]
        }
    )

    body_text: str | None
    attempt_log: list[AttemptOut]
    events: list[MessageEventOut]


@router.get("/messages", role=Role.VIEWER)
def list_outgoing_messages(
    caller: Caller,
    page: PageQuery,
    status: Annotated[list[MessageStatus] | None, Query(description="Only in one of these statuses")] = None,
    channel: Annotated[Text | None, Query(description="Only of this channel", examples=["email"])] = None,
    invoice: Annotated[Text | None, Query(description="Only about the invoice with this id or number")] = None,
) -> Page[MessageOut]:
    """List messages, the newest first."""
    with caller.enter() as at:
        rows = list_messages(
            at.connection,
            statuses=status,
            channel=channel,
            invoice_id=None if invoice is None else find_invoice_id(at.connection, invoice),
            before=page.after_id,
            limit=page.one_more,
        )
    return page.of(rows, key=lambda row: row.id)


@router.get("/messages/{message}", role=Role.VIEWER)
def get_message(caller: Caller, message: MessageId) -> MessageDetail:
    """Get a message with its text and what happened to it."""
    with caller.enter() as at:
        return _shown(at, message)


@router.post("/messages/{message}/resend", role=Role.ACCOUNTANT, area="delivery")
def resend_message(caller: Caller, message: MessageId) -> MessageDetail:
    """Send a message that failed, was cancelled or waits now."""
    return _decide(caller, message, None, lambda connection, by: send_again(connection, message, decided_by=by))


@router.post("/messages/{message}/cancel", role=Role.ACCOUNTANT, area="delivery")
def cancel_message(caller: Caller, message: MessageId) -> MessageDetail:
    """Take back a message that waits."""
    return _decide(caller, message, None, lambda connection, by: cancel_by_hand(connection, message, decided_by=by))


@router.post("/messages/{message}/resolve", role=Role.ACCOUNTANT, area="delivery")
def resolve_doubt(
    caller: Caller,
    message: MessageId,
    body: Resolution,
) -> MessageDetail:
    """Say of a message of unknown outcome that it went out, or let it be sent again."""
    return _decide(
        caller,
        message,
        body,
        lambda connection, by: resolve_message(connection, message, was_sent=body.was_sent, decided_by=by),
    )


def _decide(
    caller: Caller, message: UUID, body: Resolution | None, decide: Callable[[Connection, str], None]
) -> MessageDetail:
    def effect(at: At) -> MessageDetail:
        find_message(at.connection, str(message))
        decide(at.connection, at.entry.actor)
        return _shown(at, message)

    return caller.once(body, effect)


def _shown(at: At, message_id: UUID) -> MessageDetail:
    found = find_message(at.connection, str(message_id))
    return MessageDetail.model_validate(
        {
            **{name: getattr(found, name) for name in (*MessageOut.model_fields, "body_text")},
            "attempt_log": attempts_of(at.connection, message_id),
            "events": events_of(at.connection, message_id),
        }
    )
