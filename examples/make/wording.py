"""How people in different countries write an invoice: words, dates and amounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from examples.make.xml_writer import plain

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


@dataclass(frozen=True)
class Wording:
    title: str
    credit_title: str
    number: str
    issued: str
    due: str
    delivered: str
    customer: str
    order: str
    our_vat_id: str
    our_tax_number: str
    columns: tuple[str, str, str, str, str, str]  # position, description, quantity, unit price, rate, amount
    subtotal: str
    net: str
    tax: str  # with {rate} and {base}
    gross: str
    prepaid: str
    payable: str
    carried: str
    page: str
    bank: str
    date: Callable[[date], str]
    decimal_comma: bool
    units: dict[str, str]

    def amount(self, value: Decimal) -> str:
        text = f"{value:,.2f}"
        return text.translate(str.maketrans(",.", ".,")) if self.decimal_comma else text

    def number_of(self, value: Decimal) -> str:
        text = plain(value)
        return text.replace(".", ",") if self.decimal_comma else text


def _long(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _american(day: date) -> str:
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


GERMAN = Wording(
    title="Rechnung",
    credit_title="Rechnungskorrektur",
    number="Rechnungsnummer",
    issued="Rechnungsdatum",
    due="Fällig am",
    delivered="Lieferdatum",
    customer="Kundennummer",
    order="Ihre Bestellung",
    our_vat_id="USt-IdNr.",
    our_tax_number="Steuernummer",
    columns=("Pos.", "Bezeichnung", "Menge", "Einzelpreis", "USt", "Betrag"),
    subtotal="Zwischensumme",
    net="Nettobetrag",
    tax="zzgl. {rate} % USt auf {base}",
    gross="Gesamtbetrag",
    prepaid="Bereits bezahlt",
    payable="Zahlbetrag",
    carried="Übertrag",
    page="Seite",
    bank="Bankverbindung",
    date=lambda day: day.strftime("%d.%m.%Y"),
    decimal_comma=True,
    units={
        "C62": "Stk.",
        "H87": "Stk.",
        "HUR": "Std.",
        "KGM": "kg",
        "MON": "Mon.",
        "LTR": "l",
        "KMT": "km",
        "KWH": "kWh",
        "MTK": "m²",
        "DAY": "Tage",
    },
)
ENGLISH = Wording(
    title="Invoice",
    credit_title="Credit Note",
    number="Invoice number",
    issued="Invoice date",
    due="Due date",
    delivered="Delivery date",
    customer="Customer no.",
    order="Your order",
    our_vat_id="VAT No.",
    our_tax_number="Tax No.",
    columns=("No.", "Description", "Qty", "Unit price", "VAT", "Amount"),
    subtotal="Subtotal",
    net="Net total",
    tax="VAT {rate}% on {base}",
    gross="Total",
    prepaid="Less deposit paid",
    payable="Amount due",
    carried="Carried forward",
    page="Page",
    bank="Bank details",
    date=_long,
    decimal_comma=False,
    units={
        "C62": "pcs",
        "H87": "pcs",
        "HUR": "h",
        "KGM": "kg",
        "MON": "mo",
        "LTR": "l",
        "KMT": "km",
        "KWH": "kWh",
        "MTK": "m²",
        "DAY": "days",
    },
)
CANADIAN = Wording(
    title="INVOICE",
    credit_title="CREDIT MEMO",
    number="Invoice #",
    issued="Date",
    due="Due",
    delivered="Ship date",
    customer="Account #",
    order="PO #",
    our_vat_id="VAT No.",
    our_tax_number="GST/HST Registration No.",
    columns=("#", "Item", "Qty", "Price", "Tax", "Amount"),
    subtotal="Items",
    net="Subtotal",
    tax="{label} ({rate}%)",
    gross="Total",
    prepaid="Payments received",
    payable="Balance due",
    carried="Carried forward",
    page="Page",
    bank="Remit to",
    date=_american,
    decimal_comma=False,
    units=ENGLISH.units,
)
