"""Accounts: who holds a credential is told the names of the organizations, too."""

from alembic import op

from invoice_pipelines.database.roles import ACCOUNTS

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute(f"grant select (name) on organizations.organization to {ACCOUNTS}")
    op.execute("drop function if exists accounts.identify(text)")  # made anew by accounts.sql, with another row


def downgrade() -> None:
    op.execute("drop function if exists accounts.identify(text)")
    op.execute(f"revoke select (name) on organizations.organization from {ACCOUNTS}")
