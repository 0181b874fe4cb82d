"""Booking payments reads their own rows and no others, whenever statistics about the tables were collected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.engine import engine_apart
from invoice_pipelines.quickbooks.connection.connections import find_connection
from invoice_pipelines.quickbooks.payments.payments import apply_waiting
from invoice_pipelines.quickbooks.promises import PROMISES
from invoice_pipelines_tests.integration.quickbooks.payments.test_any_payments import book, booked, documents, sold
from invoice_pipelines_tests.integration.quickbooks.till import Till, open_town
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

pytestmark = pytest.mark.direct  # plans are kept by sessions, and these need new ones

CHUNK = 100
BEFORE = 1500
"""Payments that are there already: a statement that reads them all is noticed."""
MAPPED = 20_000
TABLES = (
    *("billing.invoice", "billing.payment", "billing.payment_allocation", "billing.payment_event"),
    *("quickbooks.mapping", "quickbooks.payment", "quickbooks.unmapped_payment_line"),
    *("quickbooks.sent_batch", "quickbooks.sent_operation"),
    *("billing.invoice_number", "billing.issued_invoice_line", "billing.issued_invoice_tax"),
)

PAID_BEFORE = """
    set local session_replication_role = replica;
    with payment as (
        insert into billing.payment (organization_id, source, external_id, kind, payment_date, currency, amount)
        select '{organization}', 'quickbooks', gen_random_uuid(), 'payment', current_date, 'EUR', 1
        from generate_series(1, 8000) n returning organization_id, id)
    insert into billing.payment_allocation (organization_id, payment_id, invoice_id, amount, applied_amount)
    select organization_id, id, uuidv7(), 1, 1 from payment
