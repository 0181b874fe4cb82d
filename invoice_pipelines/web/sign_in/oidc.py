"""Signing in through an OIDC provider: the browser is sent there, and comes back with a code.

What the attempt goes by (state, nonce, PKCE's verifier) stays with the browser, in a cookie that is encrypted, works
for ten minutes and is sent to no other host.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from invoice_pipelines.accounts.credentials import new_secret
from invoice_pipelines.accounts.oidc import sign_in_vouched
from invoice_pipelines.encryption import derived_keys
from invoice_pipelines.settings import Settings, SettingsError, variable_of
from invoice_pipelines.web.problems import Refusal
from invoice_pipelines.web.sign_in.routing import OpenRouter, address_of, engine_of, settings_of
from invoice_pipelines.web.sign_in.session import begin_session
from invoice_pipelines.web.values import LocalPage

if TYPE_CHECKING:
    from invoice_pipelines.web.sign_in.provider import Provider

router = OpenRouter(tags=["session"])

ATTEMPT_COOKIE = "__Host-oidc"
CALLBACK = "/oidc/callback"
_SECONDS = 600
PURPOSE = "attempts to sign in through an OIDC provider"
"""Of the key that encrypts the cookie."""
_REDIRECT = {"303": {"description": "Where the browser goes on"}}

Said = Annotated[str | None, Query(max_length=4000, description="As the provider says it")]


def open_provider(settings: Settings) -> Provider | None:
    """The provider of the settings, if there is one. Raises SettingsError where the extra is not installed."""
    if settings.oidc_issuer is None:
        return None
    try:
        from invoice_pipelines.web.sign_in.provider import Provider
    except ImportError as error:
        raise SettingsError(
            f"{variable_of('oidc_issuer')} needs the package {error.name}: install it with "
            "pip install 'invoice-pipelines[oidc]'."
        ) from None
    secret = settings.oidc_client_secret
    return Provider(
        settings.oidc_issuer,
        str(settings.oidc_client_id),
        None if secret is None else secret.get_secret_value(),
        f"{settings.web_url.rstrip('/')}/api/v1{CALLBACK}",
    )


@router.route("GET", "/oidc/start", status_code=303, response_class=RedirectResponse, responses=_REDIRECT)
def start_oidc(
    request: Request,
    target: Annotated[LocalPage, Query(description="The page to which the browser wants, from / on")] = "/",
) -> Response:
    """Sign in through the OIDC provider.

    To be opened in a browser, which the provider sends back to us.
    """
    from invoice_pipelines.web.sign_in.provider import Attempt

    provider = _provider(request)
    attempt = Attempt(new_secret(), new_secret(), new_secret(), target)
    answer = RedirectResponse(provider.authorization_url(attempt), 303)
    sealed = _cipher(request).encrypt(json.dumps(asdict(attempt), ensure_ascii=False).encode()).decode()
    # Lax, as the browser comes back from the provider's site.
    answer.set_cookie(ATTEMPT_COOKIE, sealed, max_age=_SECONDS, secure=True, httponly=True, samesite="lax")
    return answer


@router.route("GET", CALLBACK, status_code=303, response_class=RedirectResponse, responses=_REDIRECT)
def finish_oidc(
    request: Request, state: Said = None, code: Said = None, error: Said = None, iss: Said = None
) -> Response:
    """Come back from the OIDC provider.

    Begins a session of the user whom the provider names, as with a password, and goes on to the page that was wanted.
    """
    from invoice_pipelines.web.sign_in.provider import Attempt

    provider = _provider(request)
    try:
        content = _cipher(request).decrypt(request.cookies.get(ATTEMPT_COOKIE, "").encode(), ttl=_SECONDS)
        attempt = Attempt(**json.loads(content))
    except InvalidToken:
        raise _no_attempt() from None
    if state is None or not hmac.compare_digest(attempt.state.encode(), state.encode("utf-8", "replace")):
        raise _no_attempt()
    if code is None or error is not None:
        raise Refusal(403, "PROVIDER_REFUSED", "The OIDC provider let nobody in. Start signing in again.")
    person = provider.person(code, iss, attempt)
    signed_in = sign_in_vouched(
        engine_of(request),
        settings_of(request),
        person,
        address=address_of(request),
        user_agent=request.headers.get("user-agent", ""),
    )
    answer = RedirectResponse(attempt.target, 303)
    begin_session(request, answer, signed_in)
    answer.delete_cookie(ATTEMPT_COOKIE, secure=True, httponly=True, samesite="lax")
    return answer


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise Refusal(404, "NO_PROVIDER", "Here people sign in with passwords only.")
    return provider


def _cipher(request: Request) -> MultiFernet:
    keys = derived_keys(settings_of(request), PURPOSE)
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])


def _no_attempt() -> Refusal:
    return Refusal(
        400, "NO_ATTEMPT", "This browser did not start to sign in, or it took longer than ten minutes. Start again."
    )
