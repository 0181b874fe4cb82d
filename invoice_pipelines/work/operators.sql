-- What operators query by hand, and what looks across organizations: where there is work, what is stuck, how it goes.
--
-- Functions that see every organization are `security definer`, belong to invoice_pipelines_overview, and return
-- counts and times only: within the scope of an organization, of that one alone. That role makes them itself, so nobody has to inherit its rights to replace them.

create or replace view public.batch_job_queue with (security_invoker = true) as
    select j.id, j.kind as job_type, j.status, j.total_items, j.processed_items, j.successful_items, j.failed_items,
           j.created_at, j.started_at, j.completed_at, j.actual_duration_seconds,
           (select coalesce(jsonb_agg(jsonb_build_object('subject_id', f.subject_id, 'code', f.error_code,
                                                         'message', f.error_message)), '[]')
            from (select i.subject_id, i.error_code, i.error_message from work.batch_item i
                  where i.organization_id = j.organization_id and i.job_id = j.id and i.status = 'failed'
                  order by i.id limit 20) f) as errors,
           j.last_error, j.created_by, j.organization_id, j.progress, j.parameters as metadata, j.summary
    from work.batch_job j;
comment on view public.batch_job_queue is 'Batch jobs of the organization in scope; errors shows the first 20 failed items';
comment on column public.batch_job_queue.progress is 'percent of the items that are processed';
comment on column public.batch_job_queue.metadata is 'what was asked for: the parameters of the job';
comment on column public.batch_job_queue.summary is 'once it has ended: how many items failed, by code';
call database.offer_for_reading(
    'public.batch_job_queue',
    'A job is cancelled by: update batch_job_queue set status = ''cancelled'' where id = ...',
    refused => 'insert or delete');

-- A status that is set by hand, as old instructions for stuck jobs have it, cancels the job.
create or replace function work.cancel_job_by_hand() returns trigger language plpgsql
as $$
declare
    scope constant text := current_setting('app.organization_id', true);
begin
    if new.status not in ('failed', 'cancelled') or to_jsonb(new) - 'status' <> to_jsonb(old) - 'status' then
        raise exception 'batch_job_queue takes one change by hand: status = ''cancelled'' for a job that has not ended.'
            using errcode = 'IP002',
                  hint = 'Failed items are tried again by `invoice-pipelines batch retry`, '
                         'an interrupted job goes on by `batch run`; counts follow the items.';
    elsif old.status not in ('pending', 'processing') then
        raise exception 'Batch job % has ended as %; it stays so.', old.id, old.status
            using errcode = 'IP002',
                  hint = 'Failed items are tried again by `invoice-pipelines batch retry`.';
    end if;
    perform set_config('app.organization_id', old.organization_id::text, true);  -- a superuser need not name one
    if not work.cancel_job(old.id, session_user) then
        raise notice 'Batch job % has just ended.', old.id;
        new := null;
    else
        raise notice 'Batch job % is cancelled: what waited is not begun, what is done stays.', old.id;
    end if;
    perform set_config('app.organization_id', coalesce(scope, ''), true);
    return new;
end
$$;
create or replace trigger cancel_by_hand instead of update on public.batch_job_queue
    for each row execute function work.cancel_job_by_hand();

create or replace view public.batch_job_history with (security_invoker = true) as
    select e.job_id, j.kind as job_type, e.action, e.detail, e.created_at, e.created_by
    from work.batch_job_event e
    join work.batch_job j on j.organization_id = e.organization_id and j.id = e.job_id;
comment on view public.batch_job_history is
    'Who asked for a batch job of the organization in scope, cancelled, retried or repaired it, and when';
call database.offer_for_reading('public.batch_job_history', 'It is written by what is done to jobs, and kept.');

