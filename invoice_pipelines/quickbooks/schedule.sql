-- What looks across organizations for the sync: with which of them QuickBooks may be spoken to, and where a pull is due.
-- Both return ids and times only.
--
-- Plans do not depend on statistics (see work/chunks.sql): connections and pulls are one and four rows an organization,
-- and are looked up by their keys. Organizations are asked for by their key as well, once for each connection: a join with
-- statistics from before there were many reads all of them for each.

-- Organizations whose company is connected and is not left alone, as after too many calls or while it is locked.
set local role invoice_pipelines_overview;
create or replace function quickbooks.organizations_to_reach(moment timestamptz default now())
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select c.organization_id
    from quickbooks.connection c
    where c.status = 'connected' and (c.paused_until is null or c.paused_until <= moment)
      and (select o.removed_at is null from organizations.organization o where o.id = c.organization_id)
    order by c.organization_id
$$;
revoke all on function quickbooks.organizations_to_reach(timestamptz) from public;
grant execute on function quickbooks.organizations_to_reach(timestamptz) to invoice_pipelines_app;

-- How many connections stand how: `connected`, and so on; one that is left alone for a while counts as `paused`.
create or replace function quickbooks.connection_counts()
returns table (status text, connections bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select case when c.status = 'connected' and c.paused_until > now() then 'paused' else c.status end, count(*)
    from quickbooks.connection c
    where ((select organizations.current_or_none()) is null
           or c.organization_id = (select organizations.current_or_none()))
      and (select o.removed_at is null from organizations.organization o where o.id = c.organization_id)
    group by 1
    order by 1
$$;
revoke all on function quickbooks.connection_counts() from public;
grant execute on function quickbooks.connection_counts() to invoice_pipelines_app;

-- Organizations in whose time zone the hour at which something is pulled has passed since it was pulled last, the
-- longest waiting first; and those where a pull did not come to its end. `due_at` is when that hour was.
--
-- A day on which the clock skips or repeats the hour has it once all the same: the latest of today's and yesterday's
-- that is not to come counts. After a company was connected, its first hour is the next one.
create or replace function quickbooks.organizations_to_pull(
    pulled text, at_hour interval, moment timestamptz default now()
) returns table (organization_id uuid, due_at timestamptz, is_unfinished boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
-- demanded by test_asking_what_is_due_reads_each_of_thousands_of_connections_once
as $$
    select c.organization_id, d.due_at, coalesce(p.is_unfinished, false)
    from quickbooks.connection c
    cross join lateral (
        select o.time_zone from organizations.organization o
        where o.id = c.organization_id and o.removed_at is null offset 0) o
    cross join lateral (
        select max(h.due_at) as due_at
        from generate_series(0, 2) days_ago
        cross join lateral (
            select (date_trunc('day', moment at time zone o.time_zone) - make_interval(days => days_ago) + at_hour)
                   at time zone o.time_zone as due_at) h
        where h.due_at <= moment) d
    left join lateral (
        select p.started_at, p.finished_at,
               p.started_at is not null and (p.finished_at is null or p.finished_at < p.started_at) as is_unfinished
        from quickbooks.pull p
        where p.organization_id = c.organization_id and p.realm_id = c.realm_id and p.entity_type = pulled) p on true
    where c.status = 'connected' and (c.paused_until is null or c.paused_until <= moment)
      and (p.is_unfinished or coalesce(p.started_at, c.connected_at) < d.due_at)
    order by p.started_at nulls first, c.organization_id
$$;
revoke all on function quickbooks.organizations_to_pull(text, interval, timestamptz) from public;
grant execute on function quickbooks.organizations_to_pull(text, interval, timestamptz) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
