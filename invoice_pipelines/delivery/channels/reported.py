"""Holds what Twilio says of messages that it took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class ReportedStatus:
    """How a message stands at the provider; `status` DELIVERED and BOUNCED are final, SENT is not."""

    status: MessageStatus
    provider_status: str
    """In the provider's word; `unknown` where it has no message of that id."""
    code: str | None
    detail: str


def statuses(settings: Settings, provider_ids: Iterable[str]) -> Iterator[tuple[str, ReportedStatus]]:
    """Asks for messages, one after the other. Raises Unavailable, after those that could be told."""
    channel = TwilioChannel(settings)
    try:
        for provider_id in provider_ids:
            found = channel.status(provider_id)
            if found is None:
                yield provider_id, ReportedStatus(MessageStatus.SENT, "unknown", None, "Twilio has no such message.")
                continue
            word, code = found
            reason = f": {_REASONS.get(code, f'error {code}')}" if code else ""
            yield (
                provider_id,
                ReportedStatus(
                    _ENDS.get(word, MessageStatus.SENT), word, str(code) if code else None, f"Twilio: {word}{reason}"
                ),
            )
    finally:
        channel.close()
