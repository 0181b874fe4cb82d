"""Numbers, amounts, percentages, dates and countries as a language writes them, by the CLDR of Babel.

Babel parses a pattern at each call; an invoice has a hundred numbers. So what a pattern says is read once per language.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

import iso4217
from babel import Locale, UnknownLocaleError
from babel.dates import format_date

_NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Formats:
    """The signs of a language. Digits are grouped from the right: first so many, then always so many."""

    locale: Locale
    decimal: str
    group: str
    primary_group: int
    secondary_group: int
    percent_pattern: str

    def number(self, value: Decimal, least: int = 0) -> str:
        """A number with at least so many decimals, and more where it has more; never rounded."""
        whole, _, fraction = f"{abs(value):f}".partition(".")
        fraction = fraction.rstrip("0").ljust(least, "0")
        written = self._grouped(whole) + (self.decimal + fraction if fraction else "")
        return "\N{MINUS SIGN}" + written if value < 0 else written

    def amount(self, value: Decimal, currency: str) -> str:
        """An amount without its currency, with all decimals of the currency."""
        return self.number(value, currency_digits(currency))

    def money(self, value: Decimal, currency: str) -> str:
        """An amount with its currency: 1.234,50 EUR is `1.234,50 €` in German."""
        before, after = _currency_signs(self.locale.language, currency)
        written = before + self.amount(abs(value), currency) + after
        return "\N{MINUS SIGN}" + written if value < 0 else written

    def percent(self, value: Decimal) -> str:
        """A percentage, given in percent."""
        return self.percent_pattern.format(self.number(value))

    def day(self, value: date, pattern: str) -> str:
        """A date by a CLDR pattern."""
        return _day(value, pattern, self.locale.language)

    def country(self, code: str) -> str:
        """The name of a country in this language, or its code."""
        return str(self.locale.territories.get(code, code))

    def _grouped(self, whole: str) -> str:
        if len(whole) <= self.primary_group:
            return whole
        if self.primary_group == self.secondary_group == 3:
            return f"{int(whole):,}".replace(",", self.group)
        head, groups = whole[: -self.primary_group], [whole[-self.primary_group :]]
        while head:
            head, last = head[: -self.secondary_group], head[-self.secondary_group :]
            groups.insert(0, last)
        return self.group.join(groups)


@lru_cache(maxsize=32)
def formats_of(language: str) -> Formats:
    """The signs of a language (ISO 639-1). Raises ValueError for one that the CLDR does not know."""
    try:
        locale = Locale.parse(language)
    except (UnknownLocaleError, ValueError) as error:
        raise ValueError(f"{language!r} is not a language of the CLDR") from error
    symbols = locale.number_symbols["latn"]
    pattern = locale.decimal_formats[None]
    percent = locale.percent_formats[None]
    return Formats(
        locale=locale,
        decimal=symbols["decimal"],
        group=symbols["group"],
        primary_group=pattern.grouping[0],
        secondary_group=pattern.grouping[1],
        percent_pattern=percent.prefix[0] + "{}" + percent.suffix[0],
    )


def in_groups(iban: str, blank: str = _NO_BREAK) -> str:
    """An IBAN in groups of four, as people read it."""
    plain = "".join(iban.split())
    return blank.join(plain[start : start + 4] for start in range(0, len(plain), 4))


@lru_cache(maxsize=512)
def currency_digits(currency: str) -> int:
    """Digits after the decimal point (ISO 4217); 2 for a code that is not known."""
    try:
        return int(iso4217.Currency(currency).exponent or 0)
    except ValueError:
        return 2


@lru_cache(maxsize=1024)
def _currency_signs(language: str, currency: str) -> tuple[str, str]:
    locale = formats_of(language).locale
    sign = str(locale.currency_symbols.get(currency, currency))
    pattern = locale.currency_formats["standard"]
    before, after = (part.replace("¤", sign) for part in (pattern.prefix[0], pattern.suffix[0]))
    if before and before[-1].isalpha():
        before += _NO_BREAK  # CHF 10 and KWD 10, as the CLDR asks for where letters touch digits
    if after and after[0].isalpha():
        after = _NO_BREAK + after
    return before, after


@lru_cache(maxsize=4096)
def _day(value: date, pattern: str, language: str) -> str:
    return format_date(value, pattern, locale=language)
