"""SMS and WhatsApp, as the declarations of their channels, and how long their texts may be.

An SMS is sent in parts, for each of which one pays (3GPP TS 23.038 and 23.040). How Twilio is spoken to is in `twilio`,
which loads its library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from invoice_pipelines.delivery.channels.addresses import PHONE_NUMBERS
from invoice_pipelines.delivery.channels.channel import (
    MessagingChannel,
    OpenChannel,
    Originator,
    Part,
    ReportedStatus,
    Unavailable,
)
from invoice_pipelines.delivery.values import DeliveryError
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings

MOST_SEGMENTS = 10
"""So many parts a phone puts together, and Twilio sends."""
LONGEST_WHATSAPP = 1600
"""Twilio, error 21617"""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€\f")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\t": " "})


def for_sms(text: str) -> str:
    """The text with plain spaces: one that does not break makes all of it twice as long."""
    return text.translate(_SPACES)


def segments(text: str) -> int:
    """How many parts the text is sent in."""
    if all(sign in _BASIC or sign in _EXTENDED for sign in text):
        length = sum(2 if sign in _EXTENDED else 1 for sign in text)
        single, part = 160, 153
    else:
        length = len(text.encode("utf-16-le")) // 2
        single, part = 70, 67
    return 1 if length <= single else -(-length // part)


def _fit_sms(text: str) -> str:
    plain = for_sms(text)
    if (parts := segments(plain)) > MOST_SEGMENTS:
        raise DeliveryError(f"text: an SMS of {parts} parts is too long; {MOST_SEGMENTS} are possible")
    return plain


def _fit_whatsapp(text: str) -> str:
    if len(text) > LONGEST_WHATSAPP:
        raise DeliveryError(f"text: {len(text)} characters are too many; {LONGEST_WHATSAPP} are possible")
    return text


def _open(settings: Settings) -> OpenChannel:
    from invoice_pipelines.delivery.channels.twilio import TwilioChannel

    return TwilioChannel(settings)


def _statuses(settings: Settings, provider_ids: Iterable[str]) -> Iterator[tuple[str, ReportedStatus]]:
    from invoice_pipelines.delivery.channels.twilio import statuses

    return statuses(settings, provider_ids)


def _channel(
    name: str, title: str, fit: Callable[[str], str], parts: frozenset[Part] = frozenset()
) -> MessagingChannel:
    """A channel of Twilio's. Settings of an organization name it: `sms_from`, `sms_per_minute`."""

    def sender(context: OrganizationContext) -> Originator:
        number = getattr(context.organization.settings.messages, f"{name}_from")
        if number is None:
            text = f"No number to send from: set {name}_from in the settings of the organization."
            raise Unavailable("NOT_SET_UP", text)
        return Originator(number)

    return MessagingChannel(
        name=name,
        title=title,
        addresses=PHONE_NUMBERS,
        open=_open,
        is_set_up=lambda settings: settings.twilio_account_sid is not None and settings.twilio_auth_token is not None,
        sender=sender,
        per_minute=lambda wishes: int(getattr(wishes, f"{name}_per_minute")),
        fit=fit,
        parts=parts,
        statuses=_statuses,
    )


SMS = _channel("sms", "SMS", _fit_sms)
WHATSAPP = _channel("whatsapp", "WhatsApp messages", _fit_whatsapp, frozenset({Part.APPROVED_TEMPLATE}))
