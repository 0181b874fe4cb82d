"""What texts of a document mean to a rule, in the manner of XPath 2.0, in which the official rules are written.

Verdicts must be those of the official rules, so this module is strict where they are: a word where a number must be, or
two values where a rule takes one, stops a rule (`Stopped`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Context, Decimal
from typing import TypeVar

from invoice_pipelines.einvoice.rules.engine.walk import Node
from invoice_pipelines.errors import InvoicePipelinesError

_DECIMAL = re.compile(r"[ \t\r\n]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[ \t\r\n]*")
_DOUBLE = re.compile(
    r"[ \t\r\n]*(?:[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?|[+-]?INF|NaN)[ \t\r\n]*"
)
_BLANKS = " \t\r\n"
_DATE = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"(?:Z|(?P<sign>[+-])(?P<hours>[0-9]{2}):(?P<minutes>[0-9]{2}))?"
)
EXACT = Context(prec=300)
"""Amounts may have 100 characters; products of two of them are exact in this."""

ZERO = Decimal(0)
_CENT = Decimal("0.01")
_HALF = Decimal("0.5")


class Stopped(InvoicePipelinesError):
    """A rule cannot be asked of this document. `code` is that of XPath, `node` where it stopped, if that is known."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


T = TypeVar("T")

TWICE = "XPTY0004"
NO_VALUE = "FORG0001"


def one(found: Sequence[T]) -> T | None:
    """The only one of them, or none. Raises `Stopped` where there are two."""
    if not found:
        return None
    if len(found) > 1:
        raise Stopped(TWICE)
    return found[0]


def normalized(text: str) -> str:
    """A text without blanks around it, and with one where it has several."""
    if text.isascii():  # nearly always, and in XML there are no other blanks in ASCII
        return " ".join(text.split())
    return " ".join(part for part in re.split(r"[ \t\r\n]+", text) if part)


def said(nodes: Sequence[Node]) -> str:
    """What the only one of them says, without blanks around; "" where there is none."""
    node = one(nodes)
    return normalized(node.string) if node is not None else ""


def one_text(nodes: Sequence[Node]) -> str:
    """What the only one of them says, blanks and all; nothing where there is none."""
    node = one(nodes)
    return "" if node is None else node.string


def as_decimal(text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise Stopped(NO_VALUE)
    return Decimal(text.strip(_BLANKS))


def as_number(text: str) -> Decimal:
    """A number as XPath compares it with another: exponents and infinity count, other texts stop the rule."""
    if not _DOUBLE.fullmatch(text):
        raise Stopped(NO_VALUE)
    return Decimal(text.strip(_BLANKS).replace("INF", "Infinity"))


def as_indicator(text: str) -> bool:
    text = text.strip(_BLANKS)
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise Stopped(NO_VALUE)


def decimal(nodes: Sequence[Node]) -> Decimal | None:
    """The amount that the only one of them says; None where there is none."""
    node = one(nodes)
    return None if node is None else as_decimal(node.string)


def first_decimal(nodes: Sequence[Node]) -> Decimal | None:
    """The amount that the first of them says; None where there is none."""
    return as_decimal(nodes[0].string) if nodes else None


def numbers(nodes: Iterable[Node]) -> list[Decimal]:
    """Their numbers; without NaN, which compares with none."""
    found = [as_number(node.string) for node in nodes]
    return [number for number in found if not number.is_nan()]


def total(nodes: Iterable[Node]) -> Decimal:
    """The sum of their amounts."""
    return sum((as_decimal(node.string) for node in nodes), ZERO)


def cents(amount: Decimal) -> Decimal:
    """Rounded to two decimals as XPath rounds: half upwards, so that -0.005 becomes 0."""
    return ((amount * 100 + _HALF).__floor__()) * _CENT


def whole(amount: Decimal) -> Decimal:
    """Rounded to a whole number, half upwards."""
    return Decimal((amount + _HALF).__floor__())


def day_number(text: str) -> int:
    """A date as a number that grows with time: minutes, as dates may have a time zone."""
    match = _DATE.fullmatch(text.strip(_BLANKS))
    if match is None:
        raise Stopped(NO_VALUE)
    try:
        day = date(int(match["year"]), int(match["month"]), int(match["day"])).toordinal() * 1440
    except ValueError:
        raise Stopped(NO_VALUE) from None
    if match["sign"]:
        minutes = int(match["hours"]) * 60 + int(match["minutes"])
        day += minutes if match["sign"] == "-" else -minutes
    return day
