"""Reviews at a desk: who is at one, what people note, what is put off, and what takes a decision back."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate
from invoice_pipelines.database.roles import APP

revision = "0014"
down_revision = "0013"

TABLES = f"""
alter table intake.review_decision
    add column act integer check (act > 0),
    add column undoes integer check (undoes > 0),
    drop constraint review_decision_decision_check,
    add constraint review_decision_decision_check
        check (decision in ('accepted', 'corrected', 'rejected', 'undone')),
    add constraint review_decision_undone_check check ((decision = 'undone') = (undoes is not null));
comment on column intake.review_decision.act is
    'number of the first of those that were decided together; null: before there was an undo';
comment on column intake.review_decision.undoes is 'the act that is taken back';
grant insert (act, undoes) on intake.review_decision to {APP};

create table intake.review_undo (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    act integer not null,
    version_before integer not null,
    version_after integer not null,
    reading_json jsonb not null,
    xml bytea,
    primary key (organization_id, received_invoice_id, act),
    foreign key (organization_id, received_invoice_id, act)
        references intake.review_decision (organization_id, received_invoice_id, decision_number)
);
comment on table intake.review_undo is
    'An invoice before an act, to take that back, the last one first; gone once it was, or the invoice is exported';
comment on column intake.review_undo.version_after is
    'processing version since then: with another one, something else happened to the invoice';
comment on column intake.review_undo.reading_json is 'the reading before it';

create table intake.supplier_teaching (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    fingerprint text not null,
    field text not null,
    place jsonb not null,
    times integer not null default 1 check (times > 0),
    received_invoice_id uuid not null,
    decision_number integer not null,
    taught_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, id),
    foreign key (organization_id, received_invoice_id, decision_number)
        references intake.review_decision (organization_id, received_invoice_id, decision_number)
);
comment on table intake.supplier_teaching is
    'Each time that a place was shown: what is left of them makes the supplier''s layout';
comment on column intake.supplier_teaching.times is 'more than 1 for those from before each was kept';
create index supplier_teaching_place on intake.supplier_teaching (fingerprint, field, organization_id, id);
create index supplier_teaching_decision
    on intake.supplier_teaching (organization_id, received_invoice_id, decision_number);
grant delete on intake.supplier_layout to {APP};

create table intake.review_claim (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    claimed_by text not null check (claimed_by <> ''),
    claimed_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (organization_id, received_invoice_id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.review_claim is 'Who is at a review, until when: nobody else decides about it meanwhile';

create table intake.review_postponement (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    until timestamptz not null,
    postponed_by text not null check (postponed_by <> ''),
    postponed_at timestamptz not null default now(),
    primary key (organization_id, received_invoice_id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.review_postponement is 'A review that was put off: it is not offered until then';

create table intake.review_note (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    received_invoice_id uuid not null,
    note text not null check (length(note) between 1 and 2000),
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    primary key (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.review_note is 'What people write beside an invoice: append-only';
create index review_note_invoice on intake.review_note (organization_id, received_invoice_id, id);
"""


def upgrade() -> None:
    op.execute(TABLES)
    isolate("intake.review_undo")
    isolate("intake.supplier_teaching", "select, insert, delete")
    isolate("intake.review_claim")
    isolate("intake.review_postponement")
    isolate("intake.review_note", "select", stamped="id, created_at")


def downgrade() -> None:
    op.execute(
        f"""
        drop table intake.review_note, intake.review_postponement, intake.review_claim, intake.supplier_teaching,
            intake.review_undo;
        revoke delete on intake.supplier_layout from {APP};
        alter table intake.review_decision
            drop constraint review_decision_undone_check,
            drop constraint review_decision_decision_check,
            add constraint review_decision_decision_check check (decision in ('accepted', 'corrected', 'rejected')),
            drop column undoes,
            drop column act;
        """
    )
