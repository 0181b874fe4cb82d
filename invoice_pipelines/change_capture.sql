-- Change capture: the only triggers of one domain on tables of another one.
--
-- Elsewhere, what happens in one domain because of another is asked for by the first one (work.enqueue). Here the first
-- one would have to know who wants to hear of a change, and each way to make one (an import, a correction by hand, a
-- function of an operator) would have to remember it. What a trigger asks for is committed with the change, or not at
-- all. The functions, and what they cost, are in the domains that want to know.
--
-- after: delivery/capture.sql
-- after: delivery/documents.sql
-- after: events/capture.sql
-- after: quickbooks/capture.sql

-- The columns are those that are synced: see quickbooks/records/fields.py.
create or replace trigger capture_new after insert on billing.customer
    referencing new table as added for each statement execute function quickbooks.capture_added('customer');

create or replace trigger capture_new after insert on billing.item
    referencing new table as added for each statement execute function quickbooks.capture_added('item');

create or replace trigger capture_change after update on billing.customer
    referencing old table as before_change new table as after_change
    for each statement execute function quickbooks.capture_changed(
        'customer', 'name', 'email', 'phone', 'street', 'additional_street', 'city', 'post_code', 'country_code',
        'is_active');

create or replace trigger capture_change after update on billing.item
    referencing old table as before_change new table as after_change
    for each statement execute function quickbooks.capture_changed(
        'item', 'name', 'sku', 'description', 'unit_price', 'is_active', 'tracks_stock');

create or replace trigger capture_issued after insert on billing.invoice_number
    referencing new table as added for each statement execute function quickbooks.capture_issued();

create or replace trigger capture_void after update on billing.invoice
    for each row when (new.status = 'void' and old.status <> 'void') execute function quickbooks.capture_void();

create or replace trigger deliver_issued after insert on billing.invoice_number
    referencing new table as added for each statement execute function delivery.capture_issued();

create or replace trigger ask_for_bundles after update of status on work.batch_job
    for each row
    when (new.kind = 'invoice_documents' and new.status in ('completed', 'completed_with_errors')
          and old.status is distinct from new.status
          and (new.parameters @> '{"combined": true}' or new.parameters @> '{"zip": true}'))
    execute function delivery.ask_for_bundles();

-- What programs of an organization are told of: see events/capture.sql for the arguments. Bulk changes are captured by
-- statement; of rows that are written again for many reasons, such as when a part of an invoice is paid, only those are
-- captured, row by row, that matter here, so that the others pay for nothing.

create or replace trigger tell_issued after insert on billing.invoice_number
    referencing new table as changed for each statement execute function events.capture(
        $$n.series || '.issued'$$, 'n.invoice_id', 'n.invoice_id, n.invoice_number, n.issue_date');

create or replace trigger tell_settled after insert on billing.invoice_event
    referencing new table as changed for each statement execute function events.capture(
        $$'invoice.' || n.action$$, 'n.invoice_id',
        $$n.invoice_id, (select u.invoice_number from billing.invoice_numbers u
                         where u.organization_id = n.organization_id and u.invoice_id = n.invoice_id)$$);

create or replace trigger tell_reopened after update on billing.invoice
    for each row when (old.status = 'paid' and new.status in ('issued', 'partially_paid'))
    execute function events.capture(
        $$'invoice.reopened'$$, 'n.id',
        $$n.id as invoice_id, n.status, (select u.invoice_number from billing.invoice_numbers u
                                         where u.organization_id = n.organization_id and u.invoice_id = n.id)$$);

create or replace trigger tell_overdue after insert on overdue.notification
    referencing new table as changed for each statement execute function events.capture(
        $$'invoice.overdue'$$, 'n.invoice_id',
        'n.invoice_id, n.invoice_number, n.id as notification_id, n.level, n.days_overdue, n.due_date,
         n.amount_due::text, n.currency');

create or replace trigger tell_received after insert on intake.received_invoice
    referencing new table as changed for each statement execute function events.capture(
        $$'received_invoice.received'$$, 'n.id', 'n.id as received_invoice_id, n.upload_id, n.status');

create or replace trigger tell_status after update on intake.received_invoice
    referencing old table as before_change new table as changed for each statement execute function events.capture(
        $$'received_invoice.' || lower(n.status)$$, 'n.id',
        'n.id as received_invoice_id, n.upload_id, n.status, left(n.invoice_number, 200) as invoice_number',
        $$n.status <> o.status and n.status in ('VALIDATED', 'EXPORTED', 'FAILED')$$);

create or replace trigger tell_review after insert on intake.review_reason
    referencing new table as changed for each statement execute function events.capture(
        $$'received_invoice.waits_for_review'$$, 'n.received_invoice_id', 'n.received_invoice_id, n.code, n.field',
        'n.position = 1');

create or replace trigger tell_document after insert on delivery.invoice_document
    referencing new table as changed for each statement execute function events.capture(
        $$'document.made'$$, 'n.id',
        'n.id as document_id, n.invoice_id, n.invoice_number, n.format, n.language, n.version');

create or replace trigger tell_message after update on delivery.message
    for each row when (new.status <> old.status
                       and new.status in ('sent', 'delivered', 'failed', 'bounced', 'unknown'))
    execute function events.capture(
        $$'message.' || n.status$$, 'n.id',
        'n.id as message_id, n.invoice_id, n.invoice_number, n.purpose, n.channel, n.status, n.error_code');

create or replace trigger tell_batch after update on work.batch_job
    for each row when (new.status <> old.status
                       and new.status in ('completed', 'completed_with_errors', 'failed', 'cancelled'))
    execute function events.capture(
        $$'batch_operation.' || n.status$$, 'n.id',
        'n.id as job_id, n.kind, n.status, n.total_items, n.successful_items, n.failed_items, n.skipped_items,
         n.cancelled_items');

create or replace trigger tell_conflict after insert on quickbooks.conflict
    referencing new table as changed for each statement execute function events.capture(
        $$'quickbooks.conflict_opened'$$, 'n.id',
        'n.id as conflict_id, n.entity_type, n.local_id, n.quickbooks_id, n.kind, n.field', $$n.status = 'open'$$);

create or replace trigger tell_reconnect after update on quickbooks.connection
    for each row when (new.status = 'needs_reconnect' and old.status <> 'needs_reconnect')
    execute function events.capture(
        $$'quickbooks.needs_reconnect'$$, 'n.organization_id', 'n.realm_id, n.status');
