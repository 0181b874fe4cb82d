"""Writes texts and numbers for XML. Invoices and elements are not known here: see `element_writer`."""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""Amounts of an invoice have up to 26 digits, of which the 28 of Python's default context would lose some in products.
Half up is how billing rounds."""
CENT = Decimal("0.01")

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]')
_ALLOWED: dict[int, str] = {
    **dict.fromkeys(range(0x20), " "),
    **dict.fromkeys([*range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd"),
    ord("\t"): "\t",
    ord("\n"): "\n",
    ord("\r"): "\n",  # a parser would make that of it in any case
}
_WRITTEN = _ALLOWED | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}


def clean(text: str) -> str:
    """A text without what XML 1.0 forbids, and without blanks at its ends.

    Control characters become blanks; halves of surrogate pairs, and the two characters that are none, U+FFFD.
    """
    if _FORBIDDEN.search(text) is not None:
        text = text.replace("\r\n", "\n").translate(_ALLOWED)
    return text.strip()


def escaped(text: str) -> str:
    """What `clean` makes of a text, as it stands in an element or attribute."""
    if _SPECIAL.search(text) is not None:
        text = text.replace("\r\n", "\n").translate(_WRITTEN)
    return text.strip()


def end_of_terms(terms: str) -> str:
    """What stands after payment terms: a cash discount in the notation of XRechnung ends its line, also the last."""
    return "\n" if clean(terms).rpartition("\n")[2].lstrip().startswith("#SKONTO#") else ""


def money(amount: Decimal) -> str:
    """An amount with two decimals; with more only where it has more, which no rule of EN 16931 allows."""
    text = format(amount, "f")
    if text[-3:-2] == ".":
        return text
    rounded = EXACT.quantize(amount, CENT)
    return format(rounded, "f") if rounded == amount else text


def number(value: Decimal) -> str:
    """A quantity or percentage, without zeros that say nothing."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def price(value: Decimal) -> str:
    """A price, with at least two decimals."""
    whole, _, decimals = format(value, "f").partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def compact_date(day: date) -> str:
    """UNTDID 2379, format 102: CCYYMMDD."""
    return day.isoformat().replace("-", "")
