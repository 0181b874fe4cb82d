"""Billing: service periods, exchange rates, and VAT in the currency in which the seller accounts for it."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

PERIODS = """
alter table billing.{table}
    add column period_start date,
    add column period_end date,
    add constraint {table}_period check (
        (period_start is null) = (period_end is null) and period_start <= period_end
        and period_start >= '0001-01-01' and period_end <= '9999-12-31'
    ) not valid;
comment on column billing.{table}.period_start is '{start}: first day of the service; null: it has no period';
comment on column billing.{table}.period_end is '{end}: last day of the service';
"""
WITH_PERIODS = (
    ("sales_order", "BT-73", "BT-74"),
    ("sales_order_line", "BT-134", "BT-135"),
    ("invoice", "BT-73", "BT-74"),
    ("issued_invoice_line", "BT-134", "BT-135"),
)

RATES = """
create table billing.exchange_rate (
    organization_id uuid not null references organizations.organization,
    base_currency text not null check (base_currency ~ '^[A-Z]{3}$'),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    rate_date date not null check (rate_date between '0001-01-01' and '9999-12-31'),
    rate numeric not null check (rate > 0 and rate < 'Infinity'),
    source text not null check (source <> ''),
    created_at timestamptz not null default now(),
    created_by text not null default current_setting('application_name'),
    primary key (organization_id, base_currency, currency, rate_date),
    check (base_currency <> currency)
);
comment on table billing.exchange_rate is
    'What currencies were worth on a day. Invoices hold copies of what they were converted with.';
comment on column billing.exchange_rate.rate is 'so many units of currency are worth one unit of base_currency';
comment on column billing.exchange_rate.source is 'who published it, such as ECB';

alter table billing.invoice
    add column tax_currency text,
    add column tax_amount_in_tax_currency numeric,
    add column exchange_rate numeric,
    add column exchange_rate_base text,
    add column exchange_rate_date date,
    add column exchange_rate_source text,
    add constraint conversion_is_complete check (
        tax_currency is null and exchange_rate is null and tax_amount_in_tax_currency is null
        or tax_currency <> currency and exchange_rate > 0 and exchange_rate < 'Infinity'
           and exchange_rate_base in (currency, tax_currency) and exchange_rate_date is not null
           and exchange_rate_source <> '' and tax_amount_in_tax_currency >= 0
           and tax_amount_in_tax_currency < 'Infinity'
    ) not valid;
comment on column billing.invoice.delivery_date is
    'BT-72, when the supply was made or completed; the issue date where the order says nothing of it';
comment on column billing.invoice.tax_currency is
    'BT-6, in which the seller accounts for VAT; null: that of the invoice, or no rate was known and there is no VAT';
comment on column billing.invoice.tax_amount_in_tax_currency is 'BT-111';
comment on column billing.invoice.exchange_rate is
    'one unit of exchange_rate_base is worth so many of the other: of currency and tax_currency';
"""


def upgrade() -> None:
    for table, start, end in WITH_PERIODS:
        op.execute(PERIODS.format(table=table, start=start, end=end))
    op.execute(RATES)
    isolate("billing.exchange_rate")
    _drop_functions()


def downgrade() -> None:
    _drop_functions()
    op.execute("drop view if exists billing.issued_invoice cascade")
    op.execute("drop table billing.exchange_rate cascade")
    op.execute(
        """alter table billing.invoice drop column tax_currency, drop column tax_amount_in_tax_currency,
               drop column exchange_rate, drop column exchange_rate_base, drop column exchange_rate_date,
               drop column exchange_rate_source"""
    )
    for table, _, _ in WITH_PERIODS:
        op.execute(f"alter table billing.{table} drop column period_start, drop column period_end")


def _drop_functions() -> None:
    """Those whose arguments or results are others now; each `db migrate` makes them again."""
    op.execute("drop function if exists billing.billable_lines(uuid[])")
    op.execute(
        """drop function if exists
               billing.write_invoices(uuid[], uuid[], text[], jsonb, date, integer, text, text, uuid)"""
    )
