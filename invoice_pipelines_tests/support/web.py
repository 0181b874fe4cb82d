"""The web as a test uses it: the real application behind a real socket, and organizations with people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import Engine, text

from invoice_pipelines.accounts.credentials import fingerprint, new_secret
from invoice_pipelines.accounts.roles import SCOPES, Role
from invoice_pipelines.accounts.tokens import add_token
from invoice_pipelines.accounts.users import add_user, set_role
from invoice_pipelines.database import SessionLimits, create_web_engine, organization_scope
from invoice_pipelines.database.roles import WEB
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.app import create_app
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.serving import running, server_of
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase, open_organization
from invoice_pipelines_tests.support.organization_view import OrganizationView

OPENAPI_JSON = (PROJECT / "docs" / "openapi.json").read_text(encoding="utf-8")
"""The document of the API as it is committed; a test holds it to the application."""
DOCUMENT: dict[str, Any] = json.loads(OPENAPI_JSON)


@dataclass(frozen=True)
class Tenant:
    """An organization with a person for each role and a token for each set of scopes; all are secrets."""

    view: OrganizationView
    slug: str
    sessions: dict[Role, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        return self.view.organization_id


@dataclass(frozen=True)
class Site:
    """The running web, two organizations `a` and `b`, and a stranger who belongs to neither.

    Its clients know no certificates: to load those takes longer than most requests.
    """

    url: str
    database: TestDatabase
    engine: Engine
    settings: Settings
    a: Tenant
    b: Tenant
    stranger: str
    operator: str

    def client(self, secret: str | None = None, **options: Any) -> httpx.Client:
        """A program; `secret` is that of a token or a session."""
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=False, **options)

    def browser(self, session: str, **options: Any) -> httpx.Client:
        """A browser on a page of the site."""
        headers = {"Cookie": f"{SESSION_COOKIE}={session}", "Sec-Fetch-Site": "same-origin"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=False, **options)

    def path(self, tenant: Tenant, rest: str) -> str:
        """The address of a resource of an organization."""
        return f"/api/v1/organizations/{tenant.slug}/{rest}"


@contextmanager
def running_site(
    database: TestDatabase, routers: Sequence[OrganizationRouter] = (), *, lock_seconds: float = 30, **settings: Any
) -> Iterator[Site]:
    """The site for as long as the block lasts, on a free port; with routes of the test besides those of the product. It
    keeps files in a folder of its own.
    """
    with TemporaryDirectory(prefix="invoice-pipelines-web-") as home:
        chosen = Settings(
            **{
                "DAGSTER_HOME": Path(home),
                "web_requests_per_minute": 0,
                "web_address_requests_per_minute": 0,
                **settings,
            }
        )
        url = database.app_url.set(username=WEB)
        engine = create_web_engine(url, pool_size=chosen.web_connections, limits=SessionLimits(lock=lock_seconds))
        app = create_app(engine, chosen)
        for router in routers:
            app.router.routes.extend(router.routes)
        try:
            with running(server_of(app, chosen, "127.0.0.1", 0, app.state.hub.close)) as server:
                port = server.servers[0].sockets[0].getsockname()[1]
                yield Site(
                    f"http://127.0.0.1:{port}",
                    database,
                    engine,
                    chosen,
                    open_tenant(database),
                    open_tenant(database),
                    add_session(database, add_person(database, "stranger")),
                    add_session(database, add_person(database, "operator", is_operator=True)),
                )
        finally:
            engine.dispose()


def open_tenant(database: TestDatabase, **registered: Any) -> Tenant:
    """A new organization with people and programs; `registered` is what `add_organization` should know about it."""
    slug = f"web-{uuid4().hex[:12]}"
    values = {"slug": slug, "name": "Web GmbH"} | registered
    return let_people_in(database, open_organization(database, OrganizationView, **values), slug)


def let_people_in(database: TestDatabase, view: OrganizationView, slug: str) -> Tenant:
    """An organization that is there already, with people and programs."""
    tenant = Tenant(view, slug)
    for role in (Role.VIEWER, Role.ACCOUNTANT, Role.ADMIN):
        email = add_person(database, role.value)
        with database.engine.begin() as connection:
            set_role(connection, email, slug, role, actor="test")
        tenant.sessions[role] = add_session(database, email)
    with organization_scope(database.engine, tenant.id) as connection:
        for name, scopes in {"reader": ["read"], "writer": list(SCOPES)}.items():
            _, tenant.tokens[name] = add_token(connection, name, scopes, actor="test")
    return tenant


def add_person(database: TestDatabase, name: str, *, is_operator: bool = False) -> str:
    """A new user; returns the email."""
    email = f"{name}-{uuid4().hex[:12]}@example.com"
    with database.engine.begin() as connection:
        add_user(connection, email, name.title(), is_operator=is_operator, actor="test")
    return email


def add_session(database: TestDatabase, email: str) -> str:
    """A session as signing in makes it, without the half second that a password takes; returns its secret."""
    secret = new_secret()
    with database.superuser.begin() as connection:
        connection.execute(
            text(
                """insert into accounts.session (secret_sha256, user_id, method, expires_at, idle_seconds)
                   select decode(:secret, 'hex'), id, 'password', now() + interval '1 day', 3600
                   from accounts.user_account where email = :email"""
            ),
            {"secret": fingerprint(secret), "email": email},
        )
    return secret


def problem_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem of an answer, which must have a status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(response.content)
    assert found["status"] == status
    assert found["type"] == f"/problems/{found['code'].lower().replace('_', '-')}"
    return found
