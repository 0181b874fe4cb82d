"""Billing: payments, and which invoices they pay."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate, show_to_overview

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = """
create table billing.payment (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    source text not null check (source in ('manual', 'quickbooks')),
    external_id text,
    kind text not null check (kind in ('payment', 'credit', 'refund')),
    status text not null default 'active' check (status in ('active', 'void', 'deleted')),
    customer_id uuid,
    payment_date date not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    amount numeric not null check (amount >= 0 and amount < 'Infinity'),
    unapplied_amount numeric not null default 0 check (unapplied_amount >= 0 and unapplied_amount < 'Infinity'),
    reference text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default current_setting('application_name'),
    updated_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references billing.customer (organization_id, id),
    check ((source = 'manual') = (external_id is null))
);
comment on table billing.payment is 'Money that customers paid, credit they used, and money that was paid back';
comment on column billing.payment.external_id is 'id in the system that it came from, with the company in that system';
create unique index payment_external on billing.payment (external_id, source, organization_id)
    where external_id is not null;

create table billing.payment_allocation (
    organization_id uuid not null,
    payment_id uuid not null,
    invoice_id uuid not null,
    amount numeric not null check (amount > 0 and amount < 'Infinity'),
    applied_amount numeric not null default 0 check (applied_amount >= 0 and applied_amount <= amount),
    primary key (organization_id, payment_id, invoice_id),
    foreign key (organization_id, payment_id) references billing.payment (organization_id, id),
    foreign key (organization_id, invoice_id) references billing.invoice (organization_id, id)
);
comment on table billing.payment_allocation is
    'What of a payment is for an invoice, now. The amount paid of an invoice is the sum of its applied amounts.';
comment on column billing.payment_allocation.applied_amount is
    'what counts as paid: never more than the invoice asks for; nothing while the payment is void or deleted';
create index payment_allocation_of_invoice on billing.payment_allocation (invoice_id, organization_id);

create table billing.payment_event (
    organization_id uuid not null,
    id uuid not null default uuidv7(),
    payment_id uuid not null,
    action text not null check (action in ('recorded', 'changed', 'voided', 'deleted')),
    before jsonb,
    after jsonb,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default current_setting('application_name'),
    primary key (organization_id, id),
    foreign key (organization_id, payment_id) references billing.payment (organization_id, id)
);
comment on table billing.payment_event is 'Append-only: a payment and its allocations before and after each change';
create index payment_event_of_payment on billing.payment_event (payment_id, organization_id);
"""


def upgrade() -> None:
    op.execute(TABLES)
    isolate("billing.payment", grants="select, insert, update")
    isolate("billing.payment_allocation")
    isolate("billing.payment_event", grants="select, insert")
    show_to_overview("billing.payment_event", "organization_id, id")


def downgrade() -> None:
    op.execute("drop table billing.payment_event, billing.payment_allocation, billing.payment cascade")
