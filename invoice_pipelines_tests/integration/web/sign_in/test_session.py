"""Signing in and out over HTTP, and what a browser is told to keep."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.sessions import accept_invitation
from invoice_pipelines.accounts.users import invite, set_role
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines_tests.support.desk.visitors import needs_chromium
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.support.web import Site, add_person, problem_of, running_site
from invoice_pipelines_tests.system.ui.browser import browsing

PASSWORD = "correct horse battery staple"
OURS = {"Sec-Fetch-Site": "same-origin"}
SESSION = "/api/v1/session"


@pytest.fixture
def anna(site: Site) -> str:
    """The email of an accountant of the first organization, who has a password."""
    with site.database.superuser.begin() as connection:
        connection.execute(text("delete from accounts.sign_in_throttle"))
    email = add_person(site.database, "anna")
    with site.database.engine.begin() as connection:
        set_role(connection, email, site.a.slug, Role.ACCOUNTANT, actor="test")
        link = invite(connection, email, actor="test")
    accept_invitation(site.engine, link, PASSWORD, address="192.0.2.1")
    return email


def sign_in(site: Site, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    with site.client() as client:
        return client.post(SESSION, json={"email": email, "password": password}, headers={**OURS, **headers})


def secret_of(answer: httpx.Response) -> str:
    """The secret that the browser was told to keep, in a cookie that no script and no other site gets."""
    assert answer.status_code == 200, answer.text
    name, _, rest = answer.headers["set-cookie"].partition("=")
    secret, _, attributes = rest.partition("; ")
    assert name == SESSION_COOKIE == "__Host-session"
    assert set(attributes.split("; ")) == {"HttpOnly", "Path=/", "SameSite=lax", "Secure"}
    return secret


def test_a_person_signs_in_sees_where_to_go_and_signs_out(site: Site, anna: str) -> None:
    answer = sign_in(site, anna.upper())
    secret = secret_of(answer)
    assert answer.json()["email"] == anna
    assert answer.json()["organizations"] == [{"organization": site.a.slug, "role": "accountant"}]
    assert secret not in answer.text
    with site.browser(secret) as browser:
        assert browser.get(SESSION).json() == answer.json()
        assert browser.get(site.path(site.a, "customers")).status_code == 200
        left = browser.delete(SESSION)
        assert (left.status_code, left.content) == (204, b"")
        assert f'{SESSION_COOKIE}=""' in left.headers["set-cookie"]
        assert "Max-Age=0" in left.headers["set-cookie"]
        problem_of(browser.get(SESSION), 401)
        problem_of(browser.get(site.path(site.a, "customers")), 401)
        assert browser.delete(SESSION).status_code == 204


def test_a_session_that_the_browser_had_ends_when_another_begins(site: Site, anna: str) -> None:
    first = secret_of(sign_in(site, anna))
    elsewhere = secret_of(sign_in(site, anna))
    second = secret_of(sign_in(site, anna, Cookie=f"{SESSION_COOKIE}={first}"))
    assert len({first, second, elsewhere}) == 3
    for secret, status in ((first, 401), (second, 200), (elsewhere, 200)):
        with site.browser(secret) as browser:
            assert browser.get(SESSION).status_code == status


def test_a_secret_that_an_attacker_put_into_the_browser_becomes_no_session(site: Site, anna: str) -> None:
    planted = "A" * 43
    assert secret_of(sign_in(site, anna, Cookie=f"{SESSION_COOKIE}={planted}")) != planted
    with site.browser(planted) as browser:
        problem_of(browser.get(SESSION), 401)


def test_a_token_is_no_session(site: Site) -> None:
    with site.client(site.a.tokens["reader"]) as client:
        problem_of(client.get(SESSION), 401)
    with site.browser(site.a.tokens["reader"]) as browser:
        problem_of(browser.get(SESSION), 401)


def test_a_person_without_a_browser_signs_in_as_well(site: Site, anna: str) -> None:
    with site.client() as client:
        assert client.post(SESSION, json={"email": anna, "password": PASSWORD}).is_success


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "language=de"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{site}"},
    ],
)
def test_a_page_of_another_site_signs_nobody_in_or_out(site: Site, anna: str, headers: dict[str, str]) -> None:
    sent = {name: value.format(site=site.url) for name, value in headers.items()}
    kept = secret_of(sign_in(site, anna))
    with site.client() as client:
        for answer in (
            client.post(SESSION, json={"email": anna, "password": PASSWORD}, headers=sent),
            client.delete(SESSION, headers=sent | {"Cookie": f"{SESSION_COOKIE}={kept}"}),
            client.post("/api/v1/invitations/x", json={"password": PASSWORD}, headers=sent),
        ):
            assert problem_of(answer, 403)["code"] == "CROSS_SITE"
    with site.browser(kept) as browser:
        assert browser.get(SESSION).status_code == 200


def test_a_matching_origin_will_do(site: Site, anna: str) -> None:
    with site.client() as client:
        body = {"email": anna, "password": PASSWORD}
        assert client.post(SESSION, json=body, headers={"Origin": site.url}).status_code == 200


def test_wrong_passwords_wait_by_the_address_of_the_client_behind_a_proxy(site: Site, anna: str) -> None:
    wrong = sign_in(site, anna, "not that one", **{"X-Forwarded-For": "198.51.100.7"})
    assert problem_of(wrong, 401)["code"] == "WRONG_PASSWORD"
    assert wrong.headers["www-authenticate"].startswith("Bearer")
    nobody = sign_in(site, "nobody@example.com", "not that one", **{"X-Forwarded-For": "198.51.100.8"})
    assert nobody.content == wrong.content
    for _ in range(20):
        refused = sign_in(site, anna, "not that one", **{"X-Forwarded-For": "198.51.100.7"})
        if refused.status_code != 401:
            break
    assert problem_of(refused, 429)["code"] == "TOO_MANY_TRIES"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "anna@acme.example"}, "password"),
        ({"email": "anna@acme.example", "password": ""}, "password"),
        ({"email": "anna@acme.example", "password": "x" * 257}, "password"),
        ({"email": "a\x00b", "password": "x"}, "email"),
        ({"email": "x" * 255, "password": "x"}, "email"),
        ({"email": "anna@acme.example", "password": "x", "remember": True}, "remember"),
    ],
)
def test_what_is_wrong_with_a_request_is_named_and_no_password_repeated(site: Site, body: dict, field: str) -> None:
    with site.client() as client:
        answer = client.post(SESSION, json=body, headers=OURS)
    assert [wrong["field"] for wrong in problem_of(answer, 422)["errors"]] == [field]
    assert "xxx" not in answer.text


def test_a_form_is_no_json(site: Site) -> None:
    with site.client() as client:
        problem_of(client.post(SESSION, data={"email": "a", "password": "b"}, headers=OURS), 415)


def test_a_password_is_chosen_by_a_link_once(site: Site) -> None:
    email = add_person(site.database, "bert")
    with site.database.engine.begin() as connection:
        link = f"/api/v1/invitations/{invite(connection, email, actor='test')}"
    with site.client() as client:
        weak = problem_of(client.post(link, json={"password": "password1234"}, headers=OURS), 422)
        assert [(wrong["field"], wrong["code"]) for wrong in weak["errors"]] == [("password", "WEAK_PASSWORD")]
        assert client.post(link, json={"password": PASSWORD}, headers=OURS).status_code == 204
        assert problem_of(client.post(link, json={"password": PASSWORD}, headers=OURS), 410)["code"] == "LINK_ENDED"
        problem_of(client.post("/api/v1/invitations/x", json={"password": PASSWORD}, headers=OURS), 410)
    secret_of(sign_in(site, email))


def test_what_needs_no_credential_is_counted_by_address(site: Site) -> None:
    with running_site(site.database, web_address_requests_per_minute=5) as narrow, narrow.client() as client:
        answers = [client.get(SESSION, headers={"X-Forwarded-For": "203.0.113.77"}) for _ in range(7)]
        assert [answer.status_code for answer in answers].count(429) >= 1
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert client.get(SESSION, headers={"X-Forwarded-For": "203.0.113.78"}).status_code == 401


@needs_chromium
def test_chromium_keeps_the_cookie_from_plain_http_on_this_machine(site: Site, anna: str, tmp_path: Path) -> None:
    body = f"{{email: '{anna}', password: '{PASSWORD}'}}"
    sign = (
        "fetch('/api/v1/session', {method: 'POST', headers: {'Content-Type': 'application/json'}, "
        f"body: JSON.stringify({body})}}).then(answer => answer.status)"
    )
    with browsing(tmp_path / "profile") as page:
        page.ask("Page.enable")
        page.ask("Page.setBypassCSP", enabled=True)
        for host in ("localhost", "127.0.0.1"):
            page.open(f"{site.url.replace('127.0.0.1', host)}/api/docs")
            wait_for("the page of the host", lambda host=host: page.look("location.hostname") == host)
            page.see("Sign in")
            assert page.look(sign) == 200
            assert page.look("fetch('/api/v1/session').then(answer => answer.json()).then(who => who.email)") == anna
            assert page.look("document.cookie") == ""
            assert page.look("fetch('/api/v1/session', {method: 'DELETE'}).then(answer => answer.status)") == 204
            assert page.look("fetch('/api/v1/session').then(answer => answer.status)") == 401
