"""What is special about customers and items: how those of QuickBooks find ours, what a new one needs, who was merged,
whose price counts.

Customers are linked by the exact rule alone: the same name (case does not count), and the same email where both have
one, and only one of ours that fits. An item is linked by its SKU, else by its name where no SKU speaks against it.
Anything else with the same name is for a person. Price and active state of an item are always those of QuickBooks: what
was changed here alone is taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.conflicts.conflicts import NewConflict, record_conflicts
from invoice_pipelines.quickbooks.pull.applying import Kind, Link
from invoice_pipelines.quickbooks.records import records
from invoice_pipelines.quickbooks.records.documents import Remote, is_newer
from invoice_pipelines.quickbooks.records.fields import (
    NOT_ITEMS,
    base_of,
    in_our_form,
    kept_of,
    load_rows,
    store_fields,
)
from invoice_pipelines.quickbooks.records.merge import Fields
from invoice_pipelines.quickbooks.records.names import restore_fields
from invoice_pipelines.quickbooks.records.records import Candidate
from invoice_pipelines.quickbooks.values import EntityType

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.connection.connections import Connected

_INVOICES_TO_LOOK_AT = 3
"""Of a customer who may have been merged: all of them must have gone to the same other customer."""
_THEIRS = ("unit_price", "is_active")
_LARGEST_QUANTITY = Decimal("999999999999.999")  # billing.items.quantity_on_hand, numeric(15, 3)
_AT_ONCE = 1000


def invoices_of_inactive(connection: Connection, realm_id: str, quickbooks_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the newest pushed invoices of customers that are active as far as we know, by id of the customer.

    Where QuickBooks made such a customer inactive, these tell whether it was merged: they have another customer then.
    """
    found: dict[str, list[str]] = {}
    for row in connection.execute(
        text(
            """select c.quickbooks_id as customer, i.quickbooks_id from quickbooks.mapping c
               cross join lateral (
                   select n.quickbooks_id from billing.invoices i
                   join quickbooks.mapping n
                       on n.organization_id = i.organization_id and n.realm_id = c.realm_id
                      and n.entity_type = 'invoice' and n.local_id = i.id and n.state <> 'deleted'
                   where i.organization_id = c.organization_id and i.customer_id = c.local_id
                   limit :most) i
               where c.organization_id = organizations.current() and c.realm_id = :realm_id
                 and c.entity_type = 'customer' and c.quickbooks_id = any(cast(:ids as text[]))
                 and c.state = 'active' and c.snapshot ->> 'is_active' = 'true'"""
        ),
        {"realm_id": realm_id, "ids": sorted(set(quickbooks_ids)), "most": _INVOICES_TO_LOOK_AT},
    ):
        found.setdefault(row.customer, []).append(row.quickbooks_id)
    return found


