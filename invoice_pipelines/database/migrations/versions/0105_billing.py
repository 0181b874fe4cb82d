"""Billing: customers, items, sales orders, the invoices issued for them, the payments of those, and imports."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import create_schema, isolate, show_to_overview
from invoice_pipelines.database.roles import BOOKS
from invoice_pipelines.database.schema import PACKAGE

revision = "0105"
down_revision = "0104"

TABLES = r"""
-- Unique constraints have organization_id last, and further indexes are partial, where the planner would else take them
-- for a look-up by id: while a table has no statistics yet, it cannot tell that these read all rows of an organization.

create table billing.customer (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    customer_number text not null check (customer_number <> ''),
    name text not null check (name <> ''),
    email text,
    phone text,
    language text check (language ~ '^[a-z]{2}$'),
    currency text check (currency ~ '^[A-Z]{3}$'),
    vat_id text,
    tax_number text,
    buyer_reference text,
    street text,
    additional_street text,
    city text,
    post_code text,
    country_code text not null check (country_code ~ '^[A-Z]{2}$'),
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    created_by text not null default organizations.actor(),
    updated_at timestamptz not null default now(),
    primary key (organization_id, id),
    unique (customer_number, organization_id)
);
-- Partial, though all rows are in it, and so is item_by_sku: they are for lists that are read page by page.
create index customer_by_number on billing.customer (organization_id, customer_number) where customer_number <> '';
comment on column billing.customer.language is 'of the invoices, ISO 639-1; null: the language of the organization';
comment on column billing.customer.currency is 'the only currency of the orders; null: any';
comment on column billing.customer.buyer_reference is 'BT-10, such as the Leitweg-ID of a German authority';

create table billing.tax_rate (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    tax_category text not null check (tax_category = any (billing.vat_categories())),
    rate numeric(5, 2) not null check (rate between 0 and 100),
    name text not null check (name <> ''),
    exemption_reason text,
    exemption_reason_code text check (exemption_reason_code ~ '^VATEX-'),
    is_active boolean not null default true,
    primary key (organization_id, id),
    unique (tax_category, rate, organization_id),
    check (('rate' = any (billing.vat_needs(tax_category))) = (rate > 0)),
    check (('reason' = any (billing.vat_needs(tax_category)))
           = (exemption_reason is not null or exemption_reason_code is not null))
);
comment on column billing.tax_rate.tax_category is
    'UNTDID 5305: S standard, Z zero rated, E exempt, AE reverse charge, K intra-community supply, G export';
comment on column billing.tax_rate.exemption_reason is
    'BT-120; E, AE, K and G say why there is no VAT (BR-E-10, BR-AE-10, BR-IC-10, BR-G-10)';

create table billing.item (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    sku text not null check (sku <> ''),
    name text not null check (name <> ''),
    description text,
    unit_code text not null default 'C62' check (unit_code ~ '^[A-Z0-9]{2,3}$'),
    unit_price numeric(14, 4) not null default 0 check (unit_price >= 0 and unit_price <> 'NaN'),
    tax_category text check (tax_category = any (billing.vat_categories())),
    tax_rate numeric(5, 2),
    is_active boolean not null default true,
    tracks_stock boolean not null default false,
    quantity_on_hand numeric(15, 3) not null default 0 check (quantity_on_hand <> 'NaN')
        constraint stock_is_never_negative check (quantity_on_hand >= 0),
    created_at timestamptz not null default now(),
    created_by text not null default organizations.actor(),
    updated_at timestamptz not null default now(),
    primary key (organization_id, id),
    unique (sku, organization_id)
) with (fillfactor = 70);
create index item_by_sku on billing.item (organization_id, sku) where sku <> '';
comment on column billing.item.unit_code is 'BT-130, UN/ECE recommendation 20; C62 is one piece';

