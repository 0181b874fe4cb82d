"""Requests of all kinds: each gets a clear error or a right result, and nothing of another organization shows."""

from __future__ import annotations

import json
import time
import unicodedata
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DataError, DBAPIError

from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.books import books_of_orders
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk
from invoice_pipelines_tests.integration.billing.ledger.test_corrections import told
from invoice_pipelines_tests.support.sizes import example_count, size


def test_another_organizations_orders_are_unknown_and_stay_as_they_are(
    desk: BillingDesk, shared_database: TestDatabase
) -> None:
    other = open_desk(shared_database)
    foreign, own = other.many_orders(3), desk.order()
    done = other.order()
    other.one(done)
    outcomes = desk.invoice([*foreign, own, done])
    assert [item.code for item in outcomes.values()] == ["NOT_FOUND"] * 3 + [None, "NOT_FOUND"]
    unknown = uuid4()
    like_any = str(desk.one(unknown).message).replace(str(unknown), "")
    assert {str(outcomes[str(order)].message).replace(str(order), "") for order in [*foreign, done]} == {like_any}
    left = other.rows("select distinct status from billing.sales_order where id = any(:ids)", ids=foreign)
    assert [row.status for row in left] == ["reviewed"]
    other.assert_in_order()


def test_another_organizations_customers_and_items_are_unknown(
    desk: BillingDesk, shared_database: TestDatabase
) -> None:
    other = open_desk(shared_database)
    customer, item = other.customer(), other.item(tax_category="S", tax_rate=19)
    ask = "select billing.batch_invoice_customers(array[cast(:customer as text)], cast(:items as jsonb))"
    assert (
        told(
            lambda: desk.rows(
                ask, customer=str(customer), items=json.dumps([{"inventory_item_id": str(item), "quantity": 1}])
            )
        )
        == f"items[1].inventory_item_id: this organization has no item {item}."
    )
    own = [{"description": "Work", "quantity": 1, "unit_price": 1, "tax_category": "S", "tax_rate": 19}]
    desk.rows(ask, customer=str(customer), items=json.dumps(own))
    desk.work()
    assert desk.value("select error_code from work.batch_item") == "UNKNOWN_CUSTOMER"


def test_an_order_that_is_given_twice_is_one(desk: BillingDesk) -> None:
    order_id = desk.order()
    same = [order_id, str(order_id).upper(), f"{{{order_id}}}", order_id.hex, order_id]
    outcomes = desk.invoice(same)
    assert list(outcomes) == [str(order_id)]
    desk.assert_in_order()


@pytest.mark.parametrize(
    "wrong",
    ["", " ", "\t\n", None, "0", "order-7", "'; drop table billing.invoice; --", "x" * 100_000, "😀", "{}"],
)
def test_what_is_no_id_fails_alone(busy_desk: BillingDesk, wrong: str | None) -> None:
    order_id = busy_desk.order()
    first, second = busy_desk.invoice([wrong, order_id]).values()
    assert (first.code, second.code) == ("NOT_AN_ID", None)
    assert "ids are UUIDs" in str(first.message)
    assert len(str(first.message)) < 200


def test_a_zero_byte_is_refused_before_it_reaches_the_database(busy_desk: BillingDesk) -> None:
    with pytest.raises(DataError):
        busy_desk.ask(["a\0b"])


@pytest.mark.parametrize(
    "day", ["0001-01-01", "0044-03-15 BC", "1999-12-31", "9999-12-31", "5874897-12-31", "infinity", "-infinity"]
)
def test_dates_far_away_are_refused(busy_desk: BillingDesk, day: str) -> None:
    message = told(lambda: busy_desk.ask([busy_desk.order()], invoice_date=day))
    assert message.startswith("invoice_date: ")
    assert "31 days from today" in message


@pytest.mark.parametrize("days", [-1, -(2**31), 3651, 2**31 - 1])
def test_due_days_out_of_range_are_refused(busy_desk: BillingDesk, days: int) -> None:
    assert (
        told(lambda: busy_desk.ask([busy_desk.order()], due_days=days))
        == f"due_days: {days} is not between 0 and 3650."
    )


def test_the_farthest_dates_that_are_allowed_work(desk: BillingDesk) -> None:
    ancient, ahead = desk.order(), desk.order()
    assert desk.one(ancient, invoice_date="2000-01-01", due_days=3650).status == "succeeded"
    assert desk.one(ahead, invoice_date=desk.today + timedelta(days=31), due_days=0).status == "succeeded"


@pytest.mark.parametrize("language", ["", "EN", "english", "e", "d\n", "é1"])
def test_languages_are_two_letters(busy_desk: BillingDesk, language: str) -> None:
    assert told(lambda: busy_desk.ask([busy_desk.order()], language=language)).startswith("language: ")


def test_a_request_without_a_name_is_of_whom_the_transaction_works_for(desk: BillingDesk) -> None:
    for creator in (None, ""):
        assert desk.job(desk.ask([], creator=creator)).created_by == "invoice_pipelines"


@pytest.mark.parametrize("day", ["infinity", "-infinity", "0044-03-15 BC", "12026-01-01"])
@pytest.mark.parametrize("column", ["order_date", "delivery_date"])
def test_no_order_has_a_date_that_no_document_could_show(busy_desk: BillingDesk, column: str, day: str) -> None:
    with pytest.raises(DBAPIError, match="check constraint"):
        busy_desk.order(**{column: day})


@pytest.mark.parametrize("field", ["quantity", "unit_price"])
def test_no_order_has_an_amount_that_is_no_number(busy_desk: BillingDesk, field: str) -> None:
    with pytest.raises(DBAPIError, match="check constraint"):
        busy_desk.order(line(**{field: "NaN"}))


