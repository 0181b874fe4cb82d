"""Makes bookings of the parts of an invoice. Pure.

The creditor is the account, the expense the contra account (DATEV: Konto and Gegenkonto): what we owe stands in credit
(H), what a credit note takes off in debit (S), amounts are above zero.

A booking is taken back by a Generalumkehr: the same booking with the side turned and the mark in field 118. The program
shows it with a minus on the original side, so that the year's turnover is what it would have been without the mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from invoice_pipelines.einvoice.model import Invoice
from invoice_pipelines.intake.exports.datev.characters import cp1252_text, is_cp1252
from invoice_pipelines.intake.exports.datev.currencies import in_base_currency
from invoice_pipelines.intake.exports.datev.errors import Refused
from invoice_pipelines.intake.exports.datev.parts import LARGEST_AMOUNT, Part
from invoice_pipelines.intake.exports.datev.settings import BASE_CURRENCY

DEBIT, CREDIT = "S", "H"
LONGEST_TEXT = 60
LONGEST_NOTE = 210
LARGEST_RATE = Decimal("9999.999999")
"""Field 4 has four digits before the comma, and begins with 1 to 9."""


@dataclass(frozen=True, slots=True)
class Booking:
    """One row of a batch. What a field means stands at its column in `batch_file`.

    `notes` are pairs of a kind and a text (Beleginfo). `tax_category`, `tax_rate`, `invoice_amount` and
    `invoice_currency` say what of the invoice it is, for proofs; they are not written. `invoice_amount` is above zero
    where we owe more.
    """

    document_date: date
    amount: Decimal
    side: str
    currency: str
    rate: Decimal | None
    base_amount: Decimal | None
    account: str
    contra_account: str
    tax_key: str
    document_field: str
    booking_text: str
    due_date: date | None
    document_guid: UUID
    cost_center: str | None
    notes: tuple[tuple[str, str], ...]
    tax_category: str | None
    tax_rate: Decimal | None
    invoice_amount: Decimal
    invoice_currency: str
    is_reversal: bool = False

    @property
    def substance(self) -> tuple[object, ...]:
        """What must differ for a booking to be corrected: all that the books depend on, but no texts."""
        return (
            *(self.document_date, self.amount, self.side, self.currency, self.base_amount, self.account),
            *(self.contra_account, self.tax_key, self.document_field, self.due_date, self.cost_center or ""),
        )


def bookings_of(
    invoice: Invoice,
    parts: Sequence[Part],
    *,
    account: str,
    document_field: str,
    rate: Decimal | None,
    document_guid: UUID,
) -> list[Booking]:
    """The bookings of an invoice on the creditor `account`.

    A foreign amount whose rate does not fit into field 4, mostly as it is below 1, is booked in EUR, with the foreign
    amount as a note. Raises Refused where an amount comes to nothing in EUR.
    """
    assert invoice.issue_date is not None
    assert invoice.currency is not None
    as_foreign = rate is not None and 1 <= rate <= LARGEST_RATE
    text = cp1252_text(invoice.seller.name or "", LONGEST_TEXT) or document_field
    number = invoice.number or ""
    number_notes = (("Rechnungsnummer", number),) if number and number != document_field and _is_note(number) else ()
    due_date = invoice.due_date if invoice.due_date and 2000 <= invoice.due_date.year <= 2099 else None
    bookings = []
    for part in parts:
        amount = abs(part.gross)
        base = None if rate is None else in_base_currency(amount, rate)
        notes = number_notes
        if base is not None and not 0 < base <= LARGEST_AMOUNT:
            raise Refused.because("AMOUNT", f"{amount} {invoice.currency} comes to {base} EUR, which cannot be booked.")
        if base is not None and not as_foreign:
            notes = (
                *notes,
                (f"Betrag in {invoice.currency}", f"{_comma(amount)} {invoice.currency} zu {_comma(rate)}"),
            )
        bookings.append(
            Booking(
                document_date=invoice.issue_date,
                amount=amount if base is None or as_foreign else base,
                side=CREDIT if part.gross > 0 else DEBIT,
                currency=invoice.currency if rate is None or as_foreign else BASE_CURRENCY,
                rate=rate if as_foreign else None,
                base_amount=base if as_foreign else None,
                account=account,
                contra_account=part.account,
                tax_key=part.tax_key,
                document_field=document_field,
                booking_text=text,
                due_date=due_date,
                document_guid=document_guid,
                cost_center=part.cost_center,
                notes=notes,
                tax_category=part.category,
                tax_rate=part.rate,
                invoice_amount=part.gross,
                invoice_currency=invoice.currency,
            )
        )
    return bookings


def reversal_of(booking: Booking) -> Booking:
    """The Generalumkehr of a booking."""
    return replace(
        booking,
        side=DEBIT if booking.side == CREDIT else CREDIT,
        invoice_amount=-booking.invoice_amount,
        is_reversal=True,
    )


def are_alike(earlier: Sequence[Booking], new: Sequence[Booking]) -> bool:
    """Whether two sets of bookings come to the same in the books, whatever their order and texts."""
    return sorted(map(repr, (booking.substance for booking in earlier))) == sorted(
        map(repr, (booking.substance for booking in new))
    )


def _is_note(number: str) -> bool:
    return is_cp1252(number) and len(number) + number.count('"') <= LONGEST_NOTE


def _comma(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}".replace(".", ",")
