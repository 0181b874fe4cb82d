"""The map of the desk: for each page, who may use it, and that nobody else learns of it."""

from __future__ import annotations

import re

import httpx
import pytest

from invoice_pipelines.accounts.roles import ANY_AREA, AREAS, Role
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.app import create_app
from invoice_pipelines.web.pages.routing import PREFIX, OpenPageRoute, PageRoute
from invoice_pipelines_tests.support.web import Site

APP = create_app(None, Settings())
PAGES = [route for route in APP.routes if isinstance(route, PageRoute)]
OPEN = {
    ("GET", "/"),
    ("GET", "/desk"),
    ("GET", "/invitations/{secret}"),
    ("GET", "/operator"),
    ("GET", "/sign-in"),
    ("POST", "/invitations/{secret}"),
    ("POST", "/preferences"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
}
"""How people get in and out; they tell of nobody but who holds the password, the link or the cookie."""
PEOPLE = (Role.VIEWER, Role.ACCOUNTANT, Role.ADMIN)
NOBODY = "00000000-0000-7000-8000-000000000000"


def test_pages_that_need_no_organization_are_known() -> None:
    found = {(m, route.path) for route in APP.routes if isinstance(route, OpenPageRoute) for m in route.methods or ()}
    assert found == OPEN
    for page in PAGES:
        (method,) = page.methods
        assert page.path.startswith(PREFIX)
        assert page.access.area in (*AREAS, ANY_AREA) or (method == "GET" and page.access.area is None), page.path


def call(client: httpx.Client, page: PageRoute, organization: str) -> httpx.Response:
    path = page.path.replace("{organization}", organization)
    path = re.sub(r"\{(\w+)(:\w+)?\}", lambda name: "1" if name[1] == "number" else NOBODY, path)
    (method,) = page.methods
    answer = client.send(client.build_request(method, path, headers={"Accept-Language": "en"}), stream=True)
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        answer.close()  # it has no end
    else:
        answer.read()
    return answer


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{next(iter(page.methods))} {page.path[len(PREFIX) :]}")
def test_a_page_lets_in_whom_it_says(site: Site, page: PageRoute) -> None:
    for role in PEOPLE:
        with site.browser(site.a.sessions[role]) as client:
            own = call(client, page, site.a.slug)
        if role.reaches(page.access.role):
            assert own.status_code not in (401, 403, 405), own.text
            assert own.status_code < 500, own.text
        else:
            assert own.status_code == 403
            assert "You may not do this" in own.text
        assert own.headers["content-security-policy"].startswith("default-src 'none'")
    for outsider in (site.b.sessions[Role.ADMIN], site.stranger, site.operator):
        with site.browser(outsider) as client:
            assert_hidden(*(call(client, page, slug) for slug in (site.a.slug, "nowhere")))
    with site.client() as client:
        nobody = call(client, page, site.a.slug)
    assert nobody.status_code == 303
    assert nobody.headers["location"].startswith("/sign-in")


def assert_hidden(*answers: httpx.Response) -> None:
    assert {answer.status_code for answer in answers} == {404}
    said = {answer.text.replace(answer.request.url.path.split("/")[2], "ORGANIZATION") for answer in answers}
    assert len(said) == 1, "they differ in more than the address that was asked for"
