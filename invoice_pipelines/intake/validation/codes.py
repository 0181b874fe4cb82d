"""Holds the rules on codes that decide how an invoice is paid: currency (IP-CUR), type (IP-TYPE) and sign (IP-SIGN)."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.verdict import Severity, Violation, content_violation

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
        yield content_violation(
            "IP-CUR-01",
            Severity.FATAL,
            f"The currency {currency} (BT-5) is no code of ISO 4217.",
            f"Die Währung {currency} (BT-5) ist kein Code nach ISO 4217.",
            "currency",
        )
    code = (reading.type_code or "").strip()
    if code and code not in CREDIT_NOTE_TYPES | INVOICE_TYPES:
        yield content_violation(
            "IP-TYPE-01",
            Severity.WARNING,
            f"The type code {code} (BT-3) is none of an invoice or credit note.",
            f"Der Code {code} (BT-3) bezeichnet weder eine Rechnung noch eine Gutschrift.",
            "type_code",
        )
    if code in NOT_PAYABLE_TYPES:
        yield content_violation(
            "IP-TYPE-02",
            Severity.WARNING,
            f"The type code {code} (BT-3) stands for a document that is not to be paid as an invoice.",
            f"Der Code {code} (BT-3) steht für ein Dokument, das nicht wie eine Rechnung zu zahlen ist.",
            "type_code",
        )
    if reading.gross_amount is not None and reading.gross_amount < 0:
        yield from _negative(code)


def _negative(code: str) -> Iterator[Violation]:
    if code in CREDIT_NOTE_TYPES:
        yield content_violation(
            "IP-SIGN-01",
            Severity.WARNING,
            "A credit note with a negative total: taken literally, it is a claim. Check which way the money goes.",
            "Eine Gutschrift mit negativem Gesamtbetrag ist wörtlich genommen eine Forderung. Zahlungsrichtung prüfen.",
            "gross_amount",
        )
    else:
        yield content_violation(
            "IP-SIGN-02",
            Severity.INFORMATION,
            "An invoice with a negative total works as a credit note.",
            "Eine Rechnung mit negativem Gesamtbetrag wirkt wie eine Gutschrift.",
            "gross_amount",
        )


@functools.cache
def _currencies() -> frozenset[str]:
    # Imported late: the package reads its table from a file when it is imported.
    from iso4217 import Currency

    return frozenset(currency.code for currency in Currency)
