-- What customers owe, by how late it is; and for which organizations this is to be looked at again.
--
-- An invoice is owed with what is due of it: gross less payments and credit notes. A credit note is none of its own: it
-- has reduced what is due of the invoice that it corrects. All of this reads in the order of an index, whatever
-- statistics say: see work/chunks.sql.

-- How late something is that was due so many days ago: on the day it is due nothing is late yet.
create or replace function billing.aging_bucket(days_overdue integer)
returns text
language sql immutable parallel safe
as $$
    select case when days_overdue <= 0 then 'not_due'
                when days_overdue <= 30 then 'days_1_30'
                when days_overdue <= 60 then 'days_31_60'
                when days_overdue <= 90 then 'days_61_90'
                else 'over_90_days' end
$$;

-- The day of a moment in the time zone of the organization in scope, and the moment at which that day ends.
create or replace function billing.business_day(moment timestamptz, out day date, out ends_at timestamptz)
language plpgsql stable
as $$
declare
    zone text;
begin
    select o.time_zone into strict zone from organizations.organization o
    where o.id = billing.organization_in_scope();
    day := (moment at time zone zone)::date;
    ends_at := (day + 1)::timestamp at time zone zone;
end
$$;

-- What is due now, by customer, currency and how late it is on a day: all open invoices, also those dated ahead.
create or replace function billing.age_open_invoices(as_of date)
returns table (customer_id uuid, currency text, bucket text, amount numeric, invoices bigint)
language plpgsql stable set enable_sort = off
-- demanded by test_only_what_is_open_and_what_was_sold_lately_is_read
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select i.customer_id, i.currency, i.bucket, sum(i.amount_due), count(*)
        from (select i.customer_id, i.currency, billing.aging_bucket(as_of - i.due_date) as bucket, i.amount_due
              from billing.invoice i
              where i.organization_id = organization and i.status in ('issued', 'partially_paid')
                and i.document_kind = 'invoice'
              order by i.due_date, i.id) i
        group by i.customer_id, i.currency, i.bucket;
end
$$;

-- How invoices stand today: paid, partially paid, overdue (open after its due date, in the time zone of its organization;
-- this is never stored) and for how many days, and when the last payment came that counts. For single invoices and lists.
create or replace view billing.invoice_settlement with (security_invoker = true) as
select i.organization_id, i.id as invoice_id, case when d.days_overdue > 0 then 'overdue' else i.status end as standing,
       i.due_date, i.gross_amount, i.amount_paid, i.amount_credited, i.amount_due,
       (select max(p.payment_date)
        from billing.payment_allocation a
        join billing.payment p on p.organization_id = a.organization_id and p.id = a.payment_id
        where a.organization_id = i.organization_id and a.invoice_id = i.id and a.applied_amount > 0) as payment_date,
       d.days_overdue
from billing.invoice i
join organizations.organization o on o.id = i.organization_id
cross join lateral (select case when i.status in ('issued', 'partially_paid') and i.document_kind = 'invoice'
                                then greatest(0, (now() at time zone o.time_zone)::date - i.due_date)
                                else 0 end as days_overdue) d;
comment on view billing.invoice_settlement is 'How invoices stand today: paid, due, overdue, and when they were last paid';
grant select on billing.invoice_settlement to invoice_pipelines_app;

-- What was due at the end of an earlier day, told from the dates of documents and payments: invoices dated until then,
-- less credit notes and payments dated until then, and what was voided later counted. A payment that was taken back since
-- does not count on any day. Where something was paid and no payment is on record that says when, this is refused (IP002).
create or replace function billing.age_invoices_until(as_of date)
returns table (customer_id uuid, currency text, bucket text, amount numeric, invoices bigint)
language plpgsql stable set enable_nestloop = off
-- demanded by test_no_statement_reads_all_rows_for_each_row
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
    undated bigint;
