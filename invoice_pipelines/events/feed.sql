-- The order of events, and up to where it is settled.
--
-- Events are read in the order of the transactions that added them, and no further than to the oldest transaction that is
-- still under way: it may yet add events that come before others which are there already. What a reader has read, nothing
-- comes before any more. A transaction that takes long, of whatever, holds back the events of all that began after it.
--
-- A database that was restored from a dump has events of another server, whose transactions may have had higher numbers
-- than those of this one. Its new events come after those all the same: positions are shifted.

-- Where in the feed of an organization the events come that this transaction adds.
create or replace function events.position(organization uuid)
returns bigint
language plpgsql set enable_sort = off
-- demanded by test_the_place_of_an_event_is_one_look_up_also_by_a_plan_of_an_empty_table
as $$
declare
    own constant bigint := pg_current_xact_id()::text::bigint;
    found_now record;
begin
    -- One statement, and so one snapshot: between two, others may add events, or shift. What it sees of this server's
    -- events is below `next_here`.
    select coalesce((select max(s.shift) from events.shift s where s.organization_id = organization), 0) as shift,
           (select e.position from events.event e where e.organization_id = organization
            order by e.position desc limit 1) as newest,
           greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, own + 1) as next_here
    into found_now;
    if found_now.newest >= found_now.next_here + found_now.shift then
        found_now.shift := found_now.newest + 1;
        insert into events.shift (organization_id, shift) values (organization, found_now.shift)
        on conflict do nothing;
    end if;
    return own + found_now.shift;
end
$$;
grant execute on function events.position(uuid) to invoice_pipelines_recorder;

-- Up to where the feed of an organization is settled: what lies below `settled` may be read, and so may what comes from
-- another server and was not followed by anything yet.
create or replace function events.horizon(
    organization uuid, out settled bigint, out foreign_from bigint
)
language sql stable
as $$
    select pg_snapshot_xmin(now.snapshot)::text::bigint + now.shift,
           greatest(pg_snapshot_xmax(now.snapshot)::text::bigint,
                    coalesce(pg_current_xact_id_if_assigned()::text::bigint + 1, 0)) + now.shift
    from (select pg_current_snapshot() as snapshot,
                 coalesce((select max(s.shift) from events.shift s where s.organization_id = organization), 0) as shift) now
$$;

-- Whether a type of event is among those that somebody wants: as it is, or as invoice.* for a group; none means all.
create or replace function events.is_wanted(wanted text[], type text)
returns boolean language sql immutable parallel safe
as $$
    select wanted = '{}' or type = any (wanted) or split_part(type, '.', 1) || '.*' = any (wanted)
$$;

-- Events of the organization in scope after a place in its feed, at most so many, of the wanted types; with how far the
-- feed is settled, also in the only row where there are none.
create or replace function events.read(after_position bigint, after_id uuid, types text[], page integer)
returns table (settled bigint, id uuid, type text, created_at timestamptz, subject_id uuid, data jsonb, place bigint)
language sql stable set enable_sort = off
-- demanded by test_a_page_of_the_feed_reads_its_own_rows_only
as $$
    select h.settled, e.id, e.type, e.created_at, e.subject_id, e.data, e.position
    from events.horizon(organizations.current()) h
    left join lateral (
        select e.* from events.event e
        where e.organization_id = organizations.current() and (e.position, e.id) > (after_position, after_id)
          and (e.position < h.settled or e.position >= h.foreign_from) and events.is_wanted(types, e.type)
        order by e.position, e.id limit page) e on true
    order by e.position, e.id
$$;

-- The same for the last ones.
create or replace function events.read_newest(types text[], page integer)
returns table (settled bigint, id uuid, type text, created_at timestamptz, subject_id uuid, data jsonb, place bigint)
language sql stable set enable_sort = off
-- demanded by test_a_page_of_the_feed_reads_its_own_rows_only
as $$
    select h.settled, e.id, e.type, e.created_at, e.subject_id, e.data, e.position
    from events.horizon(organizations.current()) h
    left join lateral (
        select e.* from events.event e
        where e.organization_id = organizations.current()
          and (e.position < h.settled or e.position >= h.foreign_from) and events.is_wanted(types, e.type)
        order by e.position desc, e.id desc limit page) e on true
    order by e.position, e.id
$$;