create table billing.sales_order (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    order_number text not null check (order_number <> ''),
    customer_id uuid,
    status text not null default 'draft' check (status in ('draft', 'pending', 'reviewed', 'invoiced', 'cancelled')),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    order_date date not null check (order_date between '0001-01-01' and '9999-12-31'),
    delivery_date date check (delivery_date between '0001-01-01' and '9999-12-31'),
    purchase_order_reference text,
    discount_percent numeric(5, 2) not null default 0 check (discount_percent between 0 and 100),
    note text,
    created_at timestamptz not null default now(),
    created_by text not null default organizations.actor(),
    updated_at timestamptz not null default now(),
    period_start date,
    period_end date,
    primary key (organization_id, id),
    unique (order_number, organization_id),
    foreign key (organization_id, customer_id) references billing.customer (organization_id, id),
    constraint sales_order_period check (
        (period_start is null) = (period_end is null) and period_start <= period_end
        and period_start >= '0001-01-01' and period_end <= '9999-12-31'
    )
) with (fillfactor = 80);
comment on column billing.sales_order.period_start is 'BT-73: first day of the service; null: it has no period';
comment on column billing.sales_order.period_end is 'BT-74: last day of the service';
comment on column billing.sales_order.discount_percent is 'on the whole order: document level allowance, BG-20';
comment on column billing.sales_order.purchase_order_reference is 'BT-13, the number that the buyer gave the order';
create index sales_order_open on billing.sales_order (organization_id, order_date, id)
    where status in ('pending', 'reviewed');
-- Those that are invoiced are found by their invoices.
create index sales_order_of_customer on billing.sales_order (organization_id, customer_id, id)
    where status <> 'invoiced';

create table billing.sales_order_line (
    organization_id uuid not null,
    sales_order_id uuid not null,
    line_number integer not null check (line_number > 0),
    item_id uuid,
    description text,
    quantity numeric(12, 3) not null check (quantity <> 'NaN'),
    unit_code text check (unit_code ~ '^[A-Z0-9]{2,3}$'),
    unit_price numeric(14, 4) not null check (unit_price <> 'NaN'),
    discount_percent numeric(5, 2) not null default 0 check (discount_percent between 0 and 100),
    tax_category text check (tax_category = any (billing.vat_categories())),
    tax_rate numeric(5, 2),
    period_start date,
    period_end date,
    primary key (organization_id, sales_order_id, line_number),
    foreign key (organization_id, sales_order_id) references billing.sales_order (organization_id, id)
        on delete cascade,
    foreign key (organization_id, item_id) references billing.item (organization_id, id),
    constraint sales_order_line_period check (
        (period_start is null) = (period_end is null) and period_start <= period_end
        and period_start >= '0001-01-01' and period_end <= '9999-12-31'
    )
);
comment on column billing.sales_order_line.period_start is 'BT-134: first day of the service; null: it has no period';
comment on column billing.sales_order_line.period_end is 'BT-135: last day of the service';
comment on column billing.sales_order_line.description is 'null: the name of the item';
comment on column billing.sales_order_line.unit_code is 'null: that of the item, or C62';

create table billing.sales_order_event (
    organization_id uuid not null,
    id uuid not null default uuidv7(),
    sales_order_id uuid not null,
    from_status text,
    to_status text not null,
    reason text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    login text default session_user,
    primary key (organization_id, id),
    foreign key (organization_id, sales_order_id) references billing.sales_order (organization_id, id)
);
comment on table billing.sales_order_event is
    'Append-only: who changed the status of an order. That it was invoiced, its invoice says.';
comment on column billing.sales_order_event.login is
    'the login that did it, as PostgreSQL knows it; created_by is whom the application named';

create table billing.invoice_counter (
    organization_id uuid not null references organizations.organization,
    series text not null check (series in ('invoice', 'credit_note')),
    period text not null check (period ~ '^([0-9]{4})?$'),
    next_number bigint not null default 1 check (next_number > 0),
    last_issue_date date,
    primary key (organization_id, series, period)
);
comment on table billing.invoice_counter is
    'The next number of a series; its row is locked until the numbers are committed';
