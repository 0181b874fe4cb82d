-- Payments as QuickBooks has them: looked up and written by the chunk. All by key: see work/chunks.sql.

-- What is known of transactions of one type; unknown ones are left out.
create or replace function quickbooks.known_payments(realm text, wanted_type text, quickbooks_ids text[])
returns setof quickbooks.payment
language plpgsql stable
-- demanded by test_new_and_changed_payments_read_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select p.* from work.few(quickbooks_ids) k
        cross join lateral (
            select * from quickbooks.payment p
            where p.organization_id = organization and p.realm_id = realm and p.transaction_type = wanted_type
              and p.quickbooks_id = k.element offset 0) p;
end
$$;

-- Transactions of which a part waits; those that were not looked at for longest come first.
create or replace function quickbooks.waiting_payments(realm text, most integer)
returns setof quickbooks.payment
language plpgsql stable
as $$
declare
    organization constant uuid := organizations.current();
begin
    return query
        select p.* from quickbooks.payment p
        where p.organization_id = organization and p.realm_id = realm and not p.applied
        order by p.organization_id, p.realm_id, p.looked_at limit most;
end
$$;

-- Which of our records ids of QuickBooks stand for, one row for each id; null: it is not mapped. `may_come` says, in the
-- same snapshot, whether a mapping may be on its way: something was sent that is not answered yet.
create or replace function quickbooks.mapped_ids(realm text, entity text, quickbooks_ids text[])
returns table (quickbooks_id text, local_id uuid, may_come boolean)
language plpgsql stable set enable_sort = off
-- demanded by test_a_push_and_a_pull_look_up_their_own_rows_only
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select k.element, m.local_id, exists (
                   select from quickbooks.sent_batch b
                   where b.organization_id = organization and b.realm_id = realm and b.status = 'sent'
                     and b.entity_type = entity)
        from work.few(quickbooks_ids) k
        left join lateral (  -- in the order of the index that is meant
            select m.local_id from quickbooks.mapping m
            where m.quickbooks_id between k.element and k.element and m.entity_type = entity and m.realm_id = realm
              and m.organization_id = organization
            order by m.quickbooks_id) m on true;
end
$$;

-- Notes that transactions were read and had not changed.
create or replace function quickbooks.note_seen_payments(realm text, wanted_type text, quickbooks_ids text[])
returns void
language plpgsql
-- demanded by test_new_and_changed_payments_read_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    update quickbooks.payment p set seen_at = clock_timestamp()
    from work.few(array(
        select p.version from work.few(quickbooks_ids) k
        cross join lateral (
            select p.ctid as version from quickbooks.payment p
            where p.organization_id = organization and p.realm_id = realm and p.transaction_type = wanted_type
              and p.quickbooks_id = k.element offset 0) p)) k
    where p.ctid = k.element and p.organization_id = organization;
end
$$;

-- Keeps transactions as they are now, [{transaction_type, quickbooks_id, sync_token, state, content, applied,
-- remote_updated_at, unmapped: [invoice, ...]}, ...]; `are_seen`: they were read just now.
create or replace function quickbooks.keep_payments(realm text, transactions jsonb, are_seen boolean)
returns void
language plpgsql
-- demanded by test_new_and_changed_payments_read_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
begin
    insert into quickbooks.payment as p (organization_id, realm_id, transaction_type, quickbooks_id, sync_token, state,
                                         content, applied, remote_updated_at)
    select organization, realm, t.transaction_type, t.quickbooks_id, t.sync_token, t.state, t.content, t.applied,
           t.remote_updated_at
    from jsonb_to_recordset(transactions) as t (
        transaction_type text, quickbooks_id text, sync_token text, state text, content jsonb, applied boolean,
        remote_updated_at timestamptz)
    on conflict (organization_id, realm_id, transaction_type, quickbooks_id) do update
    set sync_token = excluded.sync_token, state = excluded.state, content = excluded.content,
        applied = excluded.applied, remote_updated_at = excluded.remote_updated_at, looked_at = clock_timestamp(),
        seen_at = case when are_seen then clock_timestamp() else p.seen_at end;

    delete from quickbooks.unmapped_payment_line l
    using work.few(array(
        select l.version
        from work.few(array(select t ->> 'quickbooks_id' from jsonb_array_elements(transactions) t
                            where t ->> 'transaction_type' = 'payment')) k
        cross join lateral (
            select l.ctid as version from quickbooks.unmapped_payment_line l
            where l.organization_id = organization and l.realm_id = realm and l.payment_id = k.element offset 0) l)) k
    where l.ctid = k.element and l.organization_id = organization;
    insert into quickbooks.unmapped_payment_line (organization_id, realm_id, invoice_id, payment_id)
    select organization, realm, i, t ->> 'quickbooks_id'
    from jsonb_array_elements(transactions) t, jsonb_array_elements_text(t -> 'unmapped') i;
end
$$;

-- Invoices have got a mapping: the payments that are for them are looked at again by the next pull.
create or replace function quickbooks.wake_payments() returns trigger
language plpgsql set enable_sort = off
-- demanded by test_new_mappings_wake_payments_by_the_index_of_their_invoices
as $$
declare
    organization constant uuid := organizations.current_or_none();
begin
    perform from added a
    cross join lateral (
        select from quickbooks.unmapped_payment_line l
        where l.invoice_id between a.quickbooks_id and a.quickbooks_id and l.realm_id = a.realm_id
          and l.organization_id = organization
        order by l.invoice_id) l
    where a.entity_type = 'invoice' and a.organization_id = organization limit 1;
    if not found then
        return null;
    end if;
    -- As a pull does, so that the two do not wait for one another in a circle.
    perform pg_advisory_xact_lock(hashtextextended('quickbooks payments ' || organization, 0));
    update quickbooks.payment p set applied = false
    from work.few(array(
        select p.version
        from added a
        cross join lateral (
            select l.payment_id from quickbooks.unmapped_payment_line l
            where l.invoice_id between a.quickbooks_id and a.quickbooks_id and l.realm_id = a.realm_id
              and l.organization_id = organization
            order by l.invoice_id) l
        cross join lateral (
            select p.ctid as version from quickbooks.payment p
            where p.organization_id = organization and p.realm_id = a.realm_id and p.transaction_type = 'payment'
              and p.quickbooks_id = l.payment_id and p.applied offset 0) p
        where a.entity_type = 'invoice' and a.organization_id = organization)) k
    where p.ctid = k.element and p.organization_id = organization and p.applied;
    return null;
end
$$;
create or replace trigger wake_payments after insert on quickbooks.mapping
    referencing new table as added for each statement execute function quickbooks.wake_payments();
