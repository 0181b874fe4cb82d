"""People and tokens at the desk: secrets are shown once, and an organization keeps an admin."""

from __future__ import annotations

import re
from urllib.parse import unquote
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def tenant(site: Site) -> Tenant:
    return open_tenant(site.database, name="Nordlicht Werkstätten GmbH")


def place(tenant: Tenant, address: str) -> str:
    return f"/desk/{tenant.slug}/settings/{address}"


@needs_chromium
def test_a_colleague_is_invited_comes_in_gets_another_role_and_goes(
    site: Site, tenant: Tenant, browser: Browser
) -> None:
    email = f"clara-{uuid4().hex[:8]}@example.com"
    with visiting(browser, site.url, tenant.sessions[Role.ADMIN], language="de", is_new=True) as visitor:
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = visitor.page
        visitor.open(place(tenant, "people"))
        page.get_by_label("E-Mail").fill("clara")
        page.get_by_label("Name").fill("Clara Sommer")
        page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true })")
        page.get_by_role("button", name="Einladen").click()
        assert visitor.sees("Schreiben Sie eine E-Mail-Adresse")
        assert page.get_by_label("Name").input_value() == "Clara Sommer"
        visitor.complaints.clear()  # Chromium notes the answer 422
        page.get_by_label("E-Mail").fill(email)
        page.locator("#field-role").select_option("accountant")
        page.get_by_role("button", name="Einladen").click()
        link = page.get_by_label("Link der Einladung").input_value()
        page.get_by_role("button", name="Kopieren").click()
        page.get_by_role("button", name="Kopiert").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == link
        assert visitor.sees("Eingeladen")
        visitor.open(place(tenant, "people"))
        assert link not in page.content(), "it is shown once"
    with visiting(browser, site.url) as colleague:
        colleague.open("/invitations/" + link.rpartition("/")[2])
        colleague.page.get_by_label("New password").fill(PASSWORD)
        colleague.page.get_by_role("button", name="Set the password").click()
        colleague.page.get_by_label("Email").fill(email)
        colleague.page.get_by_label("Password").fill(PASSWORD)
        colleague.page.keyboard.press("Enter")
        colleague.page.wait_for_url(f"**/desk/{tenant.slug}")
    with visiting(browser, site.url, tenant.sessions[Role.ADMIN], language="de") as visitor:
        page = visitor.page
        visitor.when("dialog", lambda dialog: dialog.accept())
        visitor.open(place(tenant, "people"))
        page.get_by_label("Rolle von Clara Sommer").select_option("viewer")
        row = page.get_by_role("row", name="Clara Sommer")
        row.get_by_role("button", name="Ändern").click()
        assert visitor.sees("Clara Sommer hat jetzt eine andere Rolle.")
        row.get_by_role("button", name="Entfernen").click()
        assert visitor.sees("Clara Sommer gehört nicht mehr zur Organisation.")
        expect(page.get_by_role("row", name="Clara Sommer")).to_have_count(0)


def test_the_last_admin_stays_and_is_told_why(site: Site, tenant: Tenant) -> None:
    with site.browser(tenant.sessions[Role.ADMIN]) as client:
        client.headers["Accept-Language"] = "en"
        shown = client.get(place(tenant, "people")).text
        (own,) = re.findall(r'</span>You</span>.*?people/([0-9a-f-]{36})/remove"', shown, re.S)
        for address, form in ((f"people/{own}/remove", {}), (f"people/{own}", {"role": "viewer"})):
            refused = client.post(place(tenant, address), data=form)
            assert "This is the last admin. Make somebody else an admin first" in unquote(refused.headers["set-cookie"])
        assert client.post(place(tenant, f"people/{own}"), data={"role": "owner"}).status_code == 422
        assert "</span>You</span>" in client.get(place(tenant, "people")).text


def test_an_invitation_that_is_sent_twice_is_made_once(site: Site, tenant: Tenant) -> None:
    form = {"email": f"emil-{uuid4().hex[:8]}@example.com", "name": "Emil", "role": "viewer", "key": str(uuid4())}
    with site.browser(tenant.sessions[Role.ADMIN]) as client:
        client.headers["Accept-Language"] = "en"
        first, again = (client.post(place(tenant, "people"), data=form).text for _ in range(2))
    assert "/invitations/" in first
    assert "/invitations/" not in again
    assert "This was sent twice" in again


@needs_chromium
def test_a_token_is_made_works_and_is_revoked(site: Site, tenant: Tenant, browser: Browser) -> None:
    with visiting(browser, site.url, tenant.sessions[Role.ADMIN], scripts=False) as visitor:
        page = visitor.page
        visitor.open(place(tenant, "tokens"))
        page.get_by_label("Name").fill("shop in the web")
        page.get_by_label("Issue invoices, and change customers").check()
        page.get_by_role("button", name="Make the token").click()
        secret = page.get_by_label("Token", exact=True).input_value()
        with site.client(secret) as program:
            assert program.get(site.path(tenant, "customers")).status_code == 200
        visitor.open(place(tenant, "tokens"))
        assert secret not in page.content()
        row = page.get_by_role("row", name="shop in the web")
        row.get_by_role("button", name="Revoke").click()
        assert visitor.sees("The token shop in the web lets nobody in any more.")
        expect(row.get_by_text("Revoked")).to_be_visible()
        expect(row.get_by_role("button")).to_have_count(0)
        with site.client(secret) as program:
            assert program.get(site.path(tenant, "customers")).status_code == 401


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": " ", "scopes": ["read"], "days": "1"}, "Write what the token is for"),
        ({"name": "till", "scopes": ["read"], "days": "0"}, "Write a whole number from 1 to 3660"),
        ({"name": "till", "days": "5"}, "Choose at least one thing"),
        ({"name": "reader", "scopes": ["read"], "days": "5"}, "There is a token with this name already"),
    ],
)
def test_what_is_wrong_with_a_token_is_said_at_its_field(site: Site, tenant: Tenant, form: dict, said: str) -> None:
    with site.browser(tenant.sessions[Role.ADMIN]) as client:
        client.headers["Accept-Language"] = "en"
        refused = client.post(place(tenant, "tokens"), data=form | {"key": str(uuid4())})
    assert refused.status_code == 422
    assert said in refused.text
    assert f'value="{form["days"]}"' in refused.text


@needs_chromium
@pytest.mark.parametrize(("width", "language"), list(zip(WIDTHS, ("de", "en", "de"), strict=True)))
def test_everybody_can_use_these_pages(site: Site, tenant: Tenant, browser: Browser, width: int, language: str) -> None:
    scheme = "dark" if width == 1280 else "light"
    session = tenant.sessions[Role.ADMIN]
    with visiting(browser, site.url, session, language=language, width=width, scheme=scheme) as visitor:
        for address in ("people", "tokens"):
            visitor.open(place(tenant, address))
            assert visitor.serious_findings() == [], address
            assert visitor.overflow() == 0, address
