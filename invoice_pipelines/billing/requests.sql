-- Asking for invoices: a request is checked, becomes a batch job, and is answered at once with an estimate.

-- What a request may say, whoever makes it. Raises with a message for people.
create or replace function billing.check_request(invoice_date date, due_days integer, wanted_language text)
returns void
language plpgsql stable
as $$
declare
    today constant date := billing.today();
begin
    if invoice_date not between date '2000-01-01' and today + 31 then
        raise exception 'invoice_date: % is not between 2000-01-01 and %, which is 31 days from today: a date far in the future would close the series for all dates before it.',
            invoice_date, today + 31 using errcode = 'IP002';
    elsif due_days not between 0 and 3650 then
        raise exception 'due_days: % is not between 0 and 3650.', due_days using errcode = 'IP002';
    elsif wanted_language !~ '^[a-z]{2}$' then
        raise exception 'language: % is not a code of two letters such as en or de.', wanted_language
            using errcode = 'IP002';
    end if;
end
$$;

-- The organization in scope; fails with a message for people where there is none.
create or replace function billing.organization_in_scope()
returns uuid
language plpgsql stable
as $$
declare
    scope constant text := nullif(current_setting('app.organization_id', true), '');
begin
    if scope is null or not pg_input_is_valid(scope, 'uuid') then
        raise exception 'No organization is in scope; set app.organization_id to its id first.' using errcode = 'IP002';
    end if;
    return scope::uuid;
end
$$;

-- The date in the time zone of the organization in scope.
create or replace function billing.today()
returns date
language plpgsql stable
as $$
declare
    organization constant uuid := billing.organization_in_scope();
    zone text;
begin
    select o.time_zone into zone from organizations.organization o where o.id = organization;
    if zone is null then
        raise exception 'There is no organization %.', organization
            using errcode = 'IP002', detail = 'ORGANIZATION_NOT_FOUND';
    end if;
    return (now() at time zone zone)::date;
end
$$;

-- How long a job of so many items will take, from when it starts: from the organization's last jobs of this kind, or
-- else from the time it took to write the items: on the same machine, an invoice takes about six times that and a
-- third more for each line.
create or replace function billing.estimate_seconds(
    job_kind text, items integer, lines_per_item numeric, seconds_to_write numeric
) returns numeric
language sql stable
as $$
    select work.estimate_seconds(job_kind, items, (6 + lines_per_item / 3) * seconds_to_write)
$$;

-- Lines per order, of fifty of them; ids that are no orders have none.
create or replace function billing.average_lines(order_ids text[])
returns numeric
language plpgsql stable
as $$
declare
    organization constant uuid := organizations.current();
    step constant integer := greatest(1, cardinality(order_ids) / 50);
begin
    return (
        with o as materialized (
            select case when pg_input_is_valid(order_ids[n], 'uuid') then order_ids[n]::uuid end as id
            from generate_series(1, cardinality(order_ids), step) n
        )
        select coalesce(avg(l.lines), 0)
        from o
        cross join lateral (select count(*) as lines from billing.sales_order_line l
                            where l.organization_id = organization and l.sales_order_id = o.id) l
    );
end
$$;

create or replace function billing.create_job(job_kind text, subject_ids text[], parameters jsonb, creator text,
                                              out job_id uuid, out total_items integer, out estimated_seconds numeric)
language plpgsql
as $$
declare
    started constant timestamptz := clock_timestamp();
    seconds_to_write numeric;
begin
    job_id := work.create_job(job_kind, subject_ids, parameters, organizations.actor(creator));
    seconds_to_write := extract(epoch from clock_timestamp() - started);
    select j.total_items into strict create_job.total_items from work.jobs j
    where j.organization_id = organizations.current() and j.id = create_job.job_id;
    estimated_seconds := billing.estimate_seconds(
        job_kind, total_items,
        case when parameters ? 'items' then jsonb_array_length(parameters -> 'items')
             else billing.average_lines(subject_ids) end,
        seconds_to_write);
end
$$;

-- Ids as they are compared: a UUID in its one form, anything else as given. Each will be an item with its own outcome.
create or replace function billing.normal_ids(ids text[])
returns text[]
language sql immutable
as $$
    select coalesce(array_agg(case when pg_input_is_valid(i.id, 'uuid') then i.id::uuid::text
                                   else coalesce(nullif(btrim(left(i.id, 200)), ''), '(empty)') end
                              order by i.place), '{}')
    from unnest(ids) with ordinality as i (id, place)
$$;

