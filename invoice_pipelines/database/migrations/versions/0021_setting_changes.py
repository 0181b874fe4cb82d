"""Organizations: who changed which of their settings, from what to what."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate, let_recorder_add

revision = "0021"
down_revision = "0020"

TABLE = """
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
    op.execute(TABLE)
    isolate("organizations.setting_change", "select")
    let_recorder_add("organizations.setting_change")


def downgrade() -> None:
    op.execute("drop trigger if exists record_settings on organizations.organization")
    op.execute("drop function if exists organizations.record_settings()")
    op.execute("drop function if exists organizations.values_of(jsonb)")
    op.execute("drop table organizations.setting_change")
