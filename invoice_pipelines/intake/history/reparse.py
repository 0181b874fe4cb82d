"""Reads documents again that were read before, to show what a change of the rules makes of them.

A pass goes over an organization's received invoices in the order of their ids, reads each original again and compares.
By default nothing is written but the list of differences. Where it writes, an invoice and its place in the pass are one
transaction, so that a pass that was killed goes on where it was. `changes` compares the readings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.intake.documents import Aids, read_document
from invoice_pipelines.intake.documents.ocr.pages import PagesNotRecognized
from invoice_pipelines.intake.history.changes import (
    DOCUMENT,
    Difference,
    Effect,
    as_people_left_it,
    counts,
    differences,
    record_changes,
)
from invoice_pipelines.intake.history.pages import KeptPages
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import (
    IntakeError,
    InvoiceVersion,
    ask_for_reading,
    is_in_pending_export,
    mark_parsed,
)
from invoice_pipelines.intake.review.decision_log import Decision, Kind, standing_decisions_of
from invoice_pipelines.intake.review.learning import learned_places
from invoice_pipelines.intake.review.reasons import Judgement
from invoice_pipelines.intake.stages.judging import Standard
from invoice_pipelines.intake.stages.stages import Intake, standard_of
from invoice_pipelines.intake.stages.validating import judge_parsed, lock_told, told_by
from invoice_pipelines.intake.states import Status
from invoice_pipelines.storage import StorageError, read_blob
from invoice_pipelines.work import Progress, Run
from invoice_pipelines.work.failures import reason_of

CHUNK = 20
"""Invoices whose stored readings are in memory together."""

GOES_ON_FOR = timedelta(days=1)
"""How long an unfinished pass can be continued; after that, a new one begins."""

_READ_BEFORE = (Status.PARSED, Status.VALIDATED, Status.EXPORTED, Status.FAILED)
_STATUS_AFTER = {
    Judgement.VALID: Status.VALIDATED,
    Judgement.NEEDS_REVIEW: Status.PARSED,
    Judgement.FAILED: Status.FAILED,
}


@dataclass(frozen=True, slots=True)
class ReparseReport:
    """What a pass found up to now, over all calls that went on with it. `finished` is False where time was up.

    `by_effect` counts invoices by what became of them (or would have), `by_field` by the kind of field that is read
    otherwise; neither has those that are read as before.
    """

    id: UUID
    writes: bool
    read: int
    total: int
    finished: bool
    by_effect: Mapping[str, int]
    by_field: Mapping[str, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Pass:
    id: UUID
    writes: bool
    include_exported: bool
    after_id: UUID | None
    read: int


@dataclass(frozen=True, slots=True)
class _Found:
    """What reading an invoice again gave: differences with a new reading, or why there is none."""

    differences: tuple[Difference, ...]
    reading: Reading | None = None
    effect: Effect = Effect.APPLIED
    message: str | None = None


def reparse_invoices(
    intake: Intake,
    *,
    write: bool = False,
    include_exported: bool = False,
    recognize: bool = False,
    restart: bool = False,
    time_box: timedelta | None = None,
    chunk_size: int = CHUNK,
    on_progress: Callable[[Progress], None] | None = None,
) -> ReparseReport:
    """Reads the organization's invoices again, from their originals and from what OCR has read, until all are done or
    the time is up. A call with the same choices goes on with a pass of the last day, unless it is to `restart`.
    Progress has the figure `changed`: what is read otherwise in this call.

    With `write`, what is read otherwise takes the place of the old reading and is validated again; what was not
    readable and is now, too. Exported invoices are only listed; with `include_exported` those whose new reading is
    valid are exported again, as corrections. What people corrected or confirmed stays. With `recognize`, pages are read
    that the present OCR engine has not read yet.

    Raises IntakeError where another process is at the same pass, or pages are to be recognized and the engine cannot
    work.
    """
    current = _begin(intake, write, include_exported, recognize, restart)
    standard = standard_of(intake)
    total, finished = _total(intake), False
    run = Run(
        intake.engine,
        intake.organization.id,
        (),
        time_box=intake.time_box if time_box is None else time_box,
        on_progress=on_progress,
        count_due=lambda: (max(total - current.read, 0), None),
    )
    run.tally.add("succeeded", current.read)

    def chunks() -> Iterator[None]:
        nonlocal current, finished
        while not finished:
            before = current.read
            rows, decisions = _chunk(intake, current, chunk_size)
            last, read = current.after_id, 0
            for row in rows:
                if run.is_over():
                    break
                last, read = row.id, read + 1
                found = _read_again(intake, pages, row, decisions.get(row.id, ()))
                if found is not None:
                    current, read = _settle(intake, current, row, found, read, standard), 0
                    run.tally.add_figure("changed")
            else:
                finished = len(rows) < chunk_size
            if read or finished:
                with run.scope() as connection:
                    current = _advance(connection, current, last, read, finished=finished)
            run.tally.add("succeeded", current.read - before)
            yield

    with KeptPages(intake, recognize=recognize) as pages:
        run.work(chunks)
    with run.scope() as connection:
        by_effect, by_field = counts(connection, current.id)
    return ReparseReport(current.id, write, current.read, total, finished, by_effect, by_field, run.seconds())


def _begin(intake: Intake, write: bool, include_exported: bool, recognize: bool, restart: bool) -> _Pass:
    choices = {"write": write, "exported": include_exported, "recognize": recognize}
    with organization_scope(intake.engine, intake.organization.id) as connection:
        row = connection.execute(
            text(
                """select id, after_id, invoices_read from intake.reparse
                   where finished_at is null and writes = :write and include_exported = :exported
                     and recognizes = :recognize and created_at > now() - :goes_on_for and not :restart
                   order by id desc limit 1"""
            ),
            {**choices, "goes_on_for": GOES_ON_FOR, "restart": restart},
        ).one_or_none()
        if row is None:
            row = connection.execute(
                text(
                    """insert into intake.reparse (organization_id, writes, include_exported, recognizes, created_by)
                       values (organizations.current(), :write, :exported, :recognize, :by)
                       returning id, after_id, invoices_read"""
                ),
                {**choices, "by": intake.actor},
            ).one()
    return _Pass(row.id, write, include_exported, row.after_id, row.invoices_read)


def _total(intake: Intake) -> int:
    with organization_scope(intake.engine, intake.organization.id) as connection:
        return int(
            connection.execute(
                text("select count(*) from intake.received_invoice where status = any(:statuses)"),
                {"statuses": [str(status) for status in _READ_BEFORE]},
            ).scalar_one()
        )


def _chunk(intake: Intake, current: _Pass, size: int) -> tuple[Sequence[Row[Any]], dict[UUID, tuple[Decision, ...]]]:
    """The next invoices of a pass, each with its stored reading and why it failed; and what people decided on them."""
    with organization_scope(intake.engine, intake.organization.id) as connection:
        rows = connection.execute(
            text(
                """
                select r.id, r.processing_version, r.status, r.seller_key, r.invoice_key, r.gross_amount,
                       r.reading_json, u.sha256, u.file_name, e.stage as failed_stage, e.code as failed_code
                from intake.received_invoice r
                join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
                left join lateral (select e.stage, e.code from intake.processing_error e
                                   where e.organization_id = r.organization_id and e.received_invoice_id = r.id
                                     and r.status = 'FAILED' and not e.will_be_retried
                                   order by e.id desc limit 1) e on true
                where r.status = any(:statuses) and (cast(:after as uuid) is null or r.id > cast(:after as uuid))
                order by r.id limit :size
                """
            ),
            {"statuses": [str(status) for status in _READ_BEFORE], "after": current.after_id, "size": size},
        ).all()
        return rows, standing_decisions_of(connection, [row.id for row in rows])


def _read_again(intake: Intake, pages: KeptPages, row: Row[Any], decisions: Sequence[Decision]) -> _Found | None:
    """What reading the original gives now; None where that is what it gave before."""
    failed = row.status == Status.FAILED
    if failed and decisions and decisions[-1].entry.decision is Kind.REJECTED:
        return None  # a person has seen the document; no rule brings it back
    with organization_scope(intake.engine, intake.organization.id) as connection:
        aids = Aids(pages.finder(connection), partial(learned_places, connection), intake.recipient)
        try:
            data = read_blob(intake.originals, intake.organization.id, row.sha256, intake.limits.file_bytes)
            reading = read_document(data, row.file_name, intake.limits, aids)
        except PagesNotRecognized:
            problem = _Found((), None, Effect.NOT_RECOGNIZED, "no OCR engine has read all of its pages")
        except StorageError as error:
            problem = _Found((), None, Effect.NO_ORIGINAL, str(error))
        except ReadingError as error:
            problem = _Found((), None, Effect.UNREADABLE, f"{error.code}: {error.message}")
        except (IntakeError, SQLAlchemyError):
            raise
        except Exception as error:  # noqa: BLE001 (one document must not stop the pass over all others)
            problem = _Found((), None, Effect.UNREADABLE, reason_of(error).message)
        else:
            return _compared(row, as_people_left_it(reading, decisions))
    if failed and problem.effect is not Effect.NO_ORIGINAL:
        return None
    return replace(problem, differences=(Difference(DOCUMENT, row.failed_code or "read", problem.message),))


def _compared(row: Row[Any], reading: Reading) -> _Found | None:
    found: list[Difference] = []
    if row.status == Status.FAILED and row.failed_stage == "parse":
        found.append(Difference(DOCUMENT, row.failed_code, "readable"))
    if row.reading_json is not None:
        found += differences(row.reading_json, reading, with_confidence=row.status == Status.PARSED)
    return _Found(tuple(found), reading) if found else None


def _settle(intake: Intake, current: _Pass, row: Row[Any], found: _Found, read: int, standard: Standard) -> _Pass:
    """Does, or only tries, what an invoice's new reading leads to, writes down what it is, and moves the pass on."""
    effect, after, message = found.effect, None, found.message
    with organization_scope(intake.engine, intake.organization.id) as connection:
        current = _advance(connection, current, row.id, read)
        if found.reading is not None:
            attempt = connection.begin_nested()
            effect, after = _apply(connection, current, row, found.reading, standard)
            if current.writes and effect is Effect.APPLIED:
                attempt.commit()
            else:
                attempt.rollback()
        record_changes(
            connection,
            current.id,
            row.id,
            found.differences,
            status_before=row.status,
            effect=effect,
            status_after=after,
            message=message,
            is_written=current.writes and effect is Effect.APPLIED,
        )
    return current


