"""Signing in through an OIDC provider over real sockets, and everything that may be wrong with what it sends."""

from __future__ import annotations

import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError
from sqlalchemy import text

from invoice_pipelines.accounts.members import invite_member
from invoice_pipelines.accounts.oidc import register_sign_in_keys
from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.sessions import SignInRefused, accept_invitation, sign_in
from invoice_pipelines.accounts.users import set_disabled, set_role
from invoice_pipelines.database import organization_scope
from invoice_pipelines.encryption import derived_keys
from invoice_pipelines.settings import Settings, SettingsError
from invoice_pipelines.web.app import create_app
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines.web.sign_in.oidc import ATTEMPT_COOKIE, PURPOSE
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.oidc import (
    CLIENT_ID,
    CLIENT_SECRET,
    OidcProvider,
    running_provider,
    signed_by_a_public_key,
    signed_by_a_stranger,
    unsigned,
    with_a_key_of_its_own,
)
from invoice_pipelines_tests.support.web import Site, add_person, problem_of, running_site

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def running() -> Iterator[OidcProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: OidcProvider) -> OidcProvider:
    running.behave()
    return running


@pytest.fixture(scope="module")
def settings(running: OidcProvider) -> dict:
    return {
        "oidc_issuer": running.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "encryption_keys": Fernet.generate_key().decode(),
    }


@pytest.fixture(scope="module")
def site(shared_database: TestDatabase, settings: dict) -> Iterator[Site]:
    with running_site(shared_database, **settings) as site:
        with shared_database.engine.begin() as connection:
            register_sign_in_keys(connection, site.settings)
        yield site


@dataclass
class Journey:
    """A browser on its way to the provider and back; what it keeps is in `cookie`."""

    site: Site
    cookie: str = ""
    back: str = ""

    def start(self, target: str = "/desk") -> None:
        with self.site.client() as client:
            answer = client.get("/api/v1/oidc/start", params={"target": target})
        assert answer.status_code == 303, answer.text
        name, _, rest = answer.headers["set-cookie"].partition("=")
        self.cookie, _, attributes = rest.partition("; ")
        assert name == ATTEMPT_COOKIE
        assert set(attributes.split("; ")) >= {"HttpOnly", "Path=/", "SameSite=lax", "Secure", "Max-Age=600"}
        at_provider = httpx.get(answer.headers["location"], verify=False)
        assert at_provider.status_code == 302
        self.back = at_provider.headers["location"]
        assert self.back.startswith(f"{self.site.settings.web_url}/api/v1/oidc/callback?")

    def finish(self, cookie: str | None = None, **changes: str | None) -> httpx.Response:
        url = httpx.URL(self.back.removeprefix(self.site.settings.web_url))
        sent = {name: value for name, value in {**dict(url.params), **changes}.items() if value is not None}
        with self.site.client() as client:
            headers = {"Cookie": f"{ATTEMPT_COOKIE}={cookie or self.cookie}", "Sec-Fetch-Site": "cross-site"}
            return client.get(url.path, params=sent, headers=headers)


def go(site: Site, **changes: str | None) -> httpx.Response:
    journey = Journey(site)
    journey.start()
    return journey.finish(**changes)


