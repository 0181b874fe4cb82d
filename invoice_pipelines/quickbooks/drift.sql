-- Invoices that were changed in QuickBooks after they were sent: looked up and noted by the chunk. All by key: see
-- work/chunks.sql.

-- Invoices of a realm with what was pushed of them and what is known of how they differ there, by their ids there.
create or replace function quickbooks.pushed_invoices(realm text, quickbooks_ids text[])
returns table (quickbooks_id text, local_id uuid, state text, sync_token text, snapshot jsonb, drift jsonb, status text,
               gross_amount numeric, invoice_number text)
language plpgsql stable set enable_sort = off
-- demanded by test_a_push_and_a_pull_look_up_their_own_rows_only
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select m.quickbooks_id, m.local_id, m.state, m.sync_token, m.snapshot, m.drift, i.status, i.gross_amount,
               n.invoice_number
        from work.few(quickbooks_ids) k
        cross join lateral (
            select m.* from quickbooks.mapping m
            where m.quickbooks_id between k.element and k.element and m.entity_type = 'invoice' and m.realm_id = realm
              and m.organization_id = organization
            order by m.quickbooks_id) m
        cross join lateral (
            select i.status, i.gross_amount from billing.invoices i
            where i.organization_id = organization and i.id = m.local_id offset 0) i
        left join lateral (
            select n.invoice_number from billing.invoice_numbers n
            where n.invoice_id between m.local_id and m.local_id and n.organization_id = organization
            order by n.invoice_id) n on true;
end
$$;

-- Notes how invoices differ there, [{local_id, state, sync_token, drift, remote_updated_at, snapshot}, ...]; of one
-- without a snapshot it stays as it was sent.
create or replace function quickbooks.note_drift(realm text, invoices jsonb)
returns void
language plpgsql
-- demanded by test_a_push_and_a_pull_look_up_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    notes jsonb[];
    versions tid[];
begin
    -- Locked by id, so that nobody waits in a circle.
    select array_agg(m.version order by k.place), array_agg(k.note order by k.place) into versions, notes
    from (select f.place, f.element as note, (f.element ->> 'local_id')::uuid as id
          from work.few(array(select n from jsonb_array_elements(invoices) n order by n ->> 'local_id')) f offset 0) k
    cross join lateral (
        select m.ctid as version from quickbooks.mapping m
        where m.organization_id = organization and m.realm_id = realm and m.entity_type = 'invoice'
          and m.local_id = k.id for no key update) m;
    update quickbooks.mapping m
    set state = notes[k.place] ->> 'state', sync_token = notes[k.place] ->> 'sync_token',
        drift = nullif(notes[k.place] -> 'drift', 'null'),
        snapshot = coalesce(nullif(notes[k.place] -> 'snapshot', 'null'), m.snapshot),
        remote_updated_at = coalesce((notes[k.place] ->> 'remote_updated_at')::timestamptz, m.remote_updated_at)
    from work.few(versions) k
    where m.ctid = k.element and m.organization_id = organization;
end
$$;
