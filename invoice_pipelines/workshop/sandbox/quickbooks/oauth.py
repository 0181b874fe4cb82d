"""The tokens: how they are given, refreshed, rotated, revoked and checked, and the pages around them.

All clients that come with some id and secret are taken, unless `clients` names those that are known.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import parse_qs, urlencode

from invoice_pipelines.workshop.sandbox.quickbooks.clock import Clock
from invoice_pipelines.workshop.sandbox.quickbooks.store import Store
from invoice_pipelines.workshop.sandbox.quickbooks.switches import Switches
from invoice_pipelines.workshop.sandbox.quickbooks.wire import shapes
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document, dumps
from invoice_pipelines.workshop.sandbox.quickbooks.wire.shapes import HTML, Answer

_CODE_SECONDS = 600
_HARD_HEADER = "x-include-refresh-token-hard-expires-in"


@dataclass(frozen=True)
class Tokens:
    """A pair as it was given, with the seconds that each lasts."""

    realm: str
    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    hard_expires_in: int


class OAuth:
    """The authorization server. Each grant is a family of tokens; a refresh gives it new ones."""

    def __init__(self, store: Store, switches: Switches, clock: Clock) -> None:
        self._store = store
        self._switches = switches
        self._clock = clock
        self.clients: dict[str, str] = {}
        """Secrets by client id; empty: any client."""
        self.refusal: str | None = None
        """With this error the token endpoint refuses whatever it is asked; None: it does not."""

    def grant(self, realm: str) -> Tokens:
        """The first tokens of a new grant."""
        with self._store.transaction():
            family = secrets.token_hex(8)
            now = self._clock.now().timestamp()
            self._add("grant", f"grant-{family}", realm, family, now, self._seconds("refresh_token_hard_lifetime"))
            refresh = self._new_refresh(realm, family, now)
            return self._pair(realm, family, refresh, now)

    def expire(self, realm: str, kind: str = "access") -> int:
        """Lets all tokens of a kind ('access' or 'refresh') of a realm be too old; how many there were."""
        found = self._store.rows(
            "update token set expires = 0 where realm = ? and kind = ? and expires > 0 returning value", (realm, kind)
        )
        return len(found)

    def revoke_all(self, realm: str) -> None:
        """As when someone disconnects the app in QuickBooks."""
        self._store.rows("update token set revoked = 1 where realm = ? returning value", (realm,))

    def realm_of(self, headers: Mapping[str, str]) -> tuple[str, str]:
        """The realm that a call's bearer token is for, and why it is not good; one of them is empty."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            return "", "AuthenticationFailed"
        found = self._store.rows(
            "select realm, expires, revoked from token where value = ? and kind = 'access'", (value.strip(),)
        )
        if not found:
            return "", "Token invalid"
        realm, expires, revoked = found[0]
        if revoked:
            return "", "Token revoked"
        return (realm, "") if expires > self._clock.now().timestamp() else ("", "Token expired")

    def token_answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """The token endpoint."""
        if not self._known(headers.get("authorization", "")):
            return _error("invalid_client", 401)
        form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
        with_hard = headers.get(_HARD_HEADER, "").lower() == "true"
        with self._store.transaction():
            if self.refusal is not None:
                return _error(self.refusal)
            if form.get("grant_type") == "refresh_token":
                tokens = self._refreshed(form.get("refresh_token", ""))
            elif form.get("grant_type") == "authorization_code":
                tokens = self._exchanged(form.get("code", ""), form.get("redirect_uri", ""))
            else:
                return _error("unsupported_grant_type")
        return _error("invalid_grant") if tokens is None else Answer(200, dumps(_token_document(tokens, with_hard)))

    def revoke_answer(self, headers: Mapping[str, str], value: str) -> Answer:
        """The revocation endpoint: the whole grant ends."""
        if not self._known(headers.get("authorization", "")):
            return _error("invalid_client", 401)
        found = self._store.rows(
            "update token set revoked = 1 where family in (select family from token where value = ?) returning value",
            (value,),
        )
        return Answer(200, "") if found else _error("invalid_request")

    def authorize_answer(self, parameters: Mapping[str, str], path: str) -> Answer:
        """The page on which a person chooses a company; with one company, or `realm` given, it sends on at once."""
        realms = [row[0] for row in self._store.rows("select realm from company order by realm")]
        back, state = parameters.get("redirect_uri", ""), parameters.get("state", "")
        if not back or not parameters.get("client_id") or parameters.get("response_type") != "code":
            return shapes.html_page(400, "Invalid request: client_id, redirect_uri and response_type=code are required")
        if "deny" in parameters:
            return _redirect(back, {"error": "access_denied", "state": state})
        realm = parameters.get("realm") or (realms[0] if len(realms) == 1 else "")
        if not realm:
            links = [
                f'<li><a href="{escape(path)}?{escape(urlencode({**parameters, "realm": one}))}">{escape(one)}</a></li>'
                for one in realms
            ]
            return Answer(200, f"<html><body><h1>Choose a company</h1><ul>{''.join(links)}</ul></body></html>", HTML)
        code = secrets.token_urlsafe(24)
        now = self._clock.now().timestamp()
        self._add("code", code, realm, back, now, _CODE_SECONDS)
        return _redirect(back, {"code": code, "state": state, "realmId": realm})

    def _known(self, authorization: str) -> bool:
        scheme, _, value = authorization.partition(" ")
        try:
            client, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        if scheme.lower() != "basic" or not client or not secret:
            return False
        return not self.clients or self.clients.get(client) == secret

    def _refreshed(self, value: str) -> Tokens | None:
        now = self._clock.now().timestamp()
        found = self._store.rows(
            "select realm, family, issued, expires, replaced, revoked from token where value = ? and kind = 'refresh'",
            (value,),
        )
        if not found:
            return None
        realm, family, issued, expires, replaced, revoked = found[0]
        hard = self._store.rows("select expires from token where family = ? and kind = 'grant'", (family,))[0][0]
        if revoked or expires <= now or hard <= now:
            return None
        if replaced is not None:
            if now - replaced >= self._seconds("refresh_token_grace"):
                return None
            # Within the grace the newest is given once more.
            value = self._store.rows(
                "select value from token where family = ? and kind = 'refresh' and replaced is null", (family,)
            )[0][0]
        elif now - issued >= self._seconds("refresh_token_rotates_after"):
            self._store.rows("update token set replaced = ? where value = ? returning 1", (now, value))
            value = self._new_refresh(realm, family, now)
        else:
            self._store.rows(
                "update token set expires = ? where value = ? returning 1",
                (now + self._seconds("refresh_token_lifetime"), value),
            )
        return self._pair(realm, family, value, now)

    def _exchanged(self, code: str, redirect_uri: str) -> Tokens | None:
        now = self._clock.now().timestamp()
        found = self._store.rows(
            "delete from token where value = ? and kind = 'code' returning realm, family, expires", (code,)
        )
        if not found or found[0][1] != redirect_uri or found[0][2] <= now:
            return None
        return self.grant(found[0][0])

    def _new_refresh(self, realm: str, family: str, now: float) -> str:
        value = f"RT1-{secrets.token_urlsafe(30)}"
        self._add("refresh", value, realm, family, now, self._seconds("refresh_token_lifetime"))
        return value

    def _pair(self, realm: str, family: str, refresh: str, now: float) -> Tokens:
        access = f"AT.{secrets.token_urlsafe(48)}"
        lifetime = self._seconds("access_token_lifetime")
        self._add("access", access, realm, family, now, lifetime)
        hard = self._store.rows("select expires from token where family = ? and kind = 'grant'", (family,))[0][0]
        left = self._store.rows("select expires from token where value = ?", (refresh,))[0][0] - now
        return Tokens(realm, access, refresh, int(lifetime), int(left), int(hard - now))

    def _add(self, kind: str, value: str, realm: str, family: str, now: float, seconds: float) -> None:
        self._store.rows(
            "insert into token (value, realm, kind, family, issued, expires) values (?, ?, ?, ?, ?, ?) returning 1",
            (value, realm, kind, family, now, now + seconds),
        )

    def _seconds(self, switch: str) -> float:
        return float(getattr(self._switches, switch).total_seconds())


