"""The ten jobs of an accountant's day, one after the other at one desk, in German and in English."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from playwright.sync_api import expect
from pypdfium2 import PdfDocument

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.users import invite, set_role
from invoice_pipelines.web.pages.received.words import Words
from invoice_pipelines.workshop.sandbox.mail import Fault
from invoice_pipelines_tests.integration.web.pages.day import papers
from invoice_pipelines_tests.integration.web.pages.day.conftest import FAT, TODAY, Day, turn_over
from invoice_pipelines_tests.integration.web.pages.reviews.rows import box_of, on_screen
from invoice_pipelines_tests.support.desk.visitors import needs_chromium, visiting
from invoice_pipelines_tests.support.intake.exports.datev.validator import read_batch
from invoice_pipelines_tests.support.web import add_person

pytestmark = needs_chromium

PASSWORD = "correct horse battery staple"


def test_1_sign_in_and_see_what_waits(day: Day) -> None:
    email = add_person(day.site.database, "first")
    with day.site.database.engine.begin() as connection:
        set_role(connection, email, day.tenant.slug, Role.ACCOUNTANT, actor="test")
        secret = invite(connection, email, actor="test")
    with day.site.client() as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        assert client.post(f"/invitations/{secret}", data={"password": PASSWORD}).status_code == 303
    browser = day.me.context.browser
    assert browser is not None
    with visiting(browser, day.site.url, language=day.language.code) as me:
        me.open(f"/desk/{day.tenant.slug}")
        me.page.get_by_label(day.t("Email")).fill(email)
        me.page.get_by_label(day.t("Password")).fill(PASSWORD)
        me.page.keyboard.press("Enter")
        waits = {
            day.t("Invoices to review"): (3, "intake.review_reason"),
            day.t("Received invoices that failed"): (1, "intake.received_invoice where status = 'FAILED'"),
            day.t("Conflicts with %(system)s", system="QuickBooks"): (2, "quickbooks.conflict where status = 'open'"),
        }
        for words, (count, table) in waits.items():
            assert day.value(f"select count(*) from {table}") == count
            card = me.page.get_by_role("link").filter(has_text=words)
            expect(card.locator(".figure")).to_have_text(str(count))
            card.click()
            expect(me.page.locator("tbody tr")).to_have_count(count)
            me.page.go_back()
        owed = me.page.locator(".card").filter(has_text=day.t("Customers owe you"))
        expect(owed.locator(".figure")).to_have_text(day.language.amount(papers.gross_of("4000"), "EUR"))
        expect(owed.locator("dt").filter(has_text=day.t("1 to 30 days late"))).to_be_visible()
        owed.locator("a[href*='age=days_1_30']").click()
        expect(me.page.locator("tbody tr")).to_have_count(4)


def test_2_todays_post_is_dropped_and_each_file_has_its_outcome(day: Day) -> None:
    day.intake.upload(papers.e_invoice("N-1", iban="DE02120300000000202051"), "Januar.xml")
    day.read()
    day.follow("Received")
    page, amount = day.page, day.language.amount
    state = Words(day.language).state
    waits, valid, failed = (
        (state("PARSED", True), "PARSED"),
        (state("VALIDATED"), "VALIDATED"),
        (state("FAILED"), "FAILED"),
    )
    post = {
        "anderes Konto.xml": (papers.e_invoice("N-2", iban="DE89370400440532013000"), waits),
        "falsche Summe.xml": (papers.e_invoice("N-3", gross="120.00"), failed),
        "Kopie von Januar.xml": (papers.e_invoice("N-1", iban="DE02120300000000202051"), None),
        "noch einmal Januar.xml": (papers.e_invoice("N-1", iban="DE02120300000000202051") + b"\n", failed),
        "dollars.xml": (papers.e_invoice("N-4", currency="USD"), valid),
        papers.MARKUP: (papers.e_invoice("N-5", iban="DE02120300000000202052"), waits),  # and no PDF at all
        "Gutschrift.xml": (papers.CREDIT_NOTE, valid),
        "Scan 1.pdf": (papers.scan("HW-80", "4000.00"), waits),
        "leer.pdf": (b"", None),
    }
    files: list[Any] = [{"name": name, "mimeType": "", "buffer": data} for name, (data, _) in post.items()]
    page.locator("form.scripted").wait_for()
    page.get_by_label(day.t("Choose files")).set_input_files(files)
    told = "%(done)s of %(all)s files done: %(taken)s taken, %(duplicate)s received before, %(refused)s refused."
    said = day.t(told, done=9, all=9, taken=7, duplicate=1, refused=1)
    expect(page.locator("[data-summary]")).to_have_text(said)
    outcomes = page.locator("[data-files] li")
    expect(outcomes.filter(has_text="Kopie von Januar.xml").get_by_role("link")).to_have_text("Januar.xml")
    expect(outcomes.filter(has_text="leer.pdf")).to_contain_text(day.t("The file is empty."))
    expect(outcomes.filter(has_text=papers.MARKUP).locator("bdi")).to_have_text(papers.MARKUP)
    expect(page.locator("main img")).to_have_count(0)
    day.read()
    page.reload()
    states = {name: became for name, (_, became) in post.items() if became is not None}
    for name, ((_, words), _) in states.items():
        day.sees_row(name, words)
    day.sees_row("dollars.xml", amount(papers.gross_of("100"), "USD"))
    day.sees_row("Scan 1.pdf", amount(papers.gross_of("4000"), "EUR"))
    found = day.rows(
        "select file_name, status from public.received_invoice where file_name = any(:names)", names=list(states)
    )
    assert dict(found) == {name: status for name, (_, status) in states.items()}


def test_3_the_queue_is_decided_by_a_click_a_rejection_and_one_that_is_taken_back(day: Day) -> None:
    page = day.page
    first, second, third = (
        row[0]
        for row in day.rows(
            "select id from public.received_invoice where file_name like 'HW-7_.pdf' order by file_name"
        )
    )

    def comes(invoice: Any) -> None:
        page.locator(f"#review.lively[data-id='{invoice}']").wait_for()
        page.wait_for_load_state("networkidle")

    day.follow("Review desk")
    day.press("Start")
    comes(first)
    left, top, right, bottom = on_screen(day.me, box_of(day.intake, first, "HW-77"))
    page.mouse.click((left + right) / 2, (top + bottom) / 2)
    expect(page.get_by_label(day.t("Invoice number"))).to_have_value("HW-77")
    page.locator("#outlook .notice.good").wait_for()
    page.keyboard.press("Enter")
    comes(second)
    day.sees(day.t("Corrected"))
    page.locator("#reject summary").click()
    page.locator("#reject input[name=reason]").fill("Nie bestellt")
    day.press("Reject the invoice")
    comes(third)
    page.get_by_label(day.t("Invoice number")).fill("HW-97")
    page.keyboard.press("Enter")
    page.locator(f"#bar a[href*='{third}']").wait_for()
    page.locator("#bar").get_by_role("button", name=day.t("Undo")).click()
    comes(third)
    expect(page.get_by_label(day.t("Invoice number"))).to_have_value("")
    page.get_by_label(day.t("Invoice number")).fill("HW-79")
    page.keyboard.press("Enter")
    page.locator(f"#bar a[href*='{third}']").wait_for()
    assert day.rows(
        "select file_name, status, invoice_number from public.received_invoice where file_name like 'HW-7_.pdf' "
        "order by file_name"
    ) == [("HW-77.pdf", "VALIDATED", "HW-77"), ("HW-78.pdf", "FAILED", None), ("HW-79.pdf", "VALIDATED", "HW-79")]
    assert day.value("select reason from intake.review_decision where decision = 'rejected'") == "Nie bestellt"
    assert day.value("select count(*) from intake.review_decision where decision = 'undone'") == 1


def test_4_what_failed_is_read_again_once_its_cause_is_gone(day: Day) -> None:
    day.open()
    day.page.get_by_role("link").filter(has_text=day.t("Received invoices that failed")).click()
    day.row("kaputt.xml").get_by_role("link").first.click()
    day.reads("Why it failed")
    turn_over(day, day.value("select id from intake.upload where file_name = 'kaputt.xml'"))
    day.press("Read again")
    day.reads("The invoice is read again as soon as a worker is free.")
    day.read()
    day.page.reload()
    day.sees(Words(day.language).state("VALIDATED")[1], "F-1", day.language.amount(papers.gross_of("100"), "EUR"))
    assert day.value("select status from public.received_invoice where file_name = 'kaputt.xml'") == "VALIDATED"


def test_5_orders_come_from_a_file_with_a_wrong_row(day: Day, tmp_path: Path) -> None:
    page, file = day.page, tmp_path / "orders.csv"
    right = "order_number;customer_number;order_date;sku;quantity\n9001;C-1001;2026-11-02;LAMP-1;2\n9001;C-1001;"
    right += "2026-11-02;LAMP-1;3\n9002;C-1002;2026-11-03;LAMP-1;1\n"
    day.follow("Sales orders")
    day.press("Import a file")
    file.write_text(right.replace("C-1002", "C-9999"), "utf-8")
    page.locator("input[type=file]").set_input_files(file)
    day.press("Check the file")
    day.sees_row("4", "customer_number", "C-9999", day.t("There is no such customer. Add the customer first."))
    assert day.value("select count(*) from billing.sales_order where order_number like '9%'") == 0
    day.follow("Import a file")
    file.write_text(right, "utf-8")
    page.locator("input[type=file]").set_input_files(file)
    day.press("Check the file")
    expect(page.get_by_role("heading", name=day.t("What is wrong"))).to_have_count(0)
    day.press_of("Import %(num)s record", "Import %(num)s records", 2)
    day.waits()
    day.bill()
    day.reads("Done")
    day.follow("Sales orders")
    day.sees_row("9002", "Miller", day.language.amount(Decimal(50)), day.t("To be invoiced"))
    assert day.rows(
        """select o.order_number, sum(l.quantity)::int from billing.sales_order o
           join billing.sales_order_line l on l.sales_order_id = o.id
           where o.order_number like '9%' group by 1 order by 1"""
    ) == [("9001", 5), ("9002", 1)]


def test_6_all_open_orders_are_invoiced_and_what_failed_is_tried_again(day: Day, tmp_path: Path) -> None:
    page, file = day.page, tmp_path / "rates.csv"
    waiting = day.value("select count(*) from billing.sales_order where status in ('pending', 'reviewed')")
    day.open("/orders")
    day.press("Invoice all open orders")
    day.sees(day.n("%(num)s order would not be invoiced", "%(num)s orders would not be invoiced", 1))
    day.sees_row(day.t("VAT rate not set up"), day.t("such as %(number)s", number="4103"))
    day.press_of("Invoice %(num)s order", "Invoice %(num)s orders", waiting)
    day.waits()
    job = page.url
    day.bill()
    day.reads("Done, with errors")  # the page follows its job
    day.sees(day.n("Try the failed one again", "Try the %(num)s failed ones again", 1))
    assert day.value("select count(*) from billing.sales_order where status in ('pending', 'reviewed')") == 1
    day.open("/orders/import?kind=tax_rates")
    file.write_text("tax_category,rate,name\nS,7,7 %\n", "utf-8")
    page.locator("input[type=file]").set_input_files(file)
    day.press("Check the file")
    day.press_of("Import %(num)s record", "Import %(num)s records", 1)
    day.waits()
    day.bill()
    day.reads("Done")
    page.goto(job)
    day.press_of("Try the failed one again", "Try the %(num)s failed ones again", 1)
    day.waits()
    day.bill()
    expect(page.locator("#operation .badge.good")).to_have_text(re.compile(day.t("Done")))
    assert day.value("select count(*) from billing.sales_order where status in ('pending', 'reviewed')") == 0
    assert day.value("select count(*) from billing.invoice where issue_date >= :day", day=TODAY) >= waiting


def test_7_documents_are_made_and_sent_and_a_doubt_is_settled(day: Day) -> None:
    page, miller = day.page, day.address("C-1002")
    page.once("dialog", lambda dialog: dialog.accept())

    def choose(button: str) -> None:
        day.open("/invoices?state=overdue")
        for name in ("Miller & Sons", FAT):
            day.row(name, day.t("Overdue")).get_by_role("checkbox").check()
        day.press(button)

    choose("Make documents …")
    page.get_by_label(day.t("Put them into one PDF as well")).check()
    day.press_of("Make %(num)s document", "Make %(num)s documents", 2)
    day.waits()
    day.deliver()
    day.deliver()
    page.reload()
    with page.expect_download() as saved:
        page.get_by_role("button", name=day.t("All as one PDF")).click()
    assert len(PdfDocument(saved.value.path())) == 2
    day.mail.faults.inject(Fault.DROP_AFTER_ACCEPT, recipient=miller)
    choose("Send …")
    day.press_of("Send %(num)s invoice", "Send %(num)s invoices", 2)
    day.waits()
    day.deliver()
    day.pass_time()
    day.deliver()
    day.open()
    page.get_by_role("link").filter(has_text=day.t("Messages in doubt")).click()
    day.row(miller).get_by_role("link", name=day.t("Decide")).click()
    day.reads("Was it sent?")
    day.press("No, send it again")
    day.deliver()
    page.reload()
    day.reads("Sent")
    found = day.rows("select recipient, status from delivery.message order by recipient")
    assert found == [(miller, "sent"), (day.address("C-1003"), "sent")]
    assert [len(day.mail.messages(address)) for address, _ in found] == [2, 1]


def test_8_has_miller_paid(day: Day) -> None:
    page, amount = day.page, day.language.amount
    page.on("dialog", lambda dialog: dialog.accept())
    day.follow("Invoices")
    day.follow("Customers")
    day.fill("Search", "miller")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Miller & Sons Ltd").click()
    late = page.locator(".card").filter(has_text=day.t("Overdue")).locator(".figure.bad")
    expect(late).to_have_text(amount(papers.gross_of("1000"), "EUR"))
    day.row(amount(papers.gross_of("1000"), "EUR"), day.t("Overdue")).get_by_role("link").first.click()
    assert page.get_by_label(day.t("Amount in %(currency)s", currency="EUR")).input_value() == amount(
        papers.gross_of("1000")
    )
    day.fill("Amount in %(currency)s", amount(Decimal("190")), currency="EUR")
    day.fill("Reference", "Auszug 12")
    day.press("Record the payment")
    day.reads("The payment is recorded.", "Partly paid")
    day.sees(amount(Decimal("1000"), "EUR"))

    day.open("/invoices?q=4004")
    page.locator("tbody").get_by_role("link").first.click()
    day.press("Void …")
    page.locator("textarea[name=reason]").fill("falscher Empfänger")
    day.press("Void the invoice")
    day.reads("The invoice is void. It keeps its number.")
    day.sees("falscher Empfänger")

    day.open("/invoices?q=4001")
    page.locator("tbody").get_by_role("link").first.click()
    day.press("Credit …")
    page.get_by_label(day.t("All that is left of the invoice")).uncheck()
    page.get_by_label(day.t("Quantity of line %(number)s to be credited", number=1)).fill("3")
    page.locator("textarea[name=reason]").fill("drei defekt")
    day.press("Issue the credit note")
    day.reads("This is the credit note; it has been issued.", "Corrects")
    day.sees(amount(papers.gross_of("150"), "EUR"))

    day.open("/receivables")
    day.sees_row("Miller & Sons", amount(Decimal("1000")))  # behind the due date
    day.sees_row("Bauhaus", amount(papers.gross_of("850")))
    found = day.rows(
        """select o.order_number, i.status, i.amount_paid, i.amount_credited
           from billing.invoice i join billing.sales_order o on o.id = i.sales_order_id
           where o.order_number in ('4001', '4002', '4004') order by 1"""
    )
    assert found == [
        ("4001", "partially_paid", Decimal(0), Decimal("178.50")),
        ("4002", "partially_paid", Decimal(190), Decimal(0)),
        ("4004", "void", Decimal(0), Decimal(0)),
    ]


def test_9_a_conflict_with_quickbooks_is_settled(day: Day) -> None:
    page = day.page
    day.open()
    page.get_by_role("link").filter(has_text=day.t("Conflicts with %(system)s", system="QuickBooks")).click()
    page.get_by_role("link", name=re.compile(f"{day.t('Decide')}: .*{day.t('Email')}")).click()
    day.sees("info@acme.example", "ap@acme.example", "office@acme.example")
    page.get_by_role("group", name=day.t("Email")).get_by_label("QuickBooks").check()
    page.get_by_role("group", name=day.t("City")).get_by_role("textbox").fill("Köln")
    day.press("Decide")
    day.reads("No conflicts")
    day.follow("Connection and sync")
    name = re.compile(f"{day.t('Sync now')}: {day.t('Customers')}")
    page.get_by_role("button", name=name).click()
    day.reads("Asked for. It runs as soon as a worker is free; below you see how far it is.")
    day.reads("Waits for a worker")
    day.sync()
    page.reload()
    expect(page.locator("#work .badge.good").filter(has_text=day.t("Done")).first).to_be_visible()
    assert day.rows("select email, city from billing.customer where name = 'Acme'") == [("office@acme.example", "Köln")]
    (there,) = [each for each in day.there.documents("Customer") if each["DisplayName"] == "Acme"]
    assert (there["PrimaryEmailAddr"]["Address"], there["BillAddr"]["City"]) == ("office@acme.example", "Köln")


def test_10_in_the_evening_who_owes_is_told_and_the_papers_go_to_datev(day: Day) -> None:
    page = day.page
    page.on("dialog", lambda dialog: dialog.accept())
    browser = page.context.browser
    assert browser is not None
    with visiting(
        browser, day.site.url, day.tenant.sessions[Role.ADMIN], language=day.language.code
    ) as admin:  # accountants only look at texts
        admin.open(f"/desk/{day.tenant.slug}/messages/texts/reminder-14-email-en")
        admin.page.get_by_label(day.t("Subject")).fill("Noch offen: {{ invoice.number }}")
        admin.page.get_by_role("button", name=day.t("Check and show")).click()
        expect(admin.page.get_by_text("Noch offen: INV-2026-000042")).to_be_visible()
        admin.page.get_by_role("button", name=day.t("Check and store")).click()
        said = day.t("Stored. Messages are written with this text from now on.")
        expect(admin.page.get_by_text(said)).to_be_visible()
    day.open("/messages/opt-outs")
    page.locator("main input[name=address]").fill(day.address("C-1003"))
    page.locator("main input[name=note]").fill("möchte Briefe")
    day.press("Send nothing to it")
    day.sees_row(day.address("C-1003"), "möchte Briefe")
    day.follow("Overdue invoices")
    day.press("Look for overdue invoices")
    day.reads("Waits for a worker")
    day.look()
    page.reload()
    expect(page.locator("#work .badge.good").filter(has_text=day.t("Done")).first).to_be_visible()
    day.deliver()
    page.reload()
    for order, customer, state in (("4002", "Miller", "Sent"), ("4003", FAT, "Taken back")):
        number = day.value(
            """select n.invoice_number from billing.invoice_number n join billing.invoice i on i.id = n.invoice_id
               join billing.sales_order o on o.id = i.sales_order_id where o.order_number = :order""",
            order=order,
        )
        day.sees_row(
            number, customer, day.n("from day %(level)s on", "from day %(level)s on", 14, level=14), day.t(state)
        )
    told = dict(day.rows("select recipient, coalesce(subject, error_code) from delivery.message where level = 14"))
    assert told[day.address("C-1002")].startswith("Noch offen: INV-")
    assert told[day.address("C-1003")] == "OPTED_OUT"
    assert told[day.address("C-1002")].encode() in day.mail.messages(day.address("C-1002"))[-1].data

    day.open("/received/exports")
    day.press("Export now")
    day.reads("The export is asked for. It appears here once a worker has it.")
    day.export()
    page.reload()
    with page.expect_download() as saved:
        page.get_by_role("link", name=re.compile("EXTF.*csv")).first.click()
    booked = read_batch(saved.value.path().read_bytes()).rows
    assert len(booked) == day.value("select count(*) from public.datev_ledger") > 0
