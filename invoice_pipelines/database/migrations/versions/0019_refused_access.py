"""QuickBooks: since when a company refuses access, so that only a refusal that lasts ends a connection."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table quickbooks.connection add column access_refused_since timestamptz")
    op.execute(
        "comment on column quickbooks.connection.access_refused_since is "
        "'since when calls are refused although new tokens are given; null: they are not'"
    )


def downgrade() -> None:
    op.execute("alter table quickbooks.connection drop column access_refused_since")
