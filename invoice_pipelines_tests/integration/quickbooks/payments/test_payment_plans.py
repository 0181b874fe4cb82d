"""Booking payments reads their own rows and no others, whenever statistics about the tables were collected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines.quickbooks.payments.payments import apply_waiting
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.quickbooks.payments.test_any_payments import book, booked, documents, sold
from invoice_pipelines_tests.integration.quickbooks.till import Till, open_town

pytestmark = pytest.mark.direct  # plans are kept by sessions, and these need new ones

CHUNK = 100
BEFORE = 1500
"""Payments that are there already: a statement that reads them all is noticed."""
TABLES = (
    *("billing.invoice", "billing.payment", "billing.payment_allocation", "billing.payment_event"),
    *("quickbooks.mapping", "quickbooks.payment", "quickbooks.unmapped_payment_line", "quickbooks.sent_batch"),
)


@pytest.fixture(scope="module", params=["never", "while empty", "when filled"])
def till(
    request: pytest.FixtureRequest, server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Till]:
    home: Path = tmp_path_factory.mktemp("home")
    with open_town(server, template, home) as town:
        with town.database.superuser.begin() as connection:
            for table in TABLES:
                connection.exec_driver_sql(f"alter table {table} set (autovacuum_enabled = false)")
        if request.param == "while empty":
            maintain(town.database)
        other = town.open()
        sold(other, 300)
        booked(other, documents(300, "5"))
        till = town.open()
        sold(till, BEFORE + CHUNK)
        till.desk.rows(
            """insert into quickbooks.mapping (organization_id, realm_id, entity_type, local_id, quickbooks_id,
                                               sync_token, snapshot)
               select organizations.current(), :realm, 'invoice', uuidv7(), 'I' || n, '0', '{}'
               from generate_series(1, 20000) n""",
            realm=till.realm,
        )
        booked(till, documents(BEFORE, "5"))
        if request.param == "when filled":
            maintain(town.database)
        till.desk.engine.dispose()  # a worker has a new session: plans are kept from when tables were small
        yield till


def maintain(database: TestDatabase) -> None:
    with database.superuser.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"vacuum analyze {', '.join(TABLES)}"))


def most_read(connection: Connection) -> dict[str, int]:
    """Rows that this transaction has read, by table, in full and by index."""
    rows = connection.execute(
        text(
            """select relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
               where schemaname in ('billing', 'quickbooks')"""
        )
    )
    return {name: read for name, read in rows if read > 15 * CHUNK}


@pytest.mark.parametrize("amount", ["6", "7"])
def test_new_and_changed_payments_read_their_own_rows_only(till: Till, amount: str) -> None:
    """Each row a few times: to find, lock, compare and write it, and for foreign keys."""
    read = documents(BEFORE + CHUNK, amount)[-CHUNK:]
    with till.desk.scope() as connection:
        applied = book(connection, read)
        assert applied.created + applied.updated == CHUNK
        assert most_read(connection) == {}


def test_looking_at_what_waits_reads_that_only(till: Till) -> None:
    with till.desk.scope() as connection:
        connected = find_connection(connection)
        assert connected is not None
        apply_waiting(connection, connected)
        assert most_read(connection) == {}
