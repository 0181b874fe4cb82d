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

-- Each line of an order as it would stand on an invoice; an order without lines shows one row without a line number.
-- `problem` ('CODE: message') says what keeps the order from being invoiced. PostgreSQL rounds numeric half away from
-- zero, which is half up for the amounts here, as they are never negative.
drop view if exists billing.billable_line;
create view billing.billable_line with (security_invoker = true) as
select o.organization_id, o.id as sales_order_id, o.currency, o.discount_percent as order_discount_percent,
       billing.currency_digits(o.currency) as digits,
       l.line_number, l.item_id, i.sku, coalesce(nullif(l.description, ''), i.name) as description, l.quantity,
       coalesce(l.unit_code, i.unit_code, 'C62') as unit_code, l.unit_price, l.discount_percent,
       round(l.quantity * l.unit_price * (100 - l.discount_percent) / 100, billing.currency_digits(o.currency))
           as net_amount,
       l.tax_category, l.tax_rate, t.exemption_reason, t.exemption_reason_code,
       coalesce(i.tracks_stock, false) as takes_stock,
       case
           when c.id is null then 'UNKNOWN_CUSTOMER: The order has no customer; give it one.'
           when not c.is_active then 'INACTIVE_CUSTOMER: Customer ' || c.customer_number || ' is inactive.'
           when c.currency <> o.currency then
               'CURRENCY_MISMATCH: The order is in ' || o.currency || ', customer ' || c.customer_number
               || ' buys in ' || c.currency || '.'
           when l.line_number is null then 'NO_LINES: The order has no lines.'
           when l.item_id is not null and not i.is_active then
               'INACTIVE_ITEM: Line ' || l.line_number || ': item ' || i.sku || ' is inactive.'
           when coalesce(nullif(l.description, ''), i.name) is null then
               'NO_DESCRIPTION: Line ' || l.line_number || ' has neither a description nor an item (BR-25).'
           when l.quantity <= 0 then
               'QUANTITY_NOT_POSITIVE: Line ' || l.line_number || ': the quantity ' || l.quantity
               || ' is not above zero; returns are credit notes.'
           when l.unit_price < 0 then
               'NEGATIVE_PRICE: Line ' || l.line_number || ': the unit price ' || l.unit_price
               || ' is below zero (BR-27).'
           when t.id is null then
               'MISSING_TAX_RATE: Line ' || l.line_number || ': '
               || coalesce('the tax rate ' || l.tax_category || ' ' || l.tax_rate || ' % is not set up.',
                           'category or rate is missing.')
           when l.tax_category in ('AE', 'K') and coalesce(c.vat_id, '') = '' then
               'MISSING_BUYER_VAT_ID: Customer ' || c.customer_number || ' needs a VAT id for tax category '
               || l.tax_category || ' (BR-AE-02, BR-IC-02).'
           when l.tax_category = 'K' and o.delivery_date is null then
               'MISSING_DELIVERY_DATE: An intra-community supply needs its delivery date (BR-IC-11).'
       end as problem
from billing.sales_order o
left join billing.customer c on c.organization_id = o.organization_id and c.id = o.customer_id
left join billing.sales_order_line l on l.organization_id = o.organization_id and l.sales_order_id = o.id
left join billing.item i on i.organization_id = o.organization_id and i.id = l.item_id
left join billing.tax_rate t on t.organization_id = o.organization_id and t.tax_category = l.tax_category
     and t.rate = l.tax_rate and t.is_active;
comment on view billing.billable_line is 'Order lines as an invoice would show them, and what keeps the order from it';
grant select on billing.billable_line to invoice_pipelines_app;
