-- Turns a chunk of a batch job into issued invoices, in one transaction and a fixed number of statements.
--
-- Locks are taken in the same order everywhere, so that jobs over the same orders wait for one another but never
-- deadlock: the job, orders by id, items by id, the counter. The counter comes last.
--
-- Every join is a look-up by key, whatever the statistics say: see work/chunks.sql on how that is written.

-- What is issued or corrected in an organization, chunk by chunk, is done side by side, as long as each transaction
-- takes its locks in that order. A transaction that issues more than once cannot keep to it: after the counter it needs
-- the next order. create_invoice_from_sales_order_sql() may be called many times in one; so it works in the organization
-- alone.
create or replace function billing.enter_invoicing(alone boolean default false)
returns void
language plpgsql
as $$
declare
    key constant bigint := hashtextextended('billing ' || organizations.current(), 0);
begin
    if alone then
        perform pg_advisory_xact_lock(key);
    else
        perform pg_advisory_xact_lock_shared(key);
    end if;
end
$$;

-- The seller as it stands on invoices from now on.
create or replace function billing.seller_snapshot()
returns jsonb
language sql stable
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'name', o.name, 'vat_id', o.vat_id, 'tax_number', o.tax_number, 'iban', o.iban,
        'country_code', o.country_code, 'street', o.address ->> 'street',
        'additional_street', o.address ->> 'additional_street', 'city', o.address ->> 'city',
        'post_code', o.address ->> 'post_code'))
    from organizations.organization o where o.id = organizations.current()
$$;

-- Writes the invoices of orders, without numbers: headers, lines, VAT, and takes the stock. The arrays are parallel, in
-- the order of the request. `refusals` are reasons against an order that are known already; `rates` and `unconverted`
-- are those of billing.conversions. Returns the invoices that were written and the orders that were not, as positions
-- in the arrays.
--
-- Stock goes to the orders in their order. An order takes it for all of its lines or for none, and takes none if it is
-- refused for another reason. So items are locked before anything is written, and those of which more is wanted than is
-- there are allotted order by order (billing.allot_scarce_items); the others are not.
create or replace function billing.write_invoices(
    order_ids uuid[], invoice_ids uuid[], refusals text[], rates billing.exchange_rate[], unconverted text[],
    seller jsonb, issue_date date, due_days integer, wanted_language text, creator text, job uuid,
    out issued integer[], out refused integer[], out problems text[], out amounts jsonb
)
language plpgsql set enable_nestloop = off
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only, bench billing
as $$
declare
    organization constant uuid := organizations.current();
    seller_vat_id constant text := seller ->> 'vat_id';
    tax_currency constant text := billing.tax_currency();
    home_language constant text := (select coalesce(o.settings ->> 'language', 'en')
                                    from organizations.organization o where o.id = organization);
    taken_versions tid[];
    taken_quantities numeric[];
