"""An admin connects a company, people ask for syncs and decide conflicts; nobody reads tokens through the web."""

from __future__ import annotations

from itertools import count
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import set_role
from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.integration.web.runs import run_sync
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization
from invoice_pipelines_tests.support.web import (
    Site,
    Tenant,
    add_person,
    add_session,
    open_tenant,
    problem_of,
)

REALMS = count(9_170_001)


@pytest.fixture
def tenant(books: Site) -> Tenant:
    return open_tenant(books.database)


@pytest.fixture
def realm(books: Site, sandbox: Sandbox, tenant: Tenant) -> str:
    """The company that the tenant is connected with."""
    realm = str(next(REALMS))
    connect_organization(books.database, sandbox, books.settings, tenant.id, realm, country="DE")
    return realm


def decide(page: str, **decision: str) -> dict[str, str]:
    """What a person of the company does with the page, and the browser brings back."""
    answer = httpx.get(page, params=dict(parse_qsl(urlsplit(page).query)) | decision, follow_redirects=False)
    assert answer.status_code in (302, 303), answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def allow(page: str, realm: str) -> dict[str, str]:
    """The same, as it is posted."""
    given = decide(page, realm=realm)
    return {"state": given["state"], "code": given["code"], "realm_id": given["realmId"]}


def land(site: Site, session: str | None, brought: dict[str, str], *, accept: str = "*/*") -> httpx.Response:
    """The browser comes from QuickBooks."""
    headers = {"Sec-Fetch-Site": "cross-site", "Accept": accept} | (
        {"Cookie": f"{SESSION_COOKIE}={session}"} if session else {}
    )
    with site.client() as client:
        return client.get("/api/v1/quickbooks/callback", params=brought, headers=headers)


def test_an_admin_connects_and_disconnects_a_company(books: Site, sandbox: Sandbox, tenant: Tenant) -> None:
    realm = str(next(REALMS))
    sandbox.add_company(realm, name="Acme Books", country="DE")
    path = books.path(tenant, "quickbooks")
    with books.browser(tenant.sessions[Role.ADMIN]) as client:
        assert client.get(path).json()["status"] == "not_connected"
        begun = client.post(f"{path}/connect")
        assert begun.status_code == 200, begun.text
        brought = allow(begun.json()["authorization_url"], realm)
        wrong = problem_of(client.post(f"{path}/callback", json=brought | {"state": "guessed"}), 409)
        assert wrong["code"] == "STATE_REFUSED"
        assert "`" not in wrong["detail"], "commands are for another door"
        with books.client(tenant.tokens["writer"]) as other:
            problem_of(other.post(f"{path}/callback", json=brought), 409)
        finished = client.post(f"{path}/callback", json=brought)
        assert finished.status_code == 200, finished.text
        shown = finished.json()
        assert (shown["status"], shown["company"]["name"], shown["company"]["realm_id"]) == (
            "connected",
            "Acme Books",
            realm,
        )
        assert shown["connected_by"].startswith("admin-")
        assert client.post(f"{path}/callback", json=brought).json() == shown, "an equal request does nothing more"
        other_code = brought | {"code": "guessed"}
        assert problem_of(client.post(f"{path}/callback", json=other_code), 409)["code"] == "STATE_REFUSED"
        assert tenant.view.rows("select code from quickbooks.event") == [("CONNECTED",)]
        assert client.post(f"{path}/disconnect").json()["status"] == "disconnected"
    run_sync(books, tenant, pull=False)
    assert tenant.view.rows("select * from quickbooks.token_pair") == [], "they were given back"


def test_connecting_begins_once_for_a_key_and_keeps_no_state(books: Site, tenant: Tenant) -> None:
    path = books.path(tenant, "quickbooks")
    with books.browser(tenant.sessions[Role.ADMIN]) as client:
        client.headers["Idempotency-Key"] = "begin"
        begun, again = client.post(f"{path}/connect"), client.post(f"{path}/connect")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == begun.json() | {"authorization_url": None}
    state = parse_qs(urlsplit(begun.json()["authorization_url"]).query)["state"][0]
    assert tenant.view.value("select count(*) from quickbooks.authorization_request") == 1
    for table in ("web.idempotency_key", "quickbooks.authorization_request"):
        assert state not in str(tenant.view.rows(f"select * from {table}"))