begin
    select count(*) into undated
    from (select i.id, i.amount_paid from billing.invoice i
          where i.organization_id = organization and i.document_kind = 'invoice' and i.issue_date <= as_of
            and i.amount_paid > 0) i
    left join (select a.invoice_id, sum(a.applied_amount) as amount from billing.payment_allocation a
               where a.organization_id = organization group by a.invoice_id) a on a.invoice_id = i.id
    where i.amount_paid > coalesce(a.amount, 0);
    if undated > 0 then
        raise exception 'as of %: % of the invoices dated until then were paid in part or in full, and when is not on '
            'record. What was due at the end of that day cannot be told; take the file that was made on it.',
            as_of, undated using errcode = 'IP002';
    end if;
    return query
        with credited as materialized (
            select c.corrected_invoice_id, sum(c.gross_amount) as amount
            from billing.invoice c
            where c.organization_id = organization and c.corrected_invoice_id is not null and c.issue_date <= as_of
            group by c.corrected_invoice_id
        ), paid as materialized (
            select a.invoice_id, sum(a.applied_amount) as amount
            from billing.payment_allocation a
            join billing.payment p on p.id = a.payment_id
            where a.organization_id = organization and a.applied_amount > 0
              and p.organization_id = organization and p.payment_date <= as_of
            group by a.invoice_id
        ), invoice as materialized (
            select i.id, i.customer_id, i.currency, i.due_date, i.gross_amount
            from billing.invoice i
            where i.organization_id = organization and i.document_kind = 'invoice' and i.issue_date <= as_of
              and (i.status <> 'void' or (billing.business_day(i.voided_at)).day > as_of)
        ), due as materialized (
            select i.customer_id, i.currency, i.due_date,
                   i.gross_amount - coalesce(c.amount, 0) - coalesce(p.amount, 0) as amount
            from invoice i
            left join credited c on c.corrected_invoice_id = i.id
            left join paid p on p.invoice_id = i.id
        )
        select d.customer_id, d.currency, billing.aging_bucket(as_of - d.due_date), sum(d.amount), count(*)
        from due d
        where d.amount > 0
        group by 1, 2, 3;
end
$$;

-- What is due by currency, added up without regard to customers and days: now, and at the end of an earlier day. The
-- totals of an aging are compared with it.
create or replace function billing.amounts_due()
returns table (currency text, amount numeric)
language plpgsql stable set enable_sort = off
-- demanded by test_only_what_is_open_and_what_was_sold_lately_is_read
as $$
#variable_conflict use_column
begin
    return query
        select i.currency, sum(i.amount_due)
        from (select i.currency, i.amount_due from billing.invoice i
              where i.organization_id = organizations.current()
                and i.status in ('issued', 'partially_paid') and i.document_kind = 'invoice'
              order by i.due_date, i.id) i
        group by i.currency;
end
$$;

create or replace function billing.amounts_due_on(day date)
returns table (currency text, amount numeric)
language plpgsql stable set enable_nestloop = off
-- demanded by test_no_statement_reads_all_rows_for_each_row
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select d.currency, sum(d.amount)
        from (select i.currency, case i.document_kind when 'invoice' then i.gross_amount else -i.gross_amount end as amount
              from billing.invoice i
              where i.organization_id = organization and i.issue_date <= day
                and (i.status <> 'void' or (billing.business_day(i.voided_at)).day > day)
              union all
              select i.currency, -a.applied_amount
              from billing.payment_allocation a
              join billing.payment p on p.id = a.payment_id
              join billing.invoice i on i.id = a.invoice_id
              where a.organization_id = organization and a.applied_amount > 0
                and p.organization_id = organization and p.payment_date <= day
                and i.organization_id = organization and i.issue_date <= day) d
        group by d.currency
        having sum(d.amount) > 0;
end
$$;

-- The first number of a series and period with a date on or after a day; null without any. It is found by halving what
-- is left, since a later number never has an earlier date. So no index by date is needed, which every invoice would pay.
create or replace function billing.first_number_since(wanted_series text, wanted_period text, day date)
returns bigint
language plpgsql stable
as $$
declare
    organization constant uuid := organizations.current();
    low bigint := 1;
    high bigint;  -- the numbers below low are too early, those from high on are not
    found_date date;
