-- How often requests may come: the generic cell rate algorithm (ITU-T I.371), with the quota of a whole minute as burst.
--
-- A key is the hash of a credential's hash, or of an address. What is kept for it is the moment from which on all of its
-- quota is there again; a request moves it on by its share of the minute, and is refused where it would then lie more
-- than a minute ahead. The address comes after the credential in each call, so that no two calls wait for each other.

create or replace function web.take_one_turn(wanted uuid, quota integer)
returns timestamptz
language sql
as $$
    insert into web.rate as r (key, full_at)
    values (wanted, clock_timestamp() + interval '1 minute' / quota)
    on conflict (key) do update
    set full_at = greatest(r.full_at, clock_timestamp()) + interval '1 minute' / quota
    where r.full_at + interval '1 minute' / quota <= clock_timestamp() + interval '1 minute'
    returning r.full_at
$$;

set local role invoice_pipelines_overview;

-- Takes a turn of a credential and of an address, as far as they have a quota. `wait_seconds` is 0 where both had one.
create or replace function web.take_turn(
    credential uuid, quota integer, address uuid, address_quota integer,
    out turns_left integer, out full_in_seconds numeric, out wait_seconds numeric)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    full_at timestamptz;
    refused uuid;
    refused_quota integer;
begin
    turns_left := quota;
    full_in_seconds := 0;
    wait_seconds := 0;
    if quota > 0 then
        full_at := web.take_one_turn(credential, quota);
        if full_at is null then
            refused := credential;
            refused_quota := quota;
        end if;
    end if;
    if refused is null and address_quota > 0 and web.take_one_turn(address, address_quota) is null then
        refused := address;
        refused_quota := address_quota;
    end if;
    if refused is not null then
        select greatest(extract(epoch from r.full_at - clock_timestamp()) - 60 + 60.0 / refused_quota, 0.001)
        into wait_seconds from web.rate r where r.key = refused;
    end if;
    if refused = credential then
        select r.full_at into full_at from web.rate r where r.key = credential;
    end if;
    if full_at is not null then
        full_in_seconds := greatest(extract(epoch from full_at - clock_timestamp()), 0);
        turns_left := greatest(floor((60 - full_in_seconds) * quota / 60), 0);
    end if;
    if random() < 0.001 then  -- keys that have all of their quota say nothing
        delete from web.rate r using (
            select key from web.rate where rate.full_at < clock_timestamp() - interval '1 minute'
            limit 5000 for update skip locked) old
        where r.key = old.key;
    end if;
end
$$;

revoke all on function web.take_turn(uuid, integer, uuid, integer) from public;
grant execute on function web.take_turn(uuid, integer, uuid, integer) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
