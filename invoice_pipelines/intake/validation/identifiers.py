"""Holds the rules on identifiers with check digits: IBAN (IP-IBAN) and VAT identifiers (IP-VAT).

They warn and do not reject: EN 16931 asks for no check digits, published specimen invoices carry invented numbers, and
a bank refuses a wrong IBAN by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stdnum import get_cc_module, iban
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.verdict import Severity, Violation, content_violation

_LONGEST_IBAN = 34
_LONGEST_VAT_ID = 20  # with the signs that some put into it; the longest has 15
_LOOKS_LIKE_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{9,}")


def identifier_violations(reading: Reading) -> Iterator[Violation]:
    """IP-IBAN-01 (ISO 13616), IP-VAT-01 of the seller, IP-VAT-02 of the buyer (national formats and check digits)."""
    for index, payment in enumerate(reading.payments):
        for number, account in enumerate(payment.accounts):
            compact = "".join(account.account_id.split()).upper()
            # BT-84 may also be a national account number, which has no common check.
            if _LOOKS_LIKE_IBAN.match(compact) and not _valid_iban(compact):
                yield content_violation(
                    "IP-IBAN-01",
                    Severity.WARNING,
                    f"The account {account.account_id} (BT-84) looks like an IBAN, but its check digits or length are "
                    "wrong.",
                    f"Das Konto {account.account_id} (BT-84) sieht wie eine IBAN aus, Prüfziffern oder Länge sind "
                    "aber falsch.",
                    f"payments[{index}].accounts[{number}].account_id",
                )
    yield from _vat_id("IP-VAT-01", "seller", "Verkäufers", "BT-31", reading.seller.vat_id)
    yield from _vat_id("IP-VAT-02", "buyer", "Käufers", "BT-48", reading.buyer.vat_id)


def _valid_iban(compact: str) -> bool:
    if len(compact) > _LONGEST_IBAN:
        return False
    try:
        iban.validate(compact, check_country=False)
    except ValidationError:
        return False
    return True


def _vat_id(rule: str, party: str, party_de: str, term: str, vat_id: str | None) -> Iterator[Violation]:
    compact = re.sub(r"[\s.-]", "", vat_id or "").upper()
    if not compact:
        return
    location = f"{party}.vat_id"
    if not re.match(r"[A-Z]{2}", compact):
        yield content_violation(
            rule,
            Severity.WARNING,
            f"The VAT identifier {vat_id} of the {party} ({term}) does not begin with a country code.",
            f"Die USt-IdNr. {vat_id} des {party_de} ({term}) beginnt nicht mit einem Ländercode.",
            location,
        )
        return
    country = {"EL": "GR", "XI": "GB"}.get(compact[:2], compact[:2])
    module = get_cc_module(country.lower(), "vat")
    if module is None:
        return
    try:
        if len(compact) > _LONGEST_VAT_ID:
            raise InvalidLength
        module.validate("GB" + compact[2:] if compact.startswith("XI") else compact)
    except InvalidChecksum:
        yield content_violation(
            rule,
            Severity.WARNING,
            f"The check digits of the VAT identifier {vat_id} of the {party} ({term}) are wrong.",
            f"Die Prüfziffern der USt-IdNr. {vat_id} des {party_de} ({term}) sind falsch.",
            location,
        )
    except ValidationError:
        yield content_violation(
            rule,
            Severity.WARNING,
            f"The VAT identifier {vat_id} of the {party} ({term}) does not have the format of {compact[:2]}.",
            f"Die USt-IdNr. {vat_id} des {party_de} ({term}) hat nicht das Format von {compact[:2]}.",
            location,
        )
