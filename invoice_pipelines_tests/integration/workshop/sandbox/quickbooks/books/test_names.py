"""Customers, vendors, employees and items: names, lengths, what an update leaves, and what becomes of the inactive."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Refusal, Sandbox
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import REALM, Api, error_of


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "6080"),
        ({"DisplayName": "a:b"}, "2040"),
        ({"DisplayName": "a\tb"}, "2040"),
        ({"DisplayName": "x" * 501}, "2050"),
        ({"DisplayName": "x", "GivenName": "y" * 101}, "2050"),
        ({"DisplayName": "x", "PrimaryEmailAddr": {"Address": "nobody"}}, "2210"),
        ({"DisplayName": "x", "PrimaryPhone": {"FreeFormNumber": "1" * 31}}, "2050"),
        ({"DisplayName": "x", "PrimaryEmailAddr": {"Address": f"{'a' * 90}@long.example.com"}}, "2050"),
        ({"DisplayName": "x", "BillAddr": {"PostalCode": "1" * 31}}, "2050"),
        ({"DisplayName": "x", "BillAddr": {"Line1": "1" * 501}}, "2050"),
        ({"DisplayName": "x", "CurrencyRef": {"value": "USD"}}, "6000"),
        ({"DisplayName": "x", "ParentRef": {"value": "99"}}, "2500"),
        ({"DisplayName": "日本"}, "2040"),
    ],
)
def test_a_customer_that_breaks_a_rule_is_refused(api: Api, body: dict[str, Any], code: str) -> None:
    assert error_of(api.post("/customer", body))[:2] == (400, code)


@pytest.mark.parametrize("entity", ["customer", "vendor", "employee"])
def test_customers_vendors_and_employees_share_their_names(api: Api, entity: str) -> None:
    api.write("Vendor", {"DisplayName": "Amber"})
    status, code, detail = error_of(api.post(f"/{entity}", {"DisplayName": " aMBER "}))
    assert (status, code) == (400, "6240")
    assert detail.startswith("The name supplied already exists. : Another customer, vendor or employee is already")


def test_an_item_may_have_the_name_of_a_customer_but_not_of_an_item(api: Api, books: Accountant) -> None:
    books.customer("Amber")
    books.item("Amber")
    body = {"Name": "amber", "Type": "Service", "IncomeAccountRef": {"value": "1"}}
    assert error_of(api.post("/item", body))[1] == "6240"


def test_an_item_for_sale_needs_an_account(api: Api) -> None:
    assert error_of(api.post("/item", {"Name": "A", "Type": "Service"}))[1:] == (
        "2020",
        "Required parameter IncomeAccountRef is missing in the request",
    )


def test_the_kind_of_an_inventory_item_stays(api: Api, books: Accountant) -> None:
    accounts = {"ExpenseAccountRef": {"value": "4"}, "AssetAccountRef": {"value": "5"}}
    item = books.item("A", Type="Inventory", QtyOnHand=10, InvStartDate="2026-01-01", **accounts)
    key = {"Id": item["Id"], "SyncToken": "0", "sparse": True}
    assert error_of(api.post("/item", {**key, "Type": "Service"}))[1] == "6000"


def test_selling_an_inventory_item_changes_it(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    accounts = {"ExpenseAccountRef": {"value": "4"}, "AssetAccountRef": {"value": "5"}}
    item = books.item("A", 5, Type="Inventory", QtyOnHand=10, InvStartDate="2026-01-01", **accounts)["Id"]
    customer = books.customer("A")["Id"]
    detail = {"ItemRef": {"value": item}, "Qty": 3, "UnitPrice": 5}
    line = {"Amount": 15, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}
    sold = api.write("Invoice", {"CustomerRef": {"value": customer}, "Line": [line]})
    assert books.document("Item", item)["QtyOnHand"] == 7
    books.void("Invoice", sold["Id"])
    after = books.document("Item", item)
    assert (after["QtyOnHand"], after["SyncToken"]) == (10, "0")


def test_a_sparse_update_changes_what_is_sent_and_a_full_one_clears_the_rest(api: Api) -> None:
    made = api.write("Customer", {"DisplayName": "A", "Notes": "n", "GivenName": "g", "BillAddr": {"City": "c"}})
    key = {"Id": made["Id"]}
    sparse = api.write("Customer", {**key, "SyncToken": "0", "sparse": True, "Notes": "m"})
    assert (sparse["Notes"], sparse["GivenName"], sparse["SyncToken"]) == ("m", "g", "1")
    cleared = api.write("Customer", {**key, "SyncToken": "1", "sparse": True, "Notes": ""})
    assert "Notes" not in cleared
    full = api.write("Customer", {**key, "SyncToken": "2", "GivenName": "h"})
    assert full["DisplayName"] == "A"
    assert full["GivenName"] == "h"
    assert full["Active"] is True
    assert "BillAddr" not in full


def test_an_old_token_is_refused_in_the_words_of_the_service(api: Api) -> None:
    made = api.write("Customer", {"DisplayName": "A"})
    change = {"Id": made["Id"], "SyncToken": "0", "sparse": True}
    api.write("Customer", {**change, "Notes": "1"})
    assert error_of(api.post("/customer", {**change, "Notes": "2"})) == (
        400,
        "5010",
        "Stale Object Error : You and root were working on this at the same time. root finished before you did, so "
        "your work was not saved.",
    )


def test_what_can_only_be_read_is_overwritten_without_a_word(api: Api) -> None:
    made = api.write("Customer", {"DisplayName": "A", "Balance": 500, "FullyQualifiedName": "Z"})
    assert (made["Balance"], made["FullyQualifiedName"]) == (0, "A")


def test_a_deactivated_customer_gives_its_name_free_and_takes_it_back(books: Accountant) -> None:
    first = books.customer("Thrifty Meats")["Id"]
    gone = books.deactivate("Customer", first)
    assert (gone["DisplayName"], gone["FullyQualifiedName"]) == ("Thrifty Meats (deleted)",) * 2
    second = books.customer("Thrifty Meats")["Id"]
    with pytest.raises(Refusal, match="6240"):
        books.reactivate("Customer", first)
    assert books.deactivate("Customer", second)["DisplayName"] == "Thrifty Meats (deleted 1)"
    assert books.reactivate("Customer", first)["DisplayName"] == "Thrifty Meats"


def test_the_name_of_an_inactive_customer_stays_taken_by_switch(sandbox: Sandbox, books: Accountant) -> None:
    books.deactivate("Customer", books.customer("A")["Id"])
    sandbox.switches.inactive_keeps_name = True
    with pytest.raises(Refusal, match="6240"):
        books.customer("A")


def test_a_customer_who_owes_money_cannot_be_deactivated(books: Accountant) -> None:
    customer = books.customer("A")["Id"]
    owed = books.invoice(customer, 10)["Id"]
    with pytest.raises(Refusal, match="6220"):
        books.deactivate("Customer", customer)
    books.pay(owed)
    books.deactivate("Customer", customer)


def test_names_are_never_deleted(api: Api, books: Accountant) -> None:
    customer = books.customer("A")
    body = {"Id": customer["Id"], "SyncToken": "0"}
    assert error_of(api.post("/customer", body, operation="delete"))[1] == "500"


def test_the_name_of_a_parent_is_part_of_the_full_name(books: Accountant) -> None:
    parent = books.customer("A")["Id"]
    child = books.customer("B", ParentRef={"value": parent}, Job=True)
    assert (child["FullyQualifiedName"], child["Level"]) == ("A:B", 1)
    books.edit("Customer", parent, DisplayName="Z")
    assert books.document("Customer", child["Id"])["FullyQualifiedName"] == "Z:B"


def test_countries_come_back_in_three_letters_and_tax_ids_masked(sandbox: Sandbox, books: Accountant) -> None:
    made = books.customer("A", BillAddr={"Country": "US", "City": "x"}, PrimaryTaxIdentifier="12345656789")
    assert made["BillAddr"]["Country"] == "USA"
    assert made["PrimaryTaxIdentifier"] == "XXXXXX56789"
    assert books.customer("B", BillAddr={"Country": "U.S.A"})["BillAddr"]["Country"] == "U.S.A"
    sandbox.switches.country_as_iso3 = False
    assert books.customer("C", BillAddr={"Country": "US"})["BillAddr"]["Country"] == "US"


def test_characters_that_a_us_company_does_not_know_are_mangled_or_taken_by_switch(
    sandbox: Sandbox, books: Accountant
) -> None:
    assert books.customer("Müller")["DisplayName"] == "Müller"
    sandbox.switches.not_latin_1 = "mangle"
    assert books.customer("Łódź")["DisplayName"] == "?ód?"
    sandbox.switches.not_latin_1 = "accept"
    assert books.customer("Łódź")["DisplayName"] == "Łódź"
    assert sandbox.add_company("2", country="PL").customer("日本")["DisplayName"] == "日本"


def test_a_merged_customer_is_inactive_and_its_transactions_are_the_survivors(books: Accountant) -> None:
    loser, survivor = books.customer("A")["Id"], books.customer("B")["Id"]
    owed = books.invoice(loser, "30.00")["Id"]
    books.merge(loser, survivor)
    gone = books.document("Customer", loser)
    assert (gone["Active"], gone["Balance"]) == (False, 0)
    assert books.document("Customer", survivor)["Balance"] == Decimal("30.00")
    moved = books.document("Invoice", owed)
    assert (moved["CustomerRef"]["value"], moved["SyncToken"]) == (survivor, "1")


def test_companies_do_not_see_one_another(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    books.customer("A")
    other = sandbox.add_company("9130002")
    other.customer("A")
    assert sandbox.accountant(REALM).count("Customer") == other.count("Customer") == 1
    token = sandbox.tokens("9130002").access_token
    answer = api.http.get("/customer/1", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert answer.json()["fault"]["error"][0]["code"] == "3100"
    assert [(call.realm, call.token_realm) for call in sandbox.log][-1] == (REALM, "9130002")


def test_an_item_of_a_french_company_is_a_product_or_a_service_and_stays_so(sandbox: Sandbox) -> None:
    books = sandbox.add_company("2", country="FR")
    api = Api(sandbox, "2")
    body = {"Name": "Vis", "Type": "NonInventory", "IncomeAccountRef": {"value": "1"}}
    assert error_of(api.post("/item", body))[1] == "2020"
    assert error_of(api.post("/item", {**body, "ItemCategoryType": "Thing"}))[1] == "2170"
    made = api.write("Item", {**body, "ItemCategoryType": "Product"})
    changed = {"Id": made["Id"], "SyncToken": "0", "sparse": True, "ItemCategoryType": "Service"}
    assert api.write("Item", changed)["ItemCategoryType"] == "Product"
    assert books.item("Conseil")["ItemCategoryType"] == "Service"
    api.http.close()
