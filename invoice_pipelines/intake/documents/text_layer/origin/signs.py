"""What tells where a paper was made, and so in which currency it is: identifiers, telephone numbers, addresses of the
web, post codes with their towns, taxes with their rates, and how tills write. `signs.toml` holds what countries show.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib import import_module, resources

from invoice_pipelines.intake.countries import countries
from invoice_pipelines.intake.documents.text_layer.identifiers import vat_id_is_valid
from invoice_pipelines.intake.documents.text_layer.page.labels import LabelledLines
from invoice_pipelines.intake.documents.text_layer.page.layout import Line
from invoice_pipelines.intake.documents.text_layer.page.notation import PERCENT, parse_amount


class Kind(StrEnum):
    """Signs of different kinds say the same independently of each other."""

    NUMBER = "number"
    PHONE = "phone"
    AREA = "area"
    WEB = "web"
    ADDRESS = "address"
    LAW = "law"
    TILL = "till"


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign and the countries (ISO 3166-1) that it may be one of."""

    kind: Kind
    countries: frozenset[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """What papers of a country show. `former` is its currency before the day `since`; `numbers` are what names a tax
    number and what checks it; `towns` are in small letters, with what their telephone numbers begin with."""

    currency: str
    since: date | None
    former: str | None
    phone: str | None
    languages: frozenset[str]
    rates: frozenset[Decimal]
    numbers: Sequence[tuple[re.Pattern[str], str]]
    taxes: Sequence[str]
    towns: Mapping[str, str]
    post: str | None


_PHONE = re.compile(r"(?:\+|(?i:tel|fon|phone|fax|mob)\D{0,8}\b00) ?\(?(\d{1,3})\)?[ \d()/.-]{6,}")
_PHONE_AT_HOME = re.compile(r"(?im)(?:\b(?:te[l1]|t[l1]f|tele?fon|phone)\D{0,9}|^)(\(?\d[\d ()/.-]{6,15}\d)(?!\d)")
_AMERICAN_PHONE = re.compile(
    r"(?:(?<![\d-])(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-.]|(?i:\btel\W{1,3})[2-9]\d\d[2-9]\d\d)\d{4}(?![\d-])"
)
_CANADIAN_AREAS = (
    "204 226 236 249 250 263 289 306 343 354 365 367 368 382 387 403 416 418 428 431 437 438 450 468 474 506 514 519"
    " 548 579 581 584 587 600 604 613 639 647 672 683 705 709 742 753 778 780 782 807 819 825 867 873 879 902 905"
)
_OTHER_AREAS = (  # the Caribbean, and numbers of no place
    "242 246 264 268 284 345 441 473 649 658 664 721 758 767 784 809 829 849 868 869 876 800 822 833 844 855 866 877"
    " 888 900 710 700 500 521 522 533 544 566 577 588 456"
)
_WEB = re.compile(r"(?:(?:www\.|@|//)[\w.-]*?\w|\w\.com?)\.([a-z]{2})(?![\w-]|\.\w)")
_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA"
    " RI SC SD TN TX UT VT VA WA WV WI WY DC"
)
_ADDRESSES = {  # what no other country writes
    "CA": re.compile(r"(?m)(?:^|[ ,])[ABCEGHJ-NPRSTVXY]\d[A-Z] ?\d[A-Z]\d(?=\W|$)"),
    "GB": re.compile(r"(?im)(?:^|[ ,])[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}\W*$"),
    "HK": re.compile(r"\b(?:Hong Kong|HONG KONG)\b"),
    "US": re.compile(
        rf"\b(?:{_STATES.replace(' ', '|')})[.,]? \d{{5}}(?:-\d{{4}})?\b"
        r"|, (?:California|Nevada|Texas|Florida|Illinois)\b"
    ),
}
_ALIASES = {"EL": "GR", "XI": "GB", "UK": "GB"}
_GREEK = re.compile(r"[ΓΔΘΛΞΠΣΦΨΩ]")
_GREEK_LINES = 5
_NUMBER = re.compile(r"\W{0,4}(?:(?i:id|n[or]|reg\w*|number|nummer|k[o0]das)\W{1,3}){0,2}([\dA-Z][\dA-Z .\-/]{5,20})")
_SHORTEST_NUMBER = 7  # "RO850" proves nothing
_DOLLARS = frozenset({"US", "CA", "AU", "NZ", "SG", "HK", "MX", "AR", "CL", "CO", "UY", "DO", "TW"})
_CROWNS = frozenset({"SE", "DK", "NO", "IS"})
_MONEY = {"$": _DOLLARS, "kr": _CROWNS, "kr.": _CROWNS, "Kr": _CROWNS, "KR": _CROWNS, ":-": _CROWNS}
_MONTH_FIRST = re.compile(r"(?<![\w./-])(?:0?[1-9]|1[0-2])/(?:1[3-9]|2\d|3[01])/(?:20)?\d\d(?![\w/])")
_AMERICANS = frozenset({"US", "CA", "PH"})
_HIGHEST_RATE = Decimal(30)
_FEWEST_LABELS = 3
_LONGEST_NAME = 3  # words of a town