def session_of(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/desk"
    (session,) = [cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith(f"{SESSION_COOKIE}=")]
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(session.split("; "))
    return session.partition("=")[2].partition(";")[0]


def who(site: Site, session: str) -> dict:
    with site.browser(session) as browser:
        return browser.get("/api/v1/session").json()


@pytest.fixture
def gerda(site: Site, provider: OidcProvider) -> str:
    """The email of a viewer of the first organization, who is signed in at the provider."""
    email = add_person(site.database, "gerda")
    with site.database.engine.begin() as connection:
        set_role(connection, email, site.a.slug, Role.VIEWER, actor="test")
    provider.person = {"sub": f"g-{uuid4().hex}", "email": email.title(), "email_verified": True, "name": "Gerda G."}
    return email


def count(site: Site, query: str, **values: object) -> int:
    with site.database.superuser.connect() as connection:
        return connection.execute(text(f"select count(*) from accounts.{query}"), values).scalar_one()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_who_was_invited_comes_in_by_a_verified_email_and_then_by_the_subject(
    site: Site, provider: OidcProvider, gerda: str, algorithm: str
) -> None:
    provider.algorithm = algorithm
    first = who(site, session_of(go(site)))
    assert (first["email"], first["organizations"]) == (gerda, [{"organization": site.a.slug, "role": "viewer"}])
    provider.person |= {"email": "another@example.com", "email_verified": False}
    assert who(site, session_of(go(site)))["user_id"] == first["user_id"]


def test_nobody_comes_in_who_was_not_invited(site: Site, provider: OidcProvider) -> None:
    provider.person = {"sub": "stranger", "email": "stranger-to-all@example.com", "email_verified": True}
    assert problem_of(go(site), 403)["code"] == "NOT_INVITED"
    assert count(site, "user_account where email = 'stranger-to-all@example.com'") == 0


def test_a_setting_lets_everybody_have_an_account_that_opens_nothing(
    shared_database: TestDatabase, settings: dict, provider: OidcProvider, site: Site
) -> None:
    email = f"new-{uuid4().hex}@example.com"
    provider.person = {"sub": uuid4().hex, "email": email, "email_verified": True, "name": ""}
    with running_site(shared_database, **settings, oidc_create_users=True) as open_to_all:
        made = who(open_to_all, session_of(go(open_to_all)))
        assert (made["email"], made["organizations"], made["is_operator"]) == (email, [], False)
        assert who(open_to_all, session_of(go(open_to_all)))["user_id"] == made["user_id"]
        provider.person |= {"sub": uuid4().hex, "email_verified": False}
        problem_of(go(open_to_all), 403)


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_that_the_provider_has_not_verified_is_nobodys(
    site: Site, provider: OidcProvider, gerda: str, verified: object
) -> None:
    provider.claims = {"email_verified": verified}
    assert problem_of(go(site), 403)["code"] == "NOT_INVITED"
    assert count(site, "user_account where email = :email and subject is not null", email=gerda) == 0


def test_an_account_of_one_subject_does_not_become_that_of_another(
    site: Site, provider: OidcProvider, gerda: str
) -> None:
    session_of(go(site))
    provider.person |= {"sub": f"other-{uuid4().hex}"}
    assert problem_of(go(site), 403)["code"] == "NOT_INVITED"


def test_who_is_disabled_stays_out(site: Site, provider: OidcProvider, gerda: str) -> None:
    session = session_of(go(site))
    with site.database.engine.begin() as connection:
        set_disabled(connection, gerda, True, actor="test")
    with site.browser(session) as browser:
        problem_of(browser.get("/api/v1/session"), 401)
    problem_of(go(site), 403)


def test_a_password_that_an_admin_may_have_chosen_ends_when_the_person_comes(
    site: Site, provider: OidcProvider
) -> None:
    email = f"taken-{uuid4().hex[:12]}@example.com"
    with organization_scope(site.database.engine, site.a.id) as connection:
        _, link = invite_member(connection, email, "Taken", Role.VIEWER)
    accept_invitation(site.engine, link, PASSWORD, address="192.0.2.66")
    taken = sign_in(site.engine, email, PASSWORD, address="192.0.2.66").secret
    provider.person = {"sub": uuid4().hex, "email": email, "email_verified": True}
    assert who(site, session_of(go(site)))["email"] == email
    assert "user_id" not in who(site, taken)
    with pytest.raises(SignInRefused):
        sign_in(site.engine, email, PASSWORD, address="192.0.2.66")


def as_jwe(_: OidcProvider, claims: dict) -> str:
    return "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..YWJjZGVmZ2hpamts.AAAA.AAAAAAAAAAAAAAAAAAAAAA"


NOW = int(time.time())
WRONG_TOKENS: dict[str, dict[str, Any]] = {
    "another nonce": {"claims": {"nonce": "of somebody else"}},
    "no nonce": {"claims": {"nonce": None}},
    "a nonce that is no text": {"claims": {"nonce": 7}},
    "for another client": {"claims": {"aud": "another client"}},
    "for nobody": {"claims": {"aud": None}},
    "for several, by another one": {"claims": {"aud": [CLIENT_ID, "another client"], "azp": "another client"}},
    "for an object": {"claims": {"aud": {"a": 1}}},
    "of another issuer": {"claims": {"iss": "https://evil.example"}},
    "of no issuer": {"claims": {"iss": None}},
    "expired": {"claims": {"iat": NOW - 7200, "exp": NOW - 3600}},
    "without an end": {"claims": {"exp": None}},
    "with an end that is no number": {"claims": {"exp": "tomorrow"}},
    "with an end beyond all numbers": {"claims": {"exp": float("inf")}},
    "not valid yet": {"claims": {"nbf": NOW + 7200}},
    "from the future": {"claims": {"iat": NOW + 7200}},
    "with the hash of another access token": {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
    "with a hash that is no text": {"claims": {"at_hash": 12}},
    "of nobody": {"claims": {"sub": None}},
    "of an empty subject": {"claims": {"sub": ""}},
    "of a number": {"claims": {"sub": 42}},
    "of a list": {"claims": {"sub": ["a"]}},
    "of a subject that is too long": {"claims": {"sub": "x" * 256}},
    "of a subject with NUL": {"claims": {"sub": "a\x00b"}},
    "forged, with the right key id": {"token": signed_by_a_stranger},
    "forged, with its own key": {"token": with_a_key_of_its_own},
    "forged with the public key as a secret": {"token": signed_by_a_public_key},
    "unsigned": {"token": unsigned},
    "encrypted to nobody": {"token": as_jwe},
    "no token": {"token": lambda *_: "not.a.token"},
    "a number": {"token": lambda *_: 7},
    "nothing": {"token": lambda *_: ""},
    "not ASCII": {"token": lambda *_: "ä.ö.ü"},
    "an array inside": {"token": lambda provider, _: provider.sign_bytes(b"[]")},
    "no JSON inside": {"token": lambda provider, _: provider.sign_bytes(b"\xff")},
    "JSON without an end inside": {"token": lambda provider, _: provider.sign_bytes(b"[" * 100_000)},
}


@pytest.mark.parametrize("wrong", WRONG_TOKENS)
def test_a_wrong_token_opens_nothing_and_is_no_fault_of_ours(
    site: Site, provider: OidcProvider, gerda: str, wrong: str
) -> None:
    for name, value in WRONG_TOKENS[wrong].items():
        setattr(provider, name, value)
    refused = go(site)
    assert problem_of(refused, 400)["code"] == "TOKEN_REFUSED"
    assert "set-cookie" not in refused.headers
    assert count(site, "user_account where email = :email and subject is not null", email=gerda) == 0


def test_only_the_browser_that_began_comes_back_once_and_with_its_state(
    site: Site, provider: OidcProvider, gerda: str
) -> None:
    journey, other = Journey(site), Journey(site)
    journey.start()
    other.start()
    stale = Fernet(Fernet.generate_key()).encrypt(b"{}").decode()
    for refused in (
        journey.finish(state="another"),
        journey.finish(state="\udc80".encode("utf-8", "surrogatepass").decode("latin-1")),
        journey.finish(state=None),
        journey.finish(cookie=other.cookie),
        journey.finish(cookie="x"),
        journey.finish(cookie=stale),
        journey.finish(cookie=journey.cookie[:-4] + "AAAA"),
    ):
        assert problem_of(refused, 400)["code"] == "NO_ATTEMPT"
    for refused in (
        journey.finish(code="guessed"),
        journey.finish(code=dict(httpx.URL(other.back).params)["code"]),  # PKCE: it is bound to the other browser
        journey.finish(iss="https://evil.example"),
    ):
        assert problem_of(refused, 400)["code"] == "TOKEN_REFUSED"
    session_of(journey.finish(iss=provider.issuer))
    assert problem_of(journey.finish(), 400)["code"] == "TOKEN_REFUSED"


def test_an_attempt_ends_after_ten_minutes(site: Site, gerda: str) -> None:
    journey = Journey(site)
    journey.start()
    (key,) = derived_keys(site.settings, PURPOSE)
    cipher = Fernet(urlsafe_b64encode(key))
    late = cipher.encrypt_at_time(cipher.decrypt(journey.cookie.encode()), int(time.time()) - 601).decode()
    assert problem_of(journey.finish(cookie=late), 400)["code"] == "NO_ATTEMPT"


def test_who_says_no_at_the_provider_is_told_so(site: Site, gerda: str) -> None:
    refused = go(site, code=None, error="access_denied", error_description="<script>")
    assert problem_of(refused, 403)["code"] == "PROVIDER_REFUSED"
    assert "script" not in refused.text


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "desk", "/a\r\nSet-Cookie: a=b", "/\t/evil"]
)
def test_the_way_back_leads_to_no_other_site(site: Site, target: str) -> None:
    with site.client() as client:
        assert problem_of(client.get("/api/v1/oidc/start", params={"target": target}), 422)["errors"]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/token", (500, b"oops")),
        ("/token", (200, b"<html>")),
        ("/token", (200, b"[]")),
        ("/token", (401, b'{"error": "invalid_client"}')),
        ("/keys", (500, b"")),
        ("/keys", (200, b'{"keys": []}')),
        ("/keys", (200, b'{"keys": [{"kty": "RSA", "n": "!", "e": 1}, {"kty": "oct", "k": "AAAA"}, 7]}')),
        ("/.well-known/openid-configuration", (200, b'{"issuer": "https://evil.example"}')),
        ("/.well-known/openid-configuration", (302, b"")),
    ],
)
def test_a_provider_that_does_not_do_its_part_is_named_as_the_cause(
    shared_database: TestDatabase, settings: dict, provider: OidcProvider, gerda: str, path: str, answer: tuple
) -> None:
    provider.answers[path] = answer
    with running_site(shared_database, **settings) as fresh:  # which has asked nothing yet
        if "well-known" in path:
            with fresh.client() as client:
                refused = client.get("/api/v1/oidc/start")
        else:
            refused = go(fresh)
    assert problem_of(refused, 503)["code"] == "PROVIDER_AWAY"
    assert int(refused.headers["retry-after"]) > 0


