"""The conflict log: what both sides changed, and what a person must decide. Deciding is in `decisions`.

Kinds of conflicts: `field`, both sides changed a field; `ambiguous`, a record of QuickBooks that could be one of ours
but is not so by the exact rule; `unusable`, a record that cannot be stored here; `item_type` and `sku_taken`, items
that cannot be brought together; and those that a push finds, such as `name_in_use`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from invoice_pipelines.database.ids import find_id
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.quickbooks.records.merge import Value
from invoice_pipelines.quickbooks.values import EntityType, as_json

SYNC = "sync"
"""Who decided where no person did."""


class ConflictError(InvoicePipelinesError):
    """A conflict cannot be shown or decided; the message says what to do."""


@dataclass(frozen=True, slots=True)
class NewConflict:
    """A conflict that was found. Without `winner` it waits for a person."""

    entity_type: EntityType
    kind: str
    message: str
    local_id: UUID | None = None
    quickbooks_id: str | None = None
    field: str | None = None
    base: Any = None
    ours: Any = None
    theirs: Any = None
    ours_changed_at: datetime | None = None
    theirs_changed_at: datetime | None = None
    winner: str | None = None
    decided_by: str | None = None
    sync_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict(NewConflict):
    """A conflict as it is kept. `winner` is ours, theirs or edited; None while it is open, and where it went away."""

    id: UUID
    realm_id: str
    status: str
    created_at: datetime
    resolved_at: datetime | None
    record: str | None
    """Our name of it: customer number, SKU or invoice number."""
    record_name: str | None
    """what the customer or item is called here"""

    @property
    def seen(self) -> tuple[Any, ...]:
        """What a person looked at before a decision, which is refused once this is something else."""
        return self.id, self.status, self.ours, self.theirs


def record_conflicts(connection: Connection, realm_id: str, conflicts: Sequence[NewConflict]) -> int:
    """Writes what was found; returns how many are new. One that is open already gets the newest values instead.

    Open conflicts are the same if kind, field and record are: ours, or that of QuickBooks where we have none.
    """
    if not conflicts:
        return 0
    return int(
        connection.execute(
            text(
                """with given as materialized (
                       select c.*, o.id as open_id
                       from jsonb_to_recordset(cast(:conflicts as jsonb)) as c (
                           entity_type text, kind text, message text, local_id uuid, quickbooks_id text, field text,
                           base jsonb, ours jsonb, theirs jsonb, ours_changed_at timestamptz,
                           theirs_changed_at timestamptz, winner text, decided_by text, sync_token text)
                       left join lateral (
                           select o.id from quickbooks.conflict o
                           where o.organization_id = organizations.current()
                             and o.status = 'open' and o.realm_id = :realm_id and o.entity_type = c.entity_type
                             and o.kind = c.kind and o.field is not distinct from c.field
                             and case when c.local_id is null then o.quickbooks_id = c.quickbooks_id
                                      else o.local_id = c.local_id end
                           limit 1) o on true
                   ), known as (
                       update quickbooks.conflict o
                       set ours = g.ours, theirs = g.theirs, message = g.message, sync_token = g.sync_token,
                           ours_changed_at = g.ours_changed_at, theirs_changed_at = g.theirs_changed_at,
                           quickbooks_id = coalesce(g.quickbooks_id, o.quickbooks_id), winner = g.winner,
                           decided_by = g.decided_by,
                           status = case when g.winner is null then 'open' else 'resolved' end,
                           resolved_at = case when g.winner is not null then clock_timestamp() end
                       from given g
                       where o.organization_id = organizations.current() and o.id = g.open_id
                   ), added as (
                       insert into quickbooks.conflict (
                           organization_id, realm_id, entity_type, kind, message, local_id, quickbooks_id, field, base,
                           ours, theirs, ours_changed_at, theirs_changed_at, winner, decided_by, sync_token, status,
                           resolved_at)
                       select organizations.current(), :realm_id, g.entity_type, g.kind, g.message,
                              g.local_id, g.quickbooks_id, g.field, g.base, g.ours, g.theirs, g.ours_changed_at,
                              g.theirs_changed_at, g.winner, g.decided_by, g.sync_token,
                              case when g.winner is null then 'open' else 'resolved' end,
                              case when g.winner is not null then clock_timestamp() end
                       from given g where g.open_id is null
                       returning 1
                   )
                   select count(*) from added"""
            ),
            {"realm_id": realm_id, "conflicts": as_json([asdict(conflict) for conflict in conflicts])},
        ).scalar_one()
    )


def open_conflict(
    connection: Connection, realm_id: str, entity_type: EntityType, kind: str, message: str, **values: Any
) -> int:
    """Notes that a person must decide something; returns 0 where that is noted already. See NewConflict."""
    return record_conflicts(connection, realm_id, [NewConflict(entity_type, kind, message, **values)])


def undecided(connection: Connection, local_ids: Iterable[UUID]) -> dict[UUID, dict[str, Value]]:
    """The fields that wait for a person, of our records by id, each with what QuickBooks has."""
    fields: dict[UUID, dict[str, Value]] = {}
    for row in connection.execute(
        text(
            """select local_id, field, theirs from quickbooks.conflict
               where organization_id = organizations.current() and local_id = any(cast(:ids as uuid[]))
                 and status = 'open' and kind = 'field'"""
        ),
        {"ids": sorted(set(local_ids))},
    ):
        fields.setdefault(row.local_id, {})[row.field] = row.theirs
    return fields


def close_conflicts(
    connection: Connection,
    realm_id: str,
    entity_type: EntityType,
    kinds: Sequence[str],
    *,
    quickbooks_ids: Sequence[str] = (),
    local_ids: Sequence[UUID] = (),
    fields: Sequence[tuple[UUID, str]] = (),
) -> None:
    """Closes conflicts that went away by themselves: of records of QuickBooks, of ours, or of fields of ours."""
    if not quickbooks_ids and not local_ids and not fields:
        return
    connection.execute(
        text(
            """update quickbooks.conflict c
               set status = 'resolved', resolved_at = clock_timestamp(), decided_by = :by
               where c.organization_id = organizations.current() and c.status = 'open'
                 and c.realm_id = :realm_id and c.entity_type = :entity and c.kind = any (cast(:kinds as text[]))
                 and (c.quickbooks_id = any (cast(:quickbooks_ids as text[]))
                      or c.local_id = any (cast(:local_ids as uuid[]))
                      or (c.local_id, c.field) in (select * from unnest(cast(:ids as uuid[]), cast(:fields as text[]))))
            """
        ),
        {
            "realm_id": realm_id,
            "entity": str(entity_type),
            "by": SYNC,
            "kinds": list(kinds),
            "quickbooks_ids": list(quickbooks_ids),
            "local_ids": list(local_ids),
            "ids": [local_id for local_id, _ in fields],
            "fields": [field for _, field in fields],
        },
    )


def list_conflicts(
    connection: Connection,
    *,
    status: str | None = "open",
    entity: EntityType | None = None,
    newest_first: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Conflict]:
    """Conflicts in the order in which they were found, or the other way round. `status` None: the resolved ones too."""
    rows = connection.execute(
        text(
            f"""{_CONFLICT}
                where c.organization_id = organizations.current()
                  and (cast(:status as text) is null or c.status = :status)
                  and (cast(:entity as text) is null or c.entity_type = :entity)
                  and (cast(:after as uuid) is null or c.id {"<" if newest_first else ">"} :after)
                order by c.id {"desc" if newest_first else ""} limit :limit"""
        ),
        {"status": status, "entity": entity, "after": after, "limit": limit},
    )
    return [_conflict(row) for row in rows]


def open_fields_of(connection: Connection, local_id: UUID) -> list[Conflict]:
    """The fields of a record of ours that wait for a person, in the order in which they were found."""
    rows = connection.execute(
        text(
            f"""{_CONFLICT}
                where c.organization_id = organizations.current() and c.local_id = :local_id
                  and c.status = 'open' and c.kind = 'field'
                order by c.id"""
        ),
        {"local_id": local_id},
    )
    return [_conflict(row) for row in rows]


def find_conflict(connection: Connection, written: str, *, lock: bool = False) -> Conflict:
    """The conflict whose id begins or ends with what was written. Raises UnknownId, and ConflictError for none."""
    conflict_id = find_id(connection, "quickbooks.conflict", written, "a conflict", "conflicts list")
    row = connection.execute(
        text(
            f"""{_CONFLICT} where c.organization_id = organizations.current() and c.id = :id
                {"for no key update of c" if lock else ""}"""
        ),
        {"id": conflict_id},
    ).one_or_none()
    if row is None:
        raise ConflictError(
            f"there is no conflict {conflict_id} in this organization",
            code="CONFLICT_NOT_FOUND",
            hint="`conflicts list` shows them",
        )
    return _conflict(row)


_OF = "where r.organization_id = c.organization_id and r"
_CONFLICT = f"""
    select c.*, case c.entity_type
               when 'customer' then (select r.customer_number from billing.customers r {_OF}.id = c.local_id)
               when 'item' then (select r.sku from billing.items r {_OF}.id = c.local_id)
               when 'invoice' then (select r.invoice_number from billing.invoice_numbers r
                                    {_OF}.invoice_id = c.local_id)
           end as record,
           case c.entity_type
               when 'customer' then (select r.name from billing.customers r {_OF}.id = c.local_id)
               when 'item' then (select r.name from billing.items r {_OF}.id = c.local_id)
           end as record_name
    from quickbooks.conflict c"""


def _conflict(row: Row[Any]) -> Conflict:
    values = {each.name: getattr(row, each.name) for each in fields(Conflict)}
    return Conflict(**{**values, "entity_type": EntityType(row.entity_type)})
