"""Two organizations in one database, with a user per role in the first, and the web's login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, text

from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.entry import Entry, entering, entry_of
from invoice_pipelines.accounts.members import invite_member
from invoice_pipelines.accounts.oidc import register_sign_in_keys
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.sessions import accept_invitation, sign_in
from invoice_pipelines.accounts.tokens import add_token
from invoice_pipelines.accounts.users import add_user, invite, set_role
from invoice_pipelines.database import create_web_engine, organization_scope
from invoice_pipelines.database.opening import opened
from invoice_pipelines.database.roles import WEB
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import TestDatabase, fresh_database

PASSWORD = "correct horse battery staple"


@contextmanager
def entered(web: Engine, secret: str, slug: str) -> Iterator[tuple[Connection, Entry | None]]:
    """A transaction of the web that begins as a request does. Raises NotSignedIn."""
    with opened(web, entering(fingerprint(secret), slug)) as (connection, ((row,),)):
        yield connection, entry_of(row, slug)


@dataclass
class TwoOrganizations:
    """The organizations `acme` and `bolt`, with the secrets of sessions and tokens by name."""

    database: TestDatabase
    web: Engine
    acme: UUID
    bolt: UUID
    secrets: dict[str, str]

    @contextmanager
    def as_(self, who: str, slug: str = "acme") -> Iterator[Connection]:
        """A transaction of the web that a credential entered an organization with."""
        with entered(self.web, self.secrets[who], slug) as (connection, entry):
            assert entry is not None
            yield connection

    def admit(self, email: str, role: Role, slug: str, *, is_known: bool = False) -> None:
        with self.database.engine.begin() as connection:
            if not is_known:
                add_user(connection, email, email.partition("@")[0].title(), actor="operator")
            set_role(connection, email, slug, role, actor="operator")
            link = invite(connection, email, actor="operator")
        accept_invitation(self.web, link, PASSWORD, address="192.0.2.1")
        signed_in = sign_in(self.web, email, PASSWORD, address="192.0.2.1", user_agent="test")
        self.secrets[email.partition("@")[0]] = signed_in.secret

    def token(self, name: str, *scopes: str, organization: UUID | None = None) -> str:
        with organization_scope(self.database.engine, organization or self.acme) as connection:
            _, self.secrets[name] = add_token(connection, name, scopes, actor="operator", lasts=timedelta(hours=1))
        return self.secrets[name]


@pytest.fixture(scope="session")
def house(server, template) -> Iterator[TwoOrganizations]:
    with fresh_database(server, template) as database:
        ids = [
            add_organization(
                database.engine, slug, slug.title(), country_code="DE", time_zone="Europe/Berlin", currency="EUR"
            )
            for slug in ("acme", "bolt")
        ]
        web = create_web_engine(database.app_url.set(username=WEB), pool_size=10)
        house = TwoOrganizations(database, web, ids[0], ids[1], {})
        for role in (Role.VIEWER, Role.ACCOUNTANT, Role.ADMIN):
            house.admit(f"{role.value}@acme.example", role, "acme")
        house.admit("berta@bolt.example", Role.ADMIN, "bolt")
        with house.as_("berta", "bolt") as connection:
            invite_member(connection, "bert@bolt.example", "Bert", Role.VIEWER)
        house.token("shop", "read", "billing:write")
        house.token("reader", "read")
        house.token("theirs", "read", organization=house.bolt)
        with database.engine.begin() as connection:
            register_sign_in_keys(
                connection,
                Settings(
                    oidc_issuer="https://id.example",
                    oidc_client_id="web",
                    encryption_keys=SecretStr(Fernet.generate_key().decode()),
                ),
            )
        for organization in ids:
            with organization_scope(database.engine, organization) as connection:
                connection.execute(
                    text(
                        """insert into billing.customer (organization_id, customer_number, name, country_code)
                           values (organizations.current(), 'C-1', 'Customer of ' || organizations.current(), 'DE')"""
                    )
                )
        yield house
        web.dispose()
