"""Intake: what OCR read on a page is kept, so that no page is read, nor paid for, twice."""

from alembic import op

from invoice_pipelines.database.migrations.isolation import isolate

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
alter table intake.received_invoice
    drop constraint received_invoice_format_check,
    add constraint received_invoice_format_check check (format in ('UBL', 'CII', 'ZUGFERD1', 'PDF', 'PICTURE'));

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
"""


def upgrade() -> None:
    op.execute(TABLES)
    isolate("intake.ocr_page", grants="select, insert")


def downgrade() -> None:
    op.execute("drop table intake.ocr_page")
    op.execute(
        """alter table intake.received_invoice
               drop constraint received_invoice_format_check,
               add constraint received_invoice_format_check check (format in ('UBL', 'CII', 'ZUGFERD1', 'PDF'))"""
    )
