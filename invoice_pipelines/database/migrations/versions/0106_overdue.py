"""Overdue: notifications of invoices that are past due, and the log of the runs that look for them."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import (
    create_schema,
    delete_only,
    isolate,
    refuse_change,
    show_to_overview,
)

revision = "0106"
down_revision = "0105"

TABLES = """
-- Columns repeat what the invoice said when it was noticed, so that a reader needs no other table. No foreign keys to
-- billing.invoice, which would lock each invoice and write its page again (three times the time, eighteen times the
-- WAL), and to the log: invoices are never deleted, and a notification outlives the log.
create table overdue.notification (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    notification_type text not null default 'payment_overdue' check (notification_type = 'payment_overdue'),
    invoice_id uuid not null,
    level integer not null check (level >= 1),
    status text not null default 'open' check (status in ('open', 'sent', 'closed')),
    as_of date not null,
    days_overdue integer not null,
    invoice_number text not null check (invoice_number <> ''),
    customer_id uuid not null,
    customer_name text not null check (customer_name <> ''),
    amount_due numeric not null check (amount_due > 0 and amount_due < 'Infinity'),  -- NaN is above that
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    due_date date not null,
    sent_at timestamptz,
    closed_at timestamptz,
    closed_reason text check (closed_reason in ('paid', 'credited', 'void', 'missing')),
    execution_id uuid not null,
    created_at timestamptz not null default now(),
    primary key (organization_id, id),
    unique (invoice_id, notification_type, level, organization_id),  -- columns in this order: see billing's tables
    constraint days_are_counted_to_as_of check (days_overdue = as_of - due_date and days_overdue >= level),
    constraint closed_for_a_reason check (
        (status = 'closed') = (closed_at is not null) and (status = 'closed') = (closed_reason is not null)
    ),
    constraint sent_at_a_time check (status = 'closed' or (status = 'sent') = (sent_at is not null))
);
comment on table overdue.notification is 'That an invoice is past due, once per invoice and level, whatever happens';
comment on column overdue.notification.level is 'days past due from which on it is made';
comment on column overdue.notification.as_of is 'the day it was judged by, in the time zone of the organization';
comment on column overdue.notification.amount_due is 'as of created_at, or since it was opened again';
comment on column overdue.notification.sent_at is 'kept when it is closed and opened again: people are told once';
comment on column overdue.notification.closed_reason is
    'why nothing is overdue any more; missing: there is no such invoice';
comment on column overdue.notification.execution_id is
    'the run that made it, or opened it again; runs may be forgotten, so no foreign key';
-- In the order of billing.invoice_open, so that both are read side by side: see notifying.sql. Without the closed ones,
-- so that years of paid invoices cost a run nothing.
create index notification_open on overdue.notification (organization_id, level, due_date, invoice_id)
    where status <> 'closed';

create table overdue.job_execution_log (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    job_name text not null default 'overdue_notifications' check (job_name <> ''),
    run_id uuid,
    status text not null default 'RUNNING' check (status in ('RUNNING', 'SUCCESS', 'PARTIAL', 'FAILED')),
    as_of date not null,
    batch_size integer not null check (batch_size >= 1),
    start_time timestamptz not null default clock_timestamp(),
    progress_at timestamptz not null default clock_timestamp(),
    end_time timestamptz,
    duration_seconds numeric generated always as (round(extract(epoch from end_time - start_time), 3)) stored,
    overdue_count bigint check (overdue_count >= 0),
    processed_count bigint not null default 0,
    created_count bigint not null default 0 check (created_count >= 0),
    reopened_count bigint not null default 0 check (reopened_count >= 0),
    closed_count bigint not null default 0 check (closed_count >= 0),
    error_count bigint not null default 0 check (error_count >= 0),
    errors jsonb not null default '[]' check (jsonb_typeof(errors) = 'array'),
    primary key (organization_id, id),
    check (processed_count >= created_count + reopened_count + closed_count),
    constraint ended_at_a_time check ((end_time is null) = (status = 'RUNNING')),
    constraint status_follows_errors check (
        status = 'RUNNING' or status = 'FAILED' or (status = 'PARTIAL') = (error_count > 0)
    )
);
comment on table overdue.job_execution_log is 'Each run of an organization, from its start on, with what it did so far';
comment on column overdue.job_execution_log.run_id is 'what runs of several organizations have in common';
comment on column overdue.job_execution_log.progress_at is 'when its last batch was committed';
comment on column overdue.job_execution_log.overdue_count is 'invoices that were overdue when it ended';
comment on column overdue.job_execution_log.processed_count is
    'notifications to be made, opened again or closed that it came to, among them those with errors';
comment on column overdue.job_execution_log.errors is 'the first 100: reason, and invoice where it is of one';
create index job_execution_log_running on overdue.job_execution_log (organization_id, id) where status = 'RUNNING';
create index job_execution_log_of_organization on overdue.job_execution_log (organization_id, start_time);
create index job_execution_log_by_time on overdue.job_execution_log (start_time);
"""


def upgrade() -> None:
    create_schema("overdue")
    op.execute(TABLES)
    isolate(
        "overdue.notification",
        "select, update, delete",
        stamped="id, status, sent_at, closed_at, closed_reason, created_at",
    )
    isolate(
        "overdue.job_execution_log",
        "select, update, delete",
        stamped="id, status, start_time, progress_at, end_time, overdue_count, processed_count, created_count, "
        "reopened_count, closed_count, error_count, errors",
    )
    show_to_overview(
        "overdue.job_execution_log",
        "organization_id, id, run_id, status, start_time, progress_at, end_time, processed_count, created_count, "
        "reopened_count, closed_count, error_count, overdue_count",
    )
    refuse_change(
        "overdue.notification",
        "(old.id, old.notification_type, old.invoice_id, old.level, old.created_at) is distinct from "
        "(new.id, new.notification_type, new.invoice_id, new.level, new.created_at) "
        "or old.sent_at is distinct from new.sent_at and (old.sent_at is not null or new.sent_at < now()) "
        "or old.closed_at is distinct from new.closed_at and new.closed_at < now()",
        "whom a notification is about, and when it was sent or closed, is not changed afterwards",
    )
    refuse_change(
        "overdue.job_execution_log",
        "old.status <> 'RUNNING' or (old.id, old.job_name, old.run_id, old.as_of, old.start_time) is distinct from "
        "(new.id, new.job_name, new.run_id, new.as_of, new.start_time)",
        "a run that has ended never changes in the log",
    )
    # Six years, as German law asks for letters that were sent: section 147 (3) AO, section 257 (4) HGB.
    delete_only("overdue.notification", "status = 'closed' and closed_at < now() - interval '6 years'")
    delete_only("overdue.job_execution_log", "status <> 'RUNNING' and start_time < now() - interval '30 days'")


def downgrade() -> None:
    op.execute("drop schema overdue cascade")
