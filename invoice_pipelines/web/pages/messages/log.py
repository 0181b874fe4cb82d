"""Messages that went out, wait, failed or are in doubt, and what people decide of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Form, Query, Response
from sqlalchemy import Connection

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.issued_invoices import find_invoice_id
from invoice_pipelines.delivery.messages.decisions import cancel_by_hand, resolve_message, send_again
from invoice_pipelines.delivery.messages.log import attempts_of, events_of
from invoice_pipelines.delivery.messages.messages import Message, find_message, list_messages
from invoice_pipelines.delivery.overview import delivery_state
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines.web.pages.messages.words import shown
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter, seen_tag
from invoice_pipelines.web.paging import PageQuery

router = PageRouter()

GROUPS = {
    "waiting": (MessageStatus.WAITING, MessageStatus.SENDING),
    "sent": (MessageStatus.SENT, MessageStatus.DELIVERED),
    "failed": (MessageStatus.FAILED, MessageStatus.BOUNCED),
    "unknown": (MessageStatus.UNKNOWN,),
    "cancelled": (MessageStatus.CANCELLED,),
}
"""The states in which a message is listed together with others, by the parameter `status`."""
Seen = Annotated[str, Form(max_length=100)]
Filter = Annotated[str, Query(max_length=100)]


@router.get("/messages", role=Role.VIEWER)
def messages(page: Page, of: PageQuery, status: Filter = "", channel: Filter = "", invoice: Filter = "") -> Response:
    """Messages, the newest first."""
    with page.enter() as at:
        invoice_id, error = None, ""
        if invoice.strip():
            try:
                invoice_id = find_invoice_id(at.connection, invoice.strip())
            except BillingError:
                error = page.gettext("There is no invoice with this number.")
        rows = (
            []
            if error
            else list_messages(
                at.connection,
                statuses=GROUPS.get(status),
                channel=channel or None,
                invoice_id=invoice_id,
                before=of.after_id,
                limit=of.one_more,
            )
        )
        return page.show(
            "messages/list.html",
            found=of.of(rows, key=lambda row: row.id),
            group=status if status in GROUPS else "",
            counts=delivery_state(at.connection).messages,
            groups=GROUPS,
            channel=channel,
            channels=MESSAGING_CHANNELS.names(),
            invoice=invoice,
            error=error,
            **shown(page.language),
        )


@router.get("/messages/{message}", role=Role.VIEWER)
def message(page: Page, message: UUID) -> Response:
    """A message with its text, and what happened to it."""
    with page.enter() as at:
        found = find_message(at.connection, str(message))
        return page.show(
            "messages/message.html",
            message=found,
            attempts=attempts_of(at.connection, message),
            events=events_of(at.connection, message),
            seen=seen_tag(*_state(found)),
            **shown(page.language),
        )


@router.post("/messages/{message}/resend", role=Role.ACCOUNTANT, area="delivery")
def resend(page: Page, message: UUID, seen: Seen = "") -> Response:
    """Sends a message that did not go out."""
    said = page.gettext("It goes out as soon as a worker is free.")
    return _decide(page, message, seen, said, lambda connection, by: send_again(connection, message, decided_by=by))


@router.post("/messages/{message}/cancel", role=Role.ACCOUNTANT, area="delivery")
def cancel(page: Page, message: UUID, seen: Seen = "") -> Response:
    """Takes back a message that waits."""
    said = page.gettext("Taken back. It does not go out.")
    return _decide(page, message, seen, said, lambda connection, by: cancel_by_hand(connection, message, decided_by=by))


@router.post("/messages/{message}/resolve", role=Role.ACCOUNTANT, area="delivery")
def resolve(
    page: Page, message: UUID, was_sent: Annotated[Literal["yes", "no", ""], Form()] = "", seen: Seen = ""
) -> Response:
    """Says what became of a message in doubt."""
    if was_sent == "yes":
        said = page.gettext("Noted: it was sent.")
    else:
        said = page.gettext("It is sent again as soon as a worker is free.")
    return _decide(
        page,
        message,
        seen,
        said,
        lambda connection, by: resolve_message(connection, message, was_sent=was_sent == "yes", decided_by=by),
    )


def _decide(
    page: PageCaller, message: UUID, seen: str, said: str, decide: Callable[[Connection, str], None]
) -> Response:
    with page.enter() as at:
        page.require_seen(seen, *_state(find_message(at.connection, str(message))))
        decide(at.connection, at.entry.actor)
    return page.go(page.url("messages", message), said)


def _state(found: Message) -> tuple[object, ...]:
    return found.id, found.status, found.attempts
