"""An OpenID Connect provider on a port of this machine: strict with its clients as a real one, and wrong on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "invoices web", "s3cret/with+signs"


@dataclass
class OidcProvider:
    """A provider at `issuer`. `person` is who is signed in there; `claims` change what its tokens say (None takes a
    claim out), `token` makes the whole token in its place, and `answers` are given instead of what a path would answer.
    """

    issuer: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    token: Any = None
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    algorithm: str = "RS256"
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, Any] = field(
        default_factory=lambda: {
            "RS256": RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"}, auto_kid=False),
            "ES256": ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"}, auto_kid=False),
        }
    )

    def behave(self) -> None:
        """Lets it be right again, with nobody signed in."""
        self.person, self.claims, self.token, self.answers, self.metadata = {}, {}, None, {}, {}
        self.algorithm = "RS256"

    def about(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            **self.metadata,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where it sends the browser back to, as the person is signed in there already."""
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def redeem(self, form: dict[str, str], login: str) -> tuple[int, dict[str, Any]]:
        """Gives the tokens for a code, once and to the client that shows its secret and PKCE's verifier."""
        scheme, _, coded = login.partition(" ")
        name, _, secret = base64.b64decode(coded).decode().partition(":") if scheme == "Basic" else ("", "", "")
        if (unquote(name), unquote(secret)) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = _coded(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "at_hash": _coded(hashlib.sha256(access_token.encode()).digest()[:16]),
            **self.person,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        token = self.sign(claims) if self.token is None else self.token(self, claims)
        return 200, {"access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": token}

    def sign(self, claims: dict[str, Any], key: Any = None, **header: Any) -> str:
        """A token as it makes them; with another key, one that is forged."""
        key = key or self.keys[self.algorithm]
        header = {"alg": self.algorithm, "kid": self.keys[self.algorithm].kid, **header}
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])

    def sign_bytes(self, content: bytes) -> str:
        """Something else than claims, signed rightly."""
        key = self.keys[self.algorithm]
        return jws.serialize_compact({"alg": self.algorithm, "kid": key.kid}, content, key, algorithms=[self.algorithm])


def unsigned(_: OidcProvider, claims: dict[str, Any]) -> str:
    """A token without a signature, which says so."""
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


def signed_by_a_public_key(provider: OidcProvider, claims: dict[str, Any]) -> str:
    """A token with an HMAC whose secret is the public key that everybody knows."""
    content = f"{_part({'alg': 'HS256', 'kid': 'rsa-1'})}.{_part(claims)}"
    secret = provider.keys["RS256"].as_pem(private=False)
    return f"{content}.{_coded(hmac.digest(secret, content.encode(), 'sha256'))}"


def _part(content: dict[str, Any]) -> str:
    return _coded(json.dumps(content).encode())


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def signed_by_a_stranger(provider: OidcProvider, claims: dict[str, Any]) -> str:
    """A token with the id of the provider's key, and the signature of another one."""
    return provider.sign(claims, RSAKey.generate_key(2048, {"kid": "rsa-1"}, auto_kid=False))


def with_a_key_of_its_own(provider: OidcProvider, claims: dict[str, Any]) -> str:
    """A token that brings the key with which it wants to be checked."""
    own = RSAKey.generate_key(2048, {"kid": "own"}, auto_kid=False)
    return provider.sign(claims, own, kid="own", jwk=own.as_dict(private=False))


@contextmanager
def running_provider() -> Iterator[OidcProvider]:
    """A provider for as long as the block lasts."""
    provider = OidcProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if path.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(path.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()
            elif path.path == "/.well-known/openid-configuration":
                self.answer(200, provider.about())
            elif path.path == "/keys":
                self.answer(200, {"keys": [key.as_dict(private=False) for key in provider.keys.values()]})
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.answer(*provider.redeem(form, self.headers.get("Authorization", "")))

        def answer(self, status: int, content: dict[str, Any]) -> None:
            status, body = provider.answers.get(urlsplit(self.path).path, (status, json.dumps(content).encode()))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
