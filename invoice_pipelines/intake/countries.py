"""What invoices of a country look like and need: its currency, its rates of VAT, and up to which total a simplified
invoice will do. `countries.toml` holds the facts with their sources.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.reading import Reading

_DIRECTIVE = "Art. 220a, 226b 2006/112/EC"
_CENT = Decimal("0.01")
_SMALL = Decimal(100)
"""EUR, by the directive."""
_WORTH_MORE = frozenset({"GBP", "CHF", "KWD", "BHD", "OMR", "JOD", "GIP", "FKP", "KYD"})
"""Of any other currency, 100 are worth less than 100 EUR, or so little more that it does not matter."""


@dataclass(frozen=True, slots=True)
class Country:
    """One country. `small` is a total with VAT in its `currency`, `source` the law that says so; `rates` of VAT are in
    percent, above zero. `phone` is the calling code; `since` the day from which it has the currency, None for long."""

    currency: str
    since: date | None
    phone: str | None
    languages: frozenset[str]
    rates: frozenset[Decimal]
    small: Decimal | None
    source: str | None


@dataclass(frozen=True, slots=True)
class SmallAmount:
    """Up to which total with VAT, in which currency and by which law a simplified invoice will do."""

    limit: Decimal
    currency: str
    source: str


@cache
def countries() -> Mapping[str, Country]:
    """All that are known, by their code (ISO 3166-1)."""
    text = resources.files(__package__).joinpath("countries.toml").read_text("utf-8")
    return {
        code: Country(
            said["currency"],
            said.get("since"),
            said.get("phone"),
            frozenset(said["languages"]),
            frozenset(Decimal(rate) for rate in said["rates"]),
            Decimal(said["small"]) if "small" in said else None,
            said.get("source"),
        )
        for code, said in tomllib.loads(text, parse_float=Decimal).items()
    }


def seller_country(seller: Party, currency: str | None) -> str | None:
    """Where a seller is: by its VAT id, else its address, else its currency if only one country has it."""
    prefix = (seller.vat_id or "").strip()[:2].upper()
    code = {"EL": "GR", "XI": "GB"}.get(prefix, prefix)
    if code in countries():
        return code
    if seller.address and seller.address.country_code:
        return seller.address.country_code.strip().upper()
    having = [code for code, country in countries().items() if country.currency == currency]
    return having[0] if len(having) == 1 else None


def small_amount(reading: Reading, home: str | None) -> SmallAmount | None:
    """The limit that makes an invoice a simplified one; None where it needs all that others need.

    That is an invoice above the limit, and one that is still to be paid: the transfer names its number. The country is
    that of the seller, else `home`, that of the organization. Only what was read from pages is meant: XML that lacks
    its number has not been lost by a reader.
    """
    if reading.xml is not None or reading.gross_amount is None or reading.due_date or reading.iban:
        return None
    code = seller_country(reading.seller, reading.currency) or home
    country = countries().get(code or "")
    if country and country.small is not None and country.currency == reading.currency:
        found = SmallAmount(country.small, country.currency, country.source or "")
    elif reading.currency and reading.currency not in _WORTH_MORE:
        found = SmallAmount(_SMALL, reading.currency, _DIRECTIVE)
    else:
        return None
    return found if abs(reading.gross_amount) <= found.limit else None


def tax_is_proved(reading: Reading) -> bool:
    """Whether the VAT is to the cent what one rate takes out of the total, and net and VAT make the total: a rate that
    the invoice names, or one of the country of its seller. The rates of any other country prove nothing: of a small
    total, some rate makes almost every amount.
    """
    gross, tax, net = reading.gross_amount, reading.tax_amount, reading.net_amount
    if not gross or not tax or abs(tax) >= abs(gross) or (net is not None and net + tax != gross):
        return False
    country = countries().get(seller_country(reading.seller, reading.currency) or "")
    rates = {part.rate for part in reading.tax_breakdowns if part.rate} | (country.rates if country else frozenset())
    return any(abs(gross * rate / (100 + rate) - tax) <= _CENT for rate in rates if rate is not None)
