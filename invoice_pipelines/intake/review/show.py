"""Shows all that was read on an invoice, and all that a person needs to decide about it: values with their places,
candidates, reasons, rules, what was decided before, and who is at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, text

from invoice_pipelines.intake.documents.text_layer.candidates import FIELDS as WITH_CANDIDATES
from invoice_pipelines.intake.documents.text_layer.candidates import Candidate, find_candidates
from invoice_pipelines.intake.documents.text_layer.fields import pages_of_raw
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.reading import Provenance, Reading, Source
from invoice_pipelines.intake.received_invoices import InvoiceVersion
from invoice_pipelines.intake.review.claims import Claim, Note, claim_of, notes_of
from invoice_pipelines.intake.review.decision_log import Decision, decisions_of
from invoice_pipelines.intake.review.decisions import Seen, state_of
from invoice_pipelines.intake.review.errors import NotThere, NotWaiting, ReviewError
from invoice_pipelines.intake.review.fields import FIELDS, place_of, shown, value_of
from invoice_pipelines.intake.review.queue import reasons_of
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.states import Status, label

SHORTEST_PREFIX = 4

_READING = TypeAdapter(Reading)
_ALWAYS_SHOWN = ("number", "issue_date", "seller.name", "currency", "net_amount", "tax_amount", "gross_amount")


@dataclass(frozen=True, slots=True)
class ReadValue:
    """A value of the reading; `place` says where it stands, and how sure the reader was. `unconfirmed` is what was read
    instead of none, and is left out as nobody was asked whether it is right."""

    field: str
    label: str
    value: str | None
    place: Provenance | None
    unconfirmed: str | None = None


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One violation of the newest verdict."""

    rule: str
    severity: str
    message: str
    message_de: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was read on a received invoice, and what became of that. `seen` is to be given with a decision. `pages` are
    the words it was read from, none where that was XML. Before it is read, it has neither source nor values; `reasons`
    are those for which it waits now. `can_be_undone` says whether the last decision could be taken back.
    """

    id: UUID
    seen: Seen
    status: Status
    processing_version: int
    file_name: str
    sha256: str
    source: str | None
    format: str | None
    values: tuple[ReadValue, ...]
    reasons: tuple[ReviewReason, ...]
    violations: tuple[BrokenRule, ...]
    remarks: tuple[str, ...]
    decisions: tuple[Decision, ...]
    can_be_undone: bool
    claim: Claim | None
    postponed_until: datetime | None
    notes: tuple[Note, ...]
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review(Document):
    """An invoice that waits for a person; `candidates` are for the fields of its reasons."""

    waiting_since: datetime
    age: timedelta
    candidates: Mapping[str, tuple[Candidate, ...]]


def find_review(connection: Connection, prefix: str) -> UUID:
    """The id of the invoice that waits and whose id begins or ends with `prefix`; a whole id is taken as it is.

    Ids of one hour begin alike, so their ends are handier. Raises ReviewError where there is none, or more than one.
    """
    wanted = prefix.strip().lower()
    with suppress(ValueError):
        return UUID(wanted)
    if len(wanted) < SHORTEST_PREFIX or set(wanted) - set("0123456789abcdef-"):
        raise ReviewError(
            f"{prefix[:60]!r} is not an id of an invoice, nor at least {SHORTEST_PREFIX} characters of one.",
            code="UNKNOWN_ID",
        )
    found = (
        connection.execute(
            text(
                """select id from intake.received_invoice
                   where status = 'PARSED' and (id::text like :wanted || '%' or id::text like '%' || :wanted)
                   order by id limit 2"""
            ),
            {"wanted": wanted},
        )
        .scalars()
        .all()
    )
    if len(found) != 1:
        some = "No invoice" if not found else "More than one invoice"
        hint = "`review list` shows those that do"
        raise ReviewError(f"{some} {prefix!r} waits in this organization", code="UNKNOWN_ID", hint=hint)
    return UUID(str(found[0]))


def show_review(connection: Connection, invoice_id: UUID) -> Review:
    """What is to be decided about an invoice. Raises NotWaiting where it does not wait for a review, and NotThere."""
    row, shown = _look(connection, invoice_id)
    if shown["status"] is not Status.PARSED or not shown["reasons"]:
        raise NotWaiting(f"The invoice does not wait for a review: it is {label(shown['status']).lower()}.")
    pages = shown["pages"]
    doubted = {reason.field for reason in shown["reasons"]}
    candidates = {
        field: tuple(find_candidates(pages, field)) for field in WITH_CANDIDATES if field in doubted and pages
    }
    return Review(**shown, waiting_since=row.last_processed_at, age=row.age, candidates=candidates)


def show_document(connection: Connection, invoice_id: UUID) -> Document:
    """What was read on an invoice, whatever its status. Raises NotThere."""
    _, shown = _look(connection, invoice_id)
    return Document(**shown)


def review_state(connection: Connection, invoice_id: UUID) -> Seen:
    """The state of an invoice that a decision refers to. Raises NotThere."""
    version = connection.execute(
        text("select processing_version from intake.received_invoice where id = :id"), {"id": invoice_id}
    ).scalar_one_or_none()
    if version is None:
        raise NotThere(f"There is no received invoice {invoice_id} in this organization.")
    decisions = decisions_of(connection, [invoice_id]).get(invoice_id, ())
    return state_of(version, decisions, reasons_of(connection, InvoiceVersion(invoice_id, version)))


def _look(connection: Connection, invoice_id: UUID) -> tuple[Row[Any], dict[str, Any]]:
    row = connection.execute(
        text(
            """select r.id, r.status, r.processing_version, r.last_processed_at, now() - r.last_processed_at as age,
                      r.source, r.format, r.reading_json, r.raw_json, u.file_name, u.sha256, p.until,
                      exists (select from intake.review_undo o
                              where o.organization_id = r.organization_id and o.received_invoice_id = r.id
                                and o.version_after = r.processing_version) as can_be_undone
               from intake.received_invoice r
               join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
               left join intake.review_postponement p
                   on p.organization_id = r.organization_id and p.received_invoice_id = r.id and p.until > now()
               where r.id = :id"""
        ),
        {"id": invoice_id},
    ).one_or_none()
    if row is None:
        raise NotThere(f"There is no received invoice {invoice_id} in this organization.")
    status = Status(row.status)
    reasons = reasons_of(connection, InvoiceVersion(row.id, row.processing_version))
    decisions = decisions_of(connection, [invoice_id]).get(invoice_id, ())
    reading = None if row.reading_json is None else _READING.validate_python(row.reading_json)
    on_pages = reading is not None and reading.source is not Source.XML
    return row, {
        "id": row.id,
        "seen": state_of(row.processing_version, decisions, reasons),
        "status": status,
        "processing_version": row.processing_version,
        "file_name": row.file_name,
        "sha256": row.sha256,
        "source": row.source,
        "format": row.format,
        "values": () if reading is None else tuple(_values(reading)),
        "reasons": reasons if status is Status.PARSED else (),
        "violations": _violations(connection, invoice_id),
        "remarks": ()
        if reading is None
        else (*(discrepancy.message for discrepancy in reading.discrepancies), *reading.warnings),
        "decisions": decisions,
        "can_be_undone": row.can_be_undone and status is not Status.EXPORTED,
        "claim": claim_of(connection, invoice_id),
        "postponed_until": row.until,
        "notes": tuple(notes_of(connection, invoice_id)),
        "pages": pages_of_raw(row.raw_json or {}) if on_pages else (),
    }


def _values(reading: Reading) -> list[ReadValue]:
    values = [
        ReadValue(name, field.label, shown(value_of(reading, name)), reading.provenance.get(place_of(name)))
        for name, field in FIELDS.items()
    ]
    values = [
        replace(value, place=left_out.place, unconfirmed=left_out.value)
        if (left_out := reading.withheld.get(value.field))
        else value
        for value in values
    ]
    # What stands in XML has no place and no doubt.
    sure = Provenance(Source.XML, 1.0) if reading.source is Source.XML else None
    return [
        replace(value, place=value.place or (sure if value.value else None))
        for value in values
        if value.value is not None or value.unconfirmed is not None or value.field in _ALWAYS_SHOWN
    ]


def _violations(connection: Connection, invoice_id: UUID) -> tuple[BrokenRule, ...]:
    rows = connection.execute(
        text(
            """select v.rule, v.severity, v.message, v.message_de from intake.violation v
               where v.verdict_id = (select t.id from intake.verdict t where t.received_invoice_id = :id
                                     order by t.id desc limit 1)
               order by v.position"""
        ),
        {"id": invoice_id},
    )
    return tuple(BrokenRule(*row) for row in rows)