def _apply(
    connection: Connection, current: _Pass, row: Row[Any], reading: Reading, standard: Standard
) -> tuple[Effect, Status | None]:
    """Puts a reading in the place of the old one and validates it, in the caller's savepoint."""
    if row.status == Status.EXPORTED and not current.include_exported:
        return Effect.EXPORTED, None
    lock_told(connection, {(row.seller_key, row.invoice_key, row.gross_amount), told_by(reading)})
    invoice = ask_for_reading(connection, InvoiceVersion(row.id, row.processing_version))
    if invoice is None:
        return Effect.OVERTAKEN, None
    if is_in_pending_export(connection, row.id):  # asked with the invoice locked: no export can begin now
        return Effect.IN_EXPORT, None
    mark_parsed(connection, [(invoice, reading)])
    judgement = judge_parsed(connection, [row.id], standard)[row.id].judgement
    after = _STATUS_AFTER[judgement]
    if row.status == Status.EXPORTED and after is not Status.VALIDATED:
        return Effect.NOT_VALID, after
    return Effect.APPLIED, after


def _advance(
    connection: Connection, current: _Pass, after_id: UUID | None, read: int, *, finished: bool = False
) -> _Pass:
    """Moves a pass on. Raises IntakeError where another process has done so since."""
    moved = connection.execute(
        text(
            """update intake.reparse
               set after_id = :after, invoices_read = invoices_read + :read,
                   finished_at = case when :finished then now() end
               where id = :id and finished_at is null and after_id is not distinct from cast(:before as uuid)"""
        ),
        {"id": current.id, "before": current.after_id, "after": after_id, "read": read, "finished": finished},
    ).rowcount
    if not moved:
        raise IntakeError(
            "another process is reading the history of this organization again with the same choices; wait until it is "
            "done and look at what it found"
        )
    return replace(current, after_id=after_id, read=current.read + read)
