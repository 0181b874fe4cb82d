-- The life of a batch item: claimed under a lease, kept, finished, given back, taken from a dead process.
-- See jobs.sql for the order of locks.

-- The pause after a failed attempt: 10 s, 20 s, 40 s ... up to an hour, each between half and one and a half of that,
-- so that what failed together does not come back together.
create or replace function work.pause_after(attempts integer)
returns interval
language sql volatile
as $$
    select least(interval '10 seconds' * power(2, least(greatest(attempts, 1), 20) - 1), interval '1 hour')
           * (0.5 + random())
$$;

-- Takes due items of a kind, the longest waiting first, all of the same job (or all of the continuous queue), under
-- one lease. An item over which a process died comes alone. No rows: nothing is due.
--
-- Picking and taking is one statement on purpose: while the table has no statistics yet, the planner expects few rows
-- to be picked and looks them up by key; with a list of ids it would read all items of the organization. For the same
-- reason it may walk the index of what is due in its order, and nothing else.
create or replace function work.claim_items(
    wanted_kind text, chunk_size integer, lease interval, attempts_allowed integer
) returns table (id uuid, subject_id text, attempts integer, job_id uuid, lease_token uuid)
language plpgsql set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    organization constant uuid := current_setting('app.organization_id')::uuid;
    token constant uuid := gen_random_uuid();
    taken record;
    job_status text;
begin
    loop
        with due as materialized (
            select i.id, i.job_id, i.claim_alone, i.available_at
            from work.batch_item i
            where i.organization_id = organization and i.kind = wanted_kind
              and i.status = 'pending' and i.available_at <= now()
            order by i.available_at, i.id
            limit chunk_size
            for no key update skip locked
        ), first as materialized (
            select * from due order by available_at, id limit 1
        ), claimed as (
            update work.batch_item i
            set status = 'processing', attempts = i.attempts + 1, max_attempts = attempts_allowed,
                lease_token = token, lease_expires_at = clock_timestamp() + lease
            from due, first
            where i.organization_id = organization and i.id = due.id
              and due.job_id is not distinct from first.job_id
              and (due.id = first.id or not (due.claim_alone or first.claim_alone))
            returning i.id, i.subject_id, i.attempts, i.job_id
        )
        select count(*) as items, min(c.job_id::text)::uuid as job, array_agg(c.id order by c.id) as ids,
               array_agg(c.subject_id order by c.id) as subjects, array_agg(c.attempts order by c.id) as attempts
        into taken from claimed c;
        if taken.items = 0 then
            return;
        end if;
        exit when taken.job is null;

        update work.batch_job j
        set status = 'processing', started_at = coalesce(j.started_at, clock_timestamp()),
            last_progress_at = clock_timestamp()
        where j.organization_id = organization and j.id = taken.job and j.status = 'pending';
        select j.status into job_status from work.batch_job j
        where j.organization_id = organization and j.id = taken.job;
        exit when job_status <> 'cancelled';

        -- The job was cancelled while these were locked and so passed over: they follow it.
        update work.batch_item i
        set status = 'cancelled', finished_at = clock_timestamp(), attempts = i.attempts - 1,
            lease_token = null, lease_expires_at = null
        where i.organization_id = organization and i.status = 'processing' and i.lease_token = token;
        perform work.count_on_job(organization, taken.job, 0, 0, 0, taken.items, null);
    end loop;
    return query
        select c.id, c.subject_id, c.attempts, taken.job, token
        from unnest(taken.ids, taken.subjects, taken.attempts) as c (id, subject_id, attempts);
end
$$;

-- Lets a lease run for another while from now; returns how many of the items are still held under it.
create or replace function work.extend_lease(token uuid, item_ids uuid[], lease interval)
returns bigint
language plpgsql set plan_cache_mode = force_custom_plan
as $$
declare
    organization constant uuid := current_setting('app.organization_id')::uuid;
    kept bigint;
begin
    update work.batch_item i set lease_expires_at = clock_timestamp() + lease
    where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
      and i.id = any (item_ids);
    get diagnostics kept = row_count;
    return kept;
