-- What other domains know of billing: its tables may change as long as these views stay. Rows are those that the caller
-- may see. A view of all that belongs to an issued invoice, with its number, is billing.issued_invoice.

create or replace view billing.invoices with (security_invoker = true) as
select organization_id, id, document_kind, status, sales_order_id, customer_id, corrected_invoice_id, batch_job_id,
       issue_date, due_date, delivery_date, currency, net_amount, tax_amount, gross_amount, amount_paid,
       amount_credited, amount_due, discount_percent, language, buyer, order_number, purchase_order_reference, created_at,
       created_by, voided_at, period_start, period_end, tax_currency, tax_amount_in_tax_currency, exchange_rate,
       exchange_rate_base, exchange_rate_date, exchange_rate_source
from billing.invoice;
grant select on billing.invoices to invoice_pipelines_app;

create or replace view billing.invoice_numbers with (security_invoker = true) as
select organization_id, series, period, number, invoice_number, invoice_id, issue_date
from billing.invoice_number;
grant select on billing.invoice_numbers to invoice_pipelines_app;

create or replace view billing.invoice_lines with (security_invoker = true) as
select organization_id, invoice_id, line_number, item_id, sku, description, quantity, unit_code, unit_price,
       discount_percent, net_amount, tax_category, tax_rate, takes_stock, period_start, period_end
from billing.issued_invoice_line;
grant select on billing.invoice_lines to invoice_pipelines_app;

create or replace view billing.invoice_taxes with (security_invoker = true) as
select organization_id, invoice_id, tax_category, tax_rate, line_amount, allowance_amount, taxable_amount,
       tax_amount, exemption_reason, exemption_reason_code
from billing.issued_invoice_tax;
grant select on billing.invoice_taxes to invoice_pipelines_app;

-- Through these two, a sync writes any column. Others read them.
drop view if exists billing.customers, billing.items;
create view billing.customers with (security_invoker = true) as select * from billing.customer;
grant select, insert, update on billing.customers to invoice_pipelines_app;

create view billing.items with (security_invoker = true) as select * from billing.item;
grant select, insert, update on billing.items to invoice_pipelines_app;

create or replace view billing.payments with (security_invoker = true) as
select organization_id, id, source, external_id, kind, status, customer_id, payment_date, currency, amount,
       unapplied_amount, reference, created_at, created_by, updated_at
from billing.payment;
grant select on billing.payments to invoice_pipelines_app;

create or replace view billing.payment_allocations with (security_invoker = true) as
select organization_id, payment_id, invoice_id, amount, applied_amount
from billing.payment_allocation;
grant select on billing.payment_allocations to invoice_pipelines_app;

-- What changed last, by the names of lists that open pages show: another text whenever a list may have changed. What
-- makes an event of its own (invoice, credit_note) is not among them. Each is one look-up.
create or replace function billing.versions()
returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'sales_order', concat_ws(' ',
            (select o.id from billing.sales_order o where o.organization_id = organizations.current()
             order by o.id desc limit 1),
            (select e.id from billing.sales_order_event e where e.organization_id = organizations.current()
             order by e.id desc limit 1)),
        'payment', (select e.id from billing.payment_event e where e.organization_id = organizations.current()
                    order by e.id desc limit 1))
$$;
