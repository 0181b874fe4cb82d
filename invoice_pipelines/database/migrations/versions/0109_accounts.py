"""Accounts: users, where they belong, sessions, API tokens, and what was done about them. The login of the web."""

from alembic import op

from invoice_pipelines.database.roles import ACCOUNTS, APP, BOOKS, OVERVIEW, OWNER, RECORDER, WEB

revision = "0109"
down_revision = "0108"

TABLES = r"""
create table accounts.user_account (
    id uuid primary key default uuidv7(),
    email text not null unique check (email = lower(email) and email ~ '^[^@\s]+@[^@\s]+$' and length(email) <= 254),
    name text not null check (name <> '' and length(name) <= 200),
    is_operator boolean not null default false,
    password_salt bytea,
    password_parameters text,
    password_sha256 bytea,
    password_changed_at timestamptz,
    issuer text,
    subject text,
    disabled_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null check (created_by <> ''),
    vouched_by uuid references organizations.organization,
    unique (issuer, subject),
    check ((password_sha256 is null) = (password_salt is null)),
    check ((password_sha256 is null) = (password_parameters is null)),
    check ((issuer is null) = (subject is null))
);
comment on table accounts.user_account is 'A person with an account; one for all organizations';
comment on column accounts.user_account.password_sha256 is
    'SHA-256 of what Argon2id makes of the password, so that what is stored here opens nothing';
comment on column accounts.user_account.subject is 'who this is to the OIDC provider `issuer`';
comment on column accounts.user_account.vouched_by is
    'the organization by whose link the password was chosen; nobody else knows whether it was this person who did';

create table accounts.membership (
    user_id uuid not null references accounts.user_account,
    organization_id uuid not null references organizations.organization,
    role text not null check (role in ('viewer', 'accountant', 'admin')),
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null check (created_by <> ''),
    id uuid not null unique default uuidv7(),
    primary key (user_id, organization_id)
);
create index membership_organization on accounts.membership (organization_id);

create table accounts.invitation (
    secret_sha256 bytea primary key,
    user_id uuid not null references accounts.user_account,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null check (created_by <> ''),
    expires_at timestamptz not null,
    used_at timestamptz,
    id uuid not null unique default uuidv7(),
    organization_id uuid references organizations.organization,
    role text check (role in ('viewer', 'accountant', 'admin')),
    name text check (name <> '' and length(name) <= 200),
    check ((organization_id is null) = (role is null)),
    check ((organization_id is null) = (name is null))
);
comment on table accounts.invitation is 'Links with which a person chooses a password; each works once';
comment on column accounts.invitation.organization_id is
    'whose admin invites; null: the operator, who may let anybody choose a new password';
comment on column accounts.invitation.name is 'how the admin calls the person, until there is a membership';
create index invitation_of_user on accounts.invitation (user_id);
create index invitation_of_organization on accounts.invitation (organization_id) where used_at is null;

create table accounts.session (
    secret_sha256 bytea primary key,
    user_id uuid not null references accounts.user_account,
    id uuid not null unique default uuidv7(),
    method text not null check (method in ('password', 'oidc')),
    address text,
    user_agent text,
    created_at timestamptz not null default clock_timestamp(),
    last_used_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    idle_seconds integer not null check (idle_seconds > 0),
    ended_at timestamptz
);
comment on column accounts.session.secret_sha256 is 'the secret itself is with the browser only';
create index session_of_user on accounts.session (user_id) where ended_at is null;

create table accounts.api_token (
    id uuid primary key default uuidv7(),
    secret_sha256 bytea not null unique,
    organization_id uuid not null references organizations.organization,
    name text not null check (name <> '' and length(name) <= 100),
    prefix text not null,
    scopes text[] not null check (cardinality(scopes) > 0),
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null check (created_by <> ''),
    expires_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz
);
comment on table accounts.api_token is 'A program''s credential for one organization';
comment on column accounts.api_token.prefix is 'how the secret begins, by which people know it again';
create unique index api_token_name on accounts.api_token (organization_id, name) where revoked_at is null;

create table accounts.sign_in_throttle (
    key text primary key,
    failures integer not null check (failures >= 0),
    blocked_until timestamptz not null,
    last_failure_at timestamptz not null default clock_timestamp()
);
comment on table accounts.sign_in_throttle is 'Failed sign-ins in a row, by account and by address';

create table accounts.sign_in_key (
    sha256 bytea primary key,
    registered_at timestamptz not null default clock_timestamp()
);
comment on table accounts.sign_in_key is
    'SHA-256 of the keys with which the web may begin sessions of people whom an OIDC provider vouches for';

create table accounts.account_event (
    id uuid primary key default uuidv7(),
    action text not null check (action ~ '^[a-z_]+$'),
    user_id uuid,
    organization_id uuid,
    detail jsonb not null default '{}',
    address text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null check (created_by <> '')
);
comment on table accounts.account_event is 'Append-only: who let whom in where, and who signed in';
create index account_event_user on accounts.account_event (user_id, id);
create index account_event_organization on accounts.account_event (organization_id, id);
"""

