"""Turns a `Reading` into columns and JSON for PostgreSQL. Touches no database."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

from invoice_pipelines.einvoice.model import Party
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.validation.duplicates import comparable_number
from invoice_pipelines.intake.validation.withholding import as_read, unconfirmed_seller

REQUIRED_FIELDS = ("number", "issue_date", "seller.name", "gross_amount", "currency")
"""The fields whose lowest confidence is the confidence of the reading."""

_LONGEST_KEY = 200
_FEWEST_WORDS = 20
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_PERHAPS_NOT_STORABLE = re.compile(r"\\u(0000|d[89a-f])")  # in JSON; a character beyond U+FFFF is a pair of surrogates


def invoice_row(reading: Reading) -> dict[str, Any]:
    """The header columns of `intake.received_invoice`, for `json_text`; amounts are strings, to keep their decimals."""
    return {
        "source": str(reading.source),
        "format": str(reading.format),
        "profile": plain(reading.profile),
        "invoice_number": plain(reading.number),
        "invoice_key": plain(invoice_key(reading.number)),
        "type_code": plain(reading.type_code),
        "issue_date": plain(reading.issue_date),
        "due_date": plain(reading.due_date),
        "currency": plain(reading.currency),
        "seller_name": plain(reading.seller.name),
        "seller_vat_id": plain(reading.seller.vat_id),
        "seller_tax_id": plain(reading.seller.tax_id),
        "seller_key": plain(seller_key(as_read(reading).seller)),
        "unconfirmed_seller": plain(unconfirmed_seller(reading)),
        "buyer_name": plain(reading.buyer.name),
        "buyer_vat_id": plain(reading.buyer.vat_id),
        "buyer_reference": plain(reading.buyer_reference),
        "order_reference": plain(reading.order_reference),
        "iban": plain(reading.iban),
        "net_amount": plain(reading.net_amount),
        "tax_amount": plain(reading.tax_amount),
        "gross_amount": plain(reading.gross_amount),
        "payable_amount": plain(reading.payable_amount),
        "confidence": str(round(Decimal(str(confidence(reading))), 3)),
        "content_sha256": content_sha256(reading),
        "reading_json": reading_json(reading),
        "raw_json": reading.raw,
    }


def content_sha256(reading: Reading) -> str | None:
    """SHA-256 of what was read, which is the same in another file: of the XML, or of the words on the pages.

    None for pages with so few words that different documents may have the same ones.
    """
    if reading.xml is not None:
        return hashlib.sha256(reading.xml).hexdigest()
    words = [word[0] for page in reading.raw.get("pages", ()) for word in page["words"]]
    if len(words) < _FEWEST_WORDS:
        return None
    return hashlib.sha256("\n".join(words).encode("utf-8", "replace")).hexdigest()


def line_rows(invoice_id: UUID, reading: Reading) -> list[dict[str, Any]]:
    """The rows of `intake.received_invoice_line`, numbered from 1 in the order of the document."""
    return [
        {
            "received_invoice_id": str(invoice_id),
            "line_number": number,
            "line_identifier": plain(line.identifier),
            "description": plain(line.name or line.description),
            "quantity": plain(line.quantity),
            "unit": plain(line.unit),
            "unit_price": plain(line.unit_price),
            "net_amount": plain(line.net_amount),
            "tax_category": plain(line.tax_category),
            "tax_rate": plain(line.tax_rate),
        }
        for number, line in enumerate(reading.lines, start=1)
    ]


def tax_rows(invoice_id: UUID, reading: Reading) -> list[dict[str, Any]]:
    """The rows of `intake.received_invoice_tax`: the VAT breakdown (BG-23) in the order of the document."""
    return [
        {
            "received_invoice_id": str(invoice_id),
            "position": position,
            "category": plain(tax.category),
            "rate": plain(tax.rate),
            "taxable_amount": plain(tax.taxable_amount),
            "tax_amount": plain(tax.tax_amount),
        }
        for position, tax in enumerate(reading.tax_breakdowns, start=1)
    ]


def seller_key(seller: Party) -> str | None:
    """What tells one seller from another: VAT id, else tax id, else name, without blanks and case."""
    for value in (seller.vat_id, seller.tax_id, seller.name):
        folded = re.sub(r"[\W_]+", "", value or "").casefold()
        if folded:
            return _indexable(folded)
    return None


def invoice_key(number: str | None) -> str | None:
    """The number as duplicates are found by: without blanks and case, as people retype it."""
    return _indexable(comparable_number(number)) if number else None


def _indexable(key: str) -> str:
    """The key, or its SHA-256 where it is too long: an entry of an index takes 2,704 bytes, a document any length."""
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def confidence(reading: Reading) -> float:
    """The lowest confidence of the required fields: 1 from XML, 0 where one is missing in a text layer or scan."""
    found = [reading.provenance[name].confidence for name in REQUIRED_FIELDS if name in reading.provenance]
    if reading.source == "xml":
        return min(found, default=1.0)
    return min(found) if len(found) == len(REQUIRED_FIELDS) else 0.0


def reading_json(reading: Reading) -> dict[str, Any]:
    """The reading as JSON, without what is absent, and without the document itself (`raw`, `xml`)."""
    return _present(reading, _fields_but_the_document())


def json_text(value: Any) -> str:
    """A value as JSON text that PostgreSQL can store, whatever a document holds; see `plain`.

    The raw form of a document is most of a row and is JSON already, so it is only looked through as text.
    """
    text = json.dumps(value, default=plain)
    return json.dumps(plain(value)) if _PERHAPS_NOT_STORABLE.search(text) else text


def plain(value: Any) -> Any:
    """A value as JSON knows it: decimals and dates as text, data classes as objects without absent values.

    NUL and lone surrogates, which PostgreSQL cannot store, become U+FFFD.
    """
    kind = type(value)  # what most values are comes first and is told by its exact type: there are many per document
    if value is None or kind is bool or kind is int or kind is float:
        return value
    if kind is str:
        return value if value.isascii() and "\0" not in value else _NOT_STORABLE.sub("\ufffd", value)
    if kind is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [plain(item) for item in value]
    if kind is Decimal:
        return format(value, "f")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return _NOT_STORABLE.sub("\ufffd", value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _present(value, _field_names(value.__class__))
    return value


def _present(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a data class as JSON, without those that are None, empty lists or empty objects."""
    shown = {}
    for name in names:
        item = getattr(value, name)
        if item is None or item == ():  # most fields of most documents
            continue
        form = plain(item)
        if form or form.__class__ not in (list, dict):
            shown[name] = form
    return shown


@cache
def _fields_but_the_document() -> tuple[str, ...]:
    return tuple(name for name in _field_names(Reading) if name not in ("raw", "xml"))


@cache
def _field_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