begin
    with line as materialized (
        select b.place as position, b.currency, b.digits, b.order_discount_percent,
               b.line_number, b.item_id, b.sku, b.description, b.quantity, b.unit_code, b.unit_price,
               b.discount_percent, b.net_amount, b.tax_category, b.tax_rate, b.exemption_reason,
               b.exemption_reason_code, b.takes_stock, b.period_start, b.period_end,
               coalesce(refusals[b.place], b.problem, unconverted[b.place], case
                   when seller_vat_id is null and 'seller_vat_id' = any (billing.vat_needs(b.tax_category)) then
                       'MISSING_SELLER_VAT_ID: Tax category ' || b.tax_category
                       || ' needs the VAT id of the organization.'
               end) as problem
        from billing.billable_lines(order_ids) b
    ), problem as materialized (
        select l.position, (array_agg(l.problem order by l.line_number))[1] as reason
        from line l where l.problem is not null group by l.position
    ), stock as materialized (
        select w.item_id, w.quantity as wanted, i.quantity_on_hand, i.version
        from (select l.item_id, sum(l.quantity) as quantity from line l
              where l.takes_stock and l.position not in (select p.position from problem p)
              group by l.item_id order by l.item_id) w
        cross join lateral (select i.quantity_on_hand, i.ctid as version from billing.item i
                            where i.organization_id = organization and i.id = w.item_id
                            for no key update) i
    ), scarce as materialized (
        select s.item_id, s.quantity_on_hand, row_number() over () as slot from stock s
        where s.wanted > s.quantity_on_hand
    ), short as materialized (
        select a.place as position, a.reason
        from (select array_agg(d.position) as positions, array_agg(d.slot) as slots,
                     array_agg(d.quantity) as quantities, array_agg(d.sku) as skus
              from (select l.position, s.slot, any_value(l.sku) as sku, sum(l.quantity) as quantity
                    from line l join scarce s on s.item_id = l.item_id
                    where l.takes_stock and l.position not in (select p.position from problem p)
                    group by l.position, s.slot order by l.position, min(l.line_number)) d) d
        cross join lateral billing.allot_scarce_items(
            d.positions, d.slots, d.quantities, d.skus,
            array(select s.quantity_on_hand from scarce s order by s.slot)) a
    ), refusal as materialized (
        select p.position, p.reason from problem p union all select s.position, s.reason from short s
    ), taken as (
        select s.version, s.wanted - coalesce(r.quantity, 0) as quantity
        from stock s
        left join (select l.item_id, sum(l.quantity) as quantity from line l
                   where l.takes_stock and l.position in (select s.position from short s)
                   group by l.item_id) r on r.item_id = s.item_id
    ), tax as materialized (  -- what an order has once is the same in all its lines
        select l.position, any_value(l.currency) as currency, any_value(l.digits) as digits, l.tax_category, l.tax_rate,
               sum(l.net_amount) as line_amount,
               round(sum(l.net_amount) * any_value(l.order_discount_percent) * 0.01, any_value(l.digits))
                   as allowance_amount,
               any_value(l.exemption_reason) as exemption_reason,
               any_value(l.exemption_reason_code) as exemption_reason_code,
               max(coalesce(l.period_end, 'infinity')) as last_day
        from line l where l.position not in (select r.position from refusal r)
        group by l.position, l.tax_category, l.tax_rate
    ), total as materialized (
        select t.position, any_value(t.currency) as currency, sum(t.line_amount) as line_amount,
               sum(t.allowance_amount) as allowance_amount,
               sum(round((t.line_amount - t.allowance_amount) * t.tax_rate * 0.01, t.digits)) as tax_amount,
               nullif(max(t.last_day), 'infinity') as last_day
        from tax t group by t.position
    ), written_header as (
        insert into billing.invoice (
            organization_id, id, sales_order_id, customer_id, batch_job_id, issue_date, due_date, delivery_date,
            period_start, period_end, currency, line_amount, allowance_amount, net_amount, tax_amount, gross_amount,
            tax_currency, tax_amount_in_tax_currency, exchange_rate, exchange_rate_base, exchange_rate_date,
            exchange_rate_source, status, discount_percent, language, seller, buyer, order_number,
            purchase_order_reference, note, created_by)
        select organization, invoice_ids[t.position], o.id, c.id, job, issue_date, issue_date + due_days,
               coalesce(o.delivery_date, o.period_end, t.last_day, issue_date), o.period_start, o.period_end,
               t.currency, t.line_amount, t.allowance_amount, t.line_amount - t.allowance_amount, t.tax_amount,
               t.line_amount - t.allowance_amount + t.tax_amount,
               case when (rates[t.position]).rate is not null then tax_currency end,
               case when (rates[t.position]).rate is not null then
                   billing.converted(t.tax_amount, (rates[t.position]).rate, (rates[t.position]).base_currency,
                                     tax_currency) end,
               (rates[t.position]).rate, (rates[t.position]).base_currency, (rates[t.position]).rate_date,
               (rates[t.position]).source,
               case when t.line_amount - t.allowance_amount + t.tax_amount = 0 then 'paid' else 'issued' end,
               o.discount_percent, coalesce(wanted_language, c.language, home_language), seller,
               json_object(
                   'name': c.name, 'customer_number': c.customer_number, 'vat_id': c.vat_id,
                   'tax_number': c.tax_number, 'buyer_reference': c.buyer_reference, 'email': c.email,
                   'country_code': c.country_code, 'street': c.street, 'additional_street': c.additional_street,
                   'city': c.city, 'post_code': c.post_code absent on null returning jsonb),
               o.order_number, o.purchase_order_reference, o.note, creator
        from total t
        cross join lateral (select * from billing.sales_order o
                            where o.organization_id = organization and o.id = order_ids[t.position] offset 0) o
        cross join lateral (select * from billing.customer c
                            where c.organization_id = organization and c.id = o.customer_id offset 0) c
    ), written_lines as (
        insert into billing.issued_invoice_line (
            organization_id, invoice_id, line_number, item_id, sku, description, quantity, unit_code, unit_price,
            discount_percent, net_amount, tax_category, tax_rate, takes_stock, period_start, period_end)
        select organization, invoice_ids[l.position], l.line_number, l.item_id, l.sku, l.description, l.quantity,
               l.unit_code, l.unit_price, l.discount_percent, l.net_amount, l.tax_category, l.tax_rate, l.takes_stock,
               l.period_start, l.period_end
        from line l where l.position not in (select r.position from refusal r)
    ), written_taxes as (
        insert into billing.issued_invoice_tax (
            organization_id, invoice_id, tax_category, tax_rate, line_amount, allowance_amount, taxable_amount,
            tax_amount, exemption_reason, exemption_reason_code)
        select organization, invoice_ids[t.position], t.tax_category, t.tax_rate, t.line_amount, t.allowance_amount,
               t.line_amount - t.allowance_amount,
               round((t.line_amount - t.allowance_amount) * t.tax_rate * 0.01, t.digits),
               t.exemption_reason, t.exemption_reason_code
        from tax t
    )
    select (select array_agg(t.position order by t.position) from total t),
           (select jsonb_object_agg(a.currency, a.gross)
            from (select t.currency, sum(t.line_amount - t.allowance_amount + t.tax_amount)::text as gross
                  from total t group by t.currency) a),
           t.versions, t.quantities, r.positions, r.reasons
    into issued, amounts, taken_versions, taken_quantities, refused, problems
    from (select array_agg(r.position order by r.position) as positions,
                 array_agg(r.reason order by r.position) as reasons from refusal r) r,
         (select array_agg(t.version) as versions, array_agg(t.quantity) as quantities
          from taken t where t.quantity > 0) t;
    perform billing.take_stock(taken_versions, taken_quantities);