-- The parameters of a job of invoices, checked; what was not asked for is left out. Without an invoice_date, invoices
-- are dated on the day on which they are issued, which may be a later one than that of the request.
--
-- generate_pdf, send_immediately and communication_method are only written down here. Whoever makes documents and sends
-- messages acts on them when the invoices of the job are issued.
create or replace function billing.request_parameters(
    invoice_date date, due_days integer, wanted_language text,
    generate_pdf boolean, send_immediately boolean, communication_method text
) returns jsonb
language plpgsql stable
as $$
declare
    channels constant text[] := organizations.messaging_channels();
begin
    perform billing.check_request(invoice_date, due_days, wanted_language);
    if communication_method <> all (channels) then
        raise exception 'communication_method: % is none of %.', left(communication_method, 40), array_to_string(channels, ', ')
            using errcode = 'IP002';
    elsif send_immediately and communication_method is null then
        raise exception 'communication_method: name one of %, as the invoices are to be sent immediately.',
            array_to_string(channels, ', ')
            using errcode = 'IP002';
    elsif communication_method is not null and send_immediately is not true then
        raise exception 'communication_method: it goes with send_immediately, without which nothing is sent.'
            using errcode = 'IP002';
    end if;
    return jsonb_strip_nulls(jsonb_build_object(
        'invoice_date', invoice_date, 'due_days', due_days, 'language', wanted_language,
        'generate_pdf', nullif(generate_pdf, false), 'send_immediately', nullif(send_immediately, false),
        'communication_method', communication_method));
end
$$;

-- Asks for the invoices of sales orders, in the order given.
create or replace function billing.batch_invoice_orders(
    sales_order_ids text[], invoice_date date default null, due_days integer default 0, language text default null,
    creator text default null, generate_pdf boolean default false, send_immediately boolean default false,
    communication_method text default null, out job_id uuid, out total_items integer, out estimated_seconds numeric
)
language plpgsql
as $$
begin
    select j.* into job_id, total_items, estimated_seconds
    from billing.create_job('invoice_orders', billing.normal_ids(sales_order_ids), billing.request_parameters(
        invoice_date, coalesce(due_days, 0), language, generate_pdf, send_immediately,
        communication_method), creator) j;
end
$$;

-- Asks for the invoices of all orders that are pending or reviewed, the oldest first.
create or replace function billing.batch_invoice_open_orders(
    invoice_date date default null, due_days integer default 0, language text default null,
    creator text default null, generate_pdf boolean default false, send_immediately boolean default false,
    communication_method text default null, out job_id uuid, out total_items integer, out estimated_seconds numeric
)
language sql
as $$
    select billing.batch_invoice_orders(
        array(select o.id::text from billing.sales_order o
              where o.organization_id = organizations.current()
                and o.status in ('pending', 'reviewed')
              order by o.order_date, o.id),
        invoice_date, due_days, language, creator, generate_pdf, send_immediately, communication_method)
$$;

-- Asks for one invoice per customer over the same items, without orders. `items` is a list of {"inventory_item_id" or
-- "description", "quantity", "unit_price", "discount_percent", "tax_category", "tax_rate"}; what is left out comes from
-- the item.
create or replace function billing.batch_invoice_customers(
    customer_ids text[], items jsonb, invoice_date date default null, due_days integer default 0,
    language text default null, creator text default null, generate_pdf boolean default false,
    send_immediately boolean default false, communication_method text default null,
    out job_id uuid, out total_items integer, out estimated_seconds numeric
)
language plpgsql
as $$
declare
    parameters constant jsonb := billing.request_parameters(
        invoice_date, coalesce(due_days, 0), language, generate_pdf, send_immediately,
        communication_method);
    entry record;
begin
    if jsonb_typeof(items) is distinct from 'array' or jsonb_array_length(items) = 0 then
        raise exception 'items: expected a list with at least one item.' using errcode = 'IP002';
    end if;
    for entry in select i.value as item, i.ordinality as place from jsonb_array_elements(items) with ordinality i loop
        perform billing.check_item(entry.item, entry.place);
    end loop;
    select j.* into job_id, total_items, estimated_seconds
    from billing.create_job('invoice_customers', billing.normal_ids(customer_ids),
                            parameters || jsonb_strip_nulls(jsonb_build_object('items', items)), creator) j;
end
$$;

-- Whether a text is a finite number that numeric(precision, scale) holds as it is.
create or replace function billing.fits(value text, digits integer, decimals integer)
returns boolean
language plpgsql stable
as $$
begin
    if not pg_input_is_valid(value, format('numeric(%s,%s)', digits, decimals)) then
        return false;  -- in a statement of its own: a cast in the same one may be done while that is planned
    end if;
    return value::numeric <> 'NaN' and scale(trim_scale(value::numeric)) <= decimals;
