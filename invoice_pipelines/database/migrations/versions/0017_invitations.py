"""Accounts: admins invite people into their organization, which lets in nobody but the person who was meant."""

from alembic import op

revision = "0017"
down_revision = "0016"

COLUMNS = """
alter table accounts.membership add column id uuid not null unique default uuidv7();
alter table accounts.invitation
    add column id uuid not null unique default uuidv7(),
    add column organization_id uuid references organizations.organization,
    add column role text check (role in ('viewer', 'accountant', 'admin')),
    add column name text check (name <> '' and length(name) <= 200),
    add check ((organization_id is null) = (role is null)),
    add check ((organization_id is null) = (name is null));
comment on column accounts.invitation.organization_id is
    'whose admin invites; null: the operator, who may let anybody choose a new password';
comment on column accounts.invitation.name is 'how the admin calls the person, until there is a membership';
create index invitation_of_organization on accounts.invitation (organization_id) where used_at is null;
alter table accounts.user_account add column vouched_by uuid references organizations.organization;
comment on column accounts.user_account.vouched_by is
    'the organization by whose link the password was chosen; nobody else knows whether it was this person who did';
drop function if exists accounts.list_members();
drop function if exists accounts.accept_invitation(bytea, bytea, text, bytea, text);
"""


def upgrade() -> None:
    op.execute(COLUMNS)


def downgrade() -> None:
    op.execute("drop function if exists accounts.list_members(uuid, text, integer)")
    op.execute("drop function if exists accounts.invite_member(text, text, text, bytea, interval)")
    op.execute("drop function if exists accounts.change_member(uuid, text)")
    op.execute("drop function if exists accounts.accept_invitation(bytea, bytea, text, bytea, text)")
    op.execute("delete from accounts.invitation where organization_id is not null")
    op.execute("alter table accounts.user_account drop column vouched_by")
    op.execute(
        """alter table accounts.invitation drop column id, drop column organization_id, drop column role,
                                           drop column name"""
    )
    op.execute("alter table accounts.membership drop column id")
