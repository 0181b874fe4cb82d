"""Intake: arrivals, uploads, received invoices, what was read, judged and decided of them, reviews, exports, DATEV."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import (
    create_schema,
    delete_only,
    isolate,
    let_recorder_add,
    refuse_change,
    show_to_overview,
)
from invoice_pipelines.database.roles import OVERVIEW

revision = "0104"
down_revision = "0103"

TABLES = r"""
-- Unique constraints have organization_id last, and indexes are partial, where the planner would else take them for a
-- look-up by id: while a table has no statistics yet, it cannot tell that these read all rows of an organization.

create table intake.upload (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes bigint not null check (size_bytes >= 0),
    file_name text not null,
    source text not null check (source in ('inbox', 'command line', 'api')),
    received_at timestamptz not null default now(),
    created_by text not null,
    media_type text,
    primary key (organization_id, id),
    unique (sha256, organization_id)
);
comment on table intake.upload is 'A file as it arrived; its bytes are in the store of originals under the sha256';
comment on column intake.upload.media_type is 'as its sender says, where it does; readers go by the bytes';

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
    status text not null default 'UPLOADED',
    processing_version integer not null default 1,
    last_processed_at timestamptz,
    created_at timestamptz not null default now(),
    created_by text not null,
    source text check (source in ('xml', 'text', 'ocr')),
    format text check (format in ('UBL', 'CII', 'ZUGFERD1', 'PDF', 'PICTURE')),
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
    pictured_pages jsonb,
    xml bytea storage external constraint received_invoice_xml check (xml is null or status = 'PARSED'),
    content_sha256 text check (content_sha256 ~ '^[0-9a-f]{64}$'),
    account_key text generated always as (left(upper(iban), 64)) stored,
    amount_key text generated always as (left(trim_scale(gross_amount)::text, 64)) stored,
    unconfirmed_seller text,
    primary key (organization_id, id),
    unique (upload_id, organization_id),
    foreign key (organization_id, upload_id) references intake.upload (organization_id, id),
    check (status in ('UPLOADED', 'CREATED', 'FAILED') or reading_json is not null)
);
comment on column intake.received_invoice.processing_version is
    '1 at first, +1 at each status change: optimistic lock and audit';
comment on column intake.received_invoice.seller_key is
    'VAT id, tax id or name of the seller as it was read, folded, for duplicates; to be booked nowhere';
comment on column intake.received_invoice.unconfirmed_seller is
    'what was read of the seller and is left out, as it may be wrong and is not asked for: its name, else its VAT id';
comment on column intake.received_invoice.invoice_key is 'the number without blanks and case, as people retype it';
comment on column intake.received_invoice.confidence is 'lowest of number, date, seller, gross amount and currency';
comment on column intake.received_invoice.reading_json is 'the reading: EN 16931 terms, source, confidence, place';
comment on column intake.received_invoice.raw_json is 'all that the document says, lossless';
comment on column intake.received_invoice.pictured_pages is
    'pages that are pictures: number, key in ocr_page, dots per inch; once all were recognized';
comment on column intake.received_invoice.xml is
    'what the reading was made from, while PARSED; the original holds it for good. Not compressed: it soon goes';
comment on column intake.received_invoice.amount_key is
    'the total with VAT as it is compared: as text, since under row-level security no index is searched by numbers';
comment on column intake.received_invoice.account_key is
    'the IBAN as it is compared; its first signs, as a document may write anything of any length there';
comment on column intake.received_invoice.content_sha256 is
    'of the XML, or of the words on the pages: the same content in another file has the same one';
create index received_invoice_unfinished on intake.received_invoice (organization_id, status, id)
    where status <> 'EXPORTED';
create index received_invoice_content on intake.received_invoice (content_sha256, organization_id)
    where content_sha256 is not null;

-- Each look-up can use one of these only, whatever statistics say: with organization and seller in front of all, any of
-- them would seem as good while there are none, and would read all invoices of a seller.
create index received_invoice_number on intake.received_invoice (invoice_key, seller_key, organization_id)
    where seller_key is not null;
create index received_invoice_amount on intake.received_invoice
    (amount_key, seller_key, organization_id, issue_date) where seller_key is not null;
create index received_invoice_receipt on intake.received_invoice
    (amount_key, issue_date, invoice_key, organization_id) where amount_key is not null;
