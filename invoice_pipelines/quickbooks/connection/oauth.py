"""Calls Intuit's authorization server: new tokens for codes and refresh tokens, and revoking them.

What is done with tokens is in `tokens`. Nothing here logs or repeats what it sends or gets.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx

from invoice_pipelines.quickbooks.api import exact_json
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.settings import Settings, SettingsError, variable_of

SCOPE = "com.intuit.quickbooks.accounting"
_TIMEOUT = httpx.Timeout(30, connect=10)

# Where the server does not say so: an hour, and 100 days.
_ACCESS_SECONDS = 3600
_REFRESH_SECONDS = 100 * 86400

_log = logging.getLogger(__name__)


class TokenServiceAway(QuickBooksError):
    """The authorization server cannot be reached, or failed; it is not known whether it made new tokens."""


class GrantRefused(QuickBooksError):
    """The code or refresh token is not valid (`invalid_grant`)."""


class RefreshRefused(QuickBooksError):
    """The server answers, and refuses for a reason that says nothing of the grant: it may pass, or last."""


class ClientRefused(QuickBooksError):
    """Our own client id or secret is not accepted (`invalid_client`): a wrong setting, no matter of the company."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a company gave us. The secrets stay out of `repr`."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    access_expires_at: datetime
    refresh_expires_at: datetime
    refresh_hard_expires_at: datetime | None = None
    """When the company must connect again, however often the token was refreshed; None where it was not told."""

    @property
    def secrets(self) -> dict[str, str]:
        """What is stored encrypted."""
        return {"access_token": self.access_token, "refresh_token": self.refresh_token}


def page_of_authorization(settings: Settings, state: str) -> str:
    """The address at which a person of the company allows the connection. Raises SettingsError without a client id."""
    client_id, _ = _client(settings)
    query = {
        "client_id": client_id,
        "response_type": "code",
        "scope": SCOPE,
        "redirect_uri": _redirect_uri(settings),
        "state": state,
    }
    return f"{settings.quickbooks_authorization_url}?{urlencode(query)}"


def exchange_code(http: httpx.Client, settings: Settings, code: str) -> Tokens:
    """The first tokens of a company.

    Raises GrantRefused, RefreshRefused, ClientRefused, TokenServiceAway, SettingsError.
    """
    return _ask_for_tokens(
        http,
        settings,
        {"grant_type": "authorization_code", "code": code, "redirect_uri": _redirect_uri(settings)},
    )


def refresh(http: httpx.Client, settings: Settings, refresh_token: str) -> Tokens:
    """New tokens for a refresh token, which may not be valid any more afterwards. Raises like `exchange_code`."""
    return _ask_for_tokens(http, settings, {"grant_type": "refresh_token", "refresh_token": refresh_token})


def revoke(http: httpx.Client, settings: Settings, refresh_token: str) -> None:
    """Gives tokens back. Raises TokenServiceAway where that did not work."""
    try:
        answer = http.post(
            settings.quickbooks_revoke_url,
            json={"token": refresh_token},
            auth=_client(settings),
            headers={"Accept": "application/json"},
            timeout=_TIMEOUT,
        )
    except httpx.HTTPError as error:
        raise TokenServiceAway(f"The token was not given back: {type(error).__name__}.") from None
    if not answer.is_success:
        raise TokenServiceAway(f"The token was not given back: HTTP {answer.status_code}.")


def _ask_for_tokens(http: httpx.Client, settings: Settings, form: dict[str, str]) -> Tokens:
    client = _client(settings)
    asked_at = datetime.now(UTC)  # before the answer: what counts from it expires later than we think, never earlier
    try:
        answer = http.post(
            settings.quickbooks_token_url,
            data=form,
            auth=client,
            headers={"Accept": "application/json", "x-include-refresh-token-hard-expires-in": "true"},
            timeout=_TIMEOUT,
        )
    except httpx.HTTPError as error:
        raise TokenServiceAway(f"Intuit's token service did not answer ({type(error).__name__}).") from None
    _log.info("quickbooks token service: HTTP %s intuit_tid=%s", answer.status_code, answer.headers.get("intuit_tid"))
    try:
        document = exact_json.loads(answer.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise TokenServiceAway(f"Intuit's token service gave no answer that can be read (HTTP {answer.status_code}).")
    if answer.is_success and document.get("access_token") and document.get("refresh_token"):
        return _tokens(document, asked_at)
    refusal = document.get("error")
    if refusal == "invalid_grant":
        raise GrantRefused("QuickBooks does not accept the code or refresh token any more (invalid_grant).")
    if refusal in ("invalid_client", "unauthorized_client") or answer.status_code == 401:
        raise ClientRefused(
            f"QuickBooks does not know the client id and secret; check {variable_of('quickbooks_client_id')} and "
            f"{variable_of('quickbooks_client_secret')} (invalid_client)."
        )
    if refusal and 400 <= answer.status_code < 500 and answer.status_code != 429:
        raise RefreshRefused(f"Intuit's token service refuses new tokens ({str(refusal)[:60]}).")
    raise TokenServiceAway(f"Intuit's token service failed (HTTP {answer.status_code}).")


def _tokens(document: dict[str, Any], asked_at: datetime) -> Tokens:
    hard = _seconds(document, "x_refresh_token_hard_expires_in", 0)
    return Tokens(
        access_token=str(document["access_token"]),
        refresh_token=str(document["refresh_token"]),
        access_expires_at=asked_at + timedelta(seconds=_seconds(document, "expires_in", _ACCESS_SECONDS)),
        refresh_expires_at=asked_at
        + timedelta(seconds=_seconds(document, "x_refresh_token_expires_in", _REFRESH_SECONDS)),
        refresh_hard_expires_at=asked_at + timedelta(seconds=hard) if hard else None,
    )


def _seconds(document: dict[str, Any], name: str, default: int) -> int:
    try:
        return int(document[name])
    except (KeyError, TypeError, ValueError):
        return default


def _redirect_uri(settings: Settings) -> str:
    if settings.quickbooks_redirect_uri is None:
        raise SettingsError(
            f"{variable_of('quickbooks_redirect_uri')} must be set to the redirect URI that is entered for the app at "
            "developer.intuit.com: an https address with a host name of yours. Nothing needs to answer there"
        )
    return settings.quickbooks_redirect_uri


def _client(settings: Settings) -> tuple[str, str]:
    if not settings.quickbooks_client_id or settings.quickbooks_client_secret is None:
        raise SettingsError(
            f"{variable_of('quickbooks_client_id')} and {variable_of('quickbooks_client_secret')} must be set to "
            "connect with QuickBooks"
        )
    return settings.quickbooks_client_id, settings.quickbooks_client_secret.get_secret_value()
