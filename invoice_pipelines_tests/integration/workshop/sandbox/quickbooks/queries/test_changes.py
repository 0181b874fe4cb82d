"""Change data capture, and the clock that it goes by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import REALM, Api, error_of

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def _changes(api: Api, entities: str, since: datetime) -> list[dict[str, Any]]:
    answer = api.get("/cdc", entities=entities, changedSince=since.isoformat())
    assert answer.status_code == 200, answer.text
    (captured,) = answer.json()["CDCResponse"]
    found: list[dict[str, Any]] = captured["QueryResponse"]
    return found


def _objects(answers: list[dict[str, Any]]) -> int:
    return sum(len(rows) for one in answers for rows in one.values() if isinstance(rows, list))


def test_what_changed_comes_in_the_order_of_the_entities_asked_for(
    sandbox: Sandbox, api: Api, books: Accountant
) -> None:
    sandbox.clock.set(NOON, stopped=True)
    api.http.headers["Authorization"] = f"Bearer {sandbox.tokens(REALM).access_token}"
    customer = books.customer("A")["Id"]
    books.customer("unchanged since")
    owed = books.invoice(customer, 10)["Id"]
    sandbox.clock.shift(timedelta(minutes=1))
    gone = books.invoice(customer, 5)["Id"]
    books.delete("Invoice", gone)
    books.pay(owed, 1)
    items, invoices, payments, customers = _changes(api, "Item,Invoice,Payment,Customer", NOON + timedelta(seconds=30))
    assert items == {}
    assert {one["Id"] for one in invoices["Invoice"]} == {owed, gone}
    assert [one["Id"] for one in customers["Customer"]] == [customer]
    assert len(payments["Payment"]) == 1
    (tombstone,) = [one for one in invoices["Invoice"] if one["Id"] == gone]
    assert tombstone == {
        "domain": "QBO",
        "status": "Deleted",
        "Id": gone,
        "MetaData": {"LastUpdatedTime": "2026-03-05T04:01:00-08:00"},
    }


def test_inactive_names_are_told_as_changes(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    customer = books.customer("A")["Id"]
    books.deactivate("Customer", customer)
    (found,) = _changes(api, "Customer", datetime.now(UTC) - timedelta(minutes=1))
    assert found["Customer"][0]["Active"] is False


@pytest.mark.parametrize(("kept", "times"), [("newest", {True}), ("oldest", {False})])
def test_an_answer_holds_1000_objects_in_all(sandbox: Sandbox, api: Api, kept: Any, times: set[bool]) -> None:
    sandbox.switches.cdc_keeps = kept
    sandbox.seed(REALM, customers=1500, over=timedelta(0))
    sandbox.clock.shift(timedelta(minutes=1))
    sandbox.seed(REALM, customers=1500, over=timedelta(0))
    (found,) = _changes(api, "Customer", sandbox.clock.now() - timedelta(hours=1))
    assert len(found["Customer"]) == 1000
    assert {int(one["Id"]) > 1500 for one in found["Customer"]} == times


def test_the_first_entities_fill_the_answer_by_switch(sandbox: Sandbox, api: Api) -> None:
    sandbox.switches.cdc_keeps = "first_entities"
    sandbox.seed(REALM, customers=700, items=700)
    items, customers = _changes(api, "Item,Customer", sandbox.clock.now() - timedelta(hours=2))
    assert (len(items["Item"]), len(customers["Customer"])) == (700, 300)


def test_more_than_30_days_are_refused(sandbox: Sandbox, api: Api) -> None:
    since = (sandbox.clock.now() - timedelta(days=31)).isoformat()
    assert error_of(api.get("/cdc", entities="Customer", changedSince=since)) == (
        400,
        "4001",
        f"Operation cdc with changedSince date {since} which is older than fixed days is not supported.",
    )


def test_tax_codes_are_not_captured(api: Api) -> None:
    assert error_of(api.get("/cdc", entities="TaxCode", changedSince=datetime.now(UTC).isoformat()))[1] == "4001"


def test_a_row_that_cannot_be_shown_fails_the_whole_answer(api: Api, books: Accountant) -> None:
    books.poison("Customer", books.customer("A")["Id"])
    since = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert error_of(api.get("/cdc", entities="Customer", changedSince=since))[:2] == (500, "10000")


def test_times_are_whole_seconds_in_the_offset_of_the_season(sandbox: Sandbox, books: Accountant) -> None:
    sandbox.clock.set(datetime(2026, 3, 8, 9, 59, 59, 700_000, UTC), stopped=True)
    assert books.customer("A")["MetaData"]["CreateTime"] == "2026-03-08T01:59:59-08:00"
    sandbox.clock.shift(timedelta(seconds=1))
    assert books.customer("B")["MetaData"]["CreateTime"] == "2026-03-08T03:00:00-07:00"


def test_the_answer_around_a_document_has_the_clock_of_the_server(sandbox: Sandbox, api: Api) -> None:
    sandbox.switches.access_token_lifetime = timedelta(days=1)
    api.http.headers["Authorization"] = f"Bearer {sandbox.tokens(REALM).access_token}"
    sandbox.clock.shift(timedelta(minutes=10))
    time = datetime.fromisoformat(api.get("/query", query="select * from Item").json()["time"])
    assert timedelta(minutes=9) < time - datetime.now(UTC) < timedelta(minutes=11)


def test_a_time_without_offset_is_in_a_zone_by_switch(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    sandbox.clock.set(NOON)
    api.http.headers["Authorization"] = f"Bearer {sandbox.tokens(REALM).access_token}"
    books.customer("A")
    statement = "select count(*) from Customer where MetaData.LastUpdatedTime >= '2026-03-05T10:00:00'"
    assert api.query(statement) == {"totalCount": 0}
    sandbox.switches.zone_of_local_times = "UTC"
    assert api.query(statement) == {"totalCount": 1}


@pytest.mark.parametrize("moves", [True, False])
def test_a_balance_counts_as_a_change_of_the_customer_by_switch(
    sandbox: Sandbox, api: Api, books: Accountant, moves: bool
) -> None:
    sandbox.switches.balance_moves_customer = moves
    customer = books.customer("A")["Id"]
    sandbox.clock.shift(timedelta(minutes=5))
    books.invoice(customer, 10)
    (found,) = _changes(api, "Customer", sandbox.clock.now() - timedelta(minutes=1))
    assert bool(found) is moves
    assert books.document("Customer", customer)["Balance"] == 10


def test_a_merged_customer_can_look_deleted_by_switch(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    sandbox.switches.merge_leaves = "deleted"
    loser, survivor = books.customer("A")["Id"], books.customer("B")["Id"]
    books.merge(loser, survivor)
    (found,) = _changes(api, "Customer", datetime.now(UTC) - timedelta(minutes=1))
    assert {one["Id"]: one.get("status") for one in found["Customer"]} == {loser: "Deleted", survivor: None}
    assert _objects([found]) == 2
