"""Intake: what duplicates and changed accounts are found by, the log of failed attempts, and reading history again."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CHANGES = """
alter table intake.received_invoice
    add column content_sha256 text check (content_sha256 ~ '^[0-9a-f]{64}$'),
    add column account_key text generated always as (left(upper(iban), 64)) stored,
    add column amount_key text generated always as (left(trim_scale(gross_amount)::text, 64)) stored;
comment on column intake.received_invoice.amount_key is
    'the total with VAT as it is compared: as text, since under row-level security no index is searched by numbers';
comment on column intake.received_invoice.account_key is
    'the IBAN as it is compared; its first signs, as a document may write anything of any length there';
comment on column intake.received_invoice.content_sha256 is
    'of the XML, or of the words on the pages: the same content in another file has the same one';
create index received_invoice_content on intake.received_invoice (content_sha256, organization_id)
    where content_sha256 is not null;

-- Each look-up can use one of these only, whatever statistics say: with organization and seller in front of all, any of
-- them would seem as good while there are none, and would read all invoices of a seller.
drop index intake.received_invoice_number;
create index received_invoice_number on intake.received_invoice (invoice_key, seller_key, organization_id)
    where seller_key is not null;
drop index intake.received_invoice_amount;
create index received_invoice_amount on intake.received_invoice
    (amount_key, seller_key, organization_id, issue_date) where seller_key is not null;
create index received_invoice_account on intake.received_invoice (organization_id, seller_key, account_key, id)
    where seller_key is not null and account_key is not null and status in ('PARSED', 'VALIDATED', 'EXPORTED');

alter table intake.processing_error
    add column attempt integer not null default 1 check (attempt > 0),
    add column will_be_retried boolean not null default false,
    add column violation_class text check (violation_class in ('format', 'business_rule', 'content')),
    add column trace_id text;
comment on table intake.processing_error is 'Append-only log: each failed attempt of a stage, and why';
comment on column intake.processing_error.attempt is 'counts the attempts of this stage that failed, from 1';
comment on column intake.processing_error.will_be_retried is 'the queue tries again; the invoice did not fail by this';
comment on column intake.processing_error.violation_class is 'of errors of the document; null: a fault of ours';
comment on column intake.processing_error.trace_id is 'id of the Dagster run, or of the process where it was no run';

create table intake.reparse (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    writes boolean not null,
    include_exported boolean not null,
    recognizes boolean not null,
    after_id uuid,
    invoices_read bigint not null default 0,
    created_at timestamptz not null default now(),
    created_by text not null,
    finished_at timestamptz,
    primary key (organization_id, id)
);
comment on table intake.reparse is 'A pass over the received invoices that reads them again under the present rules';
comment on column intake.reparse.writes is 'false: it only shows what would change';
comment on column intake.reparse.after_id is 'the invoice up to which it has come, in the order of their ids';
create index reparse_open on intake.reparse (organization_id, id) where finished_at is null;

create table intake.reparse_change (
    organization_id uuid not null references organizations.organization,
    reparse_id uuid not null,
    received_invoice_id uuid not null,
    position integer not null check (position > 0),
    field text not null,
    old_value text,
    new_value text,
    status_before text not null,
    effect text not null,
    status_after text,
    message text,
    is_written boolean not null,
    found_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, reparse_id, received_invoice_id, position),
    foreign key (organization_id, reparse_id) references intake.reparse (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.reparse_change is 'Append-only: what a pass found to be read otherwise now, a row per value';
comment on column intake.reparse_change.effect is 'what became of the invoice, or would have become';
create index reparse_change_invoice on intake.reparse_change (organization_id, received_invoice_id);
"""


def upgrade() -> None:
    op.execute(CHANGES)
    isolate("intake.reparse", grants="select, insert, update")
    isolate("intake.reparse_change", grants="select, insert")


def downgrade() -> None:
    op.execute("drop view if exists public.invoice_processing_errors, public.invoice_violations")
    op.execute("drop table intake.reparse_change, intake.reparse")
    op.execute(
        """
        alter table intake.processing_error
            drop column attempt, drop column will_be_retried, drop column violation_class, drop column trace_id;
        comment on table intake.processing_error is null;
        drop index intake.received_invoice_account, intake.received_invoice_amount, intake.received_invoice_number;
        create index received_invoice_number on intake.received_invoice (organization_id, seller_key, invoice_key)
            where seller_key is not null;
        create index received_invoice_amount on intake.received_invoice
            (organization_id, seller_key, issue_date, gross_amount) where seller_key is not null;
        alter table intake.received_invoice drop column content_sha256, drop column account_key, drop column amount_key
        """
    )
