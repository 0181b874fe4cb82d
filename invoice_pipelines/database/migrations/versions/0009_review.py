"""Intake: why a received invoice waits for a person, what people decided, and what suppliers' layouts taught."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
create table intake.review_reason (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    position integer not null check (position > 0),
    processing_version integer not null,
    field text,
    code text not null,
    message text not null,
    message_de text not null,
    value text,
    confidence numeric(4, 3) check (confidence between 0 and 1),
    must_be_corrected boolean not null,
    primary key (organization_id, received_invoice_id, position),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.review_reason is
    'Why a parsed invoice waits for a person; written anew by each validation. An invoice waits while it is PARSED and '
    'has reasons of its processing version';
comment on column intake.review_reason.value is 'as read, at the time of the validation';
comment on column intake.review_reason.must_be_corrected is 'a fatal violation: accepting the values does not do';

create table intake.review_decision (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    decision_number integer not null check (decision_number > 0),
    processing_version integer not null,
    decision text not null check (decision in ('accepted', 'corrected', 'rejected')),
    field text,
    code text,
    old_value text,
    new_value text,
    page integer check (page > 0),
    box jsonb,
    reason text,
    decided_by text not null check (decided_by <> ''),
    decided_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, received_invoice_id, decision_number),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id),
    check (decision <> 'corrected' or field is not null),
    check (decision <> 'rejected' or reason is not null),
    check ((page is null) = (box is null))
);
comment on table intake.review_decision is 'What people decided about readings: append-only';
comment on column intake.review_decision.decision_number is
    'counts from 1 per invoice: of two people at once, one gets the number';
comment on column intake.review_decision.code is 'of the reason that was accepted';
comment on column intake.review_decision.new_value is 'null where the document does not have the field';
comment on column intake.review_decision.box is 'where the value stands: left, top, right, bottom in points';

create table intake.supplier_layout (
    organization_id uuid not null references organizations.organization,
    fingerprint text not null,
    field text not null,
    place jsonb not null,
    received_invoice_id uuid not null,
    decision_number integer not null,
    times_confirmed integer not null default 1 check (times_confirmed > 0),
    taught_at timestamptz not null default clock_timestamp(),
    primary key (fingerprint, field, organization_id),
    foreign key (organization_id, received_invoice_id, decision_number)
        references intake.review_decision (organization_id, received_invoice_id, decision_number)
);
comment on table intake.supplier_layout is 'Where a field stands on the documents of a supplier, as people have shown';
comment on column intake.supplier_layout.decision_number is 'with the invoice, the decision that taught it last';
comment on column intake.supplier_layout.times_confirmed is 'how often people have shown this same place';
"""


def upgrade() -> None:
    op.execute(TABLES)
    isolate("intake.review_reason", grants="select, insert, delete")
    isolate("intake.review_decision", grants="select, insert")
    isolate("intake.supplier_layout", grants="select, insert, update")


def downgrade() -> None:
    op.execute("drop view if exists public.invoice_review_queue")
    op.execute("drop table intake.supplier_layout, intake.review_decision, intake.review_reason")