comment on column billing.invoice_counter.period is 'the year, where numbers start again each year; else empty';

create table billing.invoice (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    document_kind text not null default 'invoice' check (document_kind in ('invoice', 'credit_note')),
    status text not null default 'issued' check (status in ('issued', 'partially_paid', 'paid', 'void')),
    sales_order_id uuid,
    customer_id uuid not null,
    corrected_invoice_id uuid,
    batch_job_id uuid,
    issue_date date not null,
    due_date date not null,
    delivery_date date,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    line_amount numeric not null,
    allowance_amount numeric not null,
    net_amount numeric not null,
    tax_amount numeric not null,
    gross_amount numeric not null,
    amount_paid numeric not null default 0,
    amount_credited numeric not null default 0,
    amount_due numeric not null generated always as (
        case when status = 'void' then 0 else gross_amount - amount_paid - amount_credited end
    ) stored,
    discount_percent numeric(5, 2) not null default 0,
    language text not null check (language ~ '^[a-z]{2}$'),
    seller jsonb not null,
    buyer jsonb not null,
    order_number text,
    purchase_order_reference text,
    note text,
    created_at timestamptz not null default now(),
    created_by text not null default organizations.actor(),
    void_reason text,
    voided_at timestamptz,
    voided_by text,
    period_start date,
    period_end date,
    tax_currency text,
    tax_amount_in_tax_currency numeric,
    exchange_rate numeric,
    exchange_rate_base text,
    exchange_rate_date date,
    exchange_rate_source text,
    primary key (organization_id, id),
    foreign key (organization_id, sales_order_id) references billing.sales_order (organization_id, id),
    foreign key (organization_id, customer_id) references billing.customer (organization_id, id),
    foreign key (organization_id, corrected_invoice_id) references billing.invoice (organization_id, id),
    constraint net_is_lines_less_allowances check (net_amount = line_amount - allowance_amount),
    constraint gross_is_net_and_tax check (gross_amount = net_amount + tax_amount),
    constraint amounts_are_not_negative check (
        line_amount >= 0 and allowance_amount >= 0 and net_amount >= 0 and tax_amount >= 0
        and gross_amount < 'Infinity'  -- NaN is above that
    ),
    constraint not_settled_twice check (
        amount_paid >= 0 and amount_credited >= 0 and amount_paid + amount_credited <= gross_amount
    ),
    constraint status_follows_amounts check (
        status = 'void' and amount_paid = 0 and amount_credited = 0
        or status = 'issued' and amount_paid = 0 and amount_credited = 0
        or status = 'partially_paid' and amount_paid + amount_credited > 0
           and amount_paid + amount_credited < gross_amount
        or status = 'paid' and amount_paid + amount_credited = gross_amount
    ),
    constraint due_after_issue check (due_date >= issue_date),
    constraint void_has_a_reason check ((status = 'void') = (void_reason is not null and voided_at is not null)),
    constraint conversion_is_complete check (
        tax_currency is null and exchange_rate is null and tax_amount_in_tax_currency is null
        or tax_currency <> currency and exchange_rate > 0 and exchange_rate < 'Infinity'
           and exchange_rate_base in (currency, tax_currency) and exchange_rate_date is not null
           and exchange_rate_source <> '' and tax_amount_in_tax_currency >= 0
           and tax_amount_in_tax_currency < 'Infinity'
    ),
    constraint credit_note_corrects check ((document_kind = 'credit_note') = (corrected_invoice_id is not null)),
    constraint invoice_period check (
        (period_start is null) = (period_end is null) and period_start <= period_end
        and period_start >= '0001-01-01' and period_end <= '9999-12-31'
    )
);
comment on column billing.invoice.period_start is 'BT-73: first day of the service; null: it has no period';
comment on column billing.invoice.period_end is 'BT-74: last day of the service';
comment on table billing.invoice is
    'What an issued invoice says. Its number is in billing.invoice_number; billing.issued_invoice shows both as one.';
