-- What sensors know of the runs of all organizations: when the last one of a kind ended, and which rest after failures.

-- Notes that whoever makes work in this transaction asks for a run of the organization in scope as soon as it is
-- committed, so that no sensor does `within` that time. False where nobody should: after failures it rests, and a new
-- organization has no partition yet.
create or replace function work.expect_run(run_kind text, within interval)
returns boolean
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    last record;
begin
    select t.asked_until, t.rests_until into last from work.turn t
    where t.organization_id = organization and t.kind = run_kind;
    if last.rests_until > clock_timestamp() or not exists (
        select from organizations.organization o
        where o.id = organization and o.created_at < clock_timestamp() - interval '30 seconds') then
        return false;
    end if;
    -- Those who make work at the same time wait for one another here, so only now and then.
    if last.asked_until is null or last.asked_until < clock_timestamp() + within / 2 then
        insert into work.turn as t (organization_id, kind, asked_until)
        values (organization, run_kind, clock_timestamp() + within)
        on conflict (organization_id, kind) do update set asked_until = excluded.asked_until;
    end if;
    return true;
end
$$;

set local role invoice_pipelines_overview;

create or replace function work.turns(run_kind text, organization_ids uuid[])
returns table (organization_id uuid, ended_at timestamptz, rests boolean, asked boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select t.organization_id, t.ended_at, coalesce(t.rests_until > clock_timestamp(), false),
           coalesce(t.asked_until > clock_timestamp(), false)
    from work.turn t where t.kind = run_kind and t.organization_id = any (organization_ids)
$$;
revoke all on function work.turns(text, uuid[]) from public;
grant execute on function work.turns(text, uuid[]) to invoice_pipelines_app;

create or replace function work.newest_turn(run_kind text)
returns timestamptz
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select max(t.ended_at) from work.turn t where t.kind = run_kind
$$;
revoke all on function work.newest_turn(text) from public;
grant execute on function work.newest_turn(text) to invoice_pipelines_app;

-- Notes ends of runs, given as parallel arrays with the oldest first; one that is known already changes nothing, as do
-- older ones. `failed` is null where a run died without a word of this organization: it had its turn, and nothing is
-- known of it. After a failure it rests for `rest`, twice as long after each further one, up to `longest` times as long.
create or replace function work.record_turns(
    run_kind text, organization_ids uuid[], ends timestamptz[], failed boolean[], rest interval, longest integer
) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    ended record;
begin
    for ended in
        select u.organization_id, u.at, u.has_failed
        from unnest(organization_ids, ends, failed) with ordinality as u (organization_id, at, has_failed, place)
        order by u.place
    loop
        insert into work.turn as t (organization_id, kind, ended_at, failures, rests_until)
        values (ended.organization_id, run_kind, ended.at, coalesce(ended.has_failed, false)::integer,
                case when ended.has_failed then ended.at + rest end)
        on conflict (organization_id, kind) do update
        set ended_at = ended.at,
            failures = case when ended.has_failed then t.failures + 1
                            when ended.has_failed is null then t.failures else 0 end,
            rests_until = case when ended.has_failed then ended.at + rest * least(2 ^ least(t.failures, 20), longest)
                               when ended.has_failed is null then t.rests_until end
        -- Records of runs tell the time in another precision.
        where t.ended_at is null or ended.at > t.ended_at + interval '1 millisecond';
    end loop;
end
$$;
revoke all on function work.record_turns(text, uuid[], timestamptz[], boolean[], interval, integer) from public;
grant execute on function work.record_turns(text, uuid[], timestamptz[], boolean[], interval, integer)
    to invoice_pipelines_app;
