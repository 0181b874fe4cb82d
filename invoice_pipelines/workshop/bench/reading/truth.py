"""What is true of a document, and whether a reading says so."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from invoice_pipelines.intake.documents.text_layer.other_documents import CREDIT_NOTES
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.review.fields import value_of

FIELDS = {
    "number": "number",
    "issue_date": "issue_date",
    "currency": "currency",
    "net": "net_amount",
    "tax": "tax_amount",
    "gross": "gross_amount",
    "seller": "seller.name",
    "vat_id": "seller.vat_id",
    "iban": "iban",
}
"""What labels call a field, and what a reading calls it."""

KIND = "kind"
"""Which way the money goes: "invoice" or "credit note". It has no place on the page, and no confidence."""

AMOUNTS = ("net", "tax", "gross")
_STROKES = str.maketrans("łøđħ", "lodh")  # accents, though not to Unicode
_SHORTEST_PART = 4
"""Letters of a name that may stand for a longer one."""

Truth = Mapping[str, Sequence[str] | None]
"""By the names of `FIELDS`, and KIND: the spellings of a value that count as right, or None where it is not printed. A
field that is not judged is left out."""


def truth_of(label: Mapping[str, Any]) -> Truth:
    """The truth that a line of labels tells; there "?" is what is not judged."""
    return {field: label[field] for field in FIELDS if label.get(field, "?") != "?"}


def is_right(field: str, value: Any, accepted: Sequence[str] | None) -> bool | None:
    """Whether what was read is right. None where nothing is to be said: nothing read of nothing printed, or VAT of zero
    where none is printed."""
    if accepted is None:
        return None if value is None or (field == "tax" and value == 0) else False
    if value is None:
        return False
    return any(_same(field, value, spelling) for spelling in accepted)


def _same(field: str, value: Any, spelling: str) -> bool:
    if field in AMOUNTS:
        try:
            return bool(value == Decimal(spelling))
        except InvalidOperation:
            return False
    if field == "issue_date":
        return isinstance(value, date) and value.isoformat() == spelling
    if field == "seller":
        one, other = letters(str(value)), letters(spelling)
        return one == other or (min(len(one), len(other)) >= _SHORTEST_PART and (one in other or other in one))
    return letters(str(value)) == letters(spelling)


def letters(text: str) -> str:
    """Letters and digits alone, small and without accents, as OCR and people differ in all else."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_STROKES))
    return re.sub(r"[\W_]", "", "".join(sign for sign in plain if not unicodedata.combining(sign)))


def read_values(reading: Reading) -> dict[str, Any]:
    """The values of a reading by the names of `FIELDS`, and its KIND."""
    return {field: value_of(reading, name) for field, name in FIELDS.items()} | {KIND: kind_of(reading)}


def kind_of(reading: Reading) -> str:
    """By its title or its type code, or as its total is below zero."""
    is_negative = reading.gross_amount is not None and reading.gross_amount < 0
    return "credit note" if reading.type_code in CREDIT_NOTES or is_negative else "invoice"
