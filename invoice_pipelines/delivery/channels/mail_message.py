"""Writes an outgoing email: the same bytes at each attempt, whatever the mail server supports.

Headers of the message as a whole are written here, not by the email package, whose folding differs between versions
of Python and drops the quotes of some names; its parts are the email package's.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import format_datetime, quote

import idna

from invoice_pipelines.delivery.channels.channel import Outgoing, Refused

_ADDRESS = re.compile(r'[^\s<>()\[\]\\,;:"@]+@[^\s<>()\[\]\\,;:"@]+')
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_MEDIA_TYPE = re.compile(r"([a-z0-9.+-]+)/([a-z0-9.+-]+)")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_PARTS = policy.SMTP.clone(cte_type="7bit")
_AS_IT_IS = 60
"""Characters up to which a text of ASCII stands in a header as it is."""


@dataclass(frozen=True, slots=True)
class Mail:
    """An email as it goes over the wire, and the addresses of its envelope. `needs_smtputf8` where one of them has
    more than ASCII before the @ (RFC 6531).
    """

    data: bytes
    sender: str
    recipient: str
    needs_smtputf8: bool


def write_mail(outgoing: Outgoing) -> Mail:
    """Writes an email down. Raises Refused where an address or a text cannot stand in one."""
    sender = envelope_address(outgoing.sender, "sender")
    recipient = envelope_address(outgoing.recipient, "recipient")
    headers = [
        ("From", _mailbox("From", outgoing.sender_name, sender)),
        ("To", recipient),
        ("Subject", _text("Subject", outgoing.subject or "")),
        ("Date", format_datetime(outgoing.date.astimezone(UTC))),
        ("Message-ID", message_id_of(outgoing)),
        ("Auto-Submitted", "auto-generated"),
    ]
    reply_to = None
    if outgoing.reply_to:
        reply_to = envelope_address(outgoing.reply_to, "reply-to")
        headers.insert(2, ("Reply-To", reply_to))
    if outgoing.language:
        if not _LANGUAGE.fullmatch(outgoing.language):
            raise Refused("BAD_HEADER", f"The language {outgoing.language!r} is not a language tag such as de.")
        headers.append(("Content-Language", outgoing.language))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    data = lines.encode() + _body(outgoing)
    if data.count(b"\n") != data.count(b"\r\n") or data.count(b"\r") != data.count(b"\r\n"):
        data = re.sub(rb"\r\n|\r|\n", b"\r\n", data)  # a bare one may end a message early at some servers
    return Mail(data, sender, recipient, not (sender + recipient + (reply_to or "")).isascii())


def message_id_of(outgoing: Outgoing) -> str:
    """The Message-ID, in angle brackets. Raises Refused where it is not one."""
    header = outgoing.message_id_header or f"<{outgoing.message_id}@{outgoing.sender.rpartition('@')[2]}>"
    if not _MESSAGE_ID.fullmatch(header) or len(header) > 250:
        raise Refused("BAD_HEADER", f"The Message-ID {header[:100]!r} is not of the form <...@...>.")
    return header


def envelope_address(address: str, of_what: str) -> str:
    """An address with the name of its host in ASCII (RFC 5891). Raises Refused where it is none."""
    local, _, domain = address.rpartition("@")
    if _ADDRESS.fullmatch(address) and len(address) <= 320 and not _unprintable(address):
        try:
            return f"{local}@{domain if domain.isascii() else idna.encode(domain, uts46=True).decode()}"
        except idna.IDNAError:
            pass
    raise Refused("BAD_ADDRESS", f"{address[:100]!r} as {of_what} is not an email address.")


def _body(outgoing: Outgoing) -> bytes:
    message = EmailMessage(policy=_PARTS)
    try:
        message.set_content(outgoing.text, cte="quoted-printable")
        if outgoing.html is not None:
            message.add_alternative(outgoing.html, subtype="html", cte="quoted-printable")
    except UnicodeEncodeError:
        raise Refused("BAD_TEXT", "The text has characters that are none (half of a surrogate pair).") from None
    for attachment in outgoing.attachments:
        kind = _MEDIA_TYPE.fullmatch(attachment.media_type)
        if kind is None or _unprintable(attachment.file_name):
            raise Refused("BAD_HEADER", f"The attachment {attachment.file_name[:100]!r} has a wrong name or type.")
        message.add_attachment(
            attachment.data, maintype=kind[1], subtype=kind[2], filename=attachment.file_name, cte="base64"
        )
    # "=_" stands in no text of quoted-printable or base64: RFC 2045 section 6.7.
    seed = f"{message_id_of(outgoing)} {outgoing.message_id}"
    for number, part in enumerate(one for one in message.walk() if one.is_multipart()):
        part.set_boundary("=_" + hashlib.sha256(f"{seed} {number}".encode()).hexdigest()[:40])
    return message.as_bytes()


def _mailbox(header: str, name: str | None, address: str) -> str:
    encoded = _text(header, name or "")
    name = (name or "").strip()
    if not name:
        return address
    shown = f'"{quote(name)}"' if encoded == name else encoded
    return f"{shown}\r\n <{address}>" if len(shown) + len(address) > _AS_IT_IS else f"{shown} <{address}>"


def _text(header: str, text: str) -> str:
    if _unprintable(text):
        raise Refused("BAD_HEADER", f"{header} has a line break or another control character in it.")
    if text.isascii() and len(text) <= _AS_IT_IS and "=?" not in text:
        return text.strip()
    return Header(text.strip(), "utf-8", maxlinelen=75, header_name=header).encode(linesep="\r\n")


def _unprintable(text: str) -> bool:
    """Whether there are line breaks of any kind, other control characters, or half characters in it."""
    return any(unicodedata.category(one) in ("Cc", "Zl", "Zp", "Cs") for one in text)