CHARACTERS = [chr(code) for code in (*range(1, 0xD800), *range(0xE000, 0x10400))]  # beyond them are no more kinds
SOME_OF_EVERY_KIND = "".join({unicodedata.category(one): one for one in CHARACTERS}.values())
NAMES = [
    'O\'Neill & Söhne "Ltd" <b>\\n\\0 %s {number} $1 $$',
    "שלום עולם",
    "🏴‍☠️ 家族株式会社 👨‍👩‍👧‍👦",
    "\u202eesrever\u202c \u200b\ufeff\u0301",
    "\x01\x1f\x7f\x85",
    SOME_OF_EVERY_KIND,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_come_out_as_they_went_in(busy_desk: BillingDesk, name: str) -> None:
    assert_kept(busy_desk, name)


@settings(max_examples=example_count(40))
@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_text_comes_out_as_it_went_in(busy_desk: BillingDesk, name: str) -> None:
    assert_kept(busy_desk, name)


def assert_kept(desk: BillingDesk, name: str) -> None:
    customer = desk.customer(name=name, city=name)
    order_id = desk.order(line(description=name), customer_id=customer, note=name, purchase_order_reference=name)
    assert desk.one(order_id).status == "succeeded"
    (book,) = books_of_orders(desk, [order_id])
    header = book.header
    assert {header.buyer["name"], header.buyer["city"], header.note, header.purchase_order_reference} == {name}
    assert book.lines[0].description == name


ITEM = {"description": "Work", "quantity": 1, "unit_price": 1, "tax_category": "S", "tax_rate": 19}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (None, "items: expected a list"),
        ({}, "items: expected a list"),
        ([], "items: expected a list"),
        ("x", "items: expected a list"),
        ([1], "items[1]: expected an object"),
        ([ITEM, []], "items[2]: expected an object"),
        ([ITEM | {"quantity": "NaN"}], "items[1].quantity: NaN is not a number"),
        ([ITEM | {"quantity": "Infinity"}], "items[1].quantity: Infinity is not a number"),
        ([ITEM | {"quantity": 0}], "items[1].quantity: a number above zero"),
        ([ITEM | {"quantity": None}], "items[1].quantity: a number above zero"),
        ([ITEM | {"quantity": 1.0005}], "items[1].quantity: 1.0005 is not a number of at most 9 digits"),
        ([ITEM | {"quantity": 10**9}], "items[1].quantity: 1000000000 is not a number"),
        ([ITEM | {"quantity": True}], "items[1].quantity: true is not a number"),
        ([ITEM | {"unit_price": -1}], "items[1].unit_price: it must not be below zero"),
        ([ITEM | {"unit_price": "1,50"}], "items[1].unit_price: 1,50 is not a number"),
        ([ITEM | {"discount_percent": 100.01}], "items[1].discount_percent: it must be between 0 and 100"),
        ([ITEM | {"tax_category": "X"}], "items[1].tax_category: X is none of"),
        ([ITEM | {"description": ""}], "items[1]: inventory_item_id or description is needed"),
        ([ITEM | {"inventory_item_id": "x"}], "items[1].inventory_item_id: this organization has no item x"),
        ([ITEM | {"price": 1}], "items[1]: there is no field price"),
    ],
)
def test_items_that_cannot_be_invoiced_are_refused_at_once(busy_desk: BillingDesk, items: Any, message: str) -> None:
    busy_desk.engine.dispose()  # in a new session, plans are made for the very values
    assert told(
        lambda: busy_desk.rows(
            "select billing.batch_invoice_customers(array[cast(:customer as text)], cast(:items as jsonb))",
            customer=str(uuid4()),
            items=json.dumps(items),
        )
    ).startswith(message)


@pytest.mark.slow
def test_very_many_ids_are_one_request(desk: BillingDesk) -> None:
    """Nearly all of them unknown: each gets its outcome, and no process keeps growing."""
    orders = desk.many_orders(1000)
    unknown = size(49_000, 999_000)
    ids = [str(uuid4()) for _ in range(unknown)] + [str(order_id) for order_id in orders]
    started = time.monotonic()
    job_id = desk.ask(ids)
    asked = time.monotonic() - started
    before = memory_of_this_process()
    started = time.monotonic()
    report = desk.work(job_id)
    seconds = time.monotonic() - started
    print(f"asked in {asked:.1f} s, worked through in {seconds:.1f} s, memory +{memory_of_this_process() - before} MB")
    assert (report.succeeded, report.failed) == (1000, unknown)
    assert memory_of_this_process() - before < 100
    desk.assert_in_order()


def memory_of_this_process() -> int:
    """Megabytes."""
    for entry in Path("/proc/self/status").read_text().splitlines():
        if entry.startswith("VmRSS:"):
            return int(entry.split()[1]) // 1024
    pytest.skip("memory is read from /proc")


def test_without_an_organization_in_scope_a_person_is_told_so(desk: BillingDesk) -> None:
    for statement in (
        "select public.create_bulk_invoice_job_sql(array['x'])",
        "call public.process_bulk_invoice_job_sql(uuidv7())",
        "select public.create_invoice_from_sales_order_sql(uuidv7())",
    ):
        for prepare in ("select 1", "select set_config('app.organization_id', '', true)"):
            with desk.engine.connect() as connection:
                connection.execute(text(prepare))
                with pytest.raises(DBAPIError, match="No organization is in scope; set app"):
                    connection.execute(text(statement))
