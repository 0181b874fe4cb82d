-- How long documents take from their upload to an outcome, counted as they come to it: reading it off millions of
-- received invoices would take an index of its own for each of them.

-- In seconds. Others give what was counted until then another meaning: empty intake.turnaround with them.
create or replace function intake.turnaround_bounds()
returns double precision[] language sql immutable parallel safe
as $$
    select array[0.5, 1, 2, 3, 5, 7.5, 10, 15, 30, 60, 120, 300, 900, 3600]::double precision[]
$$;

-- Counts received invoices of the organization in scope that have just come to an outcome: valid, failed, or for a person.
-- Those that were read before count no more: they wait since long ago.
create or replace function intake.count_turnarounds(invoice_ids uuid[])
returns void
language sql
as $$
    select intake.add_turnarounds(
        array_agg(coalesce(r.source, 'none')),
        array_agg(case r.status when 'VALIDATED' then 'validated' when 'FAILED' then 'failed' else 'for_review' end),
        array_agg(extract(epoch from clock_timestamp() - r.created_at)::double precision))
    from intake.received_invoice r
    where r.organization_id = organizations.current() and r.id = any (invoice_ids)
      and r.status in ('PARSED', 'VALIDATED', 'FAILED') and r.processing_version <= 3
    having count(*) > 0
$$;

set local role invoice_pipelines_overview;

create or replace function intake.add_turnarounds(sources text[], outcomes text[], seconds double precision[])
returns void
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into intake.turnaround (source, outcome, bucket, documents, seconds)
    select d.source, d.outcome, width_bucket(d.took, intake.turnaround_bounds()) as bucket, count(*),
           sum(d.took)::numeric
    from (select u.source, u.outcome, greatest(u.took, 0) as took
          from unnest(sources, outcomes, seconds) as u (source, outcome, took)) d
    group by 1, 2, 3
$$;
revoke all on function intake.add_turnarounds(text[], text[], double precision[]) from public;
grant execute on function intake.add_turnarounds(text[], text[], double precision[]) to invoice_pipelines_app;

-- What was counted since ever. Makes one row of many on the way; what another one is making one of, or has not
-- committed yet, is left alone.
create or replace function intake.turnarounds()
returns table (source text, outcome text, bucket integer, documents bigint, seconds numeric)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    if (select count(*) > 1000 from (select from intake.turnaround limit 1001) t) then
        with taken as materialized (
            select id from intake.turnaround order by id limit 50000 for update skip locked
        ), folded as (
            delete from intake.turnaround t using taken where t.id = taken.id
            returning t.source, t.outcome, t.bucket, t.documents, t.seconds
        )
        insert into intake.turnaround (source, outcome, bucket, documents, seconds)
        select f.source, f.outcome, f.bucket, sum(f.documents), sum(f.seconds) from folded f group by 1, 2, 3;
    end if;
    return query
        select t.source, t.outcome, t.bucket, sum(t.documents)::bigint, sum(t.seconds)
        from intake.turnaround t group by 1, 2, 3;
end
$$;
revoke all on function intake.turnarounds() from public;
grant execute on function intake.turnarounds() to invoice_pipelines_app;

set local role invoice_pipelines_owner;
