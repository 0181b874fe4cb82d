"""Whether identifiers in an invoice are what they look like, by their form and check digits."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from stdnum import get_cc_module, iban
from stdnum.de import leitweg
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError

LIKE_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{9,}")
"""What is meant as an IBAN, and not as a number of an account of another kind."""
_LONGEST_VAT_ID = 20  # with the signs that some put into it; the longest has 15


@lru_cache(maxsize=1000)
def is_valid_iban(account: str) -> bool:
    """Length and form of the country, and check digits (ISO 13616)."""
    return bool(iban.is_valid(account, check_country=False))


@lru_cache(maxsize=1000)
def is_leitweg_id(reference: str) -> bool:
    """Form and check digits, by the format specification of the Leitweg-ID."""
    return bool(leitweg.is_valid(reference))


def vat_id_fault(vat_id: str) -> Literal["COUNTRY", "FORMAT", "CHECK_DIGITS"] | None:
    """What is wrong with a VAT identifier, by the rules of the country that it begins with; None: nothing, or there are
    no rules.
    """
    compact = re.sub(r"[\s.-]", "", vat_id).upper()
    if not re.match(r"[A-Z]{2}", compact):
        return "COUNTRY"
    module = get_cc_module({"EL": "GR", "XI": "GB"}.get(compact[:2], compact[:2]).lower(), "vat")
    if module is None:
        return None
    try:
        if len(compact) > _LONGEST_VAT_ID:
            raise InvalidLength
        module.validate("GB" + compact[2:] if compact.startswith("XI") else compact)
    except InvalidChecksum:
        return "CHECK_DIGITS"
    except ValidationError:
        return "FORMAT"
    return None
