"""Shows all that a person needs to decide about one invoice: values with their places, candidates, reasons, rules."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from invoice_pipelines.intake.documents.text_layer.candidates import FIELDS as WITH_CANDIDATES
from invoice_pipelines.intake.documents.text_layer.candidates import Candidate, find_candidates
from invoice_pipelines.intake.documents.text_layer.fields import pages_of_raw
from invoice_pipelines.intake.documents.text_layer.page.words import Page
from invoice_pipelines.intake.reading import Provenance, Reading, Source
from invoice_pipelines.intake.received_invoices import InvoiceVersion
from invoice_pipelines.intake.review.decision_log import Decision, decisions_of
from invoice_pipelines.intake.review.decisions import Seen, state_of
from invoice_pipelines.intake.review.errors import ReviewError
from invoice_pipelines.intake.review.fields import FIELDS, place_of, shown, value_of
from invoice_pipelines.intake.review.queue import reasons_of
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.states import Status, label

SHORTEST_PREFIX = 4

_READING = TypeAdapter(Reading)
_ALWAYS_SHOWN = ("number", "issue_date", "seller.name", "currency", "net_amount", "tax_amount", "gross_amount")


@dataclass(frozen=True, slots=True)
class ReadValue:
    """A value of the reading; `place` says where it stands, and how sure the reader was."""

    field: str
    label: str
    value: str | None
    place: Provenance | None


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One violation of the newest verdict."""

    rule: str
    severity: str
    message: str
    message_de: str


@dataclass(frozen=True, slots=True)
class Review:
    """An invoice that waits for a person. `seen` is to be given with the decision. `pages` are the words it was read
    from, none where that was XML; `candidates` are for the fields of its reasons."""

    id: UUID
    seen: Seen
    file_name: str
    sha256: str
    source: str
    format: str
    waiting_since: datetime
    age: timedelta
    values: tuple[ReadValue, ...]
    candidates: Mapping[str, tuple[Candidate, ...]]
    reasons: tuple[ReviewReason, ...]
    violations: tuple[BrokenRule, ...]
    remarks: tuple[str, ...]
    decisions: tuple[Decision, ...]
    pages: tuple[Page, ...]


def find_review(connection: Connection, prefix: str) -> UUID:
    """The id of the invoice that waits and whose id begins or ends with `prefix`; a whole id is taken as it is.

    Ids of one hour begin alike, so their ends are handier. Raises ReviewError where there is none, or more than one.
    """
    wanted = prefix.strip().lower()
    with suppress(ValueError):
        return UUID(wanted)
    if len(wanted) < SHORTEST_PREFIX or set(wanted) - set("0123456789abcdef-"):
        raise ReviewError(
            f"{prefix[:60]!r} is not an id of an invoice, nor at least {SHORTEST_PREFIX} characters of one."
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
        raise ReviewError(f"{some} {prefix!r} waits in this organization; `review list` shows those that do.")
    return UUID(str(found[0]))


def show_review(connection: Connection, invoice_id: UUID) -> Review:
    """What is to be decided about an invoice. Raises ReviewError where it does not wait for a review."""
    row = connection.execute(
        text(
            """select r.id, r.status, r.processing_version, r.last_processed_at, now() - r.last_processed_at as age,
                      r.source, r.format, r.reading_json, r.raw_json, u.file_name, u.sha256
               from intake.received_invoice r
               join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
               where r.id = :id"""
        ),
        {"id": invoice_id},
    ).one_or_none()
    if row is None:
        raise ReviewError(f"There is no received invoice {invoice_id} in this organization.")
    reasons = reasons_of(connection, InvoiceVersion(row.id, row.processing_version))
    if row.status != Status.PARSED or not reasons:
        raise ReviewError(f"The invoice does not wait for a review: it is {label(Status(row.status)).lower()}.")
    decisions = decisions_of(connection, [invoice_id]).get(invoice_id, ())
    reading = _READING.validate_python(row.reading_json)
    pages = () if reading.source is Source.XML else pages_of_raw(row.raw_json or {})
    doubted = {reason.field for reason in reasons}
    return Review(
        row.id,
        state_of(row.processing_version, decisions, reasons),
        row.file_name,
        row.sha256,
        row.source,
        row.format,
        row.last_processed_at,
        row.age,
        tuple(_values(reading)),
        {field: tuple(find_candidates(pages, field)) for field in WITH_CANDIDATES if field in doubted and pages},
        reasons,
        _violations(connection, invoice_id),
        (*(discrepancy.message for discrepancy in reading.discrepancies), *reading.warnings),
        decisions,
        pages,
    )


def _values(reading: Reading) -> list[ReadValue]:
    values = [
        ReadValue(name, field.label, shown(value_of(reading, name)), reading.provenance.get(place_of(name)))
        for name, field in FIELDS.items()
    ]
    # What stands in XML has no place and no doubt.
    sure = Provenance(Source.XML, 1.0) if reading.source is Source.XML else None
    return [
        replace(value, place=value.place or (sure if value.value else None))
        for value in values
        if value.value is not None or value.field in _ALWAYS_SHOWN
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
