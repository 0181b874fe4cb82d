"""Holds what a run shows beside its counts: what failed and why, what happened, and which conflicts there are.

Reads only, each a bounded number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.values import KINDS, EntityType


@dataclass(frozen=True, slots=True)
class FailedEntry:
    """An entry of the push queue that failed, or will be tried again: its record by name (number, SKU), and why."""

    name: str
    code: str
    message: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """Something that happened, such as a name that was cleaned or a total that differs."""

    at: datetime
    code: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class ShownConflict:
    """A field that was changed on both sides, and who won; without a winner it waits for a person."""

    at: datetime
    field: str
    ours: str
    theirs: str
    winner: str | None
    message: str


def failed_entries(connection: Connection, entity: EntityType, since: datetime, limit: int) -> tuple[FailedEntry, ...]:
    """Entries of the organization in scope that failed since then, or wait for another try, the final ones first."""
    rows = connection.execute(
        text(
            f"""select coalesce({_NAMES[entity]}, f.subject_id) as name, coalesce(f.error_code, '') as code,
                       coalesce(f.error_message, '') as message, f.is_final
                from (
                    (select i.subject_id, i.error_code, i.error_message, true as is_final from work.items i
                     where i.organization_id = organizations.current() and i.kind = :kind
                       and i.job_id is null and i.finished_at >= :since and i.status = 'failed'
                     order by i.finished_at desc limit :limit)
                    union all
                    (select i.subject_id, i.error_code, i.error_message, true from work.items i
                     where i.organization_id = organizations.current() and i.kind = :kind
                       and i.job_id is not null and i.finished_at >= :since and i.status = 'failed'
                     limit :limit)
                    union all
                    (select i.subject_id, i.error_code, i.error_message, false from work.items i
                     where i.organization_id = organizations.current() and i.kind = :kind
                       and i.status = 'pending' and i.error_code is not null
                     order by i.available_at limit :limit)) f
                left join lateral (
                    select case when pg_input_is_valid(f.subject_id, 'uuid') then f.subject_id::uuid end as id
                ) s on true
                order by f.is_final desc limit :limit"""
        ),
        {"kind": KINDS[entity], "since": since, "limit": limit},
    )
    return tuple(FailedEntry(*row) for row in rows)


def events_since(connection: Connection, entity: EntityType, since: datetime, limit: int) -> tuple[ShownEvent, ...]:
    """Events about an entity, or the connection as a whole, since then; the newest first."""
    rows = connection.execute(
        text(
            """select created_at, code, severity, message from (
                   select * from quickbooks.event
                   where organization_id = organizations.current()
                     and created_at >= :since and coalesce(entity_type, :entity) = :entity) e
               order by created_at desc, id desc limit :limit"""
        ),
        {"entity": str(entity), "since": since, "limit": limit},
    )
    return tuple(ShownEvent(*row) for row in rows)


def conflicts_since(
    connection: Connection, entity: EntityType, since: datetime, limit: int
) -> tuple[ShownConflict, ...]:
    """Conflicts that were found since then, and all that are open; the open ones first."""
    rows = connection.execute(
        text(
            """select created_at, coalesce(field, ''), coalesce(ours #>> '{}', ''), coalesce(theirs #>> '{}', ''),
                      winner, message
               from quickbooks.conflict
               where organization_id = organizations.current() and entity_type = :entity
                 and (status = 'open' or created_at >= :since)
               order by status = 'open' desc, id desc limit :limit"""
        ),
        {"entity": str(entity), "since": since, "limit": limit},
    )
    return tuple(ShownConflict(*row) for row in rows)


_OF = "where r.organization_id = organizations.current() and r"
_NAMES = {
    EntityType.CUSTOMER: f"(select r.name from billing.customers r {_OF}.id = s.id)",
    EntityType.ITEM: f"(select r.sku from billing.items r {_OF}.id = s.id)",
    EntityType.INVOICE: f"(select r.invoice_number from billing.invoice_numbers r {_OF}.invoice_id = s.id)",
}
