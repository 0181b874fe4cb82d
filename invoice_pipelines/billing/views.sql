-- Views for people: what was issued, with what each invoice owes. They show what the caller may see: one organization in
-- its scope, all of them as a superuser.
-- after: billing/numbers.sql
-- after: billing/receivables.sql

create or replace view public.invoice_record with (security_invoker = true) as
select i.organization_id, i.id, i.invoice_number, i.document_kind, s.standing, i.issue_date, i.due_date, s.days_overdue,
       i.currency, i.net_amount, i.tax_amount, i.gross_amount, i.amount_paid, i.amount_credited,
       case i.document_kind when 'invoice' then i.amount_due else 0 end as amount_due, s.payment_date,
       i.customer_id, i.buyer ->> 'customer_number' as customer_number, i.buyer ->> 'name' as customer_name,
       i.sales_order_id, i.order_number, i.purchase_order_reference, i.delivery_date, i.corrected_invoice_id,
       i.batch_job_id, i.language, i.note, i.created_at, i.created_by, i.void_reason, i.voided_at, i.voided_by
from billing.issued_invoice i
join billing.invoice_settlement s on s.organization_id = i.organization_id and s.invoice_id = i.id;
comment on view public.invoice_record is 'Issued invoices and credit notes, with what each owes and how it stands today';
comment on column public.invoice_record.standing is 'issued, partially_paid, paid, overdue or void';
comment on column public.invoice_record.amount_due is
    'gross less paid and credited; 0 on a credit note, which reduces what is due on the invoice that it corrects';
comment on column public.invoice_record.payment_date is 'of the last payment that counts';
call database.offer_for_reading(
    'public.invoice_record',
    'Issued invoices do not change: see `invoice-pipelines invoices void`, `invoices credit` and `invoices pay`.');

create or replace view public.invoice_line_item with (security_invoker = true) as
select l.organization_id, l.invoice_id, i.invoice_number, i.document_kind, l.line_number, l.item_id, l.sku,
       l.description, l.quantity, l.unit_code, l.unit_price, l.discount_percent, l.net_amount, l.tax_category,
       l.tax_rate
from billing.issued_invoice_line l
join billing.issued_invoice i on i.organization_id = l.organization_id and i.id = l.invoice_id;
comment on view public.invoice_line_item is 'Lines of issued invoices and credit notes';
call database.offer_for_reading(
    'public.invoice_line_item',
    'Issued invoices do not change: see `invoice-pipelines invoices void` and `invoices credit`.');
