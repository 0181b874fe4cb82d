-- For people: what the newest verdict on each received invoice says, and the log of failed attempts.

create or replace view public.invoice_violations with (security_invoker = true) as
select r.organization_id, r.id as received_invoice_id, u.file_name, r.status, r.invoice_number, v.violation_class, v.rule,
       v.severity, v.message, v.message_de, v.location, t.rules_version, t.created_at as judged_at
from intake.received_invoice r
cross join lateral (select u.file_name from intake.upload u
                    where u.organization_id = r.organization_id and u.id between r.upload_id and r.upload_id
                    order by u.id) u
cross join lateral (select t.id, t.rules_version, t.created_at from intake.verdict t
                    where t.organization_id = r.organization_id and t.received_invoice_id = r.id
                    order by t.id desc limit 1) t
cross join lateral (select v.violation_class, v.rule, v.severity, v.message, v.message_de, v.location
                    from intake.violation v
                    where v.organization_id = r.organization_id and v.verdict_id between t.id and t.id
                    order by v.verdict_id) v;
call database.offer_for_reading('public.invoice_violations');

create or replace view public.invoice_processing_errors with (security_invoker = true) as
select e.organization_id, e.id, e.received_invoice_id, u.file_name, r.status, e.stage, e.attempt,
       e.will_be_retried, e.code, e.violation_class, e.message, e.trace_id, e.created_at
from intake.processing_error e
join intake.received_invoice r on r.organization_id = e.organization_id and r.id = e.received_invoice_id
join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id;
call database.offer_for_reading('public.invoice_processing_errors');
