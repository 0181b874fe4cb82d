"""What admins manage over the API: people, tokens, settings."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.organizations import change_organization
from invoice_pipelines_tests.support.web import Site, add_person, add_session, open_tenant, problem_of

PASSWORD = "correct horse battery staple"
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def admin(site: Site):
    with site.browser(site.a.sessions[Role.ADMIN]) as browser:
        yield browser


def open_link(site: Site, link: str, password: str | None = None, session: str | None = None) -> httpx.Response:
    """Opens a link as the page behind it does."""
    address, _, secret = link.rpartition("/invitations/")
    assert address == site.settings.web_url
    headers = OURS if session is None else {**OURS, "Cookie": f"__Host-session={session}"}
    with site.client() as client:
        return client.post(f"/api/v1/invitations/{secret}", json={"password": password}, headers=headers)


def test_a_person_is_invited_comes_in_gets_another_role_and_goes(site: Site, admin: httpx.Client) -> None:
    members, email = site.path(site.a, "members"), f"carla-{uuid4().hex[:8]}@example.com"
    made = admin.post(members, json={"email": email, "name": "Carla", "role": "accountant"})
    assert made.status_code == 201, made.text
    invited = made.json()
    link = invited.pop("link")
    assert made.headers["location"] == invited["url"]
    assert admin.get(invited["url"]).json() == invited
    assert (invited["status"], invited["role"], invited["name"]) == ("invited", "accountant", "Carla")
    assert open_link(site, link, PASSWORD).status_code == 204
    with site.client() as client:
        answer = client.post("/api/v1/session", json={"email": email, "password": PASSWORD}, headers=OURS)
        assert answer.json()["organizations"] == [{"organization": site.a.slug, "role": "accountant"}]
    assert admin.get(invited["url"]).json()["status"] == "active"
    assert admin.patch(invited["url"], json={"role": "viewer"}).json()["role"] == "viewer"
    assert problem_of(admin.post(members, json={"email": email, "name": "Carla"}), 409)["code"] == "EXISTS_ALREADY"
    assert admin.delete(invited["url"]).status_code == 204
    problem_of(admin.get(invited["url"]), 404)
    problem_of(admin.delete(invited["url"]), 404)


def test_who_belongs_elsewhere_opens_the_link_while_signed_in(site: Site, admin: httpx.Client) -> None:
    email = add_person(site.database, "dora")
    with site.database.superuser.begin() as connection:
        connection.execute(
            text(
                """insert into accounts.membership (user_id, organization_id, role, created_by)
                   select id, :b, 'admin', 'test' from accounts.user_account where email = :email"""
            ),
            {"email": email, "b": site.b.id},
        )
    session = add_session(site.database, email)
    invited = admin.post(site.path(site.a, "members"), json={"email": email, "name": "Somebody"}).json()
    for password, holder in ((PASSWORD, None), (PASSWORD, site.a.sessions[Role.ADMIN]), (None, None)):
        refused = open_link(site, invited["link"], password, holder)
        assert problem_of(refused, 403)["code"] == "SIGN_IN_FIRST"
    assert admin.get(invited["url"]).json()["name"] == "Somebody"
    assert open_link(site, invited["link"], None, session).status_code == 204
    with site.browser(session) as browser:
        roles = {
            found["organization"]: found["role"] for found in browser.get("/api/v1/session").json()["organizations"]
        }
    assert roles == {site.a.slug: "viewer", site.b.slug: "admin"}
    assert admin.get(invited["url"]).json()["name"] == "Dora"


def test_an_invitation_that_is_repeated_shows_its_link_once(site: Site, admin: httpx.Client) -> None:
    for path, body, secret in (
        ("members", {"email": f"{uuid4().hex[:8]}@example.com", "name": "Emil"}, "link"),
        ("tokens", {"name": f"till {uuid4().hex[:8]}", "scopes": ["read"]}, "token"),
    ):
        key = {"Idempotency-Key": str(uuid4())}
        first = admin.post(site.path(site.a, path), json=body, headers=key)
        again = admin.post(site.path(site.a, path), json=body, headers=key)
        assert first.status_code == again.status_code == 201, first.text
        shown = first.json().pop(secret)
        assert again.json() == {**first.json(), secret: None}
        with site.database.superuser.connect() as connection:
            kept = connection.execute(text("select string_agg(answer, '') from web.idempotency_key")).scalar_one()
        assert shown.rpartition("/")[2] not in kept


def test_the_last_admin_stays(site: Site, admin: httpx.Client) -> None:
    everybody = admin.get(site.path(site.a, "members"), params={"limit": 200}).json()["items"]
    (last,) = [found for found in everybody if found["role"] == "admin" and found["status"] == "active"]
    for refused in (admin.delete(last["url"]), admin.patch(last["url"], json={"role": "viewer"})):
        assert problem_of(refused, 409)["code"] == "LAST_ADMIN"


def test_members_come_in_pages(site: Site, admin: httpx.Client) -> None:
    path, seen, after = site.path(site.a, "members"), [], None
    while True:
        page = admin.get(path, params={"limit": 2, **({"after": after} if after else {})}).json()
        seen += [found["email"] for found in page["items"]]
        if (after := page["next"]) is None:
            break
    assert seen == sorted(set(seen))
    assert len(seen) >= 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nobody", "name": "N"}, "email"),
        ({"email": "n@example.com", "name": "  "}, "name"),
        ({"email": "n@example.com", "name": "N", "role": "operator"}, "role"),
        ({"email": "n@example.com"}, "name"),
    ],
)
def test_what_is_wrong_with_an_invitation_is_named(admin: httpx.Client, site: Site, body: dict, field: str) -> None:
    refused = problem_of(admin.post(site.path(site.a, "members"), json=body), 422)
    assert [wrong["field"] for wrong in refused["errors"]] == [field]


def test_a_token_is_made_by_a_person_works_and_is_revoked(site: Site, admin: httpx.Client) -> None:
    tokens, name = site.path(site.a, "tokens"), f"shop {uuid4().hex[:8]}"
    made = admin.post(tokens, json={"name": name, "scopes": ["billing:write", "read"], "days": 30})
    assert made.status_code == 201, made.text
    secret = made.json()["token"]
    assert made.json()["scopes"] == ["read", "billing:write"]
    assert secret.startswith(made.json()["prefix"])
    with site.client(secret) as program:
        assert program.get(site.path(site.a, "customers")).status_code == 200
        assert problem_of(program.post(tokens, json={"name": "x", "scopes": ["read"]}), 403)["code"] == "FORBIDDEN"
        assert problem_of(program.get(tokens), 403)["code"] == "FORBIDDEN"
        shown = admin.get(made.json()["url"]).json()
        assert shown["last_used_at"] is not None
        assert secret not in admin.get(tokens, params={"limit": 200}).text
        assert problem_of(admin.post(tokens, json={"name": name, "scopes": ["read"]}), 409)["code"] == "EXISTS_ALREADY"
        assert admin.delete(shown["url"]).status_code == 204
        problem_of(program.get(site.path(site.a, "customers")), 401)
    problem_of(admin.delete(shown["url"]), 404)
    foreign = site.path(site.b, f"tokens/{shown['id']}")
    with site.browser(site.b.sessions[Role.ADMIN]) as other:
        problem_of(other.get(foreign), 404)
        problem_of(other.delete(foreign), 404)


def test_a_program_gives_up_its_own_token(site: Site, admin: httpx.Client) -> None:
    tokens, scopes = site.path(site.a, "tokens"), ["read", "organization:write"]
    made = admin.post(tokens, json={"name": f"shop {uuid4().hex[:8]}", "scopes": scopes}).json()
    with site.client(made["token"]) as program:
        assert program.delete(made["url"]).status_code == 204
        problem_of(program.get(tokens), 401)


def test_settings_change_where_they_were_looked_at(site: Site, admin: httpx.Client) -> None:
    path = site.path(site.a, "settings")
    seen = admin.get(path)
    assert seen.json()["slug"] == site.a.slug
    assert problem_of(admin.patch(path, json={"name": "Neu"}), 428)["code"] == "IF_MATCH_REQUIRED"
    at = {"If-Match": seen.headers["etag"]}
    change = {"name": "Neu GmbH", "settings": {"language": "de", "messages": {"quiet_from": "20:00"}}}
    changed = admin.patch(path, json=change, headers=at)
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"], changed.json()["settings"]["language"]) == ("Neu GmbH", "de")
    assert changed.json()["settings"]["messages"] == {**seen.json()["settings"]["messages"], "quiet_from": "20:00"}
    assert changed.json()["time_zone"] == seen.json()["time_zone"]
    assert problem_of(admin.patch(path, json=change, headers=at), 412)["code"] == "STALE"
    at = {"If-Match": changed.headers["etag"]}
    back = admin.patch(path, json={"settings": {"language": None, "messages": None}}, headers=at).json()
    assert back["settings"] == seen.json()["settings"]
    assert admin.get(path).json() == back


def test_changes_of_settings_are_kept_with_who_made_them(site: Site) -> None:
    tenant = open_tenant(site.database, iban="DE02120300000000202051")
    path = site.path(tenant, "settings")
    with site.browser(tenant.sessions[Role.ADMIN]) as admin:
        assert admin.get(f"{path}/history").json() == {"items": [], "next": None}

        def change(**values: object) -> None:
            at = {"If-Match": admin.get(path).headers["etag"]}
            assert admin.patch(path, json=values, headers=at).status_code == 200

        change(name="Neu GmbH", settings={"overdue_levels": [1, 14], "messages": {"quiet_from": "20:00"}})
        change(name="Neu GmbH")
        change_organization(
            site.database.engine.execution_options(actor="operator"), tenant.slug, iban=None, address={"city": "Bonn"}
        )
        first = admin.get(f"{path}/history", params={"limit": 3}).json()
        rest = admin.get(f"{path}/history", params={"after": first["next"]}).json()
        made = [
            (row["setting"], row["old_value"], row["new_value"], row["created_by"].partition("-")[0])
            for row in first["items"] + rest["items"]
        ]
        assert made == [
            ("iban", "DE02120300000000202051", None, "operator"),
            ("address.city", None, "Bonn", "operator"),
            ("settings.overdue_levels", [1], [1, 14], "admin"),
            ("settings.messages.quiet_from", "21:00", "20:00", "admin"),
            ("name", "Web GmbH", "Neu GmbH", "admin"),
        ]
        assert (len(first["items"]), rest["next"]) == (3, None)
        with site.browser(tenant.sessions[Role.ACCOUNTANT]) as accountant:
            problem_of(accountant.get(f"{path}/history"), 403)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"settings": {"messages": {"quiet_from": "25:00"}}}, "settings.messages.quiet_from"),
        ({"settings": {"langauge": "de"}}, "settings.langauge"),
        ({"settings": {"ocr_engine": "magic"}}, "settings"),
        ({"address": {"street": 7}}, "address.street"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"name": None}, "name"),
        ({"slug": "other"}, "slug"),
    ],
)
def test_what_is_wrong_with_settings_is_named(admin: httpx.Client, site: Site, change: dict, field: str) -> None:
    path = site.path(site.a, "settings")
    at = {"If-Match": admin.get(path).headers["etag"]}
    refused = problem_of(admin.patch(path, json=change, headers=at), 422)
    assert [wrong["field"] for wrong in refused["errors"]] == [field]
