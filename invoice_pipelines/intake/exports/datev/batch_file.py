"""The EXTF file of a batch (Buchungsstapel, format version 13): header, headings and rows, byte by byte. Pure.

DATEV format 700: Windows-1252 without a mark, semicolons, CRLF on every line, texts in quotes, numbers without, decimal
comma. Dates in rows have no year, so a file holds one fiscal year. The columns are those of DATEV's developer portal,
formats/buchungsstapel and formats/header.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from invoice_pipelines.intake.exports.datev.bookings import Booking
from invoice_pipelines.intake.exports.datev.characters import CODE_PAGE, cp1252_text
from invoice_pipelines.intake.exports.datev.settings import BASE_CURRENCY, DatevSettings

MOST_BOOKINGS = 99_999
"""Bookings in one file at the most."""

_FORMAT, _CATEGORY, _NAME, _VERSION = 700, 21, "Buchungsstapel", 13
_LONGEST_LABEL = 30

_PAIRS_OF_NOTES = 8
HEADINGS = (
    *("Umsatz", "Soll/Haben-Kennzeichen", "WKZ Umsatz", "Kurs", "Basis-Umsatz"),
    *("WKZ Basis-Umsatz", "Konto", "Gegenkonto (ohne BU-Schlüssel)", "BU-Schlüssel", "Belegdatum", "Belegfeld 1"),
    *("Belegfeld 2", "Skonto", "Buchungstext", "Postensperre", "Diverse Adressnummer", "Geschäftspartnerbank"),
    *("Sachverhalt", "Zinssperre", "Beleglink"),
    *(f"Beleginfo - {part} {number}" for number in range(1, _PAIRS_OF_NOTES + 1) for part in ("Art", "Inhalt")),
    *("KOST1 - Kostenstelle", "KOST2 - Kostenstelle", "Kost-Menge", "EU-Land u. UStID (Bestimmung)"),
    *("EU-Steuersatz (Bestimmung)", "Abw. Versteuerungsart", "Sachverhalt L+L", "Funktionsergänzung L+L"),
    *("BU 49 Hauptfunktionstyp", "BU 49 Hauptfunktionsnummer", "BU 49 Funktionsergänzung"),
    *(f"Zusatzinformation - {part} {number}" for number in range(1, 21) for part in ("Art", "Inhalt")),
    *("Stück", "Gewicht", "Zahlweise", "Forderungsart", "Veranlagungsjahr", "Zugeordnete Fälligkeit", "Skontotyp"),
    *("Auftragsnummer", "Buchungstyp", "USt-Schlüssel (Anzahlungen)", "EU-Land (Anzahlungen)"),
    *("Sachverhalt L+L (Anzahlungen)", "EU-Steuersatz (Anzahlungen)", "Erlöskonto (Anzahlungen)", "Herkunft-Kz"),
    *("Buchungs GUID", "KOST-Datum", "SEPA-Mandatsreferenz", "Skontosperre", "Gesellschaftername"),
    *("Beteiligtennummer", "Identifikationsnummer", "Zeichnernummer", "Postensperre bis"),
    *("Bezeichnung SoBil-Sachverhalt", "Kennzeichen SoBil-Buchung", "Festschreibung", "Leistungsdatum"),
    *("Datum Zuord. Steuerperiode", "Fälligkeit", "Generalumkehr (GU)", "Steuersatz", "Land", "Abrechnungsreferenz"),
    *("BVV-Position", "EU-Land u. UStID (Ursprung)", "EU-Steuersatz (Ursprung)", "Abw. Skontokonto"),
)
"""The 125 columns. Those that are filled are named below by their number."""

_AMOUNT, _SIDE, _CURRENCY, _RATE, _BASE_AMOUNT, _BASE_CURRENCY = range(1, 7)
_ACCOUNT, _CONTRA_ACCOUNT, _TAX_KEY, _DATE, _DOCUMENT_FIELD = range(7, 12)
_TEXT, _LINK, _FIRST_NOTE, _COST_CENTER = 14, 20, 21, 37
_LOCKED, _DUE_DATE, _REVERSAL = 114, 117, 118


def batch_file(bookings: Sequence[Booking], settings: DatevSettings, *, created_at: datetime, label: str) -> bytes:
    """A file of bookings of one fiscal year, at least one and at most MOST_BOOKINGS.

    `created_at` is shown as it is, so in the organization's time zone. `label` names the batch in 30 characters.
    Raises ValueError for bookings that cannot stand in one file.
    """
    years = {settings.fiscal_year_start(booking.document_date) for booking in bookings}
    if len(years) != 1 or len(bookings) > MOST_BOOKINGS:
        raise ValueError(f"{len(bookings)} bookings of {len(years)} fiscal years cannot stand in one file")
    days = [booking.document_date for booking in bookings]
    lines = [
        _header(settings, years.pop(), min(days), max(days), created_at, label),
        ";".join(HEADINGS),
        *(_row(booking, settings.locked) for booking in bookings),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode(CODE_PAGE)


def split_into_files(
    groups: Iterable[Sequence[Booking]], settings: DatevSettings, most: int = MOST_BOOKINGS
) -> list[list[Booking]]:
    """Groups of bookings that belong together (of an invoice) as the contents of files.

    A file holds one fiscal year; a group is parted between years only, or where it alone is too large. Within a year
    the order is kept, and the years rise.
    """
    files: dict[date, list[list[Booking]]] = {}
    for group in groups:
        by_year: dict[date, list[Booking]] = {}
        for booking in group:
            by_year.setdefault(settings.fiscal_year_start(booking.document_date), []).append(booking)
        for year, bookings in by_year.items():
            contents = files.setdefault(year, [[]])
            for start in range(0, len(bookings), most):
                piece = bookings[start : start + most]
                if len(contents[-1]) + len(piece) > most:
                    contents.append([])
                contents[-1] += piece
    return [content for year in sorted(files) for content in files[year]]


def _header(
    settings: DatevSettings, year: date, first_day: date, last_day: date, created_at: datetime, label: str
) -> str:
    """Line 1. The period is whole months, from the first to the last that is booked in."""
    next_month = (last_day.replace(day=28) + timedelta(days=4)).replace(day=1)
    fields = (
        _text("EXTF"),  # 1
        str(_FORMAT),
        str(_CATEGORY),
        _text(_NAME),
        str(_VERSION),
        f"{created_at:%Y%m%d%H%M%S}{created_at.microsecond // 1000:03}",  # 6
        "",
        _text("RE"),  # 8: origin
        _text(""),
        _text(""),
        str(settings.consultant),  # 11
        str(settings.client),
        f"{year:%Y%m%d}",
        str(settings.account_length),
        f"{first_day.replace(day=1):%Y%m%d}",
        f"{next_month - timedelta(days=1):%Y%m%d}",
        _text(cp1252_text(label, _LONGEST_LABEL)),
        _text(settings.initials or ""),
        "1",  # 19: financial accounting
        "0",  # 20: for every purpose
        str(int(settings.locked)),
        _text(BASE_CURRENCY),
        "",
        _text(""),
        "",
        "",
        _text(settings.accounts.code),  # 27
        "",
        "",
        _text(""),
        _text(""),
    )
    return ";".join(fields)


def _row(booking: Booking, locked: bool) -> str:
    """A line of 125 fields; a field that has nothing to say is empty."""
    fields = [""] * len(HEADINGS)

    def put(column: int, value: str) -> None:
        fields[column - 1] = value

    put(_AMOUNT, _number(booking.amount))
    put(_SIDE, _text(booking.side))
    put(_CURRENCY, _text(booking.currency))
    if booking.rate is not None and booking.base_amount is not None:
        put(_RATE, _rate(booking.rate))
        put(_BASE_AMOUNT, _number(booking.base_amount))
        put(_BASE_CURRENCY, _text(BASE_CURRENCY))
    put(_ACCOUNT, booking.account)
    put(_CONTRA_ACCOUNT, booking.contra_account)
    if booking.tax_key:
        put(_TAX_KEY, _text(booking.tax_key))
    put(_DATE, f"{booking.document_date:%d%m}")
    put(_DOCUMENT_FIELD, _text(booking.document_field))
    put(_TEXT, _text(booking.booking_text))
    put(_LINK, _text(f'BEDI "{str(booking.document_guid).upper()}"'))
    for place, (kind, note) in enumerate(booking.notes):
        put(_FIRST_NOTE + 2 * place, _text(kind))
        put(_FIRST_NOTE + 2 * place + 1, _text(note))
    if booking.cost_center:
        put(_COST_CENTER, _text(booking.cost_center))
    put(_LOCKED, str(int(locked)))  # never empty: an empty one locks the batch for good
    if booking.due_date is not None:
        put(_DUE_DATE, f"{booking.due_date:%d%m%Y}")
    put(_REVERSAL, _text(str(int(booking.is_reversal))))
    return ";".join(fields)


def _text(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _number(value: Decimal) -> str:
    return f"{value:.2f}".replace(".", ",")


def _rate(value: Decimal) -> str:
    """At least two decimals, at most six."""
    whole, _, decimals = f"{value:.6f}".partition(".")
    return f"{whole},{decimals.rstrip('0').ljust(2, '0')}"
