"""No space is left for what is uploaded at the desk: it is said so, nothing is recorded, and later all is taken."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.support.delivery.full_disk import full_disk
from invoice_pipelines_tests.support.desk.visitors import needs_chromium, visiting
from invoice_pipelines_tests.support.web import open_tenant, running_site

LARGE = random.Random(16).randbytes(300_000)


@needs_chromium
def test_a_full_disk_is_told_and_what_was_sent_is_taken_when_there_is_room(
    shared_database: TestDatabase, browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "originals"
    files: list[Any] = [
        {"name": "klein.pdf", "mimeType": "application/pdf", "buffer": page_of("HW-77", "1000.00")},
        {"name": "groß.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 " + LARGE},
    ]
    full = "Für Dateien ist kein Platz mehr, darum wurde nichts gespeichert."
    with running_site(shared_database, originals=str(folder)) as site:
        tenant = open_tenant(site.database)
        session, address = tenant.sessions[Role.ACCOUNTANT], f"/desk/{tenant.slug}/received"
        with (
            visiting(browser, site.url, session, language="de", scripts=False) as plain,
            visiting(browser, site.url, session, language="de") as visitor,
        ):
            with full_disk(folder):
                plain.open(address)
                plain.page.get_by_label("Dateien wählen").set_input_files(files)
                plain.page.get_by_role("button", name="Hochladen").click()
                expect(plain.page.get_by_text(full)).to_be_visible()
                assert tenant.view.value("select count(*) from intake.upload") == 0
                assert not any(str(folder) in said.page.content() for said in (plain, visitor))
                visitor.open(address)
                for file in files:
                    visitor.page.get_by_label("Dateien wählen").set_input_files([file])
                    expect(visitor.page.locator("[data-summary]")).to_contain_text("1 angenommen")
                row = visitor.page.locator("[data-files] li").filter(has_text="groß.pdf")
                expect(row).to_contain_text(full)
                assert tenant.view.rows("select file_name from intake.upload") == [("klein.pdf",)]
            row.get_by_role("button", name="Noch einmal versuchen").click()
            said = "2 von 2 Dateien erledigt: 2 angenommen, 0 schon vorhanden, 0 abgelehnt."
            expect(visitor.page.locator("[data-summary]")).to_have_text(said)
            plain.page.go_back()
            plain.page.get_by_label("Dateien wählen").set_input_files(files)
            plain.page.get_by_role("button", name="Hochladen").click()
            expect(plain.page.get_by_text("2 von 2 Dateien erledigt: 0 angenommen, 2 schon vorhanden")).to_be_visible()
            for each in (plain, visitor):
                each.complaints[:] = [said for said in each.complaints if "status of 503" not in said]
    assert sorted(tenant.view.rows("select file_name from intake.upload")) == [("groß.pdf",), ("klein.pdf",)]
