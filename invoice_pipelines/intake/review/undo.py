"""Takes the last decision about an invoice back, until that is exported: values, status and what was learned are as
before.

One transaction of the caller, as a decision is. The decision stays in the record, with who took it back and when.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import (
    InvoiceVersion,
    ask_for_reading,
    is_in_pending_export,
    mark_parsed,
)
from invoice_pipelines.intake.review.claims import refuse_if_claimed
from invoice_pipelines.intake.review.decision_log import Entry, Kind, decisions_of, record
from invoice_pipelines.intake.review.decisions import Decided, Seen, state_of
from invoice_pipelines.intake.review.errors import NotThere, NotUndoable, ReviewConflict
from invoice_pipelines.intake.review.learning import forget
from invoice_pipelines.intake.review.queue import reasons_of
from invoice_pipelines.intake.review.reasons import Judgement
from invoice_pipelines.intake.stages.judging import Standard
from invoice_pipelines.intake.stages.validating import judge_parsed, lock_told, told_by
from invoice_pipelines.intake.states import Status

_READING = TypeAdapter(Reading)


def undo(
    connection: Connection,
    invoice_id: UUID,
    seen: Seen,
    standard: Standard,
    *,
    decided_by: str,
    reason: str | None = None,
) -> Decided:
    """Takes back what was last decided about an invoice and still stands. `learned` are the fields whose place is
    forgotten.

    Raises NotUndoable where there is none (NOTHING_TO_UNDO), or where it is too late: the invoice is exported
    (ALREADY_EXPORTED) or about to be (IN_PENDING_EXPORT), or was read or judged again since (CHANGED_SINCE).
    Raises ReviewConflict where the invoice is not as it was seen, ReviewClaimed where somebody else is at it, NotThere.
    """
    _lock_told_by(connection, invoice_id)
    row = connection.execute(
        text(
            """select r.status, r.processing_version, r.raw_json, u.act, u.version_before, u.version_after,
                      u.reading_json, u.xml
               from intake.received_invoice r
               left join lateral (select * from intake.review_undo u
                                  where u.organization_id = r.organization_id and u.received_invoice_id = r.id
                                  order by u.act desc limit 1) u on true
               where r.id = :id for no key update of r"""
        ),
        {"id": invoice_id},
    ).one_or_none()
    if row is None:
        raise NotThere(f"There is no received invoice {invoice_id} in this organization.")
    now = InvoiceVersion(invoice_id, row.processing_version)
    decisions = decisions_of(connection, [invoice_id]).get(invoice_id, ())
    if state_of(now.processing_version, decisions, reasons_of(connection, now)) != seen:
        raise ReviewConflict("Something happened to the invoice since it was looked at. Look at it again.")
    if row.status == Status.EXPORTED:
        raise NotUndoable(
            "The invoice is exported; its decisions stay. Correct it in accounting.", code="ALREADY_EXPORTED"
        )
    if row.act is None:
        raise NotUndoable("There is no decision on this invoice that could be undone.", code="NOTHING_TO_UNDO")
    if row.version_after != row.processing_version:
        raise NotUndoable(
            "The invoice was read or judged again since it was decided on, so there is no way back to what it was.",
            code="CHANGED_SINCE",
        )
    if is_in_pending_export(connection, invoice_id):  # asked with the invoice locked: no export can begin now
        raise NotUndoable("An export that has begun holds the invoice.", code="IN_PENDING_EXPORT")
    refuse_if_claimed(connection, invoice_id, decided_by)
    last = max(decision.number for decision in decisions if decision.act == row.act)
    taken_back = Entry(Kind.UNDONE, reason=reason, undoes=row.act)
    record(connection, now, decisions[-1].number, [taken_back], decided_by)
    forgotten = forget(connection, invoice_id, last)
    again = ask_for_reading(connection, now)
    assert again is not None  # it is locked
    reading = replace(_READING.validate_python(row.reading_json), raw=row.raw_json or {}, xml=row.xml)
    mark_parsed(connection, [(again, reading)])
    judged = judge_parsed(connection, [invoice_id], standard)[invoice_id]
    _pop(connection, invoice_id, row.act, row.version_before)
    status = {Judgement.VALID: Status.VALIDATED, Judgement.FAILED: Status.FAILED}.get(judged.judgement, Status.PARSED)
    return Decided(status, judged.reasons, forgotten)


def _lock_told_by(connection: Connection, invoice_id: UUID) -> None:
    """Waits for those who judge invoices that may be this one as it is, or was: before it is locked itself."""
    rows = connection.execute(
        text(
            """select r.seller_key, r.invoice_key, r.gross_amount, u.reading_json
               from intake.received_invoice r
               left join intake.review_undo u on u.organization_id = r.organization_id and u.received_invoice_id = r.id
               where r.id = :id"""
        ),
        {"id": invoice_id},
    ).all()
    before = [_READING.validate_python(row.reading_json) for row in rows if row.reading_json is not None]
    now = {(row.seller_key, row.invoice_key, row.gross_amount) for row in rows}
    lock_told(connection, now | {told_by(reading) for reading in before})


def _pop(connection: Connection, invoice_id: UUID, act: int, version_before: int) -> None:
    """The act is undone, and the one before it is the next that could be: the invoice is as that one left it."""
    connection.execute(
        text("delete from intake.review_undo where received_invoice_id = :id and act = :act"),
        {"id": invoice_id, "act": act},
    )
    connection.execute(
        text(
            """update intake.review_undo u set version_after = r.processing_version
               from intake.received_invoice r
               where r.organization_id = u.organization_id and r.id = u.received_invoice_id
                 and u.received_invoice_id = :id and u.version_after = :before
                 and u.act = (select max(o.act) from intake.review_undo o where o.received_invoice_id = :id)"""
        ),
        {"id": invoice_id, "before": version_before},
    )
