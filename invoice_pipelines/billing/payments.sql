-- What was paid of invoices: payments are written with what of them is for which invoice, and `amount_paid` and the
-- status of invoices follow. Nothing else writes them.
--
-- Locks: the payments of an organization are settled one chunk after the other; then invoices by id. A void or a credit
-- note locks its invoice before all else (corrections.sql), and issuing locks none (issuing.sql), so nobody waits in a
-- circle. On how statements are written so that they go by key, see work/chunks.sql.

-- Payments with their allocations, as they are compared and kept in the audit trail; null for an id that is none.
create or replace function billing.payment_facts(payment_ids uuid[])
returns table (place bigint, facts jsonb)
language plpgsql stable
-- demanded by test_new_and_changed_payments_read_their_own_rows_only
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select k.place, case when p.id is not null then jsonb_build_object(
                   'kind', p.kind, 'status', p.status, 'customer_id', p.customer_id, 'payment_date', p.payment_date,
                   'currency', p.currency, 'amount', p.amount, 'unapplied_amount', p.unapplied_amount,
                   'reference', p.reference, 'allocations', a.amounts, 'applied', a.applied_amounts) end
        from work.few(payment_ids) k
        left join lateral (select * from billing.payment p
                           where p.organization_id = organization and p.id = k.element offset 0) p on true
        cross join lateral (
            select coalesce(jsonb_object_agg(a.invoice_id, a.amount), '{}') as amounts,
                   coalesce(jsonb_object_agg(a.invoice_id, a.applied_amount) filter (where a.applied_amount > 0), '{}')
                       as applied_amounts
            from billing.payment_allocation a
            where a.organization_id = organization and a.payment_id = k.element) a;
end
$$;

-- Those of the external ids of a source that are on record.
create or replace function billing.known_payments(wanted_source text, external_ids text[])
returns setof text
language plpgsql stable set enable_sort = off
-- demanded by test_a_session_that_keeps_plans_of_empty_tables_reads_its_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select k.element from work.few(external_ids) k
        cross join lateral (  -- in the order of the index that is meant, as the other begins with the organization
            select p.id from billing.payment p
            where p.external_id between k.element and k.element and p.source = wanted_source
              and p.organization_id = organization
            order by p.external_id) p;
end
$$;

-- A payment as it is given, in the form of billing.payment_facts, without what counts of it.
create or replace function billing.given_payment_facts(payment jsonb)
returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'kind', p.kind, 'status', p.status, 'customer_id', p.customer_id, 'payment_date', p.payment_date,
        'currency', p.currency, 'amount', p.amount, 'unapplied_amount', p.unapplied_amount, 'reference', p.reference,
        'allocations', (select coalesce(jsonb_object_agg(a.key, a.value::numeric), '{}')
                        from jsonb_each_text(payment -> 'allocations') a))
    from jsonb_to_record(payment) as p (
        kind text, status text, customer_id uuid, payment_date date, currency text, amount numeric,
        unapplied_amount numeric, reference text)
$$;

-- Writes payments as they are now, [{id, source, external_id, kind, status, customer_id, payment_date, currency, amount,
-- unapplied_amount, reference, allocations: {invoice: amount}}, ...], each known by its external id or, without one, by
-- its id; and brings the invoices up to date that they are or were for. An id or an external id must not be there twice.
--
-- What is as before changes nothing. One that is void or deleted and not on record is left out: there is nothing to
-- take back. Of an invoice no more is paid than it asks for; earlier payments, by date, come first, so that the order
-- in which they arrive does not matter.
--
-- Returns {recorded, changed, unchanged, paid: invoices that are paid now, reopened: invoices that are not any more,
-- anomalies: [[place, invoice, code], ...]}. An anomaly is an allocation of a payment that is new or changed of which
-- less counts than was paid: OVERPAID, INVOICE_VOID, CURRENCY_DIFFERS, NOT_AN_INVOICE (a credit note).
set local role invoice_pipelines_books;
create or replace function billing.settle(payments jsonb, creator text default null)
returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_sort = off
-- demanded by test_new_and_changed_payments_read_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    who constant text := organizations.actor(creator);
    given jsonb[];           -- what is written: from here on those of `payments` that are new or differ
    places bigint[];         -- of them in `payments`, from 1
    ids uuid[];
    before jsonb[];
    recorded bigint;
    invoice_ids uuid[];      -- that they are or were for
    versions tid[];
    touched_ids uuid[];      -- payments of which more or less may count now
    touched_before jsonb[];
    unknown_invoice uuid;
    result jsonb;
