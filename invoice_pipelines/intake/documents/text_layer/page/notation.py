"""Reads amounts, percentages and dates in all their notations. Plain text in, values out.

Not here: which amount on a page is which (see `totals`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import SequenceMatcher

from invoice_pipelines.intake.documents.text_layer.page.vocabulary import key

_GROUPS = r"[.,'’´\u00a0\u202f ]"
AMOUNT = re.compile(
    rf"""(?<![\w.,/'’%-])(?<!\d:)
    (?P<open>\()?
    (?P<sign>[-+−–]\ ?)?
    (?P<before>€|[A-Z]{{0,2}}\$|£|₹|RM|S?Fr\.|Rs\.?|[A-Z]{{3}})?\ ?(?P<inner>[-−])?
    (?P<number>\d{{1,3}}(?:{_GROUPS}\d{{3}})+(?:[.,]\d{{1,4}})?|\d{{1,12}}(?:[.,]\d{{1,4}})?)
    (?P<dashes>,[-–—]{{1,2}})?
    \ ?(?P<after>€|\$|£|₹|RM\b|[Kk][čČ]|zł|ZŁ|kn\b|[A-Z]{{3}}\b)?
    (?:(?<=[.,]\d\d)(?:[A-FHIJN-WYZ]|SR|ZR|\*)(?!\w))?
    (?P<minus>[-−](?![\w-])|\ ?C[Rr]\b)?
    (?P<close>\))?
    (?![\w%]|[.,'’/:-]\d|\ ?%)""",
    re.VERBOSE,
)
"""An amount of money in a text: also "1 234,56", "1'234.56", "EUR 12.00", "RM12.00", "12,50-", "12.50 CR", "(12.50)",
"20,--" and "9,99A" with the letter of a tax class."""

MONEY = re.compile(r"\d[.,]\d\d(?![.,\d])")
"""The end of what is written as money, where it does not matter how much it is."""

PERCENT = re.compile(r"(?<![\w.,])(\d{1,2}(?:[.,]\d{1,4})?)[.,]?\s?%")

CURRENCIES = frozenset(
    {"EUR", "USD", "GBP", "CHF", "HRK", "DKK", "SEK", "NOK", "PLN", "CZK", "HUF", "RON", "BGN", "ISK", "TRY"}
    | {"CAD", "AUD", "NZD", "JPY", "CNY", "INR", "ZAR", "BRL", "MXN", "SGD", "HKD", "AED", "MYR", "THB", "IDR", "PHP"}
)
SYMBOLS = {"€": "EUR", "£": "GBP", "$": "USD", "₹": "INR", "RM": "MYR", "S$": "SGD", "A$": "AUD", "AU$": "AUD"} | {
    "C$": "CAD",
    "CAD$": "CAD",
    "CA$": "CAD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "US$": "USD",
    "R$": "BRL",
    "Fr.": "CHF",
    "SFr.": "CHF",
    "Rs": "INR",
    "Rs.": "INR",
    "Kč": "CZK",
    "KČ": "CZK",
    "kč": "CZK",
    "zł": "PLN",
    "kn": "HRK",
    "ZŁ": "PLN",
}


def has_unknown_sign(text: str) -> bool:
    """Whether there is a sign of a currency in a text that no one currency is known by, as "¥"."""
    return not text.isascii() and any(unicodedata.category(sign) == "Sc" and sign not in SYMBOLS for sign in text)


_NUMERIC_DATE = re.compile(
    r"(?:(?<![\w./-])|(?<=[A-Za-z]\d/))(\d{1,2})([./-]) ?(\d{1,2})\2 ?((?:19|20)\d{2}|\d{2})"
    r"(?:(?=\d\d:\d\d(?!\d))|(?!\w|[./-]\d(?!\d?:\d\d)))"  # also "1.2.2024.14:50", "K1/1.2.2024", "26/03/2114:33"
)
_ISO_DATE = re.compile(r"(?<![\w./-])(\d{4})([./-])(\d{1,2})\2(\d{1,2})(?!(?!T\d\d:)\w|[./-]\d)")
_DAY_MONTH = re.compile(
    r"(?<![\w./])(\d{1,2})(?:\.?º|\.|st|nd|rd|th|er|ª|°)?[ /-]{0,2}(?:(?:of|de|di) )?"
    r"([^\W\d_]{3,11}|[0O][cCkK][tT]|[Jj][uU]1)\.?,?[ /'’-]{0,2}"
    r"(?:(?:de|del) )?(\d{4}|\d{2})(?!\w)"
)
_MISREAD = str.maketrans("01", "ol")
_STREET = re.compile(r"(?i)stra(?:ß|ss|b)e|str\.|platz|\b(?:rue|avenue|place|via|viale|piazza|calle|plaza|avenida)\b")
_MONTH_DAY = re.compile(r"(?<!\w)([^\W\d_]{3,10})\.?[ /-]?(\d{1,2})(?:st|nd|rd|th)?(?:, ?| |[-/])(\d{4})(?!\w)")

_AS_LATIN = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")
_GREEK_MONTHS = [
    name.translate(_AS_LATIN)
    for name in (
        *("ΙΑΝΟΥΑΡΙΟΥ", "ΦΕΒΡΟΥΑΡΙΟΥ", "ΜΑΡΤΙΟΥ", "ΑΠΡΙΛΙΟΥ", "ΜΑΙΟΥ", "ΙΟΥΝΙΟΥ"),
        *("ΙΟΥΛΙΟΥ", "ΑΥΓΟΥΣΤΟΥ", "ΣΕΠΤΕΜΒΡΙΟΥ", "ΟΚΤΩΒΡΙΟΥ", "ΝΟΕΜΒΡΙΟΥ", "ΔΕΚΕΜΒΡΙΟΥ"),
    )
]
_ALIKE, _APART = 0.8, 0.1

EARLIEST_YEAR = 1990
LATEST_YEAR = 2099


@dataclass(frozen=True, slots=True)
class DateText:
    """A date as written at `start` to `end` of a text.

    `other` is what it would be in the other order of day and month, None where only one order is possible.
    `slashed` marks dates such as 3/4/2024, whose order is not certain by their form; `swapped` those that make sense
    only against the order that was asked for, `misread` those whose month is only like one.
    """

    value: date
    start: int
    end: int
    other: date | None = None
    slashed: bool = False
    swapped: bool = False
    misread: bool = False


def parse_amount(text: str, decimal: str | None = None) -> Decimal | None:
    """The value of a number, whatever its separators: 1.234,56 = 1,234.56 = 1 234,56 = 1'234.56.

    `decimal` decides what could be either: "1.234" is 1234 where the decimal sign is a comma, else 1.234. Without it
    three digits after the only separator are thousands. None where the text is no number.

    >>> parse_amount("1.234,56")
    Decimal('1234.56')
    """
    digits = re.sub(r"['’´\s]", "", text.replace("−", "-").replace("–", "-").strip())
    negative = digits.startswith("-") or digits.endswith("-")
    digits = digits.strip("+-")
    if not re.fullmatch(r"\d+(?:[.,]\d+)*", digits):
        return None
    separators = [character for character in digits if character in ".,"]
    sign = separators[-1] if separators else ""
    if sign:
        whole, _, rest = digits.rpartition(sign)
        grouping = len(separators) > 1 and separators.count(sign) > 1
        if len(separators) == 1 and len(rest) == 3 and 1 <= len(whole) <= 3 and whole != "0":
            grouping = sign != decimal
        if grouping:
            if len(set(separators)) > 1 or any(len(group) != 3 for group in re.split("[.,]", digits)[1:]):
                return None
            digits = digits.replace(sign, "")
        else:
            groups = re.split("[.,]", whole)
            if sign in whole or any(len(group) != 3 for group in groups[1:]):
                return None
            digits = "".join(groups) + "." + rest
    value = Decimal(digits)
    return -value if negative else value


def decimals(text: str) -> int:
    """How many digits stand after the last separator; 0 where there is none."""
    match = re.search(r"[.,](\d+)\D*$", text)
    return len(match.group(1)) if match else 0


def usual_decimal(texts: Iterable[str]) -> str | None:
    """The decimal sign that most of these amounts show beyond doubt (two decimals); None where they are even."""
    score = 0
    for text in texts:
        match = re.search(r"([.,])\d{2}$", text)
        if match:
            score += 1 if match.group(1) == "," else -1
    return "," if score > 0 else "." if score < 0 else None


def find_dates(text: str, months: Mapping[str, int], day_first: bool = True) -> Iterator[DateText]:
    """The dates of a text from left to right, numeric and with the names of months."""
    found: list[DateText] = []
    for match in _ISO_DATE.finditer(text):
        _add(found, match, _date(match[1], match[3], match[4]))
    for match in _NUMERIC_DATE.finditer(text):
        day_month, month_day = _date(match[4], match[3], match[1]), _date(match[4], match[1], match[3])
        if match[2] == ".":
            _add(found, match, day_month)
            continue
        wanted, other = (day_month, month_day) if day_first else (month_day, day_month)
        value = wanted or other
        if value:
            unsure = other if wanted and other != wanted else None
            found.append(DateText(value, match.start(), match.end(), unsure, slashed=True, swapped=wanted is None))
    for match in _DAY_MONTH.finditer(text):
        named = len(match[3]) == 2 and _STREET.search(text[: match.start()])  # "Straße des 18. Oktober 46"
        if not named and (month := months.get(key(match[2]).translate(_MISREAD))):
            _add(found, match, _date(match[3], str(month), match[1]))
        elif not named and len(match[3]) == 4 and (month := _like_a_month(match[2])):
            value = _date(match[3], str(month), match[1])
            found += [DateText(value, match.start(), match.end(), misread=True)] if value else []
    for match in _MONTH_DAY.finditer(text):
        if month := months.get(key(match[1])):
            _add(found, match, _date(match[3], str(month), match[2]))
    return iter(sorted(found, key=lambda found_date: found_date.start))


def _like_a_month(word: str) -> int | None:
    """The month in Greek that is most like the letters of an engine that has learned others."""
    letters = word.upper().translate(_AS_LATIN)
    likeness = sorted(
        ((SequenceMatcher(None, letters, name).ratio(), number) for number, name in enumerate(_GREEK_MONTHS, 1)),
        reverse=True,
    )
    (best, month), (second, _) = likeness[:2]
    return month if best > _ALIKE and best - second > _APART else None


def _add(found: list[DateText], match: re.Match[str], value: date | None) -> None:
    if value:
        found.append(DateText(value, match.start(), match.end()))


def _date(year: str, month: str, day: str) -> date | None:
    full_year = int(year) + 2000 if len(year) == 2 else int(year)
    if not EARLIEST_YEAR <= full_year <= LATEST_YEAR:
        return None
    try:
        return date(full_year, int(month), int(day))
    except ValueError:
        return None
