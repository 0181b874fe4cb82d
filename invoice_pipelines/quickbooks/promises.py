"""What must always be true of an organization's sync, and queries for what breaks it.

What payments promise is in `payment_promises`. A check looks at the newest LATEST records, so that it takes seconds
whatever there is; what lies further back was looked at before.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, text

from invoice_pipelines.accounting.reports import ConnectionHealth, Health
from invoice_pipelines.promises import Finding, Promise, offending
from invoice_pipelines.quickbooks.invoices.drift import drifted_invoices
from invoice_pipelines.quickbooks.payments.promises import (
    allocations_that_differ,
    number_of,
    paid_and_due_that_do_not_tie,
)
from invoice_pipelines.quickbooks.values import KINDS, EntityType

LATEST = 10_000
LOST_AFTER = timedelta(minutes=15)
"""An invoice that was issued so long ago is mapped, or waits in the queue, or failed with a reason."""
LATE_AFTER = timedelta(hours=1)
"""An invoice that waits longer than this is late."""


def sent_invoices_without_mapping(connection: Connection, *, latest: int = LATEST) -> Finding:
    """Every invoice that QuickBooks said it made has its mapping."""
    return offending(
        connection,
        f"""select {number_of("s.local_id")} as name
            from (select o.organization_id, o.batch_id, o.local_id, o.operation, o.outcome
                  from quickbooks.sent_operation o where o.entity_type = 'invoice'
                  order by o.organization_id desc, o.batch_id desc limit :latest) s
            cross join lateral (
                select b.realm_id from quickbooks.sent_batch b
                where b.organization_id = s.organization_id and b.id between s.batch_id and s.batch_id
                order by b.id) b
            where s.operation = 'create' and s.outcome = 'done'
              and ({_MAPPED.format(realm="b.realm_id", invoice="s.local_id")}) is null""",
        latest=latest,
    )


def lost_invoices(connection: Connection, *, lost_after: timedelta = LOST_AFTER, latest: int = LATEST) -> Finding:
    """Every invoice that was issued since the company was connected is there after 15 minutes, or waits in the queue,
    or failed with a reason.

    Credit notes, and what was voided before it was sent, have nothing to do there.
    """
    return offending(
        connection,
        f"""with open_entry as materialized (select e.subject_id from ({_OPEN_ENTRIES}) e)
            select {number_of("i.id")} as name
            from ({_UNMAPPED}) i
            where i.id::text not in (select subject_id from open_entry)""",
        kind=KINDS[EntityType.INVOICE],
        age=lost_after,
        latest=latest,
    )


def late_invoices(connection: Connection, *, late_after: timedelta = LATE_AFTER) -> Finding:
    """No invoice waits for more than an hour, and none has failed.

    Each is named with the reason, as far as there is one.
    """
    return offending(
        connection,
        f"""with open_entry as materialized (
                select case when pg_input_is_valid(e.subject_id, 'uuid') then e.subject_id::uuid end as invoice_id,
                       bool_and(e.status = 'failed') as has_failed, max(e.error_code) as error_code
                from ({_OPEN_ENTRIES}) e
                where e.status = 'failed' or e.created_at < now() - cast(:age as interval)
                group by e.subject_id)
            select {number_of("i.id")} || ': '
                   || case when e.has_failed then 'failed' else 'waits' end
                   || coalesce(', ' || e.error_code, '') as name
            from quickbooks.connection c
            cross join open_entry e
            cross join lateral (
                select i.id from billing.invoices i
                where i.organization_id = c.organization_id and i.id between e.invoice_id and e.invoice_id
                  and i.status <> 'void'
                order by i.id) i
            where c.status <> 'disconnected'
              and ({_MAPPED.format(realm="c.realm_id", invoice="i.id")}) is null""",
        kind=KINDS[EntityType.INVOICE],
        age=late_after,
    )


def differing_totals(connection: Connection, *, latest: int = LATEST) -> Finding:
    """Every invoice has the total in QuickBooks that it has here.

    Compared is the version that QuickBooks answered to the push; what was changed there since is drift.
    """
    return offending(
        connection,
        f"""select {number_of("i.id")} || ': ' || i.gross_amount || ' here, '
                   || (m.snapshot ->> 'total') || ' there' as name
            from quickbooks.connection c
            cross join lateral (
                select m.local_id, m.snapshot from quickbooks.mapping m
                where m.organization_id = c.organization_id and m.realm_id = c.realm_id
                  and m.entity_type = 'invoice' and m.state = 'active'
                order by m.organization_id desc, m.realm_id desc, m.local_id desc limit :latest) m
            cross join lateral (
                select i.id, i.gross_amount from billing.invoices i
                where i.organization_id = c.organization_id and i.id between m.local_id and m.local_id
                  and i.status <> 'void'
                order by i.id) i
            where c.status <> 'disconnected'
              and i.gross_amount <> case when pg_input_is_valid(m.snapshot ->> 'total', 'numeric')
                                         then (m.snapshot ->> 'total')::numeric end""",
        latest=latest,
    )


def ambiguous_mappings(connection: Connection, entity: EntityType, *, latest: int = LATEST) -> Finding:
    """No record is mapped to two on the other side, and every mapping has its record here."""
    return offending(
        connection,
        f"""select m.quickbooks_id as name
            from (select * from quickbooks.mapping where entity_type = :entity
                  order by organization_id desc, realm_id desc, local_id desc limit :latest) m
            where exists (
                    select from quickbooks.mapping o
                    where o.organization_id = m.organization_id and o.realm_id = m.realm_id
                      and o.entity_type = m.entity_type and o.quickbooks_id = m.quickbooks_id
                      and o.local_id <> m.local_id)
               or not exists (
                    select from {_VIEWS[entity]} r
                    where r.organization_id = m.organization_id and r.id = m.local_id)""",
        entity=str(entity),
        latest=latest,
    )


def open_conflicts(connection: Connection, entity: EntityType) -> Finding:
    """No conflict waits for a person; `invoice-pipelines conflicts list` shows them."""
    return offending(
        connection,
        """select message as name from quickbooks.conflict
           where organization_id = organizations.current()
             and status = 'open' and entity_type = :entity""",
        entity=str(entity),
    )


_REFUSED_FOR_LONG = timedelta(hours=1)


def connection_health(connection: Connection, slug: str) -> ConnectionHealth:
    """Whether QuickBooks can be reached, now and in the next weeks."""
    # Tokens come with the HTTP client; loading Dagster, as each run does, must not wait for it.
    from invoice_pipelines.quickbooks.connection.tokens import expiry_warnings

    row = connection.execute(
        text(
            """select status, coalesce(status_reason, '') as status_reason, paused_until,
                      coalesce(paused_reason, '') as paused_reason, access_refused_since, now() as now
               from quickbooks.connection"""
        )
    ).one_or_none()
    if row is None or row.status == "disconnected":
        return ConnectionHealth(Health.NONE)
    if row.status != "connected":
        again = f" Connect again with `invoice-pipelines quickbooks connect {slug}`."
        return ConnectionHealth(Health.BROKEN, row.status_reason + (again if row.status == "needs_reconnect" else ""))
    if row.access_refused_since is not None and row.now - row.access_refused_since > _REFUSED_FOR_LONG:
        refused = f"QuickBooks has refused access since {row.access_refused_since:%Y-%m-%d %H:%M} UTC. "
        return ConnectionHealth(
            Health.BROKEN,
            f"{refused}{row.paused_reason} It is tried again each hour. Look whether the person who connected the "
            f"company is still one of its administrators, or connect it again: quickbooks connect {slug}.",
        )
    if row.paused_until is not None and row.paused_until > row.now:
        until = f"Paused until {row.paused_until:%Y-%m-%d %H:%M} UTC. {row.paused_reason}"
        return ConnectionHealth(Health.WARNING, until.strip())
    if warnings := expiry_warnings(connection, row.now):
        return ConnectionHealth(Health.WARNING, " ".join(warnings.values()))
    return ConnectionHealth(Health.FINE)


# The mapping of an invoice, for `offending` to plan by its order.
_MAPPED = """
    select m.local_id from quickbooks.mapping m
    where m.organization_id = organizations.current() and m.realm_id = {realm} and m.entity_type = 'invoice'
      and m.local_id between {invoice} and {invoice}
    order by m.local_id limit 1"""

# Invoices of the time since the company was connected that are older than :age and are not there, of the newest ones.
_UNMAPPED = f"""
    select i.organization_id, i.id
    from quickbooks.connection c
    cross join lateral (
        select i.organization_id, i.id, i.status, i.document_kind, i.created_at from billing.invoices i
        where i.organization_id = c.organization_id
        order by i.organization_id desc, i.id desc limit :latest) i
    where c.status <> 'disconnected' and i.document_kind = 'invoice' and i.status <> 'void'
      and i.created_at >= c.connected_at and i.created_at < now() - cast(:age as interval)
      and ({_MAPPED.format(realm="c.realm_id", invoice="i.id")}) is null"""

# Entries of the push queue that wait, are being sent, or failed; each part by the index of what has this status.
_OPEN_ENTRIES = " union all ".join(
    f"""select i.subject_id, i.status, i.error_code, i.created_at from work.items i
        where i.organization_id = organizations.current() and i.kind = :kind
          and i.status = '{status}'"""
    for status in ("pending", "processing", "failed")
)

_VIEWS = {
    EntityType.CUSTOMER: "billing.customers",
    EntityType.ITEM: "billing.items",
    EntityType.INVOICE: "billing.invoices",
}


CONNECTION_IS_HEALTHY = Promise(
    "connection_is_healthy",
    "QuickBooks can be reached. A warning while calls are paused, and before the connection expires.",
)


def _promise(name: str, find: Callable[..., Finding], *given: EntityType, warns: bool = False) -> Promise:
    """What a query looks for, in the words of its first sentence."""
    described = " ".join((find.__doc__ or "").partition("\n\n")[0].split())
    return Promise(name, described, lambda connection: find(connection, *given), warns=warns)


def _of_mapped(entity: EntityType, *more: Promise) -> tuple[Promise, ...]:
    return (
        _promise("mapping_is_unique", ambiguous_mappings, entity),
        *more,
        _promise("no_open_conflicts", open_conflicts, entity, warns=True),
        CONNECTION_IS_HEALTHY,
    )


PROMISES: dict[EntityType, tuple[Promise, ...]] = {
    EntityType.CUSTOMER: _of_mapped(EntityType.CUSTOMER),
    EntityType.ITEM: _of_mapped(EntityType.ITEM),
    EntityType.INVOICE: _of_mapped(
        EntityType.INVOICE,
        _promise("every_sent_invoice_is_mapped", sent_invoices_without_mapping),
        _promise("no_invoice_is_lost", lost_invoices),
        _promise("no_invoice_is_late", late_invoices, warns=True),
        _promise("totals_agree", differing_totals, warns=True),
        _promise("no_drift", drifted_invoices, warns=True),
    ),
    EntityType.PAYMENT: (
        _promise("paid_and_due_is_total", paid_and_due_that_do_not_tie),
        _promise("allocations_equal_quickbooks", allocations_that_differ),
        CONNECTION_IS_HEALTHY,
    ),
}
"""What is promised after each sync of an entity. None blocks: what is wrong with one record must not
keep the others from where they belong."""
