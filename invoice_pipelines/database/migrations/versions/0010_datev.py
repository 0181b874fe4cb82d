"""Intake: DATEV bookings, accounts and their ledger."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

APPEND_ONLY = "select, insert"

TABLES = r"""
alter table intake.export
    drop constraint export_format_check,
    add constraint export_format_check check (format in ('CSV', 'DATEV')),
    add column datev_revision integer,
    add constraint export_datev_revision check ((format = 'DATEV') = (datev_revision is not null));
comment on column intake.export.datev_revision is
    'the DATEV settings that the files of a DATEV export are written with';

create table intake.datev_settings (
    organization_id uuid not null references organizations.organization,
    revision integer not null check (revision > 0),
    settings jsonb not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (organization_id, revision)
);
comment on table intake.datev_settings is 'How bookings are written; append-only, the highest revision holds';
alter table intake.export add foreign key (organization_id, datev_revision)
    references intake.datev_settings (organization_id, revision);

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
"""

TENANT_TABLES = {
    "datev_settings": APPEND_ONLY,
    "datev_rule_set": APPEND_ONLY,
    "datev_rule": APPEND_ONLY,
    "datev_supplier": APPEND_ONLY,
    "datev_document_number": APPEND_ONLY,
    "datev_exchange_rate": APPEND_ONLY,
    "datev_waiting": "select, insert, update, delete",
    "datev_booking": "select, insert, delete",
}


def upgrade() -> None:
    op.execute(TABLES)
    for table, grants in TENANT_TABLES.items():
        isolate(f"intake.{table}", grants=grants)


def downgrade() -> None:
    op.execute("drop view if exists public.datev_ledger, public.datev_waiting_invoice")
    for table in reversed(TENANT_TABLES):
        if table != "datev_settings":
            op.execute(f"drop table intake.{table}")
    # Policies let only the application in; the owner has to open the tables to take out what they can no longer hold.
    for table in ("export", "export_invoice"):
        op.execute(f"alter table intake.{table} no force row level security")
    op.execute(
        """delete from intake.export_invoice ei using intake.export e
           where e.organization_id = ei.organization_id and e.id = ei.export_id and e.format = 'DATEV'"""
    )
    op.execute("delete from intake.export where format = 'DATEV'")
    for table in ("export", "export_invoice"):
        op.execute(f"alter table intake.{table} force row level security")
    op.execute(
        """alter table intake.export
               drop column datev_revision,
               drop constraint export_format_check,
               add constraint export_format_check check (format in ('CSV'))"""
    )
    op.execute("drop table intake.datev_settings")
