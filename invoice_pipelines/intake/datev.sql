-- Views for people on what is booked and on what waits to be. They see what the caller may see.

create or replace view public.datev_ledger with (security_invoker = true) as
select b.organization_id, e.export_number, e.status as export_status, b.received_invoice_id,
       r.invoice_number, r.status as invoice_status, b.generation, b.position, b.is_reversal, b.document_date, b.amount,
       b.side, b.currency, b.rate, b.base_amount, b.account, b.contra_account, b.tax_key, b.document_field,
       b.booking_text, b.due_date, b.document_guid, b.cost_center, b.tax_category, b.tax_rate, b.invoice_amount,
       b.invoice_currency
from intake.datev_booking b
join intake.export e on e.organization_id = b.organization_id and e.id = b.export_id
join intake.received_invoice r on r.organization_id = b.organization_id and r.id = b.received_invoice_id;
call database.offer_for_reading('public.datev_ledger');

create or replace view public.datev_waiting_invoice with (security_invoker = true) as
select w.organization_id, w.received_invoice_id, u.file_name, r.status, r.invoice_number,
       r.issue_date, r.seller_name, r.seller_vat_id, r.currency, r.gross_amount, w.reasons, w.since, w.tried_at
from intake.datev_waiting w
join intake.received_invoice r on r.organization_id = w.organization_id and r.id = w.received_invoice_id
join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
-- One that failed since is judged again once it has passed again.
where r.status in ('VALIDATED', 'EXPORTED');
call database.offer_for_reading('public.datev_waiting_invoice');
