"""Imports of CSV files as batch operations."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate

revision = "0015"
down_revision = "0014"

TABLES = """
create table billing.import_row (
    organization_id uuid not null references organizations.organization,
    job_id uuid not null,
    line integer not null check (line > 0),
    values jsonb not null,
    lines_at integer[] not null,
    problem_field text,
    problem text,
    primary key (organization_id, job_id, line),
    check ((problem is null) = (problem_field is null))
);
comment on table billing.import_row is
    'Rows of CSV files that wait for their batch job, or failed; the subject of an item is the line';
comment on column billing.import_row.lines_at is 'where the lines of an order stand in the file';
"""


def upgrade() -> None:
    op.execute(TABLES)
    isolate("billing.import_row", "select, insert, delete")


def downgrade() -> None:
    op.execute("drop table billing.import_row")
