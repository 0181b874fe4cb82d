"""Batch operations at the desk: found, watched while they run, cancelled, tried again, and their files taken away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.sessions import sign_out
from invoice_pipelines.accounts.users import set_role
from invoice_pipelines.work import Failed, Outcome, Skipped, Succeeded, claim, create_job, finish
from invoice_pipelines_tests.integration.web.billing.conftest import Seller, seller, shops  # noqa: F401
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.web import add_person, add_session

LONG = "sehr-lange-adresse-der-buchhaltung@versorgungs-und-dienstleistungsgesellschaft.example gibt es nicht."

RUNNING = 'nav.side [data-live-text="counts.jobs"]'
"""The figure in the menu."""


def person(seller: Seller, role: Role = Role.ACCOUNTANT) -> httpx.Client:  # noqa: F811
    client = seller.site.browser(seller.tenant.sessions[role])
    client.base_url = httpx.URL(f"{seller.site.url}/desk/{seller.tenant.slug}/")
    client.headers["Accept-Language"] = "en"
    return client


def page(seller: Seller, rest: str = "") -> str:  # noqa: F811
    return f"/desk/{seller.tenant.slug}/batch-operations{rest}"


def ask(seller: Seller, kind: str, subjects: list[str], by: str = "anna@example.com", **parameters: Any) -> UUID:  # noqa: F811
    with seller.context.scope() as connection:
        return create_job(connection, kind, subjects, parameters, created_by=by)


def work(seller: Seller, kind: str, outcomes: list[Outcome]) -> None:  # noqa: F811
    """Takes as many items of a kind as there are outcomes, and ends them so."""
    with seller.context.scope() as connection:
        claimed = claim(connection, kind, chunk_size=len(outcomes), lease=timedelta(minutes=1))
    assert claimed is not None
    with seller.context.scope() as connection:
        finish(connection, claimed, outcomes)


@pytest.fixture(scope="module")
def jobs(seller: Seller) -> dict[str, UUID]:  # noqa: F811
    """One in each state, as an accountant has them."""
    numbers = seller.orders(3)
    asked = seller.post(
        "batch-operations/invoices", {"sales_order_ids": [*numbers, "O-unknown"], "due_days": 14, "language": "de"}, 202
    )
    seller.work(asked["job_id"])
    found = {"with_errors": UUID(asked["job_id"])}
    found["done"] = ask(seller, "quickbooks_push_customer", [])
    found["failed"] = ask(seller, "communications", ["1", "2"], method="email", include_pdf=True)
    work(seller, "communications", [Failed("BOUNCED", LONG), Failed("NO_ADDRESS", "There is no address.")])
    found["skipped"] = ask(seller, "look_for_overdue", ["today"], by="a run with <b>markup</b>")
    work(seller, "look_for_overdue", [Skipped("Nothing was overdue.")])
    found["cancelled"] = ask(seller, "invoice_documents", ["1"], formats=["zugferd"], combined=True)
    with person(seller) as client:
        assert client.post(f"batch-operations/{found['cancelled']}/cancel").status_code == 303
    found["waits"] = ask(seller, "quickbooks_push_invoice", [str(n) for n in range(12_000)])
    return found


def shown(answer: httpx.Response, jobs: dict[str, UUID]) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {name for name, job_id in jobs.items() if f'{job_id}"' in answer.text}


def test_operations_are_found_by_kind_state_person_and_day(seller: Seller, jobs: dict[str, UUID]) -> None:  # noqa: F811
    with person(seller, Role.VIEWER) as client:
        for params, names in (
            ({}, set(jobs)),
            ({"kind": "invoice_orders", "status": "", "who": ""}, {"with_errors"}),
            ({"status": "open"}, {"waits"}),
            ({"status": "failed"}, {"failed"}),
            ({"who": "token writer"}, {"with_errors"}),
            ({"asked_from": "2020-01-01", "asked_until": "2999-01-01"}, set(jobs)),
            ({"asked_until": "2020-01-01"}, set()),
        ):
            assert shown(client.get("batch-operations", params=params), jobs) == names, params
        wrong = client.get("batch-operations", params={"asked_from": "soon"})
        assert (wrong.status_code, "Write a day" in wrong.text) == (422, True)
        one = client.get("batch-operations", params={"limit": 2})
        assert "Next page" in one.text
        german = client.get("batch-operations", headers={"Accept-Language": "de"}).text
        assert "Aufträge abrechnen" in german
        assert "Fertig, mit Fehlern" in german or "mit Fehlern" in german


def test_one_says_what_became_of_each_part_in_the_words_of_its_reader(seller: Seller, jobs: dict[str, UUID]) -> None:  # noqa: F811
    with person(seller, Role.VIEWER) as client:
        said = client.get(f"batch-operations/{jobs['with_errors']}").text
        assert "There is nothing of this name." in said
        assert "Invoice RE-" in said or "Invoice " in said
        assert "Days until due" in said
        failed = client.get(f"batch-operations/{jobs['with_errors']}", params={"outcome": "failed"}).text
        assert ("O-unknown" in failed, failed.count("/orders/")) == (True, 0)
        waits = client.get(f"batch-operations/{jobs['waits']}").text
        assert "Waits for a worker" in waits
        assert "since " in waits
        assert "/cancel" not in waits, "a viewer only looks"
        german = client.get(f"batch-operations/{jobs['failed']}", headers={"Accept-Language": "de"}).text
        assert "Die Adresse nimmt nichts an." in german
        assert "<b>markup</b>" not in client.get(f"batch-operations/{jobs['skipped']}").text
        unknown = client.get("batch-operations/00000000-0000-7000-8000-000000000000")
        assert unknown.status_code == 404
        assert f'<a href="{page(seller)}"' in unknown.text, "the menu stays for who belongs here"


@needs_chromium
def test_what_failed_is_tried_again_and_what_waits_is_cancelled_without_scripts(
    seller: Seller,  # noqa: F811
    browser: Browser,
) -> None:
    job = ask(seller, "communications", ["1", "2", "3"])
    work(seller, "communications", [Failed("BOUNCED", "It bounced."), Succeeded(), Succeeded()])
    session = seller.tenant.sessions[Role.ACCOUNTANT]
    with visiting(browser, seller.site.url, session, scripts=False) as visitor:
        visitor.open(page(seller, f"/{job}"))
        visitor.page.get_by_role("button", name="Try the failed one again").click()
        assert visitor.sees("1 is tried again.")
        assert visitor.sees("Waits for a worker")
        visitor.page.get_by_role("button", name="Load again").click()
        visitor.page.get_by_role("button", name="Cancel").click()
        assert visitor.sees("Cancelled. What is done stays done.")
        expect(visitor.page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_what_is_not_possible_any_more_is_said(seller: Seller) -> None:  # noqa: F811
    job = ask(seller, "communications", ["1"])
    with person(seller) as client:
        address = f"batch-operations/{job}"
        assert client.post(f"{address}/cancel").status_code == 303
        ended = client.post(f"{address}/cancel")
        assert (ended.status_code, "nothing to cancel" in ended.text) == (409, True)
        again = client.post(f"{address}/retry")
        assert (again.status_code, "cancelled, and stays so" in again.text) == (409, True)
    webhooks = ask(seller, "send_webhook", ["1"])
    with person(seller) as client:
        assert client.post(f"batch-operations/{webhooks}/cancel").status_code == 403
    with person(seller, Role.ADMIN) as client:
        assert client.post(f"batch-operations/{webhooks}/cancel").status_code == 303


def test_all_documents_of_an_operation_are_taken_away_as_one_file(seller: Seller) -> None:  # noqa: F811
    numbers = seller.issue(2)
    asked = seller.post(
        "batch-operations/pdfs", {"invoice_ids": numbers, "create_combined_pdf": True, "create_zip": True}, 202
    )
    with person(seller, Role.VIEWER) as client:
        address = f"batch-operations/{asked['job_id']}"
        assert client.get(f"{address}/files/zip").status_code == 404
        seller.make_documents()
        seller.make_documents()
        said = client.get(address).text
        assert "All as one PDF" in said
        assert numbers[0] in said
        pdf, zipped = client.get(f"{address}/files/combined_pdf"), client.get(f"{address}/files/zip")
        assert pdf.content.startswith(b"%PDF")
        assert zipped.content.startswith(b"PK")
        assert "attachment" in pdf.headers["content-disposition"]


@needs_chromium
def test_an_open_page_follows_its_operation_to_the_end(seller: Seller, browser: Browser) -> None:  # noqa: F811
    job = ask(seller, "look_for_overdue", [str(n) for n in range(40)])
    session = seller.tenant.sessions[Role.ACCOUNTANT]
    with visiting(browser, seller.site.url, session) as visitor:
        visitor.open(page(seller, f"/{job}"))
        expect(visitor.page.get_by_text("Waits for a worker").first).to_be_visible()
        expect(visitor.page.locator(RUNNING)).not_to_be_empty(timeout=3000)
        expect(visitor.page.locator(".live").first).to_be_visible()
        work(seller, "look_for_overdue", [Succeeded()] * 10 + [Failed("VOID", "It is void.")] * 10)
        expect(visitor.page.locator(".far .figure")).to_have_text("20 / 40", timeout=4000)
        expect(visitor.page.locator(".far progress")).to_have_js_property("value", 20)
        expect(visitor.page.get_by_text("Running")).to_be_visible()
        expect(visitor.page.get_by_text("Waits for a worker").first).to_be_hidden()
        expect(visitor.page.get_by_role("link", name="More is done by now")).to_be_visible()
        work(seller, "look_for_overdue", [Succeeded()] * 20)
        expect(visitor.page.get_by_role("button", name="Try the 10 failed ones again")).to_be_visible(timeout=12_000)
        expect(visitor.page.get_by_text("Done, with errors")).to_be_visible()


@needs_chromium
def test_a_list_follows_what_runs_and_takes_in_what_is_new(seller: Seller, browser: Browser) -> None:  # noqa: F811
    job = ask(seller, "look_for_overdue", [str(n) for n in range(10)])
    session = seller.tenant.sessions[Role.VIEWER]
    with visiting(browser, seller.site.url, session) as visitor:
        visitor.open(page(seller))
        row = visitor.page.locator(f'tr[data-live-row="{job}"]')
        expect(row.get_by_text("Waits for a worker")).to_be_visible()
        expect(visitor.page.locator(RUNNING)).not_to_be_empty(timeout=3000)
        work(seller, "look_for_overdue", [Succeeded()] * 5)
        expect(row.locator("progress")).to_have_js_property("value", 5, timeout=4000)
        work(seller, "look_for_overdue", [Succeeded()] * 5)
        newer = ask(seller, "import_csv", [])
        expect(visitor.page.locator(f'a[href$="{newer}"]')).to_be_visible(timeout=15_000)
        expect(row).to_have_count(0)


@needs_chromium
def test_a_page_says_that_its_reader_may_not_look_any_more(seller: Seller, browser: Browser) -> None:  # noqa: F811
    database = seller.site.database
    email = add_person(database, "leaver")
    with database.engine.begin() as connection:
        set_role(connection, email, seller.tenant.slug, Role.VIEWER, actor="test")
    session = add_session(database, email)
    with visiting(browser, seller.site.url, session) as visitor:
        visitor.open(page(seller))
        visitor.page.wait_for_timeout(1500)
        sign_out(seller.site.engine, session)
        expect(visitor.page.get_by_text("You are signed out, or do not belong")).to_be_visible(timeout=4000)


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [*zip(WIDTHS, ("light", "dark", "light"), strict=True)])
def test_the_pages_can_be_used_by_everybody(
    seller: Seller,  # noqa: F811
    jobs: dict[str, UUID],
    browser: Browser,
    width: int,
    scheme: str,
) -> None:
    session = seller.tenant.sessions[Role.ADMIN]
    language = "de" if scheme == "light" else "en"
    with visiting(browser, seller.site.url, session, language=language, scheme=scheme, width=width) as visitor:
        for rest in (
            "",
            "?kind=nothing",
            *(f"/{jobs[name]}" for name in ("with_errors", "failed", "cancelled")),
        ):
            visitor.open(page(seller, rest))
            assert visitor.serious_findings() == []
            assert visitor.overflow() == 0, rest
