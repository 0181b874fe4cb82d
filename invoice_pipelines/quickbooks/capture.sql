-- Notices what changes in billing and has to go to QuickBooks: it is put into the push queue (see push.sql), in the
-- transaction that changes it. That somebody changed a field here, and when, is kept for deciding between two edits.
--
-- An organization without QuickBooks pays for one look-up by key per statement. What a pull writes is not captured: it
-- sets app.quickbooks_pull for its transaction. A change of stock is none for QuickBooks.

-- Whether changes of the organization in scope are captured now.
-- demanded by test_without_a_connection_a_statement_costs_one_look_up_by_key
create or replace function quickbooks.captures_changes()
returns boolean
language plpgsql stable set enable_seqscan = off
as $$
declare
    organization constant uuid := organizations.current_or_none();
begin
    if organization is null or current_setting('app.quickbooks_pull', true) = 'on' then
        return false;
    end if;
    return exists (select from quickbooks.connection c
                   where c.organization_id = organization and c.status <> 'disconnected');
end
$$;

create or replace function quickbooks.capture_added() returns trigger language plpgsql
as $$
begin
    if quickbooks.captures_changes() then
        perform work.enqueue('quickbooks_push_' || tg_argv[0], array(select a.id::text from added a));
    end if;
    return null;
end
$$;

-- The first argument is what the table holds, the others are the columns that are synced (see records/fields.py).
-- demanded by test_a_row_of_a_large_change_costs_as_much_as_one_of_a_small_change
create or replace function quickbooks.capture_changed() returns trigger language plpgsql
set enable_nestloop = off
as $$
declare
    changed text[];
begin
    if not quickbooks.captures_changes() then
        return null;
    end if;
    with version as materialized (
        select n.organization_id, n.id, to_jsonb(o) as old, to_jsonb(n) as new
        from after_change n
        join before_change o on o.organization_id = n.organization_id and o.id = n.id
    ), difference as materialized (
        select v.organization_id, v.id, c.field
        from version v cross join unnest(tg_argv[1:]) c (field)
        where v.new -> c.field is distinct from v.old -> c.field
    ), noted as (
        insert into quickbooks.field_change (organization_id, entity_type, local_id, field, changed_at, changed_by)
        select d.organization_id, tg_argv[0], d.id, d.field, clock_timestamp(), organizations.actor()
        from difference d order by d.id, d.field
        on conflict (organization_id, entity_type, local_id, field) do update
        set changed_at = excluded.changed_at, changed_by = excluded.changed_by
    )
    select array_agg(distinct d.id::text) into changed from difference d;
    if changed is not null then
        perform work.enqueue('quickbooks_push_' || tg_argv[0], changed);
    end if;
    return null;
end
$$;

-- A number makes an invoice exist. Credit notes stay here, and somebody has to enter them there: an event says so.
create or replace function quickbooks.capture_issued() returns trigger language plpgsql
as $$
declare
    issued text[];
begin
    if not quickbooks.captures_changes() then
        return null;
    end if;
    select array_agg(a.invoice_id::text) into issued from added a where a.series = 'invoice';
    if issued is not null then
        perform work.enqueue('quickbooks_push_invoice', issued);
    end if;
    insert into quickbooks.event (organization_id, realm_id, code, severity, entity_type, local_id, message)
    select a.organization_id, c.realm_id, 'CREDIT_NOTE_NOT_PUSHED', 'warning', 'invoice', a.invoice_id,
           'Credit note ' || a.invoice_number || ' is not sent to QuickBooks: enter it there.'
    from added a
    cross join lateral (select c.realm_id from quickbooks.connection c
                        where c.organization_id = a.organization_id) c
    where a.series = 'credit_note';
    return null;
end
$$;

-- Invoices are voided one by one and paid by the thousand: this asks for a row, so that payments pay for nothing.
create or replace function quickbooks.capture_void() returns trigger language plpgsql
as $$
begin
    if quickbooks.captures_changes() then
        perform work.enqueue('quickbooks_push_invoice', array[new.id::text]);
    end if;
    return null;
end
$$;
