"""What is special about customers: how those of QuickBooks find ours, what a new one needs, who was merged.

A name that differs in case only is the same name. Records are linked by the exact rule alone: the same name, and the
same email where both have one, and only one of ours that fits. Anything else with the same name is for a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.pull import applying
from invoice_pipelines.quickbooks.pull.applying import Kind, Link
from invoice_pipelines.quickbooks.records import records
from invoice_pipelines.quickbooks.records.documents import Remote, is_newer
from invoice_pipelines.quickbooks.records.fields import base_of, in_our_form, kept_of
from invoice_pipelines.quickbooks.records.names import restore_fields
from invoice_pipelines.quickbooks.records.records import Candidate
from invoice_pipelines.quickbooks.values import Applied, EntityType

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.connection.connections import Connected
    from invoice_pipelines.quickbooks.values import Deleted

_INVOICES_TO_LOOK_AT = 3
"""Of a customer who may have been merged: all of them must have gone to the same other customer."""


def apply(
    connection: Connection,
    connected: Connected,
    documents: Sequence[Mapping[str, Any]],
    deleted: Sequence[Deleted],
    *,
    server_time: datetime,
    merged: Mapping[str, str] | None = None,
    decided: Mapping[str, UUID | None] | None = None,
) -> Applied:
    """Brings customers that were read together with ours; see applying.apply."""
    return applying.apply(
        _KIND, connection, connected, documents, deleted, server_time=server_time, merged=merged, decided=decided
    )


def invoices_of_inactive(connection: Connection, realm_id: str, quickbooks_ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids of the newest pushed invoices of customers that are active as far as we know, by id of the customer.

    Where QuickBooks made such a customer inactive, these tell whether it was merged: they have another customer then.
    """
    records.plan_by_keys(connection)
    found: dict[str, list[str]] = {}
    for row in connection.execute(
        text(
            """select k.element as customer, i.quickbooks_id from work.few(cast(:ids as text[])) k
               cross join lateral (
                   select m.local_id from quickbooks.mapping m
                   where m.organization_id = organizations.current() and m.realm_id = :realm_id
                     and m.entity_type = 'customer' and m.quickbooks_id = k.element and m.state = 'active'
                     and m.snapshot ->> 'is_active' = 'true' offset 0) c
               cross join lateral (
                   select n.quickbooks_id from billing.invoices i
                   cross join lateral (
                       select n.quickbooks_id from quickbooks.mapping n
                       where n.organization_id = i.organization_id and n.realm_id = :realm_id
                         and n.entity_type = 'invoice' and n.local_id = i.id and n.state <> 'deleted' offset 0) n
                   where i.organization_id = organizations.current()
                     and i.customer_id = c.local_id
                   limit :most) i"""
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


def _find_links(connection: Connection, connected: Connected, remotes: Sequence[Remote]) -> list[Link]:
    sent = sent_without_answer(connection, connected, EntityType.CUSTOMER, remotes)
    found = records.candidates(
        connection, connected.realm_id, EntityType.CUSTOMER, [str(remote.fields["name"]) for remote in remotes]
    )
    links = [sent.get(remote.quickbooks_id) or _link(remote, each) for remote, each in zip(remotes, found, strict=True)]
    return without_doubles(links, found)


def _link(remote: Remote, found: Sequence[Candidate]) -> Link:
    if not remote.is_active or not found:
        return Link()  # an inactive one keeps its name for nobody, so its name says nothing
    email = _folded(remote.fields["email"])
    fitting = [one for one in found if email is None or one.email is None or _folded(one.email) == email]
    return Link(fitting[0].id) if len(fitting) == 1 else Link(candidates=tuple(found))


def sent_without_answer(
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


def without_doubles(links: Sequence[Link], found: Sequence[Sequence[Candidate]]) -> list[Link]:
    """Links of which two lead to the same record of ours are for a person."""
    times = Counter(link.local_id for link in links if link.local_id is not None)
    return [
        Link(candidates=tuple(each)) if link.local_id is not None and times[link.local_id] > 1 and each else link
        for link, each in zip(links, found, strict=True)
    ]


def _folded(value: object) -> str | None:
    return None if value is None else str(value).strip().casefold()


def _new_row(remote: Remote, connected: Connected) -> dict[str, Any]:
    return {"country_code": connected.company.country, **remote.fields}


_KIND = Kind(
    entity=EntityType.CUSTOMER,
    is_read=lambda document: True,
    kept_of=kept_of,
    find_links=_find_links,
    new_row=_new_row,
)
