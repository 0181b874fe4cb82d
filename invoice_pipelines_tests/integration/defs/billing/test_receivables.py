"""The asset of receivables: what it shows and writes, what its checks find, and which runs its sensor asks for."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from sqlalchemy import text

from invoice_pipelines.billing import process_jobs
from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.payments import record_payment
from invoice_pipelines.billing.receivables.export import export_receivables
from invoice_pipelines.database import organization_scope
from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import checks, failed_checks, shown

ASSET = dg.AssetKey(["billing", "receivables"])


@pytest.fixture
def books(shop: SellersHouse) -> SellersHouse:
    """`acme` sold seven chairs: of 476.00, due long ago, 118.99 are paid; 119.00 are credited in full; 238.00 will be
    due in a month.
    """
    shop.open("acme")
    shop.house.behind("update billing.item set quantity_on_hand = 100")
    for quantity, days_ago, due_days in (("4", 230, 14), ("1", 200, 14), ("2", 0, 30)):
        issued = datetime.now(ZoneInfo("Europe/Berlin")).date() - timedelta(days=days_ago)
        shop.issue("acme", quantity, due_days=due_days, invoice_date=issued)
    with organization_scope(shop.house.database.engine, shop.house.id_of("acme")) as connection:
        first, second, _ = connection.execute(
            text("select id from billing.issued_invoice order by number")
        ).scalars()  # fmt: skip
        record_payment(connection, first, Decimal("118.99"), recorded_by="anna")
        credit_invoice(connection, second, reason="broken", created_by="anna")
    return shop


def age(shop: SellersHouse, slug: str = "acme") -> dict[str, Any]:
    """Ages what an organization is owed; metadata of the materialization."""
    return shown(shop.house.run("receivables_aging", slug), "billing/receivables")


def asked_for(shop: SellersHouse) -> list[str]:
    return shop.house.wanted("receivables_due")


def age_without_a_run(shop: SellersHouse) -> None:
    export_receivables(shop.house.context("acme"))


def let_pass(shop: SellersHouse, interval: str) -> None:
    """As if the last agings were made so long ago."""
    shop.house.behind(
        """update billing.last_aging set made_at = made_at - cast(:interval as interval),
                                          good_until = good_until - cast(:interval as interval)""",
        interval=interval,
    )


def test_a_materialization_shows_who_owes_what_and_writes_it(books: SellersHouse) -> None:
    metadata = age(books)
    today = metadata["as of"]
    assert (metadata["invoices"], metadata["customers"]) == (2, 1)
    assert [tuple(row.values()) for row in metadata["totals"]] == [
        ("not due", "238.00"),
        ("1-30 days", "0.00"),
        ("31-60 days", "0.00"),
        ("61-90 days", "0.00"),
        ("over 90 days", "357.01"),
        ("total", "595.01"),
        ("overdue", "357.01"),
        ("overdue, %", "60.0"),
        ("sales of 90 days", "119.00"),  # what was sold today less what was credited today
        ("days sales outstanding", "450.0"),
        ("invoices", "2"),
        ("customers", "1"),
    ]
    (customer,) = metadata["most overdue, EUR"]
    assert (customer["customer"], customer["overdue"], customer["invoices"]) == ("C1 Müller GmbH", "357.01", 2)
    assert f"| over 90 days | 357.01 | {'█' * 30} |" in metadata["aging, EUR"]
    assert f"| not due | 238.00 | {'█' * 20} |" in metadata["aging, EUR"]
    assert "| 1-30 days | 0.00 |  |" in metadata["aging, EUR"]
    assert metadata["days sales outstanding, EUR"] == 450.0

    path = books.house.folder / "exports" / "acme" / f"acme_receivables_{today.replace('-', '')}.csv"
    assert metadata["file"] == str(path)
    (row,) = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    assert (row["as_of"], row["customer_name"], row["total"]) == (today, "Müller GmbH", "595.01")
    assert metadata["bytes"] == path.stat().st_size


def test_the_checks_compare_the_aging_with_what_is_due(books: SellersHouse) -> None:
    result = books.house.run("receivables_aging", "acme")
    assert {name: found.passed for name, found in checks(result).items()} == {
        "buckets_sum_to_total": True,
        "aging_is_what_is_due": True,
    }
    with books.house.database.superuser.connect() as connection:
        right = connection.exec_driver_sql("select pg_get_functiondef('billing.aging_bucket'::regproc)").scalar_one()
    # A mistake in the aging, made where the check does not look.
    books.house.behind(
        """create or replace function billing.aging_bucket(days_overdue integer) returns text language sql
           as $$ select case when days_overdue > 30 then 'lost' else 'not_due' end $$"""
    )
    try:
        result = books.house.run("receivables_aging", "acme")
    finally:
        books.house.behind(right)
    assert result.success, "nothing comes after receivables that is to be stopped"
    assert set(failed_checks(result)) == {"buckets_sum_to_total"}


def test_without_invoices_there_is_an_empty_aging(shop: SellersHouse) -> None:
    shop.open("acme")
    metadata = age(shop)
    assert (metadata["invoices"], metadata["dagster/row_count"]) == (0, 0)
    assert "totals" not in metadata


def test_many_customers_are_shown_by_the_first_twenty_and_all_are_in_the_file(books: SellersHouse) -> None:
    books.house.behind(
        """insert into billing.customer (organization_id, customer_number, name, country_code)
           select organization_id, 'M' || lpad(i::text, 2, '0'), 'Many ' || i, 'DE' from billing.customer c,
                  generate_series(1, 30) i where c.customer_number = 'C1'"""
    )
    rows = books.house.rows("acme", "select id from billing.customer where customer_number like 'M%'")
    items = [{"description": "Fee", "quantity": "1", "unit_price": "10", "tax_category": "S", "tax_rate": "19"}]
    books.ask_for_customers("acme", [str(row[0]) for row in rows], items)
    process_jobs(books.house.context("acme"))
    metadata = age(books)
    assert len(metadata["most overdue, EUR"]) == 20
    assert metadata["most overdue, EUR"][0]["customer"] == "C1 Müller GmbH"
    assert (metadata["dagster/row_count"], metadata["customers"], metadata["totals"][-1]["EUR"]) == (31, 31, "31")


def test_the_sensor_asks_for_a_run_after_invoicing_and_then_rests(books: SellersHouse) -> None:
    books.open("quiet")
    assert asked_for(books) == ["acme"]
    assert books.house.run("receivables_aging", "acme").success
    assert asked_for(books) == []
    books.issue("acme", "1")
    assert asked_for(books) == [], "it is not made again within ten minutes"
    let_pass(books, "10 minutes")
    assert asked_for(books) == ["acme"]


def test_the_sensor_asks_for_a_run_on_each_day_on_which_something_is_open(books: SellersHouse) -> None:
    age_without_a_run(books)
    let_pass(books, "1 day")
    assert asked_for(books) == ["acme"]
    books.house.behind(
        """update billing.invoice set amount_paid = amount_due + amount_paid, status = 'paid'
           where status in ('issued', 'partially_paid')"""
    )
    age_without_a_run(books)
    let_pass(books, "1 day")
    assert asked_for(books) == []


def test_a_void_is_something_new(books: SellersHouse) -> None:
    age_without_a_run(books)
    with organization_scope(books.house.database.engine, books.house.id_of("acme")) as connection:
        invoice = connection.execute(text("select id from billing.invoice where status = 'issued' and amount_due > 0 "
                                          "and document_kind = 'invoice'")).scalar_one()  # fmt: skip
        void_invoice(connection, invoice, reason="wrong", voided_by="anna")
    let_pass(books, "10 minutes")
    assert asked_for(books) == ["acme"]


def test_an_organization_sees_only_its_own(books: SellersHouse) -> None:
    books.open("beta")
    assert age(books, "beta")["invoices"] == 0
