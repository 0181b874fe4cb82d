"""What Twilio says of messages that it took: arrived or not, and why. What it does not take: `twilio_refusals`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from invoice_pipelines.delivery.channels.channel import ReportedStatus
from invoice_pipelines.delivery.channels.twilio import TwilioChannel
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.settings import Settings

_ENDS = {
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.DELIVERED,
    "undelivered": MessageStatus.BOUNCED,
    "failed": MessageStatus.BOUNCED,
    "canceled": MessageStatus.BOUNCED,
}
_REASONS = {
    30003: "the phone was off or out of reach for too long",
    30004: "the receiver has blocked messages",
    30005: "the number is not in use",
    30006: "the number is a landline's, or its carrier cannot be reached",
    30007: "the carrier filtered the message out",
    30008: "the carrier does not say why",
    63003: "the number has no WhatsApp",
    63016: "without an approved template, WhatsApp delivers only to who has written within 24 hours",
    63024: "the number has no WhatsApp, or cannot get this message",
}


def statuses(settings: Settings, provider_ids: Iterable[str]) -> Iterator[tuple[str, ReportedStatus]]:
    """Asks for messages, one after the other. Raises Unavailable, after those that could be told."""
    channel = TwilioChannel(settings)
    try:
        for provider_id in provider_ids:
            found = channel.status(provider_id)
            if found is None:
                told = ReportedStatus(MessageStatus.SENT, "unknown", None, "Twilio has no such message.", "Twilio")
            else:
                word, code = found
                reason = f": {_REASONS.get(code, f'error {code}')}" if code else ""
                status, shown = _ENDS.get(word, MessageStatus.SENT), str(code) if code else None
                told = ReportedStatus(status, word, shown, f"Twilio: {word}{reason}", "Twilio")
            yield provider_id, told
    finally:
        channel.close()
