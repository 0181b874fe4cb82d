"""Changes the status of received invoices, and answers questions about them.

Every change is one guarded statement: it names the status and the processing version it expects, so that of two
workers on one invoice exactly one wins. The connection is in the scope of the organization.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.rows import invoice_row, json_text, line_rows, tax_rows
from invoice_pipelines.intake.states import (
    EXPORT,
    PARSE,
    PARSEABLE,
    QUEUES,
    STAGE_OF_KIND,
    VALIDATE,
    Status,
    can_process,
    is_valid_status_transition,
)
from invoice_pipelines.intake.tracing import PROCESS_TRACE_ID, TRACE_ID_SQL
from invoice_pipelines.intake.turnaround import count_turnarounds
from invoice_pipelines.work import enqueue

_ON_ITS_WAY = ", ".join(f"'{status}'" for status in QUEUES)
_WAITS_FOR = " ".join(
    ("case r.status", *(f"when '{status}' then array{list(kinds)}" for status, kinds in QUEUES.items()), "end")
)
_AS_IT_WAS_READ = ("source", "format", "content_sha256", "raw_json")


@dataclass(frozen=True, slots=True)
class InvoiceVersion:
    """A received invoice as a worker saw it: the version guards what the worker does to it."""

    id: UUID
    processing_version: int


@dataclass(frozen=True, slots=True)
class ParseableInvoice:
    """A received invoice that waits to be read, and where its document is.

    `pictured_pages` are the pages that are pictures, each as number, key and dots per inch, once all were recognized.
    """

    version: InvoiceVersion
    organization_id: UUID
    sha256: str
    file_name: str
    pictured_pages: Sequence[tuple[int, str, float | None]] | None


@dataclass(frozen=True, slots=True)
class ProcessingError:
    """Why a stage could not be done. `code` is stable and in capitals, `message` is for people.

    `violation_class` is that of errors of the document (see `validation.ViolationClass`); None for a fault of ours.
    `attempts` is what the queue has counted, where it knows better than the log, as after a killed process. `stack` is
    that of a fault of ours.
    """

    stage: str
    code: str
    message: str
    violation_class: str | None = None
    attempts: int = 1
    stack: str | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of an organization's received invoices.

    Rates are shares of the finished ones (EXPORTED or FAILED), shares are those of all; None without any.
    """

    total: int
    by_status: dict[Status, int]
    success_rate: float | None
    failure_rate: float | None
    success_share: float | None
    failure_share: float | None


class IntakeError(InvoicePipelinesError):
    """Something that was asked of the intake cannot be done; the message says why and what to do."""


class UnknownUpload(IntakeError):
    """The organization has no upload with an id that was asked for."""


class UnknownInvoice(IntakeError):
    """The organization has no received invoice with an id that was asked for."""

    code = "RECEIVED_INVOICE_NOT_FOUND"


class OtherStatus(IntakeError):
    """What was asked for cannot be done in the status that something has. `statuses` are those of all such, by the id
    that was given.
    """

    def __init__(self, message: str, statuses: Mapping[UUID, Status]) -> None:
        super().__init__(message)
        self.statuses = statuses


class NotProcessable(OtherStatus):
    """An upload that was asked for is not waiting to be read."""


class NotFailed(OtherStatus):
    """A received invoice that is to be retried did not fail."""


class NotExported(OtherStatus):
    """A received invoice that is to be exported again is not exported."""


def invoices_of_uploads(connection: Connection, upload_ids: Sequence[UUID]) -> list[UUID]:
    """Ids of the received invoices of uploads, in the order asked for. Raises UnknownUpload naming what is missing."""
    rows = connection.execute(
        text("select upload_id, id from intake.received_invoice where upload_id = any(:ids)"), {"ids": list(upload_ids)}
    )
    found = {row.upload_id: row.id for row in rows}
    missing = [str(upload_id) for upload_id in upload_ids if upload_id not in found]
    if missing:
        raise UnknownUpload(f"there is no upload {', '.join(missing)} in this organization")
    return [found[upload_id] for upload_id in upload_ids]


