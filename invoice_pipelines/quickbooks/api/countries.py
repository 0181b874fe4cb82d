"""How countries are written: ISO 3166-1 codes of two and three letters, and their names, as the CLDR has them."""

from __future__ import annotations

import re
from functools import cache

from babel import Locale
from babel.core import get_global


def _codes(written: str) -> tuple[str, ...]:
    return tuple(written.split())


_LANGUAGES = _codes("en de fr es it nl pt da sv nb fi is pl cs sk hu sl hr ro bg el et lv lt")
"""In which names of countries are known."""
_NO_COUNTRIES = _codes("AC CP CQ DG EA EU EZ IC QO TA UN XA XB XK ZZ")
"""Territories of the CLDR that ISO 3166-1 does not have."""
_WITHDRAWN = _codes("BUR DDR FXX TMP YMD ZAR")
_OTHER_NAMES = {
    "US": "united states of america, u.s., u.s.a., america",
    "DE": "federal republic of germany, bundesrepublik deutschland, ger",
    "AT": "oesterreich",
    "GB": "uk, u.k., great britain, england, scotland, wales, northern ireland",
    "IE": "republic of ireland, éire",
    "ES": "espana",
    "NL": "the netherlands, holland",
    "CZ": "czech republic",
    "TR": "turkey, turkiye",
    "BA": "bosnia and herzegovina",
    "CN": "people's republic of china",
    "HK": "hong kong",
    "KR": "korea, republic of korea",
    "VN": "viet nam",
    "AE": "uae",
    "RU": "russian federation",
}


def alpha_2(written: str | None) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country as people and programs write it; None for what is not known.

    QuickBooks keeps the country of an address as free text, and gives back `USA` for a `US` that was sent.
    """
    if written is None:
        return None
    word = re.sub(r"\s+", " ", written).strip()
    code = word.upper()
    if code in _alpha_3():
        return code
    return _alpha_2().get(code) or _by_name().get(word.casefold())


def alpha_3(code: str) -> str:
    """The ISO 3166-1 alpha-3 code of an alpha-2 code; what is none stays as it is.

    Intuit wants the country of an international address as three letters or as its full name
    (developer.intuit.com/app/developer/qbo/docs/api/accounting/most-commonly-used/customer, BillAddr).
    """
    return _alpha_3().get(code, code)


def _names(language: str) -> dict[str, str]:
    """Names of countries by their codes; the CLDR names regions by numbers."""
    territories = Locale(language).territories
    return {code: name for code, name in territories.items() if len(code) == 2 and code not in _NO_COUNTRIES}


@cache
def _alpha_2() -> dict[str, str]:
    countries = _names("en")
    aliases = {code: to[0] for code, to in get_global("territory_aliases").items() if len(code) == 3 and len(to) == 1}
    return {code: to for code, to in aliases.items() if to in countries and code.isalpha() and code not in _WITHDRAWN}


@cache
def _alpha_3() -> dict[str, str]:
    return {two: three for three, two in _alpha_2().items()}


@cache
def _by_name() -> dict[str, str]:
    found = {name.casefold(): code for language in reversed(_LANGUAGES) for code, name in _names(language).items()}
    return found | {name: code for code, names in _OTHER_NAMES.items() for name in names.split(", ")}
