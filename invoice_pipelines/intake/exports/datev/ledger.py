"""The ledger of bookings: what was written for an invoice, by which export, and what of it still stands.

Bookings are entered when an export is chosen, in the same transaction, and written to files from here, so that an
export that was interrupted is completed with the same bookings. Those of a completed one are never changed or removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.exports.datev.bookings import Booking
from invoice_pipelines.intake.rows import json_text

_BOOKING_FIELDS = tuple(field.name for field in fields(Booking))


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking in the ledger. `generation` says how often its invoice was booked, `position` which part it is."""

    invoice_id: UUID
    generation: int
    position: int
    booking: Booking


@dataclass(frozen=True, slots=True)
class Sum:
    """What the bookings of exports come to on an account at a rate, in the currency of the invoices."""

    contra_account: str
    tax_key: str
    tax_category: str | None
    tax_rate: Decimal | None
    currency: str
    bookings: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class BookedFailure:
    """An invoice that FAILED and still stands in the books, and what it comes to there."""

    id: UUID
    file_name: str
    invoice_number: str | None
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class History:
    """What was booked for an invoice before: the bookings that stand, and the last generation."""

    standing: tuple[Entry, ...]
    last_generation: int


def histories(connection: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, History]:
    """What was booked before, for those invoices that were."""
    found = {}
    for invoice_id, group in groupby(
        _entries(connection, "b.received_invoice_id = any(:ids)", ids=list(invoice_ids)),
        key=lambda entry: entry.invoice_id,
    ):
        entries = list(group)
        reversed_ones = {(entry.generation, entry.position) for entry in entries if entry.booking.is_reversal}
        found[invoice_id] = History(
            tuple(
                entry
                for entry in entries
                if not entry.booking.is_reversal and (entry.generation, entry.position) not in reversed_ones
            ),
            max(entry.generation for entry in entries),
        )
    return found


def booked_failures(connection: Connection, limit: int = 10_000) -> list[BookedFailure]:
    """Invoices that FAILED after they were booked and still stand in the books, such as withdrawn ones."""
    rows = connection.execute(
        text(
            """select r.id, u.file_name, r.invoice_number, b.invoice_currency, sum(b.invoice_amount)
               from intake.received_invoice r
               join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
               join intake.datev_booking b on b.organization_id = r.organization_id and b.received_invoice_id = r.id
               where r.status = 'FAILED'
               group by r.id, u.file_name, r.invoice_number, b.invoice_currency
               having count(*) filter (where not b.is_reversal) > count(*) filter (where b.is_reversal)
               order by r.id limit :limit"""
        ),
        {"limit": limit},
    )
    return [BookedFailure(*row) for row in rows]


def enter(connection: Connection, export_id: UUID, entries: Iterable[tuple[Entry, date]]) -> None:
    """Enters bookings, each with the first day of its fiscal year, under an export that is pending."""
    rows = [
        {
            "received_invoice_id": str(entry.invoice_id),
            "generation": entry.generation,
            "position": entry.position,
            "fiscal_year_start": year,
            **{name: getattr(entry.booking, name) for name in _BOOKING_FIELDS},
            "document_guid": str(entry.booking.document_guid),
        }
        for entry, year in entries
    ]
    if not rows:
        return
    columns = ", ".join(rows[0])
    connection.execute(
        text(
            f"""insert into intake.datev_booking (organization_id, export_id, {columns})
                select organizations.current(), :export_id, {columns}
                from jsonb_populate_recordset(null::intake.datev_booking, cast(:rows as jsonb))"""
        ),
        {"export_id": export_id, "rows": json_text(rows)},
    )


def drop_entries(connection: Connection, export_id: UUID, *, keep: Sequence[UUID]) -> None:
    """Takes out of a pending export the bookings of invoices that are not in it any more."""
    connection.execute(
        text("delete from intake.datev_booking where export_id = :id and received_invoice_id <> all(:keep)"),
        {"id": export_id, "keep": list(keep)},
    )


def entries_of_export(connection: Connection, export_id: UUID) -> Iterator[list[Entry]]:
    """The bookings of an export, one invoice after the other: first what is taken back, then what is new."""
    entries = _entries(connection, "b.export_id = :export_id", export_id=export_id)
    for _, group in groupby(entries, key=lambda entry: entry.invoice_id):
        yield list(group)


def sums(connection: Connection, export_ids: Sequence[UUID]) -> list[Sum]:
    """What the bookings of exports come to, by account and rate; reversals take off."""
    rows = connection.execute(
        text(
            """select contra_account, tax_key, tax_category, tax_rate, invoice_currency, count(*), sum(invoice_amount)
               from intake.datev_booking where export_id = any(cast(:ids as uuid[]))
               group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5"""
        ),
        {"ids": list(export_ids)},
    )
    return [Sum(*row) for row in rows]


def _entries(connection: Connection, condition: str, **values: Any) -> Iterator[Entry]:
    columns = ", ".join(f"b.{name}" for name in _BOOKING_FIELDS)
    rows = connection.execute(
        text(
            f"""select b.received_invoice_id, b.generation, b.position, {columns}
                from intake.datev_booking b where {condition}
                order by b.received_invoice_id, b.is_reversal desc, b.generation, b.position"""
        ),
        values,
    )
    for row in rows.mappings():
        yield Entry(row["received_invoice_id"], row["generation"], row["position"], _booking(row))


def _booking(row: Mapping[Any, Any]) -> Booking:
    values = {name: row[name] for name in _BOOKING_FIELDS}
    values["notes"] = tuple((kind, note) for kind, note in row["notes"])
    return Booking(**values)
