"""Which addresses of QuickBooks an operator may set: what Intuit takes, and nothing that travels unencrypted."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from invoice_pipelines.quickbooks.connection.oauth import page_of_authorization
from invoice_pipelines.settings import Settings, SettingsError


def settings(home: Path, **given: object) -> Settings:
    return Settings.model_validate({"DAGSTER_HOME": home, **given})


@pytest.mark.parametrize("uri", ["https://books.example.com/callback", "http://localhost:8765/callback"])
def test_a_redirect_uri_that_intuit_takes_is_taken(tmp_path: Path, uri: str) -> None:
    assert settings(tmp_path, quickbooks_redirect_uri=uri).quickbooks_redirect_uri == uri


@pytest.mark.parametrize(
    "uri",
    ["https://203.0.113.7/callback", "https://[2001:db8::1]/callback", "http://books.example.com/callback", "callback"],
)
def test_a_redirect_uri_that_intuit_refuses_is_refused_here(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ValidationError, match="Intuit takes https:// with a host name"):
        settings(tmp_path, quickbooks_redirect_uri=uri)


def test_without_a_redirect_uri_connecting_says_what_to_set(tmp_path: Path) -> None:
    without = settings(tmp_path, quickbooks_client_id="client", quickbooks_client_secret="secret")
    with pytest.raises(SettingsError, match="INVOICE_PIPELINES_QUICKBOOKS_REDIRECT_URI must be set"):
        page_of_authorization(without, "state")


@pytest.mark.parametrize("name", ["api", "authorization", "token", "revoke"])
@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://sandbox-quickbooks.api.intuit.com", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://quickbooks.api.intuit.com", False),
        ("http://localhost.example.com", False),
        ("ftp://example.com", False),
    ],
)
def test_nothing_is_sent_unencrypted_but_to_this_machine(tmp_path: Path, name: str, url: str, taken: bool) -> None:
    field = f"quickbooks_{name}_url"
    if taken:
        assert getattr(settings(tmp_path, **{field: url}), field) == url
    else:
        with pytest.raises(ValidationError, match="unencrypted"):
            settings(tmp_path, **{field: url})
