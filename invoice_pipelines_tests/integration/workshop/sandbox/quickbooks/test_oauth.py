"""Tokens: how they are got, rotated, lost and refused."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Fault, Sandbox
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import REALM, Api

CLIENT = ("client", "secret")
BACK = "http://127.0.0.1:1/callback"


def _token(
    sandbox: Sandbox, auth: tuple[str, str] = CLIENT, headers: dict[str, str] | None = None, **form: str
) -> httpx.Response:
    url = f"{sandbox.url}/oauth2/v1/tokens/bearer"
    return httpx.post(url, data=form, auth=auth, headers=headers, verify=False)


def _refresh(sandbox: Sandbox, token: str) -> httpx.Response:
    return _token(sandbox, grant_type="refresh_token", refresh_token=token)


def _authorize(sandbox: Sandbox, **more: str) -> httpx.Response:
    asked = {"client_id": "client", "response_type": "code", "scope": "x", "redirect_uri": BACK, "state": "s", **more}
    return httpx.get(f"{sandbox.url}/connect/oauth2", params=asked, verify=False)


def test_a_code_gives_tokens_once_and_for_its_address_only(sandbox: Sandbox, api: Api) -> None:
    sent = parse_qs(urlsplit(_authorize(sandbox).headers["Location"]).query)
    assert (sent["state"], sent["realmId"]) == (["s"], [REALM])
    form = {"grant_type": "authorization_code", "code": sent["code"][0]}
    first = _token(sandbox, redirect_uri=BACK, **form)
    assert first.json()["expires_in"] == 3600
    assert first.json()["x_refresh_token_expires_in"] == 8_726_400
    api.http.headers["Authorization"] = f"Bearer {first.json()['access_token']}"
    assert api.get("/companyinfo/9130001").json()["CompanyInfo"]["CompanyName"] == "Sandbox Company"
    assert _token(sandbox, redirect_uri=BACK, **form).json() == {"error": "invalid_grant"}
    other = parse_qs(urlsplit(_authorize(sandbox).headers["Location"]).query)["code"][0]
    form["code"] = other
    assert _token(sandbox, redirect_uri="http://elsewhere", **form).status_code == 400


def test_a_person_can_refuse_or_choose(sandbox: Sandbox) -> None:
    assert "error=access_denied" in _authorize(sandbox, deny="1").headers["Location"]
    sandbox.add_company("2")
    assert "Choose a company" in _authorize(sandbox).text
    assert "realmId=2" in _authorize(sandbox, realm="2").headers["Location"]


def test_each_refresh_gives_a_new_token_and_the_old_one_is_worth_nothing(sandbox: Sandbox) -> None:
    sandbox.switches.refresh_token_rotates_after = timedelta()
    first = sandbox.tokens(REALM)
    answer = _refresh(sandbox, first.refresh_token)
    assert answer.json()["refresh_token"] != first.refresh_token
    old = _refresh(sandbox, first.refresh_token)
    assert (old.status_code, old.content) == (400, b'{"error":"invalid_grant"}')
    assert [call.code for call in sandbox.calls(operation="token")] == ["", "invalid_grant"]


def test_within_a_grace_the_old_token_gives_the_newest_again(sandbox: Sandbox) -> None:
    sandbox.switches.refresh_token_rotates_after = timedelta()
    sandbox.switches.refresh_token_grace = timedelta(hours=24)
    first = sandbox.tokens(REALM).refresh_token
    newest = _refresh(sandbox, first).json()["refresh_token"]
    assert _refresh(sandbox, first).json()["refresh_token"] == newest
    sandbox.clock.shift(timedelta(hours=25))
    assert _refresh(sandbox, first).status_code == 400


def test_a_token_can_stay_the_same_for_a_day(sandbox: Sandbox) -> None:
    sandbox.switches.refresh_token_rotates_after = timedelta(days=1)
    first = sandbox.tokens(REALM).refresh_token
    assert _refresh(sandbox, first).json()["refresh_token"] == first
    sandbox.clock.shift(timedelta(hours=25))
    assert _refresh(sandbox, first).json()["refresh_token"] != first


def test_tokens_end_by_age_by_revocation_and_after_five_years(sandbox: Sandbox, api: Api) -> None:
    assert api.get("/query", query="select * from Item").status_code == 200
    sandbox.clock.shift(timedelta(minutes=61))
    assert api.get("/query", query="select * from Item").status_code == 401
    idle = sandbox.tokens(REALM).refresh_token
    sandbox.clock.shift(timedelta(days=102))
    assert _refresh(sandbox, idle).status_code == 400
    token = sandbox.tokens(REALM).refresh_token
    for _ in range(19):
        sandbox.clock.shift(timedelta(days=100))
        answer = _refresh(sandbox, token)
        token = answer.json().get("refresh_token", token)
    assert answer.json() == {"error": "invalid_grant"}
    pair = sandbox.tokens(REALM)
    httpx.post(f"{sandbox.url}/v2/oauth2/tokens/revoke", json={"token": pair.refresh_token}, auth=CLIENT)
    api.http.headers["Authorization"] = f"Bearer {pair.access_token}"
    assert api.get("/query", query="select * from Item").status_code == 401
    assert _refresh(sandbox, pair.refresh_token).status_code == 400


def test_the_hard_end_is_told_to_those_who_ask(sandbox: Sandbox) -> None:
    token = sandbox.tokens(REALM).refresh_token
    headers = {"x-include-refresh-token-hard-expires-in": "true"}
    answer = _token(sandbox, headers=headers, grant_type="refresh_token", refresh_token=token).json()
    assert answer["x_refresh_token_hard_expires_in"] == pytest.approx(5 * 365 * 86_400, abs=5)
    assert "x_refresh_token_hard_expires_in" not in _refresh(sandbox, answer["refresh_token"]).json()


def test_a_wrong_client_is_told_so(sandbox: Sandbox) -> None:
    sandbox.oauth.clients["client"] = "secret"
    token = sandbox.tokens(REALM).refresh_token
    answer = _token(sandbox, auth=("client", "wrong"), grant_type="refresh_token", refresh_token=token)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert _refresh(sandbox, token).status_code == 200


def test_the_answer_to_a_refresh_can_be_lost(sandbox: Sandbox) -> None:
    sandbox.switches.refresh_token_rotates_after = timedelta()
    sandbox.faults.inject(Fault.LOSE_ANSWER, operation="token")
    token = sandbox.tokens(REALM).refresh_token
    with pytest.raises(httpx.RemoteProtocolError):
        _refresh(sandbox, token)
    assert _refresh(sandbox, token).status_code == 400


def test_the_discovery_document_leads_to_the_sandbox(sandbox: Sandbox) -> None:
    found = httpx.get(f"{sandbox.url}/.well-known/openid_sandbox_configuration").json()
    assert found["token_endpoint"] == f"{sandbox.url}/oauth2/v1/tokens/bearer"