end
$$;


-- Which orders get nothing because an item runs out, with the reason, if orders take scarce items one after the other. An
-- order comes with an entry for each scarce item that it wants, its entries together, and orders in their order; the
-- arrays are parallel. `slots` are the places of the items in `on_hand`.
create or replace function billing.allot_scarce_items(
    places bigint[], slots bigint[], quantities numeric[], skus text[], on_hand numeric[]
) returns table (place bigint, reason text)
language plpgsql immutable rows 1
as $$
declare
    entries constant integer := coalesce(cardinality(places), 0);
    first_entry integer := 1;
    last_entry integer;
    slot bigint;
begin
    while first_entry <= entries loop
        place := places[first_entry];
        reason := null;
        last_entry := first_entry;
        loop
            slot := slots[last_entry];
            if reason is null and on_hand[slot] < quantities[last_entry] then
                reason := format('INSUFFICIENT_STOCK: Item %s: %s wanted, %s on hand.', skus[last_entry],
                                 trim_scale(quantities[last_entry]), trim_scale(on_hand[slot]));
            end if;
            exit when last_entry = entries or places[last_entry + 1] <> place;
            last_entry := last_entry + 1;
        end loop;
        if reason is null then
            for entry in first_entry .. last_entry loop
                on_hand[slots[entry]] := on_hand[slots[entry]] - quantities[entry];
            end loop;
        else
            return next;
        end if;
        first_entry := last_entry + 1;
    end loop;
end
$$;

-- Takes quantities from the stock of items, or puts negative ones back. Fails if an item has less.
create or replace function billing.change_stock(item_ids uuid[], quantities numeric[])
returns void
language plpgsql
set enable_nestloop = on
-- demanded by test_corrections_read_their_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    versions tid[];
begin
    select array_agg(i.version order by k.place) into versions
    from (select * from work.few(item_ids) order by element) k
    cross join lateral (select i.ctid as version from billing.item i
                        where i.organization_id = organization and i.id = k.element for no key update) i;
    perform billing.take_stock(versions, quantities);
