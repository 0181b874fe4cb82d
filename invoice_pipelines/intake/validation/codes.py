"""The rules on codes that decide how an invoice is paid: currency (IP-CUR), type (IP-TYPE) and sign (IP-SIGN)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from invoice_pipelines.einvoice.codes import CREDIT_NOTE_TYPES, INVOICE_TYPES, NOT_PAYABLE_TYPES, iso_currencies
from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.own_rules import broken

WITHDRAWN = {"HRK": date(2023, 1, 14), "BGN": date(2026, 1, 31)}
"""Currencies of the last ten years that the euro replaced, and the last day on which they were paid with."""


def code_violations(reading: Reading) -> Iterator[Violation]:
    """IP-CUR-01, IP-TYPE-01, -02, IP-SIGN-01, -02."""
    currency = (reading.currency or "").strip()
    withdrawn = WITHDRAWN.get(currency)
    was_one = withdrawn is not None and reading.issue_date is not None and reading.issue_date <= withdrawn
    if currency and currency not in iso_currencies() and not was_one:
        yield broken("IP-CUR-01", "currency", code=currency)
    code = (reading.type_code or "").strip()
    if code and code not in CREDIT_NOTE_TYPES | INVOICE_TYPES:
        yield broken("IP-TYPE-01", "type_code", code=code)
    if code in NOT_PAYABLE_TYPES:
        yield broken("IP-TYPE-02", "type_code", code=code)
    if reading.gross_amount is not None and reading.gross_amount < 0:
        yield broken("IP-SIGN-01" if code in CREDIT_NOTE_TYPES else "IP-SIGN-02", "gross_amount")