end
$$;

-- Puts items back into the queue, or ends them as cancelled. The entry of a continuous queue gives way if a newer one
-- for its subject waits already, since one attempt serves both. Entries go back in the order in which `enqueue` takes
-- them, so that the two may wait for one another but never deadlock.
create or replace function work.requeue(organization uuid, item_ids uuid[], as_cancelled boolean)
returns void
language plpgsql set plan_cache_mode = force_custom_plan
as $$
declare
    entry record;
begin
    update work.batch_item i
    set status = case when as_cancelled then 'cancelled' else 'pending' end,
        lease_token = null, lease_expires_at = null,
        finished_at = case when as_cancelled then clock_timestamp() end
    where i.organization_id = organization and i.id = any (item_ids) and i.job_id is not null;

    for entry in
        select i.id from work.batch_item i
        where i.organization_id = organization and i.id = any (item_ids) and i.job_id is null
        order by i.kind, i.subject_id, i.id desc
    loop
        begin
            update work.batch_item i set status = 'pending', lease_token = null, lease_expires_at = null
            where i.organization_id = organization and i.id = entry.id;
        exception when unique_violation then
            update work.batch_item i
            set status = 'skipped', lease_token = null, lease_expires_at = null, finished_at = clock_timestamp(),
                error_code = 'SUPERSEDED', error_message = 'A newer entry for the same subject takes its place.'
            where i.organization_id = organization and i.id = entry.id;
        end;
    end loop;
end
$$;

-- Records outcomes: {item id: {"status": succeeded|skipped|failed, "result", "error_code", "error_message", "retry"}}.
-- Returns the items that were still held under the lease, with the status they have now. If these are fewer than the
-- outcomes, the caller has lost the lease and must roll back.
--
-- The outcome of an item is looked up by its key instead of joined: while the table has no statistics yet, the planner
-- expects one item under the lease and would compare each item with each outcome.
create or replace function work.finish_items(token uuid, outcomes jsonb)
returns table (id uuid, status text)
language plpgsql set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    organization constant uuid := current_setting('app.organization_id')::uuid;
    job constant uuid := (select i.job_id from work.batch_item i
                          where i.organization_id = organization and i.status = 'processing'
                            and i.lease_token = token limit 1);
    job_status constant text := work.lock_job(organization, job);
    again uuid[];
    ended uuid[];
    statuses text[];
begin
    -- Failures that may be tried again wait for their next attempt.
    with retried as (
        update work.batch_item i
        set error_code = outcomes -> i.id::text ->> 'error_code',
            error_message = outcomes -> i.id::text ->> 'error_message',
            available_at = clock_timestamp() + work.pause_after(i.attempts)
        where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
          and (outcomes -> i.id::text -> 'retry')::boolean and i.attempts < i.max_attempts
        returning i.id
    )
    select coalesce(array_agg(retried.id), '{}') into again from retried;
    if cardinality(again) > 0 then
        perform work.requeue(organization, again, job_status is not distinct from 'cancelled');
    end if;

    with finished as (
        update work.batch_item i
        set status = outcomes -> i.id::text ->> 'status',
            result = nullif(outcomes -> i.id::text -> 'result', 'null'),
            error_code = outcomes -> i.id::text ->> 'error_code',
            error_message = outcomes -> i.id::text ->> 'error_message',
            lease_token = null, lease_expires_at = null, finished_at = clock_timestamp()
        where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
          and outcomes ? i.id::text
        returning i.id, i.status
    ), requeued as (
        select i.id, i.status from work.batch_item i where i.organization_id = organization and i.id = any (again)
    )
    select array_agg(o.id), array_agg(o.status) into ended, statuses
    from (select * from finished union all select * from requeued) o;

    if job is not null then
        perform work.count_on_job(
            organization, job,
            count(*) filter (where s = 'succeeded'), count(*) filter (where s = 'failed'),
            count(*) filter (where s = 'skipped'), count(*) filter (where s = 'cancelled'),
            (select min((o ->> 'error_code') || ': ' || (o ->> 'error_message'))
             from jsonb_path_query(outcomes, '$.* ? (@.status == "failed")') o))
        from unnest(statuses) s;
    end if;
    return query select * from unnest(ended, statuses);
