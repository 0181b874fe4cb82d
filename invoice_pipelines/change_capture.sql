-- Change capture: the only triggers of one domain on tables of another one.
--
-- Elsewhere, what happens in one domain because of another is asked for by the first one (work.enqueue). Here the first
-- one would have to know who wants to hear of a change, and each way to make one (an import, a correction by hand, a
-- function of an operator) would have to remember it. What a trigger asks for is committed with the change, or not at
-- all. The functions, and what they cost, are in the domains that want to know.
--
-- after: delivery/capture.sql
-- after: delivery/documents.sql
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
