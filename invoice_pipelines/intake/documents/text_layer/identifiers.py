"""The identifiers that an invoice carries and that can be checked: IBAN, BIC, VAT id; and the tax number.

Checksums by python-stdnum: ISO 13616 for the IBAN, the algorithms of the member states for the VAT id. Plain text in,
values out; whose identifier it is, is decided in `parties`.
"""

from __future__ import annotations

import re

from stdnum import iban
from stdnum.ch import vat as ch_vat
from stdnum.eu import vat
from stdnum.gb import vat as gb_vat
from stdnum.no import mva as no_vat

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
_LOOKALIKE = str.maketrans("OoQIl|SBZ", "000111582")
_VAT_LIKE = re.compile(
    r"(?:AT|BE|BG|CHE|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|HR|HU|IE|IT|LT|LU|LV|MT|NL|NO|PL|PT|RO|SE|SI|SK|XI)[A-Z]?\d{5,14}"
)
_IBAN_LIKE = re.compile(r"[A-Z]{2}[A-Z0-9]{13,32}")
_FEWEST_DIGITS = 10
_HIDDEN = "XXX"
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
            if len(candidate.replace(" ", "")) >= 15 and _HIDDEN not in candidate:
                found.append((candidate.replace(" ", ""), match.start(), match.start() + len(candidate), False))
    return found


def repaired_iban(text: str) -> str | None:
    """The IBAN after the word "IBAN" in a text that was recognized, with digits for the letters that look like them, if
    that makes its check digits right; None where it does not."""
    label = re.search(r"iban\W{0,3}", text, re.IGNORECASE)
    if label is None:
        return None
    compact = re.sub(r"[\s.:\-]", "", text[label.end() :])[:40]
    for length in range(min(len(compact), 34), 14, -1):
        candidate = compact[:2].upper() + compact[2:4].translate(_LOOKALIKE) + compact[4:length]
        for tried in (candidate, candidate[:4] + candidate[4:].translate(_LOOKALIKE)):
            if iban.is_valid(tried):
                return str(iban.compact(tried))
    return None


def spoiled_iban(text: str) -> str | None:
    """What stands at the start of a text where an IBAN should, and is none that `find_ibans` knows. None for what hides
    digits, as card slips do."""
    compact = re.sub(r"[\s.:\-]", "", text.upper())[:34]
    digits = sum(character.isdigit() for character in compact)
    return compact if _IBAN_LIKE.fullmatch(compact) and digits >= _FEWEST_DIGITS and _HIDDEN not in compact else None


def find_bic(text: str) -> str | None:
    """The first word that has the form of a BIC (ISO 9362)."""
    for word in text.replace(":", " ").split():
        if _BIC.fullmatch(word.strip(",;.()")):
            return word.strip(",;.()")
    return None


def find_vat_id(text: str) -> str | None:
    """The VAT id at the start of a text, compact; None where there is none of a known form. What begins as one and goes
    on, or is too short, is given as it stands: the check digits do not bear it out."""
    compact = re.sub(r"[\s.:\-]", "", text.upper())
    match = _VAT_IDS.match(compact)
    if match and not _goes_on(text, len(match.group())):
        return match.group()
    # What was recognized as letters among the digits; the check digits have to bear it out.
    digits = compact[:2] + compact[2:16].translate(_LOOKALIKE)
    match = _VAT_IDS.match(digits) if digits != compact[:16] else None
    if match and vat_id_is_valid(match.group()):
        return match.group()
    like = _VAT_LIKE.fullmatch(re.sub(r"[.:\-]", "", (text.upper().split() or [""])[0]))
    return like.group() if like else None


def _goes_on(text: str, length: int) -> bool:
    """Whether the word in which so many letters and digits of a text end has one more digit."""
    seen = 0
    for index, character in enumerate(text):
        seen += character not in " .:-\t\u00a0\u202f"
        if seen == length:
            return text[index + 1 : index + 2].isdigit()
    return False


def vat_id_is_valid(value: str) -> bool:
    """Whether the check digits are right, for the countries that have them."""
    neighbour = {"GB": gb_vat, "XI": gb_vat, "CH": ch_vat, "NO": no_vat}.get(value[:2])
    if neighbour is gb_vat:
        return bool(gb_vat.is_valid(value[2:]))
    return bool((neighbour or vat).is_valid(value))


def iban_is_valid(value: str) -> bool:
    """Whether the check digits and the length for its country are right."""
    return bool(iban.is_valid(value))


def iban_is_misprinted(value: str) -> bool:
    """Whether nothing but the check digits of an IBAN is wrong: it has the length and the form of its country."""
    return not iban.is_valid(value, check_country=False) and iban.is_valid(
        value[:2] + iban.calc_check_digits(value) + value[4:], check_country=False
    )


def find_tax_number(text: str) -> str | None:
    """The tax number at the start of a text, as written."""
    match = _TAX_NUMBER.match(text.strip(" :."))
    return match.group() if match else None
