"""Holds how exports are begun and completed, and the CSV files; what a DATEV export holds is in `datev`.

An export is written in three steps, so that a kill at any point loses and doubles nothing: its invoices are chosen
and committed as `pending`; the files are written, atomically and under names that the export decides; then it is
`completed` and the invoices are EXPORTED, in one transaction. The next run finishes what is pending.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from upath import UPath

from invoice_pipelines import storage
from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.exports.export_file import ExportFile, Place, write_export_file
from invoice_pipelines.intake.received_invoices import InvoiceVersion, mark_exported
from invoice_pipelines.storage import StorageError

INVOICE_COLUMNS = {
    "invoice_record_id": "id of the received invoice",
    "file_name": "name of the upload",
    "sha256": "SHA-256 of the upload",
    "invoice_number": "BT-1",
    "type_code": "BT-3, UNTDID 1001",
    "issue_date": "BT-2, ISO 8601",
    "due_date": "BT-9, ISO 8601",
    "currency": "BT-5, ISO 4217",
    "seller_name": "BT-27",
    "seller_vat_id": "BT-31",
    "seller_tax_id": "BT-32",
    "buyer_name": "BT-44",
    "buyer_vat_id": "BT-48",
    "buyer_reference": "BT-10",
    "order_reference": "BT-13",
    "iban": "BT-84",
    "net_amount": "BT-109, decimal point",
    "tax_amount": "BT-110, decimal point",
    "gross_amount": "BT-112, decimal point",
    "payable_amount": "BT-115, decimal point",
    "source": "xml, text or ocr",
    "format": "UBL, CII, ZUGFERD1 or PDF",
    "profile": "short name of the specification (BT-24)",
    "confidence": "0 to 1: the lowest of number, issue date, seller, gross amount and currency",
}
"""Columns of the invoice file in their order, and what they hold."""

LINE_COLUMNS = {
    "invoice_record_id": "id of the received invoice",
    "invoice_number": "BT-1",
    "line_number": "position in the document, from 1",
    "line_identifier": "BT-126",
    "description": "BT-153",
    "quantity": "BT-129, decimal point",
    "unit": "BT-130",
    "unit_price": "BT-146, decimal point",
    "net_amount": "BT-131, decimal point",
    "tax_category": "BT-151",
    "tax_rate": "BT-152, percent",
}
"""Columns of the line file in their order, and what they hold."""

_AMOUNTS = frozenset(
    {
        *("net_amount", "tax_amount", "gross_amount", "payable_amount"),
        *("quantity", "unit_price", "tax_rate", "confidence", "line_number"),
    }
)


@dataclass(frozen=True, slots=True)
class Export:
    """A completed export. `newly_exported` counts its invoices that stood in no other completed export."""

    id: UUID
    number: int
    invoice_count: int
    files: tuple[ExportFile, ...]
    format: str = "CSV"
    newly_exported: int = 0


def choose_invoices(connection: Connection, invoice_ids: Sequence[UUID], created_by: str) -> UUID | None:
    """Begins a CSV export of those invoices that are VALIDATED and in no pending CSV export; None without any.

    Export numbers count up per organization without gaps; two that begin at once wait for each other.
    """
    connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended('export/' || current_setting('app.organization_id'), 0))")
    )
    chosen = list(
        connection.execute(
            text(
                """
                select r.id from intake.received_invoice r
                where r.id = any(:ids) and r.status = 'VALIDATED'
                  and not exists (select from intake.export_invoice ei
                                  join intake.export e on e.organization_id = ei.organization_id and e.id = ei.export_id
                                  where ei.organization_id = r.organization_id and ei.received_invoice_id = r.id
                                    and e.status = 'pending' and e.format = 'CSV')
                order by r.id for update of r
                """
            ),
            {"ids": list(invoice_ids)},
        ).scalars()
    )
    if not chosen:
        return None
    export_id: UUID = connection.execute(
        text(
            """
            insert into intake.export (organization_id, export_number, format, created_by, invoice_count)
            select organizations.current(), coalesce(max(export_number), 0) + 1, 'CSV',
                   :created_by, :invoice_count
            from intake.export
            returning id
            """
        ),
        {"created_by": created_by, "invoice_count": len(chosen)},
    ).scalar_one()
    connection.execute(
        text(
            """insert into intake.export_invoice (organization_id, export_id, received_invoice_id)
               select organizations.current(), :export_id, unnest(cast(:ids as uuid[]))"""
        ),
        {"export_id": export_id, "ids": chosen},
    )
    return export_id


def complete_exports(
    engine: Engine, organization_id: UUID, slug: str, exports: UPath, originals: UPath | None = None
) -> list[Export]:
    """Writes the files of all pending exports of an organization and marks their invoices EXPORTED.

    A DATEV export holds the documents as well and so needs the store of `originals`; without, it stays pending.
    Two processes may do this at once: the files have the same names and contents, and one of them completes.
    Raises StorageError where a file cannot be written, once all other exports are done; the export stays pending.
    """
    completed: list[Export] = []
    failure: StorageError | None = None
    with organization_scope(engine, organization_id) as connection:
        formats = ["CSV"] if originals is None else ["CSV", "DATEV"]
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
    files: tuple[ExportFile, ...]
    if row.format == "CSV":
        name = f"{place.slug}/{place.slug}_{row.export_number:06}_{row.created_at:%Y%m%d}"
        files = (
            _write(place.exports, f"{name}_invoices.csv", INVOICE_COLUMNS, _invoice_rows(connection, ids)),
            _write(place.exports, f"{name}_lines.csv", LINE_COLUMNS, _line_rows(connection, ids)),
        )
    else:
        from invoice_pipelines.intake.exports.datev.writing import write_batches  # only those need it who have DATEV

        files = write_batches(connection, export_id, ids, place)
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


def _invoice_rows(connection: Connection, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    columns = ", ".join(name for name in INVOICE_COLUMNS if name != "invoice_record_id")
    statement = f"""select id as invoice_record_id, {columns} from public.received_invoice
                    where id = any(:ids) order by id"""
    return [dict(row) for row in connection.execute(text(statement), {"ids": list(ids)}).mappings()]


def _line_rows(connection: Connection, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    columns = ", ".join(f"l.{name}" for name in LINE_COLUMNS if name not in ("invoice_record_id", "invoice_number"))
    statement = f"""select l.received_invoice_id as invoice_record_id, r.invoice_number, {columns}
                    from public.received_invoice_line l
                    join intake.received_invoice r on r.id = l.received_invoice_id
                    where l.received_invoice_id = any(:ids) order by l.received_invoice_id, l.line_number"""
    return [dict(row) for row in connection.execute(text(statement), {"ids": list(ids)}).mappings()]


def _write(exports: UPath, path: str, columns: dict[str, str], rows: Sequence[dict[str, Any]]) -> ExportFile:
    return write_export_file(exports, path, to_csv(list(columns), rows), len(rows))


def to_csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> bytes:
    """A file of some of the columns above; see `storage.to_csv` for its form."""
    return storage.to_csv(columns, rows, _AMOUNTS)
