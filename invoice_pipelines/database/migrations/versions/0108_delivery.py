"""Delivery: documents of issued invoices, templates, and messages with every attempt to send them."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import create_schema, isolate, refuse_change, show_to_overview

revision = "0108"
down_revision = "0107"

TABLES = r"""
-- No foreign keys to billing.invoice, which would lock each invoice and write its page again, nor to batch jobs, which
-- are forgotten after a while: invoices are never deleted. Unique constraints have organization_id last: see billing.

create table delivery.invoice_document (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    invoice_id uuid not null,
    invoice_number text not null check (invoice_number <> ''),
    format text not null check (format in ('zugferd', 'xrechnung_cii', 'xrechnung_ubl', 'plain')),
    language text not null check (language ~ '^[a-z]{2}$'),
    version integer not null check (version > 0),
    file_name text not null check (file_name <> ''),
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes bigint not null check (size_bytes > 0),
    pages integer check (pages > 0),
    missing_glyphs text,
    input_sha256 text not null check (input_sha256 ~ '^[0-9a-f]{64}$'),
    template_sha256 text check (template_sha256 ~ '^[0-9a-f]{64}$'),
    engine text not null check (engine <> ''),
    batch_job_id uuid,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    plain_reason text,
    primary key (organization_id, id),
    unique (invoice_id, format, language, version, organization_id),
    constraint pages_are_of_pdfs check ((format in ('zugferd', 'plain')) = (pages is not null)),
    constraint templates_are_of_pdfs check ((format in ('zugferd', 'plain')) = (template_sha256 is not null)),
    constraint reason_is_of_plain_ones check (format = 'plain' or plain_reason is null)
);
comment on table delivery.invoice_document is
    'Each document that was ever made of an issued invoice; the newest version is the one that is sent. Append-only.';
comment on column delivery.invoice_document.format is
    'zugferd: PDF/A-3 with the EN 16931 XML of ZUGFeRD/Factur-X inside; xrechnung_cii, xrechnung_ubl: XML alone;
     plain: PDF/A-3 without XML';
comment on column delivery.invoice_document.plain_reason is
    'why it has no XML although one was asked for; null: it was asked for as it is';
comment on column delivery.invoice_document.sha256 is 'of the file, by which it is stored';
comment on column delivery.invoice_document.missing_glyphs is
    'characters that no font has, shown as a replacement; null: none';
comment on column delivery.invoice_document.input_sha256 is
    'of all that decides what it looks like: the invoice, the templates, the settings and the engine';
comment on column delivery.invoice_document.template_sha256 is 'of the template files, with those of the organization';
create index invoice_document_of_job on delivery.invoice_document (organization_id, batch_job_id, invoice_number)
    where batch_job_id is not null;
create index invoice_document_by_time on delivery.invoice_document (organization_id, id desc) where version > 0;

create table delivery.document_bundle (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    batch_job_id uuid not null,
    kind text not null check (kind in ('combined_pdf', 'zip')),
    file_name text not null check (file_name <> ''),
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes bigint not null check (size_bytes > 0),
    documents integer not null check (documents > 0),
    pages integer check (pages > 0),
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    primary key (organization_id, id),
    unique (batch_job_id, kind, sha256, organization_id)
);
comment on table delivery.document_bundle is 'All PDFs of a batch job as one file. Append-only.';

create table delivery.template_file (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    name text not null check (name <> '' and name !~ '(^|/)[.]' and name !~ '^/'),
    content bytea,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    primary key (organization_id, id)
);
comment on table delivery.template_file is
    'Template files that stand in for those of the project; the newest row of a name counts. Append-only.';
comment on column delivery.template_file.content is 'null: removed, so that the one of the project counts again';
create index template_file_by_name on delivery.template_file (name, organization_id, id desc);

create table delivery.message_template (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    purpose text not null check (purpose in ('invoice', 'reminder')),
    level integer not null default 0 check (level >= 0),
    channel text not null check (channel <> ''),
    language text not null check (language ~ '^[a-z]{2}$'),
    is_removed boolean not null default false,
    subject text,
    body_text text,
    body_html text,
    content_sid text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    primary key (organization_id, id),
    check (is_removed or body_text is not null),
    check (purpose = 'reminder' or level = 0)
);
comment on table delivery.message_template is
    'Texts of messages that stand in for those of the project; the newest row of a key counts. Append-only.';
