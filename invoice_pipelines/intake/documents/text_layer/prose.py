"""Whether pages hold an invoice at all, or a text that speaks of invoices: a specification, a manual, a contract.

Such a text names numbers, dates and sellers, so fields are found in it. What it lacks are amounts: real invoices have
one among 10 to 40 words, specifications of e-invoicing one among 60 or more, manuals one among a thousand. Long
conditions printed with an invoice thin its amounts out, but then its total is sure, or its seller is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents.text_layer.identifiers import iban_is_valid, vat_id_is_valid
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.reading import Reading, Source

_MONEY = re.compile(r"\D{0,4}(?:\d{1,3}(?:[.,']?\d{3})*[.,]\d\d|\d{1,3}(?:[.,']\d{3})+)\D{0,4}")
_FEWEST_WORDS = 100
"""Of shorter documents, such as receipts and bad scans, the words say too little."""
_WORDS_PER_AMOUNT = 40
_WORDS_PER_AMOUNT_WITH_CONDITIONS = 1000
_MOST_WORDS = 3000
"""Of an invoice with its conditions; among more words, a total is found by chance."""
_LIKELY = 0.6
_SURE = 0.9


def refuse_prose(reading: Reading, pages: Sequence[Page]) -> None:
    """Raises ReadingError NOT_AN_INVOICE for a reading of pages with a text layer that are a text about something.

    Recognized words are not judged, whoever recognized them: on a bad scan, amounts are what is lost first.
    """
    if reading.source is not Source.TEXT or any(page.needs_ocr for page in pages):
        return
    words = [word[0] for page in reading.raw.get("pages", ()) for word in page["words"]]
    amounts = sum(1 for word in words if _MONEY.fullmatch(word))
    if len(words) < _FEWEST_WORDS or amounts * _WORDS_PER_AMOUNT >= len(words) or _seller_is_sure(reading):
        return
    total = _confidence(reading, "gross_amount")
    if amounts * _WORDS_PER_AMOUNT_WITH_CONDITIONS >= len(words) and len(words) <= _MOST_WORDS:
        if total >= _LIKELY:
            return
    elif total >= _SURE and _confidence(reading, "number") >= _SURE:
        return
    found = "no amount is" if not amounts else "1 amount is" if amounts == 1 else f"{amounts:,} amounts are"
    raise ReadingError(
        "NOT_AN_INVOICE",
        f"The document is a text, not an invoice: {found} among its {len(words):,} words, and no sure total. If it is"
        " an invoice after all, ask its sender for an e-invoice.",
    )


def _seller_is_sure(reading: Reading) -> bool:
    vat_id, iban = reading.seller.vat_id, reading.iban
    return bool(vat_id and vat_id_is_valid(vat_id)) or bool(iban and iban_is_valid(iban))


def _confidence(reading: Reading, field: str) -> float:
    place = reading.provenance.get(field)
    return place.confidence if place else 0.0
