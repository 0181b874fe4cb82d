"""When to sync: the hours of the pulls, and which companies can be reached now.

Everything is decided by PostgreSQL from what it holds, never from what a process remembers, so that a restart changes
nothing. How runs are asked for is Dagster's.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.accounting.reports import DuePull
from invoice_pipelines.quickbooks.values import KINDS, PULL, EntityType
from invoice_pipelines.work import organizations_with_work


def hour(written: str) -> timedelta:
    """An hour of the settings, such as 05:30, from midnight on."""
    hours, minutes = written.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def next_pull(at: timedelta, zone: tzinfo, last_began: datetime, now: datetime) -> datetime:
    """When a company is next pulled at an hour of the day where the organization is; in the past: as soon as it can be.
    `last_began` is when the last pull did, or when the company was connected.
    """
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    today = (midnight + at).replace(tzinfo=zone)
    newest = today if today <= now else (midnight + at - timedelta(days=1)).replace(tzinfo=zone)
    return newest if last_began < newest else (newest.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)


def organizations_to_reach(connection: Connection, *, now: datetime | None = None) -> set[UUID]:
    """Organizations whose company is connected and not paused. Needs no scope."""
    rows = connection.execute(
        text(
            "select organization_id from quickbooks.organizations_to_reach(coalesce(cast(:now as timestamptz), now()))"
        ),
        {"now": now},
    )
    return set(rows.scalars())


def connection_counts(connection: Connection) -> dict[str, int]:
    """How many connections stand how: connected, paused, needs_reconnect, ... Needs no scope."""
    rows = connection.execute(text("select status, connections from quickbooks.connection_counts()"))
    return {row.status: row.connections for row in rows}


def organizations_to_push(connection: Connection) -> set[UUID]:
    """Organizations with a push or a pull to do that was asked for, whose company can be reached; and those that were
    disconnected through the web, whose tokens are to be given back. Needs no scope.
    """
    waiting = {work.organization_id for work in organizations_with_work(connection, (*KINDS.values(), PULL))}
    reached = waiting & organizations_to_reach(connection) if waiting else waiting
    left = connection.execute(text("select organization_id from quickbooks.organizations_to_leave()"))
    return reached | set(left.scalars())


def organizations_to_pull(
    connection: Connection, entity: EntityType, hour: timedelta, *, now: datetime | None = None
) -> list[DuePull]:
    """Organizations in whose time zone the hour passed since the last pull of an entity, the longest waiting first; and
    those where one did not come to its end, to go on with it. Needs no scope.
    """
    rows = connection.execute(
        text(
            """select organization_id, due_at, is_unfinished
               from quickbooks.organizations_to_pull(
                   :entity, cast(:hour as interval), coalesce(cast(:now as timestamptz), now()))"""
        ),
        {"entity": str(entity), "hour": hour, "now": now},
    )
    return [DuePull(*row) for row in rows]