def invoices_to_process(connection: Connection, upload_ids: Sequence[UUID]) -> list[UUID]:
    """Ids of the received invoices of uploads that wait to be read, in the order asked for.

    Raises UnknownUpload naming what is missing, and NotProcessable naming each that is not UPLOADED or CREATED.
    """
    invoice_ids = invoices_of_uploads(connection, upload_ids)
    rows = connection.execute(
        text("select upload_id, status from intake.received_invoice where id = any(:ids) order by id"),
        {"ids": invoice_ids},
    )
    others = {row.upload_id: Status(row.status) for row in rows if not can_process(Status(row.status))}
    if others:
        raise NotProcessable(
            f"only uploads that are UPLOADED or CREATED can be processed, and {named_statuses(others)}. Nothing was "
            "begun; leave these out, or retry them first if they failed.",
            others,
        )
    return invoice_ids


def parseable_invoices(
    connection: Connection, ids: Sequence[UUID], *, lock: bool = False
) -> dict[UUID, ParseableInvoice]:
    """Those of the invoices that may be read; with `lock`, to the end of the transaction by nobody else."""
    rows = connection.execute(
        text(
            f"""select r.id, r.organization_id, r.processing_version, r.pictured_pages, u.sha256, u.file_name
                from intake.received_invoice r
                join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
                where r.id = any(:ids) and r.status = any(:parseable)
                order by r.id {"for update of r" if lock else ""}"""
        ),
        {"ids": list(ids), "parseable": [str(status) for status in PARSEABLE]},
    )
    return {
        row.id: ParseableInvoice(
            InvoiceVersion(row.id, row.processing_version),
            row.organization_id,
            row.sha256,
            row.file_name,
            row.pictured_pages,
        )
        for row in rows
    }


def keep_pictured_pages(
    connection: Connection, invoice: InvoiceVersion, pages: Sequence[tuple[int, str, float | None]]
) -> None:
    """Notes which pages of a document are pictures, all of which were recognized, so that none is drawn again."""
    connection.execute(
        text(
            """update intake.received_invoice set pictured_pages = cast(:pages as jsonb)
               where id = :id and processing_version = :version"""
        ),
        {"pages": json.dumps(pages), "id": invoice.id, "version": invoice.processing_version},
    )


def mark_parsed(connection: Connection, readings: Iterable[tuple[InvoiceVersion, Reading]]) -> set[UUID]:
    """UPLOADED or CREATED to PARSED with all that was read; queues the validation.

    Of each reading only the rows are kept before the next one is asked for: a generator needs memory for one reading.
    Returns the ids that changed: an invoice that somebody else changed since is left alone and not in it.
    """
    ids: list[UUID] = []
    columns: list[str] = []
    rows: list[str] = []
    xmls: list[bytes | None] = []
    lines: list[dict[str, Any]] = []
    taxes: list[dict[str, Any]] = []
    for invoice, reading in readings:
        ids.append(invoice.id)
        row = invoice_row(reading)
        columns = list(row)
        rows.append(json_text({"id": str(invoice.id), "processing_version": invoice.processing_version, **row}))
        xmls.append(reading.xml)
        lines += line_rows(invoice.id, reading)
        taxes += tax_rows(invoice.id, reading)
    if not ids:
        return set()
    # In the driver's own notation, which can ask for bytes as they are (%b); as text they would be twice as long.
    changed = set(
        connection.exec_driver_sql(
            f"""
            update intake.received_invoice r
            set status = 'PARSED', xml = x.xml, {_assignments(columns)}
            from jsonb_populate_recordset(null::intake.received_invoice, cast(%(rows)s as jsonb)) as n
            join unnest(cast(%(ids)s as uuid[]), cast(%(xmls)b as bytea[])) as x(id, xml) on x.id = n.id
            where r.id = any(cast(%(ids)s as uuid[])) and r.id = n.id
              and r.processing_version = n.processing_version and r.status = any(%(parseable)s)
            returning r.id
            """,
            {
                "rows": f"[{','.join(rows)}]",
                "ids": ids,
                "xmls": xmls,
                "parseable": [str(status) for status in PARSEABLE],
            },
        ).scalars()
    )
    _replace_parts(connection, changed, lines, taxes)
    enqueue(connection, VALIDATE, [str(invoice_id) for invoice_id in ids if invoice_id in changed])
    return changed


def change_reading(connection: Connection, invoice: InvoiceVersion, reading: Reading) -> bool:
    """Replaces the reading of a parsed invoice by what people made of it; its raw form stays as it was read.

    Lines and VAT by rate are written anew. Returns whether it was done: not where somebody else changed the invoice.
    """
    row = {name: value for name, value in invoice_row(reading).items() if name not in _AS_IT_WAS_READ}
    changed = connection.execute(
        text(
            f"""
            update intake.received_invoice r set {_assignments(row)}
            from jsonb_populate_record(null::intake.received_invoice, cast(:row as jsonb)) as n
            where r.id = :id and r.processing_version = :version and r.status = 'PARSED'
            """
        ),
        {"row": json_text(row), "id": invoice.id, "version": invoice.processing_version},
    ).rowcount
    if changed:
        _replace_parts(connection, {invoice.id}, line_rows(invoice.id, reading), tax_rows(invoice.id, reading))
    return changed > 0