@cache
def known() -> Mapping[str, Shown]:
    """What is known of each country, by its code."""
    said = tomllib.loads(resources.files(__package__).joinpath("signs.toml").read_text("utf-8"), parse_float=Decimal)
    found = {}
    for code, of_code in said.items():
        country = countries().get(code)
        found[code] = Shown(
            country.currency if country else of_code["currency"],
            country.since if country else None,
            of_code.get("former"),
            country.phone if country else of_code.get("phone"),
            country.languages if country else frozenset(of_code.get("languages", ())),
            (country.rates if country else frozenset()) | frozenset(map(Decimal, of_code.get("rates", ()))),
            [(re.compile(name, re.MULTILINE | re.IGNORECASE), module) for name, module in of_code.get("numbers", ())],
            of_code.get("tax", ()),
            {name.casefold(): area for name, area in of_code.get("towns", {}).items()},
            of_code.get("post"),
        )
    return found


def find_signs(labelled: LabelledLines, vat_ids: Iterable[str]) -> list[Sign]:
    """All signs of a paper, of whose seller these are the VAT ids."""
    lines = labelled.lines
    text = "\n".join(line.text for line in lines)
    towns = {town for line in lines for town in _towns(line)}
    found = {
        *(
            (Kind.NUMBER, _ALIASES.get(value[:2], value[:2]))
            for value in vat_ids
            if len(value) > _SHORTEST_NUMBER and vat_id_is_valid(value)
        ),
        *((Kind.NUMBER, code) for code in _checked_numbers(text)),
        *((Kind.PHONE, code) for code in _calling_codes(text)),
        *((Kind.AREA, code) for code in _areas(text, towns)),
        *((Kind.WEB, _ALIASES.get(match[1].upper(), match[1].upper())) for match in _WEB.finditer(text.casefold())),
        *((Kind.ADDRESS, code) for code, _ in towns),
        *((Kind.ADDRESS, code) for code, pattern in _ADDRESSES.items() if pattern.search(text)),
    }
    signs = [Sign(kind, frozenset({code})) for kind, code in sorted(found) if code in known()]
    if (law := _law(labelled, text)) is not None:
        signs.append(Sign(Kind.LAW, law))
    if _MONTH_FIRST.search(text):
        signs.append(Sign(Kind.TILL, _AMERICANS))
    return signs


def has_american_phone(labelled: LabelledLines) -> bool:
    """Whether a phone number is written as in North America."""
    return any(_AMERICAN_PHONE.search(line.text) for line in labelled.lines)


def signs_of_money(labelled: LabelledLines) -> list[frozenset[str]]:
    """The countries of each sign of several currencies that stands on a paper."""
    words = [word.text for line in labelled.lines for word in line.words]
    return [having for sign, having in _MONEY.items() if any(_has(text, sign) for text in words)]


def _checked_numbers(text: str) -> Iterator[str]:
    """The countries of the tax numbers whose check digits are right."""
    for code, shown in known().items():
        for name, module in shown.numbers:
            for match in name.finditer(text):
                written = _NUMBER.match(text, match.end())
                parts = written[1].split() if written else []
                tried = ("".join(parts[:count]) for count in range(len(parts), 0, -1))
                check = import_module(f"stdnum.{module}")
                if any(sum(map(str.isdigit, one)) >= _SHORTEST_NUMBER and check.is_valid(one) for one in tried):
                    yield code


def _calling_codes(text: str) -> Iterator[str]:
    by_phone = {shown.phone: code for code, shown in known().items() if shown.phone}
    for match in _PHONE.finditer(text):
        yield from (by_phone[match[1][:end]] for end in (3, 2, 1) if match[1][:end] in by_phone)


