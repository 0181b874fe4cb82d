"""Holds the turns of sending: how fast the messages of an organization go out, over all processes."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.values import ChannelName
from invoice_pipelines.organizations.settings import MessageSettings


def spacing_of(settings: MessageSettings, channel: ChannelName) -> timedelta:
    """From one message of a channel to the next."""
    per_minute = {
        ChannelName.EMAIL: settings.emails_per_minute,
        ChannelName.SMS: settings.sms_per_minute,
        ChannelName.WHATSAPP: settings.whatsapp_per_minute,
    }[channel]
    return timedelta(minutes=1) / per_minute


def take_turn(connection: Connection, channel: ChannelName, spacing: timedelta) -> float:
    """Takes the next turn of a channel; so many seconds it lies ahead. Commit at once, and wait outside."""
    return float(
        connection.execute(
            text("select delivery.take_turn(:channel, :spacing)"), {"channel": channel.value, "spacing": spacing}
        ).scalar_one()
    )