begin
    select c.next_number into high from billing.invoice_counter c
    where c.organization_id = organization and c.series = wanted_series and c.period = wanted_period;
    while low < high loop
        select n.issue_date into found_date from billing.invoice_number n
        where n.organization_id = organization and n.series = wanted_series and n.period = wanted_period
          and n.number >= (low + high) / 2
        order by n.number limit 1;
        if found_date < day then
            low := (low + high) / 2 + 1;
        else
            high := (low + high) / 2;
        end if;
    end loop;
    return high;
end
$$;

-- What was sold from one day to another, both included, by currency: gross amounts of invoices that are not void, less
-- those of credit notes.
create or replace function billing.sales_between(first_day date, last_day date)
returns table (currency text, amount numeric)
language plpgsql stable
-- demanded by test_only_what_is_open_and_what_was_sold_lately_is_read
as $$
#variable_conflict use_column
declare
    organization constant uuid := organizations.current();
begin
    return query
        select i.currency, sum(case n.series when 'invoice' then i.gross_amount else -i.gross_amount end)
        from (select c.series, c.period, billing.first_number_since(c.series, c.period, first_day) as first_number
              from billing.invoice_counter c where c.organization_id = organization) c
        cross join lateral (
            select n.series, n.invoice_id from billing.invoice_number n
            where n.organization_id = organization and n.series = c.series and n.period = c.period
              and n.number >= c.first_number and n.issue_date <= last_day
            order by n.number) n
        cross join lateral (
            select i.currency, i.gross_amount from billing.invoice i
            where i.organization_id = organization and i.id = n.invoice_id and i.status <> 'void' offset 0) i
        group by i.currency;
end
$$;

-- What an aging made at a moment has seen of the books of the organization in scope: see billing.last_aging.
create or replace function billing.state_of_books(moment timestamptz)
returns table (as_of date, made_at timestamptz, good_until timestamptz, numbers_given bigint, last_event_id uuid)
language plpgsql stable
as $$
declare
    organization constant uuid := billing.organization_in_scope();
begin
    return query
        select d.day, moment, d.ends_at,
               (select coalesce(sum(c.next_number - 1), 0)::bigint from billing.invoice_counter c
                where c.organization_id = organization),
               greatest((select e.id from billing.invoice_event e where e.organization_id = organization
                         order by e.id desc limit 1),
                        (select e.id from billing.payment_event e where e.organization_id = organization
                         order by e.id desc limit 1))
        from billing.business_day(moment) d;
end
$$;

-- Which organizations have an aging to be made: a new day has begun and something is open or new; or there is something
-- new, and the last one is older than `rest`. New are numbers that were given, voids, payments, and whatever else leaves
-- an event.
-- Ids of events are made before they are committed: one that comes late is seen on the next day at the latest.
set local role invoice_pipelines_overview;
create or replace function billing.organizations_to_age(rest interval, moment timestamptz default now())
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
-- demanded by test_only_what_is_open_and_what_was_sold_lately_is_read
as $$
    select o.id
    from organizations.organization o
    join (select c.organization_id, sum(c.next_number - 1)::bigint as numbers_given
          from billing.invoice_counter c group by c.organization_id) c on c.organization_id = o.id
    left join billing.last_aging a on a.organization_id = o.id
    left join lateral (select e.id from billing.invoice_event e where e.organization_id = o.id
                       order by e.id desc limit 1) e on true
    left join lateral (select e.id from billing.payment_event e where e.organization_id = o.id
                       order by e.id desc limit 1) p on true
    cross join lateral (
        select (a.numbers_given, a.last_event_id) is distinct from (c.numbers_given, greatest(e.id, p.id))
               as something_new offset 0) n
    where o.removed_at is null and c.numbers_given > 0
      and (a.organization_id is null
           or a.good_until <= moment and (a.has_open_invoices or n.something_new)
           or a.made_at <= moment - rest and n.something_new)
    order by a.made_at nulls first, o.id
$$;
revoke all on function billing.organizations_to_age(interval, timestamptz) from public;
grant execute on function billing.organizations_to_age(interval, timestamptz) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
