"""Small files that would be large: they are refused in words, nothing in them runs, and others do not wait."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.integration.web.intake.conftest import IntakeTenant, other_office  # noqa: F401
from invoice_pipelines_tests.support.desk import floods
from invoice_pipelines_tests.support.desk.visitors import needs_chromium, visiting
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant, problem_of


@contextmanager
def others_go_on(site: Site, tenant: Tenant) -> Iterator[None]:
    """Somebody of another organization loads a light page again and again, and hardly sees that something goes on."""

    def load(client: httpx.Client, waits: list[float]) -> None:
        began = time.monotonic()
        assert client.get(f"/desk/{tenant.slug}/customers").status_code == 200
        waits.append(time.monotonic() - began)

    over = threading.Event()
    before: list[float] = []
    beside: list[float] = []

    def look() -> None:
        with site.browser(tenant.sessions[Role.VIEWER]) as client:
            while not over.wait(0.1):
                load(client, beside)

    with site.browser(tenant.sessions[Role.VIEWER]) as client:
        for _ in range(20):
            load(client, before)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
    alone, now = statistics.median(before), statistics.median(beside)
    print(f"\na light page: median {alone * 1000:.0f} ms alone, {now * 1000:.0f} ms beside ({len(beside)} times)")
    assert now < 4 * alone + 0.1


@needs_chromium
def test_floods_and_bombs_that_are_uploaded_are_refused_in_words(
    office: IntakeTenant,
    other_office: IntakeTenant,  # noqa: F811
    browser: Browser,
) -> None:
    documents = {
        "flut.png": (floods.png_flood(), "The file is a picture, and text recognition (OCR) is switched off"),
        "flut.pdf": (floods.pdf_flood(), "The PDF holds no readable text, only pictures"),
        "riesenseite.pdf": (floods.huge_page(page_of("HW-77", "1000.00"), 14_000_000), "Why it waits for a person"),
        "lachen.svg": (floods.laughs(), "The XML has a document type declaration"),
        "lachen.xml": (floods.laughs("<Invoice").replace(b"</svg>", b"</Invoice>"), "The XML has a document type"),
        "tief.svg": (floods.deep(), "The XML is nested deeper than 100 elements"),
        "viele.svg": (floods.uses(), "The XML is not an invoice"),
    }
    files: list[Any] = [{"name": name, "mimeType": "", "buffer": data} for name, (data, _) in documents.items()]
    session = office.tenant.sessions[Role.ACCOUNTANT]
    with visiting(browser, office.site.url, session) as visitor, others_go_on(office.site, other_office.tenant):
        page = visitor.page
        visitor.when("dialog", lambda dialog: visitor.complaints.append(f"dialog: {dialog.message}"))
        visitor.open(f"/desk/{office.tenant.slug}/received")
        page.get_by_label("Choose files").set_input_files(files)
        expect(page.locator("[data-summary]")).to_contain_text(f"{len(files)} taken")
        office.run()
        found = dict(map(tuple, office.desk.rows("select file_name, id from public.received_invoice")))
        for name, (_, words) in documents.items():
            for part in ("received", "reviews"):
                visitor.open(f"/desk/{office.tenant.slug}/{part}/{found[name]}")
                if part == "received":
                    expect(page.locator("main").get_by_text(words).first).to_be_visible()
                page.wait_for_load_state("networkidle")
        huge = "[...document.querySelectorAll('main img')].map(image => image.naturalWidth)"
        visitor.open(f"/desk/{office.tenant.slug}/reviews/{found['riesenseite.pdf']}")
        assert 100 < page.evaluate(huge)[0] < 5_000, "the page is drawn smaller"
        with office.client() as client:
            for name in ("flut.png", "flut.pdf"):
                drawn = problem_of(client.get(f"reviews/{found[name]}/pages/1"), 422)
                assert drawn["code"] == "PICTURE_TOO_LARGE", "whoever asks for its page all the same"


@needs_chromium
def test_a_logo_that_is_a_bomb_is_refused_and_the_old_one_stays(site: Site, browser: Browser, tmp_path: Path) -> None:
    tenant, other = open_tenant(site.database), open_tenant(site.database)
    address = f"/desk/{tenant.slug}/settings/documents"
    bombs = {"flut.png": floods.png_flood(), "lachen.svg": floods.laughs(), "viele.svg": floods.uses()}
    with (
        visiting(browser, site.url, tenant.sessions[Role.ADMIN], language="de") as visitor,
        others_go_on(site, other),
    ):
        page = visitor.page
        visitor.when("dialog", lambda dialog: visitor.complaints.append(f"dialog: {dialog.message}"))
        for name, data in bombs.items():
            visitor.open(address)
            (tmp_path / name).write_bytes(data)
            page.get_by_label("Neues Logo").set_input_files(tmp_path / name)
            page.get_by_role("button", name="Dieses Logo verwenden").click()
            refused = page.get_by_text("Dieses Bild ").or_(page.get_by_text("Wählen Sie ein Bild mit höchstens"))
            expect(refused).to_be_visible(timeout=60_000)
            assert page.evaluate("document.querySelector('img.preview').decode().then(() => true)")
        visitor.complaints[:] = [said for said in visitor.complaints if "status of 422" not in said]
    assert tenant.view.value("select count(*) from delivery.template_file") == 0
