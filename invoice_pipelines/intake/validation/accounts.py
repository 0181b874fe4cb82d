"""Holds the rule on the account of a seller that is known (IP-IBAN-02). What was received is the caller's to know.

An invoice that looks like those of a supplier and names the account of somebody else is the common fraud with invoices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.verdict import Severity, Violation, content_violation

LONGEST_ACCOUNT = 64
"""Signs by which accounts are compared; an IBAN has 34 at the most."""


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account that an earlier invoice of the same seller named; `label` is how to name that invoice to a user."""

    account: str
    label: str


def comparable_account(account: str) -> str:
    """An account as it is compared: without blanks and without regard to case."""
    return "".join(account.split()).upper()[:LONGEST_ACCOUNT]


def account_violations(reading: Reading, other_account: KnownAccount | None) -> Iterator[Violation]:
    """IP-IBAN-02: the account of the invoice is new, while earlier invoices of this seller named another one.

    The account is the first one, which is exported to be paid to. A person has to see this (`review.reasons`).
    """
    if other_account is None or reading.iban is None:
        return
    index, number = next(
        (index, number)
        for index, payment in enumerate(reading.payments)
        for number, _ in enumerate(payment.accounts[:1])
    )
    yield content_violation(
        "IP-IBAN-02",
        Severity.WARNING,
        f"The account {reading.iban} (BT-84) is new for this seller; earlier invoices named {other_account.account} "
        f"({other_account.label}). Ask the seller, by a telephone number that you know, before you pay.",
        f"Das Konto {reading.iban} (BT-84) ist neu für diesen Verkäufer; frühere Rechnungen nannten "
        f"{other_account.account} ({other_account.label}). Vor der Zahlung beim Verkäufer unter einer bekannten "
        "Telefonnummer nachfragen.",
        f"payments[{index}].accounts[{number}].account_id",
    )
