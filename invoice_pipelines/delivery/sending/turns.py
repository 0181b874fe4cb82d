"""When the next message may go out: in turn over all processes, as fast as the organization lets its channel."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.channels.channel import MessagingChannel
from invoice_pipelines.organizations.settings import MessageSettings


def take_turn(connection: Connection, channel: MessagingChannel, wishes: MessageSettings) -> float:
    """Takes the next turn of a channel; so many seconds it lies ahead. Commit at once, and wait outside."""
    spacing = timedelta(minutes=1) / channel.per_minute(wishes)
    return float(
        connection.execute(
            text("select delivery.take_turn(:channel, :spacing)"), {"channel": channel.name, "spacing": spacing}
        ).scalar_one()
    )
