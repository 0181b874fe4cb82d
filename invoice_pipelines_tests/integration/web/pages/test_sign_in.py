"""People come in by the pages, and go out for good. The numbers are those of OWASP ASVS 5.0."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import Browser

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import invite, set_disabled, set_role
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines_tests.support.desk.visitors import needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, add_person, add_session

PASSWORD = "correct horse battery staple"


def invited(site: Site, name: str) -> tuple[str, str]:
    """An email, and the address of the link that this person got."""
    email = add_person(site.database, name)
    with site.database.engine.begin() as connection:
        set_role(connection, email, site.a.slug, Role.ACCOUNTANT, actor="test")
        return email, f"/invitations/{invite(connection, email, actor='test')}"


@needs_chromium
def test_an_invited_person_chooses_a_password_and_is_at_the_desk(site: Site, browser: Browser) -> None:
    email, link = invited(site, "inge")
    with visiting(browser, site.url) as visitor:
        visitor.open(link)
        visitor.page.get_by_label("New password").fill("password")
        visitor.page.get_by_role("button", name="Set the password").click()
        assert visitor.sees("too easy to guess")
        visitor.page.get_by_label("New password").fill(PASSWORD)
        visitor.page.get_by_role("button", name="Set the password").click()
        assert visitor.sees("Your password is set")
        visitor.page.get_by_label("Email").fill(email)
        visitor.page.get_by_label("Password").fill(PASSWORD)
        visitor.page.keyboard.press("Enter")
        visitor.page.wait_for_url(f"**/desk/{site.a.slug}")
        visitor.complaints.clear()  # Chromium notes the answer 422 of the weak password
        visitor.page.get_by_text("Inge", exact=True).first.click()
        visitor.page.get_by_role("button", name="Sign out").click()
        assert visitor.sees("You are signed out")
        visitor.page.go_back()
        visitor.page.wait_for_url(re.compile(r"/sign-in\?target="))  # 7.4.1, 14.3.1: what was seen is not kept


def test_a_session_is_new_with_each_sign_in_and_nobody_chooses_it(site: Site) -> None:
    """7.2.4: a secret that somebody planted before does not become the session."""
    email, link = invited(site, "fixed")
    with page_of(site) as client:
        client.post(link, data={"password": PASSWORD})
        planted = "A" * 43
        client.cookies.set(SESSION_COOKIE, planted)
        given = client.post("/sign-in", data={"email": email, "password": PASSWORD})
    assert given.status_code == 303
    secret = re.search(rf"{SESSION_COOKIE}=([^;]+)", given.headers["set-cookie"])
    assert secret is not None
    assert secret[1] != planted
    for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):  # 3.3.1, 3.3.2, 3.3.4
        assert attribute in given.headers["set-cookie"]
    with page_of(site, planted) as client:
        assert client.get(f"/desk/{site.a.slug}").headers["location"].startswith("/sign-in")


def test_a_disabled_user_is_out_at_once(site: Site) -> None:
    """7.4.2."""
    email, _ = invited(site, "disabled")
    with page_of(site, add_session(site.database, email)) as client:
        assert client.get(f"/desk/{site.a.slug}").status_code == 200
        with site.database.engine.begin() as connection:
            set_disabled(connection, email, True, actor="test")
        assert client.get(f"/desk/{site.a.slug}").headers["location"].startswith("/sign-in")


def test_a_form_of_another_site_or_port_changes_nothing(site: Site) -> None:
    """3.5.1, 3.5.2: neither from another site, nor from another port of this host, whose cookies are the same."""
    secret = add_session(site.database, invited(site, "csrf")[0])
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {},
    ):
        with page_of(site, secret) as client:
            del client.headers["Sec-Fetch-Site"]
            answer = client.post("/sign-out", headers=headers)
        assert answer.status_code == 403, headers
    with page_of(site, secret) as client:
        assert client.get(f"/desk/{site.a.slug}").status_code == 200


def test_guessing_is_slowed_down_and_the_owner_is_told_when_to_come_again(site: Site) -> None:
    """6.3.1."""
    email, link = invited(site, "guessed")
    with page_of(site) as client:
        client.post(link, data={"password": PASSWORD})
        said = [client.post("/sign-in", data={"email": email, "password": f"wrong {n}"}) for n in range(8)]
    assert {answer.status_code for answer in said} == {401, 429}
    assert int(said[-1].headers["retry-after"]) > 0
    assert "Too many tries" in said[-1].text


def test_a_page_that_was_wanted_comes_after_signing_in_but_none_of_another_site(site: Site) -> None:
    """3.7.2 (10.x of redirects): only addresses of ours."""
    email, link = invited(site, "sent-on")
    with page_of(site) as client:
        client.post(link, data={"password": PASSWORD})
        wanted = client.get(f"/desk/{site.a.slug}?a=1&b=2").headers["location"]
        assert 'value="/desk/' in client.get(wanted).text
        for target, goes in {
            f"/desk/{site.a.slug}": f"/desk/{site.a.slug}",
            "//evil.example": "/desk",
            "/\\evil.example": "/desk",
            "https://evil.example": "/desk",
            "/\t/evil.example": "/desk",
        }.items():
            answer = client.post("/sign-in", data={"email": email, "password": PASSWORD, "target": target})
            assert answer.headers["location"] == goes


def test_the_desk_is_in_the_language_and_colours_that_its_reader_chose(site: Site) -> None:
    with page_of(site, site.a.sessions[Role.VIEWER]) as client:
        german = client.get(f"/desk/{site.a.slug}", headers={"Accept-Language": "fr, de-AT;q=0.8, en;q=0.5"})
        assert 'lang="de"' in german.text
        client.post("/preferences", data={"language": "en", "theme": "dark"})
    assert "Heute" in german.text


def page_of(site: Site, secret: str | None = None) -> httpx.Client:
    """A browser on one of our pages."""
    headers = {"Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
    if secret is not None:
        headers["Cookie"] = f"{SESSION_COOKIE}={secret}"
    return httpx.Client(base_url=site.url, headers=headers, timeout=60, verify=False)
