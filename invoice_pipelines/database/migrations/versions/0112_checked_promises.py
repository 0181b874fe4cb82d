"""Organizations: when promises were looked at last. Intake: invoices by when they last changed their status."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate, show_to_overview
from invoice_pipelines.database.roles import OVERVIEW, OWNER

revision = "0112"
down_revision = "0111"

TABLES = """
create table organizations.checked_promise (
    organization_id uuid not null references organizations.organization,
    promise text not null check (promise <> ''),
    checked_at timestamptz not null,
    all_checked_at timestamptz not null,
    is_broken boolean not null,
    primary key (organization_id, promise)
);
comment on table organizations.checked_promise is
    'When it was last looked whether promises are kept, so that runs look at what changed since then';
comment on column organizations.checked_promise.checked_at is 'what was committed before was looked at';
comment on column organizations.checked_promise.all_checked_at is 'when all was looked at, not only what had changed';
comment on column organizations.checked_promise.is_broken is
    'something broke it: all is looked at, each time, until nothing does any more';

-- Partial, so that it serves those only who ask since when. Without the status, which would lead them to its index.
create index received_invoice_changed on intake.received_invoice
    (organization_id, greatest(last_processed_at, created_at))
    where greatest(last_processed_at, created_at) is not null;
"""


def upgrade() -> None:
    op.execute(TABLES)
    isolate("organizations.checked_promise", "select, insert, update")
    show_to_overview("organizations.checked_promise", "organization_id, all_checked_at")


def downgrade() -> None:
    op.execute(f"set local role {OVERVIEW}")
    op.execute("drop function if exists organizations.longest_unchecked()")
    op.execute(f"set local role {OWNER}")
    op.execute("drop index intake.received_invoice_changed")
    op.execute("drop table organizations.checked_promise")
