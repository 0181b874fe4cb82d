"""Uploads that a person asked for, processed ahead of the queue: a batch job of them, and the stages that do it.

Each step can be repeated: what is done is not done again, and what others work on meanwhile is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.received_invoices import invoices_to_process
from invoice_pipelines.intake.stages.stages import (
    Intake,
    export_invoices,
    parse_uploads,
    recognize_pages,
    validate_invoices,
)
from invoice_pipelines.intake.states import EXPORT, PARSE, PROCESS, RECOGNIZE, VALIDATE
from invoice_pipelines.work import Failure, ItemStatus, create_job, enqueue, get_job, job_items, put_first

LARGEST_SAMPLE = 20
SECONDS_PER_UPLOAD = 1.0
"""How long one takes, for an estimate as long as the organization has asked for none."""
WAITS, BUSY = "WAITS", "Somebody else works on it."


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """What became of uploads: valid (`succeeded`), `failed`, waiting for a person (`skipped`), or still `due`.
    `failures` is a sample of what failed or is due, with reasons.
    """

    succeeded: int
    failed: int
    skipped: int
    due: int
    seconds: float
    failures: tuple[Failure, ...]

    @property
    def done(self) -> int:
        """Uploads that need no more work."""
        return self.succeeded + self.failed + self.skipped


@dataclass(frozen=True, slots=True)
class Waiting:
    """An invoice with which a stage has not come to an end, and why, where an attempt failed."""

    invoice_id: UUID
    file_name: str
    code: str | None
    message: str | None


def ask_for_uploads(connection: Connection, upload_ids: Sequence[UUID], *, asked_by: str) -> UUID:
    """Makes a batch job of the uploads, and puts each before all others in the queue; returns the id of the job.

    Raises UnknownUpload for an id that the organization does not have, and NotProcessable for one that is not
    UPLOADED or CREATED.
    """
    invoice_ids = invoices_to_process(connection, upload_ids)
    enqueue(connection, PARSE, invoice_ids)
    for kind in (PARSE, RECOGNIZE):
        put_first(connection, kind, invoice_ids)
    return create_job(connection, PROCESS, invoice_ids, created_by=asked_by)


def asked_invoices(connection: Connection, job_id: UUID) -> list[UUID]:
    """Ids of the received invoices of a batch job, in the order of the request; without those that were cancelled."""
    return list(
        connection.execute(
            text(
                """select i.subject_id::uuid from work.items i
                   where i.organization_id = organizations.current() and i.job_id = :job and i.status <> 'cancelled'
                   order by i.id"""
            ),
            {"job": job_id},
        ).scalars()
    )


def waiting_invoices(connection: Connection, kind: str, invoice_ids: Sequence[UUID]) -> list[Waiting]:
    """Those of the invoices with which the stage of a kind has not come to an end. Waits for an export of them that
    another process is writing at this moment.
    """
    rows: list[Row[Any]] = []
    rows += connection.execute(
        text(
            """select r.id, u.file_name, w.code, w.message
               from intake.received_invoice r
               join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
               join (select i.subject_id, i.error_code as code, i.error_message as message from work.items i
                     where i.organization_id = organizations.current() and i.kind = :kind and i.job_id is null
                       and i.subject_id = any(:subjects) and i.status in ('pending', 'processing')) w
                    on w.subject_id = r.id::text
               where r.id = any(:ids) order by r.id"""
        ),
        {"kind": kind, "ids": list(invoice_ids), "subjects": [str(invoice_id) for invoice_id in invoice_ids]},
    ).all()
    if kind == EXPORT:
        rows += connection.execute(
            text(
                """select r.id, u.file_name, 'PENDING', 'Its export is not written yet.'
                   from intake.export e
                   join intake.export_invoice x on x.organization_id = e.organization_id and x.export_id = e.id
                   join intake.received_invoice r
                        on r.organization_id = x.organization_id and r.id = x.received_invoice_id
                   join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
                   where e.status = 'pending' and r.id = any(:ids) order by r.id for update of e"""
            ),
            {"ids": list(invoice_ids)},
        ).all()
    return [Waiting(*row) for row in rows]


def process_uploads(intake: Intake, upload_ids: Sequence[UUID]) -> tuple[UUID, ProcessReport]:
    """Parses, validates and exports the named uploads ahead of the queue, as a batch job; then recognizes the pages of
    those that have pictures, and goes on with them.

    Returns the id of the job and its report. Raises what `ask_for_uploads` does, and StorageError where the files of an
    export cannot be written.
    """
    started = time.monotonic()
    with organization_scope(intake.engine, intake.organization.id) as connection:
        job_id = ask_for_uploads(connection, upload_ids, asked_by=intake.actor)
        invoice_ids = asked_invoices(connection, job_id)
    _export(intake, invoice_ids)
    if recognize_pages(intake, only=invoice_ids).done:
        _export(intake, invoice_ids)
    with organization_scope(intake.engine, intake.organization.id) as connection:
        job = get_job(connection, job_id)
        kinds = (PARSE, RECOGNIZE, VALIDATE, EXPORT)
        waiting = [each for kind in kinds for each in waiting_invoices(connection, kind, invoice_ids)]
        failed = job_items(connection, job_id, status=ItemStatus.FAILED, limit=LARGEST_SAMPLE).items
        failures = [Failure(item.subject_id, item.code or "", item.message or "", is_final=True) for item in failed] + [
            Failure(str(each.invoice_id), each.code or WAITS, each.message or BUSY, is_final=False) for each in waiting
        ]
    return job_id, ProcessReport(
        succeeded=job.successful_items,
        failed=job.failed_items,
        skipped=job.skipped_items,
        due=len(waiting),
        seconds=time.monotonic() - started,
        failures=tuple(failures[:LARGEST_SAMPLE]),
    )


def _export(intake: Intake, invoice_ids: Sequence[UUID]) -> None:
    for stage in (parse_uploads, validate_invoices, export_invoices):
        stage(intake, only=invoice_ids)
