-- For those who watch all organizations: which warm workers there are, and how many organizations rest.

set local role invoice_pipelines_overview;

-- Notes that a warm worker takes runs of these lanes. Those that said nothing for a day are forgotten.
create or replace function work.note_worker(worker_id text, worker_lanes text[], worker_processes integer)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into work.worker as w (id, lanes, processes) values (worker_id, worker_lanes, worker_processes)
    on conflict (id) do update
    set lanes = excluded.lanes, processes = excluded.processes, seen_at = clock_timestamp();
    delete from work.worker w where w.seen_at < clock_timestamp() - interval '1 day'
$$;
revoke all on function work.note_worker(text, text[], integer) from public;
grant execute on function work.note_worker(text, text[], integer) to invoice_pipelines_app;

create or replace function work.forget_worker(worker_id text)
returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    delete from work.worker w where w.id = worker_id
$$;
revoke all on function work.forget_worker(text) from public;
grant execute on function work.forget_worker(text) to invoice_pipelines_app;

create or replace function work.workers()
returns table (lanes text[], processes integer, seconds_silent numeric)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select w.lanes, w.processes, extract(epoch from clock_timestamp() - w.seen_at) from work.worker w order by w.id
$$;
revoke all on function work.workers() from public;
grant execute on function work.workers() to invoice_pipelines_app;

-- How many organizations rest after failed runs of a kind. There is a row for each organization and kind, and no more.
create or replace function work.resting()
returns table (kind text, organizations bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select t.kind, count(*) filter (where t.rests_until > now()) from work.turn t group by t.kind order by t.kind
$$;
revoke all on function work.resting() from public;
grant execute on function work.resting() to invoice_pipelines_app;

set local role invoice_pipelines_owner;
