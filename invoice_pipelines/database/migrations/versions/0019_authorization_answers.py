"""QuickBooks: what the browser brought back to a request, and whether that connected, so that it may come twice."""

from alembic import op

revision = "0019"
down_revision = "0018"

COLUMNS = """
alter table quickbooks.authorization_request
    add column brought_sha256 text,
    add column finished_at timestamptz;
comment on column quickbooks.authorization_request.brought_sha256 is
    'SHA-256 of the code and the company that used the state: the same once more does nothing';
comment on column quickbooks.authorization_request.finished_at is 'when it connected the organization';
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    op.execute("alter table quickbooks.authorization_request drop column brought_sha256, drop column finished_at")