end
$$;

-- The same of items that are locked, by the versions that were locked.
create or replace function billing.take_stock(versions tid[], quantities numeric[])
returns void
language plpgsql
set enable_nestloop = on
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
begin
    update billing.item i set quantity_on_hand = i.quantity_on_hand - quantities[k.place], updated_at = now()
    from work.few(versions) k
    where i.ctid = k.element and i.organization_id = organizations.current();
end
$$;

-- Gives those of some orders that are at these places a status; they are locked, in these versions.
create or replace function billing.mark_orders(wanted text, versions tid[], places integer[])
returns void
language plpgsql
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
begin
    update billing.sales_order o set status = wanted, updated_at = now()
    from work.few(array(select versions[n] from unnest(places) n)) k
    where o.ctid = k.element and o.organization_id = organizations.current();
end
$$;

-- Issues the invoices of the next items of a job that this transaction has locked. Orders that somebody else has locked
-- are waited for, or else fail (`pass_over_locked`). No rows of zeros: see issue_next. What it calls is planned with its
-- settings as well.
create or replace function billing.issue_chunk(
    job uuid, chunk_size integer, pass_over_locked boolean,
    out taken integer, out succeeded integer, out failed integer, out skipped integer,
    out first_number text, out last_number text, out amounts jsonb, out counter_locked_at timestamptz
)
language plpgsql set plan_cache_mode = force_generic_plan set enable_sort = off
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only, bench billing
as $$
declare
    organization constant uuid := organizations.current();
    request record;
    issue_date date;
    seller jsonb;
    refusal text;
    items tid[];
    item_ids uuid[];
    subject_ids text[];
    wanted_ids uuid[];      -- the order of each item; null where the subject is not an id
    positions integer[];    -- of the claimed orders among the items
    order_ids uuid[];
    versions tid[];
    claimable_ids uuid[];
    has_invoice integer[];  -- places of claimed orders
    invoice_ids uuid[];
    tax_currency constant text := billing.tax_currency();
    is_any_foreign boolean;  -- whether an order is in another currency
    rates billing.exchange_rate[] := '{}';
    unconverted text[] := '{}';
    issued_ids uuid[];
    written record;
    outcomes text[];
    codes text[];
    messages text[];
    results jsonb[];
