"""Decisions about an invoice that waits: a person accepts what was read, corrects it, or rejects the invoice.

Each is one transaction of the caller: the decision is recorded, the reading changed, the invoice judged again, and the
supplier's layout learned, or nothing of it. Of two people at once one wins, and the other is told. What a decision
changed is kept until the invoice is exported, for `undo`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from invoice_pipelines.intake.documents.text_layer.candidates import FIELDS as WITH_CANDIDATES
from invoice_pipelines.intake.documents.text_layer.candidates import find_candidates
from invoice_pipelines.intake.documents.text_layer.fields import pages_of_raw
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page
from invoice_pipelines.intake.reading import Reading, Source
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    ProcessingError,
    ask_for_reading,
    is_in_pending_export,
    mark_failed,
    mark_parsed,
)
from invoice_pipelines.intake.review.claims import end_claim, not_waiting, refuse_if_claimed, status_of
from invoice_pipelines.intake.review.decision_log import Decision, Entry, Kind, decisions_of, record
from invoice_pipelines.intake.review.errors import (
    MustBeCorrected,
    NotCorrectable,
    NotThere,
    ReviewConflict,
    ReviewError,
    WrongValues,
)
from invoice_pipelines.intake.review.fields import (
    FIELDS,
    WrongValue,
    parse_value,
    place_of,
    shown,
    stored_value,
    value_of,
)
from invoice_pipelines.intake.review.learning import teach, teach_seller
from invoice_pipelines.intake.review.places import find_place, read_box
from invoice_pipelines.intake.review.queue import reasons_of, store_reasons
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.review.reasons import LOW_CONFIDENCE, REJECTED, Judgement
from invoice_pipelines.intake.rows import json_text, reading_json
from invoice_pipelines.intake.stages.judging import Standard
from invoice_pipelines.intake.stages.validating import ParsedInvoice, judge_parsed, lock_parsed, lock_told
from invoice_pipelines.intake.states import Status
from invoice_pipelines.intake.validation.withholding import as_read
from invoice_pipelines.work.values import one_line

_READING = TypeAdapter(Reading)


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of a review when a person looked at it: a decision on another one is refused. `reasons` stands for the
    reasons that were shown, so that nobody accepts one that came later."""

    processing_version: int
    decisions: int
    reasons: str

    def __str__(self) -> str:
        return f"{self.processing_version}.{self.decisions}.{self.reasons}"

    @classmethod
    def parse(cls, written: str) -> Seen:
        """The state that `str` gave. Raises ReviewError for anything else."""
        parts = written.split(".")
        if len(parts) != 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
            raise ReviewError(
                f"{written[:40]!r} is not the state of a review.", code="NO_STATE", hint="`review show` prints it"
            )
        return cls(int(parts[0]), int(parts[1]), parts[2])


def state_of(processing_version: int, decisions: Sequence[Decision], reasons: Sequence[ReviewReason]) -> Seen:
    """The state of a review with these reasons."""
    told = "\n".join(sorted(repr(reason.subject) for reason in reasons))
    return Seen(processing_version, len(decisions), hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:6])


@dataclass(frozen=True, slots=True)
class Typed:
    """A value that a person typed."""

    written: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of the candidates that `find_candidates` gives, counted from 1."""

    candidate: int


@dataclass(frozen=True, slots=True)
class Boxed:
    """What stands in a box on a page: page from 1; left, top, right, bottom in points."""

    page: int
    box: Box


@dataclass(frozen=True, slots=True)
class Absent:
    """The document does not have the field."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The field is right as it was read, for the reasons that doubt it."""


Correction = Typed | Chosen | Boxed | Absent | Confirmed


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the invoice: VALIDATED, FAILED, or still PARSED with the reasons that are left. `learned` are the
    fields whose place on the supplier's documents was learned."""

    status: Status
    reasons: tuple[ReviewReason, ...] = ()
    learned: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Review:
    invoice: ParsedInvoice
    reasons: tuple[ReviewReason, ...]
    decisions: tuple[Decision, ...]

    @property
    def last_number(self) -> int:
        return self.decisions[-1].number if self.decisions else 0


