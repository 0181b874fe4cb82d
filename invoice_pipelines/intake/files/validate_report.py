"""The report of `invoice-pipelines validate`: one JSON object per file, also for a file that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from invoice_pipelines.einvoice import validate as official_verdict
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
    official: bool = False,
) -> dict[str, Any]:
    """What validation says of one file.

    It is `{"file", "valid", "officially_valid", "refused_by", "rules", "violations": [...]}`. `refused_by` are the
    classes of the fatal violations, `rules` the releases that were asked: those in force `today`. `officially_valid` is
    the verdict of schema and business rules alone, None where there is no XML to ask them of. With `official` no others
    are asked, and a file without XML is refused. `name` is how the file is called in the report; messages are English
    or `german`. A file that cannot be read is invalid, with one violation whose rule is the code of the `ReadingError`.
    Raises `RulesDirectoryError` only.
    """
    name = as_text(name)
    try:
        reading = read_document(file_content(path), file_name=path.name, aids=aids)
        if not official:
            verdict = validate(reading, Expectations(today=today), rules_directory=rules_directory)
        elif reading.xml is not None:
            verdict = official_verdict(reading.xml, rules_directory=rules_directory, on=today)
        else:
            raise ReadingError("NO_XML", "There is no XML invoice in the file, of which official rules could be asked.")
    except ReadingError as error:
        return _unread(name, error.code, error.message, german)
    except EngineUnavailable as error:
        return _unread(name, "OCR_UNAVAILABLE", str(error), german)
    return {
        "file": name,
        "valid": verdict.valid,
        "officially_valid": None if reading.xml is None else verdict.officially_valid,
        "refused_by": [refusing.value for refusing in verdict.refused_by],
        "rules": verdict.rules_version,
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
    refused_by = [] if found is None else [found.value]
    return {
        "file": name,
        "valid": False,
        "officially_valid": None,
        "refused_by": refused_by,
        "rules": None,
        "violations": [entry],
    }


def _entry(
    rule: str, severity: str, violation_class: str | None, message: str, location: str | None
) -> Mapping[str, str | None]:
    return {"rule": rule, "severity": severity, "class": violation_class, "message": message, "location": location}
