"""Intake: arrivals, uploads, received invoices and their lines, verdicts, errors, exports."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import create_schema, isolate, show_to_overview

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = "select, insert"

TABLES = r"""
-- Unique constraints have organization_id last, and indexes are partial, where the planner would else take them for a
-- look-up by id: while a table has no statistics yet, it cannot tell that these read all rows of an organization.

create table intake.upload (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes bigint not null check (size_bytes >= 0),
    file_name text not null,
    source text not null check (source in ('inbox', 'command line')),
    received_at timestamptz not null default now(),
    created_by text not null,
    primary key (organization_id, id),
    unique (sha256, organization_id)
);
comment on table intake.upload is 'A file as it arrived; its bytes are in the store of originals under the sha256';

create table intake.arrival (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    path text not null,
    size_bytes bigint not null,
    version text not null,
    first_seen_at timestamptz not null default now(),
    still_since timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    outcome text check (outcome in ('taken', 'duplicate', 'refused')),
    outcome_at timestamptz,
    reason text,
    upload_id uuid,
    removed_at timestamptz,
    primary key (organization_id, id),
    foreign key (organization_id, upload_id) references intake.upload (organization_id, id),
    check ((outcome is null) = (outcome_at is null)),
    check ((upload_id is not null) = (outcome is not null and outcome in ('taken', 'duplicate')))
);
comment on table intake.arrival is 'A file seen in the inbox, and what became of it; the log that nothing was lost';
comment on column intake.arrival.still_since is 'since when size and version are as they are; taken once long enough';
comment on column intake.arrival.removed_at is 'when the file was taken out of the inbox; null while it lies there';
-- A path may be longer than an entry of an index, so its hash is in there. Where two hashes are the same, the second
-- file is noted once the first is taken.
create unique index arrival_waiting on intake.arrival (organization_id, hashtextextended(path, 0))
    where outcome is null;
create index arrival_lying on intake.arrival (organization_id, id) where outcome is not null and removed_at is null;
create index arrival_upload on intake.arrival (organization_id, upload_id);

create table intake.received_invoice (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    upload_id uuid not null,
    status text not null default 'UPLOADED'
        check (status in ('UPLOADED', 'CREATED', 'PARSED', 'VALIDATED', 'EXPORTED', 'FAILED')),
    processing_version integer not null default 0,
    last_processed_at timestamptz,
    created_at timestamptz not null default now(),
    created_by text not null,
    source text check (source in ('xml', 'text', 'ocr')),
    format text check (format in ('UBL', 'CII', 'ZUGFERD1', 'PDF')),
    profile text,
    invoice_number text,
    invoice_key text,
    type_code text,
    issue_date date,
    due_date date,
    currency text,
    seller_name text,
    seller_vat_id text,
    seller_tax_id text,
    seller_key text,
    buyer_name text,
    buyer_vat_id text,
    buyer_reference text,
    order_reference text,
    iban text,
    net_amount numeric,
    tax_amount numeric,
    gross_amount numeric,
    payable_amount numeric,
    confidence numeric(4, 3) check (confidence between 0 and 1),
    reading_json jsonb,
    raw_json jsonb,
    primary key (organization_id, id),
    unique (upload_id, organization_id),
    foreign key (organization_id, upload_id) references intake.upload (organization_id, id),
    check (status in ('UPLOADED', 'CREATED', 'FAILED') or reading_json is not null)
);
comment on column intake.received_invoice.processing_version is '+1 at each status change: optimistic lock and audit';
comment on column intake.received_invoice.seller_key is 'VAT id, tax id or name of the seller, folded, for duplicates';
comment on column intake.received_invoice.invoice_key is 'the number without blanks and case, as people retype it';
comment on column intake.received_invoice.confidence is 'lowest of number, date, seller, gross amount and currency';
comment on column intake.received_invoice.reading_json is 'the reading: EN 16931 terms, source, confidence, place';
comment on column intake.received_invoice.raw_json is 'all that the document says, lossless';
create index received_invoice_unfinished on intake.received_invoice (organization_id, status, id)
    where status <> 'EXPORTED';
create index received_invoice_number on intake.received_invoice (organization_id, seller_key, invoice_key)
    where seller_key is not null;
create index received_invoice_amount on intake.received_invoice (organization_id, seller_key, issue_date, gross_amount)
    where seller_key is not null;