-- Which organizations have items of these kinds to do now, the longest waiting first. For sensors.
--
-- Reads the partial indexes of open items, never the table with its history: statistics that were collected while all
-- items were open make reading it in full look cheaper, and it grows for ever after.
set local role invoice_pipelines_overview;
create or replace function work.organizations_with_work(kinds text[])
returns table (organization_id uuid, kind text, due_items bigint, oldest_due_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
-- demanded by test_asking_ten_thousand_organizations_for_work_is_cheap
as $$
    select w.organization_id, w.kind, w.items, w.oldest
    from (select d.organization_id, d.kind, count(*) as items, min(d.due_at) as oldest
          from (select i.organization_id, i.kind, i.available_at as due_at from work.batch_item i
                where i.status = 'pending' and i.available_at <= now() and i.kind = any (kinds)
                union all
                select i.organization_id, i.kind, i.lease_expires_at from work.batch_item i
                where i.status = 'processing' and i.lease_expires_at <= now() and i.kind = any (kinds)) d
          group by d.organization_id, d.kind) w
    -- Asked by its key once for each organization: a join with statistics from before there were many organizations
    -- reads all of them for each item.
    where (select o.removed_at is null from organizations.organization o where o.id = w.organization_id)
    order by w.oldest, w.organization_id, w.kind
$$;
revoke all on function work.organizations_with_work(text[]) from public;
grant execute on function work.organizations_with_work(text[]) to invoice_pipelines_app;

-- What is open of each kind: items that wait, those in work, those of them whose lease ran out, and since when the first
-- could be done. For those who watch. As above, it reads the partial indexes of open items only.
create or replace function work.open_items()
returns table (kind text, waiting_items bigint, leased_items bigint, expired_items bigint, oldest_due_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
-- demanded by test_asking_ten_thousand_organizations_for_work_is_cheap
as $$
    select o.kind, sum(o.waiting)::bigint, sum(o.leased)::bigint, sum(o.expired)::bigint, min(o.oldest)
    from (select i.kind, count(*) as waiting, 0 as leased, 0 as expired,
                 min(i.available_at) filter (where i.available_at <= now()) as oldest
          from work.batch_item i where i.status = 'pending' group by i.kind
          union all
          select i.kind, 0, count(*), count(*) filter (where i.lease_expires_at <= now()), null
          from work.batch_item i where i.status = 'processing' group by i.kind) o
    group by o.kind
    order by o.kind
$$;
revoke all on function work.open_items() from public;
grant execute on function work.open_items() to invoice_pipelines_app;

-- Returns what dead processes held, cancels what still waits in a job that has ended (as after a hand in the table of jobs,
-- since a job ends with its last item), and sets right jobs in which nothing happened for a while: counts are taken from
-- the items, a job without open items is closed, one on which nobody works is pending again.
--
-- A job that was opened again three times, without a single item done since, is ended: its open items fail with STUCK.
-- Only then; a job that waits for its turn is pending and stays so, however long, and items that were tried already
-- have a number of attempts of their own, as those that were put off have a time. A job whose chunk is in work at this
-- moment is locked and passed over.
create or replace function public.cleanup_stuck_batch_jobs(stuck_after interval default '30 minutes')
returns table (returned_items bigint, failed_items bigint, cancelled_items bigint,
               closed_jobs bigint, reopened_jobs bigint, ended_jobs bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    reopened_at_most constant integer := 3;
    job record;
    items record;
    reopened integer;
    open_items bigint;
    repair jsonb;
begin
    select e.returned, e.failed, e.cancelled into returned_items, failed_items, cancelled_items
    from work.return_expired_items() e;
    closed_jobs := 0; reopened_jobs := 0; ended_jobs := 0;
    for job in
        select j.organization_id, j.id
        from (select distinct i.organization_id, i.job_id from work.batch_item i
              where i.status = 'pending' and i.job_id is not null) p
        join work.batch_job j on j.organization_id = p.organization_id and j.id = p.job_id
        where j.status not in ('pending', 'processing')
        for no key update of j skip locked
    loop
        cancelled_items := cancelled_items + work.cancel_what_waits(job.organization_id, job.id);
    end loop;
    for job in
        select j.organization_id, j.id, j.status, j.standstills, j.processed_at_standstill from work.batch_job j
        where j.status in ('pending', 'processing') and j.last_progress_at < now() - stuck_after
        for no key update skip locked
    loop
        select count(*) filter (where i.status = 'succeeded') as successful,
               count(*) filter (where i.status = 'failed') as failed,
               count(*) filter (where i.status = 'skipped') as skipped,
               count(*) filter (where i.status = 'cancelled') as cancelled,
               count(*) filter (where i.status = 'processing') as processing,
               count(*) filter (where i.status = 'pending') as pending,
               count(*) filter (where i.status = 'pending' and (i.attempts > 0 or i.available_at > now())) as tried,
               count(*) filter (where i.status in ('succeeded', 'failed', 'skipped')) as processed
        into items
        from work.batch_item i where i.organization_id = job.organization_id and i.job_id = job.id;
        continue when items.processing > 0;  -- under a lease that has not run out: somebody works on it

        repair := null;
        update work.batch_job j
        set successful_items = items.successful, failed_items = items.failed, skipped_items = items.skipped,
            cancelled_items = items.cancelled
        where j.organization_id = job.organization_id and j.id = job.id
          and (j.successful_items, j.failed_items, j.skipped_items, j.cancelled_items)
              is distinct from (items.successful, items.failed, items.skipped, items.cancelled);
        if found then
            repair := jsonb_build_object('repair', 'counts');
        end if;
        if work.close_job_if_done(job.organization_id, job.id) then
            closed_jobs := closed_jobs + 1;
            repair := jsonb_build_object('repair', 'closed');
        elsif job.status = 'processing' then
            reopened := case when job.processed_at_standstill = items.processed then job.standstills else 0 end;
            if reopened < reopened_at_most or items.tried > 0 then
                update work.batch_job j
                set status = 'pending', standstills = reopened + 1, processed_at_standstill = items.processed
                where j.organization_id = job.organization_id and j.id = job.id;
                reopened_jobs := reopened_jobs + 1;
                repair := jsonb_build_object('repair', 'pending again');
            else
                perform from work.batch_item i
                where i.organization_id = job.organization_id and i.job_id = job.id and i.status = 'pending'
                for no key update skip locked;
                get diagnostics open_items = row_count;
                continue when open_items < items.pending;  -- one is locked: it is being claimed at this moment
                perform work.end_stuck_job(job.organization_id, job.id, reopened);
                ended_jobs := ended_jobs + 1;
                failed_items := failed_items + open_items;
                repair := jsonb_build_object('repair', 'ended', 'items', open_items);
            end if;
        end if;
        if repair is not null then
            insert into work.batch_job_event (organization_id, job_id, action, detail, created_by)
            values (job.organization_id, job.id, 'repaired', repair, 'cleanup_stuck_batch_jobs');
        end if;
    end loop;
    return next;
end
$$;
revoke all on function public.cleanup_stuck_batch_jobs(interval) from public;
grant execute on function public.cleanup_stuck_batch_jobs(interval) to invoice_pipelines_app;
set local role invoice_pipelines_owner;

-- Cancels the waiting items of a job that is locked and has ended, and so makes it a cancelled one; returns how many.
-- An item that is locked is being claimed: claim_items looks at the job, cancels it and counts it after this.
create or replace function work.cancel_what_waits(organization uuid, job uuid)
returns bigint
language plpgsql
as $$
declare
    waiting bigint;
begin
    update work.batch_item i set status = 'cancelled', finished_at = clock_timestamp()
    where i.organization_id = organization and i.job_id = job and i.status = 'pending'
      and i.id in (select p.id from work.batch_item p
                   where p.organization_id = organization and p.job_id = job and p.status = 'pending'
                   for no key update skip locked);
    get diagnostics waiting = row_count;
    update work.batch_job j
    set status = 'cancelled', successful_items = c.successful, failed_items = c.failed, skipped_items = c.skipped,
        cancelled_items = c.cancelled
    from (select count(*) filter (where i.status = 'succeeded') as successful,
                 count(*) filter (where i.status = 'failed') as failed,
                 count(*) filter (where i.status = 'skipped') as skipped,
                 count(*) filter (where i.status = 'cancelled') as cancelled
          from work.batch_item i where i.organization_id = organization and i.job_id = job) c
    where j.organization_id = organization and j.id = job;
    insert into work.batch_job_event (organization_id, job_id, action, detail, created_by)
    values (organization, job, 'repaired', jsonb_build_object('repair', 'cancelled', 'items', waiting),
            'cleanup_stuck_batch_jobs');
    return waiting;
end
$$;

-- Fails the open items of a job on which work never gets on, and so ends it. The job and they are locked.
create or replace function work.end_stuck_job(organization uuid, job uuid, reopened integer)
returns void
language plpgsql
as $$
declare
    reason constant text := format(
        'The work on this job came to a standstill %s times without an item done. Look for the failed runs of its '
        'organization, mend what they say, then retry the failed items.', reopened + 1);
    ended bigint;
begin
    update work.batch_item i
    set status = 'failed', finished_at = clock_timestamp(), error_code = 'STUCK', error_message = reason
    where i.organization_id = organization and i.job_id = job and i.status = 'pending';
    get diagnostics ended = row_count;
    update work.batch_job j set standstills = 0 where j.organization_id = organization and j.id = job;
    perform work.count_on_job(organization, job, 0, ended, 0, 0, 'STUCK: ' || reason);
end
$$;

-- Statistics per kind: of the organization in scope, or of all through get_batch_processing_stats outside of a scope,
-- as what its owner sees depends on that. Rates are percent of the processed items, durations seconds of completed jobs. Today is the
-- day in UTC, the same for all organizations; its items are those of the jobs that ended on it.
create or replace function work.processing_statistics()
returns table (job_type text, total_jobs bigint, pending_jobs bigint, processing_jobs bigint, completed_jobs bigint,
               completed_with_errors_jobs bigint, failed_jobs bigint, cancelled_jobs bigint,
               total_items bigint, processed_items bigint, successful_items bigint, failed_items bigint,
               skipped_items bigint, success_rate numeric, average_duration_seconds numeric,
               waiting_items bigint, leased_items bigint, oldest_waiting_at timestamptz,
               jobs_created_today bigint, jobs_ended_today bigint, successful_items_today bigint,
               failed_items_today bigint, skipped_items_today bigint, average_duration_seconds_today numeric)
language sql stable
as $$
    with jobs as (
        select j.kind, count(*) as total,
               count(*) filter (where j.status = 'pending') as pending,
               count(*) filter (where j.status = 'processing') as processing,
               count(*) filter (where j.status = 'completed') as completed,
               count(*) filter (where j.status = 'completed_with_errors') as completed_with_errors,
               count(*) filter (where j.status = 'failed') as failed,
               count(*) filter (where j.status = 'cancelled') as cancelled,
               sum(j.total_items) as items, sum(j.processed_items) as processed,
               sum(j.successful_items) as succeeded, sum(j.failed_items) as failed_items,
               sum(j.skipped_items) as skipped, avg(j.actual_duration_seconds) as duration,
               count(*) filter (where j.created_at >= day.began) as created_today,
               count(*) filter (where j.completed_at >= day.began) as ended_today,
               sum(j.successful_items) filter (where j.completed_at >= day.began) as succeeded_today,
               sum(j.failed_items) filter (where j.completed_at >= day.began) as failed_today,
               sum(j.skipped_items) filter (where j.completed_at >= day.began) as skipped_today,
               avg(j.actual_duration_seconds) filter (where j.completed_at >= day.began) as duration_today
        from work.batch_job j
        cross join (select date_trunc('day', now(), 'UTC') as began) day
        group by j.kind
    ), open_items as (
        select o.kind, sum(o.waiting) as waiting, sum(o.leased) as leased, min(o.oldest) as oldest
        from (select i.kind, count(*) as waiting, 0 as leased, min(i.available_at) as oldest
              from work.batch_item i where i.status = 'pending' group by i.kind
              union all
              select i.kind, 0, count(*), null from work.batch_item i where i.status = 'processing' group by i.kind) o
        group by o.kind
    )
    select kind, coalesce(j.total, 0), coalesce(j.pending, 0), coalesce(j.processing, 0), coalesce(j.completed, 0),
           coalesce(j.completed_with_errors, 0), coalesce(j.failed, 0), coalesce(j.cancelled, 0),
           coalesce(j.items, 0), coalesce(j.processed, 0), coalesce(j.succeeded, 0), coalesce(j.failed_items, 0),
           coalesce(j.skipped, 0), round(100.0 * j.succeeded / nullif(j.processed, 0), 2), round(j.duration, 3),
           coalesce(o.waiting, 0)::bigint, coalesce(o.leased, 0)::bigint, o.oldest,
           coalesce(j.created_today, 0), coalesce(j.ended_today, 0), coalesce(j.succeeded_today, 0),
           coalesce(j.failed_today, 0), coalesce(j.skipped_today, 0), round(j.duration_today, 3)
    from jobs j full join open_items o using (kind)
    order by kind
$$;

set local role invoice_pipelines_overview;
create or replace function public.get_batch_processing_stats()
returns table (job_type text, total_jobs bigint, pending_jobs bigint, processing_jobs bigint, completed_jobs bigint,
               completed_with_errors_jobs bigint, failed_jobs bigint, cancelled_jobs bigint,
               total_items bigint, processed_items bigint, successful_items bigint, failed_items bigint,
               skipped_items bigint, success_rate numeric, average_duration_seconds numeric,
               waiting_items bigint, leased_items bigint, oldest_waiting_at timestamptz,
               jobs_created_today bigint, jobs_ended_today bigint, successful_items_today bigint,
               failed_items_today bigint, skipped_items_today bigint, average_duration_seconds_today numeric)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select * from work.processing_statistics()
$$;
revoke all on function public.get_batch_processing_stats() from public;
grant execute on function public.get_batch_processing_stats() to invoice_pipelines_app;
set local role invoice_pipelines_owner;
