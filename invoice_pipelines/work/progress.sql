-- How far batch jobs are, the same for who looks once and for who watches.
--
-- after: work/jobs.sql

-- Items a second since a job, or its last retry, was started; null where nothing is known yet.
create or replace function work.items_per_second(job work.batch_job)
returns double precision
language sql stable
as $$
    select case when job.processed_items > job.processed_before_start and r.seconds > 0
                then (job.processed_items - job.processed_before_start) / r.seconds end
    from (select extract(epoch from coalesce(job.completed_at, now()) - job.started_at)::double precision as seconds) r
$$;

-- Seconds that what is left takes at that rate.
create or replace function work.eta_seconds(job work.batch_job)
returns double precision
language sql stable
as $$
    select case when job.status = 'processing'
                then (job.total_items - job.processed_items) / work.items_per_second(job) end
$$;

-- From when on a job waits for a worker that begins it; null once one did.
create or replace function work.waiting_since(job work.batch_job)
returns timestamptz
language sql immutable
return case when (job).status = 'pending' then (job).last_progress_at end;

create or replace view work.job_progress with (security_invoker = true) as
select j.organization_id, j.id, j.kind, j.status, j.total_items, j.processed_items, j.successful_items, j.failed_items,
       j.skipped_items, j.cancelled_items, j.progress, work.waiting_since(j) as waiting_since,
       work.items_per_second(j) as items_per_second, work.eta_seconds(j) as eta_seconds
from work.batch_job j;
grant select on work.job_progress to invoice_pipelines_app;
