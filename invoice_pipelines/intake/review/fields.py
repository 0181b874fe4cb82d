"""The fields of a reading that a person may correct: how each is written, read from a reading and put into one.

A field is named as in `Reading` ("gross_amount", "seller.name"); "iban" is the first account to pay to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from invoice_pipelines.einvoice.codes import iso_currencies
from invoice_pipelines.einvoice.model import Delivery, Payment, PaymentAccount, TaxBreakdown
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.intake.documents.text_layer.page.notation import decimals, find_dates, parse_amount
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import load_vocabulary
from invoice_pipelines.intake.reading import Provenance, Reading
from invoice_pipelines.intake.validation.codes import WITHDRAWN

PLACE_OF_IBAN = "payments[0].accounts[0].account_id"
_LONGEST_TEXT = 200
_MOST_DECIMALS = 4
_RATE = re.compile(r"(?P<rate>\S+?)\s*%\s*(?P<base>\S+)\s+(?P<tax>\S+)")


class WrongValue(InvoicePipelinesError, ValueError):
    """A value that cannot stand in a field; the message says how to write it, after the field where that is known."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that can be corrected: its name for people in English and German, and how a typed value is understood."""

    label: str
    label_de: str
    parse: Callable[[str], Any]


def _text(written: str) -> str:
    value = " ".join(written.split())
    if not value or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise WrongValue(f"must be 1 to {_LONGEST_TEXT} printable characters")
    return value


def _amount(written: str) -> Decimal:
    """Both notations, where they cannot be confused: 1234.56, 1.234,56, 1,234.56, 1 234,56."""
    value = parse_amount(written)
    if value is None:
        raise WrongValue(f"{written!r} is not an amount, such as 1234.56 or 1.234,56")
    separators = sum(character in ".," for character in written)
    if separators == 1 and decimals(written) == 3:
        raise WrongValue(f"{written!r} may mean thousands or decimals; write two decimals, such as 1234.00")
    if decimals(written) > _MOST_DECIMALS and separators:
        raise WrongValue(f"{written!r} has more than {_MOST_DECIMALS} decimals")
    return value


def _date(written: str) -> date:
    """Any notation that leaves no doubt: 2026-03-31, 31.03.2026, 31 March 2026, 31. März 2026."""
    text = written.strip()
    with suppress(ValueError):
        return date.fromisoformat(text)
    found = list(find_dates(text, load_vocabulary().months))
    if len(found) != 1 or (found[0].start, found[0].end) != (0, len(text)):
        raise WrongValue(f"{written!r} is not a date, such as 2026-03-31 or 31.03.2026")
    if found[0].other is not None:
        raise WrongValue(f"{written!r} may mean two days; write it as year-month-day, such as 2026-03-31")
    return found[0].value


def _currency(written: str) -> str:
    code = written.strip().upper()
    if code not in iso_currencies() and code not in WITHDRAWN:
        raise WrongValue(f"{written!r} is not a currency of ISO 4217, such as EUR")
    return code


def _type_code(written: str) -> str:
    code = written.strip()
    if re.fullmatch(r"\d{2,3}", code) is None:
        raise WrongValue(f"{written!r} is not a code of UNTDID 1001, such as 380 (invoice) or 381 (credit note)")
    return code


def _iban(written: str) -> str:
    from stdnum import iban
    from stdnum.exceptions import ValidationError

    try:
        return str(iban.validate(written, check_country=False))
    except ValidationError:
        raise WrongValue(f"{written!r} is not an IBAN: its check digits or its length are wrong") from None


def _identifier(written: str) -> str:
    value = re.sub(r"\s+", "", written).upper()
    if re.fullmatch(r"[A-Z0-9./+*-]{2,40}", value) is None:
        raise WrongValue(f"{written!r} is not a VAT identifier, such as DE123456789")
    return value


def _tax_breakdowns(written: str) -> tuple[TaxBreakdown, ...]:
    """Rate, amount and VAT of each rate: "19 % 100.00 19.00; 7 % 50.00 3.50"."""
    found = []
    for part in filter(None, (part.strip() for part in written.split(";"))):
        match = _RATE.fullmatch(part)
        if match is None:
            raise WrongValue(f"{part!r} is not written as 19 % 100.00 19.00 (rate, net amount, VAT)")
        try:
            rate = Decimal(match["rate"].replace(",", "."))
        except InvalidOperation:
            raise WrongValue(f"{match['rate']!r} is not a rate in percent") from None
        found.append(TaxBreakdown(_amount(match["base"]), _amount(match["tax"]), rate=rate))
    if not found:
        raise WrongValue("holds no rate, such as 19 % 100.00 19.00")
    return tuple(found)


