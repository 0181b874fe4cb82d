"""QuickBooks: connections, mappings, what was sent, what was read, and conflicts."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import (
    create_schema,
    delete_only,
    isolate,
    refuse_change,
    show_to_overview,
)

revision = "0107"
down_revision = "0106"

TABLES = r"""
create table quickbooks.connection (
    organization_id uuid primary key references organizations.organization,
    realm_id text not null check (realm_id ~ '^[0-9]{1,20}$'),
    confirmed_realm_id text,
    status text not null default 'connected'
        check (status in ('connected', 'unconfirmed', 'needs_reconnect', 'disconnected')),
    status_reason text,
    paused_until timestamptz,
    paused_reason text,
    token_version bigint not null default 0,
    access_token_expires_at timestamptz,
    refresh_token_expires_at timestamptz,
    refresh_token_hard_expires_at timestamptz,
    company jsonb not null default '{}',
    company_read_at timestamptz not null default clock_timestamp(),
    options jsonb not null default '{}',
    connected_at timestamptz not null default clock_timestamp(),
    connected_by text not null,
    updated_at timestamptz not null default clock_timestamp(),
    access_refused_since timestamptz
);
comment on column quickbooks.connection.realm_id is 'the QuickBooks company; one organization has one';
comment on column quickbooks.connection.confirmed_realm_id is
    'the company that the sync may work with; another one is unconfirmed until a person agrees';
comment on column quickbooks.connection.token_version is '+1 with each new pair: who finds another reads again';
comment on column quickbooks.connection.paused_until is 'nothing is asked of the company until then';
comment on column quickbooks.connection.access_refused_since is
    'since when calls are refused although new tokens are given; null: they are not';
comment on column quickbooks.connection.company is 'how the company is set: country, currencies, own numbers, taxes';
comment on column quickbooks.connection.options is 'what the organization chose for the sync';

-- Apart from the connection, as the web may write tokens and never reads them.
create table quickbooks.token_pair (
    organization_id uuid primary key references organizations.organization,
    sealed bytea not null,
    is_ended boolean not null default false
);
comment on column quickbooks.token_pair.sealed is
    'access and refresh token, encrypted with organization and realm; quickbooks.connection counts their versions';
comment on column quickbooks.token_pair.is_ended is 'the connection was ended; the tokens are to be given back';

create table quickbooks.authorization_request (
    organization_id uuid not null references organizations.organization,
    state_sha256 text not null,
    requested_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    used_at timestamptz,
    brought_sha256 text,
    finished_at timestamptz,
    return_to text check (return_to like '/%'),
    primary key (organization_id, state_sha256)
);
comment on table quickbooks.authorization_request is 'Connect flows that wait for the callback; a state is used once';
comment on column quickbooks.authorization_request.brought_sha256 is
    'SHA-256 of the code and the company that used the state: the same once more does nothing';
comment on column quickbooks.authorization_request.finished_at is 'when it connected the organization';
comment on column quickbooks.authorization_request.return_to is 'the page of this site to which the browser comes back';

create table quickbooks.rate (
    organization_id uuid not null references organizations.organization,
    realm_id text not null,
    calls timestamptz[] storage main not null default '{}',
    batches timestamptz[] storage main not null default '{}',
    primary key (organization_id, realm_id)
) with (fillfactor = 50);
comment on table quickbooks.rate is 'When the last calls of each company were, or will be, made, by all processes';

create table quickbooks.usage (
    organization_id uuid not null references organizations.organization,
    realm_id text not null,
    hour timestamptz not null,
    calls bigint not null default 0,
    reads bigint not null default 0,
    batches bigint not null default 0,
    throttled bigint not null default 0,
    faults bigint not null default 0,
    primary key (organization_id, realm_id, hour)
);

create table quickbooks.mapping (
    organization_id uuid not null references organizations.organization,
    realm_id text not null,
    entity_type text not null check (entity_type in ('customer', 'item', 'invoice')),
    local_id uuid not null,
    quickbooks_id text not null check (quickbooks_id <> ''),
    sync_token text not null,
    state text not null default 'active' check (state in ('active', 'void', 'deleted')),
    snapshot jsonb not null,
    drift jsonb,
    remote_updated_at timestamptz,
    synced_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, realm_id, entity_type, local_id)
);
comment on table quickbooks.mapping is 'Our id and the QuickBooks id of the same thing, with the last synced snapshot';
comment on column quickbooks.mapping.snapshot is 'the synced fields as both sides had them: the base of the next merge';
comment on column quickbooks.mapping.drift is
    'an invoice that was changed there after it was sent: how it differs from the snapshot; null: it does not';
