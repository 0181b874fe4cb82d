"""VAT of invoices in other currencies: by which rate it is stated in the seller's, and where rates come from."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.billing import BillingError, IssuedInvoice, RowsRefused, add_exchange_rates, get_issued_invoice
from invoice_pipelines.billing.exchange_rates import (
    AddedRates,
    NewExchangeRate,
    exchange_rates,
    read_ecb_file,
    remove_exchange_rate,
)
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, Item, line, open_desk
from invoice_pipelines_tests.support.sizes import example_count


def open_house(database: TestDatabase, **registered: Any) -> BillingDesk:
    """An organization that knows no exchange rate yet."""
    desk = open_desk(database, **registered)
    desk.rows("delete from billing.exchange_rate")
    return desk


@pytest.fixture
def house(shared_database: TestDatabase) -> BillingDesk:
    return open_house(shared_database)


@pytest.fixture(scope="module")
def busy_house(shared_database: TestDatabase) -> BillingDesk:
    return open_house(shared_database)


def learn(desk: BillingDesk, *rates: tuple[str, str, str, str], source: str = "ECB") -> AddedRates:
    """Adds rates: base, currency, day, rate."""
    names = ("base_currency", "currency", "rate_date", "rate")
    with desk.scope() as connection:
        rows = [dict(zip(names, rate, strict=True)) | {"source": source} for rate in rates]
        return add_exchange_rates(connection, rows, created_by="anna")


def issued(desk: BillingDesk, *lines: Any, **order: Any) -> IssuedInvoice:
    invoice_id = desk.issue(*lines, **order)
    with desk.scope() as connection:
        return get_issued_invoice(connection, invoice_id)


def test_vat_is_stated_in_the_currency_of_the_seller_at_the_rate_of_the_supply(house: BillingDesk) -> None:
    learn(
        house,
        ("EUR", "USD", "2026-02-25", "1.1"),
        ("EUR", "USD", "2026-02-27", "1.0823"),
        ("EUR", "USD", "2026-03-02", "1.2"),
    )
    invoice = issued(house, line(1, 1000), currency="USD", delivery_date="2026-03-01")
    assert (invoice.tax_currency, invoice.tax_amount, invoice.tax_amount_in_tax_currency) == (
        "EUR",
        Decimal("190.00"),
        Decimal("175.55"),
    )
    assert (invoice.exchange_rate, invoice.exchange_rate_base) == (Decimal("1.0823"), "EUR")
    assert (invoice.exchange_rate_date, invoice.exchange_rate_source) == (date(2026, 2, 27), "ECB")
    learn(house, ("EUR", "USD", "2026-02-27", "2"))
    with house.scope() as connection:
        assert get_issued_invoice(connection, invoice.id) == invoice


def test_an_invoice_in_the_sellers_currency_has_no_rate(house: BillingDesk) -> None:
    learn(house, ("EUR", "USD", "2026-01-02", "1.1"))
    invoice = issued(house)
    assert {
        invoice.tax_currency,
        invoice.tax_amount_in_tax_currency,
        invoice.exchange_rate,
        invoice.exchange_rate_base,
        invoice.exchange_rate_date,
        invoice.exchange_rate_source,
    } == {None}


def refused(desk: BillingDesk, **order: Any) -> Item:
    item = desk.one(desk.order(**({"currency": "USD"} | order)))
    assert (item.status, item.code) == ("failed", "MISSING_EXCHANGE_RATE"), item
    return item


def test_without_a_rate_there_is_no_lawful_invoice_until_one_is_imported(house: BillingDesk) -> None:
    order = house.order(currency="USD", delivery_date="2026-03-01")
    item = house.one(order)
    assert item.code == "MISSING_EXCHANGE_RATE"
    assert "VAT of an invoice in USD must be stated in EUR too" in str(item.message)
    assert "2026-03-01 or the 7 days before it" in str(item.message)
    assert "exchange-rates set EUR USD RATE --date 2026-03-01" in str(item.message)
    learn(house, ("EUR", "USD", "2026-02-27", "1.0823"))
    assert house.one(order).status == "succeeded"


def test_a_rate_is_not_too_old_and_not_of_a_later_day(house: BillingDesk) -> None:
    learn(house, ("EUR", "USD", "2026-02-20", "1.1"), ("EUR", "USD", "2026-03-02", "1.2"))
    refused(house, delivery_date="2026-02-28")
    assert issued(house, currency="USD", delivery_date="2026-02-27").exchange_rate == Decimal("1.1")
    house.set_settings(exchange_rate_days=31)
    assert issued(house, currency="USD", delivery_date="2026-02-28").exchange_rate == Decimal("1.1")


def test_a_supply_to_come_is_converted_at_the_issue_date(house: BillingDesk) -> None:
    today = house.today
    learn(house, ("EUR", "USD", str(today), "1.5"), ("EUR", "USD", str(today + timedelta(days=3)), "1.6"))
    invoice = issued(house, currency="USD", delivery_date=today + timedelta(days=3))
    assert invoice.exchange_rate_date == today


def test_without_vat_a_rate_is_kept_if_known_and_not_needed(house: BillingDesk) -> None:
    assert issued(house, line(category="G", rate=0), currency="USD").tax_currency is None
    learn(house, ("EUR", "USD", "2026-01-02", "1.1"))
    invoice = issued(house, line(category="G", rate=0), currency="USD")
    assert (invoice.tax_currency, invoice.tax_amount_in_tax_currency, invoice.exchange_rate) == (
        "EUR",
        Decimal(0),
        Decimal("1.1"),
    )


@pytest.mark.parametrize(
    ("rates", "amount", "kept"),
    [
        ([("USD", "EUR", "2026-01-02", "0.9")], "171.00", ("0.9", "USD", "2026-01-02")),
        ([("EUR", "USD", "2026-01-01", "1.1"), ("USD", "EUR", "2026-01-02", "0.9")], "171.00",
         ("0.9", "USD", "2026-01-02")),
        ([("EUR", "USD", "2026-01-02", "1.1"), ("USD", "EUR", "2026-01-02", "0.9")], "172.73",
         ("1.1", "EUR", "2026-01-02")),
    ],
    ids=["the other way round", "the newest", "as the ECB has it"],
)  # fmt: skip
def test_a_rate_serves_both_ways(house: BillingDesk, rates: list[Any], amount: str, kept: tuple[str, str, str]) -> None:
    learn(house, *rates)
    invoice = issued(house, line(1, 1000), currency="USD")
    assert invoice.tax_amount_in_tax_currency == Decimal(amount)
    assert (str(invoice.exchange_rate), invoice.exchange_rate_base, str(invoice.exchange_rate_date)) == kept


def test_between_two_other_currencies_it_goes_through_the_euro(shared_database: TestDatabase) -> None:
    polish = open_house(shared_database, country_code="PL", currency="PLN", vat_id="PL5260250995")
    learn(
        polish,
        ("EUR", "USD", "2025-12-30", "1"),
        ("EUR", "PLN", "2025-12-30", "4"),
        ("EUR", "USD", "2026-01-02", "1.0823"),
        ("EUR", "PLN", "2026-01-02", "4.2515"),
        ("EUR", "PLN", "2026-01-03", "9"),
    )
    invoice = issued(polish, line(1, 1000), currency="USD")
    assert (invoice.tax_currency, invoice.exchange_rate_base, str(invoice.exchange_rate)) == (
        "PLN",
        "USD",
        "3.928208445",
    )
    assert invoice.tax_amount_in_tax_currency == Decimal("746.36")
    in_euro = issued(polish, line(1, 1000), currency="EUR")
    assert (in_euro.exchange_rate, in_euro.exchange_rate_base) == (Decimal(9), "EUR")
    learn(polish, ("USD", "PLN", "2026-01-02", "3.9"), source="NBP")
    assert issued(polish, currency="USD").exchange_rate_source == "NBP"


def test_vat_is_stated_in_the_currency_of_the_country_where_it_is_due(shared_database: TestDatabase) -> None:
    """Directive 2006/112/EC, Art. 230: that a company keeps its books in another one does not matter."""
    danish = open_house(shared_database, country_code="DK", currency="EUR", vat_id="DK13585628")
    refused(danish, currency="EUR")
    learn(danish, ("EUR", "DKK", "2026-01-02", "7.46"))
    assert issued(danish, line(1, 100), currency="EUR").tax_amount_in_tax_currency == Decimal("141.74")
    assert issued(danish, currency="DKK").tax_currency is None
    american = open_house(shared_database, country_code="US", currency="USD", vat_id=None, tax_number="1")
    assert issued(american, currency="USD").tax_currency is None


def test_one_foreign_order_without_a_rate_stops_no_other_and_takes_no_stock(house: BillingDesk) -> None:
    learn(house, ("EUR", "JPY", "2026-01-02", "160"))
    bolt = house.stocked(2)
    orders = [
        house.order(line(2, item_id=bolt), currency="USD"),
        house.order(line(1, 1000), currency="JPY"),
        house.order(line(2, item_id=bolt)),
        house.order(line(1, item_id=bolt)),
    ]
    outcomes = house.invoice(orders)
    assert [outcomes[str(order)].code for order in orders] == [
        "MISSING_EXCHANGE_RATE",
        None,
        None,
        "INSUFFICIENT_STOCK",
    ]
    house.assert_in_order()


@settings(max_examples=example_count(40))
@given(
    amount=st.decimals(0, 10**14, places=2, allow_nan=False),
    rate=st.decimals("0.000001", "99999", places=6, allow_nan=False),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    divides=st.booleans(),
)
def test_conversion_rounds_once_to_the_digits_of_the_currency(
    busy_house: BillingDesk, amount: Decimal, rate: Decimal, currency: str, divides: bool
) -> None:
    found = busy_house.value(
        "select billing.converted(:amount, :rate, :base, :to)",
        amount=amount,
        rate=rate,
        base=currency if divides else "USD",
        to=currency,
    )
    with localcontext(prec=60):
        exact = amount / rate if divides else amount * rate
        digits = {"EUR": 2, "JPY": 0, "KWD": 3}[currency]
        assert found == exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


DAILY_CSV = b"Date, USD, JPY, BGN, \n27 February 2026, 1.0823, 160.12, 1.9558, \n"
HISTORY_CSV = (
    b"Date,USD,JPY,CYP,\n2026-02-27,1.0823,160.12,N/A,\n2026-02-26,1.08,N/A,N/A,\n1999-01-04,1.1789,133.73,0.58231,\n"
)
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
                 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <Cube><Cube time='2026-02-27'>
    <Cube currency='USD' rate='1.0823'/><Cube currency='JPY' rate='160.12'/>
  </Cube><Cube time="2026-02-26"><Cube currency="USD" rate="1.08"/></Cube></Cube>
</gesmes:Envelope>"""


