"""Customers and invoices in another currency than that of the company: what is sent, refused, and waited for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from invoice_pipelines.billing.exchange_rates import add_exchange_rates
from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, House, Opener, line


def issue_untaxed(house: House, currency: str = "USD", **customer: Any) -> UUID:
    """An invoice in a currency to a customer who orders in it."""
    buyer = customer.pop("id", None) or house.desk.customer(currency=currency, **customer)
    return house.issue(line(tax_category="Z", tax_rate=0), customer_id=str(buyer), currency=currency)


@pytest.fixture
def house(opened: Opener) -> House:
    """A company that keeps EUR and knows that a dollar is 0.80 of it."""
    return opened(home_currency="EUR", multi_currency=True, exchange_rates={"USD": "0.80"})


def test_a_new_customer_gets_the_currency_of_his_orders(house: House) -> None:
    house.desk.customer(name="Dollar Inc", currency="USD")
    house.desk.customer(name="Anybody")

    house.push(CUSTOMER)

    kept = {there["DisplayName"]: there["CurrencyRef"]["value"] for there in house.there.documents("Customer")}
    assert kept == {"Dollar Inc": "USD", "Anybody": "EUR"}


def test_a_customer_without_a_currency_of_his_own_gets_that_of_his_newest_invoice(house: House) -> None:
    house.options(exchange_rates="quickbooks")
    issue_untaxed(house, id=house.desk.customer(name="Dollar Inc"))

    assert house.push_all().created == 1

    (there,) = (each for each in house.there.documents("Customer") if each["DisplayName"] == "Dollar Inc")
    assert there["CurrencyRef"]["value"] == "USD"


def test_a_company_with_one_currency_hears_nothing_of_it(opened: Opener) -> None:
    house = opened()
    customer = house.desk.customer(currency="EUR")
    house.issue(customer_id=str(customer))

    assert house.push_all().created == 1  # it would refuse any word about currencies


def test_an_invoice_waits_for_a_rate_instead_of_being_booked_at_one(house: House) -> None:
    invoice = issue_untaxed(house)

    report = house.push_all()

    assert (report.created, report.failed, report.waiting) == (0, 0, 1)
    entry = house.entry(invoice)
    assert (entry.status, entry.error_code) == ("waiting", "MISSING_EXCHANGE_RATE")
    assert "no exchange rate to EUR is known for that day" in entry.error_message
    assert house.invoices() == []

    house.options(exchange_rates="quickbooks")  # it goes on by itself
    house.again()
    assert house.push().created == 1


@pytest.mark.parametrize(
    ("base", "currency", "rate", "sent"),
    [("USD", "EUR", "0.8125", "0.8125"), ("EUR", "USD", "1.0833", "0.9231053263"), ("EUR", "JPY", "163.05", None)],
)
def test_the_newest_rate_of_the_day_goes_out_with_the_invoice(
    house: House, base: str, currency: str, rate: str, sent: str | None
) -> None:
    invoice = issue_untaxed(house)
    day = house.desk.value("select issue_date from billing.invoice where id = :id", id=invoice)
    house.push_all()
    assert house.invoices() == []
    with house.desk.scope() as connection:
        given = {"base_currency": base, "currency": currency, "rate": rate, "rate_date": str(day), "source": "ECB"}
        add_exchange_rates(connection, [given], created_by="anna")
    house.again()

    house.push()

    assert [there["ExchangeRate"] for there in house.invoices()] == ([] if sent is None else [Decimal(sent)])
    assert house.codes() == []


def test_an_invoice_is_booked_at_the_rate_that_is_printed_on_it(house: House) -> None:
    customer = house.desk.customer(currency="USD")
    with house.desk.scope() as connection:
        rows = [
            {"base_currency": "EUR", "currency": "USD", "rate": rate, "rate_date": day, "source": "ECB"}
            for rate, day in (("1.25", "2026-01-03"), ("1.60", "2026-01-05"))
        ]
        add_exchange_rates(connection, rows, created_by="anna")
    invoice = house.issue(customer_id=str(customer), currency="USD")  # delivered on the third
    printed = house.desk.rows("select exchange_rate, tax_currency from billing.invoice where id = :id", id=invoice)
    assert printed == [(Decimal("1.25"), "EUR")]

    house.push_all()

    (there,) = house.invoices()
    assert there["ExchangeRate"] == Decimal("0.8")
    assert there["TotalAmt"] == house.total_of(invoice)


def test_quickbooks_is_asked_for_its_own_rate_once_a_day_and_that_is_on_record(house: House) -> None:
    house.options(exchange_rates="quickbooks")
    customer = house.desk.customer(currency="USD")
    invoices = [issue_untaxed(house, id=customer) for _ in range(2)]

    assert house.push_all().created == 2

    assert [(there["ExchangeRate"], there["HomeTotalAmt"]) for there in house.invoices()] == [(Decimal("0.80"), 8)] * 2
    assert len([call for call in house.sandbox.calls(house.realm) if call.operation == "exchangerate"]) == 1
    events = house.desk.rows("select * from quickbooks.event where code like 'EXCHANGE_RATE%' order by id")
    assert {(event.code, event.severity) for event in events} == {("EXCHANGE_RATE_TAKEN", "info")}
    assert {event.local_id for event in events} == set(invoices)
    assert "booked at QuickBooks' own exchange rate of 0.80" in events[0].message
    assert house.mapping(invoices[0]).snapshot["exchange_rate"] == "0.8"


def test_where_quickbooks_has_no_rate_either_the_invoice_waits_all_the_same(house: House) -> None:
    house.options(exchange_rates="quickbooks")
    invoice = issue_untaxed(house, "GBP")

    assert house.push_all().waiting == 1

    assert house.invoices() == []
    assert "nor has QuickBooks one of its own" in house.entry(invoice).error_message


def test_another_rate_than_was_sent_is_told(house: House) -> None:
    house.options(exchange_rates="quickbooks")
    issue_untaxed(house)
    with pytest.MonkeyPatch.context() as patch:  # the company rounds it, as nobody says that it would not
        patch.setattr(
            "invoice_pipelines.workshop.sandbox.quickbooks.books.currencies._rate", lambda *_: Decimal("0.8000001")
        )
        house.push_all()

    (event,) = house.desk.rows("select * from quickbooks.event where code like 'EXCHANGE_RATE%'")
    assert (event.code, event.severity) == ("EXCHANGE_RATE_DIFFERS", "warning")
    assert event.detail == {"ours": "0.80", "theirs": "0.8000001"}


def test_a_customer_who_is_kept_in_another_currency_gets_no_invoice_and_words_what_to_do(house: House) -> None:
    house.options(exchange_rates="quickbooks")
    there = house.there.customer("Buyer AG", CurrencyRef={"value": "GBP"})
    invoice = issue_untaxed(house, name="Buyer AG")
    passing = house.issue()

    report = house.push_all()

    assert (report.created, report.failed) == (1, 1)
    entry = house.entry(invoice)
    assert entry.error_code == "CUSTOMER_CURRENCY_DIFFERS"
    assert f"keeps Buyer AG (id {there['Id']}) in GBP and never changes that" in entry.error_message
    assert "to a second customer, such as 'Buyer AG USD'" in entry.error_message
    assert house.mapping(passing)
    assert [code for entity, _, code in house.writes("create") if entity == "Invoice"] == [""], "none was refused"


def test_one_whose_currency_was_never_read_is_looked_at_after_the_refusal(house: House) -> None:
    house.options(exchange_rates="quickbooks")
    house.there.customer("Buyer AG", CurrencyRef={"value": "GBP"})
    customer = house.desk.customer(name="Buyer AG", currency="USD")
    house.push(CUSTOMER)
    house.desk.behind("update quickbooks.mapping set snapshot = snapshot - 'currency'")  # made before there was one
    invoice = issue_untaxed(house, id=customer)

    assert house.push().failed == 1

    assert house.entry(invoice).error_code == "CUSTOMER_CURRENCY_DIFFERS"
    assert [code for entity, _, code in house.writes("create") if entity == "Invoice"] == ["6000"]


def test_the_currency_of_a_customer_is_never_changed(house: House) -> None:
    customer = house.desk.customer(currency="USD")
    house.push(CUSTOMER)
    house.desk.rows("update billing.customer set currency = 'GBP', city = 'Bern' where id = :id", id=customer)

    report = house.push(CUSTOMER)

    assert (report.updated, report.failed) == (1, 0)
    (there,) = house.there.documents("Customer")
    assert (there["CurrencyRef"]["value"], there["BillAddr"]["City"]) == ("USD", "Bern")