create index mapping_drift on quickbooks.mapping (organization_id, realm_id, local_id) where drift is not null;
create unique index mapping_quickbooks_id on quickbooks.mapping (quickbooks_id, entity_type, realm_id, organization_id);

create table quickbooks.field_change (
    organization_id uuid not null references organizations.organization,
    entity_type text not null,
    local_id uuid not null,
    field text not null,
    changed_at timestamptz not null,
    changed_by text not null,
    primary key (organization_id, entity_type, local_id, field)
);
comment on table quickbooks.field_change is
    'When each synced field was last changed here, not by a pull: what decides between two edits of one field';

create table quickbooks.sent_batch (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    realm_id text not null,
    entity_type text not null,
    request_id text not null check (length(request_id) between 1 and 36),
    body text not null,
    status text not null default 'sent' check (status in ('sent', 'answered', 'abandoned')),
    attempts integer not null default 0,
    lease_expires_at timestamptz not null default clock_timestamp(),
    intuit_tid text,
    created_at timestamptz not null default clock_timestamp(),
    answered_at timestamptz,
    primary key (organization_id, id),
    unique (request_id, realm_id, organization_id)
);
comment on table quickbooks.sent_batch is
    'Requests as they were composed, before they are sent: what was not answered is sent again, byte for byte';
comment on column quickbooks.sent_batch.lease_expires_at is 'until then somebody sends it, or it rests after a failure';
create index sent_batch_open on quickbooks.sent_batch (organization_id, realm_id, id) where status = 'sent';

create table quickbooks.sent_operation (
    organization_id uuid not null,
    batch_id uuid not null,
    b_id text not null check (length(b_id) between 1 and 10),
    entity_type text not null,
    local_id uuid not null,
    operation text not null check (operation in ('create', 'update', 'void')),
    revision integer not null,
    snapshot jsonb not null,
    outcome text check (outcome in ('done', 'failed', 'again')),
    fault jsonb,
    primary key (organization_id, batch_id, b_id),
    foreign key (organization_id, batch_id) references quickbooks.sent_batch (organization_id, id) on delete cascade
);
comment on column quickbooks.sent_operation.revision is
    'counts the definite answers that this operation on this subject had before; part of the request id';
create unique index sent_operation_open on quickbooks.sent_operation (local_id, entity_type, organization_id)
    where outcome is null;
create index sent_operation_of_subject on quickbooks.sent_operation (local_id, entity_type, operation, organization_id);

create table quickbooks.pull (
    organization_id uuid not null references organizations.organization,
    realm_id text not null,
    entity_type text not null check (entity_type in ('customer', 'item', 'invoice', 'payment')),
    changed_since timestamptz,
    progress jsonb,
    started_at timestamptz,
    finished_at timestamptz,
    primary key (organization_id, realm_id, entity_type)
);
comment on column quickbooks.pull.changed_since is 'by the clock of QuickBooks: all changes until then are here';
comment on column quickbooks.pull.progress is 'how far a reading in pages got; null: none is under way';

create table quickbooks.conflict (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    realm_id text not null,
    entity_type text not null,
    local_id uuid,
    quickbooks_id text,
    kind text not null,
    field text,
    base jsonb,
    ours jsonb,
    theirs jsonb,
    ours_changed_at timestamptz,
    theirs_changed_at timestamptz,
    winner text check (winner in ('ours', 'theirs', 'edited')),
    decided_by text,
    status text not null check (status in ('open', 'resolved')),
    message text not null,
    sync_token text,
    created_at timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    primary key (organization_id, id),
    check ((status = 'resolved') = (resolved_at is not null))
);
comment on table quickbooks.conflict is
    'Both sides changed the same field, or the two sides cannot be brought together without a person';
create index conflict_open on quickbooks.conflict (organization_id, id) where status = 'open';
create index conflict_of_subject on quickbooks.conflict (local_id, organization_id) where status = 'open';

create table quickbooks.event (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    realm_id text not null,
    code text not null check (code ~ '^[A-Z][A-Z0-9_]*$'),
    severity text not null check (severity in ('info', 'warning', 'error')),
    entity_type text,
    local_id uuid,
    quickbooks_id text,
    message text not null,
    detail jsonb not null default '{}',
    intuit_tid text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    primary key (organization_id, id)
);
comment on table quickbooks.event is
    'Append-only: what the sync saw or did that someone may ask about: drift, other totals, cleaned names, decisions';
