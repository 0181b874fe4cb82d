"""The feed of an organization: its events in their order, read on from a cursor.

Whoever reads all events up to a cursor, and later those after it, has seen each of them, however transactions
overlapped: see feed.sql. An event can be read once all transactions have ended that began to write before its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.database.pruning import delete_older
from invoice_pipelines.events.values import EventsError, check_event_types

_NO_ID = UUID(int=0)
_LARGEST_POSITION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that changed. `subject_id` is what it is about, `data` ids, numbers and status; amounts are texts.

    `cursor` is its place in the feed.
    """

    id: UUID
    type: str
    created_at: datetime
    subject_id: UUID
    data: Mapping[str, Any]
    cursor: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, the oldest first. `next` is the cursor from which to read on, also where none came."""

    events: tuple[Event, ...]
    next: str


def read_events(
    connection: Connection, *, after: str | None = None, types: Sequence[str] = (), limit: int = 100
) -> EventPage:
    """Events of the organization in scope after a cursor; without one, from the oldest that is kept.

    `types` are as for webhooks: `invoice.paid`, `invoice.*`; none means all. Raises EventsError for what is no cursor
    or no type.
    """
    position, event_id = _place(after)
    rows = connection.execute(
        text("select * from events.read(:position, :event_id, cast(:types as text[]), :limit)"),
        {"position": position, "event_id": event_id, "types": check_event_types(types), "limit": limit},
    ).all()
    events = tuple(_event(row) for row in rows if row.id is not None)
    last = (rows[-1].place, rows[-1].id) if events else (position, event_id)
    if len(events) < limit:  # all that is settled was read
        last = max(last, (rows[0].settled, _NO_ID))
    return EventPage(events, _cursor(*last))


def newest_events(connection: Connection, *, types: Sequence[str] = (), limit: int = 100) -> EventPage:
    """The last events of the organization in scope, the oldest of them first; `next` leads to those that follow."""
    rows = connection.execute(
        text("select * from events.read_newest(cast(:types as text[]), :limit)"),
        {"types": check_event_types(types), "limit": limit},
    ).all()
    events = tuple(_event(row) for row in rows if row.id is not None)
    last = (rows[-1].place, rows[-1].id) if events else (0, _NO_ID)
    return EventPage(events, _cursor(*max(last, (rows[0].settled, _NO_ID))))


# In the order of the feed, which is that of time but for transactions that overlap, so that younger ones are not read.
_EVENTS = """
    delete from events.event where organization_id = :organization and (position, id) in (
        select first.position, first.id
        from (select e.position, e.id, e.created_at from events.event e where e.organization_id = :organization
              order by e.position, e.id limit :batch_size) first
        where first.created_at < :older_than)
"""
_SECRETS = """
    delete from events.webhook_secret s using events.webhook_endpoint w
    where s.organization_id = :organization and w.organization_id = s.organization_id and w.id = s.endpoint_id
      and w.status = 'removed'
"""
_DELIVERIES = """
    delete from events.webhook_delivery where organization_id = :organization and id in (
        select d.id from events.webhook_delivery d
        where d.organization_id = :organization and d.id < :before and d.created_at < :older_than
        order by d.id limit :batch_size)
"""


def prune_events(engine: Engine, organization_id: UUID, older_than: datetime) -> int:
    """Deletes events from before `older_than` (with a time zone), and what webhooks told of them; returns how many.

    PostgreSQL keeps those of the last seven days. Raises ValueError for a time without zone.
    """
    delete_older(engine, organization_id, older_than, _SECRETS)
    delete_older(engine, organization_id, older_than, _DELIVERIES)
    return delete_older(engine, organization_id, older_than, _EVENTS)


def _event(row: Any) -> Event:
    return Event(row.id, row.type, row.created_at, row.subject_id, row.data, _cursor(row.place, row.id))


def _cursor(position: int, event_id: UUID) -> str:
    return f"{position:x}-{event_id.hex}"


def _place(cursor: str | None) -> tuple[int, UUID]:
    if cursor is None:
        return 0, _NO_ID
    position, _, event_id = cursor.partition("-")
    try:
        place = int(position, 16), UUID(event_id)
    except ValueError:
        place = -1, _NO_ID
    if not 0 <= place[0] <= _LARGEST_POSITION:
        raise EventsError(f"after: {cursor[:80]!r} is no cursor of this feed; take it from an answer, as it is.")
    return place
