"""Web: answers that are kept for a repeated request, and how often requests come."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import create_schema, isolate
from invoice_pipelines.database.roles import OVERVIEW

revision = "0110"
down_revision = "0109"

TABLES = """
create table web.idempotency_key (
    organization_id uuid not null references organizations.organization,
    created_by text not null check (created_by <> ''),
    key text not null check (length(key) between 1 and 255),
    request_sha256 bytea not null,
    status integer not null check (status between 200 and 299),
    location text,
    answer text not null,
    created_at timestamptz not null default now(),
    primary key (organization_id, created_by, key)
);
comment on table web.idempotency_key is 'What was answered to a request with an Idempotency-Key; kept for a day';
create index idempotency_key_age on web.idempotency_key (organization_id, created_at);

create unlogged table web.rate (
    key uuid primary key,
    full_at timestamptz not null
);
comment on table web.rate is 'By the hash of a credential or address: from when on it has all its requests again';
"""


def upgrade() -> None:
    create_schema("web")
    op.execute(TABLES)
    isolate("web.idempotency_key", "select, delete", stamped="created_at")
    op.execute(f"grant select, insert, update, delete on web.rate to {OVERVIEW}")


def downgrade() -> None:
    op.execute("drop schema web cascade")