FIELDS: Mapping[str, Field] = {
    "number": Field("invoice number", "Rechnungsnummer", _text),
    "issue_date": Field("issue date", "Rechnungsdatum", _date),
    "type_code": Field("type code", "Rechnungsart", _type_code),
    "currency": Field("currency", "Währung", _currency),
    "due_date": Field("due date", "Fälligkeitsdatum", _date),
    "delivery.date": Field("service date", "Leistungsdatum", _date),
    "order_reference": Field("order reference", "Bestellnummer", _text),
    "buyer_reference": Field("buyer reference", "Käuferreferenz", _text),
    "seller.name": Field("seller", "Verkäufer", _text),
    "seller.vat_id": Field("seller's VAT id", "USt-IdNr. des Verkäufers", _identifier),
    "seller.tax_id": Field("seller's tax number", "Steuernummer des Verkäufers", _text),
    "buyer.name": Field("buyer", "Käufer", _text),
    "buyer.vat_id": Field("buyer's VAT id", "USt-IdNr. des Käufers", _identifier),
    "iban": Field("IBAN", "IBAN", _iban),
    "line_total": Field("sum of the lines", "Summe der Positionen", _amount),
    "allowance_total": Field("sum of allowances", "Summe der Nachlässe", _amount),
    "charge_total": Field("sum of charges", "Summe der Zuschläge", _amount),
    "net_amount": Field("net amount", "Nettobetrag", _amount),
    "tax_amount": Field("VAT amount", "Umsatzsteuerbetrag", _amount),
    "gross_amount": Field("total with VAT", "Gesamtbetrag", _amount),
    "prepaid_amount": Field("prepaid amount", "Vorauszahlung", _amount),
    "rounding_amount": Field("rounding amount", "Rundungsbetrag", _amount),
    "payable_amount": Field("amount due", "Zahlbetrag", _amount),
    "tax_breakdowns": Field("VAT by rate", "Umsatzsteuer je Satz", _tax_breakdowns),
}
"""All fields that can be corrected, in the order in which they are shown."""
DATES = frozenset({"issue_date", "due_date", "delivery.date"})
AMOUNTS = frozenset(name for name in FIELDS if name.endswith(("_amount", "_total")))


def field_of(location: str | None) -> str | None:
    """The field that a path into a reading belongs to: that of `payments[0].accounts[0].account_id` is iban. None for
    what no person corrects, such as a line."""
    if location is None:
        return None
    if location.startswith("payments["):
        return "iban"
    if location.startswith("tax_breakdowns"):
        return "tax_breakdowns"
    return location if location in FIELDS else None


def parse_value(field: str, written: str) -> Any:
    """What a person typed, as the field's type. Raises WrongValue, whose message names the field."""
    if field not in FIELDS:
        raise WrongValue(f"{field!r} cannot be corrected; these can: {', '.join(FIELDS)}")
    try:
        return FIELDS[field].parse(written)
    except WrongValue as error:
        raise WrongValue(f"{field}: {error}") from None


def stored_value(field: str, kept: str) -> Any:
    """What `shown` made text of, as the field's type again."""
    if FIELDS[field].parse is _amount:
        return Decimal(kept)
    if FIELDS[field].parse is _tax_breakdowns:
        rates = [_RATE.fullmatch(part) for part in kept.split("; ")]
        return tuple(
            TaxBreakdown(Decimal(match["base"]), Decimal(match["tax"]), rate=Decimal(match["rate"]))
            for match in rates
            if match
        )
    try:
        return FIELDS[field].parse(kept)
    except WrongValue:  # read from a document, which may say what nobody may type: an IBAN with wrong check digits
        return kept


def value_of(reading: Reading, field: str) -> Any:
    """The value of a field; None where the reading has none."""
    if field == "iban":
        return reading.iban
    if field == "tax_breakdowns":
        return reading.tax_breakdowns or None
    value: Any = reading
    for name in field.split("."):
        value = getattr(value, name) if value is not None else None
    return value


def shown(value: Any) -> str | None:
    """A value as it is shown and kept in the audit trail, and as `parse_value` understands it again."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return "; ".join(
            f"{shown(part.rate)} % {shown(part.taxable_amount)} {shown(part.tax_amount)}" for part in value
        )
    return str(value)


def place_of(field: str) -> str:
    """The key of a field in `Reading.provenance`."""
    return PLACE_OF_IBAN if field == "iban" else field


def with_value(reading: Reading, field: str, value: Any, provenance: Provenance) -> Reading:
    """The reading with another value in a field; with None it has none there."""
    places = {name: place for name, place in reading.provenance.items() if field_of(name) != field}
    if value is not None:
        places[place_of(field)] = provenance
    changes: dict[str, Any]
    if field == "iban":
        changes = {"payments": _with_account(reading.payments, value)}
    elif field == "delivery.date":
        changes = {"delivery": replace(reading.delivery or Delivery(), date=value)}
    elif "." in field:
        party, name = field.split(".")
        changes = {party: replace(getattr(reading, party), **{name: value})}
    elif field == "due_date":
        changes = {"due_date": value, "due_dates": (value,) if value else ()}
    elif field == "tax_breakdowns":
        changes = {"tax_breakdowns": value or ()}
    else:
        changes = {field: value}
    return replace(reading, provenance=places, **changes)


def _with_account(payments: tuple[Payment, ...], iban: str | None) -> tuple[Payment, ...]:
    """The first account replaced; without an IBAN, no accounts: what was read was none."""
    if iban is None:
        return tuple(replace(payment, accounts=()) for payment in payments)
    if not payments:
        return (Payment(accounts=(PaymentAccount(iban),)),)
    first, *others = payments
    accounts = (PaymentAccount(iban), *(account for account in first.accounts[1:] if account.account_id != iban))
    return (replace(first, accounts=accounts), *others)