create index received_invoice_account on intake.received_invoice (organization_id, seller_key, account_key, id)
    where seller_key is not null and account_key is not null and status in ('PARSED', 'VALIDATED', 'EXPORTED');

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
    attempt integer not null default 1 check (attempt > 0),
    will_be_retried boolean not null default false,
    violation_class text check (violation_class in ('format', 'business_rule', 'content')),
    trace_id text,
    stack text,
    primary key (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.processing_error is 'Append-only log: each failed attempt of a stage, and why';
comment on column intake.processing_error.attempt is 'counts the attempts of this stage that failed, from 1';
comment on column intake.processing_error.will_be_retried is 'the queue tries again; the invoice did not fail by this';
comment on column intake.processing_error.violation_class is 'of errors of the document; null: a fault of ours';
comment on column intake.processing_error.trace_id is 'id of the Dagster run, or of the process where it was no run';
comment on column intake.processing_error.stack is 'of a fault of ours; no view and no command shows it';
create index processing_error_invoice on intake.processing_error (organization_id, received_invoice_id, id desc);

create table intake.datev_settings (
    organization_id uuid not null references organizations.organization,
    revision integer not null check (revision > 0),
    settings jsonb not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (organization_id, revision)
);
comment on table intake.datev_settings is 'How bookings are written; append-only, the highest revision holds';

create table intake.export (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    export_number integer not null,
    format text not null check (format ~ '^[A-Za-z][A-Za-z0-9_.-]{0,39}$'),
    status text not null default 'pending' check (status in ('pending', 'completed')),
    created_at timestamptz not null default now(),
    created_by text not null,
    completed_at timestamptz,
    invoice_count integer not null default 0,
    files jsonb not null default '[]',
    datev_revision integer,
    primary key (organization_id, id),
    unique (organization_id, export_number),
    foreign key (organization_id, datev_revision) references intake.datev_settings (organization_id, revision),
    check ((status = 'completed') = (completed_at is not null)),
    constraint export_datev_revision check ((format = 'DATEV') = (datev_revision is not null))
);
comment on column intake.export.status is 'pending: the invoices are chosen; the next run writes the files';
comment on column intake.export.files is 'path, sha256, size in bytes and number of rows of each file';
comment on column intake.export.datev_revision is
    'the DATEV settings that the files of a DATEV export are written with';
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

create table intake.ocr_page (
    organization_id uuid not null references organizations.organization,
    page_sha256 text not null check (page_sha256 ~ '^[0-9a-f]{64}$'),
    engine text not null,
    engine_version text not null,
    options text not null,
    words jsonb not null,
    width_px integer not null check (width_px > 0),
    height_px integer not null check (height_px > 0),
    quarter_turns smallint not null default 0 check (quarter_turns between 0 and 3),
    seconds numeric(8, 3) not null,
    cost_usd numeric(12, 6) not null default 0,
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (page_sha256, engine, engine_version, options, organization_id)
);
comment on table intake.ocr_page is
    'What an engine read on a page, for good; keyed by the pixels of the page and all that shapes the result';
comment on column intake.ocr_page.words is 'list of [text, left, top, right, bottom, confidence], pixels, upright page';
comment on column intake.ocr_page.quarter_turns is 'how often the page was turned clockwise until it was upright';
comment on column intake.ocr_page.cost_usd is 'what the service charges for the page by its price list';

create table intake.review_reason (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    position integer not null check (position > 0),
    processing_version integer not null,
    field text,
    code text not null,
    message text not null,
    message_de text not null,
    value text,
    confidence numeric(4, 3) check (confidence between 0 and 1),
    must_be_corrected boolean not null,
    primary key (organization_id, received_invoice_id, position),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.review_reason is
    'Why a parsed invoice waits for a person; written anew by each validation. An invoice waits while it is PARSED and '
    'has reasons of its processing version';
comment on column intake.review_reason.value is 'as read, at the time of the validation';
comment on column intake.review_reason.must_be_corrected is 'a fatal violation: accepting the values does not do';

create table intake.review_decision (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    decision_number integer not null check (decision_number > 0),
    processing_version integer not null,
    decision text not null check (decision in ('accepted', 'corrected', 'rejected', 'undone', 'asked')),
    field text,
    code text,
    old_value text,
    new_value text,
    page integer check (page > 0),
    box jsonb,
    reason text,
    decided_by text not null check (decided_by <> ''),
    decided_at timestamptz not null default clock_timestamp(),
    act integer check (act > 0),
    undoes integer check (undoes > 0),
    primary key (organization_id, received_invoice_id, decision_number),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id),
    check (decision <> 'corrected' or field is not null),
    check (decision <> 'rejected' or reason is not null),
    check ((page is null) = (box is null)),
    constraint review_decision_undone_check check ((decision = 'undone') = (undoes is not null))
);
comment on table intake.review_decision is 'What people decided about readings: append-only';
comment on column intake.review_decision.decision_number is
    'counts from 1 per invoice: of two people at once, one gets the number';
comment on column intake.review_decision.code is 'of the reason that was accepted';
comment on column intake.review_decision.new_value is 'null where the document does not have the field';
comment on column intake.review_decision.box is 'where the value stands: left, top, right, bottom in points';
comment on column intake.review_decision.act is
    'number of the first of those that were decided together; null: before there was an undo';
comment on column intake.review_decision.undoes is 'the act that is taken back';

create table intake.review_undo (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    act integer not null,
    version_before integer not null,
    version_after integer not null,
    reading_json jsonb not null,
    xml bytea,
    primary key (organization_id, received_invoice_id, act),
    foreign key (organization_id, received_invoice_id, act)
        references intake.review_decision (organization_id, received_invoice_id, decision_number)
);
comment on table intake.review_undo is
    'An invoice before an act, to take that back, the last one first; gone once it was, or the invoice is exported';
comment on column intake.review_undo.version_after is
    'processing version since then: with another one, something else happened to the invoice';
comment on column intake.review_undo.reading_json is 'the reading before it';

create table intake.supplier_layout (
    organization_id uuid not null references organizations.organization,
    fingerprint text not null,
    field text not null,
    place jsonb not null,
    received_invoice_id uuid not null,
    decision_number integer not null,
    times_confirmed integer not null default 1 check (times_confirmed > 0),
    taught_at timestamptz not null default clock_timestamp(),
    primary key (fingerprint, field, organization_id),
    foreign key (organization_id, received_invoice_id, decision_number)
        references intake.review_decision (organization_id, received_invoice_id, decision_number)
);
comment on table intake.supplier_layout is 'Where a field stands on the documents of a supplier, as people have shown';
comment on column intake.supplier_layout.decision_number is 'with the invoice, the decision that taught it last';
comment on column intake.supplier_layout.times_confirmed is 'how often people have shown this same place';

create table intake.supplier_teaching (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    fingerprint text not null,
    field text not null,
    place jsonb not null,
    times integer not null default 1 check (times > 0),
    received_invoice_id uuid not null,
    decision_number integer not null,
    taught_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, id),
    foreign key (organization_id, received_invoice_id, decision_number)
        references intake.review_decision (organization_id, received_invoice_id, decision_number)
);
comment on table intake.supplier_teaching is
    'Each time that a place was shown: what is left of them makes the supplier''s layout';
