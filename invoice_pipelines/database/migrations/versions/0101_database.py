"""Database: what all domains use to close a table or offer a view, and what an installation has once, whatever machine
its processes run on: its id, and which keys encrypt its secrets.
"""

from alembic import op

from invoice_pipelines.database.roles import APP

revision = "0101"
down_revision = None

FUNCTIONS = f"""
create function database.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0] using errcode = 'restrict_violation';
end $$;

create function database.refuse_change_of_view() returns trigger language plpgsql as $$
begin
    raise exception 'The view % is for reading; it takes no %.', tg_table_name, lower(tg_op)
        using errcode = 'IP002', hint = tg_argv[0];
end $$;

create procedure database.offer_for_reading(
    relation regclass, advice text default 'The commands of `invoice-pipelines` change what it shows.',
    refused text default 'insert or update or delete'
)
language plpgsql as $$
begin
    execute format('create or replace trigger refuse_change instead of %s on %s for each row '
                   'execute function database.refuse_change_of_view(%L)', refused, relation, advice);
    -- More than select, so that who changes it is told what does that.
    execute format('grant select, insert, update, delete on %s to {APP}', relation);
end $$;
comment on procedure database.offer_for_reading is
    'Opens a view of `public`. A change by hand is refused with words that say what does it, to superusers as well:
     through a simple view it would reach the table.';
"""

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
    op.execute(FUNCTIONS)
    op.execute(TABLES)
    op.execute(f"grant insert (fingerprint) on database.encryption_key to {APP}")


def downgrade() -> None:
    op.execute("drop table database.encryption_key, database.installation")
    op.execute("drop procedure database.offer_for_reading")
    op.execute("drop function database.refuse_change_of_view, database.refuse_change")