begin
    select j.kind, j.parameters, j.created_by into strict request from work.jobs j
    where j.organization_id = organization and j.id = job;
    -- By the clock, not by the start of the transaction: a chunk that is tried again after midnight is of the new day.
    issue_date := coalesce((request.parameters ->> 'invoice_date')::date,
                           (billing.business_day(clock_timestamp())).day);
    select array_agg(i.version order by i.id), array_agg(i.id order by i.id), array_agg(i.subject_id order by i.id)
    into items, item_ids, subject_ids
    from work.next_items(job, chunk_size) i;
    taken := coalesce(cardinality(item_ids), 0);
    succeeded := 0; failed := 0; skipped := 0; amounts := '{}';
    if taken = 0 then
        return;
    end if;

    if request.kind = 'invoice_customers' then
        perform billing.make_direct_orders(item_ids, subject_ids, request.parameters, issue_date, request.created_by);
        wanted_ids := item_ids;
    else
        select array_agg(case when pg_input_is_valid(s.id, 'uuid') then s.id::uuid end order by s.position)
        into wanted_ids from unnest(subject_ids) with ordinality as s (id, position);
    end if;

    seller := billing.seller_snapshot();
    begin
        perform billing.check_series('invoice', issue_date);
        if coalesce(seller ->> 'vat_id', seller ->> 'tax_number') is null then
            refusal := 'MISSING_SELLER_TAX_ID: The organization has neither VAT id nor tax number (BR-S-02); add one.';
        end if;
    exception
        when sqlstate 'IP001' then
            refusal := sqlerrm;
        when data_exception then
            refusal := 'NUMBER_PATTERN: The organization''s settings for numbers cannot be read (' || sqlerrm
                       || '); correct them.';
    end;

    if pass_over_locked then
        select array_agg(o.id order by w.place) into claimable_ids
        from work.few(wanted_ids) w
        left join lateral (
            select o.id from billing.sales_order o
            where o.organization_id = organization and o.id = w.element
            for no key update skip locked) o on true;
    end if;

    -- The lock is the claim: of two jobs with the same order, one gets it. An invoice has the id of its item of work:
    -- whatever else may go wrong, an item cannot make two.
    select coalesce(array_agg(o.position order by o.position), '{}'),
           coalesce(array_agg(o.id order by o.position), '{}'),
           coalesce(array_agg(o.version order by o.position), '{}'), bool_or(o.currency <> tax_currency)
    into positions, order_ids, versions, is_any_foreign
    from (select w.position, o.* from (
              select w.element, min(w.place) as position from work.few(coalesce(claimable_ids, wanted_ids)) w
              where w.element is not null group by w.element order by w.element) w
          cross join lateral (
              select o.id, o.status, o.currency, o.ctid as version from billing.sales_order o
              where o.organization_id = organization and o.id = w.element for no key update) o) o
    where o.status in ('pending', 'reviewed');

    -- What has an invoice gets no other one, whatever its status says; and then its status is wrong. Looked up in a
    -- statement of its own, which sees what was committed while the claim waited.
    select array_agg(k.place::integer) into has_invoice
    from work.few(order_ids) k
    cross join lateral (  -- in the order of the index that is meant, as any other begins with the organization
        select from billing.invoice i
        where i.organization_id = organization and i.sales_order_id between k.element and k.element
          and i.status <> 'void' and i.document_kind = 'invoice'
        order by i.sales_order_id) i;
    if has_invoice is not null then
        perform billing.mark_orders('invoiced', versions, has_invoice);
        select coalesce(array_agg(positions[n] order by n), '{}'), coalesce(array_agg(order_ids[n] order by n), '{}'),
               coalesce(array_agg(versions[n] order by n), '{}')
        into positions, order_ids, versions
        from generate_subscripts(order_ids, 1) n where n not in (select unnest(has_invoice));
    end if;
    invoice_ids := array(select item_ids[p] from unnest(positions) with ordinality as o (p, place) order by o.place);

    outcomes := array_fill(null::text, array[taken]);
    codes := outcomes; messages := outcomes; results := array_fill(null::jsonb, array[taken]);
    if cardinality(order_ids) > 0 then
        if is_any_foreign then
            select c.rates, c.unconverted into rates, unconverted
            from billing.conversions(order_ids, issue_date, tax_currency) c;
        end if;
        written := billing.write_invoices(
            order_ids, invoice_ids,
            case when refusal is not null then array_fill(refusal, array[cardinality(order_ids)]) else '{}' end,
            rates, unconverted, seller, issue_date, (request.parameters ->> 'due_days')::integer,
            request.parameters ->> 'language', request.created_by, job);
        amounts := coalesce(written.amounts, '{}');
        for n in 1 .. coalesce(cardinality(written.issued), 0) loop
            outcomes[positions[written.issued[n]]] := 'succeeded';
            results[positions[written.issued[n]]] :=
                jsonb_build_object('invoice_id', invoice_ids[written.issued[n]]);
        end loop;
        issued_ids := array(select invoice_ids[n] from unnest(written.issued) n);  -- in the order of the request
        for n in 1 .. coalesce(cardinality(written.refused), 0) loop
            outcomes[positions[written.refused[n]]] := 'failed';
            codes[positions[written.refused[n]]] := split_part(written.problems[n], ': ', 1);
            messages[positions[written.refused[n]]] :=
                substring(written.problems[n] from position(': ' in written.problems[n]) + 2);
        end loop;
        perform billing.mark_orders('invoiced', versions, written.issued);
        if request.kind = 'invoice_customers' then  -- not deleted: that looks at all invoices, for the foreign key
            perform billing.mark_orders('cancelled', versions, written.refused);
        end if;
    end if;

    if cardinality(order_ids) < taken then
        for written in
            select * from billing.explain_refusals(request.kind, subject_ids, wanted_ids, positions)
        loop
            outcomes[written.place] := written.outcome;
            codes[written.place] := written.code;
            messages[written.place] := written.message;
            results[written.place] := written.result;
        end loop;
    end if;

    perform work.settle_items(job, items, outcomes, codes, messages, results);
    select count(*) filter (where o = 'succeeded'), count(*) filter (where o = 'failed'),
           count(*) filter (where o = 'skipped')
    into succeeded, failed, skipped from unnest(outcomes) o;
    if succeeded > 0 then
        select n.first_number, n.last_number, n.taken_at into first_number, last_number, counter_locked_at
        from billing.take_numbers('invoice', issue_date, issued_ids) n;
    end if;
