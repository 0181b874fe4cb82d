"""The public model of issued invoices: it says what was issued, and nothing of that changes later."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from invoice_pipelines.billing import (
    BillingError,
    DocumentKind,
    InvoiceNotFound,
    InvoiceStatus,
    Party,
    add_customers,
    credit_invoice,
    find_invoice,
    get_issued_invoice,
    issued_invoices,
    void_invoice,
)
from invoice_pipelines.billing.invoice_lists import newest_invoices
from invoice_pipelines.organizations import change_organization
from invoice_pipelines_tests.support.billing.shop import WORK

ORDER = {
    "order_number": "4711",
    "purchase_order_reference": "PO 12",
    "delivery_date": "2026-01-05",
    "discount_percent": "10",
    "note": "Danke!\nBis bald 🙂",
    "lines": [
        WORK,
        {"sku": "B", "quantity": "1.125", "discount_percent": "5"},
        {"sku": "A", "quantity": 1, "tax_category": "S", "tax_rate": 7, "description": "Lampe, rot"},
    ],
}


def test_an_invoice_reads_as_it_was_issued(own_shop):
    (invoice_id,) = own_shop.issue(ORDER, due_days=30, language="de")
    with own_shop.scope() as connection:
        invoice = get_issued_invoice(connection, invoice_id)
        assert find_invoice(connection, invoice.invoice_number) == invoice
    assert invoice.document_kind.type_code == "380"
    assert invoice.status is InvoiceStatus.ISSUED
    assert invoice.due_date - invoice.issue_date == timedelta(days=30)
    assert (invoice.order_number, invoice.purchase_order_reference, invoice.note) == ("4711", "PO 12", ORDER["note"])
    assert (invoice.delivery_date, invoice.language, invoice.currency) == (date(2026, 1, 5), "de", "EUR")
    assert invoice.seller == Party(
        name="Shop GmbH",
        country_code="DE",
        vat_id="DE123456788",
        iban="DE02120300000000202051",
        street="Hafenweg 1",
        city="Bremen",
        post_code="28195",
    )
    assert invoice.buyer == Party(name="Käufer & Söhne", country_code="AT", vat_id="ATU12345675", customer_number="C1")
    assert [(entry.line_number, entry.description, entry.net_amount) for entry in invoice.lines] == [
        (1, "Work", Decimal("100.00")),
        (2, "Bolt", Decimal("10.68")),
        (3, "Lampe, rot", Decimal("9.99")),
    ]
    assert [(tax.tax_rate, tax.taxable_amount, tax.tax_amount) for tax in invoice.taxes] == [
        (Decimal(19), Decimal("99.61"), Decimal("18.93")),
        (Decimal(7), Decimal("8.99"), Decimal("0.63")),
    ]
    assert (invoice.line_amount, invoice.allowance_amount) == (Decimal("120.67"), Decimal("12.07"))
    assert (invoice.net_amount, invoice.tax_amount, invoice.gross_amount) == (
        Decimal("108.60"),
        Decimal("19.56"),
        Decimal("128.16"),
    )
    assert invoice.amount_due == invoice.gross_amount


def test_what_changes_afterwards_changes_no_issued_invoice(own_shop):
    (invoice_id,) = own_shop.issue(ORDER)
    with own_shop.scope() as connection:
        before = get_issued_invoice(connection, invoice_id)
        add_customers(
            connection, [{"customer_number": "C1", "name": "Merged AG", "country_code": "CH"}], created_by="b"
        )
    change_organization(own_shop.engine, own_shop.organization.slug, name="Shop SE", vat_id="DE999999999")
    with own_shop.scope() as connection:
        assert get_issued_invoice(connection, invoice_id) == before
    (next_id,) = own_shop.issue({})
    with own_shop.scope() as connection:
        following = get_issued_invoice(connection, next_id)
    assert (following.seller.name, following.buyer.name) == ("Shop SE", "Merged AG")


def test_many_come_in_the_order_asked_and_unknown_ones_are_left_out(shop):
    ids = shop.issue(*({} for _ in range(30)))
    asked = [*reversed(ids), uuid4(), ids[0]]
    with shop.scope() as connection:
        assert [invoice.id for invoice in issued_invoices(connection, asked)] == list(reversed(ids))
        assert issued_invoices(connection, []) == []


def test_no_invoice_of_another_organization_is_found(shop, own_shop):
    (invoice_id,) = shop.issue({})
    with own_shop.scope() as connection:
        assert issued_invoices(connection, [invoice_id]) == []
        with pytest.raises(InvoiceNotFound, match=str(invoice_id)):
            get_issued_invoice(connection, invoice_id)


@pytest.mark.parametrize("number", ["INV-2026-999999", "", "x\x00", "\ud800", "'; drop table billing.invoice"])
def test_an_unknown_number_is_named(shop, number):
    with shop.scope() as connection, pytest.raises(InvoiceNotFound, match="has no issued invoice"):
        find_invoice(connection, number)


def test_a_credit_note_names_the_invoice_that_it_corrects(own_shop):
    (invoice_id,) = own_shop.issue(ORDER)
    with own_shop.scope() as connection:
        invoice = get_issued_invoice(connection, invoice_id)
        credit_id = credit_invoice(
            connection, invoice_id, reason="broken", created_by="ben", quantities={2: Decimal("0.125")}
        )
        credit_note = get_issued_invoice(connection, credit_id)
        corrected = get_issued_invoice(connection, invoice_id)
    assert credit_note.document_kind is DocumentKind.CREDIT_NOTE
    assert credit_note.document_kind.type_code == "381"
    assert credit_note.invoice_number.startswith("CN-")
    assert (credit_note.corrected_invoice_number, credit_note.corrected_invoice_date) == (
        invoice.invoice_number,
        invoice.issue_date,
    )
    assert [(entry.line_number, entry.quantity) for entry in credit_note.lines] == [(2, Decimal("0.125"))]
    assert (credit_note.created_by, credit_note.note) == ("ben", None)
    assert corrected.status is InvoiceStatus.PARTIALLY_PAID
    assert corrected.amount_due == invoice.gross_amount - credit_note.gross_amount
    assert (corrected.lines, corrected.taxes, corrected.gross_amount) == (
        invoice.lines,
        invoice.taxes,
        invoice.gross_amount,
    )


@pytest.mark.parametrize("quantity", ["0.0001", "NaN", "Infinity"])
def test_a_quantity_that_lines_cannot_have_is_refused(shop, quantity):
    (invoice_id,) = shop.issue({})
    with shop.scope() as connection, pytest.raises(BillingError, match=r"quantities\[1\]"):
        credit_invoice(connection, invoice_id, reason="x", created_by="ben", quantities={1: Decimal(quantity)})


def test_a_void_invoice_says_who_when_and_why_and_is_not_due(own_shop):
    (invoice_id,) = own_shop.issue(ORDER)
    with own_shop.scope() as connection:
        void_invoice(connection, invoice_id, reason="wrong buyer", voided_by="ben", reopen_order=True)
        invoice = get_issued_invoice(connection, invoice_id)
    assert (invoice.status, invoice.amount_due) == (InvoiceStatus.VOID, 0)
    assert (invoice.void_reason, invoice.voided_by) == ("wrong buyer", "ben")
    assert invoice.voided_at is not None
    assert own_shop.value("select status from billing.sales_order") == "reviewed"
    for reason in ("once more", "x\x00"):
        with own_shop.scope() as connection, pytest.raises(BillingError):
            void_invoice(connection, invoice_id, reason=reason, voided_by="ben")
    with own_shop.scope() as connection, pytest.raises(BillingError, match="reason"):
        void_invoice(connection, uuid4(), reason="\x00", voided_by="ben")


def test_the_list_goes_from_the_latest_number_back_in_pages(own_shop):
    ids = own_shop.issue(*({} for _ in range(5)))
    with own_shop.scope() as connection:
        void_invoice(connection, ids[1], reason="x", voided_by="ben")
        first = newest_invoices(connection, limit=3)
        second = newest_invoices(connection, limit=3, before=(first[-1].period, first[-1].number))
        void = newest_invoices(connection, standings=["void"])
        assert newest_invoices(connection, series="credit_note") == ()
    assert [entry.id for entry in (*first, *second)] == list(reversed(ids))
    assert [entry.id for entry in void] == [ids[1]]
