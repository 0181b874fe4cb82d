"""What migrations of all domains use: how a change is refused."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """create function database.refuse_change() returns trigger language plpgsql as $$
           begin
               raise exception '%', tg_argv[0] using errcode = 'restrict_violation';
           end $$"""
    )


def downgrade() -> None:
    op.execute("drop function database.refuse_change()")