end
$$;

-- Why items could not be claimed: those whose place is not among `claimed`.
create or replace function billing.explain_refusals(
    kind text, subject_ids text[], wanted_ids uuid[], claimed integer[]
) returns table (place integer, outcome text, code text, message text, result jsonb)
language plpgsql stable
-- demanded by test_orders_that_were_invoiced_before_are_looked_up_by_key
as $$
#variable_conflict use_column
begin
    return query
    select w.place::integer,
           case when i.id is not null then 'skipped' else 'failed' end,
           case when i.id is not null then 'ALREADY_INVOICED'
                when kind = 'invoice_customers' then 'UNKNOWN_CUSTOMER'
                when w.id is null then 'NOT_AN_ID'
                when o.id is null then 'NOT_FOUND'
                when o.status in ('pending', 'reviewed') then 'ORDER_LOCKED'
                else 'WRONG_STATUS' end,
           case when i.id is not null then 'The order was invoiced before, as ' || n.invoice_number || '.'
                when kind = 'invoice_customers' then 'This organization has no active customer ' || left(w.subject, 80) || '.'
                when w.id is null then left(w.subject, 80) || ' is not the id of an order; ids are UUIDs.'
                when o.id is null then 'This organization has no sales order ' || w.id || '.'
                when o.status in ('pending', 'reviewed') then
                    'Another session holds the order in an open transaction; end that, then retry.'
                else 'The order is ' || o.status || '; only pending and reviewed orders can be invoiced.' end,
           case when i.id is not null then jsonb_build_object('invoice_id', i.id) end
    from (select f.element as subject, wanted_ids[f.place] as id, f.place from work.few(subject_ids) f) w
    left join lateral (
        select o.id, o.status from billing.sales_order o
        where o.organization_id = organizations.current() and o.id = w.id offset 0) o on true
    left join lateral (  -- in the order of the index that is meant, as any other begins with the organization
        select i.id from billing.invoice i
        where i.organization_id = organizations.current()
          and i.sales_order_id between o.id and o.id and i.status <> 'void' and i.document_kind = 'invoice'
        order by i.sales_order_id) i on true
    left join lateral (
        select n.invoice_number from billing.invoice_number n
        where n.organization_id = organizations.current()
          and n.invoice_id between i.id and i.id
        order by n.invoice_id) n on true
    where w.place <> all (claimed);
end
$$;

-- Orders for invoices that are asked for by customer and items (kind invoice_customers). The id of an order is that of
-- its item of work, so that doing it again makes no second one: the one that was refused is made anew.
create or replace function billing.make_direct_orders(
    item_ids uuid[], customer_ids text[], parameters jsonb, issue_date date, creator text
) returns void
language plpgsql
-- demanded by test_a_chunk_of_customers_reads_its_own_rows_only
as $$
declare
    organization constant uuid := organizations.current();
    home_currency constant text := (select o.currency from organizations.organization o where o.id = organization);
