"""What would become of invoices if documents were made of them, or messages sent about them: a look ahead that writes
nothing.

The connection is in the scope of the organization. Of a large request the first `MOST_LOOKED_AT` are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.channels.addresses import AddressError
from invoice_pipelines.delivery.channels.channel import MessagingChannel, channels
from invoice_pipelines.delivery.documents.requests import SECONDS_PER_DOCUMENT
from invoice_pipelines.delivery.messages.messages import SECONDS_PER_MESSAGE
from invoice_pipelines.delivery.messages.quiet_hours import quiet_ends
from invoice_pipelines.delivery.values import COMMUNICATIONS, MAKE_DOCUMENTS, DocumentFormat
from invoice_pipelines.organizations import Organization

MOST_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class ExpectedDocuments:
    """Documents of the first `looked_at` of so many invoices: of how many there is one already by format, in whatever
    language, how many are void, of which nothing is made, and how long all take if none is there.
    """

    invoices: int
    looked_at: int
    there: Mapping[DocumentFormat, int]
    void: int
    estimated_seconds: float


@dataclass(frozen=True, slots=True)
class ExpectedMessages:
    """Messages by a channel, about those that were looked at: how many go out, and how many do not, by the code of the
    reason: VOID, SENT (by this channel before), NO_ADDRESS, BAD_ADDRESS or OPTED_OUT. `estimated_seconds` is of what
    goes out, by how many the channel sends a minute; `begins_at` is the end of quiet hours, if these are now.
    """

    channel: str
    goes_out: int
    refused: Mapping[str, int]
    per_minute: int
    estimated_seconds: float
    begins_at: datetime | None


def forecast_documents(connection: Connection, invoice_ids: Sequence[UUID]) -> ExpectedDocuments:
    """What would become of these invoices if documents were made of them."""
    looked_at = list(dict.fromkeys(invoice_ids))[:MOST_LOOKED_AT]
    there = connection.execute(
        text(
            """select d.format, count(distinct d.invoice_id) from delivery.invoice_document d
               where d.organization_id = organizations.current() and d.invoice_id = any (cast(:ids as uuid[]))
               group by d.format"""
        ),
        {"ids": looked_at},
    )
    void = connection.execute(
        text(
            """select count(*) from billing.invoices i
               where i.organization_id = organizations.current() and i.id = any (cast(:ids as uuid[]))
                 and i.status = 'void'"""
        ),
        {"ids": looked_at},
    ).scalar_one()
    return ExpectedDocuments(
        len(invoice_ids),
        len(looked_at),
        {DocumentFormat(format): count for format, count in there.tuples()},
        void,
        _seconds(connection, MAKE_DOCUMENTS, len(invoice_ids), SECONDS_PER_DOCUMENT),
    )


def forecast_messages(
    connection: Connection, organization: Organization, invoice_ids: Sequence[UUID]
) -> list[ExpectedMessages]:
    """What would become of these invoices if they were sent to their customers, by each channel that there is."""
    looked_at = list(dict.fromkeys(invoice_ids))[:MOST_LOOKED_AT]
    rows = connection.execute(
        text(
            """select i.id, i.status, c.email, c.phone, c.country_code
               from billing.invoices i
               join billing.customers c on c.organization_id = i.organization_id and c.id = i.customer_id
               where i.organization_id = organizations.current() and i.id = any (cast(:ids as uuid[]))"""
        ),
        {"ids": looked_at},
    ).all()
    sent = {
        (row.channel, row.invoice_id)
        for row in connection.execute(
            text(
                """select m.channel, m.invoice_id from delivery.message m
                   where m.organization_id = organizations.current() and m.invoice_id = any (cast(:ids as uuid[]))
                     and m.invoice_number <> '' and m.purpose = 'invoice' and m.redirected_from is null
                     and m.status in ('sent', 'delivered')"""
            ),
            {"ids": looked_at},
        )
    }
    return [_by(connection, organization, channel, rows, sent, len(invoice_ids)) for channel in channels()]


def _by(
    connection: Connection,
    organization: Organization,
    channel: MessagingChannel,
    rows: Sequence[Any],
    sent: set[tuple[str, UUID]],
    invoices: int,
) -> ExpectedMessages:
    refused: Counter[str] = Counter()
    recipients = []
    known: dict[tuple[Any, ...], str] = {}
    for row in rows:
        if row.status == "void":
            refused["VOID"] += 1
        elif (channel.name, row.id) in sent:
            refused["SENT"] += 1
        else:
            given = (row.email, row.phone, row.country_code)
            if given not in known:
                known[given] = _recipient(channel, *given)
            if known[given] in ("NO_ADDRESS", "BAD_ADDRESS"):
                refused[known[given]] += 1
            else:
                recipients.append(known[given])
    opted_out = set(
        connection.execute(
            text(
                """select o.recipient from delivery.opt_out o
                   where o.organization_id = organizations.current() and o.channel = :channel and o.ended_at is null
                     and o.recipient = any (cast(:recipients as text[]))"""
            ),
            {"channel": channel.name, "recipients": list(set(recipients))},
        ).scalars()
    )
    refused["OPTED_OUT"] = sum(recipient in opted_out for recipient in recipients)
    goes_out = len(recipients) - refused["OPTED_OUT"]
    count = goes_out * invoices // len(rows) if rows else 0  # as if those that were not looked at were like these
    wishes = organization.settings.messages
    per_minute = channel.per_minute(wishes)
    is_quiet = channel.name in wishes.quiet_channels
    return ExpectedMessages(
        channel.name,
        goes_out,
        {code: number for code, number in refused.items() if number},
        per_minute,
        max(_seconds(connection, COMMUNICATIONS, count, SECONDS_PER_MESSAGE), count * 60 / per_minute)
        if count
        else 0.0,
        quiet_ends(datetime.now(UTC), organization.time_zone, wishes.quiet_from, wishes.quiet_until)
        if is_quiet
        else None,
    )


def _recipient(channel: MessagingChannel, email: str | None, phone: str | None, country_code: str) -> str:
    """Whom a message would go to; or why it cannot, as a code."""
    try:
        return channel.addresses.find({"email": email, "phone": phone}, country_code).recipient
    except AddressError as error:
        return error.code


def _seconds(connection: Connection, kind: str, items: int, each: float) -> float:
    seconds = connection.execute(
        text("select work.estimate_seconds(:kind, :items, cast(:otherwise as numeric))"),
        {"kind": kind, "items": items, "otherwise": items * each},
    ).scalar_one()
    return float(seconds)
