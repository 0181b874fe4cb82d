"""What belongs to one invoice is found by it, whatever the planner knows of the tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.database.engine import create_app_engine, organization_scope
from invoice_pipelines.delivery.documents.rows import list_documents
from invoice_pipelines.delivery.messages.messages import list_messages
from invoice_pipelines.delivery.promises import OF_MESSAGES
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.support.billing.shop import Shop, open_shop
from invoice_pipelines_tests.support.delivery.delivered import DELIVERED
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

TABLES = ("delivery.message", "delivery.invoice_document")
LOOKED_AT = ("delivery.message", "delivery.message_attempt", "delivery.message_event", "billing.invoice")
INVOICES = 400  # of each shop: a table of a few pages is rightly read in full
DOCUMENTS = """
    insert into delivery.invoice_document (organization_id, invoice_id, invoice_number, format, language, version,
                                           file_name, sha256, size_bytes, pages, input_sha256, template_sha256, engine)
    select organization_id, invoice_id, invoice_number, 'zugferd', 'de', 1, 'x.pdf', repeat('0', 64), 1, 1,
           repeat('0', 64), repeat('0', 64), 'test'
    from billing.invoice_number where series = 'invoice'"""


@pytest.fixture(scope="module")
def crowd(server, template) -> Iterator[tuple[TestDatabase, Shop]]:
    """Two organizations with a message and a document of each of many invoices."""
    with fresh_database(server, template) as database:
        keep_statistics(database.superuser, {*TABLES, *LOOKED_AT})
        shops = [open_shop(database) for _ in range(2)]
        for shop in shops:
            shop.ask(shop.orders(*[{}] * INVOICES), send_immediately=True, communication_method="email")
            process_jobs(shop.context())
        with database.superuser.begin() as connection:
            connection.execute(text(DOCUMENTS))
            connection.execute(text(DELIVERED))
        yield database, shops[0]


@pytest.mark.parametrize("state", STATES)
def test_what_belongs_to_an_invoice_is_read_without_the_rest(crowd: tuple[TestDatabase, Shop], state: str) -> None:
    database, shop = crowd
    put(database.superuser, TABLES, state)
    invoice = shop.value("select id from billing.invoice order by id limit 1")
    engine = create_app_engine(database.app_url)
    try:
        with (
            organization_scope(engine, shop.organization.id) as connection,
            reading_at_most(connection, dict.fromkeys(TABLES, 20)),
        ):
            assert len(list_messages(connection, invoice_id=invoice)) == 1
            assert list_messages(connection, invoice_id=invoice, statuses=[MessageStatus.SENT]) == []
            assert len(list_documents(connection, invoice_id=invoice)) == 1
            assert len(list_messages(connection, limit=5)) == 5
            assert len(list_documents(connection, limit=5)) == 5
    finally:
        engine.dispose()


@pytest.mark.parametrize("state", STATES)
def test_a_look_at_what_is_promised_reads_each_row_a_few_times(crowd: tuple[TestDatabase, Shop], state: str) -> None:
    database, shop = crowd
    put(database.superuser, LOOKED_AT, state)
    engine = create_app_engine(database.app_url)
    few = 2 * 4 * INVOICES
    try:
        for promise in OF_MESSAGES:
            with (
                organization_scope(engine, shop.organization.id) as connection,
                reading_at_most(connection, dict.fromkeys(LOOKED_AT, few), others=few),
            ):
                assert promise.find is not None
                assert promise.find(connection).kept, promise.name
    finally:
        engine.dispose()
