"""Gives a message its words, addresses and document, once: each attempt then sends the same bytes.

What was refused for certain went nowhere, so it may be written anew, as it is where another amount is due by now.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from invoice_pipelines.billing.issued_invoices import get_issued_invoice
from invoice_pipelines.delivery.channels.addresses import Address
from invoice_pipelines.delivery.channels.channel import Attachment, MessagingChannel, Outgoing, Part, channel_of
from invoice_pipelines.delivery.channels.email import domain_of
from invoice_pipelines.delivery.documents.rows import Document, document_by_id, document_bytes
from invoice_pipelines.delivery.documents.single import DocumentNotMade, make_one
from invoice_pipelines.delivery.messages.fields import clean, fields_of
from invoice_pipelines.delivery.messages.messages import Message, get_message, update_message
from invoice_pipelines.delivery.messages.templates import find_template, write
from invoice_pipelines.delivery.rendering.language.catalogue import load_catalogue
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue.sending import StillDue

_AS_COMPOSED = ("channel", "sender_name", "reply_to", "subject", "language", "message_id_header", "content_sid")


def redirect_of(context: OrganizationContext, channel: MessagingChannel) -> Address | None:
    """Where all messages of a channel go in test mode: as the deployment says, or else the organization. None: it is
    not test mode. Raises AddressError.
    """
    name = f"redirect_{channel.addresses.field}"
    to = getattr(context.settings, name) or getattr(context.organization.settings.messages, name)
    return None if to is None else channel.addresses.check(to, context.organization.country_code)


def compose(
    connection: Connection,
    context: OrganizationContext,
    message: Message,
    address: Address,
    due: StillDue | None,
    now: datetime,
) -> Message:
    """Writes a message that this transaction has locked, and stores it; `address` is where it goes, `due` what a
    reminder is about. Makes the document if there is none yet.

    Raises DeliveryError (a template is wrong), DocumentNotMade, StorageError, or Unavailable NOT_SET_UP.
    """
    invoice = get_issued_invoice(connection, message.invoice_id)
    channel, organization = channel_of(message.channel), context.organization
    sender = channel.sender(context)
    wanted = message.language or invoice.language
    template = find_template(
        connection, message.purpose, message.level, message.channel, (wanted, organization.settings.language)
    )
    language = template.key.language
    document: Document | None = None
    if Part.ATTACHMENTS in channel.parts and message.wishes.get("include_pdf", True):
        document = make_one(connection, context, message.invoice_id, language=wanted)
    fields = fields_of(
        invoice,
        organization,
        language=language,
        catalogue=load_catalogue(connection, language),
        today=now.astimezone(organization.time_zone).date(),
        level=message.level,
        has_pdf=document is not None,
        has_e_invoice=document is not None and document.plain_reason is None,
        amount_due=None if due is None else due.amount_due,
    )
    try:
        written = write(template, fields, subject=message.wishes.get("subject"))
    except DeliveryError as error:
        owner = "" if template.is_own else " of the project"
        raise DeliveryError(f"The text{owner} for {template.key} cannot be used: {error}") from None
    header = message.message_id_header
    if header is None and Part.MESSAGE_ID in channel.parts:
        header = f"<{message.id.hex}@{domain_of(sender.address)}>"
    meant_for = f"[for {clean(message.redirected_from)}] " if message.redirected_from is not None else ""
    update_message(
        connection,
        message.id,
        language=language,
        address=address.address,
        sender=sender.address,
        sender_name=None if sender.name is None else clean(sender.name),
        reply_to=sender.reply_to,
        subject=None if written.subject is None else meant_for + written.subject,
        body_text=written.body_text if written.subject or written.content_sid else meant_for + written.body_text,
        body_html=written.body_html,
        content_sid=written.content_sid,
        content_variables=written.content_variables,
        amount_due=None if due is None else due.amount_due,
        document_id=None if document is None else document.id,
        message_id_header=header,
        composed_at=now,
    )
    composed = get_message(connection, message.id)
    assert composed is not None
    return composed


def outgoing(connection: Connection, context: OrganizationContext, message: Message) -> Outgoing:
    """A message that was composed, as a channel takes it. Raises DocumentNotMade where its document cannot be read."""
    if message.composed_at is None or message.address is None or message.sender is None:
        raise DeliveryError(f"Message {message.id} was not composed.")
    attachments: tuple[Attachment, ...] = ()
    if message.document_id is not None:
        document = document_by_id(connection, message.document_id)
        try:
            data = document_bytes(context, document)
        except DeliveryError as error:
            raise DocumentNotMade("DOCUMENT_LOST", str(error)) from error
        attachments = (Attachment(document.file_name, "application/pdf", data),)
    return Outgoing(
        message_id=message.id,
        sender=message.sender,
        recipient=message.address,
        text=message.body_text or "",
        date=message.composed_at,
        html=message.body_html,
        attachments=attachments,
        content_variables=message.content_variables or {},
        **{name: getattr(message, name) for name in _AS_COMPOSED},
    )