SCOPE = f"""
-- The scope of the web's login is not what it says, but what its credential may enter. The functions are replaced here,
-- as policies and defaults of all tables call them, and accounts has foreign keys to the registry: a circle. The first
-- two are still so plain that PostgreSQL writes them into the statements that use them.
create or replace function organizations.current() returns uuid language sql stable parallel safe
    return case when session_user = '{WEB}' then accounts.entered_organization()
                else current_setting('app.organization_id')::uuid end;

create or replace function organizations.current_or_none() returns uuid language sql stable parallel safe
    return case when session_user = '{WEB}' then accounts.entered_organization_or_all()
                else nullif(current_setting('app.organization_id', true), '')::uuid end;

create or replace function organizations.actor(claimed text default null) returns text
language sql stable parallel safe
    return case when session_user = '{WEB}' then accounts.author()
                else coalesce(nullif(claimed, ''), nullif(current_setting('app.actor', true), ''), session_user::text)
           end;
"""

WITHOUT_THE_WEB = """
create or replace function organizations.current() returns uuid language sql stable parallel safe
    return current_setting('app.organization_id')::uuid;

create or replace function organizations.current_or_none() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.organization_id', true), '')::uuid;

create or replace function organizations.actor(claimed text default null) returns text
language sql stable parallel safe
    return coalesce(nullif(claimed, ''), nullif(current_setting('app.actor', true), ''), session_user::text);
"""
"""As organizations made them."""

# They are replaced by accounts/admission.sql, which is applied once all tables are there.
FIRST_ADMISSION = """
create function accounts.entered_organization() returns uuid language sql stable return null::uuid;
create function accounts.entered_organization_or_all() returns uuid language sql stable return null::uuid;
create function accounts.author() returns text language sql stable return null::text;
"""

RIGHTS = {
    "user_account": "select, insert, update",
    "membership": "select, insert, update, delete",
    "invitation": "select, insert, update",
    "session": "select, insert, update",
    "api_token": "select, insert, update",
    "sign_in_throttle": "select, insert, update, delete",
    "sign_in_key": "select, insert, delete",
    "account_event": "select, insert",
}
"""Of the owner of the functions of accounts; nobody else has any."""


def upgrade() -> None:
    op.execute("create schema accounts")
    op.execute(f"grant usage on schema accounts to {ACCOUNTS}, {APP}, {OVERVIEW}, {RECORDER}, {BOOKS}")
    op.execute(f"grant usage on schema organizations to {ACCOUNTS}")
    op.execute(TABLES)
    for table, rights in RIGHTS.items():
        op.execute(f"alter table accounts.{table} enable row level security")
        op.execute(f"alter table accounts.{table} force row level security")
        op.execute(f"create policy accounts on accounts.{table} to {ACCOUNTS} using (true) with check (true)")
        op.execute(f"grant {rights} on accounts.{table} to {ACCOUNTS}")
    op.execute(f"grant select (id, slug, name, removed_at) on organizations.organization to {ACCOUNTS}")
    op.execute(f"create policy accounts on organizations.organization for select to {ACCOUNTS} using (true)")
    op.execute(f"grant create on schema accounts to {ACCOUNTS}")
    op.execute(f"set local role {ACCOUNTS}")
    op.execute(FIRST_ADMISSION)
    op.execute(f"set local role {OWNER}")
    op.execute(f"revoke create on schema accounts from {ACCOUNTS}")
    op.execute(SCOPE)


def downgrade() -> None:
    op.execute(WITHOUT_THE_WEB)
    op.execute("drop policy accounts on organizations.organization")
    op.execute("drop schema accounts cascade")
