-- For people: which received invoices wait for a person, and why. One row per invoice.

create or replace view public.invoice_review_queue with (security_invoker = true) as
select r.id, r.organization_id, u.file_name, r.last_processed_at as waiting_since, r.source, r.format, r.seller_name,
       r.invoice_number, r.issue_date, r.gross_amount, r.currency, r.confidence, w.reasons, w.messages
from intake.received_invoice r
join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
cross join lateral (
    select array_agg(v.code order by v.position) as reasons, array_agg(v.message order by v.position) as messages
    from intake.review_reason v
    where v.organization_id = r.organization_id and v.received_invoice_id = r.id
      and v.processing_version = r.processing_version) w
where r.status = 'PARSED' and w.reasons is not null;
call database.offer_for_reading('public.invoice_review_queue');

-- For who only counts them: without their words.
create or replace view intake.waiting_reviews with (security_invoker = true) as
select r.organization_id, r.id
from intake.received_invoice r
where r.status = 'PARSED'
  and exists (select from intake.review_reason v
              where v.organization_id = r.organization_id and v.received_invoice_id = r.id
                and v.processing_version = r.processing_version);
grant select on intake.waiting_reviews to invoice_pipelines_app;
