"""Holds the life of a received invoice: its statuses, which may follow which, and their names for people.

The same rules stand in `received_invoice.sql`, where PostgreSQL enforces them; a test keeps the two alike.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a received invoice stands."""

    UPLOADED = "UPLOADED"
    CREATED = "CREATED"
    PARSED = "PARSED"
    VALIDATED = "VALIDATED"
    EXPORTED = "EXPORTED"
    FAILED = "FAILED"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.UPLOADED: frozenset({Status.PARSED, Status.FAILED}),
    Status.CREATED: frozenset({Status.PARSED, Status.FAILED}),
    Status.PARSED: frozenset({Status.VALIDATED, Status.CREATED, Status.FAILED}),
    Status.VALIDATED: frozenset({Status.EXPORTED, Status.CREATED, Status.FAILED}),
    Status.EXPORTED: frozenset({Status.VALIDATED, Status.FAILED}),
    Status.FAILED: frozenset({Status.CREATED}),
}
"""What may follow a status. FAILED to CREATED is the retry; EXPORTED to VALIDATED asks for a new export; PARSED or
VALIDATED to CREATED is for reading it again under other rules."""

PARSEABLE = (Status.UPLOADED, Status.CREATED)
"""What a reader may take."""

_NEXT = {
    Status.UPLOADED: Status.PARSED,
    Status.CREATED: Status.PARSED,
    Status.PARSED: Status.VALIDATED,
    Status.VALIDATED: Status.EXPORTED,
}

_LABELS: dict[str, dict[Status, tuple[str, str]]] = {
    "en": {
        Status.UPLOADED: ("Uploaded", "The file is stored and waits to be read."),
        Status.CREATED: ("Created", "The invoice waits to be read again."),
        Status.PARSED: ("Parsed", "The fields are read and wait for validation, or for a person."),
        Status.VALIDATED: ("Validated", "The invoice keeps all rules and waits for export."),
        Status.EXPORTED: ("Exported", "The invoice stands in an export file."),
        Status.FAILED: ("Failed", "The invoice could not be processed; the reason is recorded, a retry is possible."),
    },
    "de": {
        Status.UPLOADED: ("Hochgeladen", "Die Datei ist gespeichert und wartet auf das Auslesen."),
        Status.CREATED: ("Angelegt", "Die Rechnung wartet darauf, erneut ausgelesen zu werden."),
        Status.PARSED: ("Ausgelesen", "Die Felder sind gelesen und warten auf die Prüfung oder auf einen Menschen."),
        Status.VALIDATED: ("Geprüft", "Die Rechnung hält alle Regeln ein und wartet auf den Export."),
        Status.EXPORTED: ("Exportiert", "Die Rechnung steht in einer Exportdatei."),
        Status.FAILED: (
            "Fehlgeschlagen",
            "Die Rechnung ließ sich nicht verarbeiten; der Grund ist festgehalten, ein neuer Versuch ist möglich.",
        ),
    },
}


def next_status(status: Status) -> Status | None:
    """The status that success leads to; None where there is nothing left to do."""
    return _NEXT.get(status)


def is_terminal(status: Status) -> bool:
    """Whether an invoice stays there unless somebody asks for more: EXPORTED and FAILED."""
    return status not in _NEXT


def can_process(status: Status) -> bool:
    """Whether the pipeline goes on with an invoice by itself."""
    return status in _NEXT


def label(status: Status, language: str = "en") -> str:
    """Name of a status for people, in English (`en`) or German (`de`)."""
    return _LABELS[language][status][0]


def description(status: Status, language: str = "en") -> str:
    """One sentence on what a status means, in English (`en`) or German (`de`)."""
    return _LABELS[language][status][1]
