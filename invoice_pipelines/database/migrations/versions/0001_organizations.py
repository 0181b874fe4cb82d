"""The registry of organizations."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import create_schema, isolate, show_to_overview

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_schema("organizations")
    op.execute(
        r"""
        create table organizations.organization (
            id uuid primary key default uuidv7(),
            slug text not null unique
                check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
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
        )
        """
    )
    op.execute("comment on column organizations.organization.slug is 'Dagster partition key; never changes'")
    op.execute("comment on column organizations.organization.removed_at is 'set instead of a delete: records are kept'")
    isolate("organizations.organization", column="id", grants="select, insert, update")
    show_to_overview(
        "organizations.organization",
        "id, slug, name, country_code, time_zone, currency, created_at, removed_at",
        column="id",
    )


def downgrade() -> None:
    op.execute("drop function if exists organizations.list_organizations(boolean)")
    op.execute("drop table organizations.organization")
