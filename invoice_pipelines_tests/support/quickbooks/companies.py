"""How organizations of tests are connected with companies of a sandbox."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet
from pydantic import SecretStr

from invoice_pipelines.quickbooks.connection.connections import connect_with_tokens
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase


@cache
def _settings() -> Settings:
    return Settings.model_validate(
        {
            "quickbooks_client_id": "client",
            "quickbooks_client_secret": SecretStr("secret"),
            "quickbooks_redirect_uri": "https://books.example.com/callback",
            "encryption_keys": SecretStr(Fernet.generate_key().decode()),
            "quickbooks_requests_per_minute": 100_000,
            "quickbooks_requests_per_second": 1000,
            "quickbooks_batches_per_minute": 10_000,
        }
    )


def settings_for(sandbox: Sandbox, home: Path) -> Settings:
    """Settings that lead to a sandbox, with limits that no test reaches. To read all of them anew takes longer."""
    places = {
        "api": sandbox.url,
        "authorization": f"{sandbox.url}/connect/oauth2",
        "token": f"{sandbox.url}/oauth2/v1/tokens/bearer",
        "revoke": f"{sandbox.url}/v2/oauth2/tokens/revoke",
    }
    urls = {f"quickbooks_{name}_url": url for name, url in places.items()}
    return _settings().model_copy(update={"home": home, **urls})


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
