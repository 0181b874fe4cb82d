"""The rules on identifiers with check digits: IBAN (IP-IBAN) and VAT identifiers (IP-VAT).

They warn and do not reject: EN 16931 asks for no check digits, published specimen invoices carry invented numbers, and
a bank refuses a wrong IBAN by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from invoice_pipelines.einvoice.identifiers import LIKE_IBAN, is_valid_iban, vat_id_fault
from invoice_pipelines.einvoice.rules.verdict import Violation
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.own_rules import broken

_LONGEST_IBAN = 34

_WHOLE = ("The VAT identifier", "Die USt-IdNr.")
_CHECK_DIGITS = ("The check digits of the VAT identifier", "Die Prüfziffern der USt-IdNr.")


def identifier_violations(reading: Reading) -> Iterator[Violation]:
    """IP-IBAN-01 (ISO 13616), IP-VAT-01 of the seller, IP-VAT-02 of the buyer (national formats and check digits)."""
    for index, payment in enumerate(reading.payments):
        for number, account in enumerate(payment.accounts):
            compact = "".join(account.account_id.split()).upper()
            # BT-84 may also be a national account number, which has no common check.
            if LIKE_IBAN.match(compact) and not (len(compact) <= _LONGEST_IBAN and is_valid_iban(compact)):
                location = f"payments[{index}].accounts[{number}].account_id"
                yield broken("IP-IBAN-01", location, account=account.account_id)
    yield from _vat_id("IP-VAT-01", "seller.vat_id", reading.seller.vat_id)
    yield from _vat_id("IP-VAT-02", "buyer.vat_id", reading.buyer.vat_id)


def _vat_id(rule: str, location: str, vat_id: str | None) -> Iterator[Violation]:
    compact = re.sub(r"[\s.-]", "", vat_id or "").upper()
    if not compact:
        return
    match vat_id_fault(compact):
        case "COUNTRY":
            fault = ("does not begin with a country code", "beginnt nicht mit einem Ländercode")
            yield broken(rule, location, subject=_WHOLE, vat_id=vat_id, fault=fault)
        case "CHECK_DIGITS":
            yield broken(rule, location, subject=_CHECK_DIGITS, vat_id=vat_id, fault=("are wrong", "sind falsch"))
        case "FORMAT":
            fault = (f"does not have the format of {compact[:2]}", f"hat nicht das Format von {compact[:2]}")
            yield broken(rule, location, subject=_WHOLE, vat_id=vat_id, fault=fault)
