-- What operators query by hand: what waits to be sent to QuickBooks, and what came of what was sent.
-- after: work/for_domains.sql

create or replace view public.qbo_sync_queue with (security_invoker = true) as
    select i.id,
           substr(i.kind, 17) as entity_type,
           i.subject_id as entity_id,
           coalesce(i.result ->> 'operation',
                    case when m.local_id is null then 'create'
                         when i.kind = 'quickbooks_push_invoice' then 'void' else 'update' end) as operation_type,
           case when i.status = 'pending' and i.error_code in ('WAITS_FOR_OTHERS', 'MISSING_EXCHANGE_RATE')
                then 'waiting' else i.status end as status,
           i.attempts, i.error_code, i.error_message, i.job_id, m.quickbooks_id, i.created_at, i.available_at,
           i.finished_at
    from work.items i
    left join lateral (
        select m.local_id, m.quickbooks_id
        from quickbooks.connection c
        join quickbooks.mapping m on m.organization_id = c.organization_id and m.realm_id = c.realm_id
        where c.organization_id = i.organization_id and m.entity_type = substr(i.kind, 17)
          and m.local_id = case when pg_input_is_valid(i.subject_id, 'uuid') then i.subject_id::uuid end) m on true
    where i.kind in ('quickbooks_push_customer', 'quickbooks_push_item', 'quickbooks_push_invoice');
comment on view public.qbo_sync_queue is
    'What waits to be sent to QuickBooks and what came of it; waiting: for a customer, an item or an exchange rate';
comment on column public.qbo_sync_queue.operation_type is 'create, update or void: what it was, or is by now';
call database.offer_for_reading('public.qbo_sync_queue');
