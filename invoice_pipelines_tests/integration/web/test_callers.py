"""Who gets in where, and in whose name: what every route of an organization has from the frame."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.records.master_data import add_customers
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines_tests.support.web import Site, problem_of

JOB = {"subjects": ["a"]}


@pytest.fixture(scope="module", autouse=True)
def customers(site: Site) -> None:
    for tenant in (site.a, site.b):
        with tenant.view.scope() as connection:
            rows = [{"customer_number": f"C-{n:03}", "name": f"Kunde {n} GmbH", "country_code": "DE"} for n in range(7)]
            add_customers(connection, rows, created_by="test")


def test_a_token_and_a_session_read_their_organization(site: Site) -> None:
    for client in (site.client(site.a.tokens["reader"]), site.browser(site.a.sessions[Role.VIEWER])):
        with client:
            answer = client.get(site.path(site.a, "customers"), params={"limit": 3})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert [row["customer_number"] for row in page["items"]] == ["C-000", "C-001", "C-002"]
            rest = client.get(site.path(site.a, "customers"), params={"after": page["next"]}).json()
            assert [row["customer_number"] for row in rest["items"]] == ["C-003", "C-004", "C-005", "C-006"]
            assert rest["next"] is None
            one = client.get(site.path(site.a, "customers/C-001")).json()
            assert client.get(site.path(site.a, f"customers/{one['id']}")).json() == one
            assert one["created_at"].endswith("Z")
            assert problem_of(client.get(site.path(site.a, "customers/C-999")), 404)["code"] == "CUSTOMER_NOT_FOUND"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer ip_live_wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Cookie": f"{SESSION_COOKIE}=wrong"},
        {"Cookie": "session=wrong"},
    ],
)
def test_without_a_good_credential_nothing_is_done(site: Site, headers: dict[str, str]) -> None:
    with site.client() as client:
        answer = client.get(site.path(site.a, "customers"), headers=headers)
        assert problem_of(answer, 401)["code"] == "NOT_SIGNED_IN"
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_session_that_ended_and_a_token_that_was_revoked_are_no_credentials(site: Site) -> None:
    with site.database.superuser.begin() as connection:
        for table, column in (("session", "ended_at"), ("api_token", "revoked_at")):
            values = {"secret": fingerprint(site.b.tokens["reader"] if table == "api_token" else site.stranger)}
            changed = connection.execute(
                text(f"update accounts.{table} set {column} = now() where secret_sha256 = decode(:secret, 'hex')"),
                values,
            )
            assert changed.rowcount == 1
    try:
        for secret in (site.b.tokens["reader"], site.stranger):
            with site.client(secret) as client:
                assert problem_of(client.get(site.path(site.b, "customers")), 401)["code"] == "NOT_SIGNED_IN"
    finally:
        with site.database.superuser.begin() as connection:
            connection.exec_driver_sql("update accounts.session set ended_at = null")
            connection.exec_driver_sql("update accounts.api_token set revoked_at = null")


def test_a_role_or_a_scope_that_does_not_reach_is_named(site: Site) -> None:
    with site.browser(site.a.sessions[Role.VIEWER]) as client:
        said = problem_of(client.post(site.path(site.a, "probe/jobs"), json=JOB), 403)
        assert (said["code"], said["detail"]) == ("FORBIDDEN", "This needs the role accountant in the organization.")
    with site.client(site.a.tokens["reader"]) as client:
        said = problem_of(client.post(site.path(site.a, "probe/jobs"), json=JOB), 403)
        assert said["detail"] == "This needs the scope billing:write in the organization."


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "{url}"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{url}"}, False),
        ({}, False),
    ],
)
def test_a_session_changes_something_for_pages_of_this_site_only(
    site: Site, headers: dict[str, str], is_let_in: bool
) -> None:
    sent = {name: value.format(url=site.url) for name, value in headers.items()}
    cookie = {"Cookie": f"{SESSION_COOKIE}={site.a.sessions[Role.ACCOUNTANT]}"}
    with httpx.Client(base_url=site.url, headers=sent | cookie, verify=False) as client:
        answer = client.post(site.path(site.a, "probe/jobs"), json=JOB)
        assert client.get(site.path(site.a, "customers")).status_code == 200
    if is_let_in:
        assert answer.status_code == 202, answer.text
    else:
        assert problem_of(answer, 403)["code"] == "CROSS_SITE"


def test_what_is_done_bears_the_name_of_the_credential(site: Site) -> None:
    with site.client(site.a.tokens["writer"]) as program, site.browser(site.a.sessions[Role.ADMIN]) as person:
        for client, begins in ((program, "token writer"), (person, "admin-")):
            job = client.post(site.path(site.a, "probe/jobs"), json=JOB).json()
            shown = client.get(job["url"]).json()
            assert shown["created_by"].startswith(begins)
            actor, named, slug, zone = client.get(site.path(site.a, "probe/actors")).json()
            assert actor == named == shown["created_by"]
            assert (slug, zone) == (site.a.slug, "Europe/Berlin")


def test_a_viewer_whose_role_the_web_forgot_to_ask_for_is_refused_by_the_database(site: Site) -> None:
    insert = "insert into work.batch_job (organization_id, kind, total_items, created_by) values "
    values = "(organizations.current(), 'probe', 0, 'me')"
    with site.browser(site.a.sessions[Role.VIEWER]) as client:
        said = problem_of(client.get(site.path(site.a, f"probe/sql/{insert}{values}")), 403)
    assert said["code"] == "FORBIDDEN"