comment on column delivery.message_template.level is
    'of a reminder: from so many days past due on; the highest one that is reached counts';
comment on column delivery.message_template.content_sid is
    'of a WhatsApp template that Twilio and Meta approved; without one, only customers who wrote lately are reached';
create index message_template_by_key
    on delivery.message_template (purpose, channel, language, level, organization_id, id desc);

create table delivery.message (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    invoice_id uuid not null,
    invoice_number text not null check (invoice_number <> ''),
    customer_id uuid not null,
    purpose text not null check (purpose in ('invoice', 'reminder')),
    level integer not null default 0 check (level >= 0),
    channel text not null check (channel <> ''),
    recipient text not null,
    redirected_from text,
    status text not null default 'waiting'
        check (status in ('waiting', 'sending', 'sent', 'delivered', 'failed', 'bounced', 'unknown', 'cancelled')),
    language text check (language ~ '^[a-z]{2}$'),
    wishes jsonb not null default '{}' check (jsonb_typeof(wishes) = 'object'),
    notification_id uuid,
    batch_job_id uuid,
    document_id uuid,
    address text,
    sender text,
    sender_name text,
    reply_to text,
    subject text,
    body_text text,
    body_html text,
    content_sid text,
    content_variables jsonb,
    amount_due numeric,
    message_id_header text,
    composed_at timestamptz,
    attempts integer not null default 0 check (attempts >= 0),
    provider_id text,
    provider_status text,
    error_code text,
    error_message text,
    sent_at timestamptz,
    ended_at timestamptz,
    looked_up_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    primary key (organization_id, id),
    unique (invoice_id, purpose, level, channel, recipient, organization_id),
    foreign key (organization_id, document_id) references delivery.invoice_document (organization_id, id),
    check (status not in ('sending', 'sent', 'delivered', 'bounced', 'unknown') or composed_at is not null),
    check (status not in ('sent', 'delivered', 'bounced') or sent_at is not null),
    check ((status in ('delivered', 'failed', 'bounced', 'cancelled')) = (ended_at is not null)),
    check (status not in ('failed', 'bounced', 'cancelled') or error_code is not null)
);
comment on table delivery.message is
    'An outgoing message, by a channel that is registered, once per invoice, purpose, level, channel and recipient';
comment on column delivery.message.recipient is
    'the address in its form for comparing; empty until it is looked up, and where none is known';
comment on column delivery.message.redirected_from is 'in test mode: whom it would have gone to';
comment on column delivery.message.status is
    'waiting: not handed over yet; sending: being handed over, or a process died over it; sent: the provider has it;
     delivered: the provider says that it arrived; unknown: a person must look whether it went out; cancelled: its
     reason is gone (paid, void, opted out)';
comment on column delivery.message.wishes is 'of who asked for it: subject, include_pdf';
comment on column delivery.message.address is 'whom it really goes to, as the channel writes it; fixed when composed';
comment on column delivery.message.composed_at is
    'from then on sender, address, subject, bodies, document and Message-ID stay as they are: each attempt is the same';
comment on column delivery.message.amount_due is 'of a reminder: what it says is due; another amount is written anew';
comment on column delivery.message.message_id_header is 'Message-ID of an email (RFC 5322), fixed before it is sent';
comment on column delivery.message.looked_up_at is 'when the provider was last asked what became of it';
create index message_unsettled on delivery.message (organization_id, channel, sent_at)
    where status = 'sent' and channel <> 'email';
create index message_open on delivery.message (organization_id, status, id)
    where status in ('waiting', 'sending', 'unknown', 'failed');
create index message_of_invoice on delivery.message (invoice_id, organization_id) where invoice_number <> '';
create index message_by_header on delivery.message (message_id_header, organization_id)
    where message_id_header is not null;
create index message_by_provider_id on delivery.message (provider_id, organization_id) where provider_id is not null;
create index message_by_time on delivery.message (organization_id, id desc) where attempts >= 0;

