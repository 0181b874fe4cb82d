"""Lists that are read page by page, whatever the size of the house."""

from alembic import op

revision = "0011"
down_revision = "0010"

INDEXES = """
-- Partial, though all rows are in them, as the planner would else take them for a look-up by id: see 0005_billing.py.
create index customer_by_number on billing.customer (organization_id, customer_number) where customer_number <> '';
create index item_by_sku on billing.item (organization_id, sku) where sku <> '';
-- Those that are invoiced are found by their invoices.
create index sales_order_of_customer on billing.sales_order (organization_id, customer_id, id)
    where status <> 'invoiced';
"""


def upgrade() -> None:
    op.execute(INDEXES)


def downgrade() -> None:
    op.execute("drop index billing.customer_by_number, billing.item_by_sku, billing.sales_order_of_customer")
