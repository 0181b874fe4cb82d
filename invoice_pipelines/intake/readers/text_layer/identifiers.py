"""Holds the identifiers that an invoice carries and that can be checked: IBAN, BIC, VAT id; and the tax number.

Checksums by python-stdnum: ISO 13616 for the IBAN, the algorithms of the member states for the VAT id. Plain text in,
values out; whose identifier it is, is decided in `parties`.
"""

from __future__ import annotations

import re

from stdnum import iban
from stdnum.eu import vat

# ISO 13616: two letters, two check digits, up to 30 letters or digits, printed in groups of four.
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")

# The structures that the European Commission's VIES publishes, and those of the neighbours.
_VAT_IDS = re.compile(
    r"ATU\d{8}|BE[01]\d{9}|BG\d{9,10}|CHE\d{9}(?:MWST|TVA|IVA)?|CY\d{8}[A-Z]|CZ\d{8,10}|DE\d{9}|DK\d{8}|EE\d{9}|EL\d{9}"
    r"|ES[A-Z0-9]\d{7}[A-Z0-9]|FI\d{8}|FR[A-Z0-9]{2}\d{9}|GB(?:\d{12}|\d{9}|GD\d{3}|HA\d{3})|HR\d{11}|HU\d{8}"
    r"|IE\d[A-Z0-9+*]\d{5}[A-Z]{1,2}|IT\d{11}|LT(?:\d{12}|\d{9})|LU\d{8}|LV\d{11}|MT\d{8}|NL\d{9}B\d{2}|NO\d{9}(?:MVA)?"
    r"|PL\d{10}|PT\d{9}|RO\d{2,10}|SE\d{12}|SI\d{8}|SK\d{10}|XI(?:\d{12}|\d{9})"
)
_TAX_NUMBER = re.compile(r"\d{2,5}[ /]\d{3,5}[ /]\d{3,5}(?:[ /]\d{1,5})?|\d{9,13}|[A-Z]{0,3}\d{5,13}[A-Z]?")


def find_ibans(text: str) -> list[tuple[str, int, int, bool]]:
    """The IBANs of a text: compact, where they start and end, and whether the check digits are right."""
    found = []
    for match in _IBAN.finditer(text):
        written = match.group()
        # What follows in capitals may look like one more group ("... 78 BIC"): the country's length decides.
        parts = written.split(" ")
        for count in range(len(parts), 0, -1):
            candidate = " ".join(parts[:count])
            if iban.is_valid(candidate):
                found.append((iban.compact(candidate), match.start(), match.start() + len(candidate), True))
                break
        else:
            while len(parts) > 1 and parts[-1].isalpha():
                parts.pop()
            candidate = " ".join(parts)
            if len(candidate.replace(" ", "")) >= 15:
                found.append((candidate.replace(" ", ""), match.start(), match.start() + len(candidate), False))
    return found


def find_bic(text: str) -> str | None:
    """The first word that has the form of a BIC (ISO 9362)."""
    for word in text.replace(":", " ").split():
        if _BIC.fullmatch(word.strip(",;.()")):
            return word.strip(",;.()")
    return None


def find_vat_id(text: str) -> str | None:
    """The VAT id at the start of a text, compact; None where there is none of a known form."""
    compact = re.sub(r"[\s.:\-]", "", text.upper())
    match = _VAT_IDS.match(compact)
    return match.group() if match else None


def vat_id_is_valid(value: str) -> bool:
    """Whether the check digits are right, for the countries that have them."""
    return bool(vat.is_valid(value))


def find_tax_number(text: str) -> str | None:
    """The tax number at the start of a text, as written."""
    match = _TAX_NUMBER.match(text.strip(" :."))
    return match.group() if match else None
