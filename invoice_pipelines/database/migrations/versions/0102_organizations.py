"""Organizations: the scope of a transaction and its actor, the registry, and who changed which settings in it."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import (
    create_schema,
    isolate,
    let_recorder_add,
    refuse_change,
    show_to_overview,
)

revision = "0102"
down_revision = "0101"

SCOPE = """
-- For all logins but that of the web: 0109_accounts.py replaces them by functions that ask for its credential as well.
-- The first two are so plain that PostgreSQL writes them into the statements that use them: they cost nothing there.
-- Without a scope, the first one is an error, as every access to a table of a tenant is.
create function organizations.current() returns uuid language sql stable parallel safe
    return current_setting('app.organization_id')::uuid;
comment on function organizations.current() is 'The organization that the transaction is in the scope of';

create function organizations.current_or_none() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.organization_id', true), '')::uuid;
comment on function organizations.current_or_none() is 'Null outside of a scope, for what looks across organizations';

create function organizations.actor(claimed text default null) returns text language sql stable parallel safe
    return coalesce(nullif(claimed, ''), nullif(current_setting('app.actor', true), ''), session_user::text);
comment on function organizations.actor(text) is
    'Who the transaction works for, as audit trails name it. The web''s login cannot choose: it is its credential';
"""

TABLES = r"""
create table organizations.organization (
    id uuid primary key default uuidv7(),
    slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text not null check (name <> ''),
    country_code text not null check (country_code ~ '^[A-Z]{2}$'),
    time_zone text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    vat_id text,
    tax_number text,
    iban text,
    address jsonb not null default '{}',
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    created_by text not null default current_user,
    removed_at timestamptz
);
comment on column organizations.organization.slug is 'Dagster partition key; never changes';
comment on column organizations.organization.removed_at is 'set instead of a delete: records are kept';

create table organizations.setting_change (
    id uuid not null default uuidv7(),
    organization_id uuid not null references organizations.organization,
    setting text not null,
    old_value jsonb,
    new_value jsonb,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null check (created_by <> ''),
    primary key (organization_id, id),
    check (old_value is distinct from new_value)
);
comment on table organizations.setting_change is
    'Append-only: who changed what an organization is called and chose, one row for each value';
comment on column organizations.setting_change.setting is 'such as vat_id or settings.messages.quiet_from';
comment on column organizations.setting_change.old_value is 'null: it was not set';
"""


def upgrade() -> None:
    create_schema("organizations")
    op.execute(SCOPE)
    op.execute(TABLES)
    isolate("organizations.organization", "select, insert, update", column="id")
    show_to_overview(
        "organizations.organization",
        "id, slug, name, country_code, time_zone, currency, created_at, removed_at",
        column="id",
    )
    refuse_change(
        "organizations.organization",
        "(old.id, old.slug, old.created_at, old.created_by) is distinct from "
        "(new.id, new.slug, new.created_at, new.created_by)",
        "an organization keeps its slug, and who added it when; remove it and add another one",
    )
    isolate("organizations.setting_change", "select")
    let_recorder_add("organizations.setting_change")


def downgrade() -> None:
    op.execute("drop schema organizations cascade")
