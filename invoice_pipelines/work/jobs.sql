-- The life of a batch job: asked for, counted, closed, cancelled, retried. Also the entry to the continuous queue.
--
-- Every function here and in leases.sql that has locked a job passes over items that somebody else has locked, and what
-- waits for items does so before it locks their job. So they cannot block one another for good. They rely on READ
-- COMMITTED (a statement sees what was committed before it began), which is PostgreSQL's default.
--
-- Statistics are always behind a queue. Of an organization that had no items when they were collected, the planner expects
-- one; then any index that begins with organization_id seems as good as the right one, and comparing every item of the
-- organization with every item that was picked seems cheap. And a plan that a session made while the queue was empty
-- would read a long queue in full. So the planner is left little choice:
-- - What a worker calls again and again is planned anew at each call.
-- - Items are claimed in the order of one index, with sorting off.
-- - Picked items are written by `insert ... on conflict (organization_id, id) do update`, which looks each one up in
--   the primary key and never inserts, as they are locked; or by `where current of` the cursor that picked them.
-- - What is under a lease is found by its lease, never by a list of ids.

create or replace function work.create_job(job_kind text, subject_ids text[], job_parameters jsonb, creator text)
returns uuid
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    job uuid;
begin
    insert into work.batch_job (organization_id, kind, total_items, parameters, created_by)
    values (organization, job_kind, (select count(distinct s) from unnest(subject_ids) s), job_parameters, creator)
    returning id into job;

    insert into work.batch_item (organization_id, job_id, kind, subject_id)
    select organization, job, job_kind, s.subject_id
    from (select subject_id, min(position) as position
          from unnest(subject_ids) with ordinality as given (subject_id, position)
          group by subject_id) s
    order by s.position;

    perform work.close_job_if_done(organization, job);
    return job;
end
$$;

-- How long a job of so many items will take, from when it starts: from the organization's last jobs of this kind, or else
-- what its domain thinks.
create or replace function work.estimate_seconds(job_kind text, items integer, otherwise numeric)
returns numeric
language sql stable
as $$
    select round(greatest(0.05, coalesce(
        (select items * sum(r.actual_duration_seconds) / sum(r.processed_items)
         from (select j.actual_duration_seconds, j.processed_items from work.batch_job j
               where j.organization_id = organizations.current() and j.kind = job_kind
                 and j.status in ('completed', 'completed_with_errors') and j.processed_items >= least(items, 200)
                 and j.successful_items * 2 > j.processed_items
               order by j.id desc limit 5) r
         having sum(r.processed_items) > 0),
        otherwise)), 2)
$$;

-- Puts subjects into the continuous queue of a kind; returns how many entries are new.
--
-- A waiting entry stands for the change as well, and its attempts start anew. It is locked even if nothing in it
-- changes (that is what ON CONFLICT DO UPDATE does, and DO NOTHING does not): a worker must not take it before this
-- transaction is committed, or it would act on the state from before the change and the change would be lost.
create or replace function work.enqueue(entry_kind text, subject_ids text[])
returns bigint
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    added bigint;
begin
    with entry as (
        insert into work.batch_item as waiting (organization_id, kind, subject_id)
        select organization, entry_kind, s
        from (select distinct s from unnest(subject_ids) s) given
        order by s  -- one order for all, so that two transactions over the same subjects wait but never deadlock
        on conflict (organization_id, kind, subject_id) where status = 'pending' and job_id is null
        do update set attempts = 0 where waiting.attempts > 0 and not waiting.claim_alone
        returning xmax = 0 as is_new  -- a row that was only updated carries the lock of this transaction in xmax
    )
    select count(*) into added from entry where is_new;
    return added;
end
$$;

-- Puts what waits in the continuous queue of a kind for these subjects before all that waits there, also where it was put
-- off; returns how many entries.
create or replace function work.put_first(entry_kind text, subject_ids text[])
returns bigint
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    first_at timestamptz;
    moved bigint;
begin
    select i.available_at into first_at from work.batch_item i
    where i.organization_id = organization and i.kind = entry_kind and i.status = 'pending'
    order by i.available_at limit 1;
    with entry as materialized (
        select i.id, i.subject_id from work.batch_item i
        where i.organization_id = organization and i.kind = entry_kind and i.subject_id = any (subject_ids)
          and i.status = 'pending' and i.job_id is null
        for no key update skip locked  -- what is locked is being taken at this moment
    )
    insert into work.batch_item (organization_id, id, kind, subject_id)  -- an update by key, see above
    select organization, e.id, entry_kind, e.subject_id from entry e
    on conflict (organization_id, id) do update
    set available_at = least(first_at, now()) - interval '1 microsecond';
    get diagnostics moved = row_count;
    return moved;
end
$$;

-- Locks a job until the end of the transaction and returns its status; null for the continuous queue.
create or replace function work.lock_job(organization uuid, job uuid)
returns text
language sql
as $$
    select j.status from work.batch_job j where j.organization_id = organization and j.id = job for no key update
