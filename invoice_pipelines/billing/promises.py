"""What must always be true of an organization's issued invoices, and queries for what breaks it.

PostgreSQL refuses most of this when it is written (constraints, triggers); these queries ask whether it holds. They
look at so many of the newest invoices, and `latest=None` at all.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from invoice_pipelines.database.ids import first_id
from invoice_pipelines.promises import Finding, Promise, offending
from invoice_pipelines.work.promises import jobs_that_disagree

LATEST = 100_000
LOOKED_BACK = 1_000
"""How many invoices before those issued lately are looked at as well: what they say cannot change, but some were paid,
credited or void meanwhile. What is wrong with older ones is seen when all is looked at.
"""
_ALL = 2**62


def latest_since(connection: Connection, moment: datetime) -> int:
    """How many of the newest invoices to look at, if all were looked at up to a moment."""
    issued: int = connection.execute(
        text("select count(*) from billing.invoice where id >= :first_id"), {"first_id": first_id(moment)}
    ).scalar_one()
    return LOOKED_BACK + issued


def _promise(name: str, description: str, query: str, *, blocking: bool = False) -> Promise:
    def find(connection: Connection, latest: int | None = LATEST) -> Finding:
        values = {"latest": _ALL if latest is None else latest} if ":latest" in query else {}
        return offending(connection, query, **values)

    return Promise(name, description, find, blocking=blocking, of_all=True)


# The newest numbers of each series and period, each with the one before it.
_NUMBERS = """
    select w.*, lag(w.number) over series as previous, lag(w.issue_date) over series as previous_date,
           min(w.number) over series as oldest
    from billing.invoice_counter c
    cross join lateral (
        select n.* from billing.invoice_number n
        where n.organization_id = c.organization_id and n.series = c.series and n.period = c.period
        order by n.number desc limit :latest) w
    window series as (partition by w.series, w.period order by w.number)
"""
_LAST_NUMBER = """
    select n.number, n.issue_date from billing.invoice_number n
    where n.organization_id = c.organization_id and n.series = c.series and n.period = c.period
    order by n.number desc limit 1
"""
# Ids are made in the order of time (uuidv7).
_INVOICES = "select * from billing.invoice order by id desc limit :latest"
_INVOICE_OF = """
    select i.id, i.order_number, i.status, i.issue_date, i.created_at from billing.invoice i
    where i.organization_id = {part}.organization_id and i.id between {part}.invoice_id and {part}.invoice_id
    order by i.id
"""
_ROWS_OF = """
    select p.* from {table} p
    where p.invoice_id between {invoice} and {invoice} and p.organization_id = i.organization_id
    order by p.invoice_id
"""
_EVENTS_OF = _ROWS_OF.format(table="billing.invoice_event", invoice="{invoice}")
_OLDER_MOMENT = "interval '10 seconds'"
"""Before the two had one moment, the event was written a little later in the same call."""
_SECONDS_OF_A_CALL = 60
"""The id of an event is made in the call that writes it, but later than the moment that a void notes."""

INVOICED = Promise(
    "every_order_was_invoiced",
    "Whatever the batch jobs of the run asked for was invoiced. Refused orders are a warning, an error where none was "
    "invoiced.",
)
"""Of a run, not of the organization's records: its stage sees whether it is kept."""