begin
    perform billing.enter_invoicing();
    perform pg_advisory_xact_lock(hashtextextended('payments ' || organization, 0));

    select array_agg(g.payment order by g.place), array_agg(g.id order by g.place) into given, ids
    from (select k.place, k.payment, coalesce(e.id, k.id, uuidv7()) as id
          from (select f.place, f.element as payment, f.element ->> 'source' as source,
                       f.element ->> 'external_id' as external_id, (f.element ->> 'id')::uuid as id
                from work.few(array(select jsonb_array_elements(payments))) f) k
          left join lateral (  -- in the order of the index that is meant, as the other begins with the organization
              select p.id from billing.payment p
              where p.external_id between k.external_id and k.external_id and p.source = k.source
                and p.organization_id = organization
              order by p.external_id) e on true) g;

    select array_agg(d.place order by d.place), array_agg(d.payment order by d.place),
           array_agg(d.id order by d.place), array_agg(d.facts order by d.place), count(*) filter (where d.facts is null)
    into places, given, ids, before, recorded
    from (select f.place, given[f.place] as payment, ids[f.place] as id, f.facts
          from billing.payment_facts(ids) f) d
    where (d.facts - 'applied') is distinct from billing.given_payment_facts(d.payment)
      and (d.facts is not null or d.payment ->> 'status' = 'active');
    if places is null then
        return jsonb_build_object('recorded', 0, 'changed', 0, 'unchanged', jsonb_array_length(payments),
                                  'paid', 0, 'reopened', 0, 'anomalies', '[]'::jsonb);
    end if;

    select coalesce(array_agg(a.invoice_id order by a.invoice_id), '{}') into invoice_ids
    from (select key::uuid as invoice_id from unnest(given) g, jsonb_object_keys(g -> 'allocations') key
          union select key::uuid from unnest(before) b, jsonb_object_keys(b -> 'allocations') key) a;
    select array_agg(i.version order by k.place), (array_agg(k.element) filter (where i.version is null))[1]
    into versions, unknown_invoice
    from work.few(invoice_ids) k
    left join lateral (select i.ctid as version from billing.invoice i
                       where i.organization_id = organization and i.id = k.element for no key update) i on true;
    if unknown_invoice is not null then
        raise exception 'This organization has no issued invoice %.', unknown_invoice
            using errcode = 'IP002', detail = 'INVOICE_NOT_FOUND';
    end if;

    select array_agg(t.id order by t.id) into touched_ids
    from (select unnest(ids) as id
          union
          select a.payment_id from work.few(invoice_ids) k
          cross join lateral (select a.payment_id from billing.payment_allocation a
                              where a.invoice_id between k.element and k.element and a.organization_id = organization
                              order by a.invoice_id) a) t;
    select array_agg(f.facts order by f.place) into touched_before from billing.payment_facts(touched_ids) f;

    insert into billing.payment (organization_id, id, source, external_id, kind, status, customer_id, payment_date,
                                 currency, amount, unapplied_amount, reference, created_by)
    select organization, ids[k.place], g.source, g.external_id, g.kind, g.status, g.customer_id, g.payment_date,
           g.currency, g.amount, g.unapplied_amount, g.reference, who
    from work.few(given) k
    cross join lateral jsonb_to_record(k.element) as g (
        source text, external_id text, kind text, status text, customer_id uuid, payment_date date, currency text,
        amount numeric, unapplied_amount numeric, reference text)
    on conflict (organization_id, id) do update
    set kind = excluded.kind, status = excluded.status, customer_id = excluded.customer_id,
        payment_date = excluded.payment_date, currency = excluded.currency, amount = excluded.amount,
        unapplied_amount = excluded.unapplied_amount, reference = excluded.reference, updated_at = clock_timestamp();

    delete from billing.payment_allocation a
    using work.few(array(
        select a.version from work.few(ids) k
        cross join lateral (select a.ctid as version, a.invoice_id from billing.payment_allocation a
                            where a.organization_id = organization and a.payment_id = k.element offset 0) a
        where not given[k.place] -> 'allocations' ? a.invoice_id::text)) k
    where a.ctid = k.element and a.organization_id = organization;
    insert into billing.payment_allocation as a (organization_id, payment_id, invoice_id, amount)
    select organization, ids[k.place], g.key::uuid, g.value::numeric
    from work.few(given) k
    cross join lateral jsonb_each_text(k.element -> 'allocations') g
    on conflict (organization_id, payment_id, invoice_id) do update
    set amount = excluded.amount, applied_amount = least(a.applied_amount, excluded.amount)
    where a.amount <> excluded.amount;

    with claim as materialized (  -- what payments are for of an invoice, the earliest first
        select a.version, a.amount, a.applied_amount, i.asked, a.invoice_id,
               case when p.status = 'active' and p.kind <> 'refund' and p.currency = i.currency then a.amount else 0 end
                   as wanted,
               p.payment_date, p.source, p.external_id, p.id
        from work.few(invoice_ids) k
        cross join lateral (
            select i.currency, case when i.status = 'void' or i.document_kind <> 'invoice' then 0
                                    else i.gross_amount - i.amount_credited end as asked
            from billing.invoice i where i.organization_id = organization and i.id = k.element offset 0) i
        cross join lateral (
            select a.ctid as version, a.* from billing.payment_allocation a
            where a.invoice_id between k.element and k.element and a.organization_id = organization
            order by a.invoice_id) a
        cross join lateral (
            select p.* from billing.payment p
            where p.organization_id = organization and p.id = a.payment_id offset 0) p
    ), share as materialized (
        select c.version, c.applied_amount as applied_before,
               least(c.wanted, greatest(0, c.asked - coalesce(sum(c.wanted) over (
                   partition by c.invoice_id order by c.payment_date, c.source, c.external_id collate "C", c.id
                   rows between unbounded preceding and 1 preceding), 0))) as applied
        from claim c
    )
    update billing.payment_allocation a set applied_amount = s.applied
    from (select * from share where applied <> applied_before) s
    where a.ctid = s.version and a.organization_id = organization;

    with settled as (
        update billing.invoice i
        set amount_paid = round(s.paid, greatest(scale(s.paid), scale(i.gross_amount))),  -- 100.00, not 100
            status = case when i.gross_amount = s.paid + i.amount_credited then 'paid'
                          when s.paid + i.amount_credited > 0 then 'partially_paid' else 'issued' end
        from (select versions[k.place] as version, coalesce(a.paid, 0) as paid, a.payment_ids
              from work.few(invoice_ids) k
              cross join lateral (
                  select sum(a.applied_amount) as paid,
                         array_agg(a.payment_id) filter (where a.applied_amount > 0) as payment_ids
                  from (select a.applied_amount, a.payment_id from billing.payment_allocation a
                        where a.invoice_id between k.element and k.element and a.organization_id = organization
                        order by a.invoice_id) a) a offset 0) s
        where i.ctid = s.version and i.organization_id = organization and i.amount_paid <> s.paid
        returning i.id, old.status as status_before, new.status as status_now, new.amount_paid,
                  s.payment_ids
    ), event as (
        insert into billing.invoice_event (organization_id, invoice_id, action, detail, created_by)
        select organization, s.id, 'paid',
               jsonb_build_object('amount_paid', s.amount_paid::text, 'payment_ids', s.payment_ids), who
        from settled s where s.status_now = 'paid' and s.status_before <> 'paid'
    )
    select jsonb_build_object(
        'recorded', recorded, 'changed', cardinality(places) - recorded,
        'unchanged', jsonb_array_length(payments) - cardinality(places),
        'paid', count(*) filter (where s.status_now = 'paid' and s.status_before <> 'paid'),
        'reopened', count(*) filter (where s.status_before = 'paid' and s.status_now <> 'paid'))
    into result from settled s;

    insert into billing.payment_event (organization_id, payment_id, action, before, after, created_by)
    select organization, touched_ids[f.place],
           case when touched_before[f.place] is null then 'recorded'
                when touched_before[f.place] ->> 'status' = f.facts ->> 'status' then 'changed'
                when f.facts ->> 'status' = 'void' then 'voided'
                when f.facts ->> 'status' = 'deleted' then 'deleted' else 'changed' end,
           touched_before[f.place], f.facts, who
    from billing.payment_facts(touched_ids) f
    where f.facts is distinct from touched_before[f.place]
    order by f.place;

    return result || jsonb_build_object('anomalies', (
        select coalesce(jsonb_agg(jsonb_build_array(places[k.place], a.invoice_id, case
                   when i.document_kind <> 'invoice' then 'NOT_AN_INVOICE'
                   when i.status = 'void' then 'INVOICE_VOID'
                   when i.currency <> k.element ->> 'currency' then 'CURRENCY_DIFFERS'
                   else 'OVERPAID' end) order by k.place, a.invoice_id), '[]')
        from work.few(given) k
        cross join lateral (
            select a.invoice_id from billing.payment_allocation a
            where a.organization_id = organization and a.payment_id = ids[k.place]
              and a.applied_amount < a.amount offset 0) a
        cross join lateral (
            select i.document_kind, i.status, i.currency from billing.invoice i
            where i.organization_id = organization and i.id = a.invoice_id offset 0) i
        where k.element ->> 'status' = 'active'));
end
$$;
revoke all on function billing.settle(jsonb, text) from public;
grant execute on function billing.settle(jsonb, text) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
