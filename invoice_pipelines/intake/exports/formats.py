"""What an export format is. The formats themselves are registered as entry points (`registry.EXPORT_FORMATS`), those of
this project in its `pyproject.toml`; how exports are begun and completed, whatever their format, is in `exporting` and
`export_files`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.exports.export_file import ExportFile, Place
from invoice_pipelines.registry import EXPORT_FORMATS


@dataclass(frozen=True, slots=True)
class PendingExport:
    """An export whose files are to be written."""

    id: UUID
    number: int
    created_at: datetime
    invoice_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """The export that was begun, None without any invoice for it; and why invoices were refused, in one line each."""

    export_id: UUID | None
    refused: Mapping[UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFormat:
    """A format of exports. `write` makes the files of an export, always the same ones; it needs originals only where
    it says so. `choose` begins an export of those of some invoices that are due for it, by who asks; by default all
    that are VALIDATED. `is_set_up` says whether an organization that has not chosen its formats has this one.
    """

    write: Callable[[Connection, PendingExport, Place], tuple[ExportFile, ...]]
    choose: Callable[[Connection, Sequence[UUID], str], Begun] | None = None
    is_set_up: Callable[[Connection], bool] = lambda _: False
    needs_originals: bool = False


def format_called(name: str) -> ExportFormat:
    """The format of a name. Raises UnknownName."""
    found: ExportFormat = EXPORT_FORMATS.load(name)
    return found


def choose(connection: Connection, name: str, invoice_ids: Sequence[UUID], created_by: str) -> Begun:
    """Begins an export in a format of those invoices that are due for it."""
    format = format_called(name)
    if format.choose is not None:
        return format.choose(connection, invoice_ids, created_by)
    return Begun(choose_validated(connection, name, invoice_ids, created_by))


def choose_validated(connection: Connection, name: str, invoice_ids: Sequence[UUID], created_by: str) -> UUID | None:
    """Begins an export of those invoices that are VALIDATED and in no pending export of the format; None without any.

    Export numbers count up per organization without gaps; two that begin at once wait for each other.
    """
    lock_exports(connection)
    chosen = list(
        connection.execute(
            text(
                """
                select r.id from intake.received_invoice r
                where r.id = any(:ids) and r.status = 'VALIDATED'
                  and not exists (select from intake.export_invoice ei
                                  join intake.export e on e.organization_id = ei.organization_id and e.id = ei.export_id
                                  where ei.organization_id = r.organization_id and ei.received_invoice_id = r.id
                                    and e.status = 'pending' and e.format = :format)
                order by r.id for update of r
                """
            ),
            {"ids": list(invoice_ids), "format": name},
        ).scalars()
    )
    return begin_export(connection, name, chosen, created_by) if chosen else None


def begin_export(
    connection: Connection, name: str, invoice_ids: Sequence[UUID], created_by: str, datev_revision: int | None = None
) -> UUID:
    """Begins an export of these invoices, whose exports are locked; its files are still to be written."""
    export_id: UUID = connection.execute(
        text(
            """
            insert into intake.export (organization_id, export_number, format, created_by, invoice_count,
                                       datev_revision)
            select organizations.current(), coalesce(max(export_number), 0) + 1, :format,
                   :created_by, :invoice_count, :revision
            from intake.export
            returning id
            """
        ),
        {"format": name, "created_by": created_by, "invoice_count": len(invoice_ids), "revision": datev_revision},
    ).scalar_one()
    connection.execute(
        text(
            """insert into intake.export_invoice (organization_id, export_id, received_invoice_id)
               select organizations.current(), :export_id, unnest(cast(:ids as uuid[]))"""
        ),
        {"export_id": export_id, "ids": list(invoice_ids)},
    )
    return export_id


def lock_exports(connection: Connection) -> None:
    """Keeps others from beginning an export of the organization until the end of the transaction."""
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended('export/' || organizations.current(), 0))"))
