"""The promises hold for books as they are kept, and each one finds what breaks it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from invoice_pipelines.billing import credit_invoice, void_invoice
from invoice_pipelines.billing.payments import record_payment, void_payment
from invoice_pipelines.billing.promises import (
    amounts_that_do_not_tie,
    dates_out_of_order,
    events_that_do_not_tell_what_happened,
    explain_numbers,
    invoices_without_number_or_lines,
    items_with_negative_stock,
    lines_without_invoice_or_item,
    numbers_given_twice,
    numbers_with_gaps,
    orders_and_invoices_that_disagree,
    payments_that_their_events_do_not_tell,
    settlements_that_do_not_tie,
)
from invoice_pipelines.organizations import NumberFormat, OrganizationSettings
from invoice_pipelines.promises import SAMPLE
from invoice_pipelines_tests.support.billing.shop import WORK, open_shop

OF_INVOICES = (
    numbers_with_gaps,
    numbers_given_twice,
    dates_out_of_order,
    invoices_without_number_or_lines,
    amounts_that_do_not_tie,
    settlements_that_do_not_tie,
    orders_and_invoices_that_disagree,
    lines_without_invoice_or_item,
    events_that_do_not_tell_what_happened,
    payments_that_their_events_do_not_tell,
)


@pytest.fixture
def shop(common_billing_database):
    """Ten invoices, some of them voided, credited, paid, of several rates and discounts."""
    shop = open_shop(common_billing_database)
    odd = {
        "discount_percent": "33.33",
        "lines": [
            WORK,
            {"sku": "B", "quantity": "0.333"},
            {"sku": "A", "quantity": "3", "tax_rate": 7, "tax_category": "S"},
        ],
    }
    ids = shop.issue(*({"order_number": f"O{n}", **(odd if n % 2 else {})} for n in range(10)))
    with shop.scope() as connection:
        void_invoice(connection, ids[0], reason="x", voided_by="ben")
        void_invoice(connection, ids[2], reason="x", voided_by="ben", reopen_order=True)
        credit_invoice(connection, ids[1], reason="x", created_by="ben", quantities={1: Decimal("0.7")})
        credit_invoice(connection, ids[3], reason="x", created_by="ben", return_stock=True)
        first = record_payment(connection, ids[4], Decimal(7), recorded_by="ben", reference="P4")
        record_payment(connection, ids[6], Decimal("119.00"), recorded_by="ben", reference="P6")
        record_payment(connection, ids[8], Decimal("119.00"), recorded_by="ben", reference="P8")
        void_payment(connection, first, voided_by="ben")
    return shop


def broken(shop, **window):
    """What each promise finds, by its name; those that are kept are left out."""
    with shop.scope() as connection:
        findings = {promise.__name__: promise(connection, **window) for promise in OF_INVOICES}
        findings["items_with_negative_stock"] = items_with_negative_stock(connection)
    return {name: finding for name, finding in findings.items() if not finding.kept}


@pytest.mark.parametrize("window", [{}, {"latest": None}, {"latest": 1}, {"latest": 3}])
def test_books_that_are_kept_keep_all_promises(shop, window):
    assert broken(shop, **window) == {}


def test_an_organization_without_invoices_keeps_all_promises(common_billing_database):
    shop = open_shop(common_billing_database)
    shop.orders({}, {})
    assert broken(shop) == {}


O0 = "(select id from billing.invoice where organization_id = {organization} and order_number = 'O0')"
O1 = (
    "(select id from billing.invoice where organization_id = {organization} and order_number = 'O1' "
    "and document_kind = 'invoice')"
)
O6 = "(select id from billing.invoice where organization_id = {organization} and order_number = 'O6')"
O5 = "(select id from billing.invoice where organization_id = {organization} and order_number = 'O5')"


@pytest.mark.parametrize(
    ("tampering", "promise", "named"),
    [
        ("delete from billing.invoice_number where invoice_id = " + O5, numbers_with_gaps, "000007"),
        (
            "update billing.invoice_counter set next_number = next_number + 1 "
            "where organization_id = {organization} and series = 'invoice'",
            numbers_with_gaps,
            "the counter says 12, the last number is 10",
        ),
        (
            "delete from billing.invoice_number where organization_id = {organization} and series = 'invoice' "
            "and number = 10",
            numbers_with_gaps,
            "the counter says 11, the last number is 9",
        ),
        (
            "delete from billing.invoice_number where organization_id = {organization} and series = 'invoice' "
            "and number = 1",
            numbers_with_gaps,
            "number 1 is missing",
        ),
        (
            "update billing.invoice_number set issue_date = issue_date + 1 where invoice_id = " + O5,
            dates_out_of_order,
            "00000",
        ),
        ("update billing.invoice set issue_date = issue_date - 1 where id = " + O5, dates_out_of_order, "000006"),
        ("delete from billing.invoice_number where invoice_id = " + O5, invoices_without_number_or_lines, "O5"),
        ("delete from billing.issued_invoice_line where invoice_id = " + O5, invoices_without_number_or_lines, "O5"),
        ("delete from billing.issued_invoice_tax where invoice_id = " + O5, invoices_without_number_or_lines, "O5"),
        (
            "update billing.issued_invoice_line set net_amount = net_amount + 0.01 where line_number = 1 "
            "and invoice_id = " + O5,
            amounts_that_do_not_tie,
            "O5",
        ),
        (
            "update billing.issued_invoice_line set quantity = quantity + 1 where line_number = 2 and invoice_id = "
            + O5,
            amounts_that_do_not_tie,
            "O5",
        ),
        (
            "update billing.invoice set tax_currency = 'USD', exchange_rate = 2, exchange_rate_base = 'EUR', "
            "exchange_rate_date = issue_date, exchange_rate_source = 'ECB', tax_amount_in_tax_currency = tax_amount "
            "where id = " + O5,
            amounts_that_do_not_tie,
            "O5",
        ),
        (
            "update billing.issued_invoice_tax set tax_amount = tax_amount - 0.01 where tax_rate = 7 and invoice_id = "
            + O5,
            amounts_that_do_not_tie,
            "O5",
        ),
        (
            "update billing.issued_invoice_line set tax_rate = 7 where line_number = 1 and invoice_id = " + O5,
            amounts_that_do_not_tie,
            "O5",
        ),
        (
            "update billing.invoice set tax_amount = tax_amount + 1, gross_amount = gross_amount + 1 where id = " + O5,
            amounts_that_do_not_tie,
            "O5",
        ),
        (
            "update billing.invoice set amount_credited = 1, status = 'partially_paid' where id = " + O5,
            settlements_that_do_not_tie,
            "O5",
        ),
        (
            "update billing.sales_order set status = 'reviewed' where organization_id = {organization} "
            "and order_number = 'O5'",
            orders_and_invoices_that_disagree,
            "O5",
        ),
        (
            "update billing.sales_order set status = 'invoiced' where organization_id = {organization} "
            "and order_number = 'open'",
            orders_and_invoices_that_disagree,
            "open",
        ),
        (
            "update billing.invoice set amount_paid = gross_amount, status = 'paid' where id = " + O5,
            settlements_that_do_not_tie,
            "O5",
        ),
        (
            "update billing.payment_allocation set applied_amount = 100 where invoice_id = " + O6,
            settlements_that_do_not_tie,
            "O6",
        ),
        (
            "update billing.payment set status = 'void' where organization_id = {organization} and reference = 'P6'",
            settlements_that_do_not_tie,
            "O6",
        ),
        (
            "update billing.payment set payment_date = '2020-01-01' where organization_id = {organization} "
            "and reference = 'P6'",
            payments_that_their_events_do_not_tell,
            "P6",
        ),
        (
            "delete from billing.payment_event where organization_id = {organization} and payment_id = "
            "(select payment_id from billing.payment_allocation where invoice_id = " + O6 + ")",
            payments_that_their_events_do_not_tell,
            "P6",
        ),
        (
            "update billing.invoice set status = 'void', void_reason = 'x', voided_at = now(), voided_by = 'ben' "
            "where id = " + O5,
            events_that_do_not_tell_what_happened,
            "void of O5",
        ),
        (
            "delete from billing.invoice_event where invoice_id = " + O0,
            events_that_do_not_tell_what_happened,
            "void of O0",
        ),
        (
            "update billing.invoice set voided_by = 'carl' where id = " + O0,
            events_that_do_not_tell_what_happened,
            "void of O0",
        ),
        (
            "update billing.invoice set voided_at = voided_at - interval '1 day' where id = " + O0,
            events_that_do_not_tell_what_happened,
            "void of O0",
        ),
        (
            "update billing.invoice_event set created_at = created_at - interval '1 hour' where invoice_id = " + O6,
            events_that_do_not_tell_what_happened,
            "event paid of O6",
        ),
        (
            "delete from billing.invoice_event where invoice_id = " + O1,
            events_that_do_not_tell_what_happened,
            "credit note of O1",
        ),
        (
            "insert into billing.invoice_event (organization_id, invoice_id, action) values ({organization}, "
            + O5
            + ", 'paid')",
            events_that_do_not_tell_what_happened,
            "event paid of O5",
        ),
        (
            "insert into billing.invoice_event (organization_id, invoice_id, action) values ({organization}, "
            + O5
            + ", 'voided')",
            events_that_do_not_tell_what_happened,
            "event voided of O5",
        ),
        (
            "update billing.issued_invoice_line set item_id = uuidv7() where line_number = 2 and invoice_id = " + O5,
            lines_without_invoice_or_item,
            "line 2 of O5",
        ),
        (
            "update billing.issued_invoice_line set invoice_id = uuidv7() where line_number = 2 and invoice_id = " + O5,
            lines_without_invoice_or_item,
            "line 2 of ",
        ),
        (
            "update billing.issued_invoice_tax set invoice_id = uuidv7() where tax_rate = 7 and invoice_id = " + O5,
            lines_without_invoice_or_item,
            "VAT of ",
        ),
    ],
)
def test_what_breaks_a_promise_is_counted_and_named(shop, tampering, promise, named):
    shop.orders({"order_number": "open"})
    shop.tamper(tampering)
    finding = broken(shop)[promise.__name__]
    assert finding.count == len(finding.sample)
    assert any(named in name for name in finding.sample), finding


def test_only_the_newest_are_looked_at_unless_all_are_asked_for(shop):
    shop.tamper(
        "update billing.issued_invoice_line set quantity = quantity + 1 where invoice_id = "
        "(select id from billing.invoice where organization_id = {organization} and order_number = 'O1' "
        "and document_kind = 'invoice')"
    )
    assert broken(shop, latest=2) == {}
    assert set(broken(shop, latest=None)) == {"amounts_that_do_not_tie"}


def test_every_number_is_explained_in_pages(shop):
    with shop.scope() as connection:
        period = str(shop.value("select distinct period from billing.invoice_counter"))
        everything = explain_numbers(connection, "invoice", period)
        pages = explain_numbers(connection, "invoice", period, limit=6)
        pages += explain_numbers(connection, "invoice", period, after=pages[-1].number, limit=6)
        credit_notes = explain_numbers(connection, "credit_note", period)
    assert pages == everything
    assert [entry.number for entry in everything] == list(range(1, 11))
    assert [entry.order_number for entry in everything] == [f"O{n}" for n in range(10)]
    assert {entry.status for entry in everything} == {"void", "issued", "partially_paid", "paid"}
    assert (everything[0].void_reason, everything[0].voided_by) == ("x", "ben")
    assert all(entry.batch_job_id and entry.created_by == "anna" for entry in everything)
    assert [entry.number for entry in credit_notes] == [1, 2]


def test_numbers_that_never_start_again_keep_their_promises_too(common_billing_database):
    settings = OrganizationSettings(invoice_number=NumberFormat(pattern="R{number}", yearly_reset=False))
    shop = open_shop(common_billing_database, settings=settings)
    shop.issue(*({} for _ in range(12)))
    assert broken(shop) == {}
    with shop.scope() as connection:
        assert [entry.invoice_number for entry in explain_numbers(connection, "invoice", "")][-1] == "R12"


def test_a_finding_names_twenty_at_the_most(shop):
    shop.issue(*({} for _ in range(25)))
    shop.tamper("update billing.sales_order set status = 'draft' where organization_id = {organization}")
    finding = broken(shop)["orders_and_invoices_that_disagree"]
    assert (finding.count > 20, len(finding.sample)) == (True, SAMPLE)
