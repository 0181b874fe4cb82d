"""How often a company may be asked, and everything that can be made to go wrong."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Fault, Sandbox
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import REALM, Api, error_of
from invoice_pipelines_tests.support.waiting import seconds_until, wait_for


def _statuses(api: Api, count: int) -> list[int]:
    return [api.get("/customer/1").status_code for _ in range(count)]


def test_ten_calls_in_a_second_are_answered_and_no_more(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    books.customer("A")
    sandbox.switches.throttled = True
    assert _statuses(api, 12) == [200] * 10 + [429] * 2
    assert sandbox.count_throttled(REALM) == 2
    assert 0.3 < seconds_until("another second", lambda: _statuses(api, 1) == [200], 10) < 3


@pytest.mark.parametrize("window", ["sliding", "fixed"])
def test_a_minute_has_its_limit_and_can_be_short(sandbox: Sandbox, api: Api, books: Accountant, window: Any) -> None:
    books.customer("A")
    sandbox.switches.window = window
    sandbox.switches.throttled = True
    sandbox.switches.calls_per_second = sandbox.switches.calls_per_minute = 20
    sandbox.switches.time_scale = 120  # a minute of half a second
    found = _statuses(api, 41)
    assert found[:20] == [200] * 20
    assert 429 in found
    wait_for("another minute", lambda: _statuses(api, 1) == [200], 10)


def test_batches_have_a_limit_of_their_own(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    books.customer("A")
    sandbox.switches.throttled = True
    sandbox.switches.calls_per_second = 100
    batch = {"BatchItemRequest": [{"bId": "1", "Query": "select count(*) from Customer"}]}
    statuses = [api.post("/batch", batch).status_code for _ in range(42)]
    assert statuses == [200] * 40 + [429] * 2
    assert _statuses(api, 1) == [200]


def test_companies_are_throttled_apart(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    books.customer("A")
    sandbox.switches.throttled = True
    _statuses(api, 12)
    sandbox.add_company("2").customer("A")
    assert _statuses(Api(sandbox, "2"), 1) == [200]


def test_ten_calls_are_under_way_at_once_and_no_more(sandbox: Sandbox, api: Api, books: Accountant) -> None:
    books.customer("A")
    sandbox.switches.throttled = True
    sandbox.switches.calls_per_second = 100
    sandbox.switches.latency_per_call = 0.6
    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(lambda _: api.get("/customer/1").status_code, range(12)))
    assert sorted(found) == [200] * 10 + [429] * 2


def test_latency_is_that_of_the_call_and_of_each_part(sandbox: Sandbox, api: Api) -> None:
    sandbox.switches.latency_per_call, sandbox.switches.latency_per_item = 0.05, 0.01
    parts = [{"bId": str(one), "Query": "select count(*) from Item"} for one in range(10)]
    begin = time.monotonic()
    api.post("/batch", {"BatchItemRequest": parts})
    assert 0.15 <= time.monotonic() - begin < 0.4


@pytest.mark.parametrize(
    ("shape", "status", "text"),
    [
        ("json", 429, '"type":"SERVICE"'),
        ("xml", 429, '<Error code="3001"><Message>message=ThrottleExceeded; errorCode=003001; statusCode=429'),
        ("403", 403, '"code":"3001"'),
    ],
)
def test_a_throttled_call_is_told_in_json_in_xml_or_as_forbidden(
    sandbox: Sandbox, api: Api, shape: Any, status: int, text: str
) -> None:
    sandbox.switches.throttle_shape = shape
    sandbox.switches.throttled = True
    sandbox.switches.calls_per_second = 0
    answer = api.get("/customer/1")
    assert answer.status_code == status
    assert text in answer.text
    assert "Retry-After" not in answer.headers
    assert answer.headers["intuit_tid"]


@pytest.mark.parametrize(("kind", "shown"), [("seconds", "1"), ("date", " GMT")])
def test_a_throttled_call_may_say_when_to_come_again(sandbox: Sandbox, api: Api, kind: Any, shown: str) -> None:
    sandbox.switches.throttled = True
    sandbox.switches.retry_after = kind
    assert shown in [api.get("/customer/1") for _ in range(11)][-1].headers["Retry-After"]


CREATE = {"DisplayName": "A"}


@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.CUT])
def test_what_was_done_can_stay_without_an_answer(api: Api, books: Accountant, fault: Fault) -> None:
    api.sandbox.faults.inject(fault, entity="Customer", operation="create")
    with pytest.raises(httpx.RemoteProtocolError):
        api.post("/customer", CREATE, requestid="r")
    assert books.count("Customer") == 1
    assert api.post("/customer", CREATE, requestid="r").status_code == 200
    assert books.count("Customer") == 1


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.TIME_OUT])
def test_a_call_can_hang_before_or_after_it_is_done(api: Api, books: Accountant, fault: Fault) -> None:
    api.sandbox.faults.inject(fault)
    with pytest.raises(httpx.ReadTimeout):
        api.http.post("/customer", json=CREATE, timeout=0.1)
    assert books.count("Customer") == (1 if fault is Fault.TIME_OUT else 0)


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.EMPTY, Fault.NOT_JSON])
def test_an_answer_can_be_no_json_although_it_was_done(api: Api, books: Accountant, fault: Fault) -> None:
    api.sandbox.faults.inject(fault)
    answer = api.post("/customer", CREATE)
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert books.count("Customer") == 1


@pytest.mark.parametrize(
    ("fault", "more", "status", "text"),
    [
        (Fault.THROTTLED, {"seconds": 7}, 429, '"code":"3001"'),
        (Fault.THROTTLED_XML, {}, 429, 'code="3001"'),
        (Fault.THROTTLED_403, {}, 403, '"code":"3001"'),
        (Fault.UNAUTHORIZED, {}, 401, '"fault":{"error":[{"message":"message=AuthenticationFailed; errorCode=003200'),
        (Fault.FORBIDDEN, {}, 403, '"code":"3100"'),
        (Fault.XML_ERROR, {}, 500, '<Error code="10000">'),
        (Fault.BAD_GATEWAY, {}, 502, "<html>"),
        (Fault.UNAVAILABLE, {}, 503, "<html>"),
        (Fault.REFUSED, {"code": "6190"}, 400, '"code":"6190"'),
        (Fault.REFUSED, {"code": "120"}, 401, '"code":"120"'),
        (Fault.REFUSED_WITH_200, {}, 200, '"Fault":{"Error":['),
        (Fault.TWO_ERRORS, {"code": "6000"}, 400, '"code":"6000"'),
    ],
)
def test_a_call_can_fail_in_every_shape_with_nothing_done(
    api: Api, books: Accountant, fault: Fault, more: dict[str, Any], status: int, text: str
) -> None:
    api.sandbox.faults.inject(fault, operation="create", **more)
    answer = api.post("/customer", CREATE, requestid="r")
    assert answer.status_code == status
    assert text in answer.text
    assert books.count("Customer") == 0
    assert answer.headers.get("Retry-After") == ("7" if more.get("seconds") else None)
    assert api.post("/customer", CREATE, requestid="r").status_code == 200
    assert [call.fault for call in api.sandbox.log] == [fault.value, ""]


@pytest.mark.parametrize("fault", [Fault.APPLIED_AND_REFUSED, Fault.GATEWAY_TIME_OUT])
def test_a_call_can_be_done_and_answered_as_if_it_failed(api: Api, books: Accountant, fault: Fault) -> None:
    api.sandbox.faults.inject(fault)
    assert api.post("/customer", CREATE, requestid="r").status_code >= 500
    assert books.count("Customer") == 1
    assert "Customer" in api.post("/customer", CREATE, requestid="r").json()


def test_a_token_that_is_none_is_refused_in_the_shape_of_the_gateway(api: Api) -> None:
    answer = api.http.get("/customer/1", headers={"Authorization": "Bearer nobody"})
    body = answer.json()
    assert answer.status_code == 401
    assert body["fault"]["error"][0]["code"] == "3200"
    assert body["fault"]["type"] == "AUTHENTICATION"
    assert isinstance(body["time"], int)
    assert "Fault" not in body


def test_faults_are_chosen_by_number_operation_text_and_chance(api: Api, books: Accountant) -> None:
    faults = api.sandbox.faults
    faults.inject(Fault.UNAVAILABLE, operation="read", nth=2, times=2)
    books.customer("A")
    assert _statuses(api, 5) == [200, 503, 503, 200, 200]
    faults.inject(Fault.UNAVAILABLE, contains="needle", times=None)
    assert api.post("/customer", {"DisplayName": "needle"}).status_code == 503
    assert api.post("/customer", {"DisplayName": "hay"}).status_code == 200
    faults.clear()
    faults.inject(Fault.UNAVAILABLE, probability=0.5, seed=3, times=None)
    first = _statuses(api, 20)
    assert set(first) == {200, 503}
    faults.clear()
    faults.inject(Fault.UNAVAILABLE, probability=0.5, seed=3, times=None)
    assert _statuses(api, 20) == first
    faults.clear()
    faults.inject(Fault.UNAVAILABLE, realm="2", times=None)
    assert _statuses(api, 1) == [200]


def test_parts_of_a_batch_fail_are_left_out_or_lose_their_id(api: Api, books: Accountant) -> None:
    faults = api.sandbox.faults
    faults.inject(Fault.ITEM, code="3001", contains="2")
    faults.inject(Fault.ITEM_MISSING, contains="3")
    faults.inject(Fault.ITEM_WITHOUT_ID, entity="Customer", operation="create", nth=3)
    parts = [{"bId": str(n), "operation": "create", "Customer": {"DisplayName": f"C{n}"}} for n in range(5)]
    answers = api.batch(*parts, requestid="r")
    assert answers["2"]["Fault"]["Error"][0]["code"] == "3001"
    assert "3" not in answers
    assert "" in answers
    assert len(answers) == 4
    assert books.count("Customer") == 4
    assert api.batch(*parts, requestid="r")["2"]["Fault"]["Error"][0]["code"] == "3001"


def test_a_path_that_is_not_there_is_unsupported(api: Api) -> None:
    assert error_of(api.get("/salesorder/1"))[:2] == (400, "500")


def test_a_body_that_is_no_json_is_refused(api: Api) -> None:
    assert error_of(api.http.post("/customer", content=b"{"))[1] == "2010"
    assert error_of(api.http.post("/customer", content=b'{"DisplayName":"\xff"}'))[1] == "500"


@pytest.mark.parametrize(
    "body",
    [
        {"DisplayName": 5},
        {"DisplayName": "A", "BillAddr": "x"},
        {"DisplayName": "A", "PrimaryEmailAddr": "a@b.c"},
        {"DisplayName": "A", "ParentRef": "1"},
        {"DisplayName": "A", "Active": "yes"},
    ],
)
def test_a_body_of_another_shape_is_refused(api: Api, body: dict[str, Any]) -> None:
    status, code, _ = error_of(api.post("/customer", body))
    assert status == 400
    assert code in ("2010", "2500")
