"""Intake: invoices whose seller was read and is left out; and a way to find the same receipt whoever made it."""

from alembic import op

revision = "0026"
down_revision = "0025"

TABLES = """
alter table intake.received_invoice add column unconfirmed_seller text;
comment on column intake.received_invoice.unconfirmed_seller is
    'what was read of the seller and is left out, as it may be wrong and is not asked for: its name, else its VAT id';
comment on column intake.received_invoice.seller_key is
    'VAT id, tax id or name of the seller as it was read, folded, for duplicates; to be booked nowhere';
create index received_invoice_receipt on intake.received_invoice
    (amount_key, issue_date, invoice_key, organization_id) where amount_key is not null;
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("drop index intake.received_invoice_receipt")
    op.execute("alter table intake.received_invoice drop column unconfirmed_seller")