def test_the_browser_comes_back_to_the_page_from_which_the_person_began(
    books: Site, sandbox: Sandbox, tenant: Tenant
) -> None:
    path, admin = books.path(tenant, "quickbooks"), tenant.sessions[Role.ADMIN]
    realms = [str(next(REALMS)) for _ in range(2)]
    for realm in realms:
        sandbox.add_company(realm, country="DE")
    with books.browser(admin) as client:
        begun = client.post(f"{path}/connect", json={"return_to": "/desk/acme?tab=1#books"}).json()
        brought = decide(begun["authorization_url"], realm=realms[0])
        landed = land(books, admin, brought)
        assert (landed.status_code, landed.headers["location"]) == (303, "/desk/acme?tab=1&quickbooks=connected#books")
        connected = client.get(path).json()
        assert connected["company"]["realm_id"] == realms[0]

        again = land(books, admin, brought)
        assert (again.status_code, again.headers["location"]) == (303, landed.headers["location"])
        assert client.get(path).json() == connected, "the same address once more does nothing"
        assert problem_of(land(books, admin, brought | {"code": "guessed"}), 409)["code"] == "STATE_REFUSED"

        page = client.post(f"{path}/connect").json()["authorization_url"]
        landed = land(books, admin, decide(page, realm=realms[1]))
        assert landed.headers["location"] == "/api/docs?quickbooks=unconfirmed"
        assert client.get("/api/docs?quickbooks=unconfirmed").status_code == 200
        assert client.get(path).json()["status"] == "unconfirmed"
        refused = land(books, admin, decide(client.post(f"{path}/connect").json()["authorization_url"], deny="1"))
        assert "access_denied" in problem_of(refused, 422)["detail"]


def test_only_the_browser_of_who_began_finishes_a_connection(books: Site, sandbox: Sandbox, tenant: Tenant) -> None:
    other = open_tenant(books.database)
    realm = str(next(REALMS))
    sandbox.add_company(realm, country="DE")
    with books.browser(tenant.sessions[Role.ADMIN]) as client:
        page = client.post(books.path(tenant, "quickbooks/connect")).json()["authorization_url"]
        brought = decide(page, realm=realm)
        assert problem_of(land(books, None, brought), 401)["code"] == "NOT_SIGNED_IN"
        problem_of(land(books, tenant.sessions[Role.ACCOUNTANT], brought), 403)
        problem_of(land(books, other.sessions[Role.ADMIN], brought), 404)
        own = brought | {"state": brought["state"].replace(tenant.slug, other.slug)}
        assert problem_of(land(books, other.sessions[Role.ADMIN], own), 409)["code"] == "STATE_REFUSED"
        colleague = add_person(books.database, "colleague")
        with books.database.engine.begin() as connection:
            set_role(connection, colleague, tenant.slug, Role.ADMIN, actor="test")
        session = add_session(books.database, colleague)
        assert problem_of(land(books, session, brought), 409)["code"] == "STATE_REFUSED"
        for visitor, state, shown in (
            (None, brought["state"], "/sign-in?target=/api/v1/quickbooks/callback%3F"),
            (
                tenant.sessions[Role.ACCOUNTANT],
                brought["state"],
                f"/desk/{tenant.slug}/quickbooks?quickbooks=forbidden",
            ),
            (session, brought["state"], f"/desk/{tenant.slug}/quickbooks?quickbooks=state_refused"),
            (session, "guessed", "/desk?quickbooks="),
        ):
            browser = land(books, visitor, brought | {"state": state}, accept="text/html")
            assert browser.status_code == 303
            assert browser.headers["location"].startswith(shown)
        with books.client(tenant.tokens["writer"]) as program:
            refused = program.get("/api/v1/quickbooks/callback", params=brought)
        assert problem_of(refused, 403)["code"] == "FORBIDDEN"
        for state in ("", "guessed", f"{tenant.slug}."):
            wrong = problem_of(land(books, tenant.sessions[Role.ADMIN], brought | {"state": state}), 422)
            assert wrong["errors"][0]["field"] == "state"
        assert client.get(books.path(tenant, "quickbooks")).json()["status"] == "not_connected"
        assert land(books, tenant.sessions[Role.ADMIN], brought).status_code == 303, "nothing of that used it up"


