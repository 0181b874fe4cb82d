"""In which currency a transaction is, and what a unit of it is worth in that of the company."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from invoice_pipelines.workshop.sandbox.quickbooks.books.books import Books, amount_of
from invoice_pipelines.workshop.sandbox.quickbooks.books.names import set_currency
from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document


def set_money(books: Books, document: Document, old: Document | None) -> None:
    """CurrencyRef, which must be there and be that of the customer, and ExchangeRate, where the company has several."""
    company = books.company
    own = company.home_currency
    if company.multi_currency and "CustomerRef" in document:
        own = books.get("Customer", document["CustomerRef"]["value"])["CurrencyRef"]["value"]
    if company.multi_currency and old is None and not books.by_hand and "CurrencyRef" not in document:
        raise refusals.missing("CurrencyRef")
    set_currency(books, document, old, own)
    if not company.multi_currency:
        document.pop("ExchangeRate", None)
        return
    currency = document["CurrencyRef"]["value"]
    if "CustomerRef" in document and currency != own:
        raise refusals.other_currency()
    document["ExchangeRate"] = _rate(books, document, currency)


def exchange_rate(books: Books, parameters: Mapping[str, str]) -> Document:
    """The answer to `exchangerate`: what the company itself takes a currency for on a day."""
    if not books.company.multi_currency:
        raise refusals.unsupported("exchangerate without Multi Currency")
    currency = parameters.get("sourcecurrencycode")
    if not currency:
        raise refusals.missing("sourcecurrencycode")
    if currency not in books.company.exchange_rates:
        raise refusals.not_found()
    return {
        "SourceCurrencyCode": currency,
        "TargetCurrencyCode": books.company.home_currency,
        "Rate": books.company.exchange_rates[currency],
        "AsOfDate": parameters.get("asofdate") or books.now.date().isoformat(),
    }


def _rate(books: Books, document: Document, currency: str) -> Decimal:
    if currency == books.company.home_currency:
        return Decimal(1)
    if "ExchangeRate" in document:
        rate = amount_of(document["ExchangeRate"], "ExchangeRate")
        if rate <= 0:
            raise refusals.bad_number("ExchangeRate", document["ExchangeRate"])
        return rate
    if books.by_hand or books.switches.missing_exchange_rate == "company":
        return books.company.exchange_rates.get(currency, Decimal(1))
    return Decimal(1)