def accept(
    connection: Connection,
    invoice_id: UUID,
    seen: Seen,
    standard: Standard,
    *,
    decided_by: str,
    reason: str | None = None,
) -> Decided:
    """Confirms the values as they were read, for all reasons of the review.

    Raises MustBeCorrected where a reason asks for a correction: no person can make amounts tie by accepting them.
    Raises ReviewConflict where the invoice is not as it was seen, and ReviewClaimed where somebody else is at it.
    """
    review = _open(connection, invoice_id, seen, decided_by)
    blocking = [one for one in review.reasons if one.must_be_corrected]
    if blocking:
        raise MustBeCorrected(
            f"{blocking[0].code}: {blocking[0].message} This cannot be accepted; correct the invoice or reject it."
        )
    entries = [_acceptance(review.invoice.reading, one, reason) for one in review.reasons]
    return _decide(connection, invoice_id, review, entries, standard, decided_by)


def correct(
    connection: Connection,
    invoice_id: UUID,
    seen: Seen,
    corrections: Mapping[str, Correction],
    standard: Standard,
    *,
    decided_by: str,
    reason: str | None = None,
) -> Decided:
    """Puts other values into fields, or confirms them, and judges the invoice again. What is neither corrected nor
    confirmed has still to be accepted.

    Raises WrongValues for those that their fields cannot have, and NotCorrectable for an e-invoice: its XML is what was
    sent. Raises ReviewConflict where the invoice is not as it was seen, and ReviewClaimed where somebody else is at it.
    """
    review = _open(connection, invoice_id, seen, decided_by)
    reading = review.invoice.reading
    if reading.source is Source.XML:
        raise NotCorrectable("This is an e-invoice: its values are those of its XML. Accept or reject it.")
    if not corrections:
        raise ReviewError(f"Nothing is corrected; name a field, one of {', '.join(FIELDS)}.", code="NO_CORRECTION")
    pages = _pages(connection, invoice_id)
    entries, wrong = [], {}
    for field, correction in corrections.items():
        try:
            if isinstance(correction, Confirmed):
                entries += _confirmations(review, field, reason)
            else:
                entries.append(_correction(reading, pages, field, correction, reason))
        except WrongValue as error:
            wrong[field] = str(error)
    if wrong:
        by_field = {field: f"{said.removeprefix(f'{field}: ')}." for field, said in wrong.items()}
        raise WrongValues(f"{'; '.join(wrong.values())}.", by_field)
    return _decide(connection, invoice_id, review, entries, standard, decided_by)


def preview(
    connection: Connection,
    invoice_id: UUID,
    corrections: Mapping[str, Correction],
    standard: Standard,
    *,
    decided_by: str,
) -> Decided:
    """What would become of an invoice as it is now by corrections; nothing of it is kept. `learned` is what would be
    learned. Raises what `correct` does.
    """
    with connection.begin_nested() as attempt:
        invoice = lock_parsed(connection, [invoice_id]).get(invoice_id)
        version = invoice.version if invoice else InvoiceVersion(invoice_id, 0)
        decisions = decisions_of(connection, [invoice_id]).get(invoice_id, ())
        seen = state_of(version.processing_version, decisions, reasons_of(connection, version))
        decided = correct(connection, invoice_id, seen, corrections, standard, decided_by=decided_by)
        attempt.rollback()
    return decided


def reject(connection: Connection, invoice_id: UUID, seen: Seen, reason: str, *, decided_by: str) -> Decided:
    """Fails the invoice with a person's reason. Raises ReviewConflict where it is not as it was seen, and ReviewClaimed
    where somebody else is at it.
    """
    reason = one_line(reason)
    if not reason:
        raise ReviewError("A rejection needs a reason.", code="REASON_MISSING")
    review = _open(connection, invoice_id, seen, decided_by)
    version = review.invoice.version
    numbers = record(connection, version, review.last_number, [Entry(Kind.REJECTED, reason=reason)], decided_by)
    store_reasons(connection, {}, [invoice_id])
    message = f"Rejected by {decided_by}: {reason}"
    mark_failed(connection, [(version, ProcessingError("validate", REJECTED, message))])
    _keep_for_undo(connection, review, numbers[0])
    end_claim(connection, invoice_id)
    return Decided(Status.FAILED, message=message)