def mark_validated(connection: Connection, invoices: Sequence[InvoiceVersion]) -> set[UUID]:
    """PARSED to VALIDATED; queues the export. Returns the ids that changed."""
    changed = _move(connection, invoices, [Status.PARSED], Status.VALIDATED)
    enqueue(connection, EXPORT, [str(invoice.id) for invoice in invoices if invoice.id in changed])
    return changed


def mark_exported(connection: Connection, invoices: Sequence[InvoiceVersion]) -> set[UUID]:
    """VALIDATED to EXPORTED; decisions about them cannot be taken back any more. Returns the ids that changed."""
    changed = _move(connection, invoices, [Status.VALIDATED], Status.EXPORTED)
    connection.execute(
        text("delete from intake.review_undo where received_invoice_id = any(:ids)"), {"ids": list(changed)}
    )
    return changed


def is_in_pending_export(connection: Connection, invoice_id: UUID) -> bool:
    """Whether an export has begun that holds the invoice."""
    return bool(
        connection.execute(
            text(
                """select exists (select from intake.export_invoice ei
                                  join intake.export e on e.organization_id = ei.organization_id and e.id = ei.export_id
                                  where ei.received_invoice_id = :id and e.status = 'pending')"""
            ),
            {"id": invoice_id},
        ).scalar_one()
    )


def mark_failed(connection: Connection, failures: Sequence[tuple[InvoiceVersion, ProcessingError]]) -> set[UUID]:
    """Any status but FAILED to FAILED, each with its reason. Returns the ids that changed."""
    sources = [status for status in Status if status is not Status.FAILED]
    changed = _move(connection, [invoice for invoice, _ in failures], sources, Status.FAILED)
    record_errors(connection, [(invoice.id, error) for invoice, error in failures if invoice.id in changed])
    return changed


def retry_failed(
    connection: Connection, invoice_ids: Sequence[UUID] | None = None, *, failed_before: datetime | None = None
) -> list[UUID]:
    """FAILED to CREATED, for the named invoices, or for all that failed (before a moment); queues the reading. Returns
    the ids.
    """
    changed = list(
        connection.execute(
            text(
                """update intake.received_invoice set status = 'CREATED'
                   where status = 'FAILED' and (cast(:ids as uuid[]) is null or id = any(cast(:ids as uuid[])))
                     and (cast(:before as timestamptz) is null or last_processed_at < :before)
                   returning id"""
            ),
            {"ids": None if invoice_ids is None else list(invoice_ids), "before": failed_before},
        ).scalars()
    )
    enqueue(connection, PARSE, [str(invoice_id) for invoice_id in sorted(changed)])
    return changed


def retry_invoices(connection: Connection, invoice_ids: Sequence[UUID]) -> list[UUID]:
    """FAILED to CREATED, for all of these invoices; queues the reading. Returns the ids.

    Raises UnknownInvoice, and NotFailed naming each that did not fail; then none is put back.
    """
    statuses = statuses_of(connection, invoice_ids)
    others = {invoice_id: status for invoice_id, status in statuses.items() if status is not Status.FAILED}
    if others:
        raise NotFailed(
            f"only failed invoices can be retried, and {named_statuses(others)}. Nothing was put back; leave these "
            "out.",
            others,
        )
    return retry_failed(connection, invoice_ids)


def statuses_of(connection: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, Status]:
    """The statuses of received invoices, in the order of their ids, locked to the end of the transaction. Raises
    UnknownInvoice naming what is missing.
    """
    rows = connection.execute(
        text("select id, status from intake.received_invoice where id = any(:ids) order by id for no key update"),
        {"ids": list(invoice_ids)},
    )
    found = {row.id: Status(row.status) for row in rows}
    if missing := [str(invoice_id) for invoice_id in dict.fromkeys(invoice_ids) if invoice_id not in found]:
        raise UnknownInvoice(f"this organization has no received invoice {', '.join(missing)}")
    return found


def named_statuses(statuses: Mapping[UUID, Status]) -> str:
    """Each with its status, in a sentence."""
    return ", ".join(f"{one} is {status}" for one, status in statuses.items())


