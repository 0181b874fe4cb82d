"""The review desk by keyboard: no mouse, few keys, and the next document at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import invite, set_role
from invoice_pipelines_tests.integration.web.intake.conftest import IntakeTenant
from invoice_pipelines_tests.integration.web.pages.reviews.rows import doubting, waiting
from invoice_pipelines_tests.support.desk.visitors import Visitor, needs_chromium, visiting
from invoice_pipelines_tests.support.intake.review.lane import correct
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE, size
from invoice_pipelines_tests.support.web import add_person

pytestmark = needs_chromium

NO_MOUSE = """
window.mice = [];
for (const kind of ["click", "mousedown", "pointerdown"]) {
  addEventListener(kind, (event) => event.isTrusted && event.detail !== 0 && mice.push(kind), true);
}
"""
MEASURE = """
window.waits = [];
let sent = null, before = null;
addEventListener("keydown", (event) => {
  if (event.key === "Enter") { sent = performance.now(); before = document.querySelector("#review")?.dataset.id; }
}, true);
new MutationObserver(() => {
  const review = document.querySelector("#review");
  if (sent === null || !review || review.dataset.id === before) return;
  const began = sent;
  sent = null;
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const image = review.querySelector(".sheet img");
    const whole = image === null || (image.complete && image.naturalWidth > 0);
    waits.push(whole ? performance.now() - began : 1e6);
  }));
}).observe(document, { childList: true, subtree: true });
"""
WAITS = """(count) => new Promise((resolve) => {
  const look = () => (waits.length < count ? requestAnimationFrame(look) : resolve(waits));
  look();
})"""

PASSWORD = "correct horse battery staple"


@contextmanager
def at_desk(office: IntakeTenant, browser: Browser, role: Role = Role.ACCOUNTANT, **options: Any) -> Iterator[Visitor]:
    with visiting(browser, office.site.url, office.tenant.sessions[role], **options) as visitor:
        yield visitor


def start(visitor: Visitor, office: IntakeTenant) -> None:
    """From the menu to the first document, by keys."""
    visitor.open(f"/desk/{office.tenant.slug}/reviews")
    visitor.page.get_by_role("button", name="Start").focus()
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_selector("#review.lively")


@pytest.mark.slow
def test_a_queue_is_worked_through_by_few_keys(office: IntakeTenant, browser: Browser) -> None:
    doubting(office, issue_date=0.999)
    asked = range(30, 30 + size(8, 20))
    numbers = {waiting(office, f"HW-{number}", f"{number}00.00"): f"HW-{number}" for number in asked}
    with at_desk(office, browser, is_new=True) as visitor:
        page = visitor.page
        page.add_init_script(NO_MOUSE + MEASURE)
        start(visitor, office)
        waits: list[float] = []
        for left in range(len(numbers), 0, -1):
            review = page.locator("#review")
            invoice = str(review.get_attribute("data-id"))
            expect(page.locator(".row[data-asks]")).to_have_count(2)
            # What a form took is measured a moment after it can be used.
            waits = page.evaluate(WAITS, len(numbers) - left)
            assert page.evaluate("mice") == []
            if left > 1:
                page.wait_for_selector("#review[data-ready]")
            keys = 0
            for _ in range(2):
                if page.evaluate("document.activeElement.name") == "value.number":
                    page.keyboard.type(numbers[invoice])
                page.keyboard.press("Enter")
                keys += 1
            assert keys <= 4
            if left > 1:
                page.wait_for_selector(f"#review.lively:not([data-id='{invoice}'])")
        page.wait_for_url("**/reviews?decided=*")
        assert visitor.sees("Nothing waits for a person")
    assert len(waits) == len(numbers) - 1
    print(sorted(round(wait) for wait in waits))
    # Of the few in CI, one may have been held up by another test.
    assert sorted(waits)[int((0.95 if AT_FULL_SIZE else 0.5) * len(waits))] < 300, waits
    assert {office.desk.status(invoice) for invoice in numbers} == {"VALIDATED"}
    read = office.desk.rows("select id::text, invoice_number from intake.received_invoice")
    assert dict(map(tuple, read)) == numbers


def test_keys_choose_restore_go_back_and_are_the_readers_own(office: IntakeTenant, browser: Browser) -> None:
    doubting(office, issue_date=0.999)
    invoice = waiting(office)
    with at_desk(office, browser) as visitor:
        start(visitor, office)
        page, keys = visitor.page, visitor.page.keyboard
        number, date = page.get_by_label("Invoice number"), page.get_by_label("Issue date")
        assert page.evaluate("document.activeElement.name") == "value.issue_date"
        keys.press("z")
        expect(page.locator(".paper.zoomed")).to_have_count(1)
        keys.type("6.3.2026")
        keys.press("Escape")
        assert date.input_value() == "5 Mar 2026"
        keys.press("Enter")
        assert page.evaluate("document.activeElement.name") == "value.number"
        keys.press("1")
        chosen = number.input_value()
        assert page.locator("[name='candidate.number']:checked").get_attribute("value") == "1"
        keys.press("9")
        assert number.input_value() == "19", "a digit after a digit is a value that one types"
        assert page.locator("[name='candidate.number']:checked").get_attribute("value") == ""
        keys.press("Escape")
        assert (number.input_value(), bool(chosen)) == ("", True)
        keys.press("Shift+Enter")
        assert page.evaluate("document.activeElement.name") == "value.issue_date"
        keys.press("?")
        assert visitor.serious_findings() == []
        page.locator("#key-zoom").fill("y")
        page.get_by_role("button", name="Close").press("Enter")
        date.focus()
        keys.press("y")
        expect(page.locator(".paper.zoomed")).to_have_count(0)
        keys.press("?")
        page.get_by_label("Single keys do this").uncheck()
        keys.press("Escape")
        page.reload()
        page.wait_for_selector("#review.lively")
        keys.press("y")
        expect(page.locator(".paper.zoomed")).to_have_count(0)
        assert date.input_value() == "y"
        keys.press("Escape")
        keys.press("Enter")
        keys.press("Enter")
        assert visitor.sees("A rule is broken here")
    assert office.desk.status(invoice) == "PARSED"


def test_an_invoice_is_rejected_and_the_decision_undone_by_keys(office: IntakeTenant, browser: Browser) -> None:
    doubting(office, issue_date=0.999)
    first, second = waiting(office), waiting(office, "HW-90", "2000.00", seller="Tischlerei Span", vat_id="DE811569869")
    with at_desk(office, browser) as visitor:
        start(visitor, office)
        page, keys = visitor.page, visitor.page.keyboard
        page.wait_for_selector("#review[data-ready]")
        keys.press("r")
        keys.type("not for us")
        keys.press("Enter")
        page.wait_for_selector(f"#review.lively[data-id='{second}']")
        page.get_by_text("Rejected:").wait_for()
        assert office.desk.status(first) == "FAILED"
        page.wait_for_load_state("networkidle")
        keys.press("u")
        page.wait_for_selector(f"#review.lively[data-id='{first}']")
        assert visitor.sees("Taken back")
        keys.press("n")
        keys.type("They will send another one.")
        page.get_by_role("button", name="Write it down").press("Enter")
        page.get_by_text("The note stands beside the invoice").wait_for()
        page.wait_for_selector("#review.lively")
        keys.press("s")
        page.wait_for_selector(f"#review.lively[data-id='{second}']")
    assert office.desk.status(first) == "PARSED"


def test_two_people_at_once_make_one_decision_and_lose_nothing(office: IntakeTenant, browser: Browser) -> None:
    invoice = waiting(office)
    address = f"/desk/{office.tenant.slug}/reviews/{invoice}"
    with at_desk(office, browser) as anna, at_desk(office, browser, Role.ADMIN) as bert:
        anna.open(address)
        anna.page.get_by_text("You are at it until").wait_for()
        bert.open(address)
        assert bert.sees("is at this invoice. You can look")
        bert.page.get_by_label("Invoice number").fill("HW-99")
        anna.page.get_by_label("Invoice number").fill("HW-77")
        bert.page.keyboard.press("Enter")
        bert.page.get_by_text("Nothing was decided, and what you typed stands here").wait_for()
        assert bert.page.get_by_label("Invoice number").input_value() == "HW-99"
        anna.page.get_by_label("Invoice number").focus()
        anna.page.keyboard.press("Enter")
        anna.page.wait_for_url("**/reviews?decided=*")
        bert.page.get_by_label("Invoice number").focus()
        bert.page.keyboard.press("Enter")
        bert.page.get_by_text("Somebody was faster").wait_for()
        assert bert.sees("Corrected by accountant-")
        assert bert.sees("HW-99")
        bert.complaints[:] = [said for said in bert.complaints if "409" not in said and "412" not in said]
    assert office.desk.one("select count(*) from intake.review_decision") == 1
    assert office.desk.one("select invoice_number from intake.received_invoice where id = :id", id=invoice) == "HW-77"


def test_a_decision_that_comes_too_late_leads_back_with_what_was_typed(office: IntakeTenant, browser: Browser) -> None:
    first, second = waiting(office), waiting(office, "HW-90", "2000.00", seller="Tischlerei Span", vat_id="DE811569869")
    with at_desk(office, browser) as visitor:
        start(visitor, office)
        page = visitor.page
        page.wait_for_selector("#review[data-ready]")
        page.get_by_text("You are at it until").wait_for()
        correct(
            office.desk, UUID(first), number="HW-77", by=office.desk.one("select claimed_by from intake.review_claim")
        )
        page.keyboard.type("HW-99")
        page.keyboard.press("Enter")
        page.get_by_text("Somebody was faster").wait_for()
        assert visitor.sees("What you had typed")
        assert visitor.sees("HW-99")
        assert page.url.endswith(first)
        page.get_by_role("button", name="Next one").press("Enter")
        page.wait_for_selector(f"#review.lively[data-id='{second}']")
        visitor.complaints[:] = [said for said in visitor.complaints if "412" not in said]
    assert office.desk.one("select count(*) from intake.review_decision") == 1


def test_who_leaves_gives_the_invoice_back(office: IntakeTenant, browser: Browser) -> None:
    invoice = waiting(office)
    with at_desk(office, browser) as visitor:
        visitor.open(f"/desk/{office.tenant.slug}/reviews/{invoice}")
        visitor.page.get_by_text("You are at it until").wait_for()
        assert office.desk.one("select count(*) from intake.review_claim") == 1
        visitor.page.get_by_role("link", name="Today").click()
        visitor.page.wait_for_load_state("networkidle")
        for _ in range(50):
            if office.desk.one("select count(*) from intake.review_claim") == 0:
                break
            visitor.page.wait_for_timeout(50)
        assert office.desk.one("select count(*) from intake.review_claim") == 0


def test_from_signing_in_to_the_first_decision_is_a_short_way(office: IntakeTenant, browser: Browser) -> None:
    correct(office.desk, UUID(waiting(office, "HW-70")), number="HW-70")
    doubting(office, issue_date=0.999, currency=0.999)
    invoice = waiting(office)  # whose number is read, since it was shown on the one before
    email = add_person(office.site.database, "first")
    with office.site.database.engine.begin() as connection:
        set_role(connection, email, office.tenant.slug, Role.ACCOUNTANT, actor="test")
        secret = invite(connection, email, actor="test")
    with office.site.client() as client:
        headers = {"Sec-Fetch-Site": "same-origin"}
        assert client.post(f"/invitations/{secret}", data={"password": PASSWORD}, headers=headers).status_code == 303
    with visiting(browser, office.site.url) as visitor:
        page = visitor.page
        visitor.open("/")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        actions = ["Sign in", "Review desk", "Start", "Enter", "Enter"]
        page.get_by_role("button", name=actions[0], exact=True).click()
        page.get_by_role("link", name=actions[1]).click()
        page.get_by_role("button", name=actions[2]).click()
        page.wait_for_selector("#review.lively")
        for key in actions[3:]:
            page.keyboard.press(key)
        page.get_by_text("Accepted:").wait_for()
        assert len(actions) <= 5
    assert office.desk.status(invoice) == "VALIDATED"
