-- The life of a batch item: claimed under a lease, kept, finished, given back, taken from a dead process.
-- See jobs.sql for the order of locks, and for how plans are kept right.

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
-- There is one way to do it: without sorting, only the index of what is due gives the items in this order, and those
-- picked are written through the primary key (none is inserted, as all of them are there and locked).
create or replace function work.claim_items(
    wanted_kind text, chunk_size integer, lease interval, attempts_allowed integer
) returns table (id uuid, subject_id text, attempts integer, job_id uuid, lease_token uuid)
language plpgsql set plan_cache_mode = force_custom_plan
    set enable_sort = off
-- demanded by test_very_many_finished_items_do_not_slow_a_claim
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
    token constant uuid := gen_random_uuid();
    taken record;
    job_status text;
begin
    loop
        with due as materialized (
            select i.id, i.job_id, i.subject_id, i.claim_alone, i.available_at
            from work.batch_item i
            where i.organization_id = organization and i.kind = wanted_kind
              and i.status = 'pending' and i.available_at <= now()
            order by i.available_at, i.id
            limit chunk_size
            for no key update skip locked
        ), first as materialized (
            select * from due order by available_at, id limit 1
        ), claimed as (
            insert into work.batch_item as i (organization_id, id, kind, subject_id)
            select organization, due.id, wanted_kind, due.subject_id
            from due, first
            where due.job_id is not distinct from first.job_id
              and (due.id = first.id or not (due.claim_alone or first.claim_alone))
            on conflict (organization_id, id) do update
            set status = 'processing', attempts = i.attempts + 1, max_attempts = attempts_allowed,
                lease_token = token, lease_expires_at = clock_timestamp() + lease
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
        exit when job_status in ('pending', 'processing');

        -- The job was cancelled while these were locked and so passed over, or a hand ended it: they follow it.
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

-- Takes the entries that wait in the continuous queue for subjects whose items of a job are being worked on, under a
-- lease of their own, whether they are due or not: one attempt serves both.
create or replace function work.claim_entries(
    wanted_kind text, subjects text[], lease interval, attempts_allowed integer
) returns table (id uuid, subject_id text, attempts integer, job_id uuid, lease_token uuid)
language plpgsql
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
    token constant uuid := gen_random_uuid();
begin
    return query
        update work.batch_item i
        set status = 'processing', attempts = i.attempts + 1, max_attempts = attempts_allowed,
            lease_token = token, lease_expires_at = clock_timestamp() + lease
        from (select w.id from work.few(subjects) k
              cross join lateral (select w.id from work.batch_item w
                                  where w.organization_id = organization and w.kind = wanted_kind
                                    and w.subject_id = k.element and w.status = 'pending' and w.job_id is null
                                  for no key update skip locked) w) w
        where i.organization_id = organization and i.id = w.id
        returning i.id, i.subject_id, i.attempts, i.job_id, token;
end
$$;

-- Locks some items that are held under a lease, or all, by id, and returns their job. A lease may be extended while its
-- items are finished, and a claim that came too late may have one of them locked while it waits for their job: so items
-- are waited for in one order, and before their job. The order is one that no index has, or the planner might take the
-- primary key for it and read the whole queue.
create or replace function work.lock_leased(organization uuid, token uuid, item_ids uuid[] default null)
returns uuid
language plpgsql
as $$
begin
    return (select (array_agg(l.job_id))[1]
            from (select i.job_id from work.batch_item i
                  where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
                    and (item_ids is null or i.id = any (item_ids))
                  order by i.id::text for no key update) l);
end
$$;

-- Lets a lease run for another while from now; returns how many of the items are still held under it.
create or replace function work.extend_lease(token uuid, item_ids uuid[], lease interval)
returns bigint
language plpgsql set plan_cache_mode = force_custom_plan
-- demanded by test_a_session_that_found_nothing_to_do_reads_no_long_queue_in_full
as $$
declare
    organization constant uuid := organizations.current();
    held cursor for
        select from work.batch_item i
        where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
          and i.id = any (item_ids)
        order by i.id::text for no key update;
    kept bigint := 0;
begin
    -- Row by row, as they are once they are locked: somebody else may be extending the same lease, and one statement
    -- would not see what it has waited for.
    for item in held loop
        update work.batch_item i set lease_expires_at = clock_timestamp() + lease where current of held;
        kept := kept + 1;
    end loop;
    return kept;
end
$$;

-- Puts all that is held under a lease back into the queue, or ends it as cancelled; returns the items with the status
-- they have now. The entry of a continuous queue gives way if a newer one for its subject waits already, since one
-- attempt serves both. Entries go back in the order in which `enqueue` takes them, so that the two may wait for one
-- another but never deadlock.
create or replace function work.requeue(organization uuid, token uuid, as_cancelled boolean)
returns table (id uuid, status text)
language plpgsql set plan_cache_mode = force_custom_plan
-- demanded by test_a_session_that_found_nothing_to_do_reads_no_long_queue_in_full
as $$
#variable_conflict use_column
declare
    entries cursor for
        select from work.batch_item i
        where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
          and i.job_id is null
        order by i.kind, i.subject_id, i.id desc
        for no key update;
begin
    return query
        update work.batch_item i
        set status = case when as_cancelled then 'cancelled' else 'pending' end,
            lease_token = null, lease_expires_at = null,
            finished_at = case when as_cancelled then clock_timestamp() end
        where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
          and i.job_id is not null
        returning i.id, i.status;

    for entry in entries loop
        begin
            update work.batch_item i set status = 'pending', lease_token = null, lease_expires_at = null
            where current of entries
            returning i.id, i.status into id, status;
        exception when unique_violation then
            update work.batch_item i
            set status = 'skipped', lease_token = null, lease_expires_at = null, finished_at = clock_timestamp(),
                error_code = 'SUPERSEDED', error_message = 'A newer entry for the same subject takes its place.'
            where current of entries
            returning i.id, i.status into id, status;
        end;
        return next;
    end loop;
end
$$;

-- Records outcomes: {item id: {"status": succeeded|skipped|failed, "result", "error_code", "error_message", "retry"}}.
-- With "available_at" an item is put off until then, which was no attempt.
-- Returns the items that were still held under the lease, with the status they have now. If these are fewer than the
-- outcomes, the caller has lost the lease and must roll back.
--
-- The outcome of an item is looked up by its key instead of joined: while the table has no statistics yet, the planner
-- expects one item under the lease and would compare each item with each outcome.
create or replace function work.finish_items(token uuid, outcomes jsonb)
returns table (id uuid, status text)
language plpgsql set plan_cache_mode = force_custom_plan
-- demanded by test_a_session_that_found_nothing_to_do_reads_no_long_queue_in_full
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
    job constant uuid := work.lock_leased(
        organization, token, array(select o::uuid from jsonb_object_keys(outcomes) o));
    job_status constant text := work.lock_job(organization, job);
    again constant uuid := gen_random_uuid();
    ended uuid[];
    statuses text[];
begin
    -- What is tried again waits for its next attempt, or until the time that was said. A lease of its own sets it apart
    -- until then.
    update work.batch_item i
    set error_code = outcomes -> i.id::text ->> 'error_code',
        error_message = outcomes -> i.id::text ->> 'error_message',
        available_at = coalesce((outcomes -> i.id::text ->> 'available_at')::timestamptz,
                                clock_timestamp() + work.pause_after(i.attempts)),
        attempts = i.attempts - (outcomes -> i.id::text ? 'available_at')::integer,
        lease_token = again
    where i.organization_id = organization and i.status = 'processing' and i.lease_token = token
      and (outcomes -> i.id::text -> 'retry')::boolean
      and (i.attempts < i.max_attempts or outcomes -> i.id::text ? 'available_at');
    if found then
        select array_agg(r.id), array_agg(r.status) into ended, statuses
        from work.requeue(organization, again, job_status is not distinct from 'cancelled') r;
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
    )
    select ended || array_agg(f.id), statuses || array_agg(f.status) into ended, statuses from finished f;

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
-- demanded by test_a_session_that_found_nothing_to_do_reads_no_long_queue_in_full
as $$
declare
    organization constant uuid := organizations.current();
    job constant uuid := work.lock_leased(organization, token);
    job_status constant text := work.lock_job(organization, job);
    held bigint;