def read(content: bytes, **options: Any) -> set[tuple[str, str, str]]:
    found = list(read_ecb_file(content, **options))
    assert {(rate.base_currency, rate.source) for rate in found} <= {("EUR", "ECB")}
    return {(rate.currency, str(rate.rate_date), str(rate.rate)) for rate in found}


def test_files_of_the_ecb_are_read() -> None:
    friday = {("USD", "2026-02-27", "1.0823"), ("JPY", "2026-02-27", "160.12")}
    assert read(DAILY_CSV) >= friday
    assert read(XML) == friday | {("USD", "2026-02-26", "1.08")}
    assert read(b"\xef\xbb\xbf" + HISTORY_CSV, since=date(2026, 2, 26)) == friday | {("USD", "2026-02-26", "1.08")}
    assert read(HISTORY_CSV) >= {("JPY", "1999-01-04", "133.73")}
    assert read(XML, since=date(2026, 2, 27)) == friday


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an exchange rate file of the ECB"),
        (b"PK\x03\x04rest", "unpack it"),
        (b"\xff\xfe\x00", "neither XML nor CSV"),
        (b"currency;rate\nUSD;1.1\n", "not an exchange rate file of the ECB"),
        (b"Date,USD\n2026-02-30,1.1\n", "line 2: '2026-02-30' is not a date"),
        (b"Date,USD\n2026-02-27,1.1\n2026-02-26,1,1\n", "line 3: it has 3 cells, and the first line 2"),
        (b"Date,USD\n2026-02-27,-1.1\n", "line 2: the rate of USD"),
        (b"Date,USD\n2026-02-27,1.1.1\n", "line 2: the rate of USD: is not a number"),
        (b"Date,USD\n2026-02-27,NaN\n", "line 2: the rate of USD: is not a number"),
        (b"<Envelope><Cube/></Envelope>", "no Cube with a time"),
        (b"<Envelope>", "not well-formed"),
        (b"<Envelope><Cube time='2026-02-27'><Cube currency='USD'/></Cube></Envelope>", "the rate of USD"),
        (b"<!DOCTYPE e [<!ENTITY x '1'>]><e><Cube time='2026-02-27'/></e>", "document type"),
    ],
)
def test_other_files_are_refused_with_the_place(content: bytes, said: str) -> None:
    with pytest.raises(BillingError, match=said):
        list(read_ecb_file(content))


