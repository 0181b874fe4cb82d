"""Invoices at the desk: found, sent, paid, voided and credited, as an accountant does it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from html import escape, unescape
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from playwright.sync_api import Browser
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines_tests.integration.web.pages.billing.conftest import TODAY, SellingTenant, invoice_of, key_of
from invoice_pipelines_tests.support.desk.visitors import WIDTHS, needs_chromium, visiting
from invoice_pipelines_tests.support.waiting import wait_for_blocked


@needs_chromium
@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("de", "dark", WIDTHS[0]), ("en", "light", WIDTHS[1]), ("de", "light", WIDTHS[2])]
)
def test_everybody_can_use_the_pages(
    books: SellingTenant, browser: Browser, language: str, scheme: str, width: int
) -> None:
    late = invoice_of(books, "4702").id
    (order,) = (row.id for row in books.run("select id from billing.sales_order where order_number = '4735'"))
    (customer,) = (row.id for row in books.run("select id from billing.customer where customer_number = 'C-1002'"))
    addresses = (
        "orders",
        "orders?q=nothing",
        f"orders/{order}",
        "orders/invoicing?matching=true",
        "orders/import",
        "invoices",
        f"invoices/{late}",
        f"invoices/{invoice_of(books, '4704').id}",
        f"invoices/{late}/void",
        f"invoices/{late}/credit",
        "invoices/documents?matching=true",
        "invoices/messages?matching=true",
        "customers",
        f"customers/{customer}",
        "receivables",
    )
    with visiting(browser, books.site.url, books.session, language=language, scheme=scheme, width=width) as visitor:
        for address in addresses:
            visitor.open(f"{books.desk}/{address}")
            assert width == WIDTHS[2] or visitor.serious_findings() == [], address
            assert visitor.overflow() == 0, address


@needs_chromium
def test_a_payment_is_recorded_as_people_write_it_and_taken_back(books: SellingTenant, browser: Browser) -> None:
    (invoice,) = books.issue(5301, 1, due_days=30)
    with visiting(browser, books.site.url, books.session, language="de") as visitor:
        page = visitor.page
        visitor.open(f"{books.desk}/invoices/{invoice}")
        page.get_by_label("Betrag in EUR").fill("1.190")
        page.get_by_label("Verwendungszweck").fill("Auszug 12")
        page.get_by_role("button", name="Zahlung erfassen").click()
        assert visitor.sees("Geben Sie einen Betrag über null an")
        assert page.get_by_label("Betrag in EUR").input_value() == "1.190"
        assert page.get_by_label("Verwendungszweck").input_value() == "Auszug 12"
        page.get_by_label("Betrag in EUR").fill("1.190,00")
        page.get_by_role("button", name="Zahlung erfassen").click()
        assert visitor.sees("Die Zahlung ist erfasst.")
        assert visitor.sees("Vollständig bezahlt")
        visitor.when("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Zurücknehmen").click()
        assert visitor.sees("Die Rechnung ist wieder offen")
        visitor.complaints.clear()  # Chromium notes the answer 422 of the amount
    assert invoice_of(books, "5301").status == "issued"


@pytest.mark.direct  # limits of a test's own are start-up options, which the pooler drops
def test_a_form_that_is_sent_twice_at_the_same_instant_is_done_once_and_leads_both_to_what_came_of_it(
    books: SellingTenant,
) -> None:
    (invoice,) = books.issue(5351, 1)
    address = f"{books.desk}/invoices/{invoice}"
    with books.browse() as client, ThreadPoolExecutor(4) as both:
        form = {"key": key_of(client.get(address).text), "amount": "190.00"}
        with books.site.database.superuser.begin() as connection:  # the first one is in the middle of it
            connection.execute(text("lock table web.idempotency_key in share mode"))
            sent = [both.submit(client.post, f"{address}/payments", data=form) for _ in range(4)]
            wait_for_blocked(connection, 4)
        answers = [each.result() for each in sent]
        assert {(answer.status_code, answer.headers.get("location")) for answer in answers} == {(303, address)}
        with books.site.database.superuser.begin() as connection:  # and does not come to an end
            connection.execute(text("lock table web.idempotency_key in share mode"))
            late = [both.submit(client.post, f"{address}/payments", data=form | {"key": "2"}) for _ in range(2)]
            assert {each.result().status_code for each in late} <= {409, 503}
    assert books.run("select amount from billing.payment_allocation where invoice_id = :id", id=invoice) == [
        (Decimal("190.00"),)
    ]


def test_an_invoice_is_voided_with_a_reason_and_its_order_can_be_invoiced_anew(books: SellingTenant) -> None:
    (invoice,) = books.issue(5401, 1)
    address = f"{books.desk}/invoices/{invoice}/void"
    with books.browse() as client:
        key = key_of(client.get(address).text)
        assert client.post(address, data={"key": key, "reason": " "}).status_code == 422
        form = {"key": key, "reason": "wrong buyer", "reopen_order": "true"}
        assert [client.post(address, data=form).status_code for _ in range(2)] == [303, 303]
        shown = client.get(f"{books.desk}/invoices/{invoice}").text
        assert "wrong buyer" in shown
        again = client.post(address, data={**form, "key": "another"})
    assert again.status_code == 409
    assert "is void already" in again.text
    assert invoice_of(books, "5401").status == "void"
    assert books.run("select status from billing.sales_order where order_number = '5401'")[0].status == "reviewed"


def test_some_of_an_invoice_is_credited(books: SellingTenant) -> None:
    (invoice,) = books.issue(5501, 1)
    address = f"{books.desk}/invoices/{invoice}/credit"
    with books.browse() as client:
        form = {"key": key_of(client.get(address).text), "reason": "two were broken", "line": ["1"], "quantity": ["x"]}
        wrong = client.post(address, data=form)
        assert wrong.status_code == 422
        assert 'value="x"' in wrong.text
        made = client.post(address, data={**form, "quantity": ["2"]})
        assert made.status_code == 303
        assert "119.00" in client.get(made.headers["location"]).text
        assert "1,071.00" in client.get(f"{books.desk}/invoices/{invoice}").text


def test_one_search_tells_whether_miller_has_paid(books: SellingTenant) -> None:
    number = books.run(
        "select n.invoice_number from billing.invoice_number n where n.invoice_id = :id",
        id=invoice_of(books, "4702").id,
    )[0].invoice_number
    with books.browse() as client:

        def found(**how: str) -> list[str]:
            shown = client.get(f"{books.desk}/invoices", params=how)
            assert shown.status_code == 200
            return re.findall(r">(INV-[0-9-]+)</a>", shown.text)

        assert number in found(q="miller", state="overdue")
        assert number in found(q="miller", state="partly")
        assert found(q="miller", state="paid") == []
        assert found(q=number) == [number]
        assert number in found(q="1.190,00")
        assert found(q="1190.01") == []
        assert found(q="miller", state="partly", customer="nobody") == []
        assert "not a date" in client.get(f"{books.desk}/invoices", params={"since": "yesterday"}).text


def test_documents_and_messages_of_all_that_match_are_one_job_each(books: SellingTenant) -> None:
    with books.browse() as client:
        for what, kind, fields, says in (
            ("documents", "invoice_documents", {"format": "zugferd", "combined": "true"}, ["less than a second"]),
            (
                "messages",
                "communications",
                {"method": "email", "subject": "Ihre Rechnung", "include_pdf": "true"},
                ["Email 2 messages go out, in about 1 second", "SMS No message goes out ! 2 the customer has no"],
            ),
        ):
            address = f"{books.desk}/invoices/{what}"
            chosen = {"matching": "true", "q": "bauhaus", "state": "overdue"}
            shown = client.get(address, params=chosen).text
            expected = " ".join(
                re.sub(r"<[^>]*>", " ", shown.partition("What to expect")[2].partition("<form")[0]).split()
            )
            for said in says:
                assert said in expected, expected
            seen = re.search(r'name="seen" value="([^"]+)"', shown)
            assert seen is not None
            form = {**chosen, **fields, "key": key_of(shown), "seen": seen[1]}
            answers = [client.post(address, data=form) for _ in range(2)]
            assert {answer.status_code for answer in answers} == {303}
            assert books.jobs(kind) == [2]
        wrong = {**form, "method": "sms", "key": "another"}
        refused = client.post(address, data=wrong)
    assert refused.status_code == 422
    assert "Only emails have one" in refused.text


def test_the_pdf_is_seen_and_taken_away(books: SellingTenant) -> None:
    invoice = invoice_of(books, "4711").id
    with books.browse() as client:
        picture = client.get(f"{books.desk}/invoices/{invoice}/pages/1")
        assert picture.headers["content-type"] == "image/png"
        assert picture.content.startswith(b"\x89PNG")
        assert client.get(f"{books.desk}/invoices/{invoice}/pages/9").status_code == 404
        taken = client.get(f"{books.desk}/invoices/{invoice}/document")
        assert taken.content.startswith(b"%PDF")
        assert taken.headers["content-disposition"].startswith("attachment")
        impossible = client.get(f"{books.desk}/invoices/{invoice}/document", params={"format": "xrechnung_cii"})
        assert "The buyer has no reference" in unquote(impossible.headers["set-cookie"])


def test_nothing_of_another_organization_is_there(books: SellingTenant) -> None:
    elsewhere = f"/desk/{books.site.a.slug}"
    invoice = invoice_of(books, "4701")
    with books.site.browser(books.site.a.sessions[Role.ADMIN]) as client:
        for address in (
            f"invoices/{invoice.id}",
            f"invoices/{invoice.id}/pages/1",
            f"invoices/{invoice.id}/void",
            f"orders/{invoice.sales_order_id}",
            f"customers/{invoice.customer_id}",
        ):
            assert client.get(f"{elsewhere}/{address}").status_code == 404, address
        shown = client.get(f"{elsewhere}/orders/invoicing", params={"order": str(invoice.sales_order_id)}).text
    assert "not there any more" in shown or "nicht mehr" in shown
    assert "4701" not in shown


def test_what_customers_owe_is_told_by_age_and_taken_away_as_csv(books: SellingTenant) -> None:
    with books.browse() as client:
        shown = client.get(f"{books.desk}/receivables").text
        address = re.search(r'href="([^"]+receivables\.csv[^"]*)"', shown)
        assert address is not None
        file = client.get(address[1]).text
        ahead = client.get(f"{books.desk}/receivables", params={"as_of": "2999-01-01"})
        lists = {unescape(href) for href in re.findall(r'href="([^"]+/invoices[?][^"]+)"', shown)}
        ages = set()
        for list_of in lists:
            asked = dict(parse_qsl(urlsplit(list_of).query))
            ages.add(asked.get("age"))
            number = re.search(rf'href="{re.escape(escape(list_of))}">([0-9.,]+)', shown)
            assert number is not None
            rows = re.findall(r'class="number">([0-9.,]+)</td>\s*</tr>', client.get(list_of).text)
            owed = sum(Decimal(each.replace(",", "")) for each in rows)
            assert owed == Decimal(number[1].replace(",", "")), list_of
        assert ages >= {None, "not_due", "days_1_30"}
        earlier = client.get(f"{books.desk}/receivables", params={"as_of": str(TODAY - timedelta(days=1))}).text
        assert "Miller" in earlier
        assert "?age=" not in earlier
    assert "Miller &amp; Sons Ltd" in shown
    assert "Miller & Sons Ltd" in file
    assert ahead.status_code == 422
    assert "not after today" in ahead.text
