"""The job that a person starts from the launchpad: what it invoices, and how it says that it cannot."""

from __future__ import annotations

from datetime import date
from typing import Any

import dagster as dg
import pytest

from invoice_pipelines_tests.integration.defs.billing.conftest import SellersHouse
from invoice_pipelines_tests.integration.defs.conftest import failure_of


def test_named_orders_are_invoiced_in_their_order_in_that_run(shop: SellersHouse) -> None:
    shop.open("acme")
    first, second, _ = shop.orders("acme", "1", "1", "1")
    result = shop.launch(
        organization="acme", sales_order_ids=[second, first], invoice_date="2026-03-31", due_days=30, language="de"
    )
    assert result.success
    assert shop.numbers("acme") == [("INV-2026-000001", "O-2"), ("INV-2026-000002", "O-1")]
    row = shop.house.rows("acme", "select distinct issue_date, due_date, language from billing.issued_invoice")
    assert [tuple(found) for found in row] == [(date(2026, 3, 31), date(2026, 4, 30), "de")]
    run = shop.house.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["organization"] == "acme"
    (record,) = shop.house.instance.fetch_materializations(dg.AssetKey(["billing", "issued_invoices"]), limit=2).records
    assert record.partition_key == "acme"
    assert record.asset_materialization is not None
    assert record.asset_materialization.metadata["invoiced"].value == 2


def test_all_open_orders_are_invoiced(shop: SellersHouse) -> None:
    shop.open("acme")
    shop.orders("acme", "1", "", "1")
    assert shop.launch(organization="acme", all_open=True).success
    assert [order for _, order in shop.numbers("acme")] == ["O-1", "O-3"]


def test_customers_are_invoiced_directly(shop: SellersHouse) -> None:
    shop.open("acme")
    customer = str(shop.value("acme", "select id from billing.customer"))
    item = str(shop.value("acme", "select id from billing.item"))
    items = [{"inventory_item_id": item, "quantity": "2", "unit_price": "99.50"}]
    assert shop.launch(organization="acme", customer_ids=[customer], items=items).success
    assert str(shop.value("acme", "select gross_amount from billing.issued_invoice")) == "236.81"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "config: give one of sales_order_ids, all_open, customer_ids, not none of them."),
    ({"all_open": True, "sales_order_ids": ["x"]}, "not sales_order_ids and all_open."),
    ({"customer_ids": ["x"]}, "items: they go with customer_ids"),
    ({"all_open": True, "items": [{"description": "Fee", "quantity": "1"}]}, "items: they go with customer_ids"),
    ({"all_open": True, "organization": "nobody"}, "nobody"),
    ({"all_open": True, "invoice_date": "31.03.2026"}, "invoice_date: '31.03.2026' is not a date"),
    ({"all_open": True, "invoice_date": "9999-01-01"}, "invoice_date: 9999-01-01 is not between"),
    ({"all_open": True, "due_days": -1}, "due_days: -1 is not between 0 and 3650"),
    ({"all_open": True, "language": "german"}, "language: german is not a code of two letters"),
    ({"customer_ids": ["x"], "items": [{"description": "Fee", "quantity": "much"}]}, "items[1].quantity:"),
    ({"customer_ids": ["x"], "items": [{"quantity": "1", "inventory_item_id": "5"}]}, "items[1].inventory_item_id:"),
]


def test_a_wrong_config_is_answered_with_its_field_and_nothing_is_done(shop: SellersHouse) -> None:
    shop.open("acme")
    shop.orders("acme", "1")
    for config, reason in WRONG:
        assert reason in failure_of(shop.launch(**{"organization": "acme"} | config)), config
    assert shop.value("acme", "select count(*) from work.batch_job") == 0


def test_a_field_that_does_not_exist_is_refused_before_the_run_starts(shop: SellersHouse) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="invoice_day"):
        shop.launch(organization="acme", all_open=True, invoice_day="2026-03-31")


def test_orders_that_cannot_be_invoiced_fail_alone(shop: SellersHouse) -> None:
    shop.open("acme", "beta")
    good = shop.orders("acme", "1")
    foreign = shop.orders("beta", "1")
    assert shop.launch(organization="acme", sales_order_ids=["nonsense", *foreign, *good, *good]).success
    assert [order for _, order in shop.numbers("acme")] == ["O-1"]
    codes = shop.house.rows("acme", "select error_code from work.batch_item where status = 'failed' order by id")
    assert [row[0] for row in codes] == ["NOT_AN_ID", "NOT_FOUND"]
    assert shop.numbers("beta") == []


def test_a_broken_promise_fails_the_run(shop: SellersHouse) -> None:
    shop.open("acme")
    shop.issue("acme", "1")
    ids = shop.orders("acme", "1")
    shop.house.behind("update billing.sales_order set status = 'pending' where order_number = 'O-1'")
    result = shop.launch(organization="acme", sales_order_ids=ids)
    assert failure_of(result) == "issued_invoices: every_invoiced_order_has_its_invoice"
