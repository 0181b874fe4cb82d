"""Lists of customers, items, orders and issued invoices: what narrows them, and that a page reads little more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from invoice_pipelines.billing import (
    BillingError,
    add_customers,
    add_items,
    add_orders,
    invoice_lists,
    set_order_status,
    void_invoice,
)
from invoice_pipelines.billing.corrections import credit_invoice
from invoice_pipelines.billing.invoice_lists import newest_invoices
from invoice_pipelines.billing.payments import record_payment
from invoice_pipelines.billing.records import lists
from invoice_pipelines.billing.records.lists import (
    find_customer,
    find_item,
    find_order,
    list_customers,
    list_items,
    list_orders,
    list_tax_rates,
)
from invoice_pipelines.billing.records.master_data import upsert_customers, upsert_items, upsert_tax_rates
from invoice_pipelines.billing.records.sales_orders import upsert_orders
from invoice_pipelines.database.engine import create_app_engine, organization_scope
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk
from invoice_pipelines_tests.support.statistics import STATES, keep_statistics, put, reading_at_most

PEOPLE: list[tuple[str, str, dict[str, Any]]] = [
    ("C2", "Müller & Söhne", {"city": "Köln", "is_active": False}),
    ("C3", "100% Holz", {"email": "a_b@holz.example"}),
    ("C4", "100 Holz", {"vat_id": "DE136695976"}),
]


def test_customers_and_items_are_found_by_words_wherever_they_stand(own_shop):
    with own_shop.scope() as connection:
        add_customers(
            connection,
            [{"customer_number": number, "name": name, "country_code": "DE", **more} for number, name, more in PEOPLE],
            created_by="anna",
        )

        def numbers(**how):
            return [customer.customer_number for customer in list_customers(connection, **how)]

        assert numbers(words="SÖHNE") == ["C1", "C2"]
        assert numbers(words="100%") == ["C3"]
        assert numbers(words="a_b@") == ["C3"]
        assert numbers(words="\\") == []
        assert numbers(words="de136695976") == ["C4"]
        assert numbers(words="söhne", active=False) == ["C2"]
        assert numbers(after="C2", limit=1) == ["C3"]
        assert [item.sku for item in list_items(connection, words="lam")] == ["A"]
        assert len({rate.id for rate in list_tax_rates(connection)}) == 3


def test_one_is_found_by_number_or_id_and_not_beyond_the_organization(own_shop, shop):
    (order,) = own_shop.orders({"order_number": "7"})
    with own_shop.scope() as connection:
        customer = find_customer(connection, "C1")
        assert find_customer(connection, str(customer.id)) == customer
        assert find_item(connection, str(find_item(connection, "A").id)).sku == "A"
        assert find_order(connection, str(order)).order_number == find_order(connection, "7").order_number
    for find, reference, code in (
        (find_customer, str(customer.id), "CUSTOMER_NOT_FOUND"),
        (find_item, "Z", "ITEM_NOT_FOUND"),
        (find_order, str(order), "SALES_ORDER_NOT_FOUND"),
    ):
        with shop.scope() as connection, pytest.raises(BillingError) as refused:
            find(connection, reference)
        assert refused.value.code == code


@pytest.fixture(params=[1, 5_000], ids=["many", "few"])
def enough(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """From how many on those of a customer, or the open ones, are found along the numbers: it is the same to all."""
    monkeypatch.setattr(lists, "_MANY", request.param)
    monkeypatch.setattr(invoice_lists, "_MANY", request.param)


@pytest.mark.usefixtures("enough")
def test_orders_are_narrowed_by_status_customer_dates_and_words(own_shop):
    with own_shop.scope() as connection:
        add_customers(connection, [{"customer_number": "C9", "name": "Neun", "country_code": "DE"}], created_by="anna")
        add_orders(
            connection,
            [
                {
                    "order_number": f"O{day}",
                    "customer_number": "C9" if day % 2 else "C1",
                    "order_date": date(2026, 1, day),
                    "purchase_order_reference": f"PO-{day}",
                    "lines": [{"sku": "A", "quantity": 1}],
                }
                for day in range(1, 7)
            ],
            created_by="anna",
        )
        ids = {order.order_number: order.id for order in list_orders(connection)}
        set_order_status(connection, [ids["O5"]], "cancelled", changed_by="anna")
    own_shop.outcomes(own_shop.ask([ids["O1"], ids["O2"]]))
    with own_shop.scope() as connection:

        def numbers(**how):
            return [order.order_number for order in list_orders(connection, **how)]

        assert numbers(customer_number="C9") == ["O5", "O3", "O1"]
        assert numbers(customer_number="C9", after=ids["O5"], limit=1) == ["O3"]
        assert numbers(customer_number="nobody") == []
        assert numbers(statuses=["invoiced"]) == ["O2", "O1"]
        assert numbers(statuses=["invoiced"], customer_number="C9") == ["O1"]
        assert numbers(ordered_from=date(2026, 1, 3), ordered_until=date(2026, 1, 4)) == ["O4", "O3"]
        assert numbers(words="po-6") == ["O6"]
        assert numbers(words="neun", statuses=["pending"]) == ["O3"]


@pytest.mark.usefixtures("enough")
def test_invoices_are_narrowed_by_what_they_say_and_how_they_stand(desk: BillingDesk) -> None:
    other = desk.customer(customer_number="other", name="Andere 100%")
    first = desk.today - timedelta(days=60)
    issued = {}
    for n in range(6):
        order = desk.order(line(1, 100 + n), **({"customer_id": str(other)} if n % 2 else {}), order_number=f"ORD-{n}")
        desk.one(order, invoice_date=first + timedelta(days=10 * n), due_days=30)
        issued[n] = desk.invoice_of(order)
    with desk.scope() as connection:
        record_payment(connection, issued[0], Decimal("119.00"), recorded_by="anna")
        record_payment(connection, issued[1], Decimal("1.00"), recorded_by="anna")
        void_invoice(connection, issued[2], reason="x", voided_by="anna")
        credit_invoice(connection, issued[4], reason="x", created_by="anna", quantities={1: Decimal("0.5")})
        names = {invoice_id: n for n, invoice_id in issued.items()}

        def found(**how):
            return [names.get(invoice.id, "other") for invoice in newest_invoices(connection, **how)]

        assert found() == [5, 4, 3, 2, 1, 0]
        assert found(standings=["overdue"]) == [1]
        assert found(standings=["overdue", "partially_paid", "issued"]) == [5, 4, 3, 1]
        assert found(standings=["partially_paid"]) == [4]
        assert found(standings=["paid"]) == [0]
        assert found(standings=["void"]) == [2]
        assert found(customer_id=other) == [5, 3, 1]
        assert found(customer_id=other, standings=["issued"]) == [5, 3]
        assert found(customer_id=uuid4()) == []
        assert found(issued_from=first + timedelta(days=10), issued_until=first + timedelta(days=30)) == [3, 2, 1]
        assert found(issued_from=first + timedelta(days=45), issued_until=first + timedelta(days=46)) == []
        assert found(issued_until=first - timedelta(days=1)) == []
        assert found(issued_from=first + timedelta(days=31)) == [5, 4]
        assert found(due_from=first + timedelta(days=70)) == [5, 4]
        assert found(due_until=first + timedelta(days=30)) == [0]
        assert found(gross_from=Decimal("122.57"), gross_until=Decimal("123.76")) == [4, 3]
        assert found(words="100%") == [5, 3, 1]
        assert found(words="ord-4") == [4]
        assert found(series="credit_note") == ["other"]
        summary = newest_invoices(connection, words="ord-4")[0]
        assert found(invoice_number=summary.invoice_number) == [4]
        assert found(invoice_number="x\x00") == []
        assert (summary.order_number, summary.amount_credited) == ("ORD-4", Decimal("61.88"))
        place = (summary.period, summary.number)
        assert found(before=place, limit=2) == [3, 2]
        assert found(before=place, customer_id=other) == [3, 1]
        assert found(before=place, issued_from=first + timedelta(days=10)) == [3, 2, 1]


def test_days_are_found_where_numbers_begin_anew_each_year(desk: BillingDesk) -> None:
    desk.set_settings(invoice_number={"pattern": "R{year}-{number:03}", "yearly_reset": True})
    ids = {}
    for day in (date(2024, 6, 1), date(2024, 12, 31), date(2025, 1, 1), date(2025, 6, 1)):
        order = desk.order()
        desk.one(order, invoice_date=day)
        ids[desk.invoice_of(order)] = day
    with desk.scope() as connection:
        found = newest_invoices(connection, issued_from=date(2024, 7, 1), issued_until=date(2025, 1, 1))
        assert [ids[invoice.id] for invoice in found] == [date(2025, 1, 1), date(2024, 12, 31)]
        after = newest_invoices(
            connection,
            issued_from=date(2024, 7, 1),
            issued_until=date(2025, 1, 1),
            before=(found[0].period, found[0].number),
        )
        assert [ids[invoice.id] for invoice in after] == [date(2024, 12, 31)]


WHO = {"name": "x", "country_code": "DE"}
TABLES = (
    *("billing.customer", "billing.item", "billing.sales_order", "billing.sales_order_line"),
    *("billing.invoice", "billing.invoice_number", "billing.payment", "billing.payment_allocation"),
)


@pytest.fixture(scope="module")
def crowd(server, template) -> Iterator[tuple[TestDatabase, BillingDesk]]:
    """Two organizations with some hundred records each, of which one has to be read alone."""
    with fresh_database(server, template) as database:
        keep_statistics(database.superuser, TABLES)
        desks = [open_desk(database) for _ in range(2)]
        for desk in desks:
            customers = [{"customer_number": f"K{n:03}", "name": "x", "country_code": "DE"} for n in range(300)]
            with desk.scope() as connection:
                add_customers(connection, customers, created_by="anna")
                items = [{"sku": f"S{n:03}", "name": "x", "unit_price": 1} for n in range(300)]
                add_items(connection, items, created_by="anna")
            desk.work(desk.ask(desk.many_orders(400, 1)))
            desk.many_orders(200, 1)
            few = desk.customer(customer_number="few")
            desk.work(desk.ask([desk.order(customer_id=str(few)) for _ in range(3)]))
            desk.orders([{"lines": [line()], "customer_id": str(few)}])
        yield database, desks[0]


@pytest.mark.parametrize("state", STATES)
def test_a_page_is_read_without_the_rest(crowd: tuple[TestDatabase, BillingDesk], state: str) -> None:
    database, desk = crowd
    put(database.superuser, TABLES, state)
    engine = create_app_engine(database.app_url)
    few = desk.value("select id from billing.customer where customer_number = 'few'")
    try:
        with organization_scope(engine, desk.organization_id) as connection:
            with reading_at_most(connection, dict.fromkeys(TABLES, 30), 30):
                assert len(list_customers(connection, after="K100", limit=5)) == 5
                assert len(list_items(connection, after="S100", limit=5)) == 5
            with reading_at_most(connection, dict.fromkeys(TABLES, 60), 60):
                orders = list_orders(connection, limit=5)
                assert len(list_orders(connection, after=orders[-1].id, limit=5)) == 5
                assert len(list_orders(connection, customer_number="few", limit=5)) == 4
                found = newest_invoices(connection, limit=5)
                assert len(newest_invoices(connection, before=(found[-1].period, 200), limit=5)) == 5
                assert len(newest_invoices(connection, customer_id=few, limit=5)) == 3
                assert len(newest_invoices(connection, invoice_number=found[2].invoice_number)) == 1
                assert newest_invoices(connection, issued_until=desk.today - timedelta(days=1), limit=5) == ()
                assert find_order(connection, orders[2].order_number) == orders[2]
    finally:
        engine.dispose()


@pytest.mark.parametrize("state", STATES)
def test_what_is_passed_over_is_read_a_few_times_at_most(crowd: tuple[TestDatabase, BillingDesk], state: str) -> None:
    database, desk = crowd
    put(database.superuser, TABLES, state)
    engine = create_app_engine(database.app_url)
    try:
        with organization_scope(engine, desk.organization_id) as connection:
            for look in (
                lambda: list_orders(connection, words="nobody", limit=5),
                lambda: list_orders(connection, statuses=["pending", "reviewed"], limit=5),
                lambda: list_orders(connection, customer_number="few", words="nobody", limit=5),
                lambda: newest_invoices(connection, words="nobody", limit=5),
                lambda: newest_invoices(connection, standings=["issued"], limit=5),
                lambda: newest_invoices(connection, standings=["paid"], limit=5),
            ):
                with reading_at_most(connection, dict.fromkeys(TABLES, 2_000)):
                    look()
    finally:
        engine.dispose()


@pytest.mark.parametrize("state", STATES)
def test_rows_are_looked_up_by_their_keys(crowd: tuple[TestDatabase, BillingDesk], state: str) -> None:
    database, desk = crowd
    put(database.superuser, TABLES, state)
    engine = create_app_engine(database.app_url)
    order = {"order_date": "2026-01-02", "lines": [{"sku": "S001", "quantity": 1}]}
    orders = [{"order_number": "known", **order, "note": state}, {"order_number": f"new {state}", **order}]
    try:
        with organization_scope(engine, desk.organization_id) as connection:
            upsert_orders(connection, orders[:1], created_by="anna")
            with reading_at_most(connection, dict.fromkeys(TABLES, 30), 30):
                rows = [{"customer_number": "K008", "city": state}, {"customer_number": f"other {state}", **WHO}]
                found = upsert_customers(connection, rows, created_by="anna")
                assert [str(row.result) for row in found] == ["changed", "created"]
                found = upsert_items(connection, [{"sku": "S007", "name": state}], created_by="anna")
                assert [str(row.result) for row in found] == ["changed"]
                upsert_tax_rates(connection, [{"tax_category": "S", "rate": "7", "name": state}])
                orders[0]["note"] = f"again {state}"
                found = upsert_orders(connection, orders, created_by="anna")
                assert [str(row.result) for row in found] == ["changed", "created"]
    finally:
        engine.dispose()