PROMISES = (
    _promise(
        "numbers_have_no_gap",
        "The numbers of each series follow one another from 1 on; every number that was given stands on an invoice.",
        f"""select n.invoice_number as name
            from ({_NUMBERS}) n
            where n.number > n.oldest and n.previous is distinct from n.number - 1
            union all
            select c.series || ' ' || c.period || ': the counter says ' || c.next_number || ', the last number is '
                   || coalesce(l.number::text, 'missing')
            from billing.invoice_counter c
            left join lateral ({_LAST_NUMBER}) l on true
            where c.next_number <> coalesce(l.number, 0) + 1
            union all
            select c.series || ' ' || c.period || ': number 1 is missing'
            from billing.invoice_counter c
            where c.next_number > 1 and not exists (
                select from billing.invoice_number n where n.organization_id = c.organization_id
                  and n.series = c.series and n.period = c.period and n.number = 1)""",
        blocking=True,
    ),
    _promise(
        "no_number_twice",
        "No number stands on two invoices, and no invoice has two numbers.",
        f"""select min(n.invoice_number) as name from ({_NUMBERS}) n group by n.invoice_number having count(*) > 1
            union all
            select min(n.invoice_number) from ({_NUMBERS}) n group by n.invoice_id having count(*) > 1""",
        blocking=True,
    ),
    _promise(
        "dates_in_order",
        "A later number of a series never has an earlier issue date.",
        f"""select n.invoice_number as name from ({_NUMBERS}) n
            left join lateral ({_INVOICE_OF.format(part="n")}) i on true
            where n.previous_date > n.issue_date or i.issue_date is distinct from n.issue_date
            union all
            select c.series || ' ' || c.period || ': the counter says ' || coalesce(c.last_issue_date::text, 'nothing')
                   || ', the last date is ' || l.issue_date
            from billing.invoice_counter c
            cross join lateral ({_LAST_NUMBER}) l
            where c.last_issue_date is distinct from l.issue_date""",
        blocking=True,
    ),
    _promise(
        "complete_invoices",
        "Every invoice has a number, lines and VAT by category and rate.",
        f"""select coalesce(i.order_number, i.id::text) as name from ({_INVOICES}) i
            where not exists (select from billing.invoice_number n
                              where n.organization_id = i.organization_id and n.invoice_id = i.id)
               or not exists (select from billing.issued_invoice_line l
                              where l.organization_id = i.organization_id and l.invoice_id = i.id)
               or not exists (select from billing.issued_invoice_tax t
                              where t.organization_id = i.organization_id and t.invoice_id = i.id)""",
        blocking=True,
    ),
    # Sum of lines (BR-CO-10), allowances (BR-CO-11), net (BR-CO-13), VAT (BR-CO-14), gross (BR-CO-15); per category and
    # rate the sum of lines (BR-S-08 and the like) and VAT of that sum (BR-CO-17), to the last digit of the currency.
    # Amounts of a line and of a rate are only recomputed for invoices: the last credit note of an invoice takes what is
    # left, which may differ by the rounding. VAT in the tax currency (BT-111) is the VAT at the rate stored beside it.
    _promise(
        "amounts_tie",
        "Header, lines and VAT of every invoice agree (BR-CO-10 to BR-CO-17).",
        f"""select coalesce(i.order_number, i.id::text) as name
            from (select *, billing.currency_digits(currency) as digits from ({_INVOICES}) newest) i
            cross join lateral (
                select sum(l.net_amount) as net_amount,
                       bool_or(l.net_amount <> round(l.net_amount, i.digits)
                               or i.document_kind = 'invoice' and l.net_amount <> round(
                                   l.quantity * l.unit_price * (100 - l.discount_percent) * 0.01, i.digits)) as is_wrong
                from ({_ROWS_OF.format(table="billing.issued_invoice_line", invoice="i.id")}) l) l
            cross join lateral (
                select sum(t.allowance_amount) as allowance_amount, sum(t.tax_amount) as tax_amount,
                       bool_or(t.taxable_amount <> t.line_amount - t.allowance_amount
                               or t.tax_amount <> round(t.tax_amount, i.digits)
                               or i.document_kind = 'invoice'
                                  and t.tax_amount <> round(t.taxable_amount * t.tax_rate * 0.01, i.digits)
                               or t.line_amount <> coalesce((
                                   select sum(g.net_amount) from billing.issued_invoice_line g
                                   where g.organization_id = t.organization_id and g.invoice_id = t.invoice_id
                                     and g.tax_category = t.tax_category and g.tax_rate = t.tax_rate), 0)) as is_wrong
                from ({_ROWS_OF.format(table="billing.issued_invoice_tax", invoice="i.id")}) t) t
            where coalesce(l.is_wrong or t.is_wrong, true)
               or i.line_amount <> l.net_amount or i.allowance_amount <> t.allowance_amount
               or i.net_amount <> i.line_amount - i.allowance_amount
               or i.tax_amount <> t.tax_amount or i.gross_amount <> i.net_amount + i.tax_amount
               or i.document_kind = 'invoice' and i.tax_amount_in_tax_currency <> billing.converted(
                   i.tax_amount, i.exchange_rate, i.exchange_rate_base, i.tax_currency)""",
        blocking=True,
    ),
    # What counts are the allocations of payments that are neither void nor deleted; credited is the sum of the credit
    # notes.
    _promise(
        "settlements_tie",
        "Paid + credited + due is the gross amount of every invoice, its status says the same, and what is paid is "
        "what counts of its payments.",
        f"""select coalesce(i.order_number, i.id::text) as name from ({_INVOICES}) i
            cross join lateral (
                select coalesce(sum(a.applied_amount), 0) as amount_paid,
                       coalesce(bool_or(a.applied_amount > 0 and p.status is distinct from 'active'), false) as is_wrong
                from (select * from billing.payment_allocation a
                      where a.invoice_id between i.id and i.id and a.organization_id = i.organization_id
                      order by a.invoice_id) a
                left join lateral (select p.status from billing.payment p
                                   where p.organization_id = a.organization_id
                                     and p.id between a.payment_id and a.payment_id
                                   order by p.id) p on true) a
            where i.status <> 'void' and i.amount_paid + i.amount_credited + i.amount_due <> i.gross_amount
               or i.amount_due < 0 or i.amount_paid <> a.amount_paid or a.is_wrong
               or (i.status = 'paid') <> (i.status <> 'void' and i.amount_due = 0)
               or i.amount_credited <> case when i.document_kind = 'invoice' then coalesce((
                      select sum(c.gross_amount) from billing.invoice c
                      where c.organization_id = i.organization_id and c.corrected_invoice_id = i.id
                        and c.status <> 'void'), 0) else i.amount_credited end""",
    ),
    _promise(
        "lines_belong_to_invoices",
        "Every line and VAT breakdown is that of an invoice, and the item that a line names is there.",
        f"""select 'line ' || l.line_number || ' of ' || coalesce(i.order_number, l.invoice_id::text) as name
            from (select * from billing.issued_invoice_line order by invoice_id desc, line_number desc limit :latest) l
            left join lateral ({_INVOICE_OF.format(part="l")}) i on true
            left join lateral (select t.id from billing.item t
                               where t.organization_id = l.organization_id and t.id between l.item_id and l.item_id
                               order by t.id) t on true
            where i.id is null or l.item_id is not null and t.id is null
            union all
            select 'VAT of ' || x.invoice_id
            from (select * from billing.issued_invoice_tax order by invoice_id desc limit :latest) x
            left join lateral ({_INVOICE_OF.format(part="x")}) i on true
            where i.id is null""",
        blocking=True,
    ),
    # The event of a void has its moment, person and reason, that of a credit note its amount. Which payments paid an
    # invoice, an event says since the login is noted.
    _promise(
        "events_tell_what_happened",
        "Every void and credit note has its event, and no event tells of what did not happen or of another time.",
        f"""select 'void of ' || coalesce(i.order_number, i.id::text) as name from ({_INVOICES}) i
            where i.status = 'void' and 1 <> (
                select count(*) from ({_EVENTS_OF.format(invoice="i.id")}) e
                where e.action = 'voided' and e.reason = i.void_reason and e.created_by is not distinct from i.voided_by
                  and e.created_at between i.voided_at and i.voided_at + {_OLDER_MOMENT})
            union all
            select 'credit note of ' || coalesce(i.order_number, i.id::text) from ({_INVOICES}) i
            where i.document_kind = 'credit_note' and 1 <> (
                select count(*) from ({_EVENTS_OF.format(invoice="i.corrected_invoice_id")}) e
                where e.action = 'credited' and e.detail ->> 'credit_note_id' = i.id::text
                  and (e.detail ->> 'gross_amount')::numeric = i.gross_amount)
            union all
            select 'event ' || e.action || ' of ' || coalesce(i.order_number, e.invoice_id::text)
            from (select * from billing.invoice_event order by id desc limit :latest) e
            left join lateral ({_INVOICE_OF.format(part="e")}) i on true
            where i.id is null or e.created_at < i.created_at
               or abs(extract(epoch from e.created_at - uuid_extract_timestamp(e.id))) > {_SECONDS_OF_A_CALL}
               or e.action = 'voided' and i.status <> 'void'
               or e.action = 'credited' and not exists (
                      select from billing.invoice c
                      where c.organization_id = e.organization_id and c.corrected_invoice_id = e.invoice_id
                        and c.id::text = e.detail ->> 'credit_note_id')
               or e.action = 'paid' and e.login is not null and not exists (
                      select from jsonb_array_elements_text(e.detail -> 'payment_ids') d
                      join billing.payment_event p
                        on p.payment_id = d.value::uuid and p.organization_id = e.organization_id
                      where p.after -> 'applied' ? e.invoice_id::text)""",
    ),
    _promise(
        "payments_are_as_their_events_tell",
        "A payment and its allocations are as the last of its events left them.",
        """select coalesce(p.reference, p.external_id, p.id::text) as name
           from (select array_agg(n.id order by n.id) as ids
                 from (select id from billing.payment order by id desc limit :latest) n) newest
           cross join lateral billing.payment_facts(newest.ids) f
           cross join lateral (select * from billing.payment p where p.id = newest.ids[f.place]) p
           left join lateral (select e.after from billing.payment_event e
                              where e.payment_id between p.id and p.id and e.organization_id = p.organization_id
                              order by e.payment_id, e.id desc limit 1) e on true
           where newest.ids is not null and e.after is distinct from f.facts""",
    ),
    _promise(
        "every_invoiced_order_has_its_invoice",
        "Every order that is marked as invoiced has one invoice, and no other order has one.",
        f"""with missing as materialized (
                select o.organization_id, o.id, o.order_number
                from (select * from billing.sales_order order by id desc limit :latest) o
                left join lateral (
                    select i.id from billing.invoice i
                    where i.sales_order_id between o.id and o.id and i.organization_id = o.organization_id
                      and i.status <> 'void' and i.document_kind = 'invoice'
                    order by i.sales_order_id limit 1) i on true
                where o.status = 'invoiced' and i.id is null
            )
            select m.order_number as name from missing m
            where m.id not in (select i.sales_order_id from billing.invoice i
                               where i.status = 'void' and i.sales_order_id is not null
                                 and exists (select from missing))
            union all
            select min(o.order_number) from ({_INVOICES}) i
            cross join lateral (
                select o.order_number, o.status from billing.sales_order o
                where o.organization_id = i.organization_id and o.id between i.sales_order_id and i.sales_order_id
                order by o.id) o
            where i.status <> 'void' and i.document_kind = 'invoice'
            group by i.sales_order_id having count(*) > 1 or bool_or(o.status <> 'invoiced')""",
        blocking=True,
    ),
    Promise(
        "batch_jobs_tell_what_happened",
        "The counts of batch jobs of any kind are those of their items, and their history says who asked for them and "
        "who cancelled them.",
        lambda connection, latest=LATEST: jobs_that_disagree(connection),
    ),
    _promise(
        "stock_is_never_negative",
        "No item has a negative stock.",
        "select i.sku as name from billing.item i where i.quantity_on_hand < 0",
    ),
)
"""What is promised of the newest invoices, by how many of them are looked at. What stops what would follow (sending,
booking) is blocking: a wrong invoice must not leave the house."""
