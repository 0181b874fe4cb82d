"""Emails, as the declaration of their channel. How a mail server is spoken to is in `mail`."""

from __future__ import annotations

from invoice_pipelines.delivery.channels.addresses import EMAIL_ADDRESSES
from invoice_pipelines.delivery.channels.channel import MessagingChannel, OpenChannel, Originator, Part, Unavailable
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings


def _open(settings: Settings) -> OpenChannel:
    from invoice_pipelines.delivery.channels.mail import MailChannel

    return MailChannel(settings)


def _sender(context: OrganizationContext) -> Originator:
    wanted = context.organization.settings.messages
    address = wanted.email_from or context.settings.email_from
    if address is None:
        raise Unavailable("NOT_SET_UP", "No address to send from: set EMAIL_FROM, or email_from of the organization.")
    if not domain_of(address):
        raise Unavailable("NOT_SET_UP", f"{address[:80]!r} is not an address to send from: see EMAIL_FROM, email_from.")
    return Originator(address, wanted.email_from_name or context.organization.name, wanted.email_reply_to)


def domain_of(address: str) -> str:
    """The domain of an email address in ASCII; empty where it has none."""
    local, _, domain = address.rpartition("@")
    try:
        return domain.encode("idna").decode("ascii") if local and domain.isprintable() else ""
    except UnicodeError:
        return ""


EMAIL = MessagingChannel(
    name="email",
    title="emails",
    addresses=EMAIL_ADDRESSES,
    open=_open,
    is_set_up=lambda settings: settings.smtp_host is not None,
    sender=_sender,
    per_minute=lambda wishes: wishes.emails_per_minute,
    parts=frozenset({Part.SUBJECT, Part.HTML, Part.ATTACHMENTS, Part.MESSAGE_ID}),
)
