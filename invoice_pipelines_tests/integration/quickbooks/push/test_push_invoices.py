"""Invoices go out only, once and unchanged; what keeps one from going is told before it is sent."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from invoice_pipelines.quickbooks.pull.pull import pull
from invoice_pipelines.workshop.sandbox.quickbooks import Fault
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, INVOICE, ITEM, QUICK, House, Opener, line


def test_an_invoice_that_is_edited_there_is_told_and_neither_overwritten_nor_pulled(house: House) -> None:
    invoice = house.issue()
    house.push()
    (there,) = house.invoices()
    pull(house.desk.engine, house.settings, house.desk.organization_id, [INVOICE], limits=QUICK)
    lines = [{**each, "Amount": 12} for each in there["Line"] if each["DetailType"] == "SalesItemLineDetail"]
    for each in lines:
        each["SalesItemLineDetail"] = {"TaxCodeRef": {"value": "1"}}
    house.there.edit("Invoice", there["Id"], Line=lines)
    before = house.total_of(invoice)

    house.sandbox.clock.shift(timedelta(seconds=2))
    pull(house.desk.engine, house.settings, house.desk.organization_id, [INVOICE], limits=QUICK)
    house.desk.rows("select work.enqueue('quickbooks_push_invoice', array[:id])", id=str(invoice))
    house.push()

    assert "DRIFT" in house.codes()
    assert house.total_of(invoice) == before
    assert house.invoices()[0]["TotalAmt"] != before
    with pytest.raises(Exception, match="permission denied"):
        house.desk.rows("update billing.invoice set due_date = due_date + 1 where id = :id", id=invoice)


@pytest.mark.parametrize("meanwhile", ["edited", "void", "deleted"])
def test_a_cancelled_invoice_is_read_again_and_voided_unless_it_is_gone(house: House, meanwhile: str) -> None:
    invoice = house.issue()
    house.push()
    (there,) = house.invoices()
    if meanwhile == "edited":
        house.there.edit("Invoice", there["Id"], CustomerMemo={"value": "moves the SyncToken"})
    else:
        getattr(house.there, {"void": "void", "deleted": "delete"}[meanwhile])("Invoice", there["Id"])

    house.void(invoice)
    report = house.push()

    assert (report.voided, report.failed) == (0 if meanwhile == "deleted" else 1, 0)
    assert len(house.writes("void")) == (1 if meanwhile == "edited" else 0)
    assert house.mapping(invoice).state == ("deleted" if meanwhile == "deleted" else "void")
    assert ("DELETED_THERE" in house.codes()) == (meanwhile == "deleted")
    assert [each["TotalAmt"] for each in house.invoices()] == ([] if meanwhile == "deleted" else [0])


def test_a_paid_invoice_is_not_voided_and_that_is_told_once(house: House) -> None:
    invoice = house.issue()
    house.push()
    (there,) = house.invoices()
    house.there.pay(there["Id"], "5.00")

    house.void(invoice)
    for _ in range(3):
        house.push()
        house.again()
        house.desk.rows("select work.enqueue('quickbooks_push_invoice', array[:id])", id=str(invoice))

    assert house.writes("void") == []
    assert house.codes().count("VOID_REFUSED") == 1
    assert house.conflicts() == ["void_refused"]
    assert house.mapping(invoice).state == "active"
    assert house.entry(invoice).error_code in ("VOID_REFUSED", None)


def test_a_payment_that_comes_between_the_reading_and_the_void_ends_as_refused(house: House) -> None:
    invoice = house.issue()
    house.push()
    (there,) = house.invoices()
    house.there.pay(there["Id"], "5.00")
    house.void(invoice)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "invoice_pipelines.quickbooks.invoices.voiding.is_paid", lambda _: False
        )  # as it was a moment ago
        report = house.push()

    assert report.failed == 1
    assert [code for _, operation, code in house.writes() if operation == "void"] == ["6000"]
    assert house.codes().count("VOID_REFUSED") == 1
    assert house.mapping(invoice).state == "active"


def test_an_invoice_that_is_cancelled_before_it_was_sent_is_never_made(house: House) -> None:
    invoice = house.issue()
    house.void(invoice)

    report = house.push()

    assert report.skipped == 1
    assert house.writes("create") == []


def test_one_that_is_cancelled_while_it_is_sent_is_voided_after_it(house: House) -> None:
    invoice = house.issue()
    house.push(CUSTOMER)
    house.sandbox.faults.inject(Fault.LOSE_ANSWER, operation="batch", times=3)
    house.push()
    house.void(invoice)
    house.again()

    report = house.push()

    assert report.voided == 1
    assert [there["TotalAmt"] for there in house.invoices()] == [0]


def test_what_an_invoice_refers_to_is_brought_first(house: House) -> None:
    item = house.desk.item(name="Bolt", sku="B-1", unit_price=10)
    invoice = house.issue(line(item_id=str(item)))
    house.desk.rows("update billing.item set is_active = false where id = :id", id=item)
    house.desk.rows("update billing.customer set is_active = false")

    house.push(INVOICE)

    assert house.mapping(invoice).state == "active"
    assert (house.mappings(CUSTOMER), house.mappings(ITEM)) == (1, 1)


def test_a_customer_that_is_inactive_there_is_made_active_and_the_others_pass(house: House) -> None:
    first = house.issue()
    house.push()
    (customer,) = house.there.documents("Customer")
    house.there.void("Invoice", house.invoices()[0]["Id"])
    house.there.deactivate("Customer", customer["Id"])
    other = house.desk.customer(name="Other AG")
    again, passing = house.issue(), house.issue(customer_id=str(other))

    report = house.push()

    assert report.created == 2
    assert house.there.document("Customer", customer["Id"])["Active"] is True
    assert "REACTIVATED" in house.codes()
    assert {house.mapping(each).state for each in (first, again, passing)} == {"active"}


def test_one_whose_customer_cannot_come_waits_and_comes_after_it(house: House) -> None:
    house.options(name_in_use="conflict")
    vendor = house.there.vendor("Taken AG")
    customer = house.desk.customer(name="Taken AG")
    invoice = house.issue(customer_id=str(customer))
    passing = house.issue()

    report = house.push()

    assert (report.created, report.waiting) == (1, 1)
    assert house.entry(invoice).status == "waiting"
    assert house.mapping(passing)
    house.there.edit("Vendor", vendor["Id"], DisplayName="Taken by nobody")
    house.desk.rows("select work.enqueue('quickbooks_push_customer', array[:id])", id=str(customer))
    house.push_all()  # without waiting for its pause
    assert house.mapping(invoice).state == "active"


def test_a_total_that_is_a_cent_off_is_told(house: House) -> None:
    house.sandbox.switches.tax_differs_by = "0.01"
    invoice = house.issue()

    report = house.push()

    assert report.created == 1
    (event,) = house.desk.rows("select * from quickbooks.event where code = 'TOTAL_DIFFERS'")
    assert event.local_id == invoice
    assert event.detail == {"ours": "11.90", "theirs": "11.91"}
    assert event.severity == "warning"


def test_totals_are_the_same_to_the_cent_with_discounts_and_several_rates(house: House) -> None:
    lines = [
        line(3, "0.3333"),
        line("0.125", "19.99", discount_percent=5),
        line(7, "1.05", tax_rate=7, discount_percent="33.33"),
        line(1, "100", tax_category="E", tax_rate=0),
    ]
    invoices = [house.issue(*lines, discount_percent=percent) for percent in (0, "2.5", "12.34")]

    house.push()

    assert house.codes() == []
    for invoice in invoices:
        there = house.there.document("Invoice", house.mapping(invoice).quickbooks_id)
        assert there["TotalAmt"] == house.total_of(invoice)


LONG_NUMBERS = {"pattern": "A-VERY-LONG-NUMBER-{year}-{number:06}", "yearly_reset": True}


@pytest.mark.parametrize(
    ("company", "lines", "code", "words"),
    [
        ({"books_closed_until": date(2999, 12, 31)}, [line()], "BOOKS_CLOSED", "are closed until 2999-12-31"),
        ({"country": "US", "home_currency": "USD"}, [line()], "FOREIGN_CURRENCY", "keeps USD only"),
        ({}, [line()] * 751, "TOO_MANY_LINES", "has 751 lines"),
        ({}, [line(tax_rate="5.5")], "MISSING_TAX_CODE", "S:5.50"),
        ({}, [line()], "NUMBER_TOO_LONG", "QuickBooks takes 21"),
    ],
    ids=["closed books", "a foreign currency", "too many lines", "a rate without a tax code", "too long a number"],
)
def test_what_would_be_refused_is_seen_before_anything_is_sent(
    opened: Opener, company: dict[str, Any], lines: list[dict[str, Any]], code: str, words: str
) -> None:
    house = opened(**company)
    if code == "NUMBER_TOO_LONG":
        house.desk.set_settings(invoice_number=LONG_NUMBERS)
    invoice = house.issue(*lines)
    assert house.push().failed == 1
    assert house.writes("create") in ([], [("Customer", "create", "")])
    assert house.entry(invoice).error_code == code
    assert words in house.entry(invoice).error_message


def test_a_sales_order_makes_no_request_of_any_kind(house: House) -> None:
    house.desk.order(line())
    house.desk.order(line(), status="pending")
    house.desk.behind("delete from work.batch_item")

    for entity in (CUSTOMER, ITEM, INVOICE):
        house.push(entity)

    assert house.sandbox.calls(house.realm) == []


def test_a_credit_note_is_not_sent_and_an_event_says_so(house: House) -> None:
    invoice = house.issue()
    house.push()
    house.desk.rows("select billing.credit_invoice(:invoice, 'returned', 'anna')", invoice=invoice)

    report = house.push()

    assert (report.created, report.due) == (0, 0)
    assert house.codes() == ["CREDIT_NOTE_NOT_PUSHED"]


def test_an_american_company_computes_the_tax_and_says_which_lines_have_it(opened: Opener) -> None:
    house = opened(country="US", home_currency="EUR", tax_percent=19)
    invoice = house.issue(line(2, "50"), line(1, "9.99", tax_category="Z", tax_rate=0, description="Lunch – “Zoë” €"))

    house.push()

    (there,) = house.invoices()
    assert there["TotalAmt"] == house.total_of(invoice)
    assert [each["SalesItemLineDetail"]["TaxCodeRef"]["value"] for each in there["Line"][:2]] == ["TAX", "NON"]
    assert there["Line"][1]["Description"] == 'Lunch - "Zoë" EUR'
    assert house.codes() == []
