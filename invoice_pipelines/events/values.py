"""The words of events: what there is to be told of, and what can be wrong with a request. No database here."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from invoice_pipelines.errors import InvoicePipelinesError

EVENT_TYPES = {
    "received_invoice.received": "an upload arrived, and is going to be read",
    "received_invoice.waits_for_review": "it was read, and a person has to look at it; once for each reading",
    "received_invoice.validated": "it is read and valid",
    "received_invoice.exported": "it is in an export",
    "received_invoice.failed": "it could not be read, is not valid, or was rejected",
    "invoice.issued": "an invoice was issued and has its number",
    "invoice.paid": "nothing is due of it any more",
    "invoice.reopened": "a payment was taken back, so that something is due again",
    "invoice.overdue": "it is past due; once for each level of days",
    "invoice.voided": "it was voided",
    "invoice.credited": "a credit note was issued for it",
    "credit_note.issued": "a credit note was issued and has its number",
    "document.made": "a PDF or XML was made of an issued invoice; each version",
    "message.sent": "the provider has an email, SMS or WhatsApp message",
    "message.delivered": "the provider says that it arrived",
    "message.failed": "it did not go out",
    "message.bounced": "it did not arrive",
    "message.unknown": "nobody can tell whether it went out: a person has to look",
    "batch_operation.completed": "all of its items succeeded or were skipped",
    "batch_operation.completed_with_errors": "it ended, and some of its items failed",
    "batch_operation.failed": "it ended, and none of its items succeeded",
    "batch_operation.cancelled": "it was cancelled",
    "quickbooks.conflict_opened": "both sides changed the same, and a person has to decide",
    "quickbooks.needs_reconnect": "QuickBooks refuses us, until an admin connects again",
}
"""All types of events, and when there is one; change_capture.sql writes them."""

SEND_WEBHOOK = "send_webhook"
"""Work of telling an endpoint of an event; a subject is the id of a delivery."""


RESTS = "ENDPOINT_RESTS"
"""Why such work waits whose endpoint failed just now."""


class EventsError(InvoicePipelinesError):
    """A request is wrong; the message says what, and names the field."""


class EndpointStatus(StrEnum):
    """Where an endpoint stands. A disabled one is told nothing until somebody enables it; a removed one stays known."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"


class DeliveryStatus(StrEnum):
    """Where a delivery stands. A failed one is tried again only when somebody asks for it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


def check_event_types(wanted: Sequence[str]) -> list[str]:
    """The types as they are stored: of events, or `invoice.*` for a group; none means all. Raises EventsError."""
    groups = {name.partition(".")[0] + ".*" for name in EVENT_TYPES}
    for name in wanted:
        if name not in EVENT_TYPES and name not in groups:
            raise EventsError(
                f"event_types: there is no type {name[:60]!r}. Choose from {', '.join(EVENT_TYPES)}, or a group: "
                f"{', '.join(sorted(groups))}."
            )
    return list(dict.fromkeys(wanted))
