-- What an order comes to, and what keeps it from being invoiced.

-- Digits after the decimal point of a currency (ISO 4217, minor unit).
create or replace function billing.currency_digits(currency text)
returns integer
language sql immutable parallel safe
as $$
    select case
        when currency in ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND',
                          'VUV', 'XAF', 'XOF', 'XPF') then 0
        when currency in ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') then 3
        when currency in ('CLF', 'UYW') then 4
        else 2 end
$$;

-- Each line of orders as it would stand on an invoice; an order without lines has one row without a line number. `place`
-- is that of the order in the array. `problem` ('CODE: message') says what keeps the order from being invoiced.
-- PostgreSQL rounds numeric half away from zero, which is half up for the amounts here, as they are never negative.
-- Percentages are taken by `* 0.01`, which is exact; a division by 100 rounds large quotients to fewer digits than they
-- have, and they would be rounded twice.
--
-- Orders, customers and lines are looked up by key, as work/chunks.sql has it; items once each, as orders share them. The
-- planner's settings are those of its callers, write_invoices and issue_chunk.
create or replace function billing.billable_lines(order_ids uuid[])
returns table (place bigint, sales_order_id uuid, currency text, order_discount_percent numeric, digits integer,
               line_number integer, item_id uuid, sku text, description text, quantity numeric, unit_code text,
               unit_price numeric, discount_percent numeric, net_amount numeric, tax_category text, tax_rate numeric,
               exemption_reason text, exemption_reason_code text, takes_stock boolean, period_start date,
               period_end date, problem text)
language sql stable
-- demanded by test_a_chunk_of_orders_reads_its_own_rows_only
as $$
    with wanted as materialized (
        select k.place, o.id as sales_order_id, o.currency, o.discount_percent as order_discount_percent, o.digits,
               coalesce(o.delivery_date, o.period_end) as supply_date, o.period_start as order_start,
               o.period_end as order_end, c.customer_number, coalesce(c.vat_id, '') as buyer_vat_id,
               case
                   when c.id is null then 'UNKNOWN_CUSTOMER: The order has no customer; give it one.'
                   when not c.is_active then 'INACTIVE_CUSTOMER: Customer ' || c.customer_number || ' is inactive.'
                   when c.currency <> o.currency then
                       'CURRENCY_MISMATCH: The order is in ' || o.currency || ', customer ' || c.customer_number
                       || ' buys in ' || c.currency || '.'
               end as problem,
               l.line_number, l.item_id, nullif(l.description, '') as description, l.quantity, l.unit_code,
               l.unit_price, l.discount_percent, l.tax_category, l.tax_rate, l.period_start, l.period_end
        from unnest(order_ids) with ordinality as k (element, place)
        cross join lateral (
            select o.*, billing.currency_digits(o.currency) as digits from billing.sales_order o
            where o.organization_id = (select organizations.current())
              and o.id between k.element and k.element
            order by o.id) o
        left join lateral (
            select * from billing.customer c
            where c.organization_id = (select organizations.current())
              and c.id between o.customer_id and o.customer_id
            order by c.id) c on true
        left join lateral (
            select * from billing.sales_order_line l
            where l.organization_id = (select organizations.current())
              and l.sales_order_id = o.id
            offset 0) l on true
    ), item as materialized (
        select i.id, i.sku, i.name, i.unit_code, i.tracks_stock, i.is_active
        from (select distinct w.item_id from wanted w where w.item_id is not null) w
        cross join lateral (
            select * from billing.item i
            where i.organization_id = (select organizations.current())
              and i.id between w.item_id and w.item_id
            order by i.id) i
    ), rate as materialized (
        select t.tax_category, t.rate, t.exemption_reason, t.exemption_reason_code, true as is_set_up
        from billing.tax_rate t
        where t.organization_id = (select organizations.current()) and t.is_active
    )
    select l.place, l.sales_order_id, l.currency, l.order_discount_percent, l.digits,
           l.line_number, l.item_id, i.sku, coalesce(l.description, i.name), l.quantity,
           coalesce(l.unit_code, i.unit_code, 'C62'), l.unit_price, l.discount_percent,
           round(l.quantity * l.unit_price * (100 - l.discount_percent) * 0.01, l.digits),
           l.tax_category, l.tax_rate, t.exemption_reason, t.exemption_reason_code,
           coalesce(i.tracks_stock, false), l.period_start, l.period_end,
           case
               when l.problem is not null then l.problem
               when l.line_number is null then 'NO_LINES: The order has no lines.'
               when l.item_id is not null and not i.is_active then
                   'INACTIVE_ITEM: Line ' || l.line_number || ': item ' || i.sku || ' is inactive.'
               when coalesce(l.description, i.name) is null then
                   'NO_DESCRIPTION: Line ' || l.line_number || ' has neither a description nor an item (BR-25).'
               when l.quantity <= 0 then
                   'QUANTITY_NOT_POSITIVE: Line ' || l.line_number || ': the quantity ' || l.quantity
                   || ' is not above zero; returns are credit notes.'
               when l.unit_price < 0 then
                   'NEGATIVE_PRICE: Line ' || l.line_number || ': the unit price ' || l.unit_price
                   || ' is below zero (BR-27).'
               when t.is_set_up is null then
                   'MISSING_TAX_RATE: Line ' || l.line_number || ': '
                   || coalesce('the tax rate ' || l.tax_category || ' ' || l.tax_rate || ' % is not set up.',
                               'category or rate is missing.')
               when l.period_start < l.order_start or l.period_end > l.order_end then
                   'PERIOD_OUTSIDE_ORDER: Line ' || l.line_number || ': its period, ' || l.period_start || ' to '
                   || l.period_end || ', is not within that of the order, ' || l.order_start || ' to ' || l.order_end
                   || ' (PEPPOL-EN16931-R110, R111).'
               when l.tax_category = 'S' then null  -- what follows is about other categories
               when l.buyer_vat_id = '' and 'buyer_vat_id' = any (billing.vat_needs(l.tax_category)) then
                   'MISSING_BUYER_VAT_ID: Customer ' || l.customer_number || ' needs a VAT id for tax category '
                   || l.tax_category || ' (BR-AE-02, BR-IC-02).'
               when l.supply_date is null and 'delivery' = any (billing.vat_needs(l.tax_category)) then
                   'MISSING_DELIVERY_DATE: An intra-community supply needs its delivery date or service period (BR-IC-11).'
           end
    from wanted l
    left join item i on i.id = l.item_id
    left join rate t on t.tax_category = l.tax_category and t.rate = l.tax_rate
$$;