begin
    update work.batch_item i set attempts = i.attempts - 1
    where i.organization_id = organization and i.status = 'processing' and i.lease_token = token;
    get diagnostics held = row_count;
    perform work.requeue(organization, token, job_status is not distinct from 'cancelled');
    if job_status = 'cancelled' then
        perform work.count_on_job(organization, job, 0, 0, 0, held, null);
    end if;
    return held;
end
$$;

-- Takes items from processes that died: their lease ran out. They come back to be claimed alone, so that an item that
-- kills its process takes nobody with it, and fail with WORKER_DIED once their attempts are used up.
-- It works within the organization in scope; for cleanup_stuck_batch_jobs, which sees all of them, in all. It locks one
-- job after the other, so it waits for none: what is of a job that somebody else has locked is left to the next time.
create or replace function work.return_expired_items(wanted_kind text default null)
returns table (returned bigint, failed bigint, cancelled bigint)
language plpgsql set plan_cache_mode = force_custom_plan set enable_sort = off
-- demanded by test_a_session_that_found_nothing_to_do_reads_no_long_queue_in_full
as $$
declare
    expired cursor (organization uuid, tokens uuid[]) for
        select i.attempts >= i.max_attempts as used_up from work.batch_item i
        where i.organization_id = organization and i.status = 'processing'
          and i.lease_token = any (tokens) and i.lease_expires_at <= now()
        order by i.lease_token
        for no key update skip locked;
    part record;
    job_status text;
    again uuid;
    used_up bigint;
    others bigint;
