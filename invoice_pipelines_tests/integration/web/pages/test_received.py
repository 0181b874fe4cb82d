"""Received invoices at the desk: files dropped, found again, looked at beside their pages, retried and exported."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from playwright.sync_api import Browser, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.received_invoices import ProcessingError, mark_failed
from invoice_pipelines.intake.stages.stages import export_invoices
from invoice_pipelines_tests.integration.intake.conftest import make_reading
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.integration.web.intake.conftest import (  # noqa: F401
    MOST_MEGABYTES,
    IntakeTenant,
    intake_folder,
    intake_site,
    office,
    other_office,
)
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.intake.documents.samples import CII, pdf, with_attachments
from invoice_pipelines_tests.support.intake.review.lane import correct, judged, on_paper, uploaded

MARKUP = "<img src=x onerror=alert(1)>.pdf"
TURNED = "rechnung\u202efdp.exe\u2066.pdf"


ENCRYPTED = ("PDF_ENCRYPTED", "The PDF is encrypted; ask for it without a password.")


def failed(office: IntakeTenant, name: str = "kaputt.pdf", why: tuple[str, str] = ENCRYPTED) -> UUID:  # noqa: F811
    upload_id = office.desk.upload(uuid4().bytes, name)
    invoice_id: UUID = office.desk.one("select id from intake.received_invoice where upload_id = :id", id=upload_id)
    error = ProcessingError("parse", *why)
    with office.desk.scope() as connection:
        mark_failed(connection, [(office.desk.version(invoice_id), error)])
    return invoice_id


def fill(office: IntakeTenant) -> dict[str, UUID]:  # noqa: F811
    """Invoices in each state, as an accountant has them."""
    sellers = ("Stadtwerke Nordhausen-Süd Versorgungs- und Dienstleistungsgesellschaft mbH & Co. KG", "Bürobedarf Lang")
    parties = [replace(make_reading().seller or Party(), name=name) for name in sellers]
    amounts = {name: Decimal("1234567.89") for name in ("gross_amount", "payable_amount")}
    big = make_reading("SW-2026-00017", seller=parties[0], net_amount=Decimal("1037452.85"), **amounts)
    exported = office.desk.validated(make_reading("EX-1", seller=parties[1])).id
    export_invoices(office.desk.intake())
    return {
        "exported": exported,
        "validated": office.desk.validated(big).id,
        "parsed": office.desk.parsed(make_reading("BB 4711", seller=parties[1], issue_date=date(2026, 4, 2))).id,
        "waiting": judged(office.desk, on_paper("W-1", gross_amount=0.5)),
        "failed": failed(office),
        "uploaded": office.desk.invoice().id,
    }


def long_ago(office: IntakeTenant, *invoices: UUID) -> None:  # noqa: F811
    """These have not moved for an hour."""
    office.desk.behind(
        """update intake.received_invoice set created_at = now() - interval '1 hour', last_processed_at = null
           where organization_id = :organization and id = any(:ids)""",
        ids=list(invoices),
    )


def person(office: IntakeTenant, role: Role = Role.ACCOUNTANT) -> httpx.Client:  # noqa: F811
    client = office.person(role)
    client.base_url = httpx.URL(f"{office.site.url}/desk/{office.tenant.slug}/")
    client.headers["Accept-Language"] = "en"
    return client


def shown(answer: httpx.Response, invoices: dict[str, UUID]) -> set[str]:
    """Which of the invoices a list shows."""
    assert answer.status_code == 200, answer.text
    return {name for name, invoice_id in invoices.items() if str(invoice_id) in answer.text}


def test_invoices_are_found_by_state_and_by_what_they_say(office: IntakeTenant) -> None:  # noqa: F811
    invoices = fill(office)
    params: dict[str, Any]
    with person(office, Role.VIEWER) as client:
        for params, found in (
            ({}, set(invoices)),
            ({"status": "FAILED", "text": "", "gross_from": ""}, {"failed"}),
            ({"status": ["VALIDATED", "EXPORTED"]}, {"validated", "exported"}),
            ({"in_review": "true"}, {"waiting"}),
            ({"seller": "büro"}, {"exported", "parsed"}),
            ({"number": "bb4711"}, {"parsed"}),
            ({"issued_from": "2026-04-01"}, {"parsed"}),
            ({"arrived_from": "2020-01-01"}, set(invoices)),
            ({"arrived_from": "2999-01-01"}, set()),
            ({"gross_from": "1.190,00"}, {"validated"}),
            ({"gross_until": "119.00", "currency": "eur"}, {"exported", "parsed", "waiting"}),
            ({"text": "kaputt"}, {"failed"}),
        ):
            assert shown(client.get("received", params=params), invoices) == found, params
        first = client.get("received", params={"limit": "4", "currency": "EUR"})
        assert shown(first, invoices) == {"validated", "parsed", "waiting", "exported"}
        first = client.get("received", params={"limit": "4"})
        assert shown(first, invoices) == {"uploaded", "failed", "waiting", "parsed"}
        address = first.text.split('">Next page')[0].rpartition('"')[2].replace("&amp;", "&")
        assert shown(client.get(f"received{address}"), invoices) == {"validated", "exported"}
        wrong = client.get("received", params={"gross_from": "viel", "issued_until": "2026-02-31", "seller": "Büro"})
        assert wrong.status_code == 422
        assert "Write an amount such as 1.190,00 or 1190.00." in wrong.text
        assert "Write a day of the calendar." in wrong.text
        assert 'value="viel"' in wrong.text
        assert "No invoice is like this" in client.get("received", params={"text": "x" * 50}).text
        assert "Drop invoices here" not in client.get("received").text, "viewers upload nothing"


def test_a_seller_that_was_left_out_is_shown_as_not_confirmed(office: IntakeTenant) -> None:  # noqa: F811
    receipt = on_paper(
        "0381", {"seller": Party(name="Café <Pendel>"), "buyer": Party(), "due_date": None}, seller_name=0.5
    )
    invoice = judged(office.desk, receipt)
    assert office.desk.status(invoice) == "VALIDATED"
    with person(office, Role.VIEWER) as client:
        for address in (f"received/{invoice}", "received?seller=pendel", f"reviews/{invoice}"):
            page = client.get(address)
            assert page.status_code == 200
            assert "not confirmed" in page.text, address
            assert "Café &lt;Pendel&gt;" in page.text, address
        assert "a simplified invoice will do; it is left out" in client.get(f"received/{invoice}").text
        german = client.get(f"received/{invoice}", headers={"Accept-Language": "de"}).text
        assert "nicht bestätigt" in german
        assert "Lieferanten angeben" not in german, "viewers ask for nothing"
    with person(office) as client:
        assert "Name the supplier" in client.get(f"received/{invoice}").text
        answer = client.post(f"received/{invoice}/ask", data={"key": str(uuid4())})
        assert (answer.status_code, str(invoice) in answer.headers["location"]) == (303, True)
        assert "reviews/" in answer.headers["location"]
        assert office.desk.status(invoice) == "PARSED"
        assert "Asked for the supplier" in client.get(f"received/{invoice}").text


def test_files_of_a_form_are_taken_refused_or_known(office: IntakeTenant) -> None:  # noqa: F811
    document = page_of("HW-77", "1000.00")
    with person(office) as client:
        files = [
            ("file", ("Rechnung März.pdf", document, "application/pdf")),
            ("file", ("large.pdf", b"%PDF-" + bytes(MOST_MEGABYTES * 1_000_000), "application/pdf")),
            ("file", ("empty.pdf", b"", "application/pdf")),
            ("file", (MARKUP, b"<html><script>alert(1)</script></html>", "text/html")),
        ]
        answer = client.post("received/uploads", files=files)
        assert answer.status_code == 200, answer.text
        assert "4 of 4 files done: 2 taken, 0 received before, 2 refused." in answer.text
        assert f"It is larger than {MOST_MEGABYTES} MB." in answer.text
        assert "The file is empty." in answer.text
        assert "<img" not in answer.text
        again = client.post("received/uploads", files=[("file", ("copy.pdf", document))])
        assert "Rechnung März.pdf" in again.text
        assert "0 taken, 1 received before" in again.text
        assert office.desk.one("select count(*) from intake.upload") == 2
        assert len(office.stored()) == 2
        nothing = client.post("received/uploads", files=[("file", ("", b""))])
        assert nothing.status_code == 422
        many = client.post("received/uploads", files=[("file", (f"{number}.xml", b"x")) for number in range(201)])
        assert many.status_code == 413
        assert "There are more files than this page takes at once." in many.text
        foreign = client.post("received/uploads", files=files, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
    with person(office, Role.VIEWER) as client:
        assert client.post("received/uploads", files=files).status_code == 403
    assert office.desk.one("select count(*) from intake.upload") == 2


@needs_chromium
def test_dropped_files_are_sent_with_their_outcomes_and_by_keyboard(
    office: IntakeTenant,  # noqa: F811
    browser: Browser,
) -> None:
    session = office.tenant.sessions[Role.ACCOUNTANT]
    known = page_of("HW-1", "10.00")
    office.desk.upload(known, "Rechnung 1.pdf")
    with visiting(browser, office.site.url, session, language="de", width=360) as visitor:
        page = visitor.page
        visitor.open(f"/desk/{office.tenant.slug}/received")
        files: list[Any] = [
            {"name": "known.pdf", "mimeType": "application/pdf", "buffer": known},
            {"name": MARKUP, "mimeType": "application/pdf", "buffer": b"<script>alert(1)</script>"},
            {"name": TURNED, "mimeType": "application/pdf", "buffer": b"<svg onload='alert(1)'/>"},
            {"name": "empty.pdf", "mimeType": "application/pdf", "buffer": b""},
            {"name": "large.pdf", "mimeType": "application/pdf", "buffer": bytes(MOST_MEGABYTES * 1_000_000 + 1)},
            *({"name": f"{n}.xml", "mimeType": "text/xml", "buffer": f"<a>{n}</a>".encode()} for n in range(20)),
        ]
        page.get_by_label("Dateien wählen").set_input_files(files)
        summary = page.locator("[data-summary]")
        expect(summary).to_have_text("25 von 25 Dateien erledigt: 22 angenommen, 1 schon vorhanden, 2 abgelehnt.")
        row = {
            name: page.locator("[data-files] li", has_text=name) for name in ("known", "<img", "fdp", "empty", "large")
        }
        assert row["known"].get_by_role("link").inner_text() == "Rechnung 1.pdf"
        assert row["<img"].locator("bdi").inner_text() == MARKUP
        assert row["fdp"].locator("bdi").inner_text() == "rechnungfdp.exe.pdf"
        assert "Die Datei ist leer." in row["empty"].inner_text()
        assert f"Sie ist größer als {MOST_MEGABYTES} MB." in row["large"].inner_text()
        expect(page.locator("#found").get_by_text("rechnung%E2%80%AEfdp.exe")).to_be_visible()
        expect(page.locator("img")).to_have_count(0)
        assert visitor.serious_findings() == []
        assert visitor.overflow() == 0
        office.run()
        row["<img"].get_by_role("link").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
        assert visitor.sees("Warum sie fehlgeschlagen ist")
        assert visitor.sees("Das XML ist keine Rechnung")
        with page.expect_download() as download:
            page.get_by_role("button", name="Original").click()
        assert "<" not in download.value.suggested_filename
    assert office.desk.one("select count(*) from intake.upload") == 23


def test_one_shows_what_was_read_why_it_waits_and_what_happened(office: IntakeTenant) -> None:  # noqa: F811
    waiting = uploaded(office.desk, page_of("HW-77", "1000.00"), "Dachstuhl <b>März</b>.pdf")
    with person(office) as client:
        shown = client.get(f"received/{waiting}").text
        for words in (
            "Zimmerei Holzwurm GmbH",
            "1,190.00\u00a0EUR",
            "5 Mar 2026",
            "19%",
            "text of the page",
        ):
            assert words in shown, words
        for words in ("Waits for review", "Why it waits for a person", f'/reviews/{waiting}"', "Dachstuhl &lt;b&gt;"):
            assert words in shown, words
        picture = client.get(f"{office.site.url}/api/v1/organizations/{office.tenant.slug}/reviews/{waiting}/pages/1")
        assert picture.headers["content-type"] == "image/png"
        german = client.get(f"received/{waiting}", headers={"Accept-Language": "de"}).text
        for words in ("Gesamtbetrag", "1.190,00\u00a0EUR", "05.03.2026", "Text der Seite", "Warum sie auf"):
            assert words in german, words
        correct(office.desk, waiting, number="HW-77")
        decided = client.get(f"received/{waiting}").text
        assert "Invoice number: – → HW-77" in decided
        assert "Validated" in decided
        assert "/reviews/" not in decided.replace(f"/reviews/{waiting}/pages/", "")


def test_a_failed_one_is_read_again_once_and_one_that_waits_goes_first(office: IntakeTenant) -> None:  # noqa: F811
    broken, fresh = failed(office), office.desk.invoice().id
    with person(office) as client:
        shown = client.get(f"received/{broken}")
        assert "The PDF is encrypted" in shown.text
        german = client.get(f"received/{broken}", headers={"Accept-Language": "de"})
        assert "Das PDF ist durch ein Kennwort geschützt" in german.text
        lost = failed(office, why=("UNEXPECTED_ERROR", f"The original {'0a' * 32} is missing in the storage."))
        said = client.get(f"received/{lost}").text
        assert ("The original is missing in the storage." in said, "0a" * 32 in said) == (True, False)
        form = {"key": uuid4().hex}
        for _ in range(2):
            retried = client.post(f"received/{broken}/retry", data=form)
            assert (retried.status_code, retried.headers["location"]) == (303, shown.url.path)
        assert office.desk.status(broken) == "CREATED"
        other = client.post(f"received/{broken}/retry", data={"key": uuid4().hex})
        assert other.status_code == 409
        assert "This invoice has not failed" in other.text
        asked = client.post(f"received/{fresh}/process", data={"key": uuid4().hex})
        assert asked.status_code == 303
        asked_for = "select count(*) from work.items where kind = 'process_upload' and subject_id = :id"
        assert office.desk.one(asked_for, id=str(fresh)) == 1
        valid = office.desk.validated().id
        assert client.post(f"received/{valid}/process", data={"key": uuid4().hex}).status_code == 409
        assert "There is no such invoice" in client.get(f"received/{uuid4()}").text
    with person(office, Role.VIEWER) as client:
        assert client.post(f"received/{broken}/retry", data=form).status_code == 403
        assert "Read again" not in client.get(f"received/{failed(office)}").text


def test_notes_are_kept_and_what_is_too_long_is_shown_again(office: IntakeTenant) -> None:  # noqa: F811
    invoice = office.desk.validated().id
    with person(office) as client:
        form = {"key": uuid4().hex, "note": "Rückfrage bei\n<script>alert(1)</script>"}
        for _ in range(2):
            assert client.post(f"received/{invoice}/notes", data=form).status_code == 303
        shown = client.get(f"received/{invoice}").text
        assert shown.count("Rückfrage bei\n&lt;script&gt;alert(1)") == 1
        refused = client.post(f"received/{invoice}/notes", data={"key": uuid4().hex, "note": "x" * 2001})
        assert refused.status_code == 422
        assert "A note has 1 to 2000 characters." in refused.text
        assert "x" * 2001 in refused.text


def test_exports_are_asked_for_taken_away_and_asked_for_again(office: IntakeTenant) -> None:  # noqa: F811
    invoices = [office.desk.validated(make_reading(f"AB {number}")).id for number in range(3)]
    with person(office) as client:
        assert "3 invoices are validated and wait for an export." in client.get("received/exports").text
        form = {"key": uuid4().hex}
        for _ in range(2):
            assert client.post("received/exports", data=form).status_code == 303
        assert office.desk.one("select count(*) from work.jobs where kind = 'export_received'") == 1
        export_invoices(office.desk.intake())
        shown = client.get("received/exports").text
        assert "No validated invoice waits" in shown
        name = shown.split("/exports/1/files/")[1].split('"')[0]
        address = f"/api/v1/organizations/{office.tenant.slug}/exports/1/files/{name}"
        file = client.get(office.site.url + address)
        assert file.headers["content-disposition"].startswith("attachment; ")
        one = client.get("received/exports/1").text
        assert all(str(invoice) in one for invoice in invoices)
        nothing = client.post("received/exports/again", data={"key": uuid4().hex, "number": "1"})
        assert nothing.headers["location"].endswith("/received/exports/1")
        again = {"key": uuid4().hex, "invoice": [str(invoice) for invoice in invoices[:2]]}
        assert client.post("received/exports/again", data=again).status_code == 303
        assert [office.desk.status(invoice) for invoice in invoices] == ["VALIDATED", "VALIDATED", "EXPORTED"]
        refused = client.post("received/exports/again", data=again | {"key": uuid4().hex})
        assert refused.status_code == 409
        assert "Not all of these are exported at the moment" in refused.text
        assert "There is no such export" in client.get("received/exports/7").text
    with person(office, Role.VIEWER) as client:
        assert "Export now" not in client.get("received/exports").text
        assert client.post("received/exports", data=form).status_code == 403


def test_statistics_say_how_the_intake_goes_and_what_is_stuck(office: IntakeTenant) -> None:  # noqa: F811
    with person(office, Role.VIEWER) as client:
        assert "No invoice yet" in client.get("received/statistics").text
        invoices = fill(office)
        assert "Nothing is stuck." in client.get("received/statistics").text
        long_ago(office, invoices["uploaded"])
        shown = client.get("received/statistics").text
        for words in ("50%", "It waits for a worker.", str(invoices["uploaded"]), "The PDF is encrypted", "Median"):
            assert words in shown.replace("\u00a0", " "), words
        german = client.get("received/statistics", headers={"Accept-Language": "de"}).text
        for words in ("Sie wartet auf die Verarbeitung.", "durch ein Kennwort geschützt", "vor 60 Minuten"):
            assert words in german, words


def test_an_original_is_only_ever_saved(office: IntakeTenant) -> None:  # noqa: F811
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"
    invoice = uploaded(office.desk, svg, MARKUP)
    no_pages = uploaded(office.desk, CII.encode(), "rechnung.pdf")
    with person(office, Role.VIEWER) as client:
        assert "Failed" in client.get(f"received/{invoice}").text
        german = client.get(f"received/{invoice}", headers={"Accept-Language": "de"}).text
        assert "Sein Wurzelelement ist &#39;svg&#39; (http://www.w3.org/2000/svg), erwartet wird" in german
        xml = client.get(f"received/{no_pages}").text
        assert "rechnung.pdf" in xml
        assert "<img" not in xml, "an XML has no page, whatever it is called"
        address = f"/api/v1/organizations/{office.tenant.slug}/received-invoices/{invoice}/original"
        got = client.get(office.site.url + address)
        assert got.content == svg
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-disposition"].startswith("attachment; ")
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["content-security-policy"].startswith("sandbox")


@needs_chromium
def test_files_are_sent_by_the_form_where_no_script_runs(office: IntakeTenant, browser: Browser) -> None:  # noqa: F811
    session = office.tenant.sessions[Role.ACCOUNTANT]
    hybrid = with_attachments(pdf("Invoice"), ("factur-x.xml", CII.encode()))
    with visiting(browser, office.site.url, session, scripts=False) as visitor:
        page = visitor.page
        visitor.open(f"/desk/{office.tenant.slug}/received")
        files: list[Any] = [
            {"name": "hybrid.pdf", "mimeType": "application/pdf", "buffer": hybrid},
            {"name": TURNED, "mimeType": "application/pdf", "buffer": page_of("HW-1", "10.00")},
            {"name": MARKUP, "mimeType": "text/html", "buffer": b"<html><script>alert(1)</script></html>"},
        ]
        page.get_by_label("Choose files").set_input_files(files)
        page.get_by_role("button", name="Upload").click()
        assert visitor.sees("3 of 3 files done: 3 taken, 0 received before, 0 refused.")
        assert visitor.overflow() == 0
        office.run()
        page.get_by_role("link", name="Open the invoice").first.click()
        picture = page.get_by_role("img", name="Page 1 of the document")
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 100
        visitor.open(f"/desk/{office.tenant.slug}/received?status=FAILED")
        page.get_by_role("link", name=MARKUP).click()
        page.get_by_role("button", name="Read again").click()
        assert visitor.sees("The invoice is read again as soon as a worker is free.")
        assert visitor.sees("It waits for a worker since")


@needs_chromium
def test_a_file_that_the_network_lost_is_sent_again(office: IntakeTenant, browser: Browser) -> None:  # noqa: F811
    session = office.tenant.sessions[Role.ACCOUNTANT]
    with visiting(browser, office.site.url, session) as visitor:
        page = visitor.page
        visitor.open(f"/desk/{office.tenant.slug}/received")
        sent: list[str] = []

        def lose(route: Any) -> None:
            sent.append(route.request.headers["idempotency-key"])
            answer = route.fetch()  # it arrives, and its answer is lost
            assert answer.status == 201
            route.abort("connectionreset")

        page.route("**/uploads", lose, times=1)
        busy = {"status": 429, "headers": {"Retry-After": "1"}, "body": "{}"}
        page.route("**/uploads", lambda route: route.fulfill(**busy), times=1)
        file: Any = {"name": "a.pdf", "mimeType": "application/pdf", "buffer": page_of("HW-9", "10.00")}
        page.evaluate(
            """bytes => {
                const dropped = new DataTransfer();
                dropped.items.add(new File([new Uint8Array(bytes)], "a.pdf"));
                document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true }));
            }""",
            list(file["buffer"]),
        )
        expect(page.get_by_text("The connection broke off.")).to_be_visible()
        page.get_by_role("button", name="Try again").press("Enter")
        expect(page.locator("[data-summary]")).to_have_text("1 of 1 files done: 1 taken, 0 received before, 0 refused.")
        told = ("ERR_CONNECTION_RESET", "status of 429")
        visitor.complaints[:] = [said for said in visitor.complaints if not any(one in said for one in told)]
    assert office.desk.one("select count(*) from intake.upload") == 1


@needs_chromium
@pytest.mark.parametrize(
    ("language", "scheme", "width"), list(zip(("en", "de", "de"), ("light", "dark", "light"), WIDTHS, strict=True))
)
def test_the_pages_can_be_used_by_everybody(
    office: IntakeTenant,  # noqa: F811
    browser: Browser,
    language: str,
    scheme: str,
    width: int,
) -> None:
    session = office.tenant.sessions[Role.ACCOUNTANT]
    with visiting(browser, office.site.url, session, language=language, scheme=scheme, width=width) as visitor:
        home = f"/desk/{office.tenant.slug}/received"
        for address in ("?text=", "/statistics", "/exports"):
            visitor.open(home + address)
            assert visitor.serious_findings() == []
            assert visitor.overflow() == 0, address
        invoices = fill(office)
        waiting = uploaded(office.desk, page_of("HW-77", "1000.00"), "Dachstuhl <b>März</b>.pdf")
        invoices["waiting on paper"] = waiting
        long_ago(office, invoices["uploaded"], invoices["parsed"])
        looked_at = ("waiting on paper", "failed", "exported")
        addresses = ["", "?status=FAILED", "?gross_from=x&text=nothing", *(f"/{invoices[name]}" for name in looked_at)]
        addresses += ["/statistics", "/exports", "/exports/1"]
        for address in addresses:
            visitor.open(home + address)
            assert visitor.serious_findings() == []
            assert visitor.overflow() == 0, address
        visitor.complaints[:] = [said for said in visitor.complaints if "status of 422" not in said]
