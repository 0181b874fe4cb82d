-- The life of a received invoice, guarded where nobody can go around it: in the table itself.

create or replace function intake.is_allowed_transition(from_status text, to_status text)
returns boolean language sql immutable parallel safe
as $$
    select (from_status, to_status) in (
        ('UPLOADED', 'PARSED'), ('UPLOADED', 'FAILED'),
        ('CREATED', 'PARSED'), ('CREATED', 'FAILED'),
        ('PARSED', 'VALIDATED'), ('PARSED', 'CREATED'), ('PARSED', 'FAILED'),
        ('VALIDATED', 'EXPORTED'), ('VALIDATED', 'CREATED'), ('VALIDATED', 'FAILED'),
        ('EXPORTED', 'VALIDATED'), ('EXPORTED', 'FAILED'),
        ('FAILED', 'CREATED'))
$$;

create or replace function intake.guard_status() returns trigger language plpgsql
as $$
begin
    if tg_op = 'INSERT' then
        -- Whatever is a status may fail.
        if new.status <> 'FAILED' and not intake.is_allowed_transition(new.status, 'FAILED') then
            raise exception 'a received invoice has no status %', new.status using errcode = 'check_violation';
        end if;
    elsif new.status is distinct from old.status then
        if not intake.is_allowed_transition(old.status, new.status) then
            raise exception 'a received invoice cannot go from % to %', old.status, new.status
                using errcode = 'check_violation';
        end if;
        new.processing_version := old.processing_version + 1;
        new.last_processed_at := clock_timestamp();
        if new.status <> 'PARSED' then
            new.xml := null;
        end if;
    elsif new.processing_version <> old.processing_version then
        raise exception 'the processing version changes with the status only' using errcode = 'check_violation';
    end if;
    return new;
end
$$;

set local role invoice_pipelines_recorder;
create or replace function intake.record_status_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into intake.status_change (organization_id, received_invoice_id, processing_version, from_status, to_status,
                                      changed_by)
    values (new.organization_id, new.id, new.processing_version,
            case when tg_op = 'UPDATE' then old.status end, new.status, organizations.actor());
    return null;
end
$$;
revoke all on function intake.record_status_change() from public;
grant execute on function intake.record_status_change() to invoice_pipelines_owner;
set local role invoice_pipelines_owner;

create or replace trigger guard_first_status before insert on intake.received_invoice
    for each row when (new.status <> 'UPLOADED') execute function intake.guard_status();
create or replace trigger guard_status before update on intake.received_invoice
    for each row execute function intake.guard_status();
create or replace trigger record_status_change after update on intake.received_invoice
    for each row when (new.status is distinct from old.status) execute function intake.record_status_change();
create or replace trigger record_first_status after insert on intake.received_invoice
    for each row execute function intake.record_status_change();

-- Ends the items of batch jobs that people asked for whose invoices have come to an end, whoever went on with them.
-- Uploads: they failed, are valid, or wait for a person. Exports: they are exported, failed, are to be read again, or DATEV
-- refuses them. Returns how many.
drop function if exists intake.settle_asked_uploads();
create or replace function intake.settle_asked_work()
returns bigint language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    job record;
    ended record;
    ended_items bigint := 0;
