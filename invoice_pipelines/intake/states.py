"""The life of a received invoice: its statuses, which may follow which, in which queue it waits, and names for people.

Transitions stand in `received_invoice.sql` as well, where PostgreSQL enforces them; a test keeps the two alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

INTAKE_RUN = "intake"
"""The job that does all that is due in one organization, and the kind of its turns."""
PARSE = "parse_upload"
RECOGNIZE = "recognize_upload"
VALIDATE = "validate_invoice"
EXPORT = "export_invoice"
PROCESS = "process_upload"
EXPORT_NOW = "export_received"
"""Kinds of the batch jobs over uploads, and over invoices to export, that people ask for. Nobody works on their items:
what is done is the open work of the other kinds, and `intake.settle_asked_work` ends the items."""
STAGE_OF_KIND = {PARSE: "parse", RECOGNIZE: "parse", VALIDATE: "validate", EXPORT: "export"}
"""The stage that an attempt of a queue is logged as."""


class Status(StrEnum):
    """Where a received invoice stands."""

    UPLOADED = "UPLOADED"
    CREATED = "CREATED"
    PARSED = "PARSED"
    VALIDATED = "VALIDATED"
    EXPORTED = "EXPORTED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class _State:
    """What there is to know of a status. `queues` are those that an invoice waits in until success leads to `next`;
    `others` may follow, too. The colour is a name of ANSI's; texts are a name and a sentence."""

    next: Status | None
    others: tuple[Status, ...]
    queues: tuple[str, ...]
    colour: str
    en: tuple[str, str]
    de: tuple[str, str]


_STATES = {
    Status.UPLOADED: _State(
        Status.PARSED,
        (Status.FAILED,),
        (PARSE, RECOGNIZE),
        "blue",
        ("Uploaded", "The file is stored and waits to be read."),
        ("Hochgeladen", "Die Datei ist gespeichert und wartet auf das Auslesen."),
    ),
    Status.CREATED: _State(
        Status.PARSED,
        (Status.FAILED,),
        (PARSE, RECOGNIZE),
        "magenta",
        ("Created", "The invoice waits to be read again."),
        ("Angelegt", "Die Rechnung wartet darauf, erneut ausgelesen zu werden."),
    ),
    Status.PARSED: _State(
        Status.VALIDATED,
        (Status.CREATED, Status.FAILED),  # CREATED is for reading it again under other rules
        (VALIDATE,),
        "yellow",
        ("Parsed", "The fields are read and wait for validation, or for a person."),
        ("Ausgelesen", "Die Felder sind gelesen und warten auf die Prüfung oder auf einen Menschen."),
    ),
    Status.VALIDATED: _State(
        Status.EXPORTED,
        (Status.CREATED, Status.FAILED),  # as above
        (EXPORT,),
        "cyan",
        ("Validated", "The invoice keeps all rules and waits for export."),
        ("Validiert", "Die Rechnung hält alle Regeln ein und wartet auf den Export."),
    ),
    Status.EXPORTED: _State(
        None,
        (Status.VALIDATED, Status.FAILED),  # VALIDATED asks for a new export
        (),
        "green",
        ("Exported", "The invoice stands in an export file."),
        ("Exportiert", "Die Rechnung steht in einer Exportdatei."),
    ),
    Status.FAILED: _State(
        None,
        (Status.CREATED,),  # the retry
        (),
        "red",
        ("Failed", "The invoice could not be processed; the reason is recorded, a retry is possible."),
        (
            "Fehlgeschlagen",
            "Die Rechnung ließ sich nicht verarbeiten; der Grund ist festgehalten, ein neuer Versuch ist möglich.",
        ),
    ),
}

TRANSITIONS = {
    status: frozenset(state.others if state.next is None else (state.next, *state.others))
    for status, state in _STATES.items()
}
"""What may follow a status."""

QUEUES = {status: state.queues for status, state in _STATES.items() if state.queues}
"""The kinds of work that an invoice of a status waits for. Statuses that are not here wait for nothing."""

PARSEABLE = tuple(status for status, state in _STATES.items() if state.next is Status.PARSED)
"""The statuses in which an invoice can be read."""


@dataclass(frozen=True, slots=True)
class Headings:
    """What stands over counts of received invoices by status, in one language."""

    title: str
    status: str
    invoices: str
    all: str


HEADINGS = {
    "en": Headings("Received invoices", "status", "invoices", "all"),
    "de": Headings("Eingangsrechnungen", "Status", "Rechnungen", "alle"),
}


def is_valid_status_transition(before: Status, after: Status) -> bool:
    """Whether an invoice of one status may get the other; the same as `intake.is_allowed_transition` in PostgreSQL."""
    return after in TRANSITIONS[before]


def can_process(status: Status) -> bool:
    """Whether an invoice can be processed as it is: UPLOADED and CREATED. A FAILED one has to be retried first, which
    makes it CREATED.
    """
    return status in PARSEABLE


def is_terminal(status: Status) -> bool:
    """Whether an invoice stays there unless somebody asks for more: EXPORTED and FAILED."""
    return _STATES[status].next is None


def label(status: Status, language: str = "en") -> str:
    """Name of a status for people, in English (`en`) or German (`de`)."""
    return _texts(status, language)[0]


def colour(status: Status) -> str:
    """The colour in which a status is shown, by the name that ANSI terminals have for it."""
    return _STATES[status].colour


def description(status: Status, language: str = "en") -> str:
    """One sentence on what a status means, in English (`en`) or German (`de`)."""
    return _texts(status, language)[1]


def _texts(status: Status, language: str) -> tuple[str, str]:
    return {"en": _STATES[status].en, "de": _STATES[status].de}[language]
