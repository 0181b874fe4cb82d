-- When a message may go out: turns are given in order, to all processes together, evenly spaced (the generic cell rate
-- algorithm without bursts, ITU-T I.371).
--
-- A turn is a moment that often lies ahead: who asks is told when, sleeps without a transaction, and sends then. A turn
-- of a process that dies is lost, no more. After a crash of PostgreSQL the last turns may be given again, hence no wait
-- for the disk.

-- Takes the next turn of a channel of the organization in scope; how many seconds it lies ahead.
create or replace function delivery.take_turn(wanted_channel text, spacing interval)
returns double precision
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    present timestamptz;
    turn timestamptz;
begin
    perform set_config('synchronous_commit', 'off', true);  -- of the transaction: the caller has it for this alone
    insert into delivery.send_turn (organization_id, channel, next_at)
    values (organization, wanted_channel, '-infinity') on conflict (organization_id, channel) do nothing;
    select t.next_at into turn from delivery.send_turn t
    where t.organization_id = organization and t.channel = wanted_channel for no key update;
    present := clock_timestamp();  -- read after the lock
    turn := greatest(turn, present);
    update delivery.send_turn t set next_at = turn + spacing
    where t.organization_id = organization and t.channel = wanted_channel;
    return extract(epoch from turn - present);
end
$$;
