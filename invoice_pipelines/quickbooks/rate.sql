-- When a call may be made to a company: turns are given in order, to all processes together, and kept in quickbooks.rate.
--
-- A turn is a moment, often one that lies ahead: who asks is told when, sleeps without a transaction, and calls then.
-- So the state survives whoever keeps to it, and a process that dies while it sleeps leaves its turn unused, no more.
-- A crash of PostgreSQL may lose the turns of its last half second, hence no wait for the disk.

-- The first moment not before `from_moment` at which one more call fits: no `most` + 1 calls within a window, be they
-- behind it or ahead of it, as turns that lie far ahead (of batches) must not hold up those that are free before them.
create or replace function quickbooks.first_fit(
    from_moment timestamptz, turns timestamptz[], most integer, length interval
) returns timestamptz
language plpgsql immutable
as $$
declare
    given constant integer := cardinality(turns);
    fit timestamptz := from_moment;
    behind integer := given;
    clash timestamptz;
begin
    -- Turns are in order, and few of them lie ahead: counted from the end.
    while behind > 0 and turns[behind] > fit loop
        behind := behind - 1;
    end loop;
    loop
        while behind < given and turns[behind + 1] <= fit loop
            behind := behind + 1;
        end loop;
        if behind >= most and turns[behind - most + 1] + length > fit then
            fit := turns[behind - most + 1] + length;
            continue;
        end if;
        clash := null;
        for edge in greatest(1, behind - most + 2) .. least(behind + 1, given - most + 1) loop
            -- With one more between them these would be too many: it comes after the last of them.
            if turns[edge + most - 1] - (case when edge > behind then fit else turns[edge] end) < length then
                clash := turns[edge + most - 1];
                exit;
            end if;
        end loop;
        exit when clash is null;
        fit := clash;
    end loop;
    return fit;
end
$$;

-- Turns after a moment, without one that is given back.
create or replace function quickbooks.still_counting(turns timestamptz[], after timestamptz, without timestamptz)
returns timestamptz[]
language plpgsql immutable
as $$
declare
    first integer := 1;
begin
    if without is not null then
        turns := array_remove(turns, without);
    end if;
    while turns[first] <= after loop
        first := first + 1;
    end loop;
    return turns[first :];
end
$$;

-- Turns with one more, in order.
create or replace function quickbooks.with_turn(turns timestamptz[], added timestamptz)
returns timestamptz[]
language plpgsql immutable
as $$
declare
    behind integer := cardinality(turns);
begin
    while behind > 0 and turns[behind] > added loop
        behind := behind - 1;
    end loop;
    return turns[: behind] || added || turns[behind + 1 :];
end
$$;

-- A turn to call the company of the organization in scope, in `wait_seconds` from now. No turn (null) where it would be
-- later than longest_wait, or the company is not connected, is another one, or is paused for longer than longest_pause.
-- `instead_of` is a turn that was missed or not used, and is given back.
create or replace function quickbooks.take_turn(
    realm text, is_batch boolean, per_minute integer, per_second integer, batches_per_minute integer,
    minute interval, second interval, longest_wait interval, longest_pause interval, instead_of timestamptz
) returns table (turn timestamptz, wait_seconds double precision, connected_realm text, status text,
                 status_reason text, paused_until timestamptz, paused_reason text)
language plpgsql
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
    -- Variables of their own are opened once; a field of a record would be with each look at an element.
    given timestamptz[];
    given_batches timestamptz[];
    present timestamptz;
    fit timestamptz;
    tried timestamptz;
begin
    perform set_config('synchronous_commit', 'off', true);  -- of the transaction: the caller has it for this alone
    select r.calls, r.batches into given, given_batches from quickbooks.rate r
    where r.organization_id = organization and r.realm_id = realm for no key update;
    if not found then
        insert into quickbooks.rate (organization_id, realm_id) values (organization, realm) on conflict do nothing;
        select r.calls, r.batches into given, given_batches from quickbooks.rate r
        where r.organization_id = organization and r.realm_id = realm for no key update;
    end if;
    -- Read after the lock, so that a pause that was just made is seen.
    select c.realm_id, c.status, c.status_reason, c.paused_until, c.paused_reason
    into connected_realm, status, status_reason, paused_until, paused_reason
    from quickbooks.connection c where c.organization_id = organization;
    present := clock_timestamp();
    if connected_realm is distinct from realm or status <> 'connected' or paused_until > present + longest_pause then
        return next;
        return;
    end if;

    given := quickbooks.still_counting(given, present - minute, instead_of);
    given_batches := quickbooks.still_counting(given_batches, present - minute, instead_of);
    fit := greatest(present, paused_until);
    loop
        tried := fit;
        fit := quickbooks.first_fit(fit, given, per_minute, minute);
        fit := quickbooks.first_fit(fit, given, per_second, second);
        if is_batch then
            fit := quickbooks.first_fit(fit, given_batches, batches_per_minute, minute);
            -- Spread over a sixth of their minute, which costs nothing: the limit per second is then never near.
            fit := quickbooks.first_fit(fit, given_batches, 1, minute / (6 * batches_per_minute));
        end if;
        exit when fit = tried;
    end loop;

    wait_seconds := extract(epoch from fit - present);
    if fit <= present + longest_wait then
        turn := fit;
        update quickbooks.rate r
        set calls = quickbooks.with_turn(given, fit),
            batches = case when is_batch then quickbooks.with_turn(given_batches, fit) else given_batches end
        where r.organization_id = organization and r.realm_id = realm;
    end if;
    return next;
end
$$;

-- Takes one of so many places for calls under way to a company; false if all are taken. It belongs to the transaction, and
-- so is free again when its process dies.
create or replace function quickbooks.take_place(realm text, places integer)
returns boolean
language plpgsql
as $$
begin
    for place in 1 .. places loop
        if pg_try_advisory_xact_lock(hashtextextended('quickbooks place ' || realm || ' ' || place, 0)) then
            return true;
        end if;
    end loop;
    return false;
end
$$;
