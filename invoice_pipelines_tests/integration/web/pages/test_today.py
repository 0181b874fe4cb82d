"""Today: the first look of an accountant at an organization with some business, and at one that is new."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.integration.web.billing.conftest import Seller, seller, shops  # noqa: F401
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, open_tenant

pytestmark = needs_chromium


@pytest.mark.parametrize("width", WIDTHS)
def test_a_new_organization_is_told_that_nothing_waits(site: Site, browser: Browser, width: int) -> None:
    new = open_tenant(site.database)
    with visiting(browser, site.url, new.sessions[Role.VIEWER], language="de", width=width) as visitor:
        visitor.open(f"/desk/{new.slug}")
        assert visitor.sees("Es wartet nichts auf Sie")
        assert visitor.serious_findings() == []
        assert visitor.overflow() == 0


def test_money_is_that_of_the_month_and_its_ages(seller: Seller, browser: Browser) -> None:  # noqa: F811
    seller.issue(1, invoice_date="2026-01-15", due_days=14)
    seller.issue(3)
    session = seller.tenant.sessions[Role.ACCOUNTANT]
    for scheme, width in zip(("light", "dark", "light"), WIDTHS, strict=True):
        with visiting(browser, seller.site.url, session, scheme=scheme, width=width) as visitor:
            visitor.open(f"/desk/{seller.tenant.slug}")
            expect(visitor.page.get_by_text("357.00 EUR").first).to_be_visible()
            expect(visitor.page.get_by_text("476.00 EUR").first).to_be_visible()
            late = visitor.page.locator("dt", has_text="More than 90 days late").locator("+ dd")
            assert "119.00" in late.inner_text()
            assert "age=over_90_days&currency=EUR" in (late.get_by_role("link").get_attribute("href") or "")
            assert visitor.serious_findings() == []
            assert visitor.overflow() == 0
