-- What a push reads and keeps in step: the present state of its subjects, what was sent of them, and what waits.
--
-- All look-ups are by key, whatever the statistics say: see work/chunks.sql on how that is written.

-- Invoices as they are composed from, in the order given; amounts are digits of JSON, exact.
create or replace function quickbooks.invoices_to_push(invoice_ids uuid[])
returns table (invoice_id uuid, status text, document_kind text, content text)
language plpgsql stable
-- demanded by test_a_push_and_a_pull_look_up_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select i.id, i.status, i.document_kind, json_object(
                   'id': i.id, 'invoice_number': n.invoice_number, 'customer_id': i.customer_id,
                   'issue_date': i.issue_date, 'due_date': i.due_date, 'currency': i.currency,
                   'gross_amount': i.gross_amount, 'tax_amount': i.tax_amount,
                   'discount_percent': i.discount_percent, 'lines': l.lines, 'taxes': t.taxes returning text)
        from work.few(invoice_ids) k
        cross join lateral (select * from billing.invoices i
                            where i.organization_id = organization and i.id = k.element offset 0) i
        cross join lateral (select n.invoice_number from billing.invoice_numbers n
                            where n.organization_id = organization and n.invoice_id between i.id and i.id
                            order by n.invoice_id) n
        cross join lateral (
            select json_agg(json_object(
                       'line_number': l.line_number, 'item_id': l.item_id, 'description': l.description,
                       'quantity': l.quantity, 'unit_code': l.unit_code, 'unit_price': l.unit_price,
                       'discount_percent': l.discount_percent, 'net_amount': l.net_amount,
                       'tax_category': l.tax_category, 'tax_rate': l.tax_rate) order by l.line_number) as lines
            from billing.invoice_lines l where l.organization_id = organization and l.invoice_id = i.id) l
        cross join lateral (
            select json_agg(json_object(
                       'tax_category': t.tax_category, 'tax_rate': t.tax_rate,
                       'allowance_amount': t.allowance_amount, 'taxable_amount': t.taxable_amount,
                       'tax_amount': t.tax_amount) order by t.tax_category, t.tax_rate) as taxes
            from billing.invoice_taxes t where t.organization_id = organization and t.invoice_id = i.id) t
        order by k.place;
end
$$;

-- What a unit of the currency of invoices is worth in another one, the home currency of the company: with which their
-- VAT was converted, if that was between these two, else the newest rate of the issue date (billing.newest_rate). With
-- ten significant digits where it had to be turned round. Invoices of no known rate are left out.
create or replace function quickbooks.rates_to_home(invoice_ids uuid[], home text)
returns table (invoice_id uuid, rate numeric)
language plpgsql stable
-- demanded by test_a_push_and_a_pull_look_up_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select i.id, case when r.base_currency = i.currency then r.rate
                          else trim_scale(round(1 / r.rate, 9 - floor(log(1 / r.rate))::integer)) end
        from work.few(invoice_ids) k
        cross join lateral (select * from billing.invoices i
                            where i.organization_id = organization and i.id = k.element offset 0) i
        cross join lateral (
            select i.exchange_rate_base as base_currency, i.exchange_rate as rate where i.tax_currency = home
            union all
            select n.base_currency, n.rate from billing.newest_rate(i.currency, home, i.issue_date) n
            where i.tax_currency is distinct from home) r
        where i.currency <> home and r.rate is not null
        order by k.place;
end
$$;

-- The currency that a customer of several currencies has in QuickBooks, which keeps one for ever: the only one of his
-- orders, else that of his newest invoice. Null: nothing tells.
create or replace function quickbooks.currencies_of(customer_ids uuid[])
returns table (customer_id uuid, currency text)
language plpgsql stable
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select c.id, coalesce(c.currency, i.currency)
        from work.few(customer_ids) k
        join billing.customers c on c.organization_id = organization and c.id = k.element
        left join lateral (select i.currency from billing.invoices i
                           where i.customer_id = c.id and i.organization_id = organization
                             and i.document_kind = 'invoice' and i.status <> 'void'
                           order by i.id desc limit 1) i on c.currency is null
        order by k.place;
end
$$;

-- The mappings of subjects; those that have none are left out.
create or replace function quickbooks.mappings_of(realm text, entity text, local_ids uuid[])
returns setof quickbooks.mapping
language plpgsql stable
-- demanded by test_a_push_and_a_pull_look_up_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select m.* from work.few(local_ids) k
        cross join lateral (select * from quickbooks.mapping m
                            where m.organization_id = organization and m.realm_id = realm and m.entity_type = entity
                              and m.local_id = k.element offset 0) m;
end
$$;

-- Takes turns on subjects until the end of the transaction, so that no two workers decide about one at the same time;
-- returns those of which something was sent that is not answered yet. They are left alone.
create or replace function quickbooks.take_turns(entity text, local_ids uuid[])
returns uuid[]
language plpgsql set enable_sort = off
-- demanded by test_a_session_that_keeps_plans_of_empty_tables_reads_its_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    subject uuid;
begin
    for subject in select distinct s from unnest(local_ids) s order by s loop  -- one order for all: no deadlock
        perform pg_advisory_xact_lock(hashtextextended('quickbooks push ' || organization || subject, 0));
    end loop;
    return array(
        select o.local_id from work.few(local_ids) k
        cross join lateral (select o.local_id from quickbooks.sent_operation o
                            where o.local_id between k.element and k.element and o.entity_type = entity
                              and o.organization_id = organization and o.outcome is null
                            order by o.local_id) o);