end
$$;

-- Gives back what is still held under a lease, as if it had never been claimed; returns how many items that were.
create or replace function work.release_items(token uuid)
returns bigint
language plpgsql set plan_cache_mode = force_custom_plan
as $$
declare
    organization constant uuid := current_setting('app.organization_id')::uuid;
    job constant uuid := (select i.job_id from work.batch_item i
                          where i.organization_id = organization and i.status = 'processing'
                            and i.lease_token = token limit 1);
    job_status constant text := work.lock_job(organization, job);
    held uuid[];
begin
    with given_back as (
        update work.batch_item i set attempts = i.attempts - 1
        where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
        returning i.id
    )
    select coalesce(array_agg(g.id), '{}') into held from given_back g;
    perform work.requeue(organization, held, job_status is not distinct from 'cancelled');
    if job_status = 'cancelled' then
        perform work.count_on_job(organization, job, 0, 0, 0, cardinality(held), null);
    end if;
    return cardinality(held);
end
$$;

-- Takes items from processes that died: their lease ran out. They come back to be claimed alone, so that an item that
-- kills its process takes nobody with it, and fail with WORKER_DIED once their attempts are used up.
-- It works within the organization in scope; for cleanup_stuck_batch_jobs, which sees all of them, in all.
create or replace function work.return_expired_items(wanted_kind text default null)
returns table (returned bigint, failed bigint, cancelled bigint)
language plpgsql set plan_cache_mode = force_custom_plan
as $$
declare
    part record;
    job_status text;
    expired uuid[];
    used_up uuid[];
begin
    returned := 0; failed := 0; cancelled := 0;
    for part in
        select distinct i.organization_id, i.job_id from work.batch_item i
        where i.status = 'processing' and i.lease_expires_at <= now()
          and (wanted_kind is null or i.kind = wanted_kind)
        order by i.organization_id, i.job_id
    loop
        job_status := work.lock_job(part.organization_id, part.job_id);
        with locked as materialized (
            select i.id from work.batch_item i
            where i.organization_id = part.organization_id and i.job_id is not distinct from part.job_id
              and i.status = 'processing' and i.lease_expires_at <= now()
              and (wanted_kind is null or i.kind = wanted_kind)
            for no key update skip locked
        )
        select coalesce(array_agg(locked.id), '{}') into expired from locked;

        with dead as (
            update work.batch_item i
            set claim_alone = true, available_at = now(), error_code = 'WORKER_DIED',
                error_message = format('The process ended without finishing this item (attempt %s of %s).',
                                       i.attempts, i.max_attempts),
                status = case when i.attempts >= i.max_attempts then 'failed' else i.status end,
                lease_token = case when i.attempts < i.max_attempts then i.lease_token end,
                lease_expires_at = case when i.attempts < i.max_attempts then i.lease_expires_at end,
                finished_at = case when i.attempts >= i.max_attempts then clock_timestamp() end
            where i.organization_id = part.organization_id and i.id = any (expired)
            returning i.id, i.status
        )
        select coalesce(array_agg(dead.id) filter (where dead.status = 'failed'), '{}'),
               coalesce(array_agg(dead.id) filter (where dead.status <> 'failed'), '{}')
        into used_up, expired from dead;

        perform work.requeue(part.organization_id, expired, job_status is not distinct from 'cancelled');
        failed := failed + cardinality(used_up);
        if job_status = 'cancelled' then
            cancelled := cancelled + cardinality(expired);
        else
            returned := returned + cardinality(expired);
        end if;
        if part.job_id is not null and (cardinality(used_up) > 0 or job_status = 'cancelled') then
            perform work.count_on_job(
                part.organization_id, part.job_id, 0, cardinality(used_up), 0,
                case when job_status = 'cancelled' then cardinality(expired) else 0 end,
                case when cardinality(used_up) > 0
                     then 'WORKER_DIED: The process ended without finishing an item.' end);
        end if;
    end loop;
    return next;
end
$$;
