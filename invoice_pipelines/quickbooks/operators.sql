-- What operators query by hand: what waits to be sent to QuickBooks, and what came of what was sent.
-- after: billing/for_domains.sql
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

create or replace view public.qbo_synced_invoice with (security_invoker = true) as
    select m.organization_id, m.local_id as invoice_id, m.quickbooks_id, m.state, m.synced_at,
           case when p.finished_at > v.created_at then p.finished_at end as payments_synced_at
    from quickbooks.connection c
    join quickbooks.mapping m on m.organization_id = c.organization_id and m.realm_id = c.realm_id
    join billing.invoices v on v.organization_id = m.organization_id and v.id = m.local_id
    left join quickbooks.pull p on p.organization_id = m.organization_id and p.realm_id = m.realm_id
                                   and p.entity_type = 'payment'
    where m.entity_type = 'invoice';
comment on view public.qbo_synced_invoice is 'Issued invoices that are in QuickBooks, each with when it was synced last';
comment on column public.qbo_synced_invoice.payments_synced_at is
    'when its payments were synced last: what QuickBooks had booked on it until then is here; null: not since it was issued';
call database.offer_for_reading('public.qbo_synced_invoice');
