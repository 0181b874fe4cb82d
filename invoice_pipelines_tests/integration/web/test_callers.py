"""Who gets in where, as every route of an organization has it."""

from __future__ import annotations

import pytest

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.records.master_data import add_customers
from invoice_pipelines_tests.support.web import Site, problem_of


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


def test_a_foreign_organization_is_as_unknown_as_one_that_is_not_there(site: Site) -> None:
    with site.client(site.a.tokens["writer"]) as client:
        foreign = client.get(site.path(site.b, "customers"))
        unknown = client.get("/api/v1/organizations/nowhere/customers")
        assert problem_of(foreign, 404)["code"] == "NOT_FOUND"
        assert foreign.content == unknown.content
        assert sorted(foreign.headers) == sorted(unknown.headers)
