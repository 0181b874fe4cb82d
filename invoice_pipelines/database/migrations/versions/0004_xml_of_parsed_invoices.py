"""Intake: the XML of a parsed invoice waits for its validation where the reading waits, not in the original.

Without it each document would be fetched from the store of originals, and taken out of its PDF, a second time.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ADD_XML = """
alter table intake.received_invoice
    add column xml bytea,
    add constraint received_invoice_xml check (xml is null or status = 'PARSED'),
    alter column xml set storage external;
comment on column intake.received_invoice.xml is
    'what the reading was made from, while PARSED; the original holds it for good. Not compressed: it soon goes'
"""


def upgrade() -> None:
    op.execute(ADD_XML)


def downgrade() -> None:
    op.execute("alter table intake.received_invoice drop column xml")
