"""Sales orders at the desk: chosen, invoiced and imported, as an accountant does it."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from invoice_pipelines_tests.integration.web.pages.billing.conftest import SellingTenant, invoice_of, key_of
from invoice_pipelines_tests.support.desk.visitors import needs_chromium, visiting


@needs_chromium
def test_all_orders_that_match_are_invoiced_and_a_double_click_makes_one_job(
    books: SellingTenant, browser: Browser
) -> None:
    books.orders(5001, 3, purchase_order_reference="Messe Herbst")
    before = len(books.jobs("invoice_orders"))
    with visiting(browser, books.site.url, books.session) as visitor:
        page = visitor.page
        visitor.open(f"{books.desk}/orders")
        page.get_by_label("Search").fill("messe herbst")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Invoice them")).to_be_disabled()
        page.get_by_label("Select 5002").check()
        assert visitor.sees("4735") is False
        page.get_by_label("For").select_option(label="all that match the filter")
        page.get_by_role("button", name="Invoice them").click()
        assert visitor.sees("3 orders")
        assert visitor.sees("3,000.00")
        page.get_by_label("Days until due").fill("soon")
        page.get_by_role("button", name="Invoice 3 orders").click()
        assert visitor.sees("whole number of days")
        assert page.get_by_label("Days until due").input_value() == "soon"
        page.get_by_label("Days until due").fill("30")
        page.get_by_role("button", name="Invoice 3 orders").dblclick()
        page.wait_for_url("**/batch-operations/*")
        visitor.complaints.clear()  # Chromium notes the answer 422 of the days
    assert books.jobs("invoice_orders")[before:] == [3]


def test_a_form_that_is_sent_twice_makes_one_job_and_one_with_other_orders_is_asked_again(books: SellingTenant) -> None:
    books.orders(5101, 2, purchase_order_reference="Zweimal")
    before = len(books.jobs("invoice_orders"))
    address = f"{books.desk}/orders/invoicing"
    with books.browse() as client:
        shown = client.get(address, params={"matching": "true", "q": "zweimal", "state": "open"}).text
        seen = re.search(r'name="seen" value="([^"]+)"', shown)
        assert seen is not None
        form = {"matching": "true", "q": "zweimal", "state": "open", "due_days": "14", "key": key_of(shown)}
        books.orders(5103, 1, purchase_order_reference="Zweimal")
        other = client.post(address, data={**form, "seen": seen[1]})
        assert other.status_code == 422
        assert "Meanwhile other orders match" in other.text
        seen = re.search(r'name="seen" value="([^"]+)"', other.text)
        assert seen is not None
        twice = [client.post(address, data={**form, "seen": seen[1]}) for _ in range(2)]
    assert {answer.status_code for answer in twice} == {303}
    assert len({answer.headers["location"] for answer in twice}) == 1
    assert books.jobs("invoice_orders")[before:] == [3]


def test_what_would_be_refused_is_said_before(books: SellingTenant) -> None:
    (draft,) = (row.id for row in books.run("select id from billing.sales_order where order_number = '4730'"))
    invoiced = invoice_of(books, "4701").sales_order_id
    books.orders(5201, 1, lines=[{"description": "Fracht", "quantity": 1, "unit_price": "-5", "tax_category": "S"}])
    (wrong,) = (row.id for row in books.run("select id from billing.sales_order where order_number = '5201'"))
    with books.browse() as client:
        shown = client.get(f"{books.desk}/orders/invoicing", params={"order": [str(draft), str(invoiced), str(wrong)]})
        nothing = client.get(f"{books.desk}/orders/invoicing")
        alone = client.get(f"{books.desk}/orders/5201").text
    assert "3 orders would not be invoiced" in shown.text
    for said in ("draft or cancelled", "already invoiced", "such as 4730", "such as 5201"):
        assert said in shown.text
    assert "It could not be invoiced now: price below zero." in alone
    assert nothing.headers["location"] == f"{books.desk}/orders"


CSV = """order_number;customer_number;order_date;sku;quantity
9001;C-1001;2026-11-02;LAMP-1;2
9002;C-9999;2026-11-02;LAMP-1;1
9003;C-1002;02.11.2026;LAMP-1;1
9004;C-1002;2026-11-02;LAMP-1;drei
"""


def test_a_file_is_looked_at_before_it_is_imported(books: SellingTenant) -> None:
    before = len(books.jobs("import_csv"))
    with books.browse() as client:
        files = {"file": ("orders.csv", CSV.encode(), "text/csv")}
        shown = client.post(f"{books.desk}/orders/import", data={"kind": "orders"}, files=files).text
        for said in ("C-9999", "There is no such customer", "02.11.2026", "year-month-day", "drei", "not a number"):
            assert said in shown
        assert not books.run("select 1 from billing.sales_order where order_number = '9001'")
        content = re.search(r'name="content" value="([^"]+)"', shown)
        assert content is not None
        form = {"kind": "orders", "name": "orders.csv", "content": content[1], "key": key_of(shown)}
        started = [client.post(f"{books.desk}/orders/import/start", data=form) for _ in range(2)]
        assert {answer.status_code for answer in started} == {303}
        unknown = {"file": ("orders.csv", b"order_number;colour\n1;red\n", "text/csv")}
        refused = client.post(f"{books.desk}/orders/import", data={"kind": "orders"}, files=unknown)
        assert refused.status_code == 422
        assert "There is no column &#39;colour&#39;" in refused.text
        client.headers["Accept-Language"] = "de"
        for wrong, said in (
            (b"order_number;colour\n1;red\n", "Es gibt keine Spalte &#39;colour&#39;"),
            (b"order_date\n2026-01-01\n", "Die Spalte &#39;order_number&#39; fehlt"),
            (b"\xff\xfe1", "keine Textdatei in UTF-8"),
            (
                b'order_number;customer_number;order_date;sku;quantity\n"1;2;3\n',
                "Ein Anführungszeichen ist nicht geschlossen",
            ),
        ):
            german = client.post(
                f"{books.desk}/orders/import", data={"kind": "orders"}, files={"file": ("o.csv", wrong, "text/csv")}
            )
            assert said in german.text
    assert books.jobs("import_csv")[before:] == [4]


@needs_chromium
def test_a_file_is_imported_without_scripts(books: SellingTenant, browser: Browser, tmp_path: Path) -> None:
    before = len(books.jobs("import_csv"))
    file = tmp_path / "customers.csv"
    rows = "".join(f"D-{n};Kunde {n} GmbH{' und Partner' * 40};DE\n" for n in range(3000))
    file.write_text(f"customer_number;name;country_code\n{rows}", "utf-8")
    with visiting(browser, books.site.url, books.session, language="de", scripts=False) as visitor:
        page = visitor.page
        visitor.open(f"{books.desk}/orders/import?kind=customers")
        page.get_by_label("Datei", exact=False).last.set_input_files(file)
        page.get_by_role("button", name="Datei prüfen").click()
        assert visitor.sees("3.000")
        page.get_by_role("button", name="3000 Datensätze importieren").click()
        page.wait_for_url("**/batch-operations/*")
        visitor.complaints.clear()
    assert books.jobs("import_csv")[before:] == [3000]
