"""A chunk reads its own rows and no others, whenever statistics about the tables were collected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.integration.billing.conftest import Desk, open_desk

CHUNK = 1000
LINES = 3
TABLES = (
    "billing.customer",
    "billing.item",
    "billing.tax_rate",
    "billing.sales_order",
    "billing.sales_order_line",
    "billing.invoice",
    "billing.invoice_number",
    "billing.issued_invoice_line",
    "billing.issued_invoice_tax",
    "work.batch_job",
    "work.batch_item",
)
pytestmark = pytest.mark.direct  # plans are kept by sessions, and these need new ones
MOMENTS = ["never", "while empty", "when filled", "when only others had orders"]


@dataclass(frozen=True)
class Filled:
    """An organization with many orders in a database that others use as well."""

    desk: Desk
    orders: list[UUID]
    scarce_orders: list[UUID]
    customers: list[UUID]
    item: UUID


def maintain(database: TestDatabase) -> None:
    with database.superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"vacuum analyze {', '.join(TABLES)}"))


@pytest.fixture(scope="module", params=MOMENTS)
def filled(request: pytest.FixtureRequest, server: EmbeddedServer, template: str) -> Iterator[Filled]:
    """Statistics are collected at one moment, in a database in which that never happens by itself."""
    moment = request.param
    with fresh_database(server, template) as database:
        with database.superuser.begin() as connection:
            for table in TABLES:
                connection.exec_driver_sql(f"alter table {table} set (autovacuum_enabled = false)")
        if moment == "while empty":
            maintain(database)
        for _ in range(3):
            other = open_desk(database)
            other.work(other.ask(other.many_orders(600, LINES)))
        if moment == "when only others had orders":
            maintain(database)
        desk = open_desk(database)
        plenty = [desk.stocked(10_000_000) for _ in range(200)]
        few = [desk.stocked(30) for _ in range(20)]
        orders, scarce_orders = desk.many_orders(6_000, LINES, plenty), desk.many_orders(2_000, LINES, few)
        customers = desk.rows(
            """insert into billing.customer (organization_id, customer_number, name, country_code)
               select organizations.current(), 'N-' || n, 'Buyer', 'DE'
               from generate_series(1, 4000) n returning id"""
        )
        if moment == "when filled":
            maintain(database)
        desk.engine.dispose()  # a worker has a new session: plans of foreign keys are kept from when tables were small
        yield Filled(desk, orders, scarce_orders, [row[0] for row in customers], desk.stocked(5))


def read_so_far(connection: Connection) -> dict[str, tuple[int, int]]:
    rows = connection.execute(
        text(
            """select schemaname || '.' || relname, coalesce(seq_tup_read, 0), coalesce(idx_tup_fetch, 0)
               from pg_stat_xact_user_tables where schemaname in ('billing', 'work')"""
        )
    )
    return {name: (in_full, by_index) for name, in_full, by_index in rows}


@contextmanager
def reading_at_most(connection: Connection, rows: dict[str, int]) -> Iterator[None]:
    """Fails if more than so many rows of a table are read meanwhile, by any index or in full."""
    before = read_so_far(connection)
    yield
    excess = {}
    for name, (in_full, by_index) in read_so_far(connection).items():
        old_full, old_index = before.get(name, (0, 0))
        read = in_full - old_full + by_index - old_index
        if read > rows.get(name, 10):
            excess[name] = read
    assert not excess, f"so many rows were read: {excess}"


def chunk(desk: Desk, job_id: UUID, allowed: dict[str, int]) -> None:
    with desk.scope() as connection, reading_at_most(connection, allowed):
        step = connection.execute(
            text("select * from billing.issue_next(:size, :job)"), {"size": CHUNK, "job": job_id}
        ).one()
    assert step.taken == CHUNK


# Orders are looked at to lock, compute and head an invoice, and once more by their version to mark them; each foreign
# key of a new row looks up what it points to. VAT is read again to be compared with the lines, of which one is looked
# for when the invoice gets its number.
ALLOWED = {
    "work.batch_item": 4 * CHUNK,
    "work.batch_job": 20,
    "billing.sales_order": 6 * CHUNK,
    "billing.sales_order_line": 2 * LINES * CHUNK,
    "billing.customer": 4 * CHUNK,
    "billing.item": 4 * LINES * CHUNK,
    "billing.tax_rate": 2 * LINES * CHUNK,
    "billing.invoice": (LINES + 4) * CHUNK,
    "billing.invoice_number": CHUNK,
    "billing.issued_invoice_line": CHUNK,
    "billing.issued_invoice_tax": 3 * CHUNK,
}


def test_a_chunk_of_orders_reads_its_own_rows_only(filled: Filled) -> None:
    job_id = filled.desk.ask(filled.orders)
    for _ in range(2):
        chunk(filled.desk, job_id, ALLOWED)


def test_orders_that_were_invoiced_before_are_looked_up_by_key(filled: Filled) -> None:
    desk = filled.desk
    desk.work(desk.ask(filled.orders[:CHUNK]))
    again = desk.ask(filled.orders[:CHUNK])
    chunk(desk, again, ALLOWED)
    assert desk.job(again).skipped_items == CHUNK


def test_allotting_scarce_stock_reads_nothing_more(filled: Filled) -> None:
    job_id = filled.desk.ask(filled.scarce_orders)
    chunk(filled.desk, job_id, ALLOWED)
    assert 0 < filled.desk.job(job_id).successful_items < CHUNK


def test_a_chunk_of_customers_reads_its_own_rows_only(filled: Filled) -> None:
    """Also where nearly all of them are refused, and tried again."""
    desk = filled.desk
    job_id = desk.value(
        """select job_id from billing.batch_invoice_customers(cast(:customers as text[]), jsonb_build_array(
               jsonb_build_object('inventory_item_id', cast(:item as uuid), 'quantity', 1, 'unit_price', 3,
                                  'tax_category', 'S', 'tax_rate', 19)))""",
        customers=[str(customer) for customer in filled.customers],
        item=filled.item,
    )
    allowed = {name: 3 * rows for name, rows in ALLOWED.items()}
    for _ in range(2):
        chunk(desk, job_id, allowed)
    assert desk.job(job_id).successful_items == 5
    desk.rows("select work.retry_failed_items(:job, 'anna')", job=job_id)
    chunk(desk, job_id, allowed)


def test_corrections_read_their_own_rows_only(filled: Filled) -> None:
    desk = filled.desk
    orders = desk.many_orders(2, LINES, [filled.item])
    desk.rows("update billing.item set quantity_on_hand = 100 where id = :id", id=filled.item)
    desk.work(desk.ask(filled.orders[:2000] + orders))
    voided, credited = (desk.invoice_of(order_id) for order_id in orders)
    with desk.scope() as connection, reading_at_most(connection, dict.fromkeys(TABLES, 60)):
        connection.execute(text("select billing.void_invoice(:id, 'x', null, true)"), {"id": voided})
        for _ in range(2):
            connection.execute(
                text("""select billing.credit_invoice(:id, 'x', quantities => '{"1": 0.5}', with_stock => true)"""),
                {"id": credited},
            )
        connection.execute(text("select billing.credit_invoice(:id, 'x')"), {"id": credited})