def test_without_a_provider_there_is_nothing_to_start(shared_database: TestDatabase) -> None:
    with running_site(shared_database) as plain, plain.client() as client:
        for path in ("start", "callback"):
            assert problem_of(client.get(f"/api/v1/oidc/{path}"), 404)["code"] == "NO_PROVIDER"


def test_a_web_whose_key_nobody_registered_begins_no_session(
    shared_database: TestDatabase, settings: dict, provider: OidcProvider, gerda: str
) -> None:
    other = {**settings, "encryption_keys": Fernet.generate_key().decode()}
    with running_site(shared_database, **other) as stranger:
        assert problem_of(go(stranger), 403)["code"] == "FORBIDDEN"


def test_a_provider_without_a_client_or_without_the_extra_is_said_at_the_start(
    settings: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match="needed with OIDC_ISSUER"):
        Settings(oidc_issuer=settings["oidc_issuer"])
    with pytest.raises(ValidationError, match="unencrypted"):
        Settings(oidc_issuer="http://id.example", oidc_client_id="web")
    for name in list(sys.modules):
        if name.startswith(("authlib.", "invoice_pipelines.web.sign_in.provider")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "authlib", None)
    with pytest.raises(SettingsError) as refused:
        create_app(None, Settings(oidc_issuer="https://id.example", oidc_client_id="web"))
    assert "INVOICE_PIPELINES_OIDC_ISSUER needs the package authlib" in str(refused.value)
    assert "pip install 'invoice-pipelines[oidc]'" in str(refused.value)
