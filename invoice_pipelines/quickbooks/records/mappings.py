"""The mapping of our ids to those of QuickBooks: how it is read, and written by a push or a pull."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api.answers import updated_at
from invoice_pipelines.quickbooks.values import EntityType, as_json


@dataclass(frozen=True, slots=True)
class Mapped:
    """One of our records in QuickBooks. `state` is active, void or deleted; see `fields` on the snapshot."""

    local_id: UUID
    quickbooks_id: str
    sync_token: str
    snapshot: Mapping[str, Any]
    state: str = "active"
    remote_updated_at: datetime | None = None

    @property
    def reference(self) -> str | None:
        """The id that others refer to it by: its own, or the survivor's of a merge; None where it is gone."""
        return self.quickbooks_id if self.state == "active" else self.snapshot.get("merged_into")


def mapped(local_id: UUID, document: Mapping[str, Any], snapshot: Mapping[str, Any], state: str = "active") -> Mapped:
    """The mapping to a document as QuickBooks answered it."""
    return Mapped(
        local_id, str(document["Id"]), str(document.get("SyncToken") or "0"), snapshot, state, updated_at(document)
    )


def load_mappings(
    connection: Connection, realm_id: str, entity: EntityType, local_ids: Iterable[UUID]
) -> dict[UUID, Mapped]:
    """The mappings of records that have one."""
    rows = connection.execute(
        text(
            """select local_id, quickbooks_id, sync_token, snapshot, state, remote_updated_at
               from quickbooks.mappings_of(:realm, :entity, cast(:ids as uuid[]))"""
        ),
        {"realm": realm_id, "entity": entity.value, "ids": list(local_ids)},
    )
    return {row.local_id: Mapped(*row) for row in rows}


def save_mappings(
    connection: Connection, realm_id: str, entity: EntityType, mappings: Sequence[Mapped]
) -> list[Mapped]:
    """Stores mappings, or brings them up to date. Returns those that cannot be: ours or theirs is mapped otherwise."""
    if not mappings:
        return []
    values = _given(realm_id, entity, mappings)
    stored = set(
        connection.execute(
            text(
                f"""insert into quickbooks.mapping (organization_id, realm_id, entity_type, local_id, quickbooks_id,
                                                    sync_token, state, snapshot, remote_updated_at)
                    select organizations.current(), :realm, :entity, g.local_id, g.quickbooks_id,
                           g.sync_token, g.state, g.snapshot, g.remote_updated_at
                    from {_GIVEN} order by g.local_id
                    on conflict do nothing
                    returning local_id"""
            ),
            values,
        ).scalars()
    )
    if len(stored) < len(mappings):
        # Locked by a statement of its own: the one that writes sees the versions of those that it had to wait for.
        connection.execute(
            text(
                f"""select from {_GIVEN} cross join lateral (
                        select from quickbooks.mapping f
                        where f.organization_id = organizations.current()
                          and f.realm_id = :realm and f.entity_type = :entity and f.local_id = g.local_id
                          and f.quickbooks_id = g.quickbooks_id for no key update) f"""
            ),
            values,
        )
        stored |= set(
            connection.execute(
                text(
                    f"""update quickbooks.mapping m
                        set sync_token = g.sync_token, state = g.state, snapshot = g.snapshot,
                            remote_updated_at = g.remote_updated_at, synced_at = clock_timestamp()
                        from {_GIVEN}
                        where m.organization_id = organizations.current() and m.realm_id = :realm
                          and m.entity_type = :entity and m.local_id = g.local_id
                          and m.quickbooks_id = g.quickbooks_id
                        returning m.local_id"""
                ),
                values,
            ).scalars()
        )
    return [each for each in mappings if each.local_id not in stored]


def move_mappings(connection: Connection, realm_id: str, entity: EntityType, mappings: Sequence[Mapped]) -> None:
    """Stores mappings as a pull found them, with those of theirs locked: one may move to another id, a survivor's."""
    if not mappings:
        return
    connection.execute(
        text(
            f"""insert into quickbooks.mapping as m (organization_id, realm_id, entity_type, local_id, quickbooks_id,
                                                    sync_token, state, snapshot, remote_updated_at, synced_at)
                select organizations.current(), :realm, :entity, g.local_id, g.quickbooks_id,
                       g.sync_token, g.state, g.snapshot, g.remote_updated_at, clock_timestamp()
                from {_GIVEN} order by g.quickbooks_id
                on conflict (organization_id, realm_id, entity_type, local_id) do update
                set quickbooks_id = excluded.quickbooks_id, sync_token = excluded.sync_token, state = excluded.state,
                    snapshot = excluded.snapshot, synced_at = excluded.synced_at,
                    remote_updated_at = coalesce(excluded.remote_updated_at, m.remote_updated_at)"""
        ),
        _given(realm_id, entity, mappings),
    )


_GIVEN = """jsonb_to_recordset(cast(:mappings as jsonb)) as g (
                local_id uuid, quickbooks_id text, sync_token text, state text, snapshot jsonb,
                remote_updated_at timestamptz)"""


def _given(realm_id: str, entity: EntityType, mappings: Sequence[Mapped]) -> dict[str, str]:
    rows = [{name: getattr(each, name) for name in Mapped.__slots__} for each in mappings]
    return {"realm": realm_id, "entity": str(entity), "mappings": as_json(rows)}
