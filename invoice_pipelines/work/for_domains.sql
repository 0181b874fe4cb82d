-- What other domains know of batch jobs and their items: the tables may change as long as these views stay. Rows are those
-- that the caller may see. They are changed by functions: see jobs.sql and leases.sql.

create or replace view work.jobs with (security_invoker = true) as
select organization_id, id, kind, status, total_items, successful_items, failed_items, skipped_items,
       cancelled_items, processed_items, progress, parameters, summary, last_error, created_by, created_at,
       started_at, completed_at, last_progress_at, actual_duration_seconds
from work.batch_job;
grant select on work.jobs to invoice_pipelines_app;

create or replace view work.items with (security_invoker = true) as
select organization_id, id, job_id, kind, subject_id, status, attempts, max_attempts, available_at, lease_token,
       lease_expires_at, error_code, error_message, result, created_at, finished_at
from work.batch_item;
grant select on work.items to invoice_pipelines_app;