def test_rates_are_added_once_changed_and_removed(house: BillingDesk) -> None:
    assert learn(house, ("EUR", "USD", "2026-02-27", "1.0823"), ("EUR", "JPY", "2026-02-27", "160")) == AddedRates(2, 0)
    assert learn(house, ("EUR", "USD", "2026-02-27", "1.0823"), ("EUR", "JPY", "2026-02-27", "161")) == AddedRates(0, 1)
    with house.scope() as connection:
        (rate,) = exchange_rates(connection, currency="JPY")
        assert (rate.rate, rate.source, rate.created_by) == (Decimal(161), "ECB", "anna")
        assert exchange_rates(connection, until=date(2026, 2, 26)) == []
        assert remove_exchange_rate(connection, "EUR", "JPY", date(2026, 2, 27))
        assert not remove_exchange_rate(connection, "EUR", "JPY", date(2026, 2, 27))
        with pytest.raises(RowsRefused, match=r"currency: 'XXZ' is not a currency"):
            add_exchange_rates(
                connection,
                [{"base_currency": "EUR", "currency": "XXZ", "rate_date": "2026-02-27", "rate": 1, "source": "me"}],
                created_by="anna",
            )
    with pytest.raises(ValueError, match="both currencies"):
        NewExchangeRate(base_currency="EUR", currency="EUR", rate_date=date(2026, 2, 27), rate=Decimal(1), source="me")


def test_an_invoices_rate_cannot_be_half_known(house: BillingDesk) -> None:
    invoice = issued(house)
    with house.superuser.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        with pytest.raises(Exception, match="conversion_is_complete"):
            connection.execute(
                text("update billing.invoice set tax_currency = 'USD' where id = :id"), {"id": invoice.id}
            )
