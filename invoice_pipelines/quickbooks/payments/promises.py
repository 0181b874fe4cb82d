"""What must always be true of payments that came from QuickBooks, as queries for what breaks it.

A check looks at the newest LATEST payments that were recorded, so that it takes seconds whatever there is.
"""

from __future__ import annotations

from sqlalchemy import Connection

from invoice_pipelines.promises import Finding, offending

LATEST = 10_000


def paid_and_due_that_do_not_tie(connection: Connection, *, latest: int = LATEST) -> Finding:
    """Paid + credited + due is the gross amount of every invoice that has a payment from QuickBooks.

    Its status says the same, and what is paid is the sum of what counts of its payments.
    """
    return offending(
        connection,
        f"""with invoice as materialized (select distinct p.organization_id, a.invoice_id from ({_PAYMENTS}) p
                cross join lateral (
                    select a.invoice_id from billing.payment_allocations a
                    where a.organization_id = p.organization_id and a.payment_id between p.id and p.id
                    order by a.payment_id) a)
            select {number_of("k.invoice_id")} as name
            from invoice k
            cross join lateral (
                select * from billing.invoices i
                where i.organization_id = k.organization_id and i.id between k.invoice_id and k.invoice_id
                order by i.id) i
            cross join lateral (
                select coalesce(sum(a.applied_amount), 0) as paid
                from (select a.applied_amount from billing.payment_allocations a
                      where a.invoice_id between k.invoice_id and k.invoice_id
                        and a.organization_id = k.organization_id
                      order by a.invoice_id) a) a
            where i.amount_paid <> a.paid
               or i.status <> 'void' and i.amount_paid + i.amount_credited + i.amount_due <> i.gross_amount
               or i.amount_due < 0
               or (i.status = 'paid') <> (i.status <> 'void' and i.amount_due = 0)
               or (i.status = 'partially_paid') <> (i.amount_due > 0 and i.amount_paid + i.amount_credited > 0)""",
        latest=latest,
    )


def allocations_that_differ(connection: Connection, *, latest: int = LATEST) -> Finding:
    """Our invoices received of each payment what QuickBooks says.

    No payment of ours was left out. What is void or deleted there has nothing. What waits for a mapping is not looked
    at. `name` is the id there.
    """
    return offending(
        connection,
        f"""with document as materialized (
                select distinct p.organization_id, split_part(p.external_id, ':', 1) as realm_id,
                       split_part(p.external_id, ':', 3) as quickbooks_id
                from ({_PAYMENTS}) p where split_part(p.external_id, ':', 2) = 'payment'
            ), line as materialized (  -- a function in a join would keep row-level security from its index
                select d.*, l ->> 1 as invoice_id, (l ->> 2)::numeric as amount
                from document d
                cross join lateral (
                    select p.content from quickbooks.payment p
                    where p.organization_id = d.organization_id and p.realm_id = d.realm_id
                      and p.transaction_type = 'payment' and p.quickbooks_id between d.quickbooks_id and d.quickbooks_id
                      and p.state = 'active' and p.applied
                    order by p.quickbooks_id) p
                cross join lateral jsonb_array_elements(p.content -> 'lines') l
                where l ->> 0 = 'Invoice'
            ), theirs as materialized (
                select l.quickbooks_id, m.local_id as invoice_id, sum(l.amount) as amount
                from line l
                cross join lateral ({_MAPPED}) m
                group by l.quickbooks_id, m.local_id
            ), part as materialized (
                select d.organization_id, d.quickbooks_id,
                       concat_ws(':', d.realm_id, 'payment', d.quickbooks_id, part.key) as external_id
                from document d cross join (values (null), ('credit'), ('deposit')) part (key)
            ), ours as materialized (
                select d.quickbooks_id, a.invoice_id, sum(a.amount) as amount
                from part d
                cross join lateral (
                    select p.id from billing.payments p
                    where p.organization_id = d.organization_id and p.source = 'quickbooks'
                      and p.external_id between d.external_id and d.external_id and p.status = 'active'
                    order by p.external_id) p
                cross join lateral (
                    select a.invoice_id, a.amount from billing.payment_allocations a
                    where a.organization_id = d.organization_id and a.payment_id between p.id and p.id
                    order by a.payment_id) a
                group by d.quickbooks_id, a.invoice_id
            )
            select coalesce(t.quickbooks_id, o.quickbooks_id) as name
            from theirs t full join ours o using (quickbooks_id, invoice_id)
            where t.amount is distinct from o.amount and not exists (
                select from quickbooks.connection c
                join quickbooks.payment w on w.organization_id = c.organization_id and w.realm_id = c.realm_id
                where w.transaction_type = 'payment'
                  and w.quickbooks_id = coalesce(t.quickbooks_id, o.quickbooks_id) and not w.applied)
            union
            select l.payment_id from (
                select organization_id, realm_id, payment_id, invoice_id from quickbooks.unmapped_payment_line
                order by organization_id, realm_id, payment_id desc limit :latest) l
            where ({_MAPPED} limit 1) is not null
              and (select p.quickbooks_id from quickbooks.payment p
                   where p.organization_id = l.organization_id and p.realm_id = l.realm_id
                     and p.transaction_type = 'payment' and p.quickbooks_id between l.payment_id and l.payment_id
                     and p.applied
                   order by p.quickbooks_id limit 1) is not null""",
        latest=latest,
    )


def number_of(invoice_id: str) -> str:
    """The number of an invoice of the organization in scope, or its id where it has none, in a query."""
    return f"""coalesce(
                (select n.invoice_number from billing.invoice_numbers n
                 where n.invoice_id between {invoice_id} and {invoice_id}
                   and n.organization_id = organizations.current()
                 order by n.invoice_id limit 1), {invoice_id}::text)"""


# The invoice here that a line there is about. As all look-ups, it is planned by its order.
_MAPPED = """
    select m.local_id from quickbooks.mapping m
    where m.quickbooks_id between l.invoice_id and l.invoice_id and m.entity_type = 'invoice'
      and m.realm_id = l.realm_id and m.organization_id = l.organization_id
    order by m.quickbooks_id"""

# Ids are made in the order of time (uuidv7).
_PAYMENTS = """select *
    from (select * from billing.payments order by organization_id desc, id desc limit :latest) newest
    where newest.source = 'quickbooks'"""
