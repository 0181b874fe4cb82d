"""The charts of accounts (SKR 03, SKR 04) as far as received invoices need them, read from data files.

Not here: which expense account an invoice goes to, which an organization says by rules (see `rules`).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files

SHORTEST_ACCOUNT = 4
"""Digits of the accounts as the charts print them; with longer accounts, zeros follow."""

EU_COUNTRIES = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU"),
        *("LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    }
)
"""Member states of the European Union, ISO 3166-1. VAT ids write EL for GR, and XI for goods of Northern Ireland."""


@dataclass(frozen=True, slots=True)
class TaxKey:
    """A BU-Schlüssel and when it fits. `books_rate` is the percent that the program takes out of the gross amount."""

    key: str
    category: str
    rate: Decimal | None
    region: str | None
    books_rate: Decimal
    valid_from: date | None
    valid_until: date | None
    meaning: str

    def fits(self, category: str, rate: Decimal | None, region: str | None, day: date) -> bool:
        """Whether the key is for this category, rate, region of the seller and document date."""
        return (
            self.category == category
            and (self.rate is None or self.rate == rate)
            and (self.region is None or self.region == region)
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_until is None or day <= self.valid_until)
        )


@dataclass(frozen=True, slots=True)
class AutomaticAccounts:
    """Accounts that take the tax out by themselves, and the tax that they fit."""

    first: str
    last: str
    category: str
    rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of accounts, with accounts of `account_length` digits."""

    name: str
    code: str
    account_length: int
    expense_account: str
    automatic: tuple[AutomaticAccounts, ...]

    def automatic_account(self, account: str) -> AutomaticAccounts | None:
        """What an account does by itself; None for an account without automatic tax."""
        return next((known for known in self.automatic if known.first <= account <= known.last), None)


@cache
def load_chart(name: str, account_length: int) -> Chart:
    """The chart `SKR03` or `SKR04` with accounts of 4 to 8 digits."""
    content = tomllib.loads(_read(f"{name.lower()}.toml"))
    longer = account_length - SHORTEST_ACCOUNT
    return Chart(
        name=content["name"],
        code=content["code"],
        account_length=account_length,
        expense_account=content["expense_account"] + "0" * longer,
        automatic=tuple(
            AutomaticAccounts(
                first=entry["from"] + "0" * longer,
                last=entry["to"] + "9" * longer,
                category=entry["category"],
                rate=Decimal(entry["rate"]) if "rate" in entry else None,
            )
            for entry in content["automatic"]
        ),
    )


@cache
def load_tax_keys() -> tuple[TaxKey, ...]:
    """The BU-Schlüssel of purchases; they are the same in both charts."""
    return tuple(
        TaxKey(
            key=entry["key"],
            category=entry["category"],
            rate=Decimal(entry["rate"]) if "rate" in entry else None,
            region=entry.get("region"),
            books_rate=Decimal(entry["books_rate"]),
            valid_from=entry.get("from"),
            valid_until=entry.get("until"),
            meaning=entry.get("meaning", ""),
        )
        for entry in tomllib.loads(_read("tax_keys.toml"))["tax_key"]
    )


def _read(name: str) -> str:
    return (files(__package__) / "charts" / name).read_text(encoding="utf-8")
