"""Customers, items, tax rates and orders in bulk, each row with an outcome of its own; and changes of some fields."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, text

from invoice_pipelines.billing import add_customers, add_orders, process_jobs
from invoice_pipelines.billing.records.master_data import upsert_customers, upsert_items, upsert_tax_rates
from invoice_pipelines.billing.records.sales_orders import upsert_orders

C2 = {"customer_number": "C2", "name": "Zwei GmbH", "country_code": "DE", "city": "Ulm"}
LINE = {"description": "Work", "quantity": "2", "unit_price": "50", "tax_category": "S", "tax_rate": "19"}
ORDER = {"order_number": "7", "customer_number": "C1", "order_date": "2026-01-02", "lines": [LINE]}


def results(outcomes):
    return [(outcome.row, outcome.key, str(outcome.result)) for outcome in outcomes]


def problems(outcomes):
    return [(wrong.row, wrong.field, wrong.code) for outcome in outcomes for wrong in outcome.problems]


def rows(shop, statement):
    with shop.scope() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def count(statements: list[str], *call) -> None:
    statements.append(call[2])


def test_each_row_has_its_outcome_and_a_wrong_one_stops_no_other(own_shop):
    with own_shop.scope() as connection:
        add_customers(connection, [C2, {**C2, "customer_number": "C3"}], created_by="anna")
        outcomes = upsert_customers(
            connection,
            [
                {**C2, "city": "Köln"},
                {"customer_number": "C3", "city": "Ulm"},
                {"customer_number": "new", "name": "Neu", "country_code": "AT"},
                {"customer_number": "C4", "name": "", "country_code": "de", "vat": "x"},
                {"customer_number": "C5", "name": "No country"},
                {"name": "No number"},
                {**C2, "name": "Again"},
                {"customer_number": "C1", "name": None},
            ],
            created_by="ben",
        )
    assert results(outcomes) == [
        (1, "C2", "changed"),
        (2, "C3", "unchanged"),
        (3, "new", "created"),
        (4, "C4", "failed"),
        (5, "C5", "failed"),
        (6, None, "failed"),
        (7, "C2", "failed"),
        (8, "C1", "failed"),
    ]
    assert problems(outcomes) == [
        (4, "name", "INVALID"),
        (4, "country_code", "INVALID"),
        (4, "vat", "UNKNOWN_FIELD"),
        (5, "country_code", "MISSING"),
        (6, "customer_number", "MISSING"),
        (7, "customer_number", "GIVEN_TWICE"),
        (8, "name", "INVALID"),
    ]
    assert rows(own_shop, "select customer_number, city, created_by from billing.customer order by 1")[1:] == [
        ("C2", "Köln", "anna"),
        ("C3", "Ulm", "anna"),
        ("new", None, "ben"),
    ]


def test_what_is_left_out_stays_and_null_clears(own_shop):
    with own_shop.scope() as connection:
        add_customers(connection, [{**C2, "email": "a@b.example"}], created_by="anna")
        (outcome,) = upsert_customers(connection, [{"customer_number": "C2", "city": None}], created_by="ben")
    assert outcome.result == "changed"
    assert rows(own_shop, "select name, email, city from billing.customer where customer_number = 'C2'") == [
        ("Zwei GmbH", "a@b.example", None)
    ]


def test_what_does_not_change_is_not_written(own_shop):
    version = "select xmin::text, updated_at from billing.customer where customer_number = 'C1'"
    before = rows(own_shop, version)
    with own_shop.scope() as connection:
        (outcome,) = upsert_customers(connection, [{"customer_number": "C1", "country_code": "AT"}], created_by="ben")
    assert outcome.result == "unchanged"
    assert rows(own_shop, version) == before


def test_a_thousand_rows_are_a_few_statements(own_shop):
    given: list[dict[str, Any]] = [{"sku": f"I{n}", "name": "x", "unit_price": n} for n in range(1000)]
    for wanted in ("created", "changed", "unchanged"):
        with own_shop.scope() as connection:
            statements: list[str] = []
            event.listen(connection, "before_cursor_execute", partial(count, statements))
            outcomes = upsert_items(connection, given, created_by="anna")
        assert {str(outcome.result) for outcome in outcomes} == {wanted}
        assert len(statements) <= 3
        given = [{"sku": row["sku"], "unit_price": row["unit_price"] + (wanted == "created")} for row in given]


def test_stock_that_was_booked_since_stays_unless_it_is_counted(own_shop):
    own_shop.issue({"lines": [{"sku": "B", "quantity": 3}]})
    with own_shop.scope() as connection:
        upsert_items(connection, [{"sku": "B", "name": "Bolt M8"}], created_by="anna")
    assert own_shop.value("select quantity_on_hand from billing.item where sku = 'B'") == 7


def test_a_change_of_a_tax_rate_is_checked_with_what_stays(own_shop):
    with own_shop.scope() as connection:
        outcomes = upsert_tax_rates(
            connection,
            [
                {"tax_category": "AE", "rate": 0, "exemption_reason": None},
                {"tax_category": "S", "rate": "19.00", "name": "full"},
                {"tax_category": "S", "rate": "19"},
            ],
        )
    assert results(outcomes) == [(1, "AE 0", "failed"), (2, "S 19.00", "changed"), (3, "S 19", "failed")]
    assert "needs an exemption_reason" in outcomes[0].problems[0].message


def test_two_who_add_the_same_rows_at_once_add_them_once(own_shop):
    given = [{**C2, "customer_number": f"T{n}"} for n in range(50)]
    barrier = threading.Barrier(4)
    found = []

    def add() -> None:
        with own_shop.scope() as connection:
            barrier.wait()
            found.append(upsert_customers(connection, given, created_by="anna"))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [str(outcome.result) for outcomes in found for outcome in outcomes]
    assert (told.count("created"), told.count("unchanged")) == (50, 150)


def test_an_open_order_is_changed_and_its_lines_are_replaced(own_shop):
    with own_shop.scope() as connection:
        (added,) = add_orders(connection, [{**ORDER, "note": "old"}], created_by="anna")
        same, changed, new, wrong = upsert_orders(
            connection,
            [
                {"order_number": "7", "lines": [LINE]},
                {"order_number": "8", "order_date": "2026-01-03"},
                {**ORDER, "order_number": "9", "lines": [{"sku": "A", "quantity": 1}]},
                {**ORDER, "order_number": "10", "customer_number": "C9", "lines": [{"sku": "ZZ", "quantity": 1}]},
            ],
            created_by="ben",
        )
        assert [str(each.result) for each in (same, changed, new, wrong)] == [
            "unchanged",
            "created",
            "created",
            "failed",
        ]
        assert problems([wrong]) == [(4, "customer_number", "UNKNOWN_CUSTOMER"), (4, "lines[1].sku", "UNKNOWN_ITEM")]
        (again,) = upsert_orders(
            connection,
            [{"order_number": "7", "note": None, "status": "reviewed", "lines": [LINE, {"sku": "A", "quantity": 3}]}],
            created_by="ben",
        )
    assert (again.id, str(again.result)) == (added.id, "changed")
    assert rows(own_shop, "select status, note, order_date, created_by from billing.sales_order order by id")[0] == (
        "reviewed",
        None,
        date(2026, 1, 2),
        "anna",
    )
    assert rows(
        own_shop,
        f"select line_number, quantity, unit_price from billing.sales_order_line where sales_order_id = '{added.id}'"
        " order by 1",
    ) == [(1, Decimal(2), Decimal(50)), (2, Decimal(3), Decimal("9.99"))]
    assert rows(own_shop, "select to_status, created_by from billing.sales_order_event") == [("reviewed", "ben")]


def test_lines_keep_their_prices_where_an_order_is_changed_without_them(own_shop):
    with own_shop.scope() as connection:
        add_orders(connection, [{**ORDER, "lines": [{"sku": "A", "quantity": 1}]}], created_by="anna")
        upsert_items(connection, [{"sku": "A", "unit_price": "5", "tax_rate": 7}], created_by="anna")
        (outcome,) = upsert_orders(connection, [{"order_number": "7", "note": "soon"}], created_by="ben")
    assert outcome.result == "changed"
    assert rows(own_shop, "select unit_price, tax_rate from billing.sales_order_line") == [
        (Decimal("9.99"), Decimal(19))
    ]


@pytest.mark.parametrize(
    ("status", "change", "outcome", "field"),
    [
        ("invoiced", {"note": "x"}, "failed", "order_number"),
        ("invoiced", {"status": "pending"}, "failed", "status"),
        ("invoiced", {"order_date": "2026-01-02"}, "unchanged", None),
        ("cancelled", {"note": "x"}, "failed", "order_number"),
        ("cancelled", {"status": "pending"}, "failed", "status"),
        ("cancelled", {"status": "draft", "note": "x"}, "changed", None),
        ("pending", {"status": "cancelled"}, "changed", None),
        ("pending", {"status": "invoiced"}, "failed", "status"),
        ("pending", {"period_start": "2026-01-01"}, "failed", "row"),
    ],
)
def test_what_is_done_with_is_not_changed(own_shop, status, change, outcome, field):
    with own_shop.scope() as connection:
        (added,) = add_orders(connection, [ORDER], created_by="anna")
        if status == "cancelled":
            upsert_orders(connection, [{"order_number": "7", "status": "cancelled"}], created_by="anna")
    if status == "invoiced":
        own_shop.ask([added.id])
        process_jobs(own_shop.context())
    with own_shop.scope() as connection:
        (found,) = upsert_orders(connection, [{"order_number": "7"} | change], created_by="ben")
    assert str(found.result) == outcome
    assert [wrong.field for wrong in found.problems] == ([field] if field else [])


def test_a_new_order_is_not_cancelled(own_shop):
    with own_shop.scope() as connection:
        (found,) = upsert_orders(connection, [{**ORDER, "status": "cancelled"}], created_by="ben")
    assert problems([found]) == [(1, "status", "INVALID")]
