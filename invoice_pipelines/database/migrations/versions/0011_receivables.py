"""Receivables: when the aging of an organization was last made, and what it had seen."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate, show_to_overview
from invoice_pipelines.database.roles import OVERVIEW

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLE = """
create table billing.last_aging (
    organization_id uuid primary key references organizations.organization,
    as_of date not null,
    made_at timestamptz not null,
    good_until timestamptz not null,
    has_open_invoices boolean not null,
    numbers_given bigint not null,
    last_event_id uuid
);
comment on table billing.last_aging is
    'What the newest aging of an organization had seen, so that it is made again when there is something new';
comment on column billing.last_aging.as_of is 'the day it is of, in the time zone of the organization';
comment on column billing.last_aging.good_until is 'the end of that day, when what is open gets a day older';
comment on column billing.last_aging.numbers_given is
    'how many invoices and credit notes there were: their numbers have no gap, and are taken in the order of commits';
comment on column billing.last_aging.last_event_id is 'the newest of billing.invoice_event';
"""

SHOWN = {"invoice_counter": "organization_id, next_number", "invoice_event": "organization_id, id"}


def upgrade() -> None:
    op.execute(TABLE)
    isolate("billing.last_aging", grants="select, insert, update")
    show_to_overview(
        "billing.last_aging",
        "organization_id, made_at, good_until, has_open_invoices, numbers_given, last_event_id",
    )
    for table, columns in SHOWN.items():
        show_to_overview(f"billing.{table}", columns)


def downgrade() -> None:
    op.execute("drop function if exists billing.organizations_to_age(interval, timestamptz)")
    for table, columns in {
        "invoice_counter": "organization_id, next_number",
        "invoice_event": "organization_id, id",
    }.items():
        op.execute(f"drop policy overview_reads on billing.{table}")
        op.execute(f"revoke select ({columns}) on billing.{table} from {OVERVIEW}")
    op.execute("drop table billing.last_aging")
