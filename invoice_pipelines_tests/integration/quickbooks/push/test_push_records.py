"""Customers and items that are made or changed here arrive there, under names that QuickBooks takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from invoice_pipelines.quickbooks.pull.pull import pull
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, ITEM, QUICK, House, Opener


def change(house: House, table: str, local_id: UUID, **columns: Any) -> None:
    assignments = ", ".join(f"{column} = :{column}" for column in columns)
    house.desk.rows(f"update billing.{table} set {assignments} where id = :id", id=local_id, **columns)


def test_a_new_customer_arrives_and_a_changed_field_of_it_after_that(house: House) -> None:
    customer = house.desk.customer(name="Buyer AG", email="a@buyer.example", city="Ulm", street="Gasse 1")
    house.push(CUSTOMER)
    change(house, "customer", customer, email="b@buyer.example")
    report = house.push(CUSTOMER)

    assert report.updated == 1
    (there,) = house.there.documents("Customer")
    assert there["PrimaryEmailAddr"]["Address"] == "b@buyer.example"
    assert there["BillAddr"]["City"] == "Ulm"
    assert [operation for _, operation, _ in house.writes()] == ["create", "update"]


def test_a_change_that_quickbooks_does_not_have_makes_no_call(house: House) -> None:
    customer = house.desk.customer(name="Buyer AG")
    house.push(CUSTOMER)
    calls = len(house.writes())
    change(house, "customer", customer, vat_id="DE136695976", language="de")
    change(house, "customer", customer, name="Buyer AG", email=None)

    assert house.push(CUSTOMER).done == 0
    assert len(house.writes()) == calls


def test_a_new_item_arrives_and_its_price_is_theirs_after_that(house: House) -> None:
    item = house.desk.item(name="Bolt", sku="B-1", unit_price="1.25")
    stocked = house.desk.stocked(5, name="Nut", sku="N-1", unit_price="0.5")
    house.push(ITEM)
    there = {each["Name"]: each for each in house.there.documents("Item")}
    assert (there["Bolt"]["Type"], there["Bolt"]["UnitPrice"]) == ("NonInventory", house.desk.value("select 1.25"))
    assert there["Nut"]["Type"] == "Inventory"
    change(house, "item", item, unit_price=9)
    change(house, "item", stocked, quantity_on_hand=4)

    report = house.push(ITEM)

    assert (report.updated, report.unchanged) == (0, 1)


def test_two_items_of_one_name_are_told_apart_by_their_sku(house: House) -> None:
    house.desk.item(name="Bolt", sku="B-1")
    house.push(ITEM)
    house.desk.item(name="Bolt", sku="B-2")
    house.push(ITEM)

    assert sorted(each["Name"] for each in house.there.documents("Item")) == ["Bolt", "Bolt (B-2)"]
    assert house.mappings(ITEM) == 2


def test_what_was_changed_there_meanwhile_is_merged_and_ours_is_sent_after_it(house: House) -> None:
    customer = house.desk.customer(name="Buyer AG", email="a@buyer.example")
    house.push(CUSTOMER)
    (there,) = house.there.documents("Customer")
    house.sandbox.clock.shift(timedelta(seconds=2))
    house.there.edit("Customer", there["Id"], PrimaryPhone={"FreeFormNumber": "0731 1"})
    change(house, "customer", customer, email="b@buyer.example")

    report = house.push(CUSTOMER)

    (there,) = house.there.documents("Customer")
    assert report.updated == 1
    assert there["PrimaryEmailAddr"]["Address"] == "b@buyer.example"
    assert there["PrimaryPhone"]["FreeFormNumber"] == "0731 1"
    assert house.desk.value("select phone from billing.customer where id = :id", id=customer) == "0731 1"
    assert [code for _, _, code in house.writes("update")] == ["5010", ""]


def test_one_that_is_changed_there_all_the_while_is_given_up(house: House) -> None:
    customer = house.desk.customer(name="Buyer AG", email="a@buyer.example")
    house.push(CUSTOMER)
    house.sandbox.faults.inject(Fault.ITEM, entity="Customer", operation="update", code="5010", times=None)
    change(house, "customer", customer, email="b@buyer.example")

    report = house.push(CUSTOMER)

    assert report.failed == 1
    assert house.entry(customer).error_code == "QBO_5010"


@pytest.mark.parametrize("name", ["Müller: Söhne\tGmbH\n", "Łódź Sp. z o.o. 😀", "x" * 600])
def test_a_name_that_quickbooks_does_not_take_is_cleaned_and_does_not_come_back(opened: Opener, name: str) -> None:
    house = opened(country="US", home_currency="EUR")
    customer = house.desk.customer(name=name)

    assert house.push(CUSTOMER).created == 1
    house.sandbox.clock.shift(timedelta(minutes=1))
    (there,) = house.there.documents("Customer")
    house.there.edit("Customer", there["Id"], Notes="moves the SyncToken")
    pull(house.desk.engine, house.settings, house.desk.organization_id, [CUSTOMER], limits=QUICK)

    assert there["DisplayName"] != name
    assert there["DisplayName"].encode("latin-1")
    assert house.desk.value("select name from billing.customer where id = :id", id=customer) == name
    assert "NAME_CLEANED" in house.codes()
    assert house.push(CUSTOMER).updated == 0


def test_an_inactive_customer_of_that_name_comes_back(house: House) -> None:
    house.sandbox.switches.inactive_keeps_name = True
    there = house.there.customer("Back GmbH")
    house.there.deactivate("Customer", there["Id"])
    customer = house.desk.customer(name="Back GmbH")

    house.push(CUSTOMER)

    assert house.mapping(customer).quickbooks_id == there["Id"]
    assert house.there.document("Customer", there["Id"])["Active"] is True
    assert house.there.document("Customer", there["Id"])["DisplayName"] == "Back GmbH"
