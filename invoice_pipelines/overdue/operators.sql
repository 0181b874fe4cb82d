-- What operators query by hand, and what looks across organizations: which of them are to be checked, and how the runs
-- went in total. Functions that see every organization return counts and times only.

create or replace view public.notifications with (security_invoker = true) as
    select n.notification_type, n.organization_id, n.invoice_id, n.created_at, n.id, n.level, n.status, n.invoice_number,
           n.customer_id, n.customer_name, n.amount_due, n.currency, n.due_date, n.days_overdue, n.as_of, n.sent_at,
           n.closed_at, n.closed_reason
    from overdue.notification n;
comment on view public.notifications is 'Notifications of the organization in scope, one per overdue invoice and level';
call database.offer_for_reading('public.notifications');

create or replace view public.job_execution_logs with (security_invoker = true) as
    select l.id, l.job_name, l.status, l.start_time, l.end_time, l.duration_seconds, l.processed_count, l.created_count,
           l.error_count, l.errors, l.organization_id, l.as_of, l.overdue_count, l.reopened_count, l.closed_count,
           l.run_id, l.batch_size, l.progress_at
    from overdue.job_execution_log l;
comment on view public.job_execution_logs is
    'Runs of the organization in scope; get_job_execution_totals() shows those of all organizations in total';
call database.offer_for_reading('public.job_execution_logs');

-- Organizations in which no run that began at not_before or later has come to its end, with the runs since then that
-- failed, died or are under way. Those never tried come first. One that failed max_failures times is left out.
set local role invoice_pipelines_overview;
create or replace function overdue.organizations_to_check(not_before timestamptz, max_failures integer default 3)
returns table (organization_id uuid, failures bigint, last_start timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select o.id, coalesce(l.failures, 0), l.last_start
    from organizations.organization o
    left join (select l.organization_id, max(l.start_time) as last_start,
                      count(*) filter (where l.status in ('FAILED', 'RUNNING')) as failures,
                      count(*) filter (where l.status in ('SUCCESS', 'PARTIAL')) as ended
               from overdue.job_execution_log l where l.start_time >= not_before
               group by l.organization_id) l on l.organization_id = o.id
    where o.removed_at is null and coalesce(l.ended, 0) = 0 and coalesce(l.failures, 0) < max_failures
    order by l.last_start nulls first, o.id
$$;
revoke all on function overdue.organizations_to_check(timestamptz, integer) from public;
grant execute on function overdue.organizations_to_check(timestamptz, integer) to invoice_pipelines_app;

-- All organizations in total, one row per run (run_id), the latest first; of one run if it is named. A total is SUCCESS
-- only if nothing in it failed, had errors or is under way.
create or replace function public.get_job_execution_totals(since timestamptz default '-infinity', wanted_run uuid default null)
returns table (status text, start_time timestamptz, end_time timestamptz, duration_seconds numeric,
               organizations bigint, running bigint, successful bigint, partial bigint, failed bigint,
               overdue_count bigint, processed_count bigint, created_count bigint, reopened_count bigint,
               closed_count bigint, error_count bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select case when t.running > 0 then 'RUNNING' when t.failed = t.executions then 'FAILED'
                when t.failed + t.partial > 0 then 'PARTIAL' else 'SUCCESS' end,
           t.start_time, t.end_time, round(extract(epoch from t.end_time - t.start_time), 3),
           t.organizations, t.running, t.successful, t.partial, t.failed,
           t.overdue_count, t.processed_count, t.created_count, t.reopened_count, t.closed_count, t.error_count
    from (select min(l.start_time) as start_time,
                 case when count(l.end_time) = count(*) then max(l.end_time) end as end_time, count(*) as executions,
                 count(distinct l.organization_id) as organizations,
                 count(*) filter (where l.status = 'RUNNING') as running,
                 count(*) filter (where l.status = 'SUCCESS') as successful,
                 count(*) filter (where l.status = 'PARTIAL') as partial,
                 count(*) filter (where l.status = 'FAILED') as failed,
                 sum(l.overdue_count)::bigint as overdue_count, sum(l.processed_count)::bigint as processed_count,
                 sum(l.created_count)::bigint as created_count, sum(l.reopened_count)::bigint as reopened_count,
                 sum(l.closed_count)::bigint as closed_count, sum(l.error_count)::bigint as error_count
          from overdue.job_execution_log l
          where l.start_time >= since and (wanted_run is null or l.run_id = wanted_run)
          group by coalesce(l.run_id, l.id)) t
    order by t.start_time desc
$$;
revoke all on function public.get_job_execution_totals(timestamptz, uuid) from public;
grant execute on function public.get_job_execution_totals(timestamptz, uuid) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
