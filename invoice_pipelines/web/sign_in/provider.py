"""An OpenID Connect provider: where it sends a browser, and what is believed of its answer.

Needs the extra `oidc`. See OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3, and RFC 9700.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from invoice_pipelines.accounts.oidc import Vouched
from invoice_pipelines.http_clients import open_http_client
from invoice_pipelines.settings import is_local_url
from invoice_pipelines.web.problems import Refusal

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures that only the provider can make: none with a shared secret, and never `none`."""
_KINDS = ("RSA", "EC", "OKP")
_SCOPE = "openid email profile"
_TIMEOUT = 10.0
_LEEWAY = 60
"""Seconds by which the clocks may differ."""
_KEPT_SECONDS = 3600
"""For so long what the provider says of itself, and its keys, are believed without asking again."""
_KEYS_SECONDS = 60
"""Unknown keys are looked for again after so long, and not each time that somebody shows one."""


class ProviderAway(Refusal):
    """The provider does not answer, or not as a provider does. Nothing is wrong with the request."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "PROVIDER_AWAY",
            "The OIDC provider does not answer as it should. Try again in a moment, or sign in with a password.",
            headers={"Retry-After": "10"},
        )


class TokenRefused(Refusal):
    """What came back from the provider proves nothing; the message does not say what exactly."""

    def __init__(self) -> None:
        super().__init__(400, "TOKEN_REFUSED", "What the OIDC provider sent is not valid. Start signing in again.")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt of a browser to sign in goes by; it stays with that browser, sealed. `target` is the page to
    which it wants.
    """

    state: str
    nonce: str
    verifier: str
    target: str


class Provider:
    """The provider of the settings. What it says of itself is looked up when it is first needed, and kept for a
    while.
    """

    def __init__(self, issuer: str, client_id: str, client_secret: str | None, redirect_uri: str) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect_uri = redirect_uri
        self._lock = Lock()
        self._metadata: dict[str, Any] = {}
        self._metadata_at = float("-inf")
        self._keys: list[jwk.Key] = []
        self._keys_at = float("-inf")

    def authorization_url(self, attempt: Attempt) -> str:
        """Where the browser goes. Raises ProviderAway."""
        url: str = prepare_grant_uri(
            self._endpoint("authorization_endpoint"),
            client_id=self._client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope=_SCOPE,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return url

    def person(self, code: str, issuer: str | None, attempt: Attempt) -> Vouched:
        """Who signed in there, for the code with which the browser came back; `issuer` is the one that it named (RFC
        9207). Raises TokenRefused and ProviderAway.
        """
        named = self._about().get("authorization_response_iss_parameter_supported") is True
        if issuer != self._issuer and (named or issuer is not None):
            raise TokenRefused
        answer = self._redeem(code, attempt)
        claims = self._claims(str(answer.get("id_token", "")), str(answer.get("access_token", "")), attempt.nonce)
        subject, email, name = claims["sub"], claims.get("email"), claims.get("name")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
            raise TokenRefused
        is_verified = claims.get("email_verified") is True and isinstance(email, str) and "\x00" not in email
        return Vouched(
            issuer=self._issuer,
            subject=subject,
            verified_email=email if is_verified else None,
            name=name if isinstance(name, str) and name.isprintable() else "",
        )

    def _redeem(self, code: str, attempt: Attempt) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": attempt.verifier,
        }
        auth = None
        methods = self._about().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self._client_secret is None:
            form["client_id"] = self._client_id
        elif "client_secret_basic" in methods:
            auth = httpx.BasicAuth(quote(self._client_id, safe=""), quote(self._client_secret, safe=""))
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        try:
            with open_http_client(timeout=_TIMEOUT, auth=auth) as client:
                answer = client.post(self._endpoint("token_endpoint"), data=form)
        except httpx.HTTPError:
            raise ProviderAway from None
        if answer.status_code in (400, 403):
            raise TokenRefused
        return _object(answer)

    def _claims(self, token: str, access_token: str, nonce: str) -> dict[str, Any]:
        # Whatever a library makes of a token that nobody should have sent, it is the token that is wrong.
        try:
            header = _header(token)
            for key in self._keys_for(header.get("kid")):
                try:
                    decoded = jwt.decode(token, key, algorithms=_ALGORITHMS)
                except (JoseError, ValueError, TypeError):
                    continue
                claims = CodeIDToken(
                    decoded.claims,
                    decoded.header,
                    {"iss": {"value": self._issuer}, "aud": {"value": self._client_id}},
                    {"nonce": nonce, "client_id": self._client_id, "access_token": access_token},
                )
                claims.validate(leeway=_LEEWAY)
                return dict(claims)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
            pass
        raise TokenRefused

    def _keys_for(self, key_id: object) -> list[jwk.Key]:
        """Keys that may have signed a token: those with its id, or all where it names none."""

        def fitting() -> list[jwk.Key]:
            return [key for key in self._keys if key_id is None or key.kid == key_id]

        if not fitting() or time.monotonic() - self._keys_at > _KEPT_SECONDS:
            self._look_up_keys()
        return fitting()

    def _look_up_keys(self) -> None:
        with self._lock:
            if time.monotonic() - self._keys_at < _KEYS_SECONDS:
                return
        address = self._endpoint("jwks_uri")
        listed = _get(address).get("keys")
        found = []
        for key in listed if isinstance(listed, list) else []:
            if isinstance(key, dict) and key.get("kty") in _KINDS and key.get("use", "sig") == "sig":
                try:
                    found.append(jwk.import_key(key))
                except (JoseError, ValueError, TypeError, KeyError):
                    continue
        if not found:
            raise ProviderAway
        with self._lock:
            self._keys, self._keys_at = found, time.monotonic()

    def _about(self) -> dict[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0)."""
        with self._lock:
            if time.monotonic() - self._metadata_at < _KEPT_SECONDS:
                return self._metadata
        found = _get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self._issuer:
            raise ProviderAway
        with self._lock:
            self._metadata, self._metadata_at = found, time.monotonic()
        return found

    def _endpoint(self, name: str) -> str:
        address = self._about().get(name)
        if not isinstance(address, str) or not (urlsplit(address).scheme == "https" or is_local_url(address)):
            raise ProviderAway
        return address


def _header(token: str) -> dict[str, Any]:
    """The header of a token, which nobody has checked yet. Raises ValueError."""
    try:
        header: dict[str, Any] = dict(extract_compact(token.encode("ascii", "strict")).headers())
    except (JoseError, UnicodeError) as error:
        raise ValueError(str(error)) from None
    return header


def _get(address: str) -> dict[str, Any]:
    try:
        with open_http_client(timeout=_TIMEOUT) as client:
            return _object(client.get(address))
    except httpx.HTTPError:
        raise ProviderAway from None


def _object(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer."""
    try:
        found = answer.json() if answer.status_code == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProviderAway
    return found
