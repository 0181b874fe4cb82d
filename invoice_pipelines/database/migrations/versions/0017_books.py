"""Billing: only functions write the books, and an event says which login it came from.

Foreign keys whose assertion statement-level checks make as well are dropped: see billing/complete.sql.
"""

from alembic import op

from invoice_pipelines.database.roles import APP, BOOKS

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

WRITTEN_ONCE = (
    "invoice_number",
    "issued_invoice_line",
    "issued_invoice_tax",
    "invoice_event",
    "sales_order_event",
    "payment_event",
)
EVENTS = ("invoice_event", "sales_order_event", "payment_event")
SETTLED = "status, amount_paid, amount_credited, void_reason, voided_at, voided_by"
"""What may change of an issued invoice."""

CHECKED_BY_STATEMENT = (
    ("issued_invoice_line", "invoice_id", "invoice"),
    ("issued_invoice_line", "item_id", "item"),
    ("issued_invoice_tax", "invoice_id", "invoice"),
    ("invoice_number", "invoice_id", "invoice"),
)
"""Foreign keys: the table, its column beside organization_id, and the table that it points at."""

FUNCTIONS = (
    "issue_next(integer, uuid)",
    "issue_next(integer, uuid, integer)",
    "void_invoice(uuid, text, text, boolean)",
    "credit_invoice(uuid, text, text, date, jsonb, boolean)",
    "credit_invoice(uuid, text, text, date, jsonb, boolean, text)",
    "settle(jsonb, text)",
    "set_order_status(uuid[], text, text, text)",
    "hold_invoices(uuid[])",
)
"""What belongs to the new role from now on: neither it nor the owner could replace what belongs to the other."""

TRIGGERS = {
    "invoice_number": ("check_sequence", "check_complete"),
    "issued_invoice_line": ("check_addition", "check_items"),
    "issued_invoice_tax": ("check_addition",),
    "item": ("refuse_delete", "refuse_new_id"),
    "sales_order": ("refuse_invoiced", "refuse_status"),
    "payment_event": ("refuse_delete", "refuse_update"),
}
"""What the SQL of this version makes and that of an earlier one does not know."""


def upgrade() -> None:
    _drop_functions()
    for table in WRITTEN_ONCE:
        op.execute(f"revoke insert on billing.{table} from {APP}")
        op.execute(f"grant insert on billing.{table} to {BOOKS}")
    op.execute(f"revoke insert, update on billing.invoice, billing.invoice_counter, billing.payment from {APP}")
    op.execute(f"grant insert, update ({SETTLED}) on billing.invoice to {BOOKS}")
    op.execute(f"grant insert, update on billing.invoice_counter, billing.payment to {BOOKS}")
    op.execute(f"revoke insert, update, delete on billing.payment_allocation from {APP}")
    op.execute(f"grant insert, update, delete on billing.payment_allocation to {BOOKS}")
    op.execute(f"revoke delete on billing.item from {APP}")
    for table in EVENTS:
        op.execute(f"alter table billing.{table} add column login text")  # null: it was not noted before
        op.execute(f"alter table billing.{table} alter column login set default session_user")
        op.execute(
            f"""comment on column billing.{table}.login is
                'the login that did it, as PostgreSQL knows it; created_by is whom the application named'"""
        )
    for table, column, _ in CHECKED_BY_STATEMENT:
        op.execute(f"alter table billing.{table} drop constraint {table}_organization_id_{column}_fkey")
    # Their functions have other names now.
    op.execute("drop trigger if exists refuse_gap on billing.invoice_number")
    for table in ("issued_invoice_line", "issued_invoice_tax"):
        op.execute(f"drop trigger if exists refuse_addition on billing.{table}")
    op.execute("drop function if exists billing.refuse_gap(), billing.refuse_addition()")


def downgrade() -> None:
    _drop_functions()
    for table, triggers in TRIGGERS.items():
        for trigger in triggers:
            op.execute(f"drop trigger if exists {trigger} on billing.{table}")
    for table, column, target in CHECKED_BY_STATEMENT:
        op.execute(
            f"""alter table billing.{table} add foreign key (organization_id, {column})
                references billing.{target} (organization_id, id)"""
        )
    for table in EVENTS:
        op.execute(f"alter table billing.{table} drop column login")
    op.execute(f"grant delete on billing.item to {APP}")
    op.execute(f"grant insert, update, delete on billing.payment_allocation to {APP}")
    op.execute(f"grant insert, update on billing.invoice_counter, billing.payment to {APP}")
    op.execute(f"grant insert, update ({SETTLED}) on billing.invoice to {APP}")
    for table in WRITTEN_ONCE:
        op.execute(f"grant insert on billing.{table} to {APP}")
    op.execute(
        f"""revoke all on billing.invoice, billing.invoice_counter, billing.payment, billing.payment_allocation,
            billing.{", billing.".join(WRITTEN_ONCE)} from {BOOKS}"""
    )


def _drop_functions() -> None:
    for function in FUNCTIONS:
        op.execute(f"drop function if exists billing.{function}")
