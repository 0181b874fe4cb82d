"""Messages as the tests of channels send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from invoice_pipelines.delivery.channels.channel import Attachment, Outgoing

CUSTOMER = "accounts@kunde.example"
PHONE = "+491701234567"
PDF = Attachment("Rechnung RE-2026-000017.pdf", "application/pdf", b"%PDF-1.7 " + bytes(range(256)) * 8)


def email(**fields: Any) -> Outgoing:
    """An invoice by email, with a PDF."""
    message_id = fields.pop("message_id", uuid4())
    given = {
        "message_id": message_id,
        "channel": "email",
        "sender": "invoices@acme.example",
        "recipient": CUSTOMER,
        "text": "Guten Tag,\nanbei die Rechnung über 119,00 €.\n",
        "date": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
        "sender_name": "Acme GmbH",
        "subject": "Rechnung RE-2026-000017",
        "html": "<p>Anbei die Rechnung über <b>119,00 €</b>.</p>",
        "language": "de",
        "message_id_header": f"<{message_id}@acme.example>",
        "attachments": (PDF,),
    }
    return Outgoing(**(given | fields))


def sms(**fields: Any) -> Outgoing:
    """A reminder by SMS."""
    given = {
        "message_id": uuid4(),
        "channel": "sms",
        "sender": "+4915100000001",
        "recipient": PHONE,
        "text": f"Rechnung RE-2026-{uuid4().int % 1_000_000:06} ist fällig: 119,00 €.",
        "date": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    }
    return Outgoing(**(given | fields))


def whatsapp(**fields: Any) -> Outgoing:
    """The same by WhatsApp."""
    return sms(**({"channel": "whatsapp"} | fields))