@pytest.mark.parametrize("page", ["https://evil.example", "//evil.example", "/\\evil.example", "desk"])
def test_the_browser_comes_back_to_no_other_site(books: Site, tenant: Tenant, page: str) -> None:
    with books.browser(tenant.sessions[Role.ADMIN]) as client:
        wrong = client.post(books.path(tenant, "quickbooks/connect"), json={"return_to": page})
    assert problem_of(wrong, 422)["errors"][0]["field"] == "return_to"


def test_a_company_of_another_organization_is_refused(books: Site, realm: str) -> None:
    other = open_tenant(books.database)
    path = books.path(other, "quickbooks")
    with books.browser(other.sessions[Role.ADMIN]) as client:
        brought = allow(client.post(f"{path}/connect").json()["authorization_url"], realm)
        assert problem_of(client.post(f"{path}/callback", json=brought), 409)["code"] == "COMPANY_TAKEN"
        assert client.get(path).json()["status"] == "not_connected"


def test_a_person_who_does_not_allow_it_is_told_so(books: Site, tenant: Tenant) -> None:
    path = books.path(tenant, "quickbooks")
    with books.browser(tenant.sessions[Role.ADMIN]) as client:
        page = client.post(f"{path}/connect").json()["authorization_url"]
        state = parse_qs(urlsplit(page).query)["state"][0]
        refused = problem_of(client.post(f"{path}/callback", json={"state": state, "error": "access_denied"}), 422)
    assert refused["code"] == "NOT_ALLOWED"


def test_a_change_of_company_is_confirmed(books: Site, sandbox: Sandbox, tenant: Tenant, realm: str) -> None:
    path = books.path(tenant, "quickbooks")
    second = str(next(REALMS))
    sandbox.add_company(second, name="Second", country="DE")
    with books.browser(tenant.sessions[Role.ADMIN]) as client:
        assert problem_of(client.post(f"{path}/confirm"), 409)["code"] == "NOTHING_TO_CONFIRM"
        brought = allow(client.post(f"{path}/connect").json()["authorization_url"], second)
        shown = client.post(f"{path}/callback", json=brought).json()
        assert shown["status"] == "unconfirmed"
        assert "`" not in shown["status_reason"]
        for _ in range(2):
            confirmed = client.post(f"{path}/confirm", headers={"Idempotency-Key": "agreed"})
            assert confirmed.json()["status"] == "connected"
        assert confirmed.headers["idempotent-replayed"] == "true"
        assert problem_of(client.post(f"{path}/confirm"), 409)["code"] == "NOTHING_TO_CONFIRM"


def test_tokens_are_never_read_through_the_web(books: Site, tenant: Tenant, realm: str) -> None:
    as_admin = books.engine.execution_options(credential=fingerprint(tenant.sessions[Role.ADMIN]))
    with organization_scope(as_admin, tenant.id) as connection:
        assert connection.execute(text("select count(*) from quickbooks.connection")).scalar_one() == 1
        assert connection.execute(text("select count(*) from quickbooks.token_pair")).scalar_one() == 0


def test_syncs_are_batch_operations(books: Site, sandbox: Sandbox, tenant: Tenant, realm: str) -> None:
    path = books.path(tenant, "quickbooks")
    there = sandbox.accountant(realm)
    there.customer("Acme")
    with books.client(tenant.tokens["writer"]) as client:
        asked = client.post(f"{path}/pulls", json={"entities": ["customers", "items"]})
        assert asked.status_code == 202, asked.text
        assert asked.headers["location"] == asked.json()["url"]
        assert asked.json()["total"] == 2
        run_sync(books, tenant, pull=False)
        done = client.get(asked.json()["url"]).json()
        assert (done["status"], done["created_by"]) == ("completed", "token writer")
        items = client.get(f"{asked.json()['url']}/items").json()["items"]
        assert [(item["subject_id"], item["result"]["created"]) for item in items] == [("customer", 1), ("item", 0)]
        assert client.get(path).json()["pulled_at"].keys() >= {"customers", "items"}
        tenant.view.rows(
            """insert into billing.items (organization_id, sku, name, unit_price)
               values (organizations.current(), 'B-1', 'Bolt', 1)"""
        )
        change_options(
            books.database.engine, tenant.id, {"income_account": there.account("Sales")["Id"]}, changed_by="t"
        ) if hasattr(there, "account") else None
        pushed = client.post(f"{path}/pushes", json={"entity": "items"}).json()
        assert pushed["total"] == 1
        nothing = client.post(f"{path}/pushes", json={"entity": "invoices"}).json()
        assert (nothing["total"], client.get(nothing["url"]).json()["status"]) == (0, "completed")
        unknown = problem_of(client.post(f"{path}/pushes", json={"invoices": ["INV-404"]}), 422)
        assert "INV-404" in unknown["detail"]
        wrong: dict[str, Any]
        for wrong in ({}, {"entity": "items", "invoices": ["x"]}, {"entity": "payments"}, {"invoices": []}):
            problem_of(client.post(f"{path}/pushes", json=wrong), 422)
        problem_of(client.post(f"{path}/pulls", json={"entities": []}), 422)


