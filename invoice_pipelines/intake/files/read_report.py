"""The report of `invoice-pipelines read`: one JSON object per file, whatever the file is. It needs no database.

The readers are in `documents`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.model import Line
from invoice_pipelines.einvoice.rules.german import in_german
from invoice_pipelines.intake.documents import Aids, Limits, read_document
from invoice_pipelines.intake.documents.ocr.engine import EngineUnavailable
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.reading_errors import german_reading_error
from invoice_pipelines.intake.rows import plain

_NO_AIDS = Aids()
_PLACES = {
    "seller_name": "seller.name",
    "seller_vat_id": "seller.vat_id",
    "seller_tax_id": "seller.tax_id",
    "buyer_name": "buyer.name",
    "buyer_vat_id": "buyer.vat_id",
    "iban": "payments[0].accounts[0].account_id",
}
"""Keys of the provenance of fields whose name is another."""


def read_report(
    path: Path, name: str, aids: Aids = _NO_AIDS, *, ignore_attached_xml: bool = False, german: bool = False
) -> dict[str, Any]:
    """Read the file at `path` and say what was found, as an object that `json.dumps` takes. Never raises.

    `name` is what the report calls the file; its sentences are English or German.
    Keys: file, ok, source, format, profile, fields, confidence, lines,
    warnings (sentences; those on a PDF and the XML in it that do not go together come first), error.
    Amounts are strings with the decimals of the document, dates are ISO 8601, an absent value is None. `confidence` has
    that of each field that was found, 0 to 1. Where the file cannot be read, `ok` is False, `error` is one sentence,
    `fields`, `confidence`, `lines` and `warnings` are empty, and the rest is None.
    """
    shown = as_text(name)
    try:
        reading = read_document(file_content(path), path.name, aids=aids, ignore_attached_xml=ignore_attached_xml)
    except ReadingError as error:
        return _failure(shown, error.code, error.message, german)
    except EngineUnavailable as error:
        return _failure(shown, "OCR_UNAVAILABLE", str(error), german)
    except Exception as error:  # noqa: BLE001 (one file, whatever is in it, must not stop the others)
        because = f"The file could not be read because of a defect ({type(error).__name__})."
        return _failure(shown, "INTERNAL", because, german)
    return {
        "file": shown,
        "ok": True,
        "source": reading.source.value,
        "format": reading.format.value,
        "profile": reading.profile,
        "fields": _fields(reading),
        "confidence": _confidence(reading),
        "lines": [_line(line) for line in reading.lines],
        "warnings": _warnings(reading, german),
        "error": None,
    }


def documents_below(paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """The files that `paths` name, and those in the folders that they name, each with the name for its report.

    Folders are searched to the bottom, in path order, without following links to folders. A file is called what it
    is called in `paths`; a file in a folder by its path from there, preceded by the folder where `paths` names more
    than one. A path that does not exist is passed on, so that its report says so; devices and pipes are left out.
    """
    given = list(paths)
    for path in given:
        if not path.is_dir():
            yield str(path), path
            continue
        below = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
        for file in sorted(below):
            if file.is_file():
                yield (file if len(given) > 1 else file.relative_to(path)).as_posix(), file


def as_text(name: str) -> str:
    """The name of a file as valid text; bytes that are not valid become question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")


def file_content(path: Path) -> bytes:
    """The bytes of a file, within the limits of readers.

    Raises `ReadingError`: NOT_A_FILE, TOO_LARGE, FILE_UNREADABLE.
    """
    limits = Limits()
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ReadingError("NOT_A_FILE", "This is not a file.")
        if status.st_size > limits.file_bytes:
            raise ReadingError(
                "TOO_LARGE", f"The file has {status.st_size:,} bytes; at most {limits.file_bytes:,} are accepted."
            )
        return path.read_bytes()
    except OSError as error:
        raise ReadingError(
            "FILE_UNREADABLE", f"The file cannot be opened: {error.strerror or 'unknown reason'}."
        ) from None
    except ValueError:  # a NUL in the name
        raise ReadingError("FILE_UNREADABLE", "The file cannot be opened: its name is not valid.") from None


def _warnings(reading: Reading, german: bool) -> list[str]:
    if not german:
        return [*(found.message for found in reading.discrepancies), *reading.warnings]
    of_pdf = (found.message_de for found in reading.discrepancies)
    return [*of_pdf, *(in_german(warning) or warning for warning in reading.warnings)]


def _failure(name: str, code: str, message: str, german: bool) -> dict[str, Any]:
    if german:
        message = german_reading_error(code, message)
    return {
        "file": name,
        "ok": False,
        "source": None,
        "format": None,
        "profile": None,
        "fields": {},
        "confidence": {},
        "lines": [],
        "warnings": [],
        "error": f"{code}: {message}",
    }


def _fields(reading: Reading) -> dict[str, str | None]:
    return {
        "number": reading.number,
        "type_code": reading.type_code,
        "issue_date": plain(reading.issue_date),
        "due_date": plain(reading.due_date),
        "currency": reading.currency,
        "seller_name": reading.seller.name,
        "seller_vat_id": reading.seller.vat_id,
        "seller_tax_id": reading.seller.tax_id,
        "buyer_name": reading.buyer.name,
        "buyer_vat_id": reading.buyer.vat_id,
        "buyer_reference": reading.buyer_reference,
        "net_amount": plain(reading.net_amount),
        "tax_amount": plain(reading.tax_amount),
        "gross_amount": plain(reading.gross_amount),
        "payable_amount": plain(reading.payable_amount),
        "iban": reading.iban,
    }


def _confidence(reading: Reading) -> dict[str, float]:
    if reading.source is Source.XML:
        return {name: 1.0 for name, value in _fields(reading).items() if value is not None}
    found = {name: reading.provenance.get(_PLACES.get(name, name)) for name in _fields(reading)}
    return {name: place.confidence for name, place in found.items() if place is not None}


def _line(line: Line) -> dict[str, str | None]:
    return {
        "description": line.name or line.description,
        "quantity": plain(line.quantity),
        "unit": line.unit,
        "unit_price": plain(line.unit_price),
        "net_amount": plain(line.net_amount),
        "tax_rate": plain(line.tax_rate),
    }