create table intake.status_change (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    processing_version integer not null,
    from_status text,
    to_status text not null,
    changed_at timestamptz not null default clock_timestamp(),
    changed_by text not null,
    primary key (organization_id, received_invoice_id, processing_version),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.status_change is 'append-only audit trail, written by a trigger';

create table intake.received_invoice_line (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    line_number integer not null check (line_number > 0),
    line_identifier text,
    description text,
    quantity numeric,
    unit text,
    unit_price numeric,
    net_amount numeric,
    tax_category text,
    tax_rate numeric,
    primary key (organization_id, received_invoice_id, line_number),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);

create table intake.received_invoice_tax (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    position integer not null check (position > 0),
    category text,
    rate numeric,
    taxable_amount numeric,
    tax_amount numeric,
    primary key (organization_id, received_invoice_id, position),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);

create table intake.verdict (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    received_invoice_id uuid not null,
    is_valid boolean not null,
    rules_version text not null,
    created_at timestamptz not null default now(),
    primary key (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
create index verdict_invoice on intake.verdict (organization_id, received_invoice_id, id desc);

create table intake.violation (
    organization_id uuid not null references organizations.organization,
    verdict_id uuid not null,
    position integer not null check (position > 0),
    rule text not null,
    severity text not null check (severity in ('fatal', 'warning', 'information')),
    violation_class text not null check (violation_class in ('format', 'business_rule', 'content')),
    message text not null,
    message_de text not null,
    location text,
    primary key (organization_id, verdict_id, position),
    foreign key (organization_id, verdict_id) references intake.verdict (organization_id, id)
);

create table intake.processing_error (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    received_invoice_id uuid not null,
    stage text not null check (stage in ('parse', 'validate', 'export')),
    code text not null,
    message text not null,
    created_at timestamptz not null default now(),
    primary key (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
create index processing_error_invoice on intake.processing_error (organization_id, received_invoice_id, id desc);

create table intake.export (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    export_number integer not null,
    format text not null check (format in ('CSV')),
    status text not null default 'pending' check (status in ('pending', 'completed')),
    created_at timestamptz not null default now(),
    created_by text not null,
    completed_at timestamptz,
    invoice_count integer not null default 0,
    files jsonb not null default '[]',
    primary key (organization_id, id),
    unique (organization_id, export_number),
    check ((status = 'completed') = (completed_at is not null))
);
comment on column intake.export.status is 'pending: the invoices are chosen; the next run writes the files';
comment on column intake.export.files is 'path, sha256, size in bytes and number of rows of each file';
create index export_pending on intake.export (organization_id, id) where status = 'pending';

create table intake.export_invoice (
    organization_id uuid not null references organizations.organization,
    export_id uuid not null,
    received_invoice_id uuid not null,
    primary key (organization_id, export_id, received_invoice_id),
    foreign key (organization_id, export_id) references intake.export (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
create index export_invoice_invoice on intake.export_invoice (organization_id, received_invoice_id);
comment on table intake.export_invoice is 'Which invoices an export holds; a completed one keeps them';
create policy pending_only on intake.export_invoice as restrictive for delete
    using (exists (select from intake.export e
                   where e.organization_id = export_invoice.organization_id and e.id = export_invoice.export_id
                     and e.status = 'pending'));
"""

TENANT_TABLES = {
    "upload": APPEND_ONLY,
    "arrival": "select, insert, update, delete",
    "received_invoice": "select, insert, update",
    "status_change": APPEND_ONLY,
    "received_invoice_line": "select, insert, delete",
    "received_invoice_tax": "select, insert, delete",
    "verdict": APPEND_ONLY,
    "violation": APPEND_ONLY,
    "processing_error": APPEND_ONLY,
    "export": "select, insert, update",
    "export_invoice": "select, insert, delete",
}


def upgrade() -> None:
    create_schema("intake")
    op.execute(TABLES)
    for table, grants in TENANT_TABLES.items():
        isolate(f"intake.{table}", grants=grants)
    show_to_overview("intake.arrival", "organization_id, outcome, still_since, last_seen_at, removed_at")
    show_to_overview("intake.received_invoice", "organization_id, status, last_processed_at")
    show_to_overview("intake.export", "organization_id, status, created_at")


def downgrade() -> None:
    op.execute("drop schema intake cascade")