comment on column intake.supplier_teaching.times is 'more than 1 for those from before each was kept';
create index supplier_teaching_place on intake.supplier_teaching (fingerprint, field, organization_id, id);
create index supplier_teaching_decision
    on intake.supplier_teaching (organization_id, received_invoice_id, decision_number);

create table intake.review_claim (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    claimed_by text not null check (claimed_by <> ''),
    claimed_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (organization_id, received_invoice_id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.review_claim is 'Who is at a review, until when: nobody else decides about it meanwhile';

create table intake.review_postponement (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    until timestamptz not null,
    postponed_by text not null check (postponed_by <> ''),
    postponed_at timestamptz not null default now(),
    primary key (organization_id, received_invoice_id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.review_postponement is 'A review that was put off: it is not offered until then';

create table intake.review_note (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    received_invoice_id uuid not null,
    note text not null check (length(note) between 1 and 2000),
    created_at timestamptz not null default now(),
    created_by text not null check (created_by <> ''),
    primary key (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.review_note is 'What people write beside an invoice: append-only';
create index review_note_invoice on intake.review_note (organization_id, received_invoice_id, id);

create table intake.datev_rule_set (
    organization_id uuid not null references organizations.organization,
    number integer not null check (number > 0),
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (organization_id, number)
);
comment on table intake.datev_rule_set is
    'The rules that were imported together; append-only, the highest number holds';

create table intake.datev_rule (
    organization_id uuid not null references organizations.organization,
    rule_set integer not null,
    position integer not null check (position > 0),
    priority integer not null,
    seller text,
    line_text text,
    category text,
    rate numeric,
    region text check (region in ('DE', 'EU', 'OTHER')),
    account text not null check (account ~ '^[0-9]{4,8}$'),
    tax_key text check (tax_key ~ '^[0-9]{0,4}$'),
    cost_center text,
    primary key (organization_id, rule_set, position),
    foreign key (organization_id, rule_set) references intake.datev_rule_set (organization_id, number)
);
comment on table intake.datev_rule is 'Which expense account a part of an invoice goes to; absent conditions match all';
comment on column intake.datev_rule.tax_key is 'BU-Schluessel; empty: none; null: by the chart of accounts';

create table intake.datev_supplier (
    organization_id uuid not null references organizations.organization,
    seller_key text not null,
    account text not null check (account ~ '^[1-9][0-9]{4,8}$'),
    seller_name text,
    is_imported boolean not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (organization_id, seller_key)
);
comment on table intake.datev_supplier is
    'The creditor account of a seller: given once, never changed, never given to another';
create unique index datev_supplier_account on intake.datev_supplier (account, organization_id) where not is_imported;

create table intake.datev_document_number (
    organization_id uuid not null references organizations.organization,
    account text not null,
    invoice_number text not null check (length(invoice_number) <= 200),
    document_field text not null check (length(document_field) between 1 and 36),
    primary key (organization_id, account, invoice_number)
);
comment on table intake.datev_document_number is 'Belegfeld 1 of the invoice numbers of a creditor, to be read back';
-- Without case, as not every program that reads the field tells small letters from capitals.
create unique index datev_document_field
    on intake.datev_document_number (account, upper(document_field), organization_id);

create table intake.datev_exchange_rate (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    valid_from date not null,
    valid_until date not null,
    rate numeric not null check (rate > 0),
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (organization_id, id),
    check (valid_from <= valid_until)
);
comment on table intake.datev_exchange_rate is
    'Append-only; where several hold on a day, the one that was written last';
comment on column intake.datev_exchange_rate.rate is 'units of the currency for 1 EUR';
create index datev_exchange_rate_day on intake.datev_exchange_rate (organization_id, currency, valid_from);

create table intake.datev_waiting (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    reasons jsonb not null,
    since timestamptz not null default now(),
    tried_at timestamptz not null default now(),
    primary key (organization_id, received_invoice_id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.datev_waiting is 'Invoices that are to be booked and could not be yet, each with all reasons';

create table intake.datev_booking (
    organization_id uuid not null references organizations.organization,
    received_invoice_id uuid not null,
    generation integer not null check (generation > 0),
    position integer not null check (position > 0),
    is_reversal boolean not null,
    export_id uuid not null,
    fiscal_year_start date not null,
    document_date date not null,
    amount numeric(12, 2) not null check (amount > 0),
    side text not null check (side in ('S', 'H')),
    currency text not null,
    rate numeric,
    base_amount numeric(12, 2) check (base_amount > 0),
    account text not null,
    contra_account text not null,
    tax_key text not null,
    document_field text not null,
    booking_text text not null,
    due_date date,
    document_guid uuid not null,
    cost_center text,
    notes jsonb not null default '[]',
    tax_category text,
    tax_rate numeric,
    invoice_amount numeric not null,
    invoice_currency text not null,
    primary key (organization_id, received_invoice_id, generation, position, is_reversal),
    foreign key (organization_id, export_id) references intake.export (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id),
    check ((rate is null) = (base_amount is null))
);
comment on table intake.datev_booking is
    'The ledger: every booking as it was written; those of a completed export stay';
comment on column intake.datev_booking.generation is
    'how often the invoice was booked; a reversal has that of its booking';
comment on column intake.datev_booking.side is 'S (debit) or H (credit), of account, as written';
comment on column intake.datev_booking.invoice_amount is
    'what the invoice says, in invoice_currency: above zero where we owe more; of a reversal what it takes back';
create index datev_booking_export on intake.datev_booking (organization_id, export_id);
create policy pending_only on intake.datev_booking as restrictive for delete
    using (exists (select from intake.export e
                   where e.organization_id = datev_booking.organization_id and e.id = datev_booking.export_id
                     and e.status = 'pending'));

create table intake.reparse (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    writes boolean not null,
    include_exported boolean not null,
    recognizes boolean not null,
    after_id uuid,
    invoices_read bigint not null default 0,
    created_at timestamptz not null default now(),
    created_by text not null,
    finished_at timestamptz,
    primary key (organization_id, id)
);
comment on table intake.reparse is 'A pass over the received invoices that reads them again under the present rules';
comment on column intake.reparse.writes is 'false: it only shows what would change';
comment on column intake.reparse.after_id is 'the invoice up to which it has come, in the order of their ids';
create index reparse_open on intake.reparse (organization_id, id) where finished_at is null;

create table intake.reparse_change (
    organization_id uuid not null references organizations.organization,
    reparse_id uuid not null,
    received_invoice_id uuid not null,
    position integer not null check (position > 0),
    field text not null,
    old_value text,
    new_value text,
    status_before text not null,
    effect text not null,
    status_after text,
    message text,
    is_written boolean not null,
    found_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, reparse_id, received_invoice_id, position),
    foreign key (organization_id, reparse_id) references intake.reparse (organization_id, id),
    foreign key (organization_id, received_invoice_id) references intake.received_invoice (organization_id, id)
);
comment on table intake.reparse_change is 'Append-only: what a pass found to be read otherwise now, a row per value';
comment on column intake.reparse_change.effect is 'what became of the invoice, or would have become';
create index reparse_change_invoice on intake.reparse_change (organization_id, received_invoice_id);

-- Each transaction adds rows of its own, so that none waits for another one; who reads them adds them up.
create table intake.turnaround (
    id bigint generated always as identity primary key,
    source text not null,
    outcome text not null,
    bucket integer not null,
    documents bigint not null,
    seconds numeric not null
);
comment on table intake.turnaround is
    'How many documents came to an outcome, how long after their upload; of all organizations together';
comment on column intake.turnaround.bucket is 'how many bounds of intake.turnaround_bounds() it took longer than';
"""

GRANTS = {
    "arrival": "select, insert, update, delete",
    "received_invoice": "select, insert, update",
    "received_invoice_line": "select, insert, delete",
    "received_invoice_tax": "select, insert, delete",
    "status_change": "select",
    "export_invoice": "select, insert, delete",
    "review_reason": "select, insert, delete",
    "review_undo": "select, insert, update, delete",
    "supplier_layout": "select, insert, update, delete",
    "supplier_teaching": "select, insert, delete",
    "review_claim": "select, insert, update, delete",
    "review_postponement": "select, insert, update, delete",
    "datev_rule": "select, insert",
    "datev_document_number": "select, insert",
    "datev_waiting": "select, insert, update, delete",
    "datev_booking": "select, insert, delete",
    "reparse": "select, insert, update",
}
APPEND_ONLY = {
    "upload": "id, received_at",
    "verdict": "id, created_at",
    "violation": "",
    "processing_error": "id, created_at",
    "review_decision": "decided_at",
    "review_note": "id, created_at",
    "reparse_change": "found_at",
    "datev_settings": "created_at",
    "datev_rule_set": "created_at",
    "datev_supplier": "created_at",
    "datev_exchange_rate": "id, created_at",
    "ocr_page": "created_at",
}
"""Tables, and the columns of a new row that PostgreSQL fills."""


def upgrade() -> None:
    create_schema("intake")
    op.execute(TABLES)
    for table, grants in GRANTS.items():
        isolate(f"intake.{table}", grants)
    for table, stamped in APPEND_ONLY.items():
        isolate(f"intake.{table}", "select", stamped=stamped)
    isolate("intake.export", "select, update", stamped="id, created_at")
    let_recorder_add("intake.status_change")
    show_to_overview("intake.arrival", "organization_id, outcome, still_since, last_seen_at, removed_at")
    show_to_overview("intake.received_invoice", "organization_id, status, last_processed_at")
    show_to_overview("intake.export", "organization_id, status, created_at")
    refuse_change(
        "intake.received_invoice",
        "(old.id, old.upload_id, old.created_at, old.created_by) is distinct from "
        "(new.id, new.upload_id, new.created_at, new.created_by)",
        "where a received invoice came from never changes",
    )
    refuse_change("intake.export", "old.status = 'completed'", "a completed export never changes")
    delete_only("intake.arrival", "outcome is null")
    op.execute(f"grant select, insert, update, delete on intake.turnaround to {OVERVIEW}")


def downgrade() -> None:
    op.execute("drop schema intake cascade")