def survivors(invoices_of: Mapping[str, Sequence[str]], invoices: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Which customers were merged into which, by the customers that their invoices have now."""
    customer_of = {str(invoice["Id"]): (invoice.get("CustomerRef") or {}).get("value") for invoice in invoices}
    merged = {}
    for customer, ids in invoices_of.items():
        now = {customer_of.get(each) for each in ids}
        survivor = now.pop() if len(now) == 1 else None
        if survivor is not None and str(survivor) != customer:
            merged[customer] = str(survivor)
    return merged


def take_back_prices(connection: Connection, connected: Connected) -> int:
    """Sets prices and active states that were changed here alone back to those of QuickBooks; returns how many.

    What was changed on both sides is found when it is read. Each is in the conflict log, with QuickBooks as the winner.
    """
    changed = connection.execute(
        text(
            """select c.local_id, c.field, c.changed_at, m.quickbooks_id, m.snapshot
               from quickbooks.field_change c
               cross join lateral (
                   select m.quickbooks_id, m.snapshot from quickbooks.mapping m
                   where m.organization_id = c.organization_id and m.realm_id = :realm_id
                     and m.entity_type = c.entity_type and m.local_id = c.local_id and m.state = 'active') m
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


def _find_customers(connection: Connection, connected: Connected, remotes: Sequence[Remote]) -> list[Link]:
    sent = _sent_without_answer(connection, connected, EntityType.CUSTOMER, remotes)
    found = records.candidates(
        connection, connected.realm_id, EntityType.CUSTOMER, [str(remote.fields["name"]) for remote in remotes]
    )
    links = [
        sent.get(remote.quickbooks_id) or _link_customer(remote, each)
        for remote, each in zip(remotes, found, strict=True)
    ]
    return _without_doubles(links, found)


def _link_customer(remote: Remote, found: Sequence[Candidate]) -> Link:
    if not remote.is_active or not found:
        return Link()  # an inactive one keeps its name for nobody, so its name says nothing
    email = _folded(remote.fields["email"])
    fitting = [one for one in found if email is None or one.email is None or _folded(one.email) == email]
    return Link(fitting[0].id) if len(fitting) == 1 else Link(candidates=tuple(found))


def _find_items(connection: Connection, connected: Connected, remotes: Sequence[Remote]) -> list[Link]:
    sent = _sent_without_answer(connection, connected, EntityType.ITEM, remotes)
    by_sku = records.unmapped_items_of(
        connection, connected.realm_id, [str(remote.fields["sku"]) for remote in remotes if "sku" in remote.fields]
    )
    by_name = records.candidates(
        connection, connected.realm_id, EntityType.ITEM, [str(remote.fields["name"]) for remote in remotes]
    )
    links, found = [], []
    for remote, named in zip(remotes, by_name, strict=True):
        same_sku = by_sku.get(str(remote.fields.get("sku")))
        links.append(sent.get(remote.quickbooks_id) or _link_item(remote, same_sku, named))
        found.append((*named, *([same_sku] if same_sku else ())))
    return _without_doubles(links, found)


def _link_item(remote: Remote, same_sku: Candidate | None, named: Sequence[Candidate]) -> Link:
    if not remote.is_active:
        return Link()
    if same_sku is not None:
        return Link(same_sku.id)
    if not named:
        return Link()
    # Each of ours has a SKU. One that differs speaks against it, as another email does with customers.
    return Link(named[0].id) if len(named) == 1 and "sku" not in remote.fields else Link(candidates=tuple(named))


def _sent_without_answer(
    connection: Connection, connected: Connected, entity: EntityType, remotes: Sequence[Remote]
) -> dict[str, Link]:
    """Records that are in QuickBooks because we sent them, although the answer never came, by their ids there.

    Without this one whose name was cleaned on its way would come back as a new record. They are known by all that was
    sent, or, where somebody changed them there already, by name and email.
    """
    under_way = records.creates_under_way(connection, connected.realm_id, entity) if remotes else []
    links: dict[str, Link] = {}
    for local_id, snapshot in under_way:
        base = base_of(entity, snapshot)
        for remote in remotes:
            theirs = in_our_form(restore_fields(entity, remote.fields, base, connected.company), snapshot)
            looked_at = ("name", "email") if is_newer(remote.sync_token, "0") else tuple(base)
            if all(theirs.get(name, base.get(name)) == base.get(name) for name in looked_at):
                links[remote.quickbooks_id] = Link(local_id, snapshot)
    return links


def _without_doubles(links: Sequence[Link], found: Sequence[Sequence[Candidate]]) -> list[Link]:
    """Links of which two lead to the same record of ours are for a person."""
    times = Counter(link.local_id for link in links if link.local_id is not None)
    return [
        Link(candidates=tuple(each)) if link.local_id is not None and times[link.local_id] > 1 and each else link
        for link, each in zip(links, found, strict=True)
    ]


def _folded(value: object) -> str | None:
    return None if value is None else str(value).strip().casefold()


def _new_item(remote: Remote, connected: Connected) -> dict[str, Any]:
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


RECORD_KINDS = {
    EntityType.CUSTOMER: Kind(
        entity=EntityType.CUSTOMER,
        is_read=lambda document: True,
        kept_of=kept_of,
        find_links=_find_customers,
        new_row=lambda remote, connected: {"country_code": connected.company.country, **remote.fields},
    ),
    EntityType.ITEM: Kind(
        entity=EntityType.ITEM,
        is_read=lambda document: document.get("Type") not in NOT_ITEMS,
        kept_of=lambda document: {},
        find_links=_find_items,
        new_row=_new_item,
    ),
}