def _areas(text: str, towns: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The countries of American telephone numbers, and of those that begin as in the towns that stand on the paper."""
    for match in _AMERICAN_PHONE.finditer(text):
        area = re.sub(r"\D", "", match[0])[:3]
        if area not in _OTHER_AREAS.split():
            yield "CA" if area in _CANADIAN_AREAS.split() else "US"
    numbers = [re.sub(r"\D", "", match[1]) for match in _PHONE_AT_HOME.finditer(text)]
    for code, town in towns:
        area = known()[code].towns[town]
        if area and any(number.startswith(area) for number in numbers):
            yield code


def _towns(line: Line) -> Iterator[tuple[str, str]]:
    """The countries and the towns in a line that stand beside a post code of that country, or at the end of a cell that
    is nothing else or has a comma before."""
    words = [word.text for word in line.words]
    ends = {id(cell.words[-1]): cell for cell in line.cells}
    for last in range(1, len(words) + 1):
        for first in range(max(last - _LONGEST_NAME, 0), last):
            name = " ".join(words[first:last]).strip(" ,.").casefold()
            for code in _having().get(name, ()):
                post = known()[code].post
                before, after = " ".join(words[:first]), " ".join(words[last : last + 3])
                cell = ends.get(id(line.words[last - 1]))
                alone = cell is not None and (
                    len(cell.words) == last - first or (first > 0 and words[first - 1].endswith(","))
                )
                coded = post is not None and (
                    re.search(rf"(?:^|[ ,])(?:{post}),?$", before)
                    or re.match(rf"(?:[A-Z]{{2}},? )?(?:{post})(?!\w)", after)
                )
                if alone or coded:
                    yield code, name


@cache
def _having() -> Mapping[str, Sequence[str]]:
    """The countries of each town."""
    found: dict[str, list[str]] = {}
    for code, shown in known().items():
        for town in shown.towns:
            found.setdefault(town, []).append(code)
    return found


def _law(labelled: LabelledLines, text: str) -> frozenset[str] | None:
    """The countries that may be meant by the language of the labels, what the taxes are called, and the rates that are
    printed with them: none where these contradict each other. English is printed everywhere."""
    if sum(bool(_GREEK.search(line)) for line in text.splitlines()) >= _GREEK_LINES:
        return frozenset({"GR", "CY"})
    small = text.casefold()
    named = {
        tax: frozenset(code for code, shown in known().items() if tax in shown.taxes)
        for shown in known().values()
        for tax in shown.taxes
        if re.search(rf"(?<!\w){re.escape(tax)}(?!\w)", small)
    }
    found = frozenset.intersection(*named.values()) if named else frozenset(known())
    language = language_of(labelled)
    if language and language != "en":
        spoken = frozenset(code for code, shown in known().items() if language in shown.languages)
        found &= spoken
    rates, of_taxes = _printed_rates(labelled)
    fitting = frozenset(code for code in found if not known()[code].rates or rates <= known()[code].rates)
    found = fitting if of_taxes or fitting else found
    return found if named or language not in (None, "en") else None


def language_of(labelled: LabelledLines) -> str | None:
    """The language of most labels; None where there are too few, or as many of another."""
    languages = Counter(label.meaning.language for labels in labelled.labels for label in labels)
    languages.update(label.meaning.language for labels in labelled.amounts for label in labels)
    (language, count), (_, next_count) = [*languages.most_common(2), (None, 0), (None, 0)][:2]
    return language if count >= _FEWEST_LABELS and count > next_count else None


def _printed_rates(labelled: LabelledLines) -> tuple[frozenset[Decimal], bool]:
    """The rates in the lines that name a tax, else in all lines, and whether there are such lines."""
    of_tax = [
        line
        for line, labels in zip(labelled.lines, labelled.amounts, strict=True)
        if any(label.kind in ("tax", "regional_tax") for label in labels) and PERCENT.search(line.text)
    ]
    rates = frozenset(
        rate
        for line in of_tax or labelled.lines
        for match in PERCENT.finditer(line.text)
        if (rate := parse_amount(match[1], ".")) is not None and 1 < rate < _HIGHEST_RATE
    )
    return rates, bool(of_tax)


def _has(text: str, sign: str) -> bool:
    return text == sign or ((text.startswith(sign) or text.endswith(sign)) and any(map(str.isdigit, text)))
