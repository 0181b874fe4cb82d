"""A company with several currencies: customers keep theirs, and transactions have that of their customer."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox
from invoice_pipelines_tests.integration.workshop.sandbox.quickbooks.conftest import Api, error_of, invoice

EUR, USD = {"value": "EUR"}, {"value": "USD"}


@pytest.fixture
def books(sandbox: Sandbox) -> Accountant:
    return sandbox.add_company("2", country="US", multi_currency=True, exchange_rates={"EUR": "1.10"})


@pytest.fixture
def api(sandbox: Sandbox, books: Accountant) -> Iterator[Api]:
    api = Api(sandbox, "2")
    yield api
    api.http.close()


@pytest.fixture
def customer(books: Accountant) -> str:
    return str(books.customer("A", CurrencyRef=EUR)["Id"])


def _made(api: Api, customer: str, **fields: Any) -> Any:
    return api.write("Invoice", invoice(customer, "10", CurrencyRef=EUR, **fields))


def test_a_customer_has_the_home_currency_unless_he_is_given_another_and_keeps_it(api: Api, books: Accountant) -> None:
    home = api.write("Customer", {"DisplayName": "Home"})
    assert home["CurrencyRef"]["value"] == "USD"
    away = api.write("Customer", {"DisplayName": "Away", "CurrencyRef": EUR})
    key = {"Id": away["Id"], "SyncToken": "0", "sparse": True}
    assert error_of(api.post("/customer", {**key, "CurrencyRef": USD}))[:2] == (400, "6000")
    assert api.write("Customer", {**key, "Notes": "same"})["CurrencyRef"]["value"] == "EUR"


def test_an_invoice_has_the_currency_of_its_customer(api: Api, customer: str) -> None:
    for other in (USD, {"value": "GBP"}):
        status, code, detail = error_of(api.post("/invoice", invoice(customer, "10", CurrencyRef=other)))
        assert (status, code) == (400, "6000")
        assert "same currency as the A/R" in detail
    assert error_of(api.post("/invoice", invoice(customer, "10")))[:2] == (400, "2020")


def test_without_a_rate_it_is_one_and_with_it_the_amount_at_home_follows(
    sandbox: Sandbox, api: Api, customer: str
) -> None:
    assert _made(api, customer)["ExchangeRate"] == 1
    sent = _made(api, customer, ExchangeRate=Decimal("1.0833"))
    assert (sent["ExchangeRate"], sent["HomeTotalAmt"]) == (Decimal("1.0833"), Decimal("10.83"))
    sandbox.switches.missing_exchange_rate = "company"
    assert _made(api, customer)["HomeTotalAmt"] == Decimal("11.00")
    for wrong in (0, -1, "much"):
        assert error_of(api.post("/invoice", invoice(customer, "10", CurrencyRef=EUR, ExchangeRate=wrong)))[1] == "2110"


def test_the_company_tells_what_it_takes_a_currency_for(sandbox: Sandbox, api: Api) -> None:
    answer = api.get("/exchangerate", sourcecurrencycode="EUR", asofdate="2026-03-02").json()["ExchangeRate"]
    assert answer == {
        "SourceCurrencyCode": "EUR",
        "TargetCurrencyCode": "USD",
        "Rate": 1.10,
        "AsOfDate": "2026-03-02",
    }
    assert error_of(api.get("/exchangerate", sourcecurrencycode="GBP"))[1] == "610"
    assert error_of(api.get("/exchangerate"))[1] == "2020"
    single = Api(sandbox)
    assert error_of(single.get("/exchangerate", sourcecurrencycode="EUR"))[1] == "500"
    single.http.close()


def test_who_works_in_quickbooks_is_given_currency_and_rate(books: Accountant, customer: str) -> None:
    made = books.invoice(customer, 10)
    assert (made["CurrencyRef"]["value"], made["ExchangeRate"]) == ("EUR", Decimal("1.10"))
    assert books.pay(made["Id"])["CurrencyRef"]["value"] == "EUR"


def test_companies_with_one_currency_refuse_any_word_of_it(sandbox: Sandbox) -> None:
    api = Api(sandbox)
    assert error_of(api.post("/customer", {"DisplayName": "A", "CurrencyRef": USD}))[:2] == (400, "6000")
    api.http.close()