end
$$;

create or replace function billing.check_item(item jsonb, place bigint)
returns void
language plpgsql stable
as $$
declare
    name text;
    wrong_item boolean;
begin
    if jsonb_typeof(item) <> 'object' then
        raise exception 'items[%]: expected an object with inventory_item_id or description, and quantity.', place
            using errcode = 'IP002';
    end if;
    select k into name from jsonb_object_keys(item) k
    where k not in ('inventory_item_id', 'description', 'quantity', 'unit_price', 'discount_percent', 'tax_category',
                    'tax_rate') order by k limit 1;
    if name is not null then
        raise exception 'items[%]: there is no field %.', place, left(name, 40) using errcode = 'IP002';
    end if;
    foreach name in array array['quantity', 'unit_price', 'discount_percent', 'tax_rate'] loop
        if item ->> name is not null and not billing.fits(
            item ->> name, case name when 'quantity' then 12 when 'unit_price' then 14 else 5 end,
            case name when 'quantity' then 3 when 'unit_price' then 4 else 2 end) then
            raise exception 'items[%].%: % is not a number of at most % digits before and % after the point.', place,
                name, left(item ->> name, 40), case name when 'quantity' then 9 when 'unit_price' then 10 else 3 end,
                case name when 'quantity' then 3 when 'unit_price' then 4 else 2 end using errcode = 'IP002';
        end if;
    end loop;
    if coalesce((item ->> 'quantity')::numeric, 0) <= 0 then
        raise exception 'items[%].quantity: a number above zero is needed.', place using errcode = 'IP002';
    elsif (item ->> 'unit_price')::numeric < 0 then
        raise exception 'items[%].unit_price: it must not be below zero.', place using errcode = 'IP002';
    elsif (item ->> 'discount_percent')::numeric not between 0 and 100 then
        raise exception 'items[%].discount_percent: it must be between 0 and 100.', place using errcode = 'IP002';
    elsif item ->> 'tax_category' <> all (billing.vat_categories()) then
        raise exception 'items[%].tax_category: % is none of %.', place, left(item ->> 'tax_category', 40),
            array_to_string(billing.vat_categories(), ', ') using errcode = 'IP002';
    elsif item ->> 'inventory_item_id' is null and coalesce(item ->> 'description', '') = '' then
        raise exception 'items[%]: inventory_item_id or description is needed.', place using errcode = 'IP002';
    elsif pg_input_is_valid(item ->> 'inventory_item_id', 'uuid') then  -- alone: a cast beside it may run before it
        wrong_item := not exists (select from billing.item i
                                  where i.organization_id = organizations.current()
                                    and i.id = (item ->> 'inventory_item_id')::uuid);
    else
        wrong_item := item ->> 'inventory_item_id' is not null;
    end if;
    if wrong_item then
        raise exception 'items[%].inventory_item_id: this organization has no item %.', place,
            left(item ->> 'inventory_item_id', 80) using errcode = 'IP002';
    end if;
end
$$;

-- Opens the failed items of a job of invoices again, as work.retry_failed_items does. With `invoice_date` (a date, or
-- `today` for the day of issue), that is the date of all invoices of the job from now on; history has it.
create or replace function billing.retry_failed_items(job uuid, requester text, invoice_date text)
returns bigint
language plpgsql
as $$
declare
    organization constant uuid := billing.organization_in_scope();
    found_job record;
begin
    select j.kind, j.status into found_job from work.jobs j where j.organization_id = organization and j.id = job;
    if found_job.kind is null then
        raise exception 'This organization has no batch job %.', job
            using errcode = 'IP002', detail = 'JOB_NOT_FOUND';
    elsif found_job.status = 'cancelled' then
        raise exception 'Batch job % was cancelled: create a new job for what is left of it.', job
            using errcode = 'IP002', detail = 'JOB_CANCELLED';
    elsif found_job.kind not in ('invoice_orders', 'invoice_customers') then
        raise exception 'invoice_date: batch job % issues no invoices.', job using errcode = 'IP002';
    elsif invoice_date = 'today' then
        return work.retry_failed_items(job, requester, '{"invoice_date": null}');
    elsif not pg_input_is_valid(invoice_date, 'date') then
        raise exception 'invoice_date: % is not a date like 2026-03-31, nor "today".', left(invoice_date, 40)
            using errcode = 'IP002';
    end if;
    perform billing.check_request(invoice_date::date, 0, null);
    return work.retry_failed_items(job, requester, jsonb_build_object('invoice_date', invoice_date::date));
end
$$;
