"""In which country a document was made: by VAT ids, phone numbers, addresses of the web, and the lines of addresses and
the taxes of North America and Hong Kong. And the currency of that country, for what names none.

A receipt seldom says its currency, since who gets it knows. A wrong one is worse than none, so all signs must agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal

from invoice_pipelines.intake.countries import countries
from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines
from invoice_pipelines.intake.documents.text_layer.page.notation import PERCENT, parse_amount
from invoice_pipelines.intake.documents.text_layer.page.words import Word

_PHONE = re.compile(r"(?:\+|(?i:tel|fon|phone|fax|mob)\D{0,8}\b00) ?\(?(\d{1,3})\)?[ \d()/.-]{6,}")
_WEB = re.compile(r"(?:(?:www\.|@|//)[\w.-]*?\w|\w\.com?)\.([a-z]{2})(?![\w-]|\.\w)")
_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA"
    " RI SC SD TN TX UT VT VA WA WV WI WY DC"
)
_AMERICAN = re.compile(rf"\b(?:{_STATES.replace(' ', '|')})[.,]? \d{{5}}(?:-\d{{4}})?\b")
# Post codes, and the taxes of the provinces in both languages.
_CANADIAN = re.compile(r"\b[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d\b|\b(?:HST|TPS|TVQ|T\.P\.S|T\.V\.Q|TVH)\b|\bRT ?000\d\b")
_OF_HONG_KONG = re.compile(r"\b(?:Hong Kong|HONG KONG|Kowloon)\b")
_AMERICAN_PHONE = re.compile(r"(?<![\d-])(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-.]\d{4}(?![\d-])")
_LONG = 8  # letters and digits: "RO850" proves nothing
_DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "SGD", "HKD"})
_CROWNS = frozenset({"SEK", "DKK", "NOK"})
_SIGNS = {"$": _DOLLARS, "kr": _CROWNS, "kr.": _CROWNS, "Kr": _CROWNS, "KR": _CROWNS, ":-": _CROWNS}


def origin(labelled: LabelledLines, vat_ids: Iterable[str]) -> str | None:
    """The country (ISO 3166-1) that all signs of one name; None where there are none, or several."""
    found = {{"EL": "GR", "XI": "GB"}.get(value[:2], value[:2]) for value in vat_ids if len(value) >= _LONG}
    by_phone = {country.phone: code for code, country in countries().items() if country.phone}
    for line in labelled.lines:
        text = line.text
        for match in _PHONE.finditer(text):
            found |= {by_phone[match[1][:end]] for end in (3, 2) if match[1][:end] in by_phone}
        found |= {{"UK": "GB"}.get(match[1].upper(), match[1].upper()) for match in _WEB.finditer(text.casefold())}
        found |= {"US"} if _AMERICAN.search(text) else set()
        found |= {"CA"} if _CANADIAN.search(text) else set()
        found |= {"HK"} if _OF_HONG_KONG.search(text) else set()
    known = found & set(countries())
    return known.pop() if len(known) == 1 else None


def has_american_phone(labelled: LabelledLines) -> bool:
    """Whether a phone number is written as in North America."""
    return any(_AMERICAN_PHONE.search(line.text) for line in labelled.lines)


def usual_currency(labelled: LabelledLines, at: str | None, home: str | None, issued: date | None) -> str | None:
    """The currency of a document that names none, but perhaps a sign of several ("$", "kr"): that of the country `at`
    which it comes from. Where that is not known, that of `home`, if language and rates of VAT are those of home.

    None where this is not certain, also where the country changed its currency and the day is not known.
    """
    code = at or (home if home and _looks_like(labelled, home) else None)
    country = countries().get(code or "")
    if country is None or (country.since and (issued is None or issued < country.since)):
        return None
    signs: list[Collection[str]] = [
        currencies for sign, currencies in _SIGNS.items() if any(_has(word.text, sign) for word in _words(labelled))
    ]
    return country.currency if all(country.currency in currencies for currencies in signs) else None


def is_spoken_where(labelled: LabelledLines, currency: str) -> bool:
    """Whether the language of a document is one of a country that has a currency; also where it is not known."""
    spoken = {code for country in countries().values() if country.currency == currency for code in country.languages}
    languages = _languages(labelled)
    return not languages or languages.most_common(1)[0][0] in spoken


def _languages(labelled: LabelledLines) -> Counter[str]:
    languages = Counter(label.meaning.language for labels in labelled.labels for label in labels)
    languages.update(label.meaning.language for labels in labelled.amounts for label in labels)
    return languages


def _looks_like(labelled: LabelledLines, home: str) -> bool:
    country = countries().get(home)
    languages = _languages(labelled)
    rates = {
        rate
        for line in labelled.lines
        for match in PERCENT.finditer(line.text)
        if (rate := parse_amount(match[1], ".")) is not None and Decimal(1) < rate < Decimal(30)
    }
    if country is None or not languages or not rates:
        return False
    return languages.most_common(1)[0][0] in country.languages and rates <= country.rates


def _words(labelled: LabelledLines) -> Iterable[Word]:
    return (word for line in labelled.lines for word in line.words)


def _has(text: str, sign: str) -> bool:
    return text == sign or ((text.startswith(sign) or text.endswith(sign)) and any(map(str.isdigit, text)))
