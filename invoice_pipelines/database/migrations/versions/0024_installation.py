"""What an installation has once, whatever machine its processes run on: its id, and which keys encrypt its secrets."""

from alembic import op

from invoice_pipelines.database.roles import APP

revision = "0024"
down_revision = "0023"

TABLES = """
create table database.installation (
    id uuid not null default uuidv7(),
    only_one boolean primary key default true check (only_one)
);
insert into database.installation default values;
comment on column database.installation.id is 'stands in the mark that `db migrate` leaves where files are kept';

create table database.encryption_key (
    fingerprint text primary key check (fingerprint <> ''),
    noted_at timestamptz not null default clock_timestamp(),
    noted_by text not null default session_user
);
comment on table database.encryption_key is
    'Keys that secrets are encrypted with, by fingerprints, which tell nothing else; all machines must have the newest';
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(f"grant insert (fingerprint) on database.encryption_key to {APP}")


def downgrade() -> None:
    op.execute("drop table database.encryption_key, database.installation")
