"""Database: what the migrations and the SQL files of all domains use to close a table or offer a view."""

from alembic import op

from invoice_pipelines.database.roles import APP

revision = "0001"
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


def upgrade() -> None:
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute("drop procedure database.offer_for_reading")
    op.execute("drop function database.refuse_change_of_view, database.refuse_change")
