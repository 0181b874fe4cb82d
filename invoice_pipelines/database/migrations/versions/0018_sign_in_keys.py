"""Accounts: what a web that signs people in through an OIDC provider shows that it is ours."""

from alembic import op

from invoice_pipelines.database.roles import ACCOUNTS

revision = "0018"
down_revision = "0017"

TABLE = """
create table accounts.sign_in_key (
    sha256 bytea primary key,
    registered_at timestamptz not null default clock_timestamp()
);
comment on table accounts.sign_in_key is
    'SHA-256 of the keys with which the web may begin sessions of people whom an OIDC provider vouches for';
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("alter table accounts.sign_in_key enable row level security")
    op.execute("alter table accounts.sign_in_key force row level security")
    op.execute(f"create policy accounts on accounts.sign_in_key to {ACCOUNTS} using (true) with check (true)")
    op.execute(f"grant select, insert, delete on accounts.sign_in_key to {ACCOUNTS}")


def downgrade() -> None:
    op.execute("drop function if exists accounts.register_sign_in_keys(bytea[])")
    op.execute(
        """drop function if exists accounts.sign_in_oidc(bytea, text, text, text, text, boolean, bytea, text, text,
                                                         integer, interval)"""
    )
    op.execute("drop table accounts.sign_in_key")