comment on column billing.invoice.line_amount is 'BT-106, sum of the net amounts of the lines';
comment on column billing.invoice.allowance_amount is 'BT-107, the discount on the whole order';
comment on column billing.invoice.net_amount is 'BT-109, without VAT';
comment on column billing.invoice.tax_amount is 'BT-110';
comment on column billing.invoice.gross_amount is 'BT-112, with VAT';
comment on column billing.invoice.amount_credited is 'gross amount of the credit notes that correct this invoice';
comment on column billing.invoice.seller is 'as it was when the invoice was issued; never looked up again';
comment on column billing.invoice.batch_job_id is
    'the job that issued it; no foreign key, which would lock the job for each invoice';
comment on column billing.invoice.delivery_date is
    'BT-72, when the supply was made or completed; the issue date where the order says nothing of it';
comment on column billing.invoice.tax_currency is
    'BT-6, in which the seller accounts for VAT; null: that of the invoice, or no rate was known and there is no VAT';
comment on column billing.invoice.tax_amount_in_tax_currency is 'BT-111';
comment on column billing.invoice.exchange_rate is
    'one unit of exchange_rate_base is worth so many of the other: of currency and tax_currency';
create unique index invoice_of_sales_order on billing.invoice (sales_order_id, organization_id)
    where status <> 'void' and document_kind = 'invoice';
create index invoice_void on billing.invoice (sales_order_id, organization_id) where status = 'void';
create index invoice_of_customer on billing.invoice (customer_id, organization_id);
create index invoice_open on billing.invoice (organization_id, due_date, id)
    where status in ('issued', 'partially_paid') and document_kind = 'invoice';
create index invoice_correction on billing.invoice (organization_id, corrected_invoice_id)
    where corrected_invoice_id is not null;

create table billing.invoice_number (
    organization_id uuid not null,
    series text not null,
    period text not null,
    number bigint not null check (number > 0),
    invoice_number text not null,
    invoice_id uuid not null,
    issue_date date not null,
    primary key (organization_id, series, period, number)
);
comment on table billing.invoice_number is
    'Every number ever given, gapless within series and period, and what it was given to. Rows never change.';
create unique index invoice_number_of_invoice on billing.invoice_number (invoice_id, organization_id);
create unique index invoice_number_once on billing.invoice_number (invoice_number, organization_id);

create table billing.issued_invoice_line (
    organization_id uuid not null,
    invoice_id uuid not null,
    line_number integer not null,
    item_id uuid,
    sku text,
    description text not null check (description <> ''),
    quantity numeric(12, 3) not null,
    unit_code text not null,
    unit_price numeric(14, 4) not null check (unit_price >= 0),
    discount_percent numeric(5, 2) not null,
    net_amount numeric not null,
    tax_category text not null,
    tax_rate numeric(5, 2) not null,
    takes_stock boolean not null,
    period_start date,
    period_end date,
    primary key (organization_id, invoice_id, line_number),
    constraint issued_invoice_line_period check (
        (period_start is null) = (period_end is null) and period_start <= period_end
        and period_start >= '0001-01-01' and period_end <= '9999-12-31'
    )
);
comment on column billing.issued_invoice_line.period_start is
    'BT-134: first day of the service; null: it has no period';
comment on column billing.issued_invoice_line.period_end is 'BT-135: last day of the service';
comment on column billing.issued_invoice_line.net_amount is
    'BT-131: quantity x unit price less discount, rounded half up';
comment on column billing.issued_invoice_line.takes_stock is
    'whether the quantity was taken from the stock of the item';

