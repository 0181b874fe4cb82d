"""Events: what changed in an organization, for its programs, and webhooks that tell them."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import (
    create_schema,
    delete_only,
    isolate,
    let_recorder_add,
    refuse_change,
    show_to_overview,
    show_to_recorder,
)
from invoice_pipelines.database.roles import RECORDER

revision = "0111"
down_revision = "0110"

TABLES = r"""
-- No foreign key to the organization, which would be checked for each of the thousands that one statement adds: the
-- rows that events tell of have one.
create table events.event (
    organization_id uuid not null,
    position bigint not null,
    id uuid not null default uuidv7(),
    type text not null check (type <> ''),
    subject_id uuid not null,
    data jsonb not null,
    created_at timestamptz not null default statement_timestamp(),
    primary key (organization_id, position, id)
);
comment on table events.event is
    'What changed, in the order in which it is read; written by triggers alone, never changed, and kept for a while';
comment on column events.event.position is
    'of the transaction that added it, among all of this server: see events.position()';
comment on column events.event.data is 'ids, numbers and status: enough to decide whether to ask for more';

create table events.shift (
    organization_id uuid not null references organizations.organization,
    shift bigint not null check (shift >= 0),
    primary key (organization_id, shift)
);
comment on table events.shift is
    'How far positions are ahead of the transactions of this server, where events were restored from another one: the '
    'largest one. Append-only.';

create table events.webhook_endpoint (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    url text not null check (length(url) between 1 and 2000),
    description text not null default '',
    event_types text[] not null default '{}',
    status text not null default 'enabled' check (status in ('enabled', 'disabled', 'removed')),
    status_reason text,
    status_changed_at timestamptz not null default now(),
    failures integer not null default 0 check (failures >= 0),
    failing_since timestamptz,
    rests_until timestamptz,
    position bigint not null,
    event_id uuid not null,
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    primary key (organization_id, id),
    check ((failures > 0) = (failing_since is not null)),
    check (status = 'enabled' or status_reason is not null)
);
comment on table events.webhook_endpoint is 'An address of a program that is told of events';
comment on column events.webhook_endpoint.event_types is 'invoice.paid, or invoice.* for all of invoices; none: all';
comment on column events.webhook_endpoint.failures is 'attempts that failed since the last one that did not';
comment on column events.webhook_endpoint.rests_until is 'nothing is sent there before, as it failed';
comment on column events.webhook_endpoint.event_id is 'with position: the last event of which it was asked to be told';
create index webhook_endpoint_enabled on events.webhook_endpoint (organization_id, id) where status = 'enabled';

create table events.webhook_secret (
    organization_id uuid not null,
    endpoint_id uuid not null,
    id uuid not null default uuidv7(),
    sealed bytea not null,
    earlier_until timestamptz not null,
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    primary key (organization_id, endpoint_id, id),
    foreign key (organization_id, endpoint_id) references events.webhook_endpoint (organization_id, id)
);
comment on table events.webhook_secret is
    'What an endpoint verifies signatures with, encrypted. Whoever adds one reads none of the others.';
comment on column events.webhook_secret.earlier_until is 'until then the earlier ones sign as well';

create table events.webhook_delivery (
    organization_id uuid not null,
    id uuid not null default uuidv7(),
    endpoint_id uuid not null,
    position bigint not null,
    event_id uuid not null,
    status text not null default 'pending' check (status in ('pending', 'delivered', 'failed')),
    attempts integer not null default 0 check (attempts >= 0),
    tries integer not null default 0 check (tries >= 0),
    ended_at timestamptz,
    created_at timestamptz not null default now(),
    primary key (organization_id, id),
    unique (event_id, endpoint_id, organization_id),
    foreign key (organization_id, endpoint_id) references events.webhook_endpoint (organization_id, id),
    check ((status = 'pending') = (ended_at is null))
);
comment on table events.webhook_delivery is 'That an endpoint is told of an event, once whatever is asked for';
comment on column events.webhook_delivery.tries is 'attempts since it was made, or asked for again';
create index webhook_delivery_of_endpoint on events.webhook_delivery (organization_id, endpoint_id, id);

create table events.webhook_attempt (
    organization_id uuid not null,
    delivery_id uuid not null,
    attempt integer not null check (attempt > 0),
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    duration_seconds numeric(10, 3),
    status_code integer,
    error_code text,
    error_message text,
    answer text check (length(answer) <= 500),
    primary key (organization_id, delivery_id, attempt),
    foreign key (organization_id, delivery_id) references events.webhook_delivery (organization_id, id)
        on delete cascade
);
comment on table events.webhook_attempt is
    'Each attempt, written before it begins: one without an end is of a process that works on it, or died';
comment on column events.webhook_attempt.answer is 'what the body of the answer begins with';
"""


def upgrade() -> None:
    create_schema("events")
    op.execute(TABLES)
    isolate("events.event", "select, delete")
    isolate("events.shift", "select")
    isolate(
        "events.webhook_endpoint",
        "select, update",
        stamped="id, status, status_reason, status_changed_at, failures, failing_since, rests_until, created_at",
    )
    isolate("events.webhook_secret", "select, update (sealed), delete", stamped="id, created_at")
    isolate("events.webhook_delivery", "select, update, delete", stamped="id, created_at, attempts, tries, ended_at")
    isolate("events.webhook_attempt", "select, update", stamped="started_at, ended_at")
    let_recorder_add("events.event")
    let_recorder_add("events.shift")
    show_to_recorder("events.event", "organization_id, position")
    show_to_recorder("events.shift", "organization_id, shift")
    # Through billing's view, which asks for all of them.
    show_to_recorder(
        "billing.invoice_number", "organization_id, series, period, number, invoice_number, invoice_id, issue_date"
    )
    show_to_overview("events.event", "organization_id, position, id, type")
    show_to_overview("events.shift", "organization_id, shift")
    show_to_overview("events.webhook_endpoint", "organization_id, id, status, position, event_id, event_types")
    refuse_change(
        "events.webhook_endpoint",
        "(old.id, old.created_at, old.created_by) is distinct from (new.id, new.created_at, new.created_by) "
        "or old.status = 'removed'",
        "who added an endpoint, and that it was removed, is not changed afterwards",
    )
    delete_only("events.event", "created_at < now() - interval '7 days'")
    delete_only("events.webhook_delivery", "created_at < now() - interval '7 days'")
    delete_only(
        "events.webhook_secret",
        """exists (select from events.webhook_endpoint w
                   where w.organization_id = webhook_secret.organization_id and w.id = webhook_secret.endpoint_id
                     and w.status = 'removed')""",
    )


def downgrade() -> None:
    op.execute("drop schema events cascade")
    op.execute(
        f"drop policy recorder_reads on billing.invoice_number; revoke select on billing.invoice_number from {RECORDER}"
    )
