"""What happened to a received invoice, in one row: states, failed attempts, decisions and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from invoice_pipelines.intake.lists import StatusChange
from invoice_pipelines.intake.operations import LoggedError
from invoice_pipelines.intake.review.decision_log import Decision, Kind
from invoice_pipelines.intake.review.show import Document
from invoice_pipelines.web.pages.received.words import Words


@dataclass(frozen=True, slots=True)
class Event:
    """Who did what when. kind: that of a badge with `words`; `text` are the sentences below, and `quoted` what a
    person wrote.
    """

    at: datetime
    who: str
    kind: str
    words: str
    text: str = ""
    quoted: str = ""


def history_of(
    document: Document, changes: Sequence[StatusChange], errors: Sequence[LoggedError], words: Words
) -> list[Event]:
    """All that happened, the oldest first."""
    _ = words.language.gettext
    events = [
        *(Event(one.changed_at, words.language.who(one.changed_by), *words.state(one.to_status)) for one in changes),
        *_attempts(errors, words),
        *(_decided(decision, words) for decision in document.decisions),
        *(
            Event(note.created_at, words.language.who(note.created_by), "plain", _("Note"), "", note.note)
            for note in document.notes
        ),
    ]
    return sorted(events, key=lambda event: event.at)


def _attempts(errors: Sequence[LoggedError], words: Words) -> Iterator[Event]:
    _ = words.language.gettext
    for error in errors:
        stage = words.stage(error.stage)
        again = error.will_be_retried
        said = _("%(stage)s failed; it is tried again") if again else _("%(stage)s failed")
        yield Event(
            error.created_at, _("the pipeline"), "warn" if again else "bad", said % {"stage": stage}, words.error(error)
        )


def _decided(decision: Decision, words: Words) -> Event:
    _ = words.language.gettext
    entry = decision.entry
    kind, said = {
        Kind.ACCEPTED: ("good", _("Accepted")),
        Kind.CORRECTED: ("good", _("Corrected")),
        Kind.REJECTED: ("bad", _("Rejected")),
        Kind.UNDONE: ("warn", _("Taken back")),
        Kind.ASKED: ("info", _("Asked for the supplier")),
    }[entry.decision]
    text = ""
    if entry.field is not None:
        new = words.value(entry.field, entry.new_value)
        text = f"{words.field(entry.field)}: {new}"
        if entry.decision is Kind.CORRECTED:
            text = f"{words.field(entry.field)}: {words.value(entry.field, entry.old_value)} → {new}"
    return Event(decision.decided_at, words.language.who(decision.decided_by), kind, said, text, entry.reason or "")
