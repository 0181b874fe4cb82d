"""The format DATEV, as it is registered: batches of bookings with their documents."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from invoice_pipelines.intake.exports.export_file import ExportFile, Place
from invoice_pipelines.intake.exports.formats import Begun, ExportFormat, PendingExport

# Charts and rules are loaded when they are needed: only those need them who have DATEV.


def choose(connection: Connection, invoice_ids: Sequence[UUID], created_by: str) -> Begun:
    """Books what can be booked, and says what is missing for the rest."""
    from invoice_pipelines.intake.exports.datev.choosing import choose_bookings

    chosen = choose_bookings(connection, invoice_ids, created_by)
    return Begun(chosen.export_id, {id: f"DATEV: {reasons[0].message}" for id, reasons in chosen.refused.items()})


def write(connection: Connection, export: PendingExport, place: Place) -> tuple[ExportFile, ...]:
    """Writes the batches of an export, and its documents."""
    from invoice_pipelines.intake.exports.datev.writing import write_batches

    return write_batches(connection, export.id, export.invoice_ids, place)


def is_set_up(connection: Connection) -> bool:
    """Whether the organization has its settings for DATEV."""
    from invoice_pipelines.intake.exports.datev.settings import load_settings

    return load_settings(connection) is not None


DATEV = ExportFormat(choose=choose, write=write, is_set_up=is_set_up, needs_originals=True)
