"""What is special about items: how those of QuickBooks find ours, what a new one needs, whose price counts.

An item is linked by its SKU, else by its name where no SKU speaks against it. Price and active state are always those
of QuickBooks: what was changed here alone is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.conflicts.conflicts import NewConflict, record_conflicts
from invoice_pipelines.quickbooks.pull import applying
from invoice_pipelines.quickbooks.pull.applying import Kind, Link
from invoice_pipelines.quickbooks.pull.customers import sent_without_answer, without_doubles
from invoice_pipelines.quickbooks.records import records
from invoice_pipelines.quickbooks.records.documents import Remote
from invoice_pipelines.quickbooks.records.fields import NOT_ITEMS, load_rows, store_fields
from invoice_pipelines.quickbooks.records.merge import Fields
from invoice_pipelines.quickbooks.records.records import Candidate
from invoice_pipelines.quickbooks.values import Applied, EntityType

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.connection.connections import Connected
    from invoice_pipelines.quickbooks.values import Deleted

_THEIRS = ("unit_price", "is_active")
_LARGEST_QUANTITY = Decimal("999999999999.999")  # billing.items.quantity_on_hand, numeric(15, 3)
_AT_ONCE = 1000


def apply(
    connection: Connection,
    connected: Connected,
    documents: Sequence[Mapping[str, Any]],
    deleted: Sequence[Deleted],
    *,
    server_time: datetime,
    decided: Mapping[str, UUID | None] | None = None,
) -> Applied:
    """Brings items that were read together with ours; see applying.apply."""
    return applying.apply(_KIND, connection, connected, documents, deleted, server_time=server_time, decided=decided)


def take_back_prices(connection: Connection, connected: Connected) -> int:
    """Sets prices and active states that were changed here alone back to those of QuickBooks; returns how many.

    What was changed on both sides is found when it is read. Each is in the conflict log, with QuickBooks as the winner.
    """
    records.plan_by_keys(connection)
    changed = connection.execute(
        text(
            """select c.local_id, c.field, c.changed_at, m.quickbooks_id, m.snapshot
               from quickbooks.field_change c
               cross join lateral (
                   select m.quickbooks_id, m.snapshot from quickbooks.mapping m
                   where m.organization_id = c.organization_id and m.realm_id = :realm_id
                     and m.entity_type = c.entity_type and m.local_id = c.local_id and m.state = 'active' offset 0) m
               where c.organization_id = organizations.current() and c.entity_type = 'item'
                 and c.field = any (cast(:fields as text[]))
               order by c.local_id limit :most"""
        ),
        {"realm_id": connected.realm_id, "fields": list(_THEIRS), "most": _AT_ONCE},
    ).all()
    if not changed:
        return 0
    rows = load_rows(connection, EntityType.ITEM, [row.local_id for row in changed], lock=True)
    changes: dict[UUID, Fields] = {}
    conflicts = []
    for row in changed:
        ours, theirs = rows[row.local_id][row.field], row.snapshot.get(row.field)
        if row.field not in row.snapshot or ours == theirs:
            continue
        changes.setdefault(row.local_id, {})[row.field] = theirs
        conflicts.append(
            NewConflict(
                EntityType.ITEM,
                "field",
                f"{row.field} of {rows[row.local_id]['name']} was changed here to {ours}, but {theirs} of QuickBooks "
                "counts: change it there.",
                local_id=row.local_id,
                quickbooks_id=row.quickbooks_id,
                field=row.field,
                base=theirs,
                ours=ours,
                theirs=theirs,
                ours_changed_at=row.changed_at,
                winner="theirs",
                decided_by=f"rule: {row.field}",
            )
        )
    store_fields(connection, EntityType.ITEM, changes)
    record_conflicts(connection, connected.realm_id, conflicts)
    connection.execute(
        text(
            """delete from quickbooks.field_change c
               using unnest(cast(:ids as uuid[]), cast(:fields as text[])) as d (local_id, field)
               where c.organization_id = organizations.current() and c.entity_type = 'item'
                 and c.local_id = d.local_id and c.field = d.field"""
        ),
        {"ids": [row.local_id for row in changed], "fields": [row.field for row in changed]},
    )
    return len(conflicts)


def _find_links(connection: Connection, connected: Connected, remotes: Sequence[Remote]) -> list[Link]:
    sent = sent_without_answer(connection, connected, EntityType.ITEM, remotes)
    by_sku = records.unmapped_items_of(
        connection, connected.realm_id, [str(remote.fields["sku"]) for remote in remotes if "sku" in remote.fields]
    )
    by_name = records.candidates(
        connection, connected.realm_id, EntityType.ITEM, [str(remote.fields["name"]) for remote in remotes]
    )
    links, found = [], []
    for remote, named in zip(remotes, by_name, strict=True):
        same_sku = by_sku.get(str(remote.fields.get("sku")))
        links.append(sent.get(remote.quickbooks_id) or _link(remote, same_sku, named))
        found.append((*named, *([same_sku] if same_sku else ())))
    return without_doubles(links, found)


def _link(remote: Remote, same_sku: Candidate | None, named: Sequence[Candidate]) -> Link:
    if not remote.is_active:
        return Link()
    if same_sku is not None:
        return Link(same_sku.id)
    if not named:
        return Link()
    # Each of ours has a SKU. One that differs speaks against it, as another email does with customers.
    return Link(named[0].id) if len(named) == 1 and "sku" not in remote.fields else Link(candidates=tuple(named))


def _new_row(remote: Remote, connected: Connected) -> dict[str, Any]:
    row = {name: value for name, value in remote.fields.items() if name not in ("sku", "item_type")}
    stocked = remote.fields["item_type"] == "Inventory"
    return {**row, "tracks_stock": stocked, "quantity_on_hand": _quantity(remote) if stocked else 0}


def _quantity(remote: Remote) -> Decimal:
    """The stock that a new item begins with; from then on each side counts for itself."""
    try:
        quantity = Decimal(str(remote.document.get("QtyOnHand") or 0)).quantize(Decimal("0.001"))
    except InvalidOperation:
        return Decimal(0)
    return min(max(quantity, Decimal(0)), _LARGEST_QUANTITY)


_KIND = Kind(
    entity=EntityType.ITEM,
    is_read=lambda document: document.get("Type") not in NOT_ITEMS,
    kept_of=lambda document: {},
    find_links=_find_links,
    new_row=_new_row,
)
