"""Holds the comparison of a hybrid PDF's XML with what its pages show. The XML leads; differences are remarks.

Law and sense: the structured part of a hybrid invoice is the invoice (UStAE 14.4 (3)), but a person who pays by the
picture must not pay something else. Cheap for the usual case: where everything stands literally in the text of the
pages, fields are not looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from functools import cache

import pypdfium2

from invoice_pipelines.intake.readers.limits import Limits
from invoice_pipelines.intake.readers.text_layer.fields import find_fields
from invoice_pipelines.intake.readers.text_layer.identifiers import iban_is_valid, vat_id_is_valid
from invoice_pipelines.intake.readers.text_layer.notation import SYMBOLS
from invoice_pipelines.intake.readers.text_layer.vocabulary import load_vocabulary
from invoice_pipelines.intake.readers.text_layer.words import PDFIUM_LOCK
from invoice_pipelines.intake.reading import Reading, ReadingError

_CONFIDENT = 0.9
# An invoice says who, what and how much on its first and last pages; a book of annexes is not compared.
_MOST_PAGES = 10
_FEWEST_CHARACTERS = 40

_NAMES = {
    "number": "invoice number",
    "issue_date": "issue date",
    "currency": "currency",
    "net_amount": "net amount",
    "tax_amount": "VAT amount",
    "gross_amount": "total with VAT",
    "iban": "IBAN",
    "seller.vat_id": "seller's VAT id",
}


@contextmanager
def texts_of_pages(data: bytes) -> Iterator[Callable[[], tuple[str, ...]]]:
    """Has the text of a PDF's pages looked for in another process, while here the XML is read.

    Gives the texts, without blanks and in small letters, when they are asked for; none for a PDF without a text layer
    or with more than ten pages, or that cannot be opened.
    """
    from invoice_pipelines.intake.ocr.rendering import begin_apart  # loads the picture libraries

    with begin_apart(_texts, data) as texts:
        yield texts


def picture_warnings(
    data: bytes, reading: Reading, texts: Callable[[], tuple[str, ...]], limits: Limits
) -> tuple[str, ...]:
    """What the pages of a PDF say otherwise than `reading`, which was made from the XML attached to it.

    Only what the pages say beyond doubt, and only where the value of the XML stands nowhere on them. Never raises.
    """
    from invoice_pipelines.intake.ocr.rendering import read_pages_apart

    expected = _expected(reading)
    try:
        missing = _not_printed(texts(), expected)
        if not missing:
            return ()
        pages = read_pages_apart(data, limits)
        shown = find_fields([page for page in pages if page.usable])
    except ReadingError:
        return ()
    found = _confident(shown)
    return tuple(
        f"The XML leads: its {_NAMES[field]} is {expected[field]}, but the page shows {found[field]}."
        for field in _NAMES
        if field in missing and field in found and not _same(expected[field], found[field])
    )


def _expected(reading: Reading) -> dict[str, str | date | Decimal]:
    values = {
        "number": reading.number,
        "issue_date": reading.issue_date,
        "currency": reading.currency,
        "net_amount": reading.net_amount,
        "tax_amount": reading.tax_amount,
        "gross_amount": reading.gross_amount,
        "iban": reading.iban,
        "seller.vat_id": reading.seller.vat_id,
    }
    if not reading.tax_amount or sum(bool(part.tax_amount) for part in reading.tax_breakdowns) > 1:
        del values["tax_amount"]  # no tax is rarely printed, and that of several rates often not as a sum
    return {field: value for field, value in values.items() if value is not None and value != ""}


def _confident(shown: Reading) -> dict[str, str | date | Decimal]:
    """What the pages show beyond doubt, and of identifiers those whose check digits are right."""
    found = {}
    for field, value in _expected(shown).items():
        path = "payments[0].accounts[0].account_id" if field == "iban" else field
        provenance = shown.provenance.get(path)
        if field == "iban":
            sure = iban_is_valid(str(value))
        elif field == "seller.vat_id":
            sure = vat_id_is_valid(str(value)) and provenance is not None and provenance.confidence >= 0.8
        else:
            sure = provenance is not None and provenance.confidence >= _CONFIDENT
        if sure:
            found[field] = value
    return found


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


def _not_printed(texts: Sequence[str], expected: Mapping[str, str | date | Decimal]) -> set[str]:
    """The fields whose values stand on no page; none where there is next to no text."""
    if sum(map(len, texts)) < _FEWEST_CHARACTERS:
        return set()
    return {
        field for field, value in expected.items() if not any(form in text for form in _forms(value) for text in texts)
    }


def _texts(data: bytes) -> tuple[str, ...]:
    with PDFIUM_LOCK:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError:
            return ()
        try:
            if len(document) > _MOST_PAGES:
                return ()
            return tuple(_squeezed(page.get_textpage().get_text_range()) for page in document)
        except (pypdfium2.PdfiumError, UnicodeDecodeError):
            return ()
        finally:
            document.close()
