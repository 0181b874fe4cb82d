"""Lines and discounts that name no item here: on which item they are booked, and what notices that they were not."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.faults import QuickBooksError
from invoice_pipelines.quickbooks.invoices.chosen_items import find_chosen
from invoice_pipelines.quickbooks.promises import differing_totals
from invoice_pipelines.quickbooks.pull.pull import pull
from invoice_pipelines.workshop.sandbox.quickbooks import Sandbox
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization
from invoice_pipelines_tests.support.quickbooks.pushing import INVOICE, QUICK, House, Opener, line
from invoice_pipelines_tests.support.terminal import Terminal


@pytest.fixture(autouse=True)
def ignoring(sandbox: Sandbox) -> None:
    sandbox.switches.line_without_item = "ignored"


@pytest.fixture
def terminal(house: House, database: TestDatabase, tmp_path: Path) -> Terminal:
    """Commands on the database of the house."""
    terminal = Terminal(tmp_path, database.app_url.render_as_string(hide_password=False))
    assert house.settings.encryption_keys is not None
    terminal.environment |= {
        "INVOICE_PIPELINES_QUICKBOOKS_API_URL": house.sandbox.url,
        "INVOICE_PIPELINES_ENCRYPTION_KEYS": house.settings.encryption_keys.get_secret_value(),
    }
    return terminal


def _item_of(line: dict[str, Any]) -> str | None:
    return line.get("SalesItemLineDetail", {}).get("ItemRef", {}).get("value")


def _differing(house: House) -> tuple[str, ...]:
    with house.desk.scope() as connection:
        return differing_totals(connection).sample


def test_lines_and_discounts_are_booked_on_the_items_that_were_chosen(house: House) -> None:
    bolt = house.desk.item(name="Bolt", unit_price=10)
    work, less = (house.there.item(name)["Id"] for name in ("Work", "Less"))
    house.options(default_item=work, discount_item=less)
    invoice = house.issue(line(item_id=str(bolt)), line(), line(tax_rate=7), discount_percent=10)

    assert house.push_all().created == 1

    (there,) = house.invoices()
    sent = [_item_of(each) for each in there["Line"][:-1]]
    assert sent == [house.mapping(bolt).quickbooks_id, work, work, less, less]
    assert there["TotalAmt"] == house.total_of(invoice)
    assert house.codes() == []


def test_without_an_item_for_discounts_they_are_on_the_default_one(house: House) -> None:
    house.options(default_item=(work := house.there.item("Work")["Id"]))
    house.issue(discount_percent=10)
    house.push()
    assert [_item_of(each) for each in house.invoices()[0]["Line"][:-1]] == [work, work]


def test_ignored_lines_are_noticed_and_stay_noticed_until_somebody_enters_them(
    house: House, terminal: Terminal
) -> None:
    bolt = house.desk.item(name="Bolt", unit_price=10)
    invoice = house.issue(line(item_id=str(bolt)), line(2))

    house.push_all()

    (event,) = house.desk.rows("select * from quickbooks.event where code = 'TOTAL_DIFFERS'")
    assert (event.severity, event.local_id) == ("error", invoice)
    assert event.detail == {"ours": "35.70", "theirs": "11.90"}
    assert "Lines without an item, which QuickBooks took for text only: 1. Enter their amounts there" in event.message
    assert "default_item" in event.message
    (shown,) = _differing(house)
    assert shown.endswith(": 35.70 here, 11.9 there")
    assert "Invoices whose total there is not ours: 1;" in terminal.run("quickbooks", "status", "acme").stdout

    (there,) = house.invoices()
    detail = {"ItemRef": {"value": house.mapping(bolt).quickbooks_id}, "TaxCodeRef": {"value": "1"}}
    entered = {"DetailType": "SalesItemLineDetail", "SalesItemLineDetail": detail}
    house.there.edit("Invoice", there["Id"], Line=[{**entered, "Amount": 10}, {**entered, "Amount": 20}])
    for _ in range(2):
        pull(house.desk.engine, house.settings, house.desk.organization_id, [INVOICE], limits=QUICK)

    assert house.codes() == ["TOTAL_DIFFERS", "TOTAL_AGREES"]
    assert _differing(house) == ()
    house.there.edit("Invoice", there["Id"], Line=[{**entered, "Amount": 10}])  # from now on that is what is compared
    pull(house.desk.engine, house.settings, house.desk.organization_id, [INVOICE], limits=QUICK)
    assert house.codes()[-1] == "DRIFT"


def test_a_company_that_refuses_such_lines_says_what_to_set(house: House) -> None:
    house.sandbox.switches.line_without_item = "refused"
    invoice = house.issue()

    assert house.push().failed == 1

    entry = house.entry(invoice)
    assert entry.error_code == "MISSING_ITEM"
    assert "`quickbooks options ORG default_item=NAME`" in entry.error_message


def test_a_chosen_item_that_is_not_in_use_any_more_is_named(house: House) -> None:
    work = house.there.item("Work")["Id"]
    house.options(default_item=work)
    house.push_all()
    house.there.deactivate("Item", work)
    invoice = house.issue()

    assert house.push_all().failed == 1

    entry = house.entry(invoice)
    assert entry.error_code == "MISSING_ITEM"
    assert f"id {work}, is gone or inactive in QuickBooks" in entry.error_message
    house.there.reactivate("Item", work)
    house.desk.rows("select work.enqueue('quickbooks_push_invoice', array[:id])", id=str(invoice))
    assert house.push().created == 1


def test_counted_lines_are_no_difference(house: House) -> None:
    house.sandbox.switches.line_without_item = "counted"
    house.issue(discount_percent=5)
    house.push()
    assert (house.codes(), _differing(house)) == ([], ())


def test_the_command_takes_a_name_keeps_the_id_and_refuses_what_there_is_not(house: House, terminal: Terminal) -> None:
    work = house.there.item("Work", ParentRef={"value": house.there.item("Things", Type="Category")["Id"]})["Id"]
    shown = terminal.run("quickbooks", "options", "acme", "default_item=Work")
    assert re.search(rf"default_item +{work} *$", shown.stdout, re.MULTILINE), shown.stderr
    refused = terminal.run("quickbooks", "options", "acme", "discount_item=Discount")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "discount_item: QuickBooks has no item 'Discount'" in refused.stderr
    assert house.desk.value("select options ->> 'discount_item' from quickbooks.connection") is None


def test_an_item_is_chosen_by_its_name_or_id_and_must_be_one_that_can_be_sold(house: House) -> None:
    work = house.there.item("Work")["Id"]
    house.there.item("Things", Type="Category")
    gone = house.there.item("Gone")["Id"]
    house.there.deactivate("Item", gone)

    def chosen(**changes: Any) -> dict[str, Any]:
        with QuickBooks(house.desk.engine, house.settings, house.desk.organization_id) as quickbooks:
            return find_chosen(quickbooks, changes)

    assert chosen(default_item="Work", name_in_use="suffix") == {"default_item": work, "name_in_use": "suffix"}
    assert chosen(discount_item=work, default_item=None) == {"discount_item": work, "default_item": None}
    for wrong, why in (("Nothing", "no item 'Nothing'"), ("Things", "is a category"), (gone, "is inactive")):
        with pytest.raises(QuickBooksError, match=why):
            chosen(default_item=wrong)


def test_another_company_has_other_items(house: House, database: TestDatabase) -> None:
    house.options(default_item="7", discount_item="8")
    connect_organization(database, house.sandbox, house.settings, house.desk.organization_id, "9130099", country="DE")
    options = house.desk.value("select options from quickbooks.connection")
    assert not {"default_item", "discount_item", "tax_codes"} & options.keys()


def test_an_american_company_without_automated_tax_gets_our_tax_under_one_tax_code(opened: Opener) -> None:
    house = opened(country="US", home_currency="EUR", automated_sales_tax=False, tax_percent=19)
    house.options(default_item=house.there.item("Work")["Id"], tax_codes={"S:19.00": "1"})
    invoice = house.issue(line(3, "3.33"), line(1, 5, tax_category="Z", tax_rate=0))

    assert house.push().created == 1

    (there,) = house.invoices()
    assert there["TxnTaxDetail"]["TxnTaxCodeRef"] == {"value": "1"}
    assert there["TxnTaxDetail"]["TotalTax"] == Decimal("1.90")
    assert there["TotalAmt"] == house.total_of(invoice)
    assert house.codes() == []


@pytest.mark.parametrize(
    ("tax_codes", "code", "words"),
    [
        ({}, "MISSING_TAX_CODE", "`quickbooks options ORG tax_codes.S:7.00=ID`"),
        ({"S:19.00": "1", "S:7.00": "2"}, "SEVERAL_TAX_CODES", "one tax code for a whole invoice"),
    ],
)
def test_without_that_tax_code_or_with_two_nothing_is_sent(
    opened: Opener, tax_codes: dict[str, str], code: str, words: str
) -> None:
    house = opened(country="US", home_currency="EUR", automated_sales_tax=False)
    house.options(tax_codes=tax_codes)
    invoice = house.issue(line(tax_rate=7), line())

    assert house.push().failed == 1

    entry = house.entry(invoice)
    assert entry.error_code == code
    assert words in entry.error_message
    assert house.invoices() == []


def test_automated_tax_takes_the_tax_that_was_invoiced(opened: Opener) -> None:
    house = opened(country="US", home_currency="EUR", tax_percent="18.9")  # not the rate at which it was issued
    house.options(default_item=house.there.item("Work")["Id"])
    invoice = house.issue(line(1, "100"))

    house.push()

    assert house.invoices()[0]["TotalAmt"] == house.total_of(invoice)
    assert house.codes() == []
