-- What operators query by hand: documents, messages with their present state, and each attempt to send them; and where
-- providers are to be asked.

create or replace view public.invoice_documents with (security_invoker = true) as
    select d.id, d.invoice_id, d.invoice_number, d.format, d.language, d.version,
           not exists (select from delivery.invoice_document newer
                       where newer.organization_id = d.organization_id and newer.invoice_id = d.invoice_id
                         and newer.format = d.format and newer.language = d.language and newer.version > d.version)
               as is_newest,
           d.file_name, d.sha256, d.size_bytes, d.pages, d.missing_glyphs, d.engine, d.batch_job_id,
           d.created_at, d.created_by, d.plain_reason
    from delivery.invoice_document d;
comment on view public.invoice_documents is
    'Each document that was made of an issued invoice of the organization in scope; the newest version is sent';
call database.offer_for_reading('public.invoice_documents');

create or replace view public.outgoing_messages with (security_invoker = true) as
    select m.id, m.invoice_id, m.invoice_number, m.customer_id, m.purpose, m.level, m.channel, m.recipient,
           m.redirected_from, m.status, m.language, m.subject, m.attempts, m.provider_id, m.provider_status,
           m.error_code, m.error_message, m.created_at, m.sent_at, m.ended_at, m.document_id, m.batch_job_id,
           m.created_by
    from delivery.message m;
comment on view public.outgoing_messages is
    'Emails, SMS and WhatsApp messages of the organization in scope and what became of them; unknown: see message_log';
call database.offer_for_reading('public.outgoing_messages');

create or replace view public.message_log with (security_invoker = true) as
    select m.invoice_number, m.purpose, m.level, m.channel, m.recipient, a.message_id, a.attempt, a.kind, a.started_at,
           a.ended_at, a.outcome, a.code, a.detail, a.provider_id, a.worker
    from delivery.message_attempt a
    join delivery.message m on m.organization_id = a.organization_id and m.id = a.message_id;
comment on view public.message_log is
    'Each attempt to send a message of the organization in scope, or to find out what became of it';
call database.offer_for_reading('public.message_log');

create or replace view public.message_history with (security_invoker = true) as
    select m.invoice_number, m.purpose, m.level, m.channel, m.recipient, e.message_id, e.action, e.detail, e.created_at,
           e.created_by
    from delivery.message_event e
    join delivery.message m on m.organization_id = e.organization_id and m.id = e.message_id;
comment on view public.message_history is
    'What people decided of messages of the organization in scope, and providers reported';
call database.offer_for_reading('public.message_history');

-- Organizations with messages by some channels that were sent since a moment and of which it is not known how they ended.
-- For the schedule that asks. Of emails nobody can be asked, so that they are not in the index.
set local role invoice_pipelines_overview;
create or replace function delivery.organizations_with_unsettled_messages(channels text[], since timestamptz)
returns table (organization_id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select o.id from organizations.organization o
    where o.removed_at is null and exists (
        select from delivery.message m
        where m.organization_id = o.id and m.status = 'sent' and m.channel <> 'email'
          and m.channel = any (channels) and m.sent_at >= since)
    order by o.id
$$;
revoke all on function delivery.organizations_with_unsettled_messages(text[], timestamptz) from public;
grant execute on function delivery.organizations_with_unsettled_messages(text[], timestamptz) to invoice_pipelines_app;
set local role invoice_pipelines_owner;
