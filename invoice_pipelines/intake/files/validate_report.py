"""The report of `invoice-pipelines validate`: one JSON object per file, also for a file that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Aids, read_document
from invoice_pipelines.intake.documents.ocr.engine import EngineUnavailable
from invoice_pipelines.intake.files.read_report import as_text, file_content
from invoice_pipelines.intake.reading_errors import class_of_reading_error, german_reading_error
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate

_NO_AIDS = Aids()


def validate_report(
    path: Path,
    name: str,
    *,
    today: date,
    rules_directory: Path | None = None,
    aids: Aids = _NO_AIDS,
    german: bool = False,
) -> dict[str, Any]:
    """What validation says of one file, as `{"file", "valid", "violations": [...]}`.

    `name` is how the file is called in the report; messages are English or `german`. A file that cannot be read
    is invalid, with one violation whose rule is the code of the `ReadingError`. Raises `RulesDirectoryError` only.
    """
    name = as_text(name)
    try:
        reading = read_document(file_content(path), file_name=path.name, aids=aids)
        verdict = validate(reading, Expectations(today=today), rules_directory=rules_directory)
    except ReadingError as error:
        return _unread(name, error.code, error.message, german)
    except EngineUnavailable as error:
        return _unread(name, "OCR_UNAVAILABLE", str(error), german)
    return {
        "file": name,
        "valid": verdict.valid,
        "violations": [
            _entry(
                v.rule,
                v.severity.value,
                v.violation_class.value,
                v.message_de if german else v.message,
                v.location,
            )
            for v in verdict.violations
        ],
    }


def _unread(name: str, code: str, message: str, german: bool) -> dict[str, Any]:
    found = class_of_reading_error(code)
    if german:
        message = german_reading_error(code, message)
    entry = _entry(code, "fatal", None if found is None else found.value, message, None)
    return {"file": name, "valid": False, "violations": [entry]}


def _entry(
    rule: str, severity: str, violation_class: str | None, message: str, location: str | None
) -> Mapping[str, str | None]:
    return {"rule": rule, "severity": severity, "class": violation_class, "message": message, "location": location}