create table billing.issued_invoice_tax (
    organization_id uuid not null,
    invoice_id uuid not null,
    tax_category text not null,
    tax_rate numeric(5, 2) not null,
    line_amount numeric not null,
    allowance_amount numeric not null,
    taxable_amount numeric not null,
    tax_amount numeric not null,
    exemption_reason text,
    exemption_reason_code text,
    primary key (organization_id, invoice_id, tax_category, tax_rate),
    check (taxable_amount = line_amount - allowance_amount)
);
comment on table billing.issued_invoice_tax is
    'VAT breakdown, BG-23: VAT of the sum per category and rate, never per line';
comment on column billing.issued_invoice_tax.taxable_amount is 'BT-116';
comment on column billing.issued_invoice_tax.tax_amount is 'BT-117';

create table billing.invoice_event (
    organization_id uuid not null,
    id uuid not null default uuidv7(),
    invoice_id uuid not null,
    action text not null check (action in ('voided', 'credited', 'paid')),
    reason text,
    detail jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    login text default session_user,
    primary key (organization_id, id),
    foreign key (organization_id, invoice_id) references billing.invoice (organization_id, id)
);
comment on table billing.invoice_event is 'Append-only: what was done to an issued invoice, by whom and why';
comment on column billing.invoice_event.login is
    'the login that did it, as PostgreSQL knows it; created_by is whom the application named';
create index invoice_event_of_invoice on billing.invoice_event (invoice_id, organization_id);

create table billing.exchange_rate (
    organization_id uuid not null references organizations.organization,
    base_currency text not null check (base_currency ~ '^[A-Z]{3}$'),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    rate_date date not null check (rate_date between '0001-01-01' and '9999-12-31'),
    rate numeric not null check (rate > 0 and rate < 'Infinity'),
    source text not null check (source <> ''),
    created_at timestamptz not null default now(),
    created_by text not null default organizations.actor(),
    primary key (organization_id, base_currency, currency, rate_date),
    check (base_currency <> currency)
);
comment on table billing.exchange_rate is
    'What currencies were worth on a day. Invoices hold copies of what they were converted with.';
comment on column billing.exchange_rate.rate is 'so many units of currency are worth one unit of base_currency';
comment on column billing.exchange_rate.source is 'who published it, such as ECB';

create table billing.payment (
    organization_id uuid not null references organizations.organization,
    id uuid not null default uuidv7(),
    source text not null check (source in ('manual', 'quickbooks')),
    external_id text,
    kind text not null check (kind in ('payment', 'credit', 'refund')),
    status text not null default 'active' check (status in ('active', 'void', 'deleted')),
    customer_id uuid,
    payment_date date not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    amount numeric not null check (amount >= 0 and amount < 'Infinity'),
    unapplied_amount numeric not null default 0 check (unapplied_amount >= 0 and unapplied_amount < 'Infinity'),
    reference text,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    updated_at timestamptz not null default clock_timestamp(),
    primary key (organization_id, id),
    foreign key (organization_id, customer_id) references billing.customer (organization_id, id),
    check ((source = 'manual') = (external_id is null))
);
comment on table billing.payment is 'Money that customers paid, credit they used, and money that was paid back';
comment on column billing.payment.external_id is 'id in the system that it came from, with the company in that system';
create unique index payment_external on billing.payment (external_id, source, organization_id)
    where external_id is not null;

create table billing.payment_allocation (
    organization_id uuid not null,
    payment_id uuid not null,
    invoice_id uuid not null,
    amount numeric not null check (amount > 0 and amount < 'Infinity'),
    applied_amount numeric not null default 0 check (applied_amount >= 0 and applied_amount <= amount),
    primary key (organization_id, payment_id, invoice_id),
    foreign key (organization_id, payment_id) references billing.payment (organization_id, id),
    foreign key (organization_id, invoice_id) references billing.invoice (organization_id, id)
);
comment on table billing.payment_allocation is
    'What of a payment is for an invoice, now. The amount paid of an invoice is the sum of its applied amounts.';
