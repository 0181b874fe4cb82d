"""Holds how amounts and dates are written in German messages. English ones have them as the document does."""

from __future__ import annotations

from datetime import date
from decimal import Decimal


def german_amount(amount: Decimal) -> str:
    """An amount with all its decimals, as 1.190,00."""
    return f"{amount:,f}".translate(_SWAPPED)


def german_date(day: date) -> str:
    """A date, as 31.03.2026."""
    return f"{day:%d.%m.%Y}"


def german_number(number: int) -> str:
    """A count, as 2.800."""
    return f"{number:,}".translate(_SWAPPED)


_SWAPPED = str.maketrans(",.", ".,")
