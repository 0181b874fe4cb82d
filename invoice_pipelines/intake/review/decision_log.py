"""What people decided about readings: the append-only record, and what it makes of a reading.

A decision outlives the reading it was made on: where a document is read again, corrections are made again, and what
was accepted stays accepted as long as the same value is read. What was decided together is an act, and is taken back
together: then it stays in the record, and does not stand any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.documents.text_layer.page.words import Box
from invoice_pipelines.intake.reading import Provenance, Reading, Source
from invoice_pipelines.intake.received_invoices import InvoiceVersion
from invoice_pipelines.intake.review.fields import place_of, shown, stored_value, value_of, with_value
from invoice_pipelines.intake.review.reasons import LOW_CONFIDENCE, Accepted
from invoice_pipelines.intake.rows import json_text, plain


class Kind(StrEnum):
    """What a person did."""

    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"
    UNDONE = "undone"
    ASKED = "asked"
    """Wants to see who made an invoice that passed without its seller."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision about one field or one reason. Values are text as `fields.shown` makes it; `code` is that of the
    reason that was accepted. `page` and `box` say where the value stands, in points. `undoes` is the act that is taken
    back."""

    decision: Kind
    field: str | None = None
    code: str | None = None
    old_value: str | None = None
    new_value: str | None = None
    page: int | None = None
    box: Box | None = None
    reason: str | None = None
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """An entry as it was recorded, `number` counting from 1 per invoice. `act` is the number of the first that was
    decided with it; None where it cannot be undone."""

    number: int
    entry: Entry
    decided_by: str
    decided_at: datetime
    act: int | None = None


def decisions_of(connection: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, tuple[Decision, ...]]:
    """All decisions on invoices, oldest first, those included that were undone; no key for one without any."""
    rows = connection.execute(
        text(
            """select received_invoice_id, decision_number, decision, field, code, old_value, new_value, page, box,
                      reason, undoes, decided_by, decided_at, act
               from intake.review_decision where received_invoice_id = any(:ids)
               order by received_invoice_id, decision_number"""
        ),
        {"ids": list(invoice_ids)},
    )
    found: dict[UUID, tuple[Decision, ...]] = {}
    for row in rows:
        box: Any = tuple(row.box) if row.box else None
        values = (row.field, row.code, row.old_value, row.new_value, row.page, box, row.reason, row.undoes)
        entry = Entry(Kind(row.decision), *values)
        decision = Decision(row.decision_number, entry, row.decided_by, row.decided_at, row.act)
        found[row.received_invoice_id] = (*found.get(row.received_invoice_id, ()), decision)
    return found


def record(
    connection: Connection, invoice: InvoiceVersion, last_number: int, entries: Sequence[Entry], decided_by: str
) -> list[int]:
    """Writes the decisions of an act after the number `last_number`; returns their numbers.

    Raises sqlalchemy.exc.IntegrityError where somebody else has taken the next number.
    """
    numbers = [last_number + offset for offset in range(1, len(entries) + 1)]
    connection.execute(
        text(
            """insert into intake.review_decision (organization_id, received_invoice_id, decision_number,
                   processing_version, decision, field, code, old_value, new_value, page, box, reason, undoes, act,
                   decided_by)
               values (organizations.current(), :invoice, :number, :version, :decision, :field, :code, :old_value,
                       :new_value, :page, cast(:box as jsonb), :reason, :undoes, :act, :decided_by)"""
        ),
        [
            {
                "invoice": invoice.id,
                "number": number,
                "version": invoice.processing_version,
                "decision": str(entry.decision),
                "field": entry.field,
                "code": entry.code,
                "old_value": plain(entry.old_value),
                "new_value": plain(entry.new_value),
                "page": entry.page,
                "box": None if entry.box is None else json_text(list(entry.box)),
                "reason": plain(entry.reason),
                "undoes": entry.undoes,
                "act": numbers[0],
                "decided_by": plain(decided_by),
            }
            for number, entry in zip(numbers, entries, strict=True)
        ],
    )
    return numbers


def standing(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """Those that were not taken back."""
    undone = {decision.entry.undoes for decision in decisions if decision.entry.decision is Kind.UNDONE}
    return tuple(
        decision
        for decision in decisions
        if decision.entry.decision is not Kind.UNDONE and (decision.act is None or decision.act not in undone)
    )


def standing_decisions_of(connection: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, tuple[Decision, ...]]:
    """The decisions on invoices that hold, oldest first; no key for one without any."""
    found = decisions_of(connection, invoice_ids)
    return {invoice_id: held for invoice_id, made in found.items() if (held := standing(made))}


def accepted_in(decisions: Sequence[Decision]) -> Accepted:
    """The subjects of the reasons that people have accepted."""
    return {
        (entry.code or "", entry.field, entry.new_value)
        for entry in (decision.entry for decision in decisions)
        if entry.decision is Kind.ACCEPTED
    }


def rejection(decisions: Sequence[Decision]) -> str | None:
    """Why the invoice was rejected, where that is the last that was decided."""
    last = decisions[-1].entry if decisions else None
    return last.reason if last is not None and last.decision is Kind.REJECTED else None


def asks_for_seller(decisions: Sequence[Decision]) -> bool:
    """Whether somebody wants to see who made the invoice, so that it does not pass without."""
    return any(decision.entry.decision is Kind.ASKED for decision in decisions)


def decided(reading: Reading, decisions: Sequence[Decision]) -> Reading:
    """The reading with what people made of it: corrected values, and those that they confirmed as read."""
    for entry in (decision.entry for decision in decisions):
        if entry.field is None:
            continue
        if entry.decision is Kind.CORRECTED:
            value = None if entry.new_value is None else stored_value(entry.field, entry.new_value)
            place = Provenance(Source.PERSON, 1.0, entry.page, entry.box, text=entry.new_value)
            reading = with_value(reading, entry.field, value, place)
        elif entry.decision is Kind.ACCEPTED and entry.code == LOW_CONFIDENCE:
            reading = _confirmed(reading, entry)
    return reading


def _confirmed(reading: Reading, entry: Entry) -> Reading:
    if entry.field is None or shown(value_of(reading, entry.field)) != entry.new_value:
        return reading  # read anew, it is another value that nobody has seen
    key = place_of(entry.field)
    place = reading.provenance.get(key) or Provenance(Source.PERSON, 1.0)
    places: Mapping[str, Provenance] = {
        **reading.provenance,
        key: replace(place, source=Source.PERSON, confidence=1.0),
    }
    return replace(reading, provenance=places)
