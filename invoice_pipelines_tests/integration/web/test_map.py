"""The map of the API: for each route, who may use it. A route without a declared role is found here."""

from __future__ import annotations

import re
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import QueuePool
from starlette.routing import Route

from invoice_pipelines.accounts.roles import ANY_AREA, AREAS, Role
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.app import create_app
from invoice_pipelines.web.pages.routing import OpenPageRoute, PageRoute
from invoice_pipelines.web.routing import PREFIX, OrganizationRoute
from invoice_pipelines.web.sign_in.routing import OpenRoute
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.web import DOCUMENT, Site, Tenant, problem_of, running_site

WITHOUT_ORGANIZATION = {"/api/openapi.json", "/api/docs", "/api/docs.css", "/static/{digest}/{name:path}"}
"""Open to everybody."""
WAYS_IN = {
    ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/oidc/callback"),
    ("GET", "/api/v1/oidc/start"),
    ("GET", "/api/v1/quickbooks/callback"),
    ("GET", "/api/v1/session"),
    ("POST", "/api/v1/invitations/{secret}"),
    ("POST", "/api/v1/session"),
}
"""How people get in, with no credential yet, and come back from QuickBooks: they tell of nobody but who holds the
password, the link or the cookie.
"""
APP = create_app(None, Settings())
OPERATIONS = {
    operation["operationId"]: operation
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
}
ROUTES = [route for route in APP.routes if type(route) is OrganizationRoute]
PEOPLE = (Role.VIEWER, Role.ACCOUNTANT, Role.ADMIN)


def test_every_route_says_who_may_use_it() -> None:
    undeclared = [
        route.path
        for route in cast(list[Route], APP.routes)
        if route.path not in WITHOUT_ORGANIZATION
        and not isinstance(route, OpenRoute | PageRoute)
        and not (
            isinstance(route, OrganizationRoute) and route.path.startswith(f"{PREFIX}/") and route.access.role in PEOPLE
        )
    ]
    assert undeclared == []
    ways_in = [route for route in APP.routes if isinstance(route, OpenRoute) and not isinstance(route, OpenPageRoute)]
    assert {(method, route.path) for route in ways_in for method in route.methods or ()} == WAYS_IN
    for route in ROUTES:
        (method,) = route.methods
        assert route.access.area in (*AREAS, ANY_AREA) or (method == "GET" and route.access.area is None), route.path
    assert len({(route.path, *route.methods) for route in ROUTES}) == len(ROUTES)


def call(client: httpx.Client, route: OrganizationRoute, organization: str) -> httpx.Response:
    """A request as the documentation shows it."""
    operation = OPERATIONS[route.operation_id]
    examples = {
        parameter["name"]: example_of_parameter(parameter)
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path" or (parameter["in"] == "query" and parameter.get("required"))
    }
    path = re.sub(r"\{(\w+)\}", lambda name: examples[name[1]], route.path.replace("{organization}", organization))
    (method,) = route.methods
    options: dict[str, Any] = {"params": {name: examples[name] for name in examples if f"{{{name}}}" not in route.path}}
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        options["json"] = content["application/json"]["example"]
    elif "multipart/form-data" in content:
        options["files"] = {"file": ("a.txt", b"no invoice")}
    elif content:
        options |= {"content": b"no invoice", "headers": {"Content-Type": next(iter(content))}}
    return client.request(method, path, **options)


def example_of_parameter(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    found = parameter.get("example") or next(iter(schema.get("examples", ())), None)
    if found is None and schema.get("format") == "uuid":
        return "00000000-0000-7000-8000-000000000000"
    if found is None and "enum" in schema:
        return str(schema["enum"][0])
    assert found is not None, f"the parameter {parameter['name']} needs an example"
    return str(found)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{next(iter(route.methods))} {route.path[len(PREFIX) :]}")
def test_a_route_lets_in_whom_it_says(site: Site, route: OrganizationRoute) -> None:
    credentials = [(site.client(site.a.tokens["reader"]), route.access.area is None)]
    credentials.append((site.client(site.a.tokens["writer"]), not route.access.people_only))
    for role in PEOPLE:
        credentials.append((site.browser(site.a.sessions[role]), role.reaches(route.access.role)))
    for client, may in credentials:
        with client:
            own = call(client, route, site.a.slug)
        if may:
            assert own.status_code not in (401, 403, 405), own.text
            assert own.status_code < 500, own.text
        else:
            assert problem_of(own, 403)["code"] == "FORBIDDEN"
    # Whoever may do the most elsewhere, as a program and as a person.
    for client in (site.client(site.b.tokens["writer"]), site.browser(site.b.sessions[Role.ADMIN])):
        with client:
            assert_hidden(*(call(client, route, slug) for slug in (site.a.slug, "nowhere")))
    for outsider in (site.stranger, site.operator):
        with site.browser(outsider) as client:
            assert_hidden(*(call(client, route, slug) for slug in (site.a.slug, "nowhere")))
    with site.client() as client:
        assert problem_of(call(client, route, site.a.slug), 401)["code"] == "NOT_SIGNED_IN"


REPEATABLE = [
    route
    for route in ROUTES
    if any(parameter["name"] == "Idempotency-Key" for parameter in OPERATIONS[route.operation_id]["parameters"])
]


@pytest.mark.parametrize("route", REPEATABLE, ids=lambda route: route.path[len(PREFIX) :])
def test_what_is_repeated_with_its_key_is_answered_as_before(site: Site, route: OrganizationRoute) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    with site.browser(site.b.sessions[Role.ADMIN]) as client:
        client.headers.update(key)
        first = call(client, route, site.b.slug)
        again = call(client, route, site.b.slug)
    assert first.status_code == again.status_code
    if first.is_success:
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers.get("location") == first.headers.get("location")
        assert bool(again.content) == bool(first.content)


def test_no_route_holds_a_connection_while_it_waits_for_another(shared_database: TestDatabase) -> None:
    """With as many requests as connections, none of them would ever end."""
    with running_site(shared_database, web_connections=1) as site:
        assert isinstance(site.engine.pool, QueuePool)
        site.engine.pool._timeout = 1.0
        with site.browser(site.a.sessions[Role.ADMIN]) as client:
            failed = {
                route.path: answer.text
                for route in ROUTES
                if (answer := call(client, route, site.a.slug)).status_code >= 500
            }
    assert failed == {}


def assert_hidden(foreign: httpx.Response, unknown: httpx.Response) -> None:
    assert problem_of(foreign, 404)["code"] == "NOT_FOUND"
    assert foreign.content == unknown.content
    assert sorted(foreign.headers) == sorted(unknown.headers)


def test_both_organizations_are_really_there(site: Site) -> None:
    def is_there(tenant: Tenant) -> bool:
        with site.client(tenant.tokens["reader"]) as client:
            return client.get(site.path(tenant, "customers")).status_code == 200

    assert is_there(site.a)
    assert is_there(site.b)
