-- Items that are done in the transaction that takes them: for kinds whose effects are in this database alone.
--
-- Such a kind needs no lease. The job is locked for the length of a chunk, so that the chunks of a job follow one
-- another in the order of the request; a process that dies takes its transaction with it. See jobs.sql for locks.

-- Right after a table was filled, statistics are missing or wrong: the planner takes all rows of an organization for one
-- or two, and reads them once per key. Where a test demands it, a statement over a chunk of keys is therefore written so
-- that its plan does not depend on them:
-- - Keys come from work.few, of which the planner expects one row.
-- - Rows are looked up in a lateral sub-select that it cannot turn around, as that has an order, a lock or `offset 0`.
-- - With `enable_sort = off`, an order says by which index. `k between x and x` is `k = x` that still has an order.
-- - Rows that were found or locked are changed by their place (ctid). It is also the version: a row that somebody else
--   changed in between is not found there, and the lock that was taken is the one that counts.

-- The elements of an array with their places.
create or replace function work.few(elements anyarray)
returns table (element anyelement, place bigint)
language sql volatile rows 1
as $$
    select * from unnest(elements) with ordinality
$$;

-- Locks the oldest open job of some kinds that has items to do and that nobody works on, or the named one, and starts
-- it. Null: there is none.
create or replace function work.take_job(job_kinds text[], wanted_job uuid default null)
returns uuid
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    job record;
begin
    if wanted_job is null then
        select j.id, j.status into job from work.batch_job j
        where j.organization_id = organization and j.status in ('pending', 'processing') and j.kind = any (job_kinds)
          and (select count(*) from work.next_items(j.id, 1)) > 0
        order by j.id limit 1 for no key update skip locked;
    else
        perform work.queue_for_job(wanted_job);
        select j.id, j.status into job from work.batch_job j
        where j.organization_id = organization and j.status in ('pending', 'processing') and j.kind = any (job_kinds)
          and j.id = wanted_job
        for no key update;
    end if;
    if job.status = 'pending' then
        update work.batch_job j
        set status = 'processing', started_at = coalesce(j.started_at, clock_timestamp()),
            last_progress_at = clock_timestamp()
        where j.organization_id = organization and j.id = job.id;
    end if;
    return job.id;
end
$$;

-- The next pending items of a job that this transaction has locked, in the order of the request.
create or replace function work.next_items(job uuid, chunk_size integer)
returns table (version tid, id uuid, subject_id text)
language plpgsql stable
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select i.ctid, i.id, i.subject_id from work.batch_item i
        where i.organization_id = organization and i.job_id = job and i.status = 'pending'
          and i.available_at <= clock_timestamp()  -- not now(): the transaction that made them may be younger than this
        order by i.id limit chunk_size;
end
$$;

create or replace function work.few_outcomes(
    versions tid[], statuses text[], codes text[], messages text[], results jsonb[]
) returns table (version tid, status text, code text, message text, result jsonb)
language sql volatile rows 1  -- see work.few
as $$
    select * from unnest(versions, statuses, codes, messages, results)
$$;

-- Ends items that work.next_items gave in this transaction, and counts them. The arrays are parallel; a status is
-- succeeded, failed or skipped. Fails if an item is not pending any more, as its effects must not stand then.
create or replace function work.settle_items(
    job uuid, versions tid[], statuses text[], codes text[], messages text[], results jsonb[]
) returns void
language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    ended bigint;
begin
    update work.batch_item i
    set status = s.status, attempts = i.attempts + 1, finished_at = clock_timestamp(),
        error_code = s.code, error_message = left(s.message, 500), result = s.result
    from work.few_outcomes(versions, statuses, codes, messages, results) s
    where i.ctid = s.version and i.organization_id = organization and i.status = 'pending';
    get diagnostics ended = row_count;
    if ended <> cardinality(versions) then
        raise exception 'items of batch job % were changed while they were being done', job
            using errcode = 'serialization_failure';
    end if;
    perform work.count_on_job(
        organization, job,
        count(*) filter (where s.status = 'succeeded'), count(*) filter (where s.status = 'failed'),
        count(*) filter (where s.status = 'skipped'), 0,
        max(s.code || ': ' || s.message) filter (where s.status = 'failed'))
    from unnest(statuses, codes, messages) as s (status, code, message);
end
$$;