end
$$;

-- The revision that the next operation on each subject has: of a request id that was never answered.
create or replace function quickbooks.next_revisions(entity text, local_ids uuid[])
returns table (local_id uuid, operation text, revision integer)
language plpgsql stable set enable_sort = off
-- demanded by test_a_push_and_a_pull_look_up_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select k.element, o.operation, o.revision
        from work.few(local_ids) k
        cross join lateral (select o.operation, max(o.revision) + 1 as revision
                            from (select o.operation, o.revision from quickbooks.sent_operation o
                                  where o.local_id between k.element and k.element and o.entity_type = entity
                                    and o.organization_id = organization
                                  order by o.local_id) o
                            group by o.operation) o;
end
$$;

-- Batches without an answer. Which of them hold up what comes after them, and why: see open_batches.py. `attempts` of a
-- batch is 0 while it is sent for the first time, then 1 and one more for each turn in which it alone got no answer; of
-- more than `patience` it is set aside.

-- Since when something of an entity has no answer that must come before anything new is sent. Null: nothing has.
create or replace function quickbooks.held_up_since(realm text, entity text, patience integer)
returns timestamptz
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
begin
    return (
        select b.created_at from quickbooks.sent_batch b
        where b.organization_id = organization and b.realm_id = realm and b.status = 'sent' and b.entity_type = entity
          and b.attempts <= patience and (b.attempts > 0 or b.lease_expires_at <= clock_timestamp())
        order by b.organization_id, b.realm_id, b.id limit 1);
end
$$;

-- Takes the batch of an entity that is to be sent again now: the oldest that is open, once its lease has run out. While
-- somebody sends that one, or it rests, there is none, whatever comes after it. Where nothing is held up, it is the
-- oldest of those that were set aside and have rested.
--
-- The update looks at the lease once more, after it has waited for anybody who was faster: so only one takes it.
create or replace function quickbooks.take_open_batch(
    realm text, entity text, lease interval, patience integer, with_aside boolean
) returns setof quickbooks.sent_batch
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    wanted record;
begin
    select b.id, b.lease_expires_at <= clock_timestamp() as is_free into wanted
    from quickbooks.sent_batch b
    where b.organization_id = organization and b.realm_id = realm and b.status = 'sent' and b.entity_type = entity
      and b.attempts <= patience
    order by b.organization_id, b.realm_id, b.id limit 1;
    if wanted.is_free is not true and with_aside and quickbooks.held_up_since(realm, entity, patience) is null then
        select b.id, true as is_free into wanted
        from quickbooks.sent_batch b
        where b.organization_id = organization and b.realm_id = realm and b.status = 'sent' and b.entity_type = entity
          and b.attempts > patience and b.lease_expires_at <= clock_timestamp()
        order by b.organization_id, b.realm_id, b.id limit 1;
    end if;
    if wanted.is_free then
        return query
            update quickbooks.sent_batch b
            set lease_expires_at = clock_timestamp() + lease, attempts = greatest(b.attempts, 1)
            where b.organization_id = organization and b.id = wanted.id and b.status = 'sent'
              and b.lease_expires_at <= clock_timestamp()
            returning b.*;
    end if;
end
$$;

-- Entries of subjects that rested with their batch are due at once, before all that came after them: they did not fail.
-- Those whose operation is still open wait on.
create or replace function quickbooks.look_first(entity text, local_ids uuid[])
returns void
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
begin
    perform work.make_due(
        'quickbooks_push_' || entity, '{OUTCOME_UNKNOWN,UNDER_WAY}',
        array(select k.element::text from work.few(local_ids) k
              where not exists (select from quickbooks.sent_operation o
                                where o.local_id = k.element and o.entity_type = entity
                                  and o.organization_id = organization and o.outcome is null)),
        ahead => true);
end
$$;

-- Asks for a push of all that QuickBooks never had: active customers and items, invoices that are not void. Returns the
-- batch job; null where nothing is missing there.
create or replace function quickbooks.enqueue_backlog(realm text, entity text, creator text)
returns uuid
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    missing text[];
begin
    if entity = 'customer' then
        select array_agg(c.id::text order by c.id) into missing from billing.customers c
        where c.organization_id = organization and c.is_active
          and not exists (select from quickbooks.mapping m where m.organization_id = organization
                          and m.realm_id = realm and m.entity_type = entity and m.local_id = c.id);
    elsif entity = 'item' then
        select array_agg(i.id::text order by i.id) into missing from billing.items i
        where i.organization_id = organization and i.is_active
          and not exists (select from quickbooks.mapping m where m.organization_id = organization
                          and m.realm_id = realm and m.entity_type = entity and m.local_id = i.id);
    else
        select array_agg(i.id::text order by n.issue_date, n.number) into missing
        from billing.invoices i
        join billing.invoice_numbers n on n.organization_id = organization and n.invoice_id = i.id
        where i.organization_id = organization and i.document_kind = 'invoice' and i.status <> 'void'
          and not exists (select from quickbooks.mapping m where m.organization_id = organization
                          and m.realm_id = realm and m.entity_type = entity and m.local_id = i.id);
    end if;
    if missing is null then
        return null;
    end if;
    perform work.let_job_lead('quickbooks_push_' || entity, missing);
    return work.create_job('quickbooks_push_' || entity, missing, '{}', creator);
end
$$;
