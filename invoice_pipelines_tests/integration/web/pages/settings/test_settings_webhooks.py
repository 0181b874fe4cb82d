"""Webhooks at the desk: their secrets are shown once, and what they were told can be looked at and told again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect
from standardwebhooks import Webhook

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.events.webhooks.sending import deliver_webhooks
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.web.api.test_events_api import change
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.receiver import Receiver, Reply
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant, running_site


@pytest.fixture(scope="module")
def shop(shared_database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose webhooks may go to this machine."""
    home = tmp_path_factory.mktemp("home")
    with running_site(shared_database, DAGSTER_HOME=home, webhook_local_addresses=True) as site:
        yield site


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def tenant(shop: Site) -> Tenant:
    return open_tenant(shop.database, name="Nordlicht Werkstätten GmbH")


def place(tenant: Tenant, address: str = "webhooks") -> str:
    return f"/desk/{tenant.slug}/settings/{address}"


def tell(shop: Site, tenant: Tenant) -> None:
    """As a run of Dagster does it."""
    context = OrganizationContext.of(shop.database.engine, tenant.slug, shop.settings, "run")
    deliver_webhooks(context, time_box=timedelta(seconds=30))


@needs_chromium
def test_an_endpoint_is_added_told_looked_at_and_gets_a_new_secret(
    shop: Site, tenant: Tenant, receiver: Receiver, browser: Browser
) -> None:
    with visiting(browser, shop.url, tenant.sessions[Role.ADMIN]) as visitor:
        page = visitor.page
        visitor.open(place(tenant))
        assert visitor.sees("No program is told anything yet")
        page.get_by_label("Address").fill("the shop")
        page.get_by_role("button", name="Add the endpoint").click()
        assert visitor.sees("Write the whole address")
        assert page.get_by_label("Address").input_value() == "the shop"
        visitor.complaints.clear()  # Chromium notes the answer 422
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_label("What it is for").fill("The shop in the web")
        page.get_by_text("What it is told of").click()
        page.get_by_role("group", name="Batch operations").get_by_label("all of these").check()
        page.get_by_role("button", name="Add the endpoint").click()
        first = page.get_by_role("textbox", name="Secret").input_value()
        change(tenant)
        tell(shop, tenant)
        Webhook(first).verify(receiver.got[-1].body, receiver.got[-1].headers)
        receiver.replies = [Reply(500, b"<script>alert(1)</script>")]
        change(tenant)
        tell(shop, tenant)
        visitor.open(place(tenant))
        assert first not in page.content()
        assert visitor.sees("Batch operations: all")
        page.get_by_role("link", name=receiver.url).click()
        expect(page.get_by_role("cell", name="It answered 500.")).to_be_visible()
        page.get_by_role("row", name="It answered 500.").get_by_role("link").click()
        assert visitor.sees("<script>alert(1)</script>")
        page.get_by_role("button", name="Tell again").click()
        assert visitor.sees("The event is told again soon.")
        page.get_by_role("link", name=receiver.url).click()
        page.get_by_role("button", name="New secret").click()
        second = page.get_by_role("textbox", name="Secret").input_value()
        assert second != first
        assert visitor.sees("signed with the earlier secret as well")
        visitor.open(re.sub(r"^https?://[^/]+|/rotate-secret$", "", page.url))
        assert second not in page.content()
        page.get_by_role("button", name="Disable").click()
        assert visitor.sees("receives no events")
        expect(page.get_by_role("button", name="Tell again")).to_have_count(0)
        page.get_by_role("button", name="Enable").click()
        assert visitor.sees("is told of what happens from now on")
        page.get_by_role("button", name="Tell again").click()
        assert visitor.sees("2 events are told again.")
        tell(shop, tenant)
        for secret in (first, second):
            Webhook(secret).verify(receiver.got[-1].body, receiver.got[-1].headers)


@needs_chromium
@pytest.mark.parametrize(("width", "language"), list(zip(WIDTHS, ("de", "en", "de"), strict=True)))
def test_everybody_can_use_these_pages(
    shop: Site, tenant: Tenant, receiver: Receiver, browser: Browser, width: int, language: str
) -> None:
    scheme = "dark" if width == 1280 else "light"
    session = tenant.sessions[Role.ADMIN]
    with shop.browser(session) as client:
        url = f"{receiver.url}/a-long-address-of-a-program-in-the-cloud-{uuid4().hex}"
        assert client.post(place(tenant), data={"url": url, "key": str(uuid4())}).status_code == 200
        (endpoint,) = set(re.findall(rf'webhooks/([0-9a-f-]{{36}})">{re.escape(url)}', client.get(place(tenant)).text))
    change(tenant, 3)
    tell(shop, tenant)
    with visiting(browser, shop.url, session, language=language, width=width, scheme=scheme) as visitor:
        for address in ("webhooks", f"webhooks/{endpoint}"):
            visitor.open(place(tenant, address))
            assert visitor.serious_findings() == [], address
            assert visitor.overflow() == 0, address
        visitor.page.locator("table a").first.click()
        assert visitor.serious_findings() == []
        assert visitor.overflow() == 0


def test_a_secret_that_is_asked_for_twice_is_made_once(shop: Site, tenant: Tenant) -> None:
    with shop.browser(tenant.sessions[Role.ADMIN]) as client:
        client.headers["Accept-Language"] = "en"
        form = {"url": f"https://shop.example/{uuid4().hex}", "key": str(uuid4())}
        first, again = (client.post(place(tenant), data=form).text for _ in range(2))
        taken = client.post(place(tenant), data={**form, "key": str(uuid4())})
    assert "whsec_" in first
    assert "whsec_" not in again
    assert taken.status_code == 422
    assert "There is an endpoint with this address already." in taken.text