"""
"""So many that the index by the id there is deeper than the primary key, which looks cheaper then."""


def answered(till: Till) -> None:
    """Many operations of earlier pushes."""
    till.desk.rows(
        """with batch as (
               insert into quickbooks.sent_batch (organization_id, realm_id, entity_type, request_id, body)
               values (organizations.current(), :realm, 'invoice', 'first', '{}') returning organization_id, id)
           insert into quickbooks.sent_operation (organization_id, batch_id, b_id, entity_type, local_id, operation,
                                                  revision, snapshot)
           select organization_id, id, n::text, 'invoice', uuidv7(), 'create', 0, '{}'
           from batch, generate_series(1, 2000) n""",
        realm=till.realm,
    )
    till.desk.behind("update quickbooks.sent_operation set outcome = 'done'")
    till.desk.behind("update quickbooks.sent_batch set status = 'answered'")


@pytest.fixture(scope="module")
def filled(server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    home: Path = tmp_path_factory.mktemp("home")
    with open_town(server, template, home) as town:
        keep_statistics(town.database.superuser, TABLES)
        other = town.open()
        sold(other, 300)
        booked(other, documents(300, "5"))
        till = town.open()
        sold(till, BEFORE + CHUNK)
        till.desk.rows(
            """insert into quickbooks.mapping (organization_id, realm_id, entity_type, local_id, quickbooks_id,
                                               sync_token, snapshot)
               select organizations.current(), :realm, 'invoice', uuidv7(), 'I' || n, '0', '{}'
               from generate_series(1, :mapped) n""",
            realm=till.realm,
            mapped=MAPPED,
        )
        answered(till)
        booked(till, documents(BEFORE, "5"))
        for books in (other.desk, till.desk):
            books.behind(PAID_BEFORE)
        yield till


@pytest.fixture(scope="module", params=STATES)
def till(request: pytest.FixtureRequest, filled: Till) -> Till:
    put(filled.desk.superuser, TABLES, request.param)
    filled.desk.engine.dispose()  # a worker has a new session: plans are kept from when tables were small
    return filled


def few_of(*tables: str) -> dict[str, int]:
    """Each row a few times: to find, lock, compare and write it, and for foreign keys."""
    return dict.fromkeys(tables, 15 * CHUNK)


@pytest.mark.parametrize("amount", ["6", "7"])
def test_new_and_changed_payments_read_their_own_rows_only(till: Till, amount: str) -> None:
    read = documents(BEFORE + CHUNK, amount)[-CHUNK:]
    with till.desk.scope() as connection, reading_at_most(connection, few_of(*TABLES), others=15 * CHUNK):
        applied = book(connection, read)
        assert applied.created + applied.updated == CHUNK


def test_looking_at_what_waits_reads_that_only(till: Till) -> None:
    with till.desk.scope() as connection, reading_at_most(connection, few_of(*TABLES), others=15 * CHUNK):
        connected = find_connection(connection)
        assert connected is not None
        apply_waiting(connection, connected)


@pytest.mark.parametrize(
    "statement",
    [
        "quickbooks.invoices_to_push(:ids)",
        "quickbooks.mappings_of(:realm, 'invoice', :ids)",
        "quickbooks.mappings_there(:realm, 'invoice', :there)",
        "quickbooks.pushed_invoices(:realm, :there)",
        "quickbooks.mapped_ids(:realm, 'invoice', :there)",
        "unnest(quickbooks.take_turns('invoice', :ids))",
        "quickbooks.next_revisions('invoice', :ids)",
        "quickbooks.rates_to_home(:ids, 'USD')",
        "quickbooks.note_drift(:realm, :notes)",
    ],
)
def test_a_push_and_a_pull_look_up_their_own_rows_only(till: Till, statement: str) -> None:
    with till.desk.scope() as connection:
        mapped = connection.execute(
            text(
                """select array_agg(local_id) as ids, array_agg(quickbooks_id) as there,
                          jsonb_agg(jsonb_build_object('local_id', local_id, 'state', 'active', 'sync_token', '1',
                                                       'drift', null)) as notes
                   from (select * from quickbooks.mapping where length(quickbooks_id) = 5 and quickbooks_id >= '1'
                                                            and quickbooks_id < 'A' limit :count) m"""
            ),
            {"count": CHUNK},
        ).one()
        values = {
            "ids": mapped.ids,
            "there": mapped.there,
            "realm": till.realm,
            "notes": json.dumps(mapped.notes),
        }
        for name, kind in (("ids", "uuid[]"), ("there", "text[]"), ("notes", "jsonb")):
            statement = statement.replace(f":{name}", f"cast(:{name} as {kind})")
        with reading_at_most(connection, dict.fromkeys(TABLES, 5 * CHUNK), others=5 * CHUNK):
            connection.execute(
                text(f"select * from {statement}"), {k: v for k, v in values.items() if f":{k}" in statement}
            ).all()


def test_a_look_at_what_is_promised_reads_each_row_a_few_times(till: Till) -> None:
    few = 4 * MAPPED
    for promise in {promise for kept in PROMISES.values() for promise in kept if promise.find}:
        with till.desk.scope() as connection, reading_at_most(connection, dict.fromkeys(TABLES, few), others=few):
            assert promise.find is not None
            promise.find(connection)


def test_new_mappings_wake_payments_by_the_index_of_their_invoices(till: Till) -> None:
    """The primary key has the invoice as well, behind all payments: it would be read in full for each mapping."""
    prefix = str(uuid4())
    blocks = text("select pg_stat_get_xact_blocks_fetched('quickbooks.unmapped_payment_line_pkey'::regclass)")
    with till.desk.scope() as connection:
        values = {"prefix": prefix, "realm": till.realm}
        connection.execute(
            text(
                """insert into quickbooks.unmapped_payment_line (organization_id, realm_id, invoice_id, payment_id)
                   select organizations.current(), :realm, :prefix || n, :prefix || n from generate_series(1, 3000) n"""
            ),
            values,
        )
        before = connection.execute(blocks).scalar_one()
        connection.execute(
            text(
                """insert into quickbooks.mapping (organization_id, realm_id, entity_type, local_id, quickbooks_id,
                                                   sync_token, snapshot)
                   select organizations.current(), :realm, 'invoice', uuidv7(), :prefix || n, '0', '{}'
                   from generate_series(1, 20) n"""
            ),
            values,
        )
        assert connection.execute(blocks).scalar_one() == before


LOOK_UPS = """
    select count(quickbooks.take_turns('invoice', cast(:ids as uuid[]))),
           (select count(*) from quickbooks.next_revisions('invoice', cast(:ids as uuid[]))),
           (select count(*) from billing.known_payments('quickbooks', cast(:there as text[])))
"""


def test_a_session_that_keeps_plans_of_empty_tables_reads_its_own_rows_only(
    server: EmbeddedServer, template: str, tmp_path: Path
) -> None:
    with open_town(server, template, tmp_path) as town:
        keep_statistics(town.database.superuser, TABLES)
        till = town.open()
        put(town.database.superuser, TABLES, "fresh")
        old = engine_apart(till.desk.engine)
        for _ in range(8):
            with organization_scope(old, till.desk.organization_id) as connection:
                connection.execute(text(LOOK_UPS), {"ids": [str(uuid4())], "there": ["none"]})
        answered(till)
        ids = sold(till, BEFORE)
        booked(till, documents(BEFORE, "5"))
        values = {"ids": ids[:CHUNK], "there": [str(100_000 + place) for place in range(CHUNK)]}
        with (
            organization_scope(old, till.desk.organization_id) as connection,
            reading_at_most(connection, few_of(*TABLES)),
        ):
            connection.execute(text(LOOK_UPS), values)
            book(connection, documents(BEFORE, "6")[:CHUNK])
        old.dispose()
