"""QuickBooks: the page from which a person began to connect, to which the browser comes back."""

from alembic import op

revision = "0020"
down_revision = "0019"

COLUMN = """
alter table quickbooks.authorization_request add column return_to text check (return_to like '/%');
comment on column quickbooks.authorization_request.return_to is 'the page of this site to which the browser comes back';
"""


def upgrade() -> None:
    op.execute(COLUMN)


def downgrade() -> None:
    op.execute("alter table quickbooks.authorization_request drop column return_to")
