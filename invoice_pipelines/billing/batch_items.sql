-- The items of batch jobs and of continuous queues for people, each with what it is about and which customer that concerns.
-- Here, as the queue itself knows no customers.
-- after: work/for_domains.sql

create or replace view public.batch_item_queue with (security_invoker = true) as
    select i.id, i.job_id, i.kind as job_type, i.subject_id, i.status, i.attempts, i.available_at,
           i.error_code, i.error_message, i.result, i.created_at, i.finished_at, i.reference_type,
           case i.reference_type when 'sales_order' then o.customer_id
                                 when 'invoice' then v.customer_id
                                 when 'customer' then i.reference_id end as customer_id
    from (select w.*,
                 case when w.kind = 'invoice_orders' then 'sales_order'
                      when w.kind in ('invoice_customers', 'quickbooks_push_customer') then 'customer'
                      when w.kind = 'quickbooks_push_item' then 'item'
                      when w.kind = 'invoice_documents' and w.subject_id like 'job/%' then 'batch_job'
                      when w.kind in ('invoice_documents', 'communications', 'quickbooks_push_invoice') then 'invoice'
                      when w.kind in ('parse_upload', 'recognize_upload', 'process_upload', 'validate_invoice',
                                      'export_invoice', 'export_received') then 'received_invoice'
                      when w.kind = 'send_message' then 'message'
                      when w.kind = 'send_overdue_notification' then 'notification' end as reference_type,
                 case when pg_input_is_valid(w.subject_id, 'uuid') then w.subject_id::uuid end as reference_id
          from work.items w) i
    left join billing.sales_order o on o.organization_id = i.organization_id and o.id = i.reference_id
    left join billing.invoice v on v.organization_id = i.organization_id and v.id = i.reference_id;
comment on view public.batch_item_queue is
    'Items of batch jobs and entries of continuous queues (without job_id) of the organization in scope';
comment on column public.batch_item_queue.reference_type is
    'what subject_id is the id of: sales_order, invoice, customer, item, received_invoice, message, notification, batch_job';
comment on column public.batch_item_queue.customer_id is 'of the order or invoice, or the customer itself';
call database.offer_for_reading(
    'public.batch_item_queue',
    'Jobs are cancelled by `invoice-pipelines batch cancel`, failed items tried again by `batch retry`.');