comment on column billing.payment_allocation.applied_amount is
    'what counts as paid: never more than the invoice asks for; nothing while the payment is void or deleted';
create index payment_allocation_of_invoice on billing.payment_allocation (invoice_id, organization_id);

create table billing.payment_event (
    organization_id uuid not null,
    id uuid not null default uuidv7(),
    payment_id uuid not null,
    action text not null check (action in ('recorded', 'changed', 'voided', 'deleted')),
    before jsonb,
    after jsonb,
    created_at timestamptz not null default clock_timestamp(),
    created_by text not null default organizations.actor(),
    login text default session_user,
    primary key (organization_id, id),
    foreign key (organization_id, payment_id) references billing.payment (organization_id, id)
);
comment on table billing.payment_event is 'Append-only: a payment and its allocations before and after each change';
comment on column billing.payment_event.login is
    'the login that did it, as PostgreSQL knows it; created_by is whom the application named';
create index payment_event_of_payment on billing.payment_event (payment_id, organization_id);

create table billing.last_aging (
    organization_id uuid primary key references organizations.organization,
    as_of date not null,
    made_at timestamptz not null,
    good_until timestamptz not null,
    has_open_invoices boolean not null,
    numbers_given bigint not null,
    last_event_id uuid
);
comment on table billing.last_aging is
    'What the newest aging of an organization had seen, so that it is made again when there is something new';
comment on column billing.last_aging.as_of is 'the day it is of, in the time zone of the organization';
comment on column billing.last_aging.good_until is 'the end of that day, when what is open gets a day older';
comment on column billing.last_aging.numbers_given is
    'how many invoices and credit notes there were: their numbers have no gap, and are taken in the order of commits';
comment on column billing.last_aging.last_event_id is 'the newest of billing.invoice_event';

create table billing.import_row (
    organization_id uuid not null references organizations.organization,
    job_id uuid not null,
    line integer not null check (line > 0),
    values jsonb not null,
    lines_at integer[] not null,
    problem_field text,
    problem text,
    primary key (organization_id, job_id, line),
    check ((problem is null) = (problem_field is null))
);
comment on table billing.import_row is
    'Rows of CSV files that wait for their batch job, or failed; the subject of an item is the line';
comment on column billing.import_row.lines_at is 'where the lines of an order stand in the file';
"""

BOOKS_MAY = {
    "sales_order_event": "insert",
    "invoice": "insert, update (status, amount_paid, amount_credited, void_reason, voided_at, voided_by)",
    "invoice_counter": "insert, update",
    "invoice_number": "insert",
    "issued_invoice_line": "insert",
    "issued_invoice_tax": "insert",
    "invoice_event": "insert",
    "payment": "insert, update",
    "payment_allocation": "insert, update, delete",
    "payment_event": "insert",
}
"""The books, which only functions write: the application reads them."""


def upgrade() -> None:
    create_schema("billing")
    op.execute((PACKAGE / "billing" / "vat_categories.sql").read_text(encoding="utf-8"))
    op.execute(TABLES)
    for table in ("customer", "tax_rate", "sales_order", "sales_order_line", "exchange_rate"):
        isolate(f"billing.{table}")
    isolate("billing.item", "select, insert, update")
    isolate("billing.last_aging", "select, insert, update")
    isolate("billing.import_row", "select, insert, delete")
    for table, grants in BOOKS_MAY.items():
        isolate(f"billing.{table}", "select")
        op.execute(f"grant {grants} on billing.{table} to {BOOKS}")
    show_to_overview("billing.invoice_counter", "organization_id, next_number")
    show_to_overview("billing.invoice_event", "organization_id, id")
    show_to_overview("billing.payment_event", "organization_id, id")
    show_to_overview(
        "billing.last_aging",
        "organization_id, made_at, good_until, has_open_invoices, numbers_given, last_event_id",
    )


def downgrade() -> None:
    op.execute("drop schema billing cascade")
