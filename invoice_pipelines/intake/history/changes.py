"""Compares a stored reading with a new one, and records the differences of a pass over history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines import storage
from invoice_pipelines.intake.reading import Provenance, Reading, Source
from invoice_pipelines.intake.review.decision_log import Decision, Kind, decided
from invoice_pipelines.intake.review.fields import FIELDS, place_of, shown, stored_value, value_of, with_value
from invoice_pipelines.intake.review.reasons import THRESHOLDS
from invoice_pipelines.intake.rows import json_text, reading_json
from invoice_pipelines.intake.states import Status

DOCUMENT = "(document)"
"""Stands for a field where the document as a whole is concerned."""

MORE = "(more)"
MOST_CHANGES = 500
"""Differences of one invoice that are written down one by one."""

ROWS_OF_A_FILE = 100_000

_NOT_VALUES = ("provenance", "warnings", "discrepancies", "withheld")
_LONGEST_VALUE = 500

COLUMNS = {
    "invoice_record_id": "id of the received invoice",
    "file_name": "name of the upload",
    "invoice_number": "BT-1, as it stands now",
    "status_before": "status when it was read again",
    "field": "which value, by its place in the reading",
    "old_value": "as it was read before",
    "new_value": "as it is read now",
    "effect": "what became of the invoice, or would have become: applied, or why not",
    "status_after": "its status then",
    "message": "more on that",
    "is_written": "true where it was written, false where it was only shown",
}
"""Columns of the file of changes."""


class Effect(StrEnum):
    """What a difference leads to."""

    APPLIED = "applied"
    """The new reading takes the place of the old one, and is validated."""
    EXPORTED = "exported"
    """Nothing: the invoice is exported, and exported ones were not asked for."""
    NOT_VALID = "new reading not valid"
    """Nothing: the invoice is exported, and the new reading is not valid or needs a person."""
    IN_EXPORT = "in a pending export"
    """Nothing: an export that has begun holds the invoice."""
    OVERTAKEN = "changed meanwhile"
    """Nothing: somebody else changed the invoice."""
    UNREADABLE = "not readable"
    """Nothing: the document cannot be read any more."""
    NOT_RECOGNIZED = "not recognized"
    """Nothing: no OCR engine has read all of its pages."""
    NO_ORIGINAL = "original missing"
    """Nothing: the store of originals does not give the document."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is read otherwise."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """A difference as it was recorded."""

    invoice_id: UUID
    file_name: str
    invoice_number: str | None
    status_before: str
    field: str
    old_value: str | None
    new_value: str | None
    effect: str
    status_after: str | None
    message: str | None

    @property
    def effect_in_words(self) -> str:
        """What it leads to, with the status where that is another one."""
        return in_words(self.effect, self.status_before, self.status_after, self.message)


def in_words(effect: str, status_before: str, status_after: str | None, message: str | None = None) -> str:
    """An effect for people."""
    words = effect if effect != Effect.APPLIED else f"{status_before} -> {status_after}"
    return f"{words} ({message})" if message else words


def as_people_left_it(reading: Reading, decisions: Sequence[Decision]) -> Reading:
    """The reading with the values that people corrected, and those that they confirmed: what a person has seen on the
    document is worth more than what a new rule finds."""
    reading = decided(reading, decisions)
    if reading.source is Source.XML:
        return reading
    last = {entry.field: entry for entry in (made.entry for made in decisions) if entry.field is not None}
    for field, entry in last.items():
        if entry.decision is not Kind.ACCEPTED or entry.new_value is None or field not in FIELDS:
            continue
        if shown(value_of(reading, field)) != entry.new_value:
            place = Provenance(Source.PERSON, 1.0, entry.page, entry.box, text=entry.new_value)
            reading = with_value(reading, field, stored_value(field, entry.new_value), place)
    return reading


def differences(old: Mapping[str, Any], reading: Reading, *, with_confidence: bool) -> list[Difference]:
    """What a stored reading (as JSON) and a new one say otherwise; where it stands on a page does not count, nor
    whether it was left out.

    `with_confidence` also compares how sure the values are that a review may wait for.
    """
    new: dict[str, Any] = json.loads(json_text(reading_json(reading)))
    before, after = (dict(_flat(one)) | _left_out(one) for one in (old, new))
    found = [
        Difference(field, before.get(field), after.get(field))
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    ]
    if with_confidence:
        for field in THRESHOLDS:
            sure_before, sure_after = _confidence(old, field), _confidence(new, field)
            if sure_before != sure_after:
                found.append(Difference(f"confidence of {field}", sure_before, sure_after))
    if len(found) > MOST_CHANGES:
        found = [*found[:MOST_CHANGES], Difference(MORE, None, f"{len(found) - MOST_CHANGES} further differences")]
    return found