def ask_for_seller(connection: Connection, invoice_id: UUID, standard: Standard, *, decided_by: str) -> Decided:
    """Puts an invoice that passed without its seller before a person: it waits again, with all that was read of it, and
    does not pass without any more. One that was exported is exported once more then, as a correction.

    Raises ReviewError where nothing was left out (NOTHING_LEFT_OUT), or an export that has begun holds the invoice
    (IN_PENDING_EXPORT); NotThere.
    """
    asked = """select seller_key, invoice_key, gross_amount, processing_version, unconfirmed_seller,
                      reading_json, raw_json from intake.received_invoice where id = :id"""
    found = connection.execute(text(asked), {"id": invoice_id}).one_or_none()
    if found is None:
        raise NotThere(f"There is no received invoice {invoice_id} in this organization.")
    lock_told(connection, {(found.seller_key, found.invoice_key, found.gross_amount)})
    row = connection.execute(text(f"{asked} for no key update"), {"id": invoice_id}).one()
    if row.unconfirmed_seller is None:
        raise ReviewError("The seller of this invoice is already known.", code="NOTHING_LEFT_OUT")
    if is_in_pending_export(connection, invoice_id):
        raise ReviewError("An export that has begun holds the invoice; wait for it.", code="IN_PENDING_EXPORT")
    now = InvoiceVersion(invoice_id, row.processing_version)
    made = decisions_of(connection, [invoice_id]).get(invoice_id, ())
    record(connection, now, made[-1].number if made else 0, [Entry(Kind.ASKED)], decided_by)
    again = ask_for_reading(connection, now)
    assert again is not None  # it is locked, and has passed
    whole = as_read(_READING.validate_python(row.reading_json))
    mark_parsed(connection, [(again, replace(whole, raw=row.raw_json or {}))])
    return Decided(Status.PARSED, judge_parsed(connection, [invoice_id], standard)[invoice_id].reasons)


def _open(connection: Connection, invoice_id: UUID, seen: Seen, by: str) -> _Review:
    """The review of an invoice, locked to the end of the transaction, if it is still as it was seen."""
    invoice = lock_parsed(connection, [invoice_id]).get(invoice_id)
    decisions = decisions_of(connection, [invoice_id]).get(invoice_id, ())
    reasons = reasons_of(connection, invoice.version) if invoice else ()
    if invoice is not None and reasons and state_of(invoice.version.processing_version, decisions, reasons) == seen:
        refuse_if_claimed(connection, invoice_id, by)
        return _Review(invoice, reasons, decisions)
    if len(decisions) > seen.decisions:
        last = decisions[-1]
        raise ReviewConflict(
            f"Somebody else decided first: {last.decided_by} {last.entry.decision} at "
            f"{last.decided_at:%Y-%m-%d %H:%M} UTC. Look at the invoice again."
        )
    if invoice is not None and reasons:
        raise ReviewConflict("The reasons have changed since the invoice was looked at. Look at it again.")
    raise not_waiting(status_of(connection, invoice_id))


def _pages(connection: Connection, invoice_id: UUID) -> tuple[Page, ...]:
    raw = connection.execute(
        text("select raw_json from intake.received_invoice where id = :id"), {"id": invoice_id}
    ).scalar_one()
    return pages_of_raw(raw or {})


def _acceptance(reading: Reading, accepted: ReviewReason, reason: str | None) -> Entry:
    place = reading.provenance.get(place_of(accepted.field)) if accepted.field else None
    return Entry(
        Kind.ACCEPTED,
        accepted.field,
        accepted.code,
        accepted.value,
        accepted.value,
        place.page if place and place.box else None,
        place.box if place and place.page else None,
        reason,
    )


def _confirmations(review: _Review, field: str, reason: str | None) -> list[Entry]:
    doubts = [one for one in review.reasons if one.field == field]
    if not doubts:
        raise WrongValue(f"{field}: this field is not in doubt, so there is nothing to confirm")
    broken = [one for one in doubts if one.must_be_corrected]
    if broken:
        raise WrongValue(f"{field}: {broken[0].code} cannot be confirmed: {broken[0].message.rstrip('.')}")
    return [_acceptance(review.invoice.reading, one, reason) for one in doubts]