def ask_for_reading(connection: Connection, invoice: InvoiceVersion) -> InvoiceVersion | None:
    """PARSED, VALIDATED or FAILED to CREATED, to be given another reading in this transaction; EXPORTED by VALIDATED.

    Nothing is queued. Returns the invoice as it is then; None where somebody else changed it.
    """
    if _move(connection, [invoice], [Status.EXPORTED], Status.VALIDATED):
        invoice = InvoiceVersion(invoice.id, invoice.processing_version + 1)
    sources = [status for status in Status if is_valid_status_transition(status, Status.CREATED)]
    if not _move(connection, [invoice], sources, Status.CREATED):
        return None
    return InvoiceVersion(invoice.id, invoice.processing_version + 1)


def ask_for_new_export(connection: Connection, invoice_ids: Sequence[UUID]) -> list[UUID]:
    """EXPORTED to VALIDATED, so that the next export holds these invoices again. Returns the ids that changed."""
    changed = list(
        connection.execute(
            text(
                """update intake.received_invoice set status = 'VALIDATED'
                   where status = 'EXPORTED' and id = any(:ids) returning id"""
            ),
            {"ids": list(invoice_ids)},
        ).scalars()
    )
    enqueue(connection, EXPORT, [str(invoice_id) for invoice_id in sorted(changed)])
    return changed


def fail_given_up(connection: Connection, stacks: Mapping[UUID, str] | None = None) -> list[UUID]:
    """Fails the invoices whose work item was given up: an unexpected fault on each attempt, or a dead process.

    The item knows the reason, and it becomes the invoice's, with its stack where that is known. Returns the ids that
    changed.
    """
    rows = connection.execute(
        text(
            f"""
            with failed as materialized (
                select i.organization_id, i.id, i.kind, i.subject_id, i.error_code, i.error_message, i.attempts,
                       case when pg_input_is_valid(i.subject_id, 'uuid') then i.subject_id::uuid end as invoice_id
                from work.items i
                where i.organization_id = organizations.current() and i.status = 'failed'
                  and i.kind = any (:kinds))
            select distinct on (r.id) r.id, r.processing_version, i.kind, i.error_code, i.error_message, i.attempts
            from failed i
            cross join lateral (
                select r.id, r.organization_id, r.status, r.processing_version from intake.received_invoice r
                where r.organization_id = i.organization_id and r.id between i.invoice_id and i.invoice_id
                order by r.id) r
            where r.status in ({_ON_ITS_WAY}) and i.kind = any ({_WAITS_FOR})
              and (select open.id from work.items open
                   where open.organization_id = i.organization_id and open.subject_id = i.subject_id
                     and open.kind = any ({_WAITS_FOR})
                     and open.status in ('pending', 'processing') limit 1) is null
              -- What waits for a person was judged; an earlier attempt that failed is over.
              and (select w.position from intake.review_reason w
                   where w.organization_id = r.organization_id and w.received_invoice_id = r.id
                     and w.processing_version = r.processing_version limit 1) is null
            order by r.id, i.id desc
            """
        ),
        {"kinds": list(STAGE_OF_KIND)},
    ).all()
    failures = [
        (
            InvoiceVersion(row.id, row.processing_version),
            ProcessingError(
                STAGE_OF_KIND[row.kind],
                row.error_code or "UNKNOWN",
                row.error_message or "given up",
                attempts=max(row.attempts, 1),
                stack=(stacks or {}).get(row.id),
            ),
        )
        for row in rows
    ]
    failed = sorted(mark_failed(connection, failures))
    count_turnarounds(connection, failed)
    return failed


def find_stuck(connection: Connection, unchanged_for: timedelta, queued_for: timedelta = timedelta(0)) -> list[UUID]:
    """Invoices that the pipeline should have gone on with, but has not touched for longer than this, oldest first.

    What is in the queue, and so waits for its turn, counts after `queued_for` only. What waits for a person is not
    among them, nor what DATEV alone should have and refuses.
    """
    return list(
        connection.execute(
            text(
                f"""select r.id from intake.received_invoice r
                   where r.status in ({_ON_ITS_WAY})
                     and coalesce(r.last_processed_at, r.created_at) < now() - :unchanged_for
                     and (select w.position from intake.review_reason w
                          where w.organization_id = r.organization_id and w.received_invoice_id = r.id
                            and w.processing_version = r.processing_version limit 1) is null
                     and (select w.received_invoice_id from intake.datev_waiting w
                          where w.organization_id = r.organization_id and w.received_invoice_id = r.id
                            and r.status = 'VALIDATED') is null
                     and (coalesce(r.last_processed_at, r.created_at) < now() - :queued_for
                          or not exists (select from work.items i
                                         where i.organization_id = r.organization_id and i.subject_id = r.id::text
                                           and i.kind = any(:kinds) and i.status in ('pending', 'processing')))
                   order by coalesce(r.last_processed_at, r.created_at)"""
            ),
            {"unchanged_for": unchanged_for, "queued_for": queued_for, "kinds": list(STAGE_OF_KIND)},
        ).scalars()
    )


