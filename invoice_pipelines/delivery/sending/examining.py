"""The checks before a message goes out: which message an entry asks for, and whether it may go now.

They are made when an entry is taken, and again when the message is written. `still_wanted` repeats those whose result
may change at any moment while the message is handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from invoice_pipelines.delivery.channels.addresses import Address, AddressError
from invoice_pipelines.delivery.channels.channel import channel_of
from invoice_pipelines.delivery.messages.messages import (
    CANCELLED_BY_HAND,
    Message,
    cancel_message,
    fail_message,
    insert_message,
    lock_message,
    lock_messages,
    update_message,
)
from invoice_pipelines.delivery.messages.opt_outs import find_opt_out
from invoice_pipelines.delivery.messages.quiet_hours import quiet_ends
from invoice_pipelines.delivery.messages.wanted import Wanted
from invoice_pipelines.delivery.sending.composing import redirect_of
from invoice_pipelines.delivery.values import COMMUNICATIONS, MessageStatus, Purpose
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue.sending import StillDue, still_due
from invoice_pipelines.registry import MESSAGING_CHANNELS, UnknownName
from invoice_pipelines.work import Failed, Item, Later, Outcome, Skipped

_GONE = (MessageStatus.SENT, MessageStatus.DELIVERED)
NOT_COMPOSED = dict.fromkeys(
    ("composed_at", "document_id", "address", "sender", "sender_name", "reply_to", "subject", "body_text", "body_html",
     "content_sid", "content_variables", "amount_due")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that may go now, locked."""

    message: Message
    address: Address
    due: StillDue | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A message of which it is not known whether it went out, locked."""

    message: Message
    now: datetime


def examine(connection: Connection, context: OrganizationContext, wanted: Wanted) -> Ready | Unsettled | Outcome:
    """Whether a message may go now: if so it is returned, made if need be; if not, it is left as it should be, and the
    outcome is what its entry gets. Raises UnderWay.
    """
    key = wanted.key
    # Notification and invoice before the message, here as everywhere: see overdue.sending.still_due on their order.
    due = _due(connection, wanted) if key.purpose is Purpose.REMINDER else None
    facts = invoice_facts(connection, key.invoice_id)
    if facts is None:
        return Failed("NOT_FOUND", "This organization has no such invoice.")
    messages = lock_messages(connection, key)
    for message in messages:
        if message.status is MessageStatus.SENDING:
            return Unsettled(message, facts.now)
        if message.status is MessageStatus.UNKNOWN:
            return unknown_outcome(message)
    try:
        MESSAGING_CHANNELS.check(key.channel)
    except UnknownName as error:
        for message in messages:
            if message.status is MessageStatus.WAITING:
                fail_message(connection, message, "UNKNOWN_CHANNEL", str(error))
        return Failed("UNKNOWN_CHANNEL", str(error))
    if facts.status == "void":
        _cancel(connection, messages, "VOID", "The invoice is void.")
        reason = f"Invoice {facts.invoice_number} is void: nothing is sent of it."
        return Failed("VOID", reason) if wanted.kind == COMMUNICATIONS else Skipped(reason)
    if key.purpose is Purpose.REMINDER and due is None:
        _cancel(connection, messages, "NOT_DUE", "It is not due any more, or a later reminder took its place.")
        return Skipped(f"Invoice {facts.invoice_number} is not due any more, or a later reminder took its place.")
    return _addressed(connection, context, wanted, facts, messages, due)


def _addressed(
    connection: Connection,
    context: OrganizationContext,
    wanted: Wanted,
    facts: Row[Any],
    messages: Sequence[Message],
    due: StillDue | None,
) -> Ready | Outcome:
    channel = channel_of(wanted.key.channel)
    try:
        customers = channel.addresses.find({"email": facts.email, "phone": facts.phone}, facts.country_code)
    except AddressError as error:
        message = _row_for(connection, wanted, messages, "", None)
        if message is not None and message.status not in _GONE:
            fail_message(connection, message, error.code, str(error))
        return Failed(error.code, str(error))
    try:
        redirected = redirect_of(context, channel)
    except AddressError as error:
        return Failed("BAD_REDIRECT", f"Test mode: {error}")
    address = redirected or customers
    message = _row_for(connection, wanted, messages, address.recipient, customers.address if redirected else None)
    if message is None:
        return Later(facts.now + timedelta(seconds=1), "UNDER_WAY", "Another process has just begun to send it.")
    if message.status in _GONE:
        return Skipped(f"It was sent on {message.sent_at:%Y-%m-%d %H:%M} UTC to {message.address}.")
    if message.status is MessageStatus.BOUNCED:
        return Failed(
            "BOUNCED", f"It came back from {message.address}: correct the address of the customer, then retry."
        )
    if (
        message.status is MessageStatus.CANCELLED
        and message.error_code == CANCELLED_BY_HAND
        and message.ended_at is not None
        and _asked_at(connection, wanted.item) < message.ended_at
    ):
        return Skipped("It was cancelled by hand.")
    opt_out = find_opt_out(connection, channel.name, customers.recipient)
    if opt_out is not None:
        if opt_out.reason == "bounced":
            reason = (
                f"An earlier message to {customers.address} came back: correct the address of the customer, or end "
                "its opt-out, so that messages go there again."
            )
            fail_message(connection, message, "BOUNCED", reason)
            return Failed("BOUNCED", reason)
        _cancel(connection, [message], "OPTED_OUT", f"{customers.address} opted out on {opt_out.created_at:%Y-%m-%d}.")
        return Skipped(f"{customers.address} opted out of {channel.name} on {opt_out.created_at:%Y-%m-%d}.")
    if message.status is not MessageStatus.WAITING:
        message = _changed(
            connection, message, status="waiting", error_code=None, error_message=None, ended_at=None, **NOT_COMPOSED
        )
    organization = context.organization
    hours = organization.settings.messages
    if channel.name in hours.quiet_channels:
        ends = quiet_ends(facts.now, organization.time_zone, hours.quiet_from, hours.quiet_until)
        if ends is not None:
            return Later(ends, "QUIET_HOURS", f"Quiet hours until {ends.astimezone(organization.time_zone):%H:%M}.")
    return Ready(message, address, due, facts.now)


def _row_for(
    connection: Connection, wanted: Wanted, messages: Sequence[Message], recipient: str, redirected_from: str | None
) -> Message | None:
    """The row of the message to a recipient: there already, one that went nowhere yet, or new. None: somebody else has
    just made it.
    """
    request = wanted.request
    wishes = {} if request is None else request.model_dump(include={"subject", "include_pdf"}, exclude_none=True)
    language = None if request is None else request.language
    there = next((each for each in messages if each.recipient == recipient), None)
    others = [each for each in messages if each.status is MessageStatus.WAITING or each.recipient == ""]
    if there is None and others:
        # The address was not known when it was asked for, or is another one now; and it went nowhere so far.
        there, *others = sorted(others, key=lambda each: each.id != wanted.message_id)
        values: dict[str, Any] = {"recipient": recipient, "redirected_from": redirected_from, **NOT_COMPOSED}
        there = _changed(connection, there, **values)
    if there is not None:
        _cancel(
            connection,
            [each for each in others if each.id != there.id],
            "DUPLICATE",
            "Another message takes its place.",
        )
        if request is not None and there.composed_at is None and there.status not in _GONE:
            there = _changed(connection, there, wishes=wishes, language=language, batch_job_id=wanted.job_id)
        return there
    return insert_message(
        connection,
        wanted.key,
        recipient=recipient,
        redirected_from=redirected_from,
        language=language,
        wishes=wishes,
        notification_id=wanted.notification_id,
        batch_job_id=wanted.job_id,
    )


def still_wanted(connection: Connection, message: Message) -> tuple[str, str] | None:
    """Why a message that is about to be handed over must not go, as code and reason; None: it may. Locks its invoice,
    so that it is neither paid nor void before the transaction ends, which payments wait for.
    """
    if message.purpose is Purpose.REMINDER and message.notification_id is not None:
        due = still_due(connection, [message.notification_id])
        if not due:
            return "NOT_DUE", "It is not due any more, or a later reminder took its place."
        if due[0].amount_due != message.amount_due:
            return "CHANGED", "The amount due has changed: the message is written again."
    connection.execute(text("select billing.hold_invoices(array[cast(:id as uuid)])"), {"id": message.invoice_id})
    status = connection.execute(
        text(
            """select i.status from billing.invoices i
               where i.organization_id = organizations.current() and i.id = :id"""
        ),
        {"id": message.invoice_id},
    ).scalar_one()
    if status == "void":
        return "VOID", "The invoice is void."
    customers = message.recipient if message.redirected_from is None else message.redirected_from.casefold()
    if find_opt_out(connection, message.channel, customers) is not None:
        return "OPTED_OUT", f"{customers} opted out."
    return None


def invoice_facts(connection: Connection, invoice_id: UUID) -> Row[Any] | None:
    """Of an invoice what decides whether and where a message goes, and the time."""
    return connection.execute(
        text(
            """select i.status, n.invoice_number, c.email, c.phone, c.country_code, clock_timestamp() as now
               from billing.invoices i
               join billing.invoice_numbers n on n.organization_id = i.organization_id and n.invoice_id = i.id
               join billing.customers c on c.organization_id = i.organization_id and c.id = i.customer_id
               where i.organization_id = organizations.current() and i.id = cast(:id as uuid)"""
        ),
        {"id": invoice_id},
    ).one_or_none()


def unknown_outcome(message: Message) -> Failed:
    """What an entry gets of whose message nobody knows whether it went out."""
    return Failed(
        "OUTCOME_UNKNOWN",
        f"It may have gone out to {message.address}, and nobody can tell. Look, then say of message "
        f"{message.id} that it was sent, or let it be sent again.",
    )


def _cancel(connection: Connection, messages: Sequence[Message], code: str, reason: str) -> None:
    for message in messages:
        if message.status in (MessageStatus.WAITING, MessageStatus.FAILED):
            cancel_message(connection, message, code, reason)


def _due(connection: Connection, wanted: Wanted) -> StillDue | None:
    if wanted.notification_id is None:
        return None
    return next(iter(still_due(connection, [wanted.notification_id])), None)


def _changed(connection: Connection, message: Message, **values: Any) -> Message:
    update_message(connection, message.id, **values)
    changed = lock_message(connection, message.id)
    assert changed is not None
    return changed


def _asked_at(connection: Connection, item: Item) -> datetime:
    asked_at: datetime = connection.execute(
        text(
            """select i.created_at from work.items i
               where i.organization_id = organizations.current() and i.id = :id"""
        ),
        {"id": item.id},
    ).scalar_one()
    return asked_at
