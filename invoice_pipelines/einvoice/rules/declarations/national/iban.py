"""The check of account numbers in the rules of XRechnung and Peppol: form and check digits, nothing of countries."""

from __future__ import annotations

import re

_FORM = re.compile(r"[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{0,30}")


def is_iban(text: str) -> bool:
    """Whether a text is an IBAN by ISO 13616 in the reading of the official rules.

    They take out blanks first, and lower case counts other numbers than upper case.
    """
    account = re.sub(r"[ \t\r\n]", "", text)
    if not _FORM.fullmatch(account):
        return False
    moved = account[4:] + account[:4].upper()
    digits = "".join(str(ord(sign) - 55) if ord(sign) > 64 else str(ord(sign) - 48) for sign in moved)
    return int(digits) % 97 == 1
