"""What the words of messages are called at the desk: channels, states, attempts, and why one did not go out."""

from __future__ import annotations

from typing import Any

from invoice_pipelines.delivery.channels.channel import channel_of
from invoice_pipelines.delivery.values import MessageStatus, Purpose
from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language

CHANNELS = {"email": N_("Email"), "sms": N_("SMS"), "whatsapp": N_("WhatsApp")}
"""A channel of a package goes by the title that it gives itself."""
STATES = {
    MessageStatus.WAITING: ("info", N_("Waits to go out")),
    MessageStatus.SENDING: ("info", N_("Going out")),
    MessageStatus.SENT: ("good", N_("Sent")),
    MessageStatus.DELIVERED: ("good", N_("Delivered")),
    MessageStatus.FAILED: ("bad", N_("Failed")),
    MessageStatus.BOUNCED: ("bad", N_("Came back")),
    MessageStatus.UNKNOWN: ("warn", N_("In doubt")),
    MessageStatus.CANCELLED: ("plain", N_("Taken back")),
}
OUTCOMES = {
    "accepted": ("good", N_("Taken by the provider")),
    "temporary": ("warn", N_("Not now, tried again")),
    "permanent": ("bad", N_("Refused")),
    "unknown": ("warn", N_("No answer")),
    "found": ("good", N_("Found: it went out")),
    "not_found": ("warn", N_("Not found: it did not go out")),
}
ATTEMPTS = {"send": N_("Sending"), "look_up": N_("Asking what became of it")}
ACTIONS = {
    "resolved_as_sent": N_("Said that it was sent"),
    "sent_again": N_("Sent again"),
    "cancelled": N_("Taken back"),
    "delivered": N_("Reported as delivered"),
    "bounced": N_("Reported as undeliverable"),
}
REASONS = {
    "NO_ADDRESS": N_("The customer has no address for this channel. Add one, then send it again."),
    "BAD_ADDRESS": N_("The customer's address is not valid for this channel. Correct it, then send it again."),
    "ADDRESS_REFUSED": N_("The provider refuses this address. Correct it, then send it again."),
    "LACKS_DATA": N_("The invoice lacks data for its document."),
    "TEMPLATE": N_("A template fails with this invoice. Correct it, then send it again."),
    "BOUNCED": N_("It came back: the address does not work. Correct it, or end the opt-out if it works again."),
    "OPTED_OUT": N_("The recipient is opted out of this channel."),
    "NOT_SET_UP": N_("This channel is not set up yet. It goes out once it is."),
    "QUIET_HOURS": N_("It waits for the end of the quiet hours."),
    "OUTCOME_UNKNOWN": N_("Nobody can tell whether it went out. Look in your mailbox, or ask the customer."),
    "NO_ANSWER": N_("The provider gave no answer, so it may have gone out."),
    "CONNECTION": N_("The provider cannot be reached. It is tried again by itself."),
    "CONNECTION_LOST": N_("The connection to the provider broke off. It is tried again by itself."),
    "TLS": N_("The provider cannot be reached safely. It is tried again by itself; tell the operator."),
    "LOGIN_REFUSED": N_("The provider refuses our login. Tell the operator; it goes out once that is mended."),
    "MAIL_SERVER_BUSY": N_("The mail server is busy. It is tried again by itself."),
    "TIMEOUT": N_("Its document took too long to make."),
    "VOID": N_("The invoice is void."),
    "NOT_DUE": N_("Nothing is overdue on the invoice any more."),
    "SUPERSEDED": N_("A later reminder took its place."),
    "CANCELLED": N_("Taken back by a person."),
    "JOB_CANCELLED": N_("The batch operation that asked for it was cancelled."),
}


def channel_name(channel: str, language: Language) -> str:
    """What a channel is called; one that is not installed any more goes by its name."""
    if channel in CHANNELS:
        return language.gettext(CHANNELS[channel])
    return channel_of(channel).title if channel in MESSAGING_CHANNELS.names() else channel


def channel_choices(language: Language) -> list[tuple[str, str]]:
    """Each channel that is installed, and what it is called."""
    return [(name, channel_name(name, language)) for name in MESSAGING_CHANNELS.names()]


def reason_of(code: str | None, message: str | None, language: Language) -> str:
    """Why a message did not go out; in the words of its provider where there are none of ours."""
    return language.gettext(REASONS[code]) if code in REASONS else language.in_english(message or "")


def about(purpose: str, level: int, language: Language) -> str:
    """What a message is about."""
    if purpose == Purpose.INVOICE:
        return language.gettext("Invoice")
    return language.ngettext("Reminder from day %(level)s on", "Reminder from day %(level)s on", level) % {
        "level": level
    }


def shown(language: Language) -> dict[str, Any]:
    """The functions by which templates say these words."""
    _ = language.gettext
    return {
        "channel_name": lambda channel: channel_name(channel, language),
        "message_state": lambda status: (STATES[status][0], _(STATES[status][1])),
        "outcome_of": lambda outcome: (OUTCOMES[outcome][0], _(OUTCOMES[outcome][1])) if outcome else None,
        "attempt_name": lambda kind: _(ATTEMPTS[kind]),
        "action_name": lambda action: _(ACTIONS[action]) if action in ACTIONS else action,
        "reason": lambda code, message: reason_of(code, message, language),
        "about": lambda purpose, level: about(purpose, level, language),
    }
