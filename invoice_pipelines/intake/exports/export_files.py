"""Completes exports, whatever their format.

An export is written in three steps, so that a kill at any point loses and doubles nothing: its invoices are chosen
and committed as `pending`; the files are written, atomically and under names that the export decides; then it is
`completed` and the invoices are EXPORTED, in one transaction. The next run finishes what is pending.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from upath import UPath

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.exports.export_file import ExportFile, Place
from invoice_pipelines.intake.exports.formats import PendingExport, format_called
from invoice_pipelines.intake.received_invoices import InvoiceVersion, mark_exported
from invoice_pipelines.registry import EXPORT_FORMATS
from invoice_pipelines.storage import StorageError


@dataclass(frozen=True, slots=True)
class Export:
    """A completed export. `newly_exported` counts its invoices that stood in no other completed export."""

    id: UUID
    number: int
    invoice_count: int
    files: tuple[ExportFile, ...]
    format: str
    newly_exported: int = 0


def complete_exports(
    engine: Engine, organization_id: UUID, slug: str, exports: UPath, originals: UPath | None = None
) -> list[Export]:
    """Writes the files of all pending exports of an organization and marks their invoices EXPORTED.

    An export that needs the store of `originals` stays pending without it, as does one of a format that is not known.
    Two processes may do this at once: the files have the same names and contents, and one of them completes.
    Raises StorageError where a file cannot be written, once all other exports are done; the export stays pending.
    """
    completed: list[Export] = []
    failure: StorageError | None = None
    names = EXPORT_FORMATS.names()
    formats = [name for name in names if originals is not None or not format_called(name).needs_originals]
    with organization_scope(engine, organization_id) as connection:
        export_ids = list(
            connection.execute(
                text("select id from intake.export where status = 'pending' and format = any(:formats) order by id"),
                {"formats": formats},
            ).scalars()
        )
    for export_id in export_ids:
        try:
            with organization_scope(engine, organization_id) as connection:
                export = _complete(connection, export_id, Place(organization_id, slug, exports, originals))
        except StorageError as error:
            failure = failure or error
            continue
        if export is not None:
            completed.append(export)
    if failure is not None:
        raise failure
    return completed


def _complete(connection: Connection, export_id: UUID, place: Place) -> Export | None:
    row = connection.execute(
        text(
            """select export_number, created_at, format from intake.export
               where id = :id and status = 'pending' for update skip locked"""
        ),
        {"id": export_id},
    ).one_or_none()
    if row is None:
        return None
    # An invoice of two formats is EXPORTED already when the second one is written. A FAILED one stays in an export that
    # only takes earlier bookings of it back.
    invoices = connection.execute(
        text(
            """select r.id, r.processing_version, r.status from intake.received_invoice r
               join intake.export_invoice ei on ei.organization_id = r.organization_id and ei.received_invoice_id = r.id
               where ei.export_id = :id
                 and (r.status in ('VALIDATED', 'EXPORTED')
                      or r.status = 'FAILED'
                         and (select bool_and(b.is_reversal) from intake.datev_booking b
                              where b.organization_id = r.organization_id and b.received_invoice_id = r.id
                                and b.export_id = ei.export_id))
               order by r.id for update of r"""
        ),
        {"id": export_id},
    ).all()
    ids = [invoice.id for invoice in invoices]
    # An invoice that failed after it was chosen (by an operator) is no longer part of the export.
    connection.execute(
        text("delete from intake.export_invoice where export_id = :id and received_invoice_id <> all(:ids)"),
        {"id": export_id, "ids": ids},
    )
    pending = PendingExport(export_id, row.export_number, row.created_at, tuple(ids))
    files = format_called(row.format).write(connection, pending, place)
    moved = mark_exported(
        connection,
        [
            InvoiceVersion(invoice.id, invoice.processing_version)
            for invoice in invoices
            if invoice.status == "VALIDATED"
        ],
    )
    connection.execute(
        text(
            """update intake.export set status = 'completed', completed_at = now(), invoice_count = :invoice_count,
                                        files = cast(:files as jsonb)
               where id = :id"""
        ),
        {
            "id": export_id,
            "invoice_count": len(ids),
            "files": json.dumps(
                [
                    {"path": file.path, "sha256": file.sha256, "size_bytes": file.size_bytes, "rows": file.rows}
                    for file in files
                ]
            ),
        },
    )
    return Export(export_id, row.export_number, len(ids), files, row.format, len(moved))