def statistics(connection: Connection) -> Statistics:
    """Counts by status, and the shares of success and failure among those that are finished and among all."""
    rows = connection.execute(text("select status, count(*) from intake.received_invoice group by status"))
    found = {Status(row[0]): int(row[1]) for row in rows}
    by_status = {status: found.get(status, 0) for status in Status}
    exported, failed = by_status[Status.EXPORTED], by_status[Status.FAILED]
    finished, total = exported + failed, sum(by_status.values())
    return Statistics(
        total=total,
        by_status=by_status,
        success_rate=exported / finished if finished else None,
        failure_rate=failed / finished if finished else None,
        success_share=exported / total if total else None,
        failure_share=failed / total if total else None,
    )


def _move(
    connection: Connection, invoices: Sequence[InvoiceVersion], sources: Sequence[Status], target: Status
) -> set[UUID]:
    if not invoices:
        return set()
    return set(
        connection.execute(
            text(
                """
                update intake.received_invoice r set status = :target
                from unnest(cast(:ids as uuid[]), cast(:versions as integer[])) as n(id, version)
                where r.id = any(:ids) and r.id = n.id and r.processing_version = n.version
                  and r.status = any(:sources)
                returning r.id
                """
            ),
            {
                "target": str(target),
                "ids": [invoice.id for invoice in invoices],
                "versions": [invoice.processing_version for invoice in invoices],
                "sources": [str(source) for source in sources],
            },
        ).scalars()
    )


def record_errors(
    connection: Connection, errors: Sequence[tuple[UUID, ProcessingError]], *, will_be_retried: bool = False
) -> None:
    """Writes failed attempts to the log, with their number and what they can be traced by; see `tracing`."""
    rows: list[dict[str, Any]] = [
        {
            "invoice": invoice_id,
            "stage": error.stage,
            "code": error.code,
            "message": error.message,
            "class": error.violation_class,
            "attempts": error.attempts,
            "retried": will_be_retried,
            "trace": PROCESS_TRACE_ID,
            "stack": error.stack,
        }
        for invoice_id, error in errors
    ]
    if rows:
        connection.execute(
            text(
                f"""insert into intake.processing_error (organization_id, received_invoice_id, stage, code, message,
                        violation_class, will_be_retried, attempt, trace_id, stack)
                    select organizations.current(), cast(:invoice as uuid), :stage, :code,
                           :message, :class, :retried,
                           greatest(:attempts, 1 + (select count(*) from intake.processing_error e
                                                    where e.received_invoice_id = cast(:invoice as uuid)
                                                      and e.stage = :stage)),
                           {TRACE_ID_SQL}, :stack"""
            ),
            rows,
        )


def _replace_parts(
    connection: Connection, ids: Set[UUID], lines: list[dict[str, Any]], taxes: list[dict[str, Any]]
) -> None:
    """Writes lines and taxes of the changed invoices anew."""
    for table in ("received_invoice_line", "received_invoice_tax"):
        connection.execute(
            text(f"delete from intake.{table} where received_invoice_id = any(:ids)"), {"ids": list(ids)}
        )
    kept = {str(invoice_id) for invoice_id in ids}
    for table, rows in (("received_invoice_line", lines), ("received_invoice_tax", taxes)):
        if rows := [row for row in rows if row["received_invoice_id"] in kept]:
            columns = ", ".join(rows[0])
            connection.execute(
                text(
                    f"""insert into intake.{table} (organization_id, {columns})
                        select organizations.current(), {columns}
                        from jsonb_populate_recordset(null::intake.{table}, cast(:rows as jsonb))"""
                ),
                {"rows": json.dumps(rows)},
            )


def _assignments(columns: Iterable[str]) -> str:
    return ", ".join(f"{column} = n.{column}" for column in columns)
