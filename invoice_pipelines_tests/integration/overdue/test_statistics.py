"""A batch of notifications reads its own rows and no others, whatever the planner knows of the tables."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import fresh_database
from invoice_pipelines_tests.integration.billing.conftest import open_desk
from invoice_pipelines_tests.integration.billing.ledger.test_receivables import fill
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

pytestmark = pytest.mark.direct  # plans are kept by sessions, and these need new ones

BATCH = 50
TABLES = ("billing.invoice", "billing.invoice_number", "overdue.notification", "work.batch_item")
UNGUARDED = "set local session_replication_role = replica;"
NOTIFIED = f"""
    {UNGUARDED}
    insert into overdue.notification (organization_id, invoice_id, level, as_of, days_overdue, due_date, invoice_number,
                                      customer_id, customer_name, amount_due, currency, execution_id)
    select '{{organization}}', uuidv7(), 1, current_date, 46, current_date - 46, 'I-' || n,
           uuidv7(), 'Buyer AG', 10, 'EUR', uuidv7()
    from generate_series(1, 20000) n
"""
"""So many that the index of what is open is deeper than the primary key, which looks cheaper then."""
FIRST = "'0001-01-01', '00000000-0000-0000-0000-000000000000'"


def test_a_batch_of_notifications_reads_its_own_invoices_only(server: EmbeddedServer, template: str) -> None:
    with fresh_database(server, template) as database:
        keep_statistics(database.superuser, TABLES)
        other, desk = open_desk(database), open_desk(database)
        fill(other, (2000, 60, "issued"))
        fill(desk, (2000, 120, "paid"), (BATCH * len(STATES), 100, "issued"), (2000, 60, "issued"), (2000, 5, "issued"))
        desk.behind(f"{UNGUARDED} update billing.invoice set buyer = jsonb_build_object('name', 'Buyer AG')")
        other.behind(NOTIFIED)
        with desk.scope() as connection:  # these stay open
            connection.execute(
                text(
                    """select overdue.notify(uuidv7(), current_date, 1, 30, '{}', array_agg(id))
                       from billing.invoice where issue_date = current_date - 60"""
                )
            )
        for state in STATES:
            put(database.superuser, TABLES, state)
            desk.engine.dispose()
            with desk.scope() as connection, reading_at_most(connection, dict.fromkeys(TABLES, 8 * BATCH)):
                ids = connection.execute(
                    text(f"select array_agg(invoice_id) from overdue.to_notify(1, current_date, {FIRST}, {BATCH})")
                ).scalar_one()
                written = connection.execute(
                    text("select * from overdue.notify(uuidv7(), current_date, 1, 30, array['email'], :ids)"),
                    {"ids": ids},
                ).one()
            assert (written.created, written.failures) == (BATCH, []), state
            paid = ", ".join(f"'{each}'" for each in ids)
            desk.behind(
                f"{UNGUARDED} update billing.invoice set status = 'paid', amount_paid = gross_amount "
                f"where id in ({paid})"
            )
            with desk.scope() as connection, reading_at_most(connection, dict.fromkeys(TABLES, 8 * BATCH)):
                closed = connection.execute(
                    text(
                        f"""select c.taken, c.closed
                            from overdue.open_execution(now(), null, {BATCH}, uuidv7()) x,
                                 overdue.close_batch(organizations.current(), x.execution, {BATCH}, 1, {FIRST}) c"""
                    )
                ).one()
            assert tuple(closed) == (BATCH, BATCH), state