$$;

-- Adds finished items to the counts of a job (once per chunk, not per item) and closes it with its last one.
create or replace function work.count_on_job(
    organization uuid, job uuid, succeeded bigint, failed bigint, skipped bigint, cancelled bigint, failure text
) returns void
language plpgsql
as $$
begin
    update work.batch_job j
    set successful_items = j.successful_items + succeeded,
        failed_items = j.failed_items + failed,
        skipped_items = j.skipped_items + skipped,
        cancelled_items = j.cancelled_items + cancelled,
        last_error = coalesce(failure, j.last_error),
        last_progress_at = clock_timestamp()
    where j.organization_id = organization and j.id = job;
    perform work.close_job_if_done(organization, job);
end
$$;

create or replace function work.close_job_if_done(organization uuid, job uuid)
returns boolean
language plpgsql
as $$
begin
    update work.batch_job j
    set status = case when j.failed_items = 0 then 'completed'
                      when j.successful_items + j.skipped_items = 0 then 'failed'
                      else 'completed_with_errors' end,
        started_at = coalesce(j.started_at, clock_timestamp()),
        completed_at = greatest(clock_timestamp(), j.started_at),
        summary = jsonb_build_object('failures', coalesce(
            (select jsonb_object_agg(f.error_code, f.items)
             from (select i.error_code, count(*) as items from work.batch_item i
                   where i.organization_id = organization and i.job_id = job and i.status = 'failed'
                   group by i.error_code) f), '{}'))
    where j.organization_id = organization and j.id = job and j.status in ('pending', 'processing')
      and j.successful_items + j.failed_items + j.skipped_items + j.cancelled_items = j.total_items;
    return found;
end
$$;

-- Waits for its turn at a job, until the end of the transaction. Those who wait for a row are not served in turn: chunks
-- that follow one another without a pause would keep a cancel waiting. Comes before the job is locked.
create or replace function work.queue_for_job(job uuid)
returns void
language sql
as $$
    select pg_advisory_xact_lock(hashtextextended('batch job ' || job, 0))
$$;

-- Cancels a job: nothing that waits is begun any more. What is being processed ends and is counted, because its
-- effects may be out in the world already. Returns false if the job had ended before; null if there is none.
create or replace function work.cancel_job(job uuid, canceller text)
returns boolean
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    job_status text;
    waiting bigint;
begin
    perform work.queue_for_job(job);
    job_status := work.lock_job(organization, job);
    if job_status is null then
        return null;
    elsif job_status not in ('pending', 'processing') then
        return false;
    end if;
    -- An item locked here is being claimed at this moment; claim_items looks at the job once more and cancels it.
    with pending as materialized (
        select i.id, i.kind, i.subject_id from work.batch_item i
        where i.organization_id = organization and i.job_id = job and i.status = 'pending'
        for no key update skip locked
    )
    insert into work.batch_item (organization_id, id, kind, subject_id)  -- an update by key, see above
    select organization, p.id, p.kind, p.subject_id from pending p
    on conflict (organization_id, id) do update set status = 'cancelled', finished_at = clock_timestamp();
    get diagnostics waiting = row_count;
    perform set_config('app.actor', canceller, true);
    update work.batch_job j
    set status = 'cancelled', cancelled_items = j.cancelled_items + waiting, last_progress_at = clock_timestamp(),
        completed_at = greatest(clock_timestamp(), j.started_at)
    where j.organization_id = organization and j.id = job;
    return true;
end
$$;

-- Opens the failed items of a job again, with all their attempts; returns how many. Null if there is no such job.
-- `changes` are parameters that the job has from now on, for all of its items; those that are null it has no more.
create or replace function work.retry_failed_items(job uuid, requester text, changes jsonb default '{}')
returns bigint
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    job_status constant text := work.lock_job(organization, job);
    reopened bigint;
begin
    if job_status is null then
        return null;
    elsif job_status = 'cancelled' then
        raise exception 'batch job % was cancelled', job using errcode = 'object_not_in_prerequisite_state';
    end if;
    update work.batch_item i
    set status = 'pending', attempts = 0, available_at = now(), finished_at = null
    where i.organization_id = organization and i.job_id = job and i.status = 'failed';
    get diagnostics reopened = row_count;
    if reopened = 0 then
        return 0;
    end if;
    perform set_config('app.actor', requester, true);
    if job_status in ('pending', 'processing') then
        update work.batch_job j
        set failed_items = j.failed_items - reopened, last_progress_at = clock_timestamp(),
            parameters = jsonb_strip_nulls(j.parameters || changes)
        where j.organization_id = organization and j.id = job;
    else
        update work.batch_job j
        set failed_items = j.failed_items - reopened, last_progress_at = clock_timestamp(), status = 'pending',
            started_at = null, completed_at = null, summary = null,
            processed_before_start = j.processed_items - reopened,
            parameters = jsonb_strip_nulls(j.parameters || changes)
        where j.organization_id = organization and j.id = job;
    end if;
    return reopened;
end
$$;
