"""The rule on the account of a seller that is known (IP-IBAN-02). What was received is the caller's to know.

An invoice that looks like those of a supplier and names the account of somebody else is the common fraud with invoices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.own_rules import broken

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
    index = next(index for index, payment in enumerate(reading.payments) if payment.accounts)
    yield broken(
        "IP-IBAN-02",
        f"payments[{index}].accounts[0].account_id",
        account=reading.iban,
        known=other_account.account,
        label=other_account.label,
    )
