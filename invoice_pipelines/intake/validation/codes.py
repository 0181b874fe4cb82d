"""The rules on codes that decide how an invoice is paid: currency (IP-CUR), type (IP-TYPE) and sign (IP-SIGN)."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.own_rules import broken

# The codes of UNTDID 1001 that EN 16931 allows for BT-3 (code list of the validation artefacts 1.3.16, rule BR-CL-01).
CREDIT_NOTE_TYPES = frozenset(map(str, (81, 83, 261, 262, 296, 308, 381, 396, 420, 458, 502, 503, 532)))
# fmt: off
INVOICE_TYPES = frozenset(map(str, (
    71, 80, 82, 84, 102, 130, 202, 203, 204, 211, 218, 219, 295, 325, 326, 331, 380, 382, 383, 384, 385, 386,
    387, 388, 389, 390, 393, 394, 395, 456, 457, 471, 472, 473, 500, 501, 527, 553, 575, 623, 633, 751, 780,
    817, 870, 875, 876, 877, 935,
)))
# fmt: on
# A pro forma invoice, a request for payment and information for the books claim no payment under an invoice.
NOT_PAYABLE_TYPES = frozenset(("71", "325", "751"))


def code_violations(reading: Reading) -> Iterator[Violation]:
    """IP-CUR-01, IP-TYPE-01, -02, IP-SIGN-01, -02."""
    currency = (reading.currency or "").strip()
    if currency and currency not in _currencies():
        yield broken("IP-CUR-01", "currency", code=currency)
    code = (reading.type_code or "").strip()
    if code and code not in CREDIT_NOTE_TYPES | INVOICE_TYPES:
        yield broken("IP-TYPE-01", "type_code", code=code)
    if code in NOT_PAYABLE_TYPES:
        yield broken("IP-TYPE-02", "type_code", code=code)
    if reading.gross_amount is not None and reading.gross_amount < 0:
        yield broken("IP-SIGN-01" if code in CREDIT_NOTE_TYPES else "IP-SIGN-02", "gross_amount")


@functools.cache
def _currencies() -> frozenset[str]:
    # Imported late: the package reads its table from a file when it is imported.
    from iso4217 import Currency

    return frozenset(currency.code for currency in Currency)
