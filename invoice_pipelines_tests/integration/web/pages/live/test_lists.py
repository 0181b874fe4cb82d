"""Lists at the desk take in what changes while they are open: by themselves, or by a word where people tick rows."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, Route, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.integration.web.billing.conftest import Seller, seller, shops  # noqa: F401
from invoice_pipelines_tests.support.desk.visitors import needs_chromium, visiting

CHANGED = "Something changed here meanwhile."


@needs_chromium
def test_open_lists_take_in_what_is_new(seller: Seller, browser: Browser) -> None:  # noqa: F811
    """Each in a tab of its own; who ticks rows keeps the ticks, and is told."""
    home = f"{seller.site.url.replace('127.0.0.1', 'localhost')}/desk/{seller.tenant.slug}"
    seller.orders(1)
    with (
        visiting(browser, seller.site.url, seller.tenant.sessions[Role.ACCOUNTANT]) as accountant,
        visiting(browser, seller.site.url, seller.tenant.sessions[Role.VIEWER]) as viewer,
    ):

        def tab(of: Page, address: str) -> Page:
            page = of.context.new_page()
            page.goto(f"{home}/{address}")
            page.wait_for_function("() => document.querySelector('nav.side [data-live-text]').textContent !== ''")
            return page

        ticked = tab(accountant.page, "orders")
        ticked.get_by_role("checkbox").last.check()
        issued = tab(accountant.page, "invoices")
        told, looked, owed = (tab(viewer.page, address) for address in ("messages", "invoices", "overdue"))
        assert not ticked.get_by_text(CHANGED).is_visible()
        (number,) = seller.issue(1, invoice_date="2026-01-15")
        with seller.context.scope() as connection:
            connection.exec_driver_sql(
                """insert into delivery.message (organization_id, invoice_id, invoice_number, customer_id, purpose,
                                                 channel, recipient, language)
                   select organization_id, id, invoice_number, customer_id, 'invoice', 'email', 'new@kunde.example',
                          'de' from billing.issued_invoice limit 1"""
            )
        expect(ticked.get_by_text(CHANGED)).to_be_visible()
        assert ticked.get_by_role("checkbox").last.is_checked()
        expect(issued.get_by_text(CHANGED)).to_be_visible()
        issued.get_by_role("link", name="Show it").click()
        expect(issued.get_by_role("link", name=number)).to_be_visible()
        for page, said in ((told, "new@kunde.example"), (looked, number), (owed, "119.00")):
            expect(page.get_by_text(said).first).to_be_visible(timeout=15_000)


@needs_chromium
def test_what_changes_before_the_stream_says_anything_is_taken_in(seller: Seller, browser: Browser) -> None:  # noqa: F811
    late: list[str] = []

    def change_first(route: Route) -> None:
        late.extend([] if late else seller.issue(1))
        route.continue_()

    with visiting(browser, seller.site.url, seller.tenant.sessions[Role.VIEWER]) as visitor:
        visitor.page.route("**/events", change_first)
        with visitor.page.expect_response("**/events"):
            visitor.open(f"/desk/{seller.tenant.slug}/invoices")
        expect(visitor.page.get_by_role("link", name=late[0])).to_be_visible(timeout=15_000)
