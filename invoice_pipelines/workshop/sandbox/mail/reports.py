"""The making of delivery status notifications (RFC 3464), in the shapes in which well-known servers send them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.parser import BytesParser
from email.utils import format_datetime
from enum import StrEnum

_DATE = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


class ReportStyle(StrEnum):
    """Whose reports they look like."""

    POSTFIX = "postfix"
    """The whole original message comes back, as message/rfc822."""
    EXCHANGE = "exchange"
    """HTML for people, and of the original its headers only, although as message/rfc822."""
    GMAIL = "gmail"
    """Of the original its headers only, as text/rfc822-headers; diagnostics over several lines."""


def delivery_report(
    style: ReportStyle,
    original: bytes,
    *,
    recipient: str,
    failed: bool = True,
    status: str | None = None,
    diagnostic: str | None = None,
) -> bytes:
    """A report of a failure (action `failed`, 5.1.1 by default) or of a delay (`delayed`, 4.4.1)."""
    headers, _, _ = original.replace(b"\r\n", b"\n").partition(b"\n\n")
    parsed = BytesParser().parsebytes(headers + b"\n\n")
    message_id = str(parsed.get("Message-ID", ""))
    action = "failed" if failed else "delayed"
    status = status or ("5.1.1" if failed else "4.4.1")
    code = "550" if failed else "451"
    diagnostic = diagnostic or (
        f"{code} {status} <{recipient}>: Recipient address rejected: User unknown"
        if failed
        else f"{code} {status} connect to mx.example[192.0.2.1]:25: Connection timed out"
    )
    boundary = hashlib.sha256(original + style.encode() + recipient.encode()).hexdigest()[:24]
    make = {ReportStyle.POSTFIX: _postfix, ReportStyle.EXCHANGE: _exchange, ReportStyle.GMAIL: _gmail}[style]
    whole = original.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
    text = make(
        _Facts(message_id, recipient, action, status, diagnostic, boundary, headers.decode("utf-8", "replace"), whole)
    )
    return text.encode("utf-8", "surrogateescape").replace(b"\n", b"\r\n")


class _Facts:
    def __init__(
        self,
        message_id: str,
        recipient: str,
        action: str,
        status: str,
        diagnostic: str,
        boundary: str,
        headers: str,
        whole: str,
    ) -> None:
        self.message_id = message_id
        self.recipient = recipient
        self.action = action
        self.status = status
        self.diagnostic = diagnostic
        self.boundary = boundary
        self.headers = headers
        self.whole = whole
        self.date = format_datetime(_DATE)
        self.type = "utf-8" if not recipient.isascii() else "rfc822"


def _postfix(facts: _Facts) -> str:
    subject = (
        "Undelivered Mail Returned to Sender" if facts.action == "failed" else "Delayed Mail (still being retried)"
    )
    return f"""\
Date: {facts.date}
From: MAILER-DAEMON@mail.sandbox.example (Mail Delivery System)
Subject: {subject}
To: sender@sandbox.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="{facts.boundary}/mail.sandbox.example"
Message-Id: <{facts.boundary}@mail.sandbox.example>

This is a MIME-encapsulated message.

--{facts.boundary}/mail.sandbox.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mail.sandbox.example.

Your message to one recipient could not be delivered. It is attached below.

--{facts.boundary}/mail.sandbox.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.sandbox.example
X-Postfix-Queue-ID: 4F2D11C0A3
X-Postfix-Sender: rfc822; sender@sandbox.example
Arrival-Date: {facts.date}

Final-Recipient: rfc822; {facts.recipient}
Original-Recipient: rfc822;{facts.recipient}
Action: {facts.action}
Status: {facts.status}
Remote-MTA: dns; mx.example
Diagnostic-Code: smtp; {facts.diagnostic}

--{facts.boundary}/mail.sandbox.example
Content-Description: Undelivered Message
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

{facts.whole}
--{facts.boundary}/mail.sandbox.example--
"""


def _exchange(facts: _Facts) -> str:
    name = facts.recipient.partition("@")[0]
    return f"""\
From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@tenant.example>
To: <sender@sandbox.example>
Date: {facts.date}
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="_{facts.boundary}_"
X-MS-Exchange-Message-Is-Ndr:
Content-Language: en-US
Message-ID: <{facts.boundary}@tenant.example>
In-Reply-To: {facts.message_id}
References: {facts.message_id}
Subject: Undeliverable: your message
Auto-Submitted: auto-replied
MIME-Version: 1.0

--_{facts.boundary}_
Content-Type: multipart/alternative; differences=Content-Type;
\tboundary="_alternative_{facts.boundary}_"

--_alternative_{facts.boundary}_
Content-Type: text/plain; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

Your message to {name} couldn't be delivered.=20

--_alternative_{facts.boundary}_
Content-Type: text/html; charset="us-ascii"
Content-Transfer-Encoding: quoted-printable

<html><body><p>Your message to <b>{name}</b> couldn't be delivered.</p></body></html>=

--_alternative_{facts.boundary}_--

--_{facts.boundary}_
Content-Type: message/delivery-status

Reporting-MTA: dns;AM0PR01MB0001.tenant.example
Received-From-MTA: dns;mail.sandbox.example
Arrival-Date: {facts.date}

Original-Recipient: rfc822;{facts.recipient}
Final-Recipient: rfc822;{facts.recipient}
Action: {facts.action}
Status: {facts.status}
Diagnostic-Code: smtp;{facts.diagnostic}
Remote-MTA: dns;mx.example
X-Display-Name: {name}


--_{facts.boundary}_
Content-Type: message/rfc822

{facts.headers}

--_{facts.boundary}_--
"""


def _gmail(facts: _Facts) -> str:
    diagnostic = facts.diagnostic.replace(": ", ":\n ", 1)
    return f"""\
Return-Path: <>
X-Failed-Recipients: {facts.recipient}
Auto-Submitted: auto-replied
From: Mail Delivery Subsystem <mailer-daemon@gmail.example>
To: sender@sandbox.example
Subject: Delivery Status Notification ({"Failure" if facts.action == "failed" else "Delay"})
References: {facts.message_id}
In-Reply-To: {facts.message_id}
X-Gm-Message-State: AOJu0Y{facts.boundary}
Message-ID: <{facts.boundary}.GMR@gmail.example>
Date: {facts.date}
MIME-Version: 1.0
Content-Type: multipart/report; boundary="000000000000{facts.boundary}"; report-type=delivery-status

--000000000000{facts.boundary}
Content-Type: multipart/related; boundary="000000000001{facts.boundary}"

--000000000001{facts.boundary}
Content-Type: multipart/alternative; boundary="000000000002{facts.boundary}"

--000000000002{facts.boundary}
Content-Type: text/plain; charset="UTF-8"

** Address not found **

Your message wasn't delivered to {facts.recipient} because the address couldn't be found.

--000000000002{facts.boundary}
Content-Type: text/html; charset="UTF-8"

<html><body><h2>Address not found</h2></body></html>

--000000000002{facts.boundary}--
--000000000001{facts.boundary}--
--000000000000{facts.boundary}
Content-Type: message/delivery-status

Reporting-MTA: dns; gmail.example
Arrival-Date: {facts.date}
X-Original-Message-ID: {facts.message_id}

Final-Recipient: rfc822; {facts.recipient}
Action: {facts.action}
Status: {facts.status}
Diagnostic-Code: smtp; {diagnostic}
Last-Attempt-Date: {facts.date}

--000000000000{facts.boundary}
Content-Type: text/rfc822-headers

{facts.headers}

--000000000000{facts.boundary}--
"""
