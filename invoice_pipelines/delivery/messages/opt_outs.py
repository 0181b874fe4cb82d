"""Addresses that nothing is sent to: their owner said so, or they bounced.

Each function runs in the transaction of its connection, which must come from `organization_scope`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.channels.addresses import AddressError
from invoice_pipelines.delivery.channels.channel import channel_of
from invoice_pipelines.delivery.values import DeliveryError


@dataclass(frozen=True, slots=True)
class OptOut:
    """An address that nothing is sent to by a channel, until `ended_at`."""

    id: UUID
    channel: str
    recipient: str
    reason: str
    """opted_out, bounced"""
    note: str | None
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    ended_by: str | None


def add_opt_out(
    connection: Connection,
    channel: str,
    address: str,
    *,
    reason: str = "opted_out",
    note: str | None = None,
    created_by: str,
) -> bool:
    """Sends nothing to an address any more; False if that was so already. Raises DeliveryError for a wrong address."""
    statement = """
        insert into delivery.opt_out (organization_id, channel, recipient, reason, note, created_by)
        values (organizations.current(), :channel, :recipient, :reason, :note, :by)
        on conflict (channel, recipient, organization_id) where ended_at is null do nothing"""
    return _changes(connection, statement, channel, address, reason=reason, note=note, by=created_by)


def end_opt_out(connection: Connection, channel: str, address: str, *, ended_by: str) -> bool:
    """Lets messages go to an address again; False if nothing kept them from it. Raises DeliveryError."""
    statement = """
        update delivery.opt_out set ended_at = clock_timestamp(), ended_by = :by
        where organization_id = organizations.current()
          and channel = :channel and recipient = :recipient and ended_at is null"""
    return _changes(connection, statement, channel, address, by=ended_by)


def list_opt_outs(
    connection: Connection, *, with_ended: bool = False, after: UUID | None = None, limit: int = 100
) -> list[OptOut]:
    """The opt-outs of the organization in scope, the oldest first; `after` is the last one of the page before."""
    rows = connection.execute(
        text(
            """select id, channel, recipient, reason, note, created_at, created_by, ended_at, ended_by
               from delivery.opt_out
               where organization_id = organizations.current()
                 and (:with_ended or ended_at is null) and (cast(:after as uuid) is null or id > :after)
               order by id limit :limit"""
        ),
        {"with_ended": with_ended, "after": after, "limit": limit},
    )
    return [OptOut(*row) for row in rows]


def get_opt_out(connection: Connection, opt_out_id: UUID, *, with_ended: bool = True) -> OptOut:
    """An opt-out, also one that has ended unless the caller wants none of these. Raises DeliveryError."""
    row = connection.execute(
        text(
            """select id, channel, recipient, reason, note, created_at, created_by, ended_at, ended_by
               from delivery.opt_out where organization_id = organizations.current() and id = :id"""
        ),
        {"id": opt_out_id},
    ).one_or_none()
    found = OptOut(*row) if row else None
    if found is None or (found.ended_at is not None and not with_ended):
        raise DeliveryError(f"This organization has no opt-out {opt_out_id}.", code="OPT_OUT_NOT_FOUND")
    return found


def find_opt_out(connection: Connection, channel: str, recipient: str) -> OptOut | None:
    """What keeps messages from a recipient (in the form for comparing), if anything does."""
    row = connection.execute(
        text(
            """select id, channel, recipient, reason, note, created_at, created_by, ended_at, ended_by
               from delivery.opt_out_of(:channel, :recipient)"""
        ),
        {"channel": channel, "recipient": recipient},
    ).one_or_none()
    return None if row is None else OptOut(*row)


def opt_out_of(connection: Connection, channel: str, address: str) -> OptOut | None:
    """What keeps messages from an address, if anything does. Raises DeliveryError for a wrong address."""
    return find_opt_out(connection, channel, _recipient(connection, channel, address))


def _changes(connection: Connection, statement: str, channel: str, address: str, **values: str | None) -> bool:
    values |= {"channel": channel, "recipient": _recipient(connection, channel, address)}
    return connection.execute(text(statement), values).rowcount == 1


def _recipient(connection: Connection, channel: str, address: str) -> str:
    country = connection.execute(
        text("select country_code from organizations.organization where id = organizations.current()")
    ).scalar_one()
    try:
        return channel_of(channel).addresses.check(address, country).recipient
    except AddressError as error:
        raise DeliveryError(f"address: {error}") from None
