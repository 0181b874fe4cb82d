"""Answers in every shape that was recorded from the real service, and in none at all: each is a document or a fault."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_pipelines.quickbooks.api.answers import read_answer, server_time
from invoice_pipelines.quickbooks.api.faults import KIND_OF_CODE, Fault, FaultKind

GATEWAY = b"""{"warnings":null,"intuitObject":null,"fault":{"error":[{"message":
"message=AuthenticationFailed; errorCode=003200; statusCode=401","detail":"Token expired: AB01168296SECRET",
"code":"3200","element":null}],"type":"AUTHENTICATION"},"report":null,"time":1730024394085}"""
XML = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?><IntuitResponse time="2026-01-01T00:00:00.000-08:00"
xmlns="http://schema.intuit.com/finance/v3"><Fault type="SERVICE"><Error code="3001"><Message>message=ThrottleExceeded;
errorCode=003001; statusCode=429</Message><Detail>The request limit was reached. Try again later</Detail></Error>
</Fault></IntuitResponse>"""


def fault_of(status: int, body: bytes, **headers: str) -> Fault:
    with pytest.raises(Fault) as fault:
        read_answer(status, httpx.Headers(headers), body)
    return fault.value


def json_fault(code: str, kind: str = "ValidationFault") -> bytes:
    return f'{{"Fault":{{"Error":[{{"Message":"M","Detail":"D","code":"{code}"}}],"type":"{kind}"}}}}'.encode()


def test_the_gateway_s_own_shape_is_understood_and_the_token_in_it_is_not_repeated() -> None:
    fault = fault_of(401, GATEWAY, intuit_tid="1-2-3")
    assert (fault.kind, fault.code, fault.status, fault.intuit_tid) == (FaultKind.REFRESH, "3200", 401, "1-2-3")
    assert "SECRET" not in str(fault) + repr(fault) + repr(vars(fault))


def test_a_throttle_in_xml_is_understood_also_when_it_is_cut_off() -> None:
    for body in (XML, XML[:330]):
        fault = fault_of(429, body)
        assert (fault.kind, fault.code) == (FaultKind.WAIT, "3001")
    assert fault_of(403, XML).kind is FaultKind.WAIT


def test_entities_in_xml_are_not_opened() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Fault type="SERVICE"><Error code="1"><Message>&x;'
    assert "root:" not in str(fault_of(400, bomb))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "refresh"), (403, "paused"), (429, "wait"), (500, "unknown"), (502, "unknown"), (503, "retry")],
)
def test_a_page_for_people_is_judged_by_its_status(status: int, kind: str) -> None:
    assert fault_of(status, b"<!DOCTYPE html><html><body>Sorry</body></html>").kind == kind


def test_how_long_to_wait_is_taken_from_the_answer() -> None:
    assert fault_of(429, b"", **{"Retry-After": "17"}).retry_after == 17
    assert fault_of(429, b"", **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}).retry_after is None


def test_of_several_errors_that_about_the_whole_company_decides() -> None:
    body = b'{"Fault":{"Error":[{"Message":"a","code":"2010"},{"Message":"b","code":"6190"}],"type":"ValidationFault"}}'
    fault = fault_of(400, body)
    assert (fault.kind, fault.code, len(fault.errors)) == (FaultKind.PAUSED, "6190", 2)
    assert "and 1 more" in str(fault)


@pytest.mark.parametrize(("code", "kind"), sorted(KIND_OF_CODE.items()))
def test_each_known_code_has_its_kind_with_and_without_leading_zeros(code: str, kind: FaultKind) -> None:
    for written in (code, code.zfill(6)):
        for status in (200, 400, 500):
            fault = fault_of(status, json_fault(written))
            assert (fault.kind, fault.code) == (kind, code)


@pytest.mark.parametrize(
    ("status", "code", "fault_type", "kind"),
    [
        (400, "2999", "ValidationFault", "data"),
        (400, "6999", "ValidationFault", "operator"),
        (500, "99999", "SystemFault", "retry"),
        (401, "99999", "AuthenticationFault", "refresh"),
        (403, "", "AuthorizationFault", "paused"),
        (400, "4999", "ValidationFault", "bug"),
    ],
)
def test_a_code_that_is_new_is_judged_by_its_type_status_and_range(
    status: int, code: str, fault_type: str, kind: str
) -> None:
    assert fault_of(status, json_fault(code, fault_type)).kind == kind


@given(st.integers(100, 599), st.binary(max_size=300) | st.sampled_from([XML, GATEWAY, json_fault("6240")]), st.data())
def test_no_answer_whatever_is_in_it_breaks_the_reader(status: int, body: bytes, data: Any) -> None:
    body = body[: data.draw(st.integers(0, len(body)))]
    try:
        read: dict[str, Any] | Fault = read_answer(status, httpx.Headers({}), body)
    except Fault as fault:
        read = fault
    assert "\n" not in str(read) if isinstance(read, Fault) else 200 <= status < 300


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["Error", "code", "Message", "type", "Detail"]), inner, max_size=4)
        ),
    )
)
def test_a_fault_that_is_put_together_in_another_way_is_still_a_fault(inside: Any) -> None:
    body = json.dumps({"Fault": {"Error": inside, "type": inside}, "time": inside}).encode()
    assert fault_of(400, body).status == 400


def test_the_time_is_that_of_the_server_with_its_offset() -> None:
    document = {"time": "2026-07-24T10:48:27.082-07:00"}
    assert server_time(document, {}) == datetime.fromisoformat("2026-07-24T17:48:27.082+00:00")
    assert server_time({}, {"date": "Fri, 24 Jul 2026 17:48:27 GMT"}) == datetime.fromisoformat("2026-07-24T17:48:27Z")
    with pytest.raises(Fault, match="when it was made"):
        server_time({"time": 1730024394085}, {})
