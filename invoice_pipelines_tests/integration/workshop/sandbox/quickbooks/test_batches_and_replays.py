"""Batches, and request ids: what was done once is not done again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import REALM, Api, error_of, invoice


def _create(b_id: str, name: str) -> dict[str, Any]:
    return {"bId": b_id, "operation": "create", "Customer": {"DisplayName": name}}


def test_the_parts_of_a_batch_succeed_and_fail_one_by_one(api: Api, books: Accountant) -> None:
    customer = books.customer("A")
    answers = api.batch(
        _create("1", "B"),
        _create("2", "a"),
        {"bId": "3", "operation": "update", "Customer": {"Id": customer["Id"], "SyncToken": "7", "sparse": True}},
        {"bId": "4", "operation": "delete", "Invoice": {"Id": "55", "SyncToken": "0"}},
        {"bId": "5", "Query": "select * from Customer"},
    )
    codes = {b_id: one["Fault"]["Error"][0]["code"] for b_id, one in answers.items() if "Fault" in one}
    assert codes == {"2": "6240", "3": "5010", "4": "610"}
    assert answers["1"]["Customer"]["DisplayName"] == "B"
    assert [one["DisplayName"] for one in answers["5"]["QueryResponse"]["Customer"]] == ["A"]


def test_what_a_batch_makes_is_not_seen_within_it(api: Api) -> None:
    answers = api.batch(
        _create("1", "A"),
        {"bId": "2", "operation": "create", "Invoice": invoice("1", "10")},
        {"bId": "3", "operation": "update", "Customer": {"Id": "1", "SyncToken": "0", "sparse": True, "Notes": "x"}},
    )
    assert "Customer" in answers["1"]
    assert {answers[one]["Fault"]["Error"][0]["code"] for one in ("2", "3")} <= {"2500", "610"}
    assert "Invoice" in api.batch({"bId": "2", "operation": "create", "Invoice": invoice("1", "10")})["2"]


def test_a_batch_voids_unless_a_switch_says_otherwise(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    customer = books.customer("A")["Id"]
    first, second = (books.invoice(customer, 10)["Id"] for _ in range(2))
    void = {"bId": "1", "operation": "void", "Invoice": {"Id": first, "SyncToken": "0"}}
    assert api.batch(void)["1"]["Invoice"]["TotalAmt"] == 0
    sandbox.switches.void_in_batch = False
    refused = api.batch({**void, "Invoice": {"Id": second, "SyncToken": "0"}})
    assert refused["1"]["Fault"]["Error"][0]["code"] == "500"


def test_a_batch_has_30_parts_at_the_most(api: Api, books: Accountant) -> None:
    parts = [_create(str(number), f"C{number}") for number in range(31)]
    status, code, detail = error_of(api.post("/batch", {"BatchItemRequest": parts}))
    assert (status, code) == (400, "1040")
    assert detail.startswith("Batch size exceeds allowed limit")
    assert books.count("Customer") == 0


def test_the_answers_of_a_batch_come_in_any_order(api: Api) -> None:
    answer = api.post("/batch", {"BatchItemRequest": [_create(str(one), f"C{one}") for one in range(10)]})
    order = [one["bId"] for one in answer.json()["BatchItemResponse"]]
    assert order != sorted(order)


def test_a_request_id_gives_the_first_answer_again_whatever_is_sent(sandbox: Sandbox, api: Api) -> None:
    first = api.post("/customer", {"DisplayName": "A"}, requestid="r")
    again = api.post("/customer", {"DisplayName": "B"}, requestid="r")
    assert again.text == first.text
    assert [call.replayed for call in sandbox.log] == [False, True]
    sandbox.switches.changed_body = "refuse"
    assert error_of(api.post("/customer", {"DisplayName": "B"}, requestid="r"))[1] == "600"


def test_a_request_id_belongs_to_its_company_and_is_forgotten_after_a_day(sandbox: Sandbox, api: Api) -> None:
    api.post("/customer", {"DisplayName": "A"}, requestid="r")
    other = sandbox.add_company("2")
    api.http.base_url = f"{sandbox.url}/v3/company/2"
    api.http.headers["Authorization"] = f"Bearer {sandbox.tokens('2').access_token}"
    assert api.post("/customer", {"DisplayName": "A"}, requestid="r").status_code == 200
    sandbox.switches.access_token_lifetime = timedelta(days=9)
    api.http.headers["Authorization"] = f"Bearer {sandbox.tokens('2').access_token}"
    sandbox.clock.shift(timedelta(hours=23))
    api.post("/customer", {"DisplayName": "A"}, requestid="r")
    assert other.count("Customer") == 1
    sandbox.clock.shift(timedelta(hours=2))
    assert error_of(api.post("/customer", {"DisplayName": "A"}, requestid="r"))[1] == "6240"


def test_refusals_are_replayed_too_unless_a_switch_says_otherwise(
    sandbox: Sandbox, api: Api, books: Accountant
) -> None:
    taken = books.customer("A")["Id"]
    api.post("/customer", {"DisplayName": "A"}, requestid="r")
    books.edit("Customer", taken, DisplayName="B")
    assert error_of(api.post("/customer", {"DisplayName": "A"}, requestid="r"))[1] == "6240"
    sandbox.switches.replay_faults = False
    books.edit("Customer", taken, DisplayName="A")
    api.post("/customer", {"DisplayName": "A"}, requestid="s")
    books.edit("Customer", taken, DisplayName="B")
    assert api.post("/customer", {"DisplayName": "A"}, requestid="s").status_code == 200


@pytest.mark.parametrize(
    ("path", "b_id", "request_id"), [("/batch", "1", "x" * 37), ("/batch", "y" * 11, "x"), ("/customer", "", "x" * 51)]
)
def test_ids_that_are_too_long_are_refused(api: Api, path: str, b_id: str, request_id: str) -> None:
    body = {"BatchItemRequest": [_create(b_id, "A")]} if b_id else {"DisplayName": "A"}
    assert error_of(api.post(path, body, requestid=request_id))[1] == "2130"


def test_a_batch_that_is_sent_many_times_at_once_is_done_once(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    def send(_: int) -> str:
        return api.post(
            "/batch", {"BatchItemRequest": [_create(str(n), f"C{n}") for n in range(30)]}, requestid="r"
        ).text

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(send, range(8)))) == 1
    assert books.count("Customer") == 30
    assert len(sandbox.calls(REALM, "batch")) == 8
    assert [len(call.items) for call in sandbox.calls(REALM, "batch") if not call.replayed] == [30]
