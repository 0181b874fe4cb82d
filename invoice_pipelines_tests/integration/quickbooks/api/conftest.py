"""Fixtures of the client's tests: offices, which are connected with companies of a sandbox or are to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.http_clients import open_http_client
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.organizations.registry import organization_in_scope
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.connection.connections import Connected, connect_with_tokens, find_connection
from invoice_pipelines.quickbooks.connection.realm import Realm
from invoice_pipelines.quickbooks.connection.secrets import unseal
from invoice_pipelines.quickbooks.connection.tokens import TokenKeeper
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.quickbooks.conftest import REALM

OTHER = "9130002"
FAST = Limits(per_minute=10_000, per_second=1_000, minute=timedelta(seconds=3))
"""A second of the limits lasts 0.05 s, and a pause of a minute 3 s."""


@dataclass(frozen=True)
class ConnectedOffice:
    """An organization, and what is kept of its connection. Settings that are given change those of the office."""

    database: TestDatabase
    sandbox: Sandbox
    settings: Settings
    id: UUID

    @property
    def keys(self) -> str:
        """What tokens are encrypted with."""
        assert self.settings.encryption_keys is not None
        return self.settings.encryption_keys.get_secret_value()

    def having(self, **settings: Any) -> Settings:
        return self.settings.model_copy(update=settings)

    def context(self, actor: str) -> OrganizationContext:
        with organization_scope(self.database.engine, self.id) as connection:
            organization = organization_in_scope(connection)
        return OrganizationContext(self.database.engine, organization, self.settings, actor)

    def client(self, limits: Limits = FAST, **settings: Any) -> QuickBooks:
        return QuickBooks(self.database.engine, self.having(**settings), self.id, limits=limits)

    def keeper(self, **settings: Any) -> TokenKeeper:
        """What each process has of its own."""
        return TokenKeeper(Realm(self.database.engine, self.id, REALM), self.having(**settings), open_http_client())

    def connect(self, realm: str = REALM, *, tokens_of: str | None = None, **company: Any) -> Connected:
        self.sandbox.add_company(realm, **company)
        tokens = self.sandbox.tokens(tokens_of or realm)
        return connect_with_tokens(
            self.database.engine,
            self.settings,
            self.id,
            realm_id=realm,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            connected_by="Ada",
        )

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with organization_scope(self.database.engine, self.id) as connection:
            result = connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def known(self) -> Connected | None:
        with organization_scope(self.database.engine, self.id) as connection:
            return find_connection(connection)

    @property
    def status(self) -> str:
        return self.rows("select status from quickbooks.connection")[0].status

    def events(self) -> list[str]:
        return [
            row.code for row in self.rows("select code from quickbooks.event where code <> 'CONNECTED' order by id")
        ]

    def change(self, assignments: str, **values: Any) -> None:
        self.rows(f"update quickbooks.connection set {assignments}", **values)

    def let_access_end(self) -> None:
        self.change("access_token_expires_at = now()")

    def secrets(self, settings: Settings | None = None) -> list[str]:
        (row,) = self.rows(
            "select realm_id, sealed from quickbooks.connection join quickbooks.token_pair using (organization_id)"
        )
        return list(unseal(settings or self.settings, self.id, row.realm_id, row.sealed).values())


@pytest.fixture
def newcomer(
    database: TestDatabase,
    sandbox: Sandbox,
    quickbooks_settings: Settings,
    make_organization: Callable[[str], UUID],
) -> ConnectedOffice:
    """One that is not connected."""
    return ConnectedOffice(database, sandbox, quickbooks_settings, make_organization("newcomer"))


@pytest.fixture
def office(
    database: TestDatabase, sandbox: Sandbox, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> ConnectedOffice:
    return ConnectedOffice(database, sandbox, quickbooks_settings, connected("acme"))


@pytest.fixture
def other(
    database: TestDatabase, sandbox: Sandbox, quickbooks_settings: Settings, connected: Callable[..., UUID]
) -> ConnectedOffice:
    """Another one, connected with another company."""
    return ConnectedOffice(database, sandbox, quickbooks_settings, connected("other", OTHER))


@pytest.fixture
def quickbooks(office: ConnectedOffice) -> Iterator[QuickBooks]:
    with office.client() as client:
        yield client