create table delivery.message_attempt (
    organization_id uuid not null,
    message_id uuid not null,
    attempt integer not null check (attempt > 0),
    kind text not null default 'send' check (kind in ('send', 'look_up')),
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    outcome text check (outcome in ('accepted', 'temporary', 'permanent', 'unknown', 'found', 'not_found')),
    code text,
    detail text,
    provider_id text,
    worker text not null,
    primary key (organization_id, message_id, attempt),
    foreign key (organization_id, message_id) references delivery.message (organization_id, id),
    check ((ended_at is null) = (outcome is null))
);
comment on table delivery.message_attempt is
    'Each attempt, written before it begins: one without an outcome is of a process that works on it, or died';

create table delivery.message_event (
    organization_id uuid not null,
    id uuid not null default uuidv7(),
    message_id uuid not null,
    action text not null check (action in ('resolved_as_sent', 'sent_again', 'cancelled', 'bounced', 'delivered')),
    detail text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    primary key (organization_id, id),
    foreign key (organization_id, message_id) references delivery.message (organization_id, id)
);
comment on table delivery.message_event is 'Append-only: what a person decided of a message, or its provider reported';

create table delivery.opt_out (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    channel text not null check (channel <> ''),
    recipient text not null check (recipient <> ''),
    reason text not null check (reason in ('opted_out', 'bounced')),
    note text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    ended_at timestamptz,
    ended_by text,
    primary key (organization_id, id),
    check ((ended_at is null) = (ended_by is null))
);
comment on table delivery.opt_out is 'Addresses that nothing is sent to: their owner said so, or they bounced';
comment on column delivery.opt_out.recipient is 'in the form of delivery.message.recipient';
create unique index opt_out_in_force on delivery.opt_out (channel, recipient, organization_id) where ended_at is null;

create table delivery.send_turn (
    organization_id uuid not null references organizations.organization,
    channel text not null check (channel <> ''),
    next_at timestamptz not null,
    primary key (organization_id, channel)
);
comment on table delivery.send_turn is 'When the next message of a channel may go out, for all processes';
"""

NEW_MESSAGE = (
    "id, status, document_id, address, sender, sender_name, reply_to, subject, body_text, body_html, content_sid, "
    "content_variables, amount_due, message_id_header, composed_at, attempts, provider_id, provider_status, "
    "error_code, error_message, sent_at, ended_at, looked_up_at, created_at"
)
"""What a new message cannot say of itself."""


def upgrade() -> None:
    create_schema("delivery")
    op.execute(TABLES)
    for table in ("invoice_document", "document_bundle", "template_file", "message_template", "message_event"):
        isolate(f"delivery.{table}", "select", stamped="id, created_at")
    isolate("delivery.message", "select, update", stamped=NEW_MESSAGE)
    isolate(
        "delivery.message_attempt",
        "select, update",
        stamped="started_at, ended_at, outcome, code, detail, provider_id",
    )
    isolate("delivery.opt_out", "select, update", stamped="id, created_at, ended_at, ended_by")
    isolate("delivery.send_turn", "select, insert, update")
    show_to_overview("delivery.message", "organization_id, message_id_header, channel, status, sent_at")
    refuse_change(
        "delivery.message",
        "(old.id, old.invoice_id, old.invoice_number, old.customer_id, old.purpose, old.level, old.channel, "
        "old.created_at, old.created_by) is distinct from (new.id, new.invoice_id, new.invoice_number, "
        "new.customer_id, new.purpose, new.level, new.channel, new.created_at, new.created_by)",
        "what a message is about never changes",
    )
    refuse_change(
        "delivery.message_attempt",
        "old.outcome is not null and old.outcome <> 'unknown' or (old.message_id, old.attempt, old.kind, "
        "old.started_at, old.worker) is distinct from (new.message_id, new.attempt, new.kind, new.started_at, "
        "new.worker)",
        "an attempt that has its outcome never changes",
    )
    refuse_change(
        "delivery.opt_out",
        "old.ended_at is not null or (old.id, old.channel, old.recipient, old.reason, old.created_at, old.created_by) "
        "is distinct from (new.id, new.channel, new.recipient, new.reason, new.created_at, new.created_by)",
        "an opt-out ends, and never changes otherwise; add a new one",
    )


def downgrade() -> None:
    op.execute("drop schema delivery cascade")
