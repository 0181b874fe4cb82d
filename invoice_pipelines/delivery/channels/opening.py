"""Holds the opening of channels by name."""

from __future__ import annotations

from invoice_pipelines.delivery.channels.channel import Channel
from invoice_pipelines.delivery.channels.mail import MailChannel
from invoice_pipelines.delivery.values import ChannelName
from invoice_pipelines.settings import Settings


def open_channel(settings: Settings, name: ChannelName) -> Channel:
    """A channel of one's own; connects when it is used first.

    Raises Unavailable (NOT_SET_UP, is_of_all) where the settings say not whom to hand messages over to.
    """
    if name is ChannelName.EMAIL:
        return MailChannel(settings)
    from invoice_pipelines.delivery.channels.twilio import TwilioChannel  # it takes half a second to import

    return TwilioChannel(settings)
