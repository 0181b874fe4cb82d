"""A chunk reads its own rows and no others, whenever statistics about the tables were collected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from sqlalchemy import text

from invoice_pipelines.billing.promises import PROMISES
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, open_desk
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

CHUNK = 500
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


@dataclass(frozen=True)
class Filled:
    """An organization with many orders in a database that others use as well."""

    desk: BillingDesk
    orders: list[UUID]
    scarce_orders: list[UUID]
    scarce_items: list[UUID]
    customers: list[UUID]


@pytest.fixture(scope="module")
def town(server: EmbeddedServer, template: str) -> Iterator[tuple[TestDatabase, Filled]]:
    with fresh_database(server, template) as database:
        keep_statistics(database.superuser, TABLES)
        other = open_desk(database)
        other.work(other.ask(other.many_orders(900, LINES)))
        desk = open_desk(database)
        plenty = [desk.stocked(10_000_000) for _ in range(200)]
        few = [desk.stocked(30) for _ in range(20)]
        orders = desk.many_orders(2 * len(STATES) * CHUNK, LINES, plenty)
        customers = desk.rows(
            """insert into billing.customer (organization_id, customer_number, name, country_code)
               select organizations.current(), 'N-' || n, 'Buyer', 'DE'
               from generate_series(1, 4000) n returning id"""
        )
        desk.behind(
            """insert into work.batch_job (organization_id, kind, status, total_items, created_by, completed_at)
               select '{organization}', 'invoice_orders', 'completed', 0, 'anna', now() from generate_series(1, 2000)"""
        )
        filled = Filled(desk, orders, desk.many_orders(2 * CHUNK, LINES, few), few, [row[0] for row in customers])
        yield database, filled


@pytest.fixture(scope="module", params=STATES)
def filled(request: pytest.FixtureRequest, town: tuple[TestDatabase, Filled]) -> Filled:
    """Nobody invoiced these orders yet, whatever was done in another state."""
    database, filled = town
    put(database.superuser, TABLES, request.param)
    filled.desk.engine.dispose()  # a worker has a new session: plans are kept from when tables were small
    first = 2 * CHUNK * STATES.index(request.param)
    return replace(filled, orders=filled.orders[first : first + 2 * CHUNK])


def chunk(desk: BillingDesk, job_id: UUID, allowed: dict[str, int]) -> None:
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


def test_a_look_at_all_invoices_reads_each_row_a_few_times(filled: Filled) -> None:
    desk = filled.desk
    desk.work(desk.ask(filled.orders[:CHUNK]))
    lines = desk.value("select count(*) from billing.issued_invoice_line")
    allowed = dict.fromkeys((*TABLES, "billing.invoice_event"), 4 * lines)
    for promise in PROMISES:
        if promise.find and promise.of_all:
            with desk.scope() as connection, reading_at_most(connection, allowed):
                assert promise.find(connection, None).kept, promise.name


def test_allotting_scarce_stock_reads_nothing_more(filled: Filled) -> None:
    filled.desk.rows(
        "update billing.item set quantity_on_hand = 30 where id = any(:ids) returning id", ids=filled.scarce_items
    )
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
        item=desk.stocked(5),
    )
    allowed = {name: 3 * rows for name, rows in ALLOWED.items()}
    for _ in range(2):
        chunk(desk, job_id, allowed)
    assert desk.job(job_id).successful_items == 5
    desk.rows("select work.retry_failed_items(:job, 'anna')", job=job_id)
    chunk(desk, job_id, allowed)


@pytest.mark.parametrize("filled", ["none", "fresh"], indirect=True)
def test_corrections_read_their_own_rows_only(filled: Filled) -> None:
    desk = filled.desk
    orders = desk.many_orders(2, LINES, [desk.stocked(100)])
    desk.work(desk.ask(filled.orders + orders))
    voided, credited = (desk.invoice_of(order_id) for order_id in orders)
    with (
        desk.scope() as connection,
        reading_at_most(connection, dict.fromkeys((*TABLES, "billing.invoice_counter"), 60)),
    ):
        connection.execute(text("select billing.void_invoice(:id, 'x', null, true)"), {"id": voided})
        for _ in range(2):
            connection.execute(
                text("""select billing.credit_invoice(:id, 'x', quantities => '{"1": 0.5}', with_stock => true)"""),
                {"id": credited},
            )
        connection.execute(text("select billing.credit_invoice(:id, 'x')"), {"id": credited})
