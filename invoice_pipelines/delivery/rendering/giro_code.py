"""The QR code for a credit transfer: EPC069-12 "Guidelines to enable data capture for the initiation of a SEPA
credit transfer", version 3.1, known as GiroCode.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby

import segno

_LEAST = Decimal("0.01")
_MOST = Decimal("999999999.99")
_LONGEST_NAME = 70
_LONGEST_REMITTANCE = 140


def payload(name: str, iban: str, bic: str | None, amount: Decimal, remittance: str) -> str | None:
    """What the code says, in euros (version 002: the BIC is optional); None where the amount cannot be said."""
    if not _LEAST <= amount <= _MOST:
        return None
    lines = [
        "BCD",
        "002",
        "1",  # UTF-8
        "SCT",
        bic or "",
        _one_line(name)[:_LONGEST_NAME],
        "".join(iban.split()).upper(),
        f"EUR{amount:.2f}",
        "",  # purpose
        "",  # structured reference
        _one_line(remittance)[:_LONGEST_REMITTANCE],
    ]
    return "\n".join(lines)


def picture(text: str) -> str:
    """The code as SVG without a margin, with error correction M as EPC069-12 asks.

    The mask is given: any can be read, and to look for the smoothest of the eight takes longer than the whole page.
    """
    code = segno.make(text, error="m", mask=2, micro=False, boost_error=False, encoding="utf-8")
    runs = []
    for y, row in enumerate(code.matrix):
        x = 0
        for is_dark, modules in groupby(row):
            length = sum(1 for _ in modules)
            if is_dark:
                runs.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    side = len(code.matrix)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}"><path d="{"".join(runs)}"/></svg>'


def _one_line(text: str) -> str:
    return " ".join(text.split())
