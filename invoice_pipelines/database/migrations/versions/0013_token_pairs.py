"""QuickBooks: tokens get a table of their own, which the web may write and never reads."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate, show_to_overview

revision = "0013"
down_revision = "0012"

TABLE = """
create table quickbooks.token_pair (
    organization_id uuid primary key references organizations.organization,
    sealed bytea not null,
    is_ended boolean not null default false
);
comment on column quickbooks.token_pair.sealed is
    'access and refresh token, encrypted with organization and realm; quickbooks.connection counts their versions';
comment on column quickbooks.token_pair.is_ended is 'the connection was ended; the tokens are to be given back';
"""


def upgrade() -> None:
    op.execute(TABLE)
    isolate("quickbooks.token_pair")
    show_to_overview("quickbooks.token_pair", "organization_id, is_ended")
    # Row-level security is forced on the owner as well, for whom there is no policy.
    op.execute("alter table quickbooks.connection no force row level security")
    op.execute("alter table quickbooks.token_pair no force row level security")
    op.execute(
        """insert into quickbooks.token_pair (organization_id, sealed)
           select organization_id, tokens from quickbooks.connection where tokens is not null"""
    )
    op.execute("alter table quickbooks.connection force row level security")
    op.execute("alter table quickbooks.token_pair force row level security")
    op.execute("alter table quickbooks.connection drop column tokens")


def downgrade() -> None:
    op.execute("alter table quickbooks.connection add column tokens bytea")
    op.execute("drop table quickbooks.token_pair cascade")
