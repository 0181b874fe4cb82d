-- What other domains know of notifications.

create or replace view overdue.notifications with (security_invoker = true) as
select organization_id, id, notification_type, invoice_id, level, status, as_of, days_overdue, invoice_number,
       customer_id, customer_name, amount_due, currency, due_date, sent_at, closed_at, closed_reason, execution_id,
       created_at
from overdue.notification;
grant select on overdue.notifications to invoice_pipelines_app;
