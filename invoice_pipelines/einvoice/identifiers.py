"""Whether identifiers in an invoice are what they look like, by their form and check digits."""

from __future__ import annotations

from functools import lru_cache

from stdnum import iban
from stdnum.de import leitweg


@lru_cache(maxsize=1000)
def is_valid_iban(account: str) -> bool:
    """Length and form of the country, and check digits (ISO 13616)."""
    return bool(iban.is_valid(account, check_country=False))


@lru_cache(maxsize=1000)
def is_leitweg_id(reference: str) -> bool:
    """Form and check digits, by the format specification of the Leitweg-ID."""
    return bool(leitweg.is_valid(reference))
