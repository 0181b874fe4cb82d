-- What was done to a batch job, written by PostgreSQL itself, and what a job may never say of itself.
--
-- The application may not write history, nor choose when something happened; it only says who did it, by the setting
-- app.actor of the transaction.

set local role invoice_pipelines_recorder;
create or replace function work.record_job() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    actor constant text := organizations.actor();
    detail jsonb := '{}';
begin
    if tg_op = 'INSERT' then
        insert into work.batch_job_event (organization_id, job_id, action, created_by)
        values (new.organization_id, new.id, 'created', new.created_by);
        return null;
    end if;
    if new.parameters is distinct from old.parameters then
        detail := jsonb_build_object(
            'before', old.parameters,
            'changed', (select jsonb_object_agg(coalesce(n.key, o.key), n.value)
                        from jsonb_each(new.parameters) n full join jsonb_each(old.parameters) o on o.key = n.key
                        where n.value is distinct from o.value));
    end if;
    if new.status = 'cancelled' and old.status <> 'cancelled' then
        detail := detail || jsonb_build_object('items', new.cancelled_items - old.cancelled_items);
        insert into work.batch_job_event (organization_id, job_id, action, detail, created_by)
        values (new.organization_id, new.id, 'cancelled', detail, actor);
    elsif new.failed_items < old.failed_items then
        detail := detail || jsonb_build_object('items', old.failed_items - new.failed_items);
        insert into work.batch_job_event (organization_id, job_id, action, detail, created_by)
        values (new.organization_id, new.id, 'retried', detail, actor);
    else
        insert into work.batch_job_event (organization_id, job_id, action, detail, created_by)
        values (new.organization_id, new.id, 'changed', detail, actor);
    end if;
    return null;
end
$$;
revoke all on function work.record_job() from public;
grant execute on function work.record_job() to invoice_pipelines_owner;
set local role invoice_pipelines_owner;

create or replace trigger record_new_job after insert on work.batch_job
    for each row execute function work.record_job();
-- The clean-up of all organizations, which counts again, writes its own history.
create or replace trigger record_job after update on work.batch_job for each row
    when (current_user <> 'invoice_pipelines_overview'
          and (new.status = 'cancelled' and old.status <> 'cancelled' or new.failed_items < old.failed_items
               or new.parameters is distinct from old.parameters))
    execute function work.record_job();

-- For the application a job ends as its items did, and says when. It is never open again once it was cancelled.
create or replace function work.guard_job() returns trigger
language plpgsql
as $$
declare
    failed bigint;
    right_status text;
begin
    if new.started_at is distinct from old.started_at and new.started_at < now()
       or new.completed_at is distinct from old.completed_at and new.completed_at < now() then
        raise exception 'batch job %: when it began and ended is not changed afterwards', new.id
            using errcode = 'restrict_violation';
    end if;
    if new.status = old.status then
        -- Items that were in work when it was cancelled are counted afterwards; then nothing is left to be counted.
        if old.successful_items + old.failed_items + old.skipped_items + old.cancelled_items = old.total_items then
            raise exception 'batch job % has ended, and keeps its counts', new.id using errcode = 'restrict_violation';
        end if;
        return new;
    end if;
    if old.status = 'cancelled' or old.completed_at is not null and new.status <> 'pending' then
        raise exception 'batch job % is %, and cannot become %', new.id, old.status, new.status
            using errcode = 'restrict_violation';
    end if;
    if new.status not in ('completed', 'completed_with_errors', 'failed') then
        return new;
    end if;
    -- By the indexes of what waits, is leased and failed: what is done is not read again, and nobody can change it.
    if exists (select from work.batch_item i
               where i.organization_id = new.organization_id and i.job_id = new.id and i.status = 'pending'
               order by i.job_id, i.id limit 1)
       or exists (select from work.batch_item i
                  where i.organization_id = new.organization_id and i.job_id = new.id and i.status = 'processing'
                  order by i.organization_id, i.lease_token limit 1) then
        raise exception 'batch job % cannot be %, as not all of its items are done', new.id, new.status
            using errcode = 'restrict_violation', hint = 'To stop it: invoice-pipelines batch cancel ' || new.id;
    end if;
    failed := (select count(*) from work.batch_item i
               where i.organization_id = new.organization_id and i.job_id = new.id and i.status = 'failed');
    right_status := case when failed = 0 then 'completed'
                         when new.successful_items + new.skipped_items = 0 then 'failed'
                         else 'completed_with_errors' end;
    if (new.status, new.failed_items, new.successful_items + new.failed_items + new.skipped_items + new.cancelled_items)
       is distinct from (right_status, failed, new.total_items) then
        raise exception 'batch job % cannot be % with % failed items: by its items it is %, with %',
            new.id, new.status, new.failed_items, right_status, failed using errcode = 'restrict_violation';
    end if;
    return new;
end
$$;
create or replace trigger guard_job before update on work.batch_job for each row
    when (current_user in ('invoice_pipelines_app', 'invoice_pipelines_web')
          and ((old.status, old.started_at, old.completed_at) is distinct from
               (new.status, new.started_at, new.completed_at)
               or old.completed_at is not null
                  and (old.successful_items, old.failed_items, old.skipped_items, old.cancelled_items) is distinct from
                      (new.successful_items, new.failed_items, new.skipped_items, new.cancelled_items)))
    execute function work.guard_job();