begin
    insert into billing.sales_order (organization_id, id, order_number, customer_id, status, currency, order_date,
                                     delivery_date, created_by)
    select organization, k.item_id, 'DIRECT-' || k.item_id, c.id, 'reviewed', coalesce(c.currency, home_currency),
           issue_date, issue_date, creator
    from (select item_ids[f.place] as item_id,
                 case when pg_input_is_valid(f.element, 'uuid') then f.element::uuid end as customer_id
          from work.few(customer_ids) f offset 0) k  -- a cast in a look-up would keep row-level security from its index
    cross join lateral (select c.id, c.currency from billing.customer c
                        where c.organization_id = organization and c.id = k.customer_id offset 0) c
    on conflict (organization_id, id) do update
    set status = excluded.status, currency = excluded.currency, order_date = excluded.order_date,
        delivery_date = excluded.delivery_date, updated_at = now()
    where sales_order.status = 'cancelled';

    delete from billing.sales_order_line l
    using work.few(array(
        select l.version from work.few(item_ids) k
        cross join lateral (select l.ctid as version from billing.sales_order_line l
                            where l.organization_id = organization and l.sales_order_id = k.element offset 0) l)) k
    where l.ctid = k.element and l.organization_id = organization;

    insert into billing.sales_order_line (organization_id, sales_order_id, line_number, item_id, description, quantity,
                                          unit_price, discount_percent, tax_category, tax_rate)
    select organization, o.id, l.line_number, i.id, l.description, l.quantity, coalesce(l.unit_price, i.unit_price, 0),
           coalesce(l.discount_percent, 0), coalesce(l.tax_category, i.tax_category), coalesce(l.tax_rate, i.tax_rate)
    from work.few(item_ids) k
    cross join lateral (select o.id from billing.sales_order o
                        where o.organization_id = organization and o.id = k.element offset 0) o
    cross join lateral rows from (
        jsonb_to_recordset(parameters -> 'items') as (
            inventory_item_id uuid, description text, quantity numeric, unit_price numeric, discount_percent numeric,
            tax_category text, tax_rate numeric)
    ) with ordinality as l (inventory_item_id, description, quantity, unit_price, discount_percent, tax_category,
                            tax_rate, line_number)
    left join lateral (select * from billing.item i
                       where i.organization_id = organization and i.id = l.inventory_item_id offset 0) i on true;
end
$$;

-- One step of a job: takes it (the named one, or the oldest open one that nobody works on) and issues its next chunk of
-- at most `chunk_size` items. `job_id` is null where there is no such job, or nothing in it to do.
--
-- An order whose data PostgreSQL itself refuses takes its chunk with it. It is found by ever smaller chunks and fails
-- alone. As there are often more of them, the next chunk starts small as well and chunks grow again from there: the next
-- call takes `next_size` as its `first_size`. `attempts` is how many chunks were begun.
set local role invoice_pipelines_books;
create or replace function billing.issue_next(
    chunk_size integer, wanted_job uuid default null, first_size integer default null,
    out job_id uuid, out taken integer, out succeeded integer, out failed integer, out skipped integer,
    out first_number text, out last_number text, out amounts jsonb, out counter_locked_at timestamptz,
    out next_size integer, out attempts integer
)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    size integer := least(chunk_size, coalesce(first_size, chunk_size));
    pass_over_locked boolean := false;
    broken record;
    problem text;
    violated text;
begin
    attempts := 0;
    perform billing.enter_invoicing();
    job_id := work.take_job('{invoice_orders,invoice_customers}', wanted_job);
    if job_id is null then
        return;
    end if;
    loop
        attempts := attempts + 1;
        begin
            select c.* into taken, succeeded, failed, skipped, first_number, last_number, amounts, counter_locked_at
            from billing.issue_chunk(job_id, size, pass_over_locked) c;
            exit;
        exception
            when sqlstate 'IP001' then
                null;  -- another job has issued later invoices meanwhile: the next attempt sees that at its start
            when lock_not_available then
                if pass_over_locked then  -- it is no order that is locked
                    raise;
                end if;
                pass_over_locked := true;
            when data_exception or integrity_constraint_violation then
                get stacked diagnostics problem = message_text, violated = constraint_name;
                size := least(size, (select count(*) from work.next_items(job_id, size)));
                if size = 1 then
                    problem := case when violated <> '' then
                        'The order breaks the rule "' || replace(violated, '_', ' ') || '"; correct it and try again.'
                    else 'The database cannot work with the data of the order (' || problem || ').' end;
                    select i.version into strict broken from work.next_items(job_id, 1) i;
                    perform work.settle_items(job_id, array[broken.version], '{failed}', '{REFUSED_BY_DATABASE}',
                                              array[problem], array[null::jsonb]);
                    taken := 1; succeeded := 0; failed := 1; skipped := 0; amounts := '{}';
                    exit;
                end if;
                size := greatest(1, size / 4);
        end;
    end loop;
    next_size := least(chunk_size, size * 2);
    perform work.close_job_if_done(organizations.current(), job_id);
    if taken = 0 then
        job_id := null;
    end if;
end
$$;
revoke all on function billing.issue_next(integer, uuid, integer) from public;
grant execute on function billing.issue_next(integer, uuid, integer) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
