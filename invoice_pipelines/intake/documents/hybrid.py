"""Compares the XML of a hybrid PDF with its pages. The XML leads; differences become discrepancies.

By law the structured part is the invoice (UStAE 14.4 (3)), but a person who pays what the page shows must not pay
another amount. The usual case is cheap: fields are only searched for if a value is missing from the text of the pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date
from decimal import Decimal
from functools import cache
from operator import attrgetter

import pypdfium2

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules.german import as_german
from invoice_pipelines.intake.documents.limits import Limits
from invoice_pipelines.intake.documents.text_layer.fields import find_fields
from invoice_pipelines.intake.documents.text_layer.identifiers import iban_is_valid, vat_id_is_valid
from invoice_pipelines.intake.documents.text_layer.page.notation import SYMBOLS
from invoice_pipelines.intake.documents.text_layer.page.vocabulary import load_vocabulary
from invoice_pipelines.intake.documents.text_layer.page.words import PDFIUM_LOCK
from invoice_pipelines.intake.reading import Discrepancy, DiscrepancyKind, Reading

_CONFIDENT = 0.9
# An invoice says who, what and how much on its first and last pages; a book of annexes is not compared.
_MOST_PAGES = 10
_FEWEST_CHARACTERS = 40
_SOME_AMOUNT = re.compile(r"\d[.,]\d\d(?![\d.,])")

_NAMES = {
    "number": ("invoice number", "die Rechnungsnummer"),
    "issue_date": ("issue date", "das Rechnungsdatum"),
    "currency": ("currency", "die Währung"),
    "net_amount": ("net amount", "der Nettobetrag"),
    "tax_amount": ("VAT amount", "der Umsatzsteuerbetrag"),
    "gross_amount": ("total with VAT", "der Gesamtbetrag"),
    "iban": ("IBAN", "die IBAN"),
    "seller.vat_id": ("seller's VAT id", "die USt-IdNr. des Verkäufers"),
}


@contextmanager
def texts_of_pages(data: bytes) -> Iterator[Callable[[], tuple[str, ...]]]:
    """Extracts the text of a PDF's pages in another process while this one reads the XML.

    The function it yields waits for the texts, which have no blanks and small letters. There are none for a PDF that
    cannot be opened, has no text layer or has more than ten pages.
    """
    from invoice_pipelines.intake.documents.ocr.rendering import begin_apart  # loads the picture libraries

    with begin_apart(_texts, data) as texts:
        yield texts


def differences_of_pages(
    data: bytes, reading: Reading, texts: Callable[[], tuple[str, ...]], limits: Limits
) -> tuple[Discrepancy, ...]:
    """Where the pages of a PDF contradict `reading`, which was made from the XML attached to it.

    A value counts only if it is missing from the pages and they show another one beyond doubt. The total is the
    exception: pages with amounts, but neither the total nor the amount due, are always reported. Never raises.
    """
    from invoice_pipelines.intake.documents.ocr.rendering import read_pages_apart

    expected = _expected(reading)
    try:
        printed = texts()
        missing = not_printed(printed, expected)
        if not missing:
            return ()
        pages = read_pages_apart(data, limits)
        shown = find_fields([page for page in pages if page.usable])
    except ReadingError:
        return ()
    found = _confident(shown)
    differences = [
        _difference(field, expected[field], found[field])
        for field in _NAMES
        if field in missing and field in found and not _same(expected[field], found[field])
    ]
    if (
        "gross_amount" in missing
        and "gross_amount" not in found
        and _shows_other_amounts(printed, reading.payable_amount)
    ):
        differences.append(_unprinted_total(expected["gross_amount"], shown.gross_amount))
    return tuple(differences)


def _shows_other_amounts(texts: Sequence[str], payable: Decimal | None) -> bool:
    """Whether amounts are printed, but the amount due is not among them; a cover letter has none."""
    if not any(_SOME_AMOUNT.search(text) for text in texts):
        return False
    return payable is None or bool(not_printed(texts, {"payable_amount": payable}))


def _difference(field: str, of_xml: str | date | Decimal, on_page: str | date | Decimal) -> Discrepancy:
    name, name_de = _NAMES[field]
    return Discrepancy(
        DiscrepancyKind.PAGES_DIFFER,
        f"The XML leads: its {name} is {of_xml}, but the page shows {on_page}.",
        f"Maßgeblich ist das XML: Dort lautet {name_de} {as_german(of_xml)}, auf der Seite steht {as_german(on_page)}.",
    )


def _unprinted_total(of_xml: str | date | Decimal, on_page: Decimal | None) -> Discrepancy:
    perhaps = "" if on_page is None else f"; its total seems to be {on_page}"
    perhaps_de = "" if on_page is None else f"; ihr Gesamtbetrag scheint {as_german(on_page)} zu sein"
    return Discrepancy(
        DiscrepancyKind.PAGES_DIFFER,
        f"The XML leads: its total with VAT is {of_xml}, but no page shows that amount{perhaps}.",
        f"Maßgeblich ist das XML: Dort beträgt der Gesamtbetrag {as_german(of_xml)}, auf keiner Seite steht dieser"
        f" Betrag{perhaps_de}.",
    )


def _expected(reading: Reading) -> dict[str, str | date | Decimal]:
    values = {field: attrgetter(field)(reading) for field in _NAMES}
    if not reading.tax_amount or sum(bool(part.tax_amount) for part in reading.tax_breakdowns) > 1:
        del values["tax_amount"]  # no tax is rarely printed, and that of several rates often not as a sum
    return {field: value for field, value in values.items() if value is not None and value != ""}


def _confident(shown: Reading) -> dict[str, str | date | Decimal]:
    """Values that the pages show beyond doubt; identifiers only with valid check digits."""
    return {field: value for field, value in _expected(shown).items() if _is_sure(shown, field, value)}


def _is_sure(shown: Reading, field: str, value: str | date | Decimal) -> bool:
    if field == "iban":
        return iban_is_valid(str(value))
    provenance = shown.provenance.get(field)
    confidence = provenance.confidence if provenance else 0.0
    if field == "seller.vat_id":
        return vat_id_is_valid(str(value)) and confidence >= 0.8
    return confidence >= _CONFIDENT


def _same(one: str | date | Decimal, other: str | date | Decimal) -> bool:
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return abs(one) == abs(other)  # a credit note is printed with or without a sign
    return _squeezed(str(one)) == _squeezed(str(other))


def _forms(value: str | date | Decimal) -> Iterator[str]:
    """The ways in which a value may be printed, without blanks and in small letters."""
    if isinstance(value, date):
        for form in ("%d.%m.%Y", "%Y-%m-%d", "%d.%m.%y", "%d/%m/%Y", "%d-%m-%Y", "%m/%d/%Y"):
            yield f"{value:{form}}"
        yield f"{value.day}.{value.month}.{value.year}"
        for name in _months()[value.month]:
            yield from (f"{value.day}{stop}{name}{value.year}" for stop in (".", "", "de"))
            yield from (f"{name}{value.day}{stop}{value.year}" for stop in (",", ""))
    elif isinstance(value, Decimal):
        english = f"{abs(value):,.2f}"
        plain = english.replace(",", "")
        yield from (english, plain, plain.replace(".", ","))
        yield english.translate(str.maketrans(",.", ".,"))
        yield from (english.replace(",", mark) for mark in "'’")
    else:
        yield _squeezed(value)
        yield from (symbol.casefold() for symbol, code in SYMBOLS.items() if code == value)


@cache
def _months() -> dict[int, list[str]]:
    """The names of each month, in all languages that are known."""
    names: dict[int, list[str]] = {}
    for name, number in load_vocabulary().months.items():
        names.setdefault(number, []).append(name)
    return names


def _squeezed(text: str) -> str:
    return "".join(text.split()).casefold()


def not_printed(texts: Sequence[str], expected: Mapping[str, str | date | Decimal]) -> set[str]:
    """The fields whose values stand on no page; none where there is next to no text.

    `texts` are those of the pages without blanks and in small letters.
    """
    if sum(map(len, texts)) < _FEWEST_CHARACTERS:
        return set()
    return {
        field for field, value in expected.items() if not any(form in text for form in _forms(value) for text in texts)
    }


def _texts(data: bytes) -> tuple[str, ...]:
    try:
        with PDFIUM_LOCK, closing(pypdfium2.PdfDocument(data)) as document:
            if len(document) > _MOST_PAGES:
                return ()
            return tuple(_squeezed(page.get_textpage().get_text_range()) for page in document)
    except (pypdfium2.PdfiumError, UnicodeDecodeError):
        return ()
