"""Looks up and writes customers and items of QuickBooks here: set-based, no decisions.

Each function is one or two statements over a whole chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.records.fields import FIELDS, RECORDS, unseen_by_capture
from invoice_pipelines.quickbooks.records.mappings import Mapped
from invoice_pipelines.quickbooks.values import EntityType, as_json

QUICKBOOKS = "QuickBooks"
"""Who made what came from there."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record of ours that a record of QuickBooks could be. `key` is the customer number or the SKU."""

    id: UUID
    key: str
    name: str
    email: str | None


def mappings_of(
    connection: Connection, realm_id: str, entity: EntityType, quickbooks_ids: Iterable[str]
) -> dict[str, Mapped]:
    """The mappings of records of QuickBooks, by their ids; locked, in the order of the ids."""
    rows = connection.execute(
        text(
            """select local_id, quickbooks_id, sync_token, snapshot, state, remote_updated_at
               from quickbooks.mappings_there(:realm_id, :entity, cast(:ids as text[]))"""
        ),
        {"realm_id": realm_id, "entity": str(entity), "ids": sorted(set(quickbooks_ids))},
    )
    return {row.quickbooks_id: Mapped(*row) for row in rows}


def changed_at(
    connection: Connection, entity: EntityType, local_ids: Iterable[UUID]
) -> dict[UUID, dict[str, datetime]]:
    """When fields of our records were changed here, where that was noted."""
    noted: dict[UUID, dict[str, datetime]] = {}
    for row in connection.execute(
        text(
            """select local_id, field, changed_at from quickbooks.field_change
               where organization_id = organizations.current()
                 and entity_type = :entity and local_id = any(cast(:ids as uuid[]))"""
        ),
        {"entity": str(entity), "ids": sorted(set(local_ids))},
    ):
        noted.setdefault(row.local_id, {})[row.field] = row.changed_at
    return noted


def candidates(
    connection: Connection, realm_id: str, entity: EntityType, names: Sequence[str]
) -> list[tuple[Candidate, ...]]:
    """Our records that are not mapped, by each of the names; case does not count.

    All records of the organization are looked through once, whatever number of names there is: an index on the names
    could not be used, as row-level security comes before functions such as lower.
    """
    record, email = RECORDS[entity], "r.email" if entity is EntityType.CUSTOMER else "null"
    found: list[list[Candidate]] = [[] for _ in names]
    rows = connection.execute(
        text(
            f"""with name as materialized (
                    select n.place, lower(btrim(n.name)) as folded
                    from unnest(cast(:names as text[])) with ordinality as n (name, place)
                ), ours as materialized (
                    select n.place, r.id, r.{record.key} as key, r.name, {email} as email
                    from {record.view} r join name n on n.folded = lower(btrim(r.name))
                    where r.organization_id = organizations.current()
                )
                select r.place, r.id, r.key, r.name, r.email from ours r where {_NOT_MAPPED} order by r.place, r.id"""
        ),
        {"realm_id": realm_id, "entity": str(entity), "names": list(names)},
    ).all()
    for row in rows:
        found[row.place - 1].append(Candidate(row.id, row.key, row.name, row.email))
    return [tuple(each) for each in found]


def unmapped_items_of(connection: Connection, realm_id: str, skus: Iterable[str]) -> dict[str, Candidate]:
    """Our items that are not mapped, by SKU."""
    rows = connection.execute(
        text(
            f"""select r.id, r.sku, r.name from billing.items r
                where r.organization_id = organizations.current() and r.sku = any(cast(:skus as text[]))
                  and {_NOT_MAPPED}"""
        ),
        {"realm_id": realm_id, "entity": str(EntityType.ITEM), "skus": sorted(set(skus))},
    )
    return {row.sku: Candidate(row.id, row.sku, row.name, None) for row in rows}


def keys_in_use(connection: Connection, entity: EntityType, keys: Iterable[str]) -> dict[str, UUID]:
    """Which customer numbers or SKUs are taken, and by what."""
    record = RECORDS[entity]
    rows = connection.execute(
        text(
            f"""select {record.key} as key, id from {record.view}
                where organization_id = organizations.current() and {record.key} = any(cast(:keys as text[]))"""
        ),
        {"keys": sorted(set(keys))},
    )
    return {row.key: row.id for row in rows}


def creates_under_way(connection: Connection, realm_id: str, entity: EntityType) -> list[tuple[UUID, dict[str, Any]]]:
    """Our records whose creation was sent and not answered yet: QuickBooks may have them, under an id not known here.

    There are never more than a few batches of them.
    """
    rows = connection.execute(
        text(
            f"""select r.id, r.snapshot
                from quickbooks.sent_batch b
                cross join lateral (
                    select o.local_id as id, o.snapshot from quickbooks.sent_operation o
                    where o.organization_id = b.organization_id and o.batch_id = b.id and o.entity_type = :entity
                      and o.operation = 'create' and o.outcome is null) r
                where b.organization_id = organizations.current() and b.realm_id = :realm_id
                  and b.status = 'sent' and {_NOT_MAPPED}
                order by r.id"""
        ),
        {"realm_id": realm_id, "entity": str(entity)},
    )
    return [(row.id, dict(row.snapshot)) for row in rows]


def updates_under_way(
    connection: Connection, entity: EntityType, local_ids: Iterable[UUID]
) -> dict[UUID, Mapping[str, Any]]:
    """The fields of our records that were sent and not answered yet, as a snapshot: QuickBooks may have them."""
    rows = connection.execute(
        text(
            """select local_id, snapshot from quickbooks.sent_operation
               where organization_id = organizations.current() and entity_type = :entity
                 and local_id = any(cast(:ids as uuid[])) and outcome is null and operation = 'update'"""
        ),
        {"entity": str(entity), "ids": sorted(set(local_ids))},
    )
    return {row.local_id: row.snapshot for row in rows}


_NOT_MAPPED = """not exists (
    select from quickbooks.mapping m
    where m.organization_id = organizations.current() and m.realm_id = :realm_id
      and m.entity_type = :entity and m.local_id = r.id)"""


def add_records(connection: Connection, entity: EntityType, rows: Sequence[Mapping[str, Any]]) -> dict[str, UUID]:
    """Makes records of ours; returns their ids by customer number or SKU. Change capture does not send them back."""
    if not rows:
        return {}
    view, key = RECORDS[entity].view, RECORDS[entity].key
    stock = ("tracks_stock", "quantity_on_hand") if entity is EntityType.ITEM else ()
    columns = ", ".join((key, *stock, *(name for name in FIELDS[entity] if name not in ("sku", "item_type"))))
    with unseen_by_capture(connection):
        made = connection.execute(
            text(
                f"""insert into {view} (organization_id, created_by, {columns})
                    select organizations.current(), :by, {columns}
                    from jsonb_populate_recordset(null::{view}, cast(:rows as jsonb))
                    order by {key}
                    returning id, {key}"""
            ),
            {"by": QUICKBOOKS, "rows": as_json(list(rows))},
        ).all()
    return {row[1]: row[0] for row in made}
