"""Writes the files of a DATEV export from the ledger: batches, and the ZIPs of their documents.

What is in them was decided when the export was begun; names and bytes are the same however often they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.exports.datev.batch_file import batch_file, split_into_files
from invoice_pipelines.intake.exports.datev.documents_zip import Document, document_zips
from invoice_pipelines.intake.exports.datev.errors import DatevError
from invoice_pipelines.intake.exports.datev.ledger import drop_entries, entries_of_export
from invoice_pipelines.intake.exports.datev.settings import load_settings
from invoice_pipelines.intake.exports.export_file import ExportFile, Place, write_export_file
from invoice_pipelines.storage import read_blob


def write_batches(
    connection: Connection, export_id: UUID, invoice_ids: Sequence[UUID], place: Place
) -> tuple[ExportFile, ...]:
    """Writes the files of an export that is pending; `invoice_ids` are those that are still in it.

    Raises StorageError where a document is missing or a file cannot be written.
    """
    drop_entries(connection, export_id, keep=invoice_ids)
    return rewrite_batches(connection, export_id, place)


def completed_batches(connection: Connection, number: int) -> UUID | None:
    """The completed DATEV export with a number."""
    return connection.execute(
        text(
            "select id from intake.export where export_number = :number and format = 'DATEV' and status = 'completed'"
        ),
        {"number": number},
    ).scalar_one_or_none()


def rewrite_batches(connection: Connection, export_id: UUID, place: Place) -> tuple[ExportFile, ...]:
    """Writes the files of an export again as they were, such as after they were lost."""
    export = connection.execute(
        text(
            """select e.export_number, e.datev_revision,
                      e.created_at at time zone (select o.time_zone from organizations.organization o) as created_at
               from intake.export e where e.id = :id"""
        ),
        {"id": export_id},
    ).one()
    revision = load_settings(connection, export.datev_revision)
    if revision is None:
        raise DatevError(f"The DATEV settings of export {export.export_number} are missing.")
    name = f"{place.slug}_{export.export_number:06}_{export.created_at:%Y%m%d}"
    files: list[ExportFile] = []
    groups = ([entry.booking for entry in entries] for entries in entries_of_export(connection, export_id))
    contents = split_into_files(groups, revision.settings)
    for number, bookings in enumerate(contents, start=1):
        year = revision.settings.fiscal_year_start(bookings[0].document_date)
        label = f"Eingangsrechnungen {export.export_number}/{number}"
        data = batch_file(bookings, revision.settings, created_at=export.created_at, label=label)
        path = f"{place.slug}/EXTF_{name}_{year:%Y%m}_{number:02}.csv"
        files.append(write_export_file(place.exports, path, data, len(bookings)))
    for number, (data, count) in enumerate(_zips(connection, export_id, export.created_at, place), start=1):
        path = f"{place.slug}/{name}_documents_{number:02}.zip"
        files.append(write_export_file(place.exports, path, data, count))
    return tuple(files)


def _zips(connection: Connection, export_id: UUID, created_at: datetime, place: Place) -> Iterator[tuple[bytes, int]]:
    """The documents of what is booked anew; those of what is only taken back are there already."""
    rows = connection.execute(
        text(
            """select u.id, u.sha256, u.size_bytes from intake.received_invoice r
               join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
               where r.id in (select received_invoice_id from intake.datev_booking
                              where export_id = :id and not is_reversal)
               order by u.id"""
        ),
        {"id": export_id},
    ).all()
    assert place.originals is not None
    originals = place.originals
    documents = (
        Document(row.id, read_blob(originals, place.organization_id, row.sha256, row.size_bytes)) for row in rows
    )
    return document_zips(documents, created_at)
