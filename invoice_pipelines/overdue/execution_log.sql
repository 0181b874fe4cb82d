-- The life of a run in the log: RUNNING, with the counts of each batch in the transaction of that batch; then SUCCESS,
-- PARTIAL (with errors of single invoices) or FAILED. A run that died is closed by the next one.
--
-- Every change is guarded by `status = 'RUNNING'`. So a process that was taken for dead and is not cannot commit a batch
-- any more that its log row would not tell of.

-- Old runs and notifications are deleted at night: see pruning.py, and the policies on both tables for how old.
grant delete on overdue.notification, overdue.job_execution_log to invoice_pipelines_app;

-- The day in the time zone of the organization in scope.
create or replace function overdue.day_at(moment timestamptz)
returns date
language plpgsql stable
as $$
declare
    zone text;
begin
    select o.time_zone into strict zone from organizations.organization o
    where o.id = organizations.current();
    return (moment at time zone zone)::date;
end
$$;

-- Opens the row of a run. Call it while no other run can be about the organization: rows that are still RUNNING are those of runs that
-- died, and are closed. Without wanted_day the run is as of the day at this moment.
create or replace function overdue.open_execution(
    moment timestamptz, wanted_day date, batch_size integer, run uuid,
    out execution uuid, out as_of date, out start_time timestamptz, out died bigint
)
language plpgsql
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
    today constant date := overdue.day_at(moment);
begin
    if wanted_day > today then
        raise exception 'as of: % is after today, %, in the time zone of this organization; name an earlier day.',
            wanted_day, today using errcode = 'IP003';
    end if;
    update overdue.job_execution_log l
    set status = 'FAILED', end_time = greatest(l.progress_at, l.start_time), error_count = l.error_count + 1,
        errors = l.errors || overdue.error('The run ended without a word: its process was killed or lost its '
            'connection. What it had done is kept; the next run did the rest.')
    where l.organization_id = organization and l.status = 'RUNNING';
    get diagnostics died = row_count;
    insert into overdue.job_execution_log as l (organization_id, run_id, as_of, batch_size)
    values (organization, run, coalesce(wanted_day, today), batch_size)
    returning l.id, l.as_of, l.start_time into execution, as_of, start_time;
end
$$;

-- An error of a run as a whole, in the form of those of invoices.
create or replace function overdue.error(reason text)
returns jsonb
language sql immutable parallel safe
as $$
    select jsonb_build_array(jsonb_build_object('reason', left(reason, 500)))
$$;

-- Adds what a batch did to the counts of its run, and its errors as long as there are fewer than a hundred.
create or replace function overdue.log_progress(
    execution uuid, processed bigint, created bigint, reopened bigint, closed bigint, failures jsonb
) returns void
language plpgsql
as $$
declare
    longest_list constant integer := 100;
begin
    update overdue.job_execution_log l
    set processed_count = l.processed_count + processed, created_count = l.created_count + created,
        reopened_count = l.reopened_count + reopened, closed_count = l.closed_count + closed,
        error_count = l.error_count + jsonb_array_length(failures),
        errors = case when failures = '[]' then l.errors
                      else jsonb_path_query_array(l.errors || failures, format('$[0 to %s]', longest_list - 1)::jsonpath)
                 end,
        progress_at = clock_timestamp()
    where l.organization_id = organizations.current() and l.id = execution
      and l.status = 'RUNNING';
    if not found then
        raise exception 'This run was taken for dead and closed by a later one; it does no more.'
            using errcode = 'IP004';
    end if;
end
$$;

-- Ends a run that came to its end.
create or replace function overdue.finish_execution(execution uuid)
returns overdue.job_execution_log
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    ended overdue.job_execution_log;
begin
    update overdue.job_execution_log l
    set status = case when l.error_count = 0 then 'SUCCESS' else 'PARTIAL' end,
        end_time = greatest(clock_timestamp(), l.start_time), progress_at = clock_timestamp(),
        overdue_count = (
            select count(*) from billing.invoices i
            where i.organization_id = organization and i.status in ('issued', 'partially_paid')
              and i.document_kind = 'invoice' and i.due_date < l.as_of)
    where l.organization_id = organization and l.id = execution and l.status = 'RUNNING'
    returning l.* into ended;
    if ended.id is null then
        raise exception 'This run was taken for dead and closed by a later one; it does no more.'
            using errcode = 'IP004';
    end if;
    return ended;
end
$$;

-- Ends a run that could not go on. Does nothing if it was closed by a later one.
create or replace function overdue.fail_execution(execution uuid, reason text)
returns void
language sql
as $$
    update overdue.job_execution_log l
    set status = 'FAILED', end_time = greatest(clock_timestamp(), l.start_time), error_count = l.error_count + 1,
        errors = l.errors || overdue.error(reason)
    where l.organization_id = organizations.current() and l.id = execution
      and l.status = 'RUNNING'
$$;
