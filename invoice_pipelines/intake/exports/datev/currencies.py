"""Rates of foreign currencies: from the invoice itself or from the organization's table, never guessed.

Rates are units of the currency for 1 EUR, as the European Central Bank and the German finance ministry publish them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from sqlalchemy import Connection, text

from invoice_pipelines.einvoice.model import Invoice
from invoice_pipelines.intake.exports.datev.errors import Refused
from invoice_pipelines.intake.exports.datev.parts import CENT
from invoice_pipelines.intake.exports.datev.settings import BASE_CURRENCY

COLUMNS = {
    "currency": "ISO 4217",
    "valid_from": "first day, ISO 8601",
    "valid_until": "last day; the first one where empty",
    "rate": "units of the currency for 1 EUR",
}
"""Columns of a file of rates, and what they hold."""

LEAST_OWN_TAX = Decimal(20)
"""A tax amount in euros below this is too coarse to tell a rate from: half a cent is more than 1/4000 of it."""

_SIX = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """What 1 EUR comes to in a currency, from a day to a day."""

    currency: str
    valid_from: date
    valid_until: date
    rate: Decimal


def rate_of(connection: Connection, invoice: Invoice) -> Decimal | None:
    """Units of the invoice's currency for 1 EUR, with at most six decimals; None for an invoice in EUR.

    The invoice's own rate leads: its tax amount in both currencies (BT-110, BT-111). Then the organization's table, by
    the issue date. Raises Refused where there is neither.
    """
    if invoice.currency == BASE_CURRENCY:
        return None
    own, total = invoice.tax_amount_in_tax_currency, invoice.tax_amount
    if invoice.tax_currency == BASE_CURRENCY and own and total and own * total > 0 and abs(own) >= LEAST_OWN_TAX:
        stated = (total / own).quantize(_SIX, ROUND_HALF_UP)
        if stated:
            return stated
    rate = connection.execute(
        text(
            """select rate from intake.datev_exchange_rate
               where currency = :currency and :day between valid_from and valid_until order by id desc limit 1"""
        ),
        {"currency": invoice.currency, "day": invoice.issue_date},
    ).scalar_one_or_none()
    if rate is None:
        raise Refused.because(
            "NO_RATE",
            f"There is no exchange rate of {invoice.currency} on {invoice.issue_date}; `datev rates import` takes one.",
        )
    return Decimal(rate)


def in_base_currency(amount: Decimal, rate: Decimal) -> Decimal:
    """An amount in EUR, to the cent, half up."""
    return (amount / rate).quantize(CENT, ROUND_HALF_UP)


def check_rates(rows: Sequence[Mapping[str, str]]) -> tuple[list[ExchangeRate], list[tuple[int, str, str]]]:
    """Rows of texts, by the names of COLUMNS, as rates; and (row, field, problem) of those that are none."""
    rates, problems = [], []
    for number, row in enumerate(rows, start=1):
        try:
            field = "currency"
            currency = row.get("currency", "")
            if not re.fullmatch(r"[A-Z]{3}", currency) or currency == BASE_CURRENCY:
                raise ValueError(f"{currency!r} is not a foreign currency of ISO 4217")
            field = "valid_from"
            first = date.fromisoformat(row.get("valid_from", ""))
            field = "valid_until"
            last = date.fromisoformat(row.get("valid_until", row["valid_from"]))
            if last < first:
                raise ValueError("it is before valid_from")
            field = "rate"
            rate = Decimal(row.get("rate", "").replace(",", "."))
            if not (rate.is_finite() and _SIX <= rate < 10_000_000 and rate == rate.quantize(_SIX)):
                raise ValueError(f"{row['rate']!r} is not a number above zero with at most six decimals")
            rates.append(ExchangeRate(currency, first, last, rate))
        except (ValueError, InvalidOperation) as error:
            problems.append((number, field, str(error) if isinstance(error, ValueError) else "it is not a number"))
    return rates, problems


def add_rates(connection: Connection, rates: Sequence[ExchangeRate], created_by: str) -> None:
    """Adds rates; where several hold on a day, the last one written does."""
    if rates:
        connection.execute(
            text(
                """insert into intake.datev_exchange_rate (organization_id, currency, valid_from, valid_until, rate,
                                                           created_by)
                   values (organizations.current(), :currency, :valid_from, :valid_until, :rate, :created_by)"""
            ),
            [{**asdict(rate), "created_by": created_by} for rate in rates],
        )
