"""What changes here gets into the push queue by itself, in the same transaction, and nothing else does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DataError

from invoice_pipelines.quickbooks.connection.connections import disconnect
from invoice_pipelines.quickbooks.records.fields import FIELDS, store_fields
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, ITEM, House, line


def waiting(house: House) -> list[tuple[str, str]]:
    """Kind and operation of what waits."""
    rows = house.desk.rows(
        "select entity_type, operation_type from public.qbo_sync_queue where status = 'pending' order by id"
    )
    return [(row[0], row[1]) for row in rows]


def empty(house: House) -> None:
    house.desk.behind("delete from work.batch_item")


def test_new_and_changed_records_wait_once_each(house: House) -> None:
    customer = house.desk.customer(name="Buyer AG")
    item = house.desk.item(name="Bolt")
    house.desk.rows("update billing.customer set name = 'Other AG', city = 'Ulm'")
    house.desk.rows("update billing.item set name = 'Nut', unit_price = 3")

    assert waiting(house) == [("customer", "create"), ("item", "create")]
    noted = house.desk.rows(
        "select entity_type, local_id, field, changed_by from quickbooks.field_change order by entity_type, field"
    )
    assert [tuple(row) for row in noted] == [
        ("customer", customer, "city", "invoice_pipelines"),
        ("customer", customer, "name", "invoice_pipelines"),
        ("item", item, "name", "invoice_pipelines"),
        ("item", item, "unit_price", "invoice_pipelines"),
    ]


def test_a_change_of_any_synced_column_is_captured(house: House) -> None:
    columns = {CUSTOMER: set(FIELDS[CUSTOMER]), ITEM: {*FIELDS[ITEM], "tracks_stock"} - {"item_type"}}
    for entity, expected in columns.items():
        (definition,) = house.desk.rows(
            f"""select pg_get_triggerdef(oid) from pg_trigger
                where tgname = 'capture_change' and tgrelid = 'billing.{entity}'::regclass"""
        )[0]
        captured = set(re.findall(r"'(\w+)'", definition))
        assert captured == {*expected, entity.value}


def test_what_is_rolled_back_does_not_wait(house: House) -> None:
    with pytest.raises(DataError):
        house.desk.rows(
            """with added as (
                   insert into billing.customer (organization_id, customer_number, name, country_code)
                   values (organizations.current(), 'c', 'C', 'DE') returning 0 as nothing)
               select 1 / nothing from added"""
        )
    assert waiting(house) == []


def test_an_issued_invoice_waits_and_waits_again_when_it_is_void_but_not_when_it_is_paid(house: House) -> None:
    invoice = house.issue()
    assert ("invoice", "create") in waiting(house)
    house.push_all()
    house.desk.behind(f"update billing.invoice set amount_paid = 1, status = 'partially_paid' where id = '{invoice}'")
    assert waiting(house) == []
    house.desk.behind(f"update billing.invoice set amount_paid = 0, status = 'issued' where id = '{invoice}'")
    house.void(invoice)
    assert waiting(house) == [("invoice", "void")]


def test_stock_that_is_taken_by_an_invoice_is_no_change_of_the_item(house: House) -> None:
    item = house.desk.stocked(10)
    empty(house)
    house.issue(line(item_id=str(item)))
    assert house.desk.on_hand(item) == 9
    assert [kind for kind, _ in waiting(house)] == ["customer", "invoice"]
    assert house.desk.rows("select * from quickbooks.field_change") == []


def test_what_a_pull_writes_is_not_sent_back(house: House) -> None:
    customer = house.desk.customer(name="Buyer AG")
    empty(house)
    with house.desk.scope() as connection:
        store_fields(connection, CUSTOMER, {customer: {"name": "Theirs AG"}})
    assert waiting(house) == []
    assert house.desk.rows("select * from quickbooks.field_change") == []


def test_after_the_connection_is_ended_nothing_waits(house: House) -> None:
    empty(house)
    disconnect(house.desk.engine, house.settings, house.desk.organization_id, disconnected_by="anna")
    house.issue()
    house.desk.rows("update billing.customer set name = 'x'")
    assert waiting(house) == []


def test_without_a_connection_a_statement_costs_one_look_up_by_key(
    database: TestDatabase, make_organization: Callable[[str], UUID]
) -> None:
    desk = BillingDesk(database.engine, database.superuser, database.app_url, make_organization("plain"))
    item, customer = desk.item(), desk.customer()
    desk.behind("analyze quickbooks.connection")  # while it is empty: to read all of it looks cheaper from now on
    with desk.scope() as connection:
        before = scans(connection)
        connection.execute(text("update billing.item set name = 'x' where id = :id"), {"id": item})
        connection.execute(text("update billing.customer set name = 'x' where id = :id"), {"id": customer})
        after = scans(connection)
    assert after["idx"] - before["idx"] == 2
    assert after["seq"] == before["seq"]
    assert desk.rows("select * from work.batch_item") == []


def scans(connection: Connection) -> dict[str, int]:
    row = connection.execute(
        text(
            """select coalesce(seq_scan, 0) as seq, coalesce(idx_scan, 0) as idx
               from pg_stat_xact_all_tables where relid = 'quickbooks.connection'::regclass"""
        )
    ).one()
    return {"seq": row.seq, "idx": row.idx}


def test_a_row_of_a_large_change_costs_as_much_as_one_of_a_small_change(house: House) -> None:
    house.desk.rows(
        """insert into billing.customer (organization_id, customer_number, name, country_code)
           select organizations.current(), n::text, 'N' || n, 'DE' from generate_series(1, 4000) n"""
    )

    def seconds(rows: int) -> float:
        began = time.perf_counter()
        connection.execute(
            text("update billing.customer set name = name || '!' where customer_number::int <= :rows"), {"rows": rows}
        )
        return time.perf_counter() - began

    with house.desk.scope() as connection:  # one session, which keeps the plans of its small changes
        for _ in range(7):
            seconds(1)
        small = min(seconds(500) for _ in range(3))
        assert seconds(4000) < 20 * small  # each row compared with each: 64 times


def test_many_changes_are_a_fixed_number_of_statements(house: House) -> None:
    house.desk.rows(
        """insert into billing.customer (organization_id, customer_number, name, country_code)
           select organizations.current(), 'N' || n, 'N' || n, 'DE'
           from generate_series(1, 500) n"""
    )
    counted: list[str] = []
    event.listen(house.desk.engine, "before_cursor_execute", lambda *given: counted.append(given[2]))
    house.desk.rows("update billing.customer set name = name || '!'")
    assert len(counted) == 2  # the scope and the update
    assert len(waiting(house)) == 500
    assert house.desk.value("select count(*) from quickbooks.field_change") == 500
