"""Customers, items, tax rates and orders that come in: all rows or none, known ones changed, wrong ones named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import event, text

from invoice_pipelines.billing import RowsRefused, add_customers, add_items, add_orders, add_tax_rates
from invoice_pipelines.einvoice.vat_categories import VAT_CATEGORIES

C2 = {"customer_number": "C2", "name": "Zwei GmbH", "country_code": "DE", "city": "Ulm"}
ORDER = {"order_number": "7", "customer_number": "C1", "order_date": date(2026, 1, 2)}


def rows(of, statement):
    with of.scope() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def test_what_a_row_does_not_give_keeps_what_it_was(own_shop):
    with own_shop.scope() as connection:
        (first,) = add_customers(connection, [{**C2, "email": "a@b.example"}], created_by="anna")
        again = add_customers(connection, [{**C2, "name": "Zwei SE", "city": None}, {**C2, "customer_number": "C3"}],
                              created_by="ben")  # fmt: skip
    assert again[0] == first
    found = rows(own_shop, "select customer_number, name, email, city, created_by from billing.customer order by 1")
    assert found[1:] == [
        ("C2", "Zwei SE", "a@b.example", None, "anna"),
        ("C3", "Zwei GmbH", None, "Ulm", "ben"),
    ]


def test_the_booked_stock_stays_unless_it_was_counted(own_shop):
    with own_shop.scope() as connection:
        add_items(connection, [{"sku": "B", "name": "Bolt M8"}], created_by="anna")
    assert rows(own_shop, "select name, quantity_on_hand, unit_price from billing.item where sku = 'B'") == [
        ("Bolt M8", Decimal(10), Decimal("9.99"))
    ]
    with own_shop.scope() as connection:
        add_items(connection, [{"sku": "B", "name": "Bolt M8", "quantity_on_hand": "3.5"}], created_by="anna")
    assert rows(own_shop, "select quantity_on_hand from billing.item where sku = 'B'") == [(Decimal("3.5"),)]


def test_ids_come_in_the_order_of_the_rows_whatever_fields_they_give(own_shop):
    given = [
        {"sku": f"I{n}", "name": "x"} | ({"unit_price": n} if n % 3 else {"is_active": False}) for n in range(50, 0, -1)
    ]
    with own_shop.scope() as connection:
        ids = add_items(connection, given, created_by="anna")
    found = dict(rows(own_shop, "select id, sku from billing.item"))
    assert [found[item] for item in ids] == [row["sku"] for row in given]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"customer_number": " "}, "customer_number"),
        ({"name": ""}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"country_code": "de"}, "country_code"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": "XXZ"}, "currency"),
        ({"language": "deu"}, "language"),
        ({"is_active": "perhaps"}, "is_active"),
        ({"vat": "DE1"}, "vat"),
    ],
)
def test_a_wrong_customer_is_named_with_row_and_field_and_none_is_written(shop, row, field):
    before = shop.value("select count(*) from billing.customer")
    with shop.scope() as connection, pytest.raises(RowsRefused, match=f"^row 2, {field}: ") as refused:
        add_customers(connection, [{**C2, "customer_number": "new"}, {**C2, **row}], created_by="anna")
    assert "\n" not in str(refused.value)
    assert shop.value("select count(*) from billing.customer") == before


def test_names_may_have_every_character_that_can_be_stored(own_shop):
    names = [
        "Größe & Söhne",
        "Ω\u202eabc",
        "emoji 🧾👩‍👩‍👧",
        "quote ' \" ; --",
        "tab\tin",
        "back\\slash",
        "{curly} :colon %s",
    ]
    given = [{**C2, "customer_number": name, "name": name, "city": name} for name in names]
    with own_shop.scope() as connection:
        add_customers(connection, given, created_by="O'Hara")
    stored = {row[0] for row in rows(own_shop, "select name from billing.customer where name = city")}
    assert stored == set(names)


def test_all_wrong_rows_are_named_at_once(shop):
    wrong = [{"sku": "", "name": "x"}, {"sku": "ok", "name": "x"}, {"sku": "y", "name": "x", "unit_price": "1,5"},
             {"sku": "ok", "name": "again"}]  # fmt: skip
    with shop.scope() as connection, pytest.raises(RowsRefused) as refused:
        add_items(connection, wrong, created_by="anna")
    assert [(problem.row, problem.field) for problem in refused.value.problems] == [
        (1, "sku"),
        (3, "unit_price"),
        (4, "sku"),
    ]


@pytest.mark.parametrize("value", ["1_000", "1.000,00", "NaN", "1e3", "-1", "0.00001", "99999999999", "١٢"])
def test_a_price_is_a_plain_decimal_number_that_fits(shop, value):
    with shop.scope() as connection, pytest.raises(RowsRefused, match="row 1, unit_price"):
        add_items(connection, [{"sku": "P", "name": "x", "unit_price": value}], created_by="anna")


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ({"tax_category": "S", "rate": 0}, "S is above zero"),
        ({"tax_category": "Z", "rate": 7}, "S is above zero"),
        ({"tax_category": "E", "rate": 0}, "needs an exemption_reason"),
        ({"tax_category": "S", "rate": 7, "exemption_reason": "x"}, "has no exemption_reason"),
        ({"tax_category": "K", "rate": 0, "exemption_reason_code": "x"}, "exemption_reason_code"),
        ({"tax_category": "O", "rate": 0}, "tax_category"),
        ({"tax_category": "S", "rate": 101}, "rate"),
    ],
)
def test_a_tax_rate_that_invoices_cannot_have_is_refused(shop, rate, words):
    with shop.scope() as connection, pytest.raises(RowsRefused, match=words):
        add_tax_rates(connection, [{"name": "x", **rate}])


def test_a_tax_rate_is_known_by_category_and_rate(own_shop):
    with own_shop.scope() as connection:
        ids = add_tax_rates(connection, [{"tax_category": "S", "rate": "19.0", "name": "full", "is_active": False}])
    assert rows(own_shop, "select id, name, is_active from billing.tax_rate where rate = 19") == [
        (ids[0], "full", False)
    ]


def test_an_order_takes_from_item_and_customer_what_it_leaves_out(own_shop):
    with own_shop.scope() as connection:
        add_customers(connection, [{**C2, "currency": "CHF"}], created_by="anna")
        lines = [{"sku": "A", "quantity": "2.5"}, {"sku": "A", "quantity": -1, "unit_price": "5", "tax_category": "AE"}]
        orders = [{**ORDER, "customer_number": "C2", "lines": lines}, {**ORDER, "order_number": "8"},
                  {"order_number": "9", "order_date": "2026-01-02", "currency": "JPY"}]  # fmt: skip
        added = add_orders(connection, orders, created_by="anna")
    assert [order.is_new for order in added] == [True, True, True]
    assert rows(own_shop, "select order_number, currency, status, created_by from billing.sales_order order by 1") == [
        ("7", "CHF", "pending", "anna"),
        ("8", "EUR", "pending", "anna"),
        ("9", "JPY", "pending", "anna"),
    ]
    assert rows(
        own_shop,
        """select line_number, quantity, unit_price, tax_category, tax_rate from billing.sales_order_line
           order by line_number""",
    ) == [
        (1, Decimal("2.5"), Decimal("9.99"), "S", Decimal(19)),
        (2, Decimal(-1), Decimal(5), "AE", None),
    ]


def test_an_order_number_is_taken_once_and_the_first_order_stays_as_it_is(own_shop):
    line = {"sku": "A", "quantity": 1}
    with own_shop.scope() as connection:
        (first,) = add_orders(connection, [{**ORDER, "lines": [line]}], created_by="anna")
        changed = {**ORDER, "note": "changed", "lines": [line] * 3}
        again = add_orders(connection, [{**ORDER, "order_number": "6"}, changed], created_by="ben")
    assert (again[0].is_new, again[1].is_new, again[1].id) == (True, False, first.id)
    assert own_shop.value("select count(*) from billing.sales_order_line") == 1
    assert rows(own_shop, "select note, created_by from billing.sales_order where order_number = '7'") == [
        (None, "anna")
    ]


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"customer_number": "C9"}, "customer_number"),
        ({"order_date": "2026-13-01"}, "order_date"),
        ({"order_date": "0000-01-01"}, "order_date"),
        ({"order_date": date(9999, 1, 1)}, "order_date"),
        ({"order_date": "86400"}, "order_date"),
        ({"status": "invoiced"}, "status"),
        ({"discount_percent": "100.01"}, "discount_percent"),
        ({"order_number": "\x00"}, "order_number"),
        ({"lines": [{"sku": "A", "quantity": 1}, {"sku": "ZZ", "quantity": 1}]}, r"lines\[2\]\.sku"),
        ({"lines": [{"sku": "A", "quantity": "1.0001"}]}, r"lines\[1\]\.quantity"),
        ({"lines": [{"sku": "A", "quantity": "9999999999"}]}, r"lines\[1\]\.quantity"),
        ({"lines": [{"sku": "A"}]}, r"lines\[1\]\.quantity"),
        ({"lines": [{"description": "x", "quantity": 1}]}, r"lines\[1\]"),
        ({"lines": [{"sku": "A", "quantity": 1, "tax_category": "X"}]}, r"lines\[1\]\.tax_category"),
    ],
)
def test_a_wrong_order_is_named_with_row_and_field_and_none_is_written(shop, order, field):
    with shop.scope() as connection, pytest.raises(RowsRefused, match=f"^row 2, {field}: "):
        add_orders(connection, [{**ORDER, "order_number": "ok"}, {**ORDER, **order}], created_by="anna")
    assert shop.value("select count(*) from billing.sales_order") == 0


def test_customers_and_items_of_another_organization_are_unknown(shop, own_shop):
    with own_shop.scope() as connection:
        add_customers(connection, [{**C2, "customer_number": "theirs"}], created_by="anna")
    with shop.scope() as connection, pytest.raises(RowsRefused, match="has no customer 'theirs'"):
        add_orders(connection, [{**ORDER, "customer_number": "theirs"}], created_by="anna")


def test_hundreds_of_orders_are_a_few_statements(own_shop):
    lines = [{"sku": "A", "quantity": 1}] * 3
    statements: list[str] = []
    with own_shop.scope() as connection:
        event.listen(connection, "before_cursor_execute", lambda *call: statements.append(call[2]))
        added = add_orders(
            connection, [{**ORDER, "order_number": f"M{n}", "lines": lines} for n in range(600)], created_by="anna"
        )
    assert len(statements) < 10
    assert len({order.id for order in added}) == 600
    assert own_shop.value("select count(*) from billing.sales_order_line") == 1800


def test_the_digits_of_currencies_are_those_of_iso_4217(shop):
    from iso4217 import Currency

    codes = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}
    digits = rows(
        shop,
        f"""select c, billing.currency_digits(c) from unnest(array[{", ".join(f"'{code}'" for code in codes)}]) c""",
    )
    assert dict(digits) == codes


def test_postgresql_knows_the_vat_categories_that_python_knows(shop):
    found = rows(shop, "select code, billing.vat_needs(code) from unnest(billing.vat_categories()) code")
    assert {code: set(needs) for code, needs in found} == {
        category.code: category.needs for category in VAT_CATEGORIES.values()
    }
    assert rows(shop, "select billing.vat_needs('X') is null") == [(True,)]