begin
    for job in
        select j.id, j.kind, j.created_at from work.jobs j
        where j.organization_id = organization and j.kind in ('process_upload', 'export_received')
          and j.status in ('pending', 'processing')
        order by j.id
    loop
        continue when work.take_job(array[job.kind], job.id) is null;
        select count(*) as items, array_agg(i.version) as versions, array_agg(o.status) as statuses,
               array_agg(o.code) as codes, array_agg(o.message) as messages, array_agg(null::jsonb) as results
        into ended
        from work.next_items(job.id, null) i
        join intake.received_invoice r on r.organization_id = organization and r.id = i.subject_id::uuid
        cross join lateral (
            select 'succeeded' as status, null as code, null as message
            where r.status = 'EXPORTED' or r.status = 'VALIDATED' and job.kind = 'process_upload'
            union all
            select 'skipped', null, 'DATEV cannot book it yet: ' || (w.reasons -> 0 ->> 'message')
            from intake.datev_waiting w
            where r.status = 'VALIDATED' and job.kind = 'export_received' and w.organization_id = organization
              and w.received_invoice_id = r.id and w.tried_at > job.created_at
            union all
            select 'skipped', null, 'it is ' || r.status || ' and waits for no export any more'
            where r.status in ('UPLOADED', 'CREATED', 'PARSED') and job.kind = 'export_received'
            union all
            select 'skipped', null, 'waits for a review: ' || w.message from intake.review_reason w
            where r.status = 'PARSED' and job.kind = 'process_upload' and w.organization_id = organization and w.received_invoice_id = r.id
              and w.processing_version = r.processing_version and w.position = 1
            union all
            select 'failed', coalesce(max(e.code), 'UNKNOWN'), max(e.message)
            from (select e.code, e.message from intake.processing_error e
                  where e.organization_id = organization and e.received_invoice_id = r.id and not e.will_be_retried
                  order by e.id desc limit 1) e
            having r.status = 'FAILED') o;
        continue when ended.items = 0;
        perform work.settle_items(job.id, ended.versions, ended.statuses, ended.codes, ended.messages, ended.results);
        ended_items := ended_items + ended.items;
    end loop;
    return ended_items;
end
$$;

-- Views for people. They see what the caller may see: one organization in its scope, all of them as a superuser.

create or replace view public.received_invoice with (security_invoker = true) as
select r.id, r.organization_id, u.file_name, u.sha256, r.status, r.processing_version, r.last_processed_at,
       r.invoice_number, r.type_code, r.issue_date, r.due_date, r.currency, r.seller_name, r.seller_vat_id,
       r.seller_tax_id,
       r.buyer_name, r.buyer_vat_id, r.buyer_reference, r.order_reference, r.iban, r.net_amount, r.tax_amount,
       r.gross_amount, r.payable_amount, r.source, r.format, r.profile, r.confidence, r.created_at, r.created_by
from intake.received_invoice r
join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id;
call database.offer_for_reading('public.received_invoice');

create or replace view public.received_invoice_line with (security_invoker = true) as
select l.organization_id, l.received_invoice_id, l.line_number, l.line_identifier, l.description,
       l.quantity, l.unit, l.unit_price, l.net_amount, l.tax_category, l.tax_rate
from intake.received_invoice_line l;
call database.offer_for_reading('public.received_invoice_line');

-- Across organizations: counts and times for sensors, statistics and clean-up, no business data.

set local role invoice_pipelines_overview;
create or replace function intake.arrivals_due(settle interval)
returns table (organization_id uuid, ready_files bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select a.organization_id, count(*)
    from intake.arrival a
    where a.outcome is null and a.last_seen_at - a.still_since >= settle
    group by a.organization_id
$$;
revoke all on function intake.arrivals_due(interval) from public;
grant execute on function intake.arrivals_due(interval) to invoice_pipelines_app;

create or replace function intake.organizations_with_arrivals()
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select a.organization_id from intake.arrival a where a.outcome is null
    union
    select a.organization_id from intake.arrival a where a.outcome is not null and a.removed_at is null
$$;
revoke all on function intake.organizations_with_arrivals() from public;
grant execute on function intake.organizations_with_arrivals() to invoice_pipelines_app;

create or replace function intake.status_counts()
returns table (organization_id uuid, status text, invoices bigint, last_processed_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select r.organization_id, r.status, count(*), max(r.last_processed_at)
    from intake.received_invoice r
    group by r.organization_id, r.status
$$;
revoke all on function intake.status_counts() from public;
grant execute on function intake.status_counts() to invoice_pipelines_app;

create or replace function intake.pending_exports()
returns table (organization_id uuid, exports bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select e.organization_id, count(*) from intake.export e where e.status = 'pending' group by e.organization_id
$$;
revoke all on function intake.pending_exports() from public;
grant execute on function intake.pending_exports() to invoice_pipelines_app;
set local role invoice_pipelines_owner;
