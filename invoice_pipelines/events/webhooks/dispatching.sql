-- From the feed to webhooks: each endpoint has a place in it, and what it wants of the events after that becomes a
-- delivery and an entry of the queue. That is done by whoever delivers, so that a change waits for none of it.
--
-- after: events/feed.sql
-- after: accounts/admission.sql

call accounts.admit_writes('events.webhook_endpoint', 3);
call accounts.admit_writes('events.webhook_secret', 3);
call accounts.admit_writes('events.webhook_delivery', 3);
call accounts.admit_writes('events.webhook_attempt', 3);
call accounts.hide_from_web('events.webhook_secret');

-- Reads on for each enabled endpoint of the organization in scope that nobody else reads on for, at most batch_size
-- events; returns how many were read. No more than none: all endpoints have come to the end of what is settled.
create or replace function events.dispatch(batch_size integer)
returns bigint
language plpgsql set enable_sort = off
-- demanded by test_what_endpoints_are_told_reads_its_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    endpoint record;
    found_now record;
    total bigint := 0;
begin
    for endpoint in
        select w.id, w.position, w.event_id, w.event_types from events.webhook_endpoint w
        where w.organization_id = organization and w.status = 'enabled' order by w.id for no key update skip locked
    loop
        with read as materialized (
            select e.position, e.id, e.type
            from events.horizon(organization) h
            cross join lateral (
                select e.position, e.id, e.type from events.event e
                where e.organization_id = organization and (e.position, e.id) > (endpoint.position, endpoint.event_id)
                  and (e.position < h.settled or e.position >= h.foreign_from)
                order by e.position, e.id limit batch_size) e
        ), added as (
            insert into events.webhook_delivery (organization_id, endpoint_id, position, event_id)
            select organization, endpoint.id, r.position, r.id from read r
            where events.is_wanted(endpoint.event_types, r.type) order by r.position, r.id
            on conflict (event_id, endpoint_id, organization_id) do nothing
            returning id
        )
        select count(*) as events, (select array_agg(a.id::text) from added a) as deliveries,
               (array_agg(r.position order by r.position desc, r.id desc))[1] as position,
               (array_agg(r.id order by r.position desc, r.id desc))[1] as event_id
        into found_now from read r;
        continue when found_now.events = 0;
        if found_now.deliveries is not null then
            perform work.enqueue('send_webhook', found_now.deliveries);
        end if;
        update events.webhook_endpoint w set position = found_now.position, event_id = found_now.event_id
        where w.organization_id = organization and w.id = endpoint.id;
        total := total + found_now.events;
    end loop;
    return total;
end
$$;

-- Lets an endpoint of the organization in scope be told of all events since a moment that it wants, also of those that
-- it was told of; returns how many.
create or replace function events.replay(endpoint uuid, since timestamptz)
returns bigint
language plpgsql
as $$
declare
    organization constant uuid := organizations.current();
    deliveries text[];
begin
    with wanted as (
        select e.position, e.id
        from events.webhook_endpoint w
        cross join events.horizon(organization) h
        join events.event e on e.organization_id = w.organization_id
        where w.organization_id = organization and w.id = endpoint and e.created_at >= since
          and (e.position < h.settled or e.position >= h.foreign_from) and events.is_wanted(w.event_types, e.type)
    ), again as (
        insert into events.webhook_delivery as d (organization_id, endpoint_id, position, event_id)
        select organization, endpoint, w.position, w.id from wanted w order by w.position, w.id
        on conflict (event_id, endpoint_id, organization_id) do update
        set status = 'pending', tries = 0, ended_at = null
        returning d.id
    )
    select array_agg(a.id::text) into deliveries from again a;
    perform events.send_now(deliveries);
    return coalesce(cardinality(deliveries), 0);
end
$$;

-- Puts deliveries into the queue, or those that wait there for their next attempt to its front.
create or replace function events.send_now(deliveries text[])
returns void
language plpgsql
as $$
begin
    if work.enqueue('send_webhook', deliveries) < cardinality(deliveries) then
        perform work.move_entries('send_webhook', deliveries, no_later => clock_timestamp());
    end if;
end
$$;

-- Organizations with an endpoint that has to be told of an event, or for which there is much to be passed over.
set local role invoice_pipelines_overview;
create or replace function events.organizations_to_dispatch(look_ahead integer)
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp set enable_sort = off
-- demanded by test_what_endpoints_are_told_reads_its_own_rows_only
as $$
    select distinct w.organization_id
    from events.webhook_endpoint w
    -- Most have nothing behind them, which one look-up finds.
    cross join lateral (select from events.event e
                        where e.organization_id = w.organization_id and (e.position, e.id) > (w.position, w.event_id)
                        order by e.position, e.id limit 1) anything
    cross join lateral events.horizon(w.organization_id) h
    cross join lateral (
        select count(*) as events, bool_or(events.is_wanted(w.event_types, e.type)) as is_wanted
        from (select e.type from events.event e
              where e.organization_id = w.organization_id and (e.position, e.id) > (w.position, w.event_id)
                and (e.position < h.settled or e.position >= h.foreign_from)
              order by e.position, e.id limit look_ahead) e) e
    where w.status = 'enabled' and (e.is_wanted or e.events = look_ahead)
$$;
revoke all on function events.organizations_to_dispatch(integer) from public;
grant execute on function events.organizations_to_dispatch(integer) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