def discovery_answer(url: str) -> Answer:
    """The discovery document, with the addresses of this sandbox."""
    return Answer(
        200,
        dumps(
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/connect/oauth2",
                "token_endpoint": f"{url}/oauth2/v1/tokens/bearer",
                "userinfo_endpoint": f"{url}/v1/openid_connect/userinfo",
                "revocation_endpoint": f"{url}/v2/oauth2/tokens/revoke",
                "jwks_uri": f"{url}/op/v1/jwks",
                "response_types_supported": ["code"],
                "scopes_supported": ["com.intuit.quickbooks.accounting", "openid"],
            }
        ),
    )


def refused_access(reason: str, at: datetime) -> Answer:
    """What a call without a good token gets from the gateway."""
    return shapes.refused_by_gateway(3200, "AuthenticationFailed", f"{reason}: the access token is not valid", at)


def _token_document(tokens: Tokens, with_hard: bool) -> Document:
    document: Document = {
        "token_type": "bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token,
        "x_refresh_token_expires_in": tokens.refresh_expires_in,
        "access_token": tokens.access_token,
    }
    if with_hard:
        document["x_refresh_token_hard_expires_in"] = tokens.hard_expires_in
    return document


def _error(name: str, status: int = 400) -> Answer:
    return Answer(status, dumps({"error": name}), code=name)


def _redirect(back: str, parameters: Mapping[str, str]) -> Answer:
    answer = Answer(302, "", HTML)
    answer.headers["Location"] = f"{back}{'&' if '?' in back else '?'}{urlencode(parameters)}"
    return answer