create index event_newest on quickbooks.event (organization_id, code, id);

create table quickbooks.payment (
    organization_id uuid not null references organizations.organization,
    realm_id text not null,
    transaction_type text not null check (transaction_type in ('payment', 'credit_memo', 'refund_receipt')),
    quickbooks_id text not null,
    sync_token text,
    state text not null default 'active' check (state in ('active', 'void', 'deleted')),
    content jsonb not null,
    applied boolean not null default false,
    remote_updated_at timestamptz,
    seen_at timestamptz not null default clock_timestamp(),
    looked_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, realm_id, transaction_type, quickbooks_id)
);
comment on table quickbooks.payment is
    'Payments, credit memos and refunds as QuickBooks last had them; billing has what of them concerns our invoices';
comment on column quickbooks.payment.applied is
    'false while a part waits, such as for the mapping of an invoice; looked at again with each pull';
comment on column quickbooks.payment.seen_at is 'when it was last read, whether it had changed or not';
comment on column quickbooks.payment.looked_at is 'when it was last booked: what waits for longest is looked at first';
create index payment_waiting on quickbooks.payment (organization_id, realm_id, looked_at) where not applied;

create table quickbooks.unmapped_payment_line (
    organization_id uuid not null references organizations.organization,
    realm_id text not null,
    invoice_id text not null,
    payment_id text not null,
    primary key (organization_id, realm_id, payment_id, invoice_id)
);
comment on table quickbooks.unmapped_payment_line is
    'Which payments are for invoices of QuickBooks that are not mapped: not ours, or not yet known to be';
create index unmapped_payment_line_of_invoice
    on quickbooks.unmapped_payment_line (invoice_id, realm_id, organization_id);
"""


def upgrade() -> None:
    create_schema("quickbooks")
    op.execute(TABLES)
    for table in ("token_pair", "authorization_request", "usage", "field_change", "unmapped_payment_line"):
        isolate(f"quickbooks.{table}")
    for table in ("connection", "rate", "mapping", "pull", "payment"):
        isolate(f"quickbooks.{table}", "select, insert, update")
    isolate("quickbooks.sent_batch", "select, update, delete", stamped="status, intuit_tid, created_at, answered_at")
    isolate("quickbooks.sent_operation", "select, update", stamped="outcome, fault")
    isolate("quickbooks.conflict", "select, update", stamped="id, created_at")
    isolate("quickbooks.event", "select", stamped="id, created_at, created_by")
    # Whether a company is connected with another organization is asked in a scope, and answered by yes or no. The other
    # functions that read connections join the registry, of which they see the organization in scope.
    show_to_overview(
        "quickbooks.connection", "organization_id, realm_id, status, paused_until, connected_at", condition="true"
    )
    show_to_overview("quickbooks.token_pair", "organization_id, is_ended")
    show_to_overview("quickbooks.pull", "organization_id, realm_id, entity_type, started_at, finished_at")
    refuse_change(
        "quickbooks.conflict",
        "old.resolved_at < now() or new.resolved_at < now() or (old.id, old.realm_id, old.entity_type, old.local_id, "
        "old.kind, old.field, old.created_at) is distinct from (new.id, new.realm_id, new.entity_type, new.local_id, "
        "new.kind, new.field, new.created_at)",
        "a conflict that was decided never changes",
    )
    refuse_change(
        "quickbooks.sent_batch",
        "(old.id, old.realm_id, old.entity_type, old.request_id, old.body, old.created_at) is distinct from "
        "(new.id, new.realm_id, new.entity_type, new.request_id, new.body, new.created_at)",
        "what was sent never changes",
    )
    refuse_change(
        "quickbooks.sent_operation",
        "old.outcome is not null or (old.batch_id, old.b_id, old.entity_type, old.local_id, old.operation, "
        "old.revision, old.snapshot) is distinct from (new.batch_id, new.b_id, new.entity_type, new.local_id, "
        "new.operation, new.revision, new.snapshot)",
        "an operation that has its outcome never changes",
    )
    delete_only("quickbooks.sent_batch", "status <> 'sent' and created_at < now() - interval '2 days'")


def downgrade() -> None:
    op.execute("drop schema quickbooks cascade")