begin
    returned := 0; failed := 0; cancelled := 0;
    for part in
        with leased as materialized (
            select i.organization_id, i.job_id, i.lease_token from work.batch_item i
            where i.status = 'processing' and i.lease_expires_at <= now()
              and (wanted_kind is null or i.kind = wanted_kind)
            order by i.organization_id, i.lease_token
        )
        select l.organization_id, l.job_id, array_agg(distinct l.lease_token) as tokens
        from leased l group by l.organization_id, l.job_id
        order by l.organization_id, l.job_id
    loop
        select j.status into job_status from work.batch_job j
        where j.organization_id = part.organization_id and j.id = part.job_id for no key update skip locked;
        continue when not found and part.job_id is not null;
        again := gen_random_uuid();
        used_up := 0; others := 0;
        for item in expired (part.organization_id, part.tokens) loop
            update work.batch_item i
            set claim_alone = true, available_at = now(), error_code = 'WORKER_DIED',
                error_message = format('The process ended without finishing this item (attempt %s of %s).',
                                       i.attempts, i.max_attempts),
                status = case when item.used_up then 'failed' else i.status end,
                lease_token = case when not item.used_up then again end,
                lease_expires_at = case when not item.used_up then i.lease_expires_at end,
                finished_at = case when item.used_up then clock_timestamp() end
            where current of expired;
            if item.used_up then
                used_up := used_up + 1;
            else
                others := others + 1;
            end if;
        end loop;

        perform work.requeue(part.organization_id, again, job_status is not distinct from 'cancelled');
        failed := failed + used_up;
        if job_status = 'cancelled' then
            cancelled := cancelled + others;
        else
            returned := returned + others;
        end if;
        if part.job_id is not null and (used_up > 0 or job_status = 'cancelled') then
            perform work.count_on_job(
                part.organization_id, part.job_id, 0, used_up, 0,
                case when job_status = 'cancelled' then others else 0 end,
                case when used_up > 0 then 'WORKER_DIED: The process ended without finishing an item.' end);
        end if;
    end loop;
    return next;
end
$$;

-- Items of a kind that wait for one of these reasons are due at once, `ahead` of all that came after them; of some
-- subjects, or of all. Returns how many.
create or replace function work.make_due(
    item_kind text, codes text[], subjects text[] default null, ahead boolean default false
)
returns bigint
language plpgsql set enable_sort = off
-- demanded by test_the_cost_of_a_chunk_does_not_depend_on_when_statistics_were_collected
as $$
declare
    organization constant uuid := organizations.current();
    woken bigint;
begin
    update work.batch_item i set available_at = case when ahead then i.created_at else clock_timestamp() end
    from work.few(array(
        select w.ctid from work.batch_item w
        where w.organization_id = organization and w.kind = item_kind and w.status = 'pending'
          and w.available_at > now()  -- by the index; the clock moves on, and cannot be looked up
          and w.available_at > clock_timestamp() and w.error_code = any (codes)
          and (subjects is null or w.subject_id = any (subjects))
        order by w.available_at, w.id
        for no key update skip locked)) k
    where i.ctid = k.element and i.organization_id = organization;
    get diagnostics woken = row_count;
    return woken;
end
$$;

-- Entries of the continuous queue of some subjects are due no sooner than one moment, and no later than another.
create or replace function work.move_entries(
    item_kind text, subjects text[], no_sooner timestamptz default null, no_later timestamptz default null
)
returns void
language plpgsql
-- demanded by test_the_cost_of_a_chunk_does_not_depend_on_when_statistics_were_collected
as $$
declare
    organization constant uuid := organizations.current();
begin
    update work.batch_item i set available_at = least(greatest(i.available_at, no_sooner), no_later)
    from work.few(array(
        select w.version from work.few(subjects) k
        cross join lateral (select w.ctid as version from work.batch_item w
                            where w.organization_id = organization and w.kind = item_kind
                              and w.subject_id = k.element and w.status = 'pending' and w.job_id is null
                            for no key update skip locked) w)) k
    where i.ctid = k.element and i.organization_id = organization;
end
$$;

-- A batch job leads over what waits in the continuous queue for the same subjects, so that the two are not worked on side
-- by side. Whoever takes an item of the job takes the entry with it; if the job is cancelled, the entry comes up later.
create or replace function work.let_job_lead(item_kind text, subjects text[])
returns void
language sql
as $$
    select work.move_entries(item_kind, subjects, no_sooner => clock_timestamp() + interval '1 hour')
$$;