def _correction(
    reading: Reading,
    pages: Sequence[Page],
    field: str,
    correction: Typed | Chosen | Boxed | Absent,
    reason: str | None,
) -> Entry:
    if field not in FIELDS:
        raise WrongValue(f"{field!r} cannot be corrected; these can: {', '.join(FIELDS)}")
    old = shown(value_of(reading, field))
    if isinstance(correction, Absent):
        return Entry(Kind.CORRECTED, field, None, old, None, reason=reason)
    value, place = _corrected(pages, field, correction)
    new = shown(value)
    if new is None or stored_value(field, new) != value:
        raise WrongValue(f"{field}: {new!r} cannot stand there; type the value")
    page, box = place or (None, None)
    return Entry(Kind.CORRECTED, field, None, old, new, page, box, reason)


def _corrected(
    pages: Sequence[Page], field: str, correction: Typed | Chosen | Boxed
) -> tuple[Any, tuple[int, Box] | None]:
    """The value, and where it stands if that is known."""
    if isinstance(correction, Boxed):
        value, box = read_box(pages, field, correction.page, correction.box)
        return value, (correction.page, box)
    candidates = find_candidates(pages, field) if field in WITH_CANDIDATES else []
    if isinstance(correction, Chosen):
        if not 1 <= correction.candidate <= len(candidates):
            raise WrongValue(f"{field}: there is no candidate {correction.candidate}; there are {len(candidates)}")
        chosen = candidates[correction.candidate - 1]
        return chosen.value, (chosen.page, chosen.box)
    value = parse_value(field, correction.written)
    for candidate in candidates:
        if candidate.value == value:
            return value, (candidate.page, candidate.box)
    return value, find_place(pages, field, value)


def _decide(
    connection: Connection,
    invoice_id: UUID,
    review: _Review,
    entries: Sequence[Entry],
    standard: Standard,
    decided_by: str,
) -> Decided:
    version: InvoiceVersion = review.invoice.version
    numbers = record(connection, version, review.last_number, entries, decided_by)
    learned: tuple[str, ...] = ()
    places = {
        entry.field: (entry.page, entry.box)
        for entry in entries
        if entry.field and entry.page and entry.box and entry.code in (None, LOW_CONFIDENCE)
    }
    if places and review.invoice.reading.source is not Source.XML:
        learned = teach(connection, _pages(connection, invoice_id), places, invoice_id, numbers[-1])
    said = [entry for entry in entries if entry.field == "seller.name" and entry.code in (None, LOW_CONFIDENCE)]
    if said and said[-1].new_value and review.invoice.reading.source is not Source.XML:
        teach_seller(connection, _pages(connection, invoice_id), said[-1].new_value, invoice_id, numbers[-1])
    judged = judge_parsed(connection, [invoice_id], standard)[invoice_id]
    _keep_for_undo(connection, review, numbers[0])
    if judged.judgement is not Judgement.NEEDS_REVIEW:
        end_claim(connection, invoice_id)
    if judged.judgement is Judgement.VALID:
        return Decided(Status.VALIDATED, (), learned)
    if judged.judgement is Judgement.FAILED:
        return Decided(Status.FAILED, (), learned, "the rules that it breaks are fatal")
    return Decided(Status.PARSED, judged.reasons, learned)


def _keep_for_undo(connection: Connection, review: _Review, act: int) -> None:
    """Keeps the reading as it was before an act that is done."""
    connection.execute(
        text(
            """insert into intake.review_undo (organization_id, received_invoice_id, act, version_before, version_after,
                                               reading_json, xml)
               select organizations.current(), r.id, :act, :before, r.processing_version, cast(:reading as jsonb), :xml
               from intake.received_invoice r where r.id = :id"""
        ),
        {
            "id": review.invoice.version.id,
            "act": act,
            "before": review.invoice.version.processing_version,
            "reading": json_text(reading_json(review.invoice.reading)),
            "xml": review.invoice.reading.xml,
        },
    )
