"""Customers, items, tax rates and sales orders over the API: added, changed in part, in bulk, and told apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant, problem_of

RATE = {"tax_category": "S", "rate": "19", "name": "19 %"}
CUSTOMER = {"customer_number": "R-1", "name": "Käufer & Söhne", "country_code": "AT", "phone": "+43 1 2345"}
ITEM = {"sku": "R-LAMP", "name": "Lamp", "unit_price": "18.75", "tax_category": "S", "tax_rate": "19"}
ORDER: dict[str, Any] = {
    "order_number": "R-4711",
    "customer_number": "R-1",
    "order_date": "2026-03-31",
    "lines": [{"sku": "R-LAMP", "quantity": "2"}],
}


@pytest.fixture(scope="module")
def own(site: Site) -> Tenant:
    """An organization of these tests alone."""
    return open_tenant(site.database)


@pytest.fixture(scope="module")
def client(site: Site, own: Tenant) -> Iterator[httpx.Client]:
    with site.client(own.tokens["writer"]) as client:
        client.base_url = client.base_url.join(site.path(own, ""))
        for path, body in (("tax-rates", RATE), ("customers", CUSTOMER), ("items", ITEM), ("sales-orders", ORDER)):
            made = client.post(path, json=body)
            assert made.status_code == 201, made.text
            assert client.get(site.url + made.headers["location"]).json() == made.json()
        yield client


def test_what_is_added_is_there_by_id_and_by_number_and_once(client: httpx.Client) -> None:
    for path, key, body in (
        ("customers", "R-1", CUSTOMER),
        ("items", "R-LAMP", ITEM),
        ("sales-orders", "R-4711", ORDER),
    ):
        one = client.get(f"{path}/{key}").json()
        assert client.get(f"{path}/{one['id']}").json() == one
        assert problem_of(client.post(path, json=body), 409)["code"] == "EXISTS_ALREADY"
    order = client.get("sales-orders/R-4711").json()
    assert (order["status"], order["net_amount"], order["currency"]) == ("pending", "37.50", "EUR")
    assert [(line["sku"], line["unit_price"], line["tax_rate"]) for line in order["lines"]] == [
        ("R-LAMP", "18.7500", "19.00")
    ]
    assert order["created_by"] == "token writer"


def test_a_patch_changes_what_it_names_and_null_clears(client: httpx.Client) -> None:
    before = client.get("customers/R-1").json()
    answer = client.patch("customers/R-1", json={"email": "a@b.example", "phone": None})
    assert answer.status_code == 200, answer.text
    assert answer.json() | {"updated_at": ""} == before | {
        "email": "a@b.example",
        "phone": None,
        "updated_at": "",
    }
    assert client.patch("items/R-LAMP", json={"unit_price": "20.5"}).json()["unit_price"] == "20.5000"
    order = client.patch("sales-orders/R-4711", json={"status": "reviewed", "note": "soon"}).json()
    assert (order["status"], order["note"], order["lines"][0]["unit_price"]) == ("reviewed", "soon", "18.7500")
    assert [event["to_status"] for event in order["events"]] == ["reviewed"]
    rate = client.get("tax-rates").json()["items"][0]
    assert client.patch(f"tax-rates/{rate['id']}", json={"name": "Normal"}).json()["name"] == "Normal"
    assert client.patch(f"tax-rates/{rate['id']}", json={}).json()["name"] == "Normal"


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "code"),
    [
        ("POST", "customers", {"customer_number": "x"}, "name", "MISSING"),
        ("POST", "customers", CUSTOMER | {"country_code": "at"}, "country_code", "STRING_PATTERN_MISMATCH"),
        ("PATCH", "customers/R-1", {"name": None}, "name", "STRING_TYPE"),
        ("PATCH", "customers/R-1", {"customer_number": "R-2"}, "customer_number", "EXTRA_FORBIDDEN"),
        ("PATCH", "tax-rates/{rate}", {"exemption_reason": "x"}, "row", "INVALID"),
        ("PATCH", "sales-orders/R-4711", {"lines": [*ORDER["lines"], {"sku": "no", "quantity": "1"}]},
         "lines[1].sku", "UNKNOWN_ITEM"),
        ("POST", "sales-orders", ORDER | {"order_number": "x", "lines": [{"sku": "R-LAMP"}]},
         "lines[0].quantity", "MISSING"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_the_field(
    client: httpx.Client, method: str, path: str, body: dict[str, Any], field: str, code: str
) -> None:
    rate = client.get("tax-rates").json()["items"][0]["id"]
    problem = problem_of(client.request(method, path.format(rate=rate), json=body), 422)
    assert problem["code"] == "VALIDATION_FAILED"
    assert (problem["errors"][0]["field"], problem["errors"][0]["code"]) == (field, code)


def test_in_bulk_each_row_has_its_outcome(client: httpx.Client) -> None:
    rows = [
        {"customer_number": "R-2", "name": "Zwei", "country_code": "DE"},
        {"customer_number": "R-1", "country_code": "AT"},
        {"customer_number": "R-3", "name": "Drei", "country_code": "Deutschland", "vat": 1},
        {"customer_number": 7},
        {"customer_number": "R-2", "name": "Again", "country_code": "DE"},
        {"\ud800": "x"},
    ]
    sent = json.dumps({"rows": rows}).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": "rows"}
    answer = client.post("customers/bulk", content=sent, headers=headers).json()
    assert client.post("customers/bulk", content=sent, headers=headers).json() == answer
    assert [(row["row"], row["key"], row["result"]) for row in answer["rows"]] == [
        (0, "R-2", "created"),
        (1, "R-1", "unchanged"),
        (2, "R-3", "failed"),
        (3, "7", "failed"),
        (4, "R-2", "failed"),
        (5, None, "failed"),
    ]
    assert {key: answer[key] for key in ("created", "changed", "unchanged", "failed")} == {
        "created": 1,
        "changed": 0,
        "unchanged": 1,
        "failed": 4,
    }
    assert [(wrong["field"], wrong["code"]) for wrong in answer["rows"][2]["errors"]] == [
        ("country_code", "INVALID"),
        ("vat", "UNKNOWN_FIELD"),
    ]
    orders = [ORDER | {"order_number": f"R-{n}", "lines": [{"sku": "R-LAMP", "quantity": str(n)}]} for n in range(1000)]
    orders[500]["lines"] = [{"sku": "R-LAMP", "quantity": "1"}, {"sku": "none", "quantity": "1"}]
    answer = client.post("sales-orders/bulk", json={"rows": orders}).json()
    assert (answer["created"], answer["failed"]) == (999, 1)
    assert answer["rows"][500]["errors"][0]["field"] == "lines[1].sku"
    assert client.post("sales-orders/bulk", json={"rows": orders}).json()["unchanged"] == 999
    too_many = problem_of(client.post("items/bulk", json={"rows": [ITEM] * 1001}), 422)
    assert too_many["errors"][0]["field"] == "rows"
    for path, row in (("items", ITEM), ("tax-rates", RATE)):
        again = client.post(f"{path}/bulk", json={"rows": [row | {"name": "other"}]}).json()
        assert (again["changed"], again["failed"]) == (1, 0)


def test_lists_are_narrowed_and_read_in_pages(client: httpx.Client) -> None:
    found = client.get("customers", params={"text": "söhne", "limit": 1}).json()
    assert [row["customer_number"] for row in found["items"]] == ["R-1"]
    assert client.get("items", params={"text": "lamp", "active": "false"}).json()["items"] == []
    lines = [{"sku": "R-LAMP", "quantity": "1"}]
    orders = [ORDER | {"order_number": f"R-page-{n}", "lines": lines} for n in range(201)]
    assert client.post("sales-orders/bulk", json={"rows": orders}).json()["created"] == 201
    first = client.get("sales-orders", params={"status": ["pending", "reviewed"], "limit": 200}).json()
    second = client.get("sales-orders", params={"status": ["pending", "reviewed"], "after": first["next"]}).json()
    assert len(first["items"]) == 200
    assert first["items"][-1]["id"] > second["items"][0]["id"]
    days = {"ordered_from": "2026-04-01"}
    assert client.get("sales-orders", params=days).json() == {"items": [], "next": None}
    assert client.get("sales-orders", params={"customer": "R-2"}).json()["items"] == []
    wrong = problem_of(client.get("sales-orders", params={"after": "x"}), 422)
    assert wrong["errors"][0]["code"] == "INVALID_CURSOR"


def test_what_belongs_to_another_organization_is_not_there(site: Site, client: httpx.Client) -> None:
    ids = {
        path: client.get(path).json()["items"][0]["id"] for path in ("customers", "items", "tax-rates", "sales-orders")
    }
    with site.client(site.b.tokens["writer"]) as other:
        for path, row_id in ids.items():
            assert problem_of(other.get(site.path(site.b, f"{path}/{row_id}")), 404)["code"].endswith("_NOT_FOUND")
            assert problem_of(other.patch(site.path(site.b, f"{path}/{row_id}"), json={}), 404)
