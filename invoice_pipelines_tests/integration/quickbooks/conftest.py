"""Fixtures of the sync's tests: a QuickBooks of their own, and organizations that are connected with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from invoice_pipelines.quickbooks.connection.connections import connect_with_tokens
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox, Switches
from invoice_pipelines_tests.conftest import TestDatabase

REALM = "9130001"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A QuickBooks without companies, on a port of its own.

    Its throttles are off: tests of the rate put them on. Each refresh changes the token, as that is when one is lost.
    Lines count without an item: tests of what becomes of them say otherwise.
    """
    switches = Switches(
        throttled=False, latency_per_call=0, refresh_token_rotates_after=timedelta(), line_without_item="counted"
    )
    with Sandbox(switches=switches) as sandbox:
        yield sandbox


@pytest.fixture
def quickbooks_settings(sandbox: Sandbox, tmp_path: Path) -> Settings:
    """Settings that lead to the sandbox, with limits that no test reaches."""
    return settings_for(sandbox, tmp_path)


@pytest.fixture
def connected(
    database: TestDatabase,
    sandbox: Sandbox,
    quickbooks_settings: Settings,
    make_organization: Callable[[str], UUID],
) -> Callable[..., UUID]:
    """Adds an organization that is connected with a company of its own; the fields of `Company` may be given."""

    def connect(slug: str, realm: str = REALM, **company: Any) -> UUID:
        organization_id = make_organization(slug)
        connect_organization(database, sandbox, quickbooks_settings, organization_id, realm, **company)
        return organization_id

    return connect


def settings_for(sandbox: Sandbox, home: Path) -> Settings:
    """Settings that lead to a sandbox."""
    return Settings.model_validate(
        {
            "DAGSTER_HOME": home,
            "quickbooks_client_id": "client",
            "quickbooks_client_secret": SecretStr("secret"),
            "quickbooks_redirect_uri": "https://books.example.com/callback",
            "quickbooks_api_url": sandbox.url,
            "quickbooks_authorization_url": f"{sandbox.url}/connect/oauth2",
            "quickbooks_token_url": f"{sandbox.url}/oauth2/v1/tokens/bearer",
            "quickbooks_revoke_url": f"{sandbox.url}/v2/oauth2/tokens/revoke",
            "encryption_keys": SecretStr(Fernet.generate_key().decode()),
            "quickbooks_requests_per_minute": 100_000,
            "quickbooks_requests_per_second": 1000,
            "quickbooks_batches_per_minute": 10_000,
        }
    )


def connect_organization(
    database: TestDatabase, sandbox: Sandbox, settings: Settings, organization_id: UUID, realm: str, **company: Any
) -> None:
    """Connects an organization with a company, which is made where there is none."""
    sandbox.add_company(realm, **company)
    tokens = sandbox.tokens(realm)
    connect_with_tokens(
        database.engine,
        settings,
        organization_id,
        realm_id=realm,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        connected_by="test",
    )
    sandbox.traffic.clear()