def test_without_a_connection_nothing_is_asked_for(books: Site, tenant: Tenant) -> None:
    path = books.path(tenant, "quickbooks")
    with books.client(tenant.tokens["writer"]) as client:
        for rest, body in (("pulls", {"entities": ["items"]}), ("pushes", {"entity": "items"})):
            refused = problem_of(client.post(f"{path}/{rest}", json=body), 409)
            assert refused["code"] == "NOT_CONNECTED"
            assert "`" not in refused["detail"]
        assert problem_of(client.post(f"{path}/disconnect"), 409)["code"] == "NOT_CONNECTED"
    assert tenant.view.rows("select * from work.batch_job") == []


def test_a_conflict_is_listed_looked_at_and_decided_once(
    books: Site, sandbox: Sandbox, tenant: Tenant, realm: str
) -> None:
    path = books.path(tenant, "quickbooks")
    there = sandbox.accountant(realm)
    change_options(books.database.engine, tenant.id, {"conflict_policy": "review"}, changed_by="test")
    customer = there.customer("Acme", PrimaryEmailAddr={"Address": "a@acme.example"})
    with books.client(tenant.tokens["writer"]) as client:
        client.post(f"{path}/pulls", json={"entities": ["customers"]})
        run_sync(books, tenant, pull=False)
        there.edit("Customer", customer["Id"], PrimaryEmailAddr={"Address": "theirs@acme.example"})
        tenant.view.rows("update billing.customers set email = 'ours@acme.example', updated_at = now()")
        client.post(f"{path}/pulls", json={"entities": ["customers"]})
        run_sync(books, tenant, pull=False)
        (listed,) = client.get(f"{path}/conflicts").json()["items"]
        assert (listed["field"], listed["ours"], listed["theirs"]) == (
            "email",
            "ours@acme.example",
            "theirs@acme.example",
        )
        one = f"{path}/conflicts/{listed['id']}"
        looked = client.get(one)
        assert looked.json() == listed
        decision = {"decision": "theirs"}
        problem_of(client.post(f"{one}/resolve", json=decision), 428)
        problem_of(client.post(f"{one}/resolve", json=decision, headers={"If-Match": '"old"'}), 412)
        match = {"If-Match": looked.headers["etag"]}
        assert (
            "value"
            in problem_of(client.post(f"{one}/resolve", json={"decision": "edited"}, headers=match), 422)["detail"]
        )
        decided = client.post(f"{one}/resolve", json=decision, headers=match)
        assert decided.status_code == 200, decided.text
        assert (decided.json()["status"], decided.json()["decided_by"]) == ("resolved", "token writer")
        assert tenant.view.value("select email from billing.customer") == "theirs@acme.example"
        again = client.post(f"{one}/resolve", json=decision, headers={"If-Match": "*"})
        assert problem_of(again, 409)["code"] == "ALREADY_DECIDED"
        assert client.get(f"{path}/conflicts").json()["items"] == []
        assert len(client.get(f"{path}/conflicts", params={"status": "all"}).json()["items"]) == 1
        unknown = client.get(f"{path}/conflicts/00000000-0000-7000-8000-000000000000")
        assert problem_of(unknown, 404)["code"] == "CONFLICT_NOT_FOUND"


def test_where_the_operator_has_not_set_it_up_callers_are_told_so(site: Site) -> None:
    with site.browser(site.a.sessions[Role.ADMIN]) as client:
        refused = problem_of(client.post(site.path(site.a, "quickbooks/connect")), 409)
    assert refused["code"] == "NOT_SET_UP"
    assert "INVOICE_PIPELINES" not in refused["detail"]