def _left_out(reading: Mapping[str, Any]) -> dict[str, str]:
    return {field: withheld["value"] for field, withheld in reading.get("withheld", {}).items()}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if path or name not in _NOT_VALUES:
                yield from _flat(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _flat(part, f"{path}[{index}]")
    elif value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value)


def _confidence(reading: Mapping[str, Any], field: str) -> str | None:
    place = reading.get("provenance", {}).get(place_of(field))
    return None if place is None else f"{place['confidence']:.3f}"


def record_changes(
    connection: Connection,
    reparse_id: UUID,
    invoice_id: UUID,
    found: Sequence[Difference],
    *,
    status_before: str,
    effect: Effect,
    status_after: Status | None,
    message: str | None,
    is_written: bool,
) -> None:
    """Writes down what was found on an invoice. Twice in a pass it is written once, as after a kill."""
    connection.execute(
        text(
            """insert into intake.reparse_change (organization_id, reparse_id, received_invoice_id, position, field,
                   old_value, new_value, status_before, effect, status_after, message, is_written)
               values (organizations.current(), :reparse, :invoice, :position, :field, :old, :new,
                       :before, :effect, :after, :message, :is_written)
               on conflict do nothing"""
        ),
        [
            {
                "reparse": reparse_id,
                "invoice": invoice_id,
                "position": position,
                "field": one.field[:_LONGEST_VALUE],
                "old": _short(one.old),
                "new": _short(one.new),
                "before": status_before,
                "effect": str(effect),
                "after": None if status_after is None else str(status_after),
                "message": message,
                "is_written": is_written,
            }
            for position, one in enumerate(found, start=1)
        ],
    )


def _short(value: str | None) -> str | None:
    if value is None or len(value) <= _LONGEST_VALUE:
        return value
    return f"{value[: _LONGEST_VALUE - 1]}…"


_CHANGES = """
    select c.received_invoice_id as invoice_record_id, u.file_name, r.invoice_number, c.status_before, c.field,
           c.old_value, c.new_value, c.effect, c.status_after, c.message, c.is_written, c.position
    from intake.reparse_change c
    join intake.received_invoice r on r.organization_id = c.organization_id and r.id = c.received_invoice_id
    join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
    where c.reparse_id = :id"""


def sample_changes(connection: Connection, reparse_id: UUID, limit: int) -> list[Change]:
    """The first changes of a pass."""
    rows = connection.execute(
        text(f"{_CHANGES} order by c.received_invoice_id, c.position limit :limit"), {"id": reparse_id, "limit": limit}
    )
    return [Change(*row[:10]) for row in rows]


def change_files(connection: Connection, reparse_id: UUID, rows_of_a_file: int = ROWS_OF_A_FILE) -> Iterator[bytes]:
    """All changes of a pass as CSV files of some rows each, so that memory is needed for one of them only."""
    after: tuple[UUID | None, int] = (None, 0)
    while True:
        rows = list(
            connection.execute(
                text(
                    f"""{_CHANGES} and (cast(:invoice as uuid) is null
                                        or (c.received_invoice_id, c.position) > (cast(:invoice as uuid), :position))
                        order by c.received_invoice_id, c.position limit :limit"""
                ),
                {"id": reparse_id, "invoice": after[0], "position": after[1], "limit": rows_of_a_file},
            ).mappings()
        )
        if rows or after[0] is None:
            yield storage.to_csv(list(COLUMNS), [dict(row) for row in rows], frozenset({"is_written"}))
        if len(rows) < rows_of_a_file:
            return
        after = (rows[-1]["invoice_record_id"], rows[-1]["position"])


def counts(connection: Connection, reparse_id: UUID) -> tuple[dict[str, int], dict[str, int]]:
    """Invoices of a pass by what became of them, and by the kind of field that is read otherwise, most first."""
    effects = connection.execute(
        text(
            """select effect, status_before, status_after, count(distinct received_invoice_id)
               from intake.reparse_change where reparse_id = :id group by 1, 2, 3 order by 4 desc, 1, 2, 3"""
        ),
        {"id": reparse_id},
    )
    fields = connection.execute(
        text(
            r"""select regexp_replace(field, '\[\d+\]', '', 'g'), count(distinct received_invoice_id)
                from intake.reparse_change where reparse_id = :id group by 1 order by 2 desc, 1"""
        ),
        {"id": reparse_id},
    )
    return (
        {in_words(effect, before, after): int(number) for effect, before, after, number in effects},
        {str(field): int(number) for field, number in fields},
    )
