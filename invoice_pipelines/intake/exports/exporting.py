"""Holds the export stage: which validated invoices go to which formats, and what an export would do.

Each format keeps its own account of what it holds, so that an invoice that one of them refuses goes with it later, and
the others do not write it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.exports.datev.choosing import choose_bookings
from invoice_pipelines.intake.exports.datev.errors import Refusal
from invoice_pipelines.intake.exports.datev.ledger import Sum, sums
from invoice_pipelines.intake.exports.datev.settings import load_settings
from invoice_pipelines.intake.exports.export_files import choose_invoices
from invoice_pipelines.organizations import Organization
from invoice_pipelines.work import Chunk, Outcome, Skipped, Succeeded

CSV, DATEV = "CSV", "DATEV"
SHOWN_BOOKINGS = 1000
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Choice:
    """What exports were begun, the invoices in them, and why DATEV refuses others."""

    export_ids: tuple[UUID, ...]
    invoice_ids: frozenset[UUID]
    refused: Mapping[UUID, tuple[Refusal, ...]]


@dataclass(frozen=True, slots=True)
class WaitingInvoice:
    """An invoice that is to be booked and cannot be yet."""

    id: UUID
    file_name: str
    status: str
    invoice_number: str | None
    issue_date: date | None
    seller_name: str | None
    currency: str | None
    gross_amount: Decimal | None
    reasons: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What an export would do now. `bookings` are the first 1,000 rows, as in the view `datev_ledger`."""

    formats: tuple[str, ...]
    csv_invoices: int
    datev_invoices: int
    booking_count: int
    bookings: tuple[Mapping[str, Any], ...]
    sums: tuple[Sum, ...]
    refused: tuple[WaitingInvoice, ...]


def export_formats(connection: Connection, organization: Organization) -> tuple[str, ...]:
    """The formats of an organization: those it chose, else CSV, and DATEV where that is set up."""
    if organization.settings.export_formats is not None:
        return organization.settings.export_formats
    return (CSV,) if load_settings(connection) is None else (CSV, DATEV)


def choose_exports(
    connection: Connection, invoice_ids: Sequence[UUID], formats: Sequence[str], created_by: str
) -> Choice:
    """Begins an export in each format of those invoices that are due for it."""
    begun: list[UUID] = []
    refused: Mapping[UUID, tuple[Refusal, ...]] = {}
    if CSV in formats:
        export_id = choose_invoices(connection, invoice_ids, created_by)
        begun += [export_id] if export_id else []
    if DATEV in formats:
        chosen = choose_bookings(connection, invoice_ids, created_by)
        begun += [chosen.export_id] if chosen.export_id else []
        refused = chosen.refused
    in_them = connection.execute(
        text("select distinct received_invoice_id from intake.export_invoice where export_id = any(:ids)"),
        {"ids": begun},
    ).scalars()
    return Choice(tuple(begun), frozenset(in_them), refused)


def export_handler(formats: Sequence[str], actor: str) -> Callable[[Connection, Chunk], list[Outcome]]:
    """The handler of the `export_invoice` queue, whose subjects are ids of received invoices."""

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        ids = [UUID(item.subject_id) for item in chunk.items]
        choice = choose_exports(connection, ids, formats, actor)
        exports = [str(export_id) for export_id in choice.export_ids]
        return [_outcome(invoice_id, choice, exports) for invoice_id in ids]

    return handle


def _outcome(invoice_id: UUID, choice: Choice, exports: list[str]) -> Outcome:
    if invoice_id in choice.invoice_ids:
        return Succeeded({"exports": exports})
    reasons = choice.refused.get(invoice_id, ())
    if reasons:
        return Skipped(f"DATEV: {reasons[0].message}")
    return Skipped("the invoice is not waiting for an export any more")


def waiting_invoices(connection: Connection, limit: int = 10_000) -> list[WaitingInvoice]:
    """The invoices that DATEV refuses, those that wait longest first, each with all that is missing."""
    rows = connection.execute(
        text(
            """select received_invoice_id, file_name, status, invoice_number, issue_date, seller_name, currency,
                      gross_amount, reasons
               from public.datev_waiting_invoice order by since, received_invoice_id limit :limit"""
        ),
        {"limit": limit},
    )
    return [
        WaitingInvoice(
            id=row.received_invoice_id,
            file_name=row.file_name,
            status=row.status,
            invoice_number=row.invoice_number,
            issue_date=row.issue_date,
            seller_name=row.seller_name,
            currency=row.currency,
            gross_amount=row.gross_amount,
            reasons=tuple(Refusal(reason["code"], reason["message"]) for reason in row.reasons),
        )
        for row in rows
    ]


def waiting_count(connection: Connection) -> int:
    """How many invoices are to be booked and could not be yet."""
    return int(connection.execute(text("select count(*) from public.datev_waiting_invoice")).scalar_one())


def preview_exports(engine: Engine, organization: Organization, actor: str) -> Preview:
    """What an export would do now: it is begun like a real one and then rolled back.

    New suppliers are shown with the accounts they would get now; a real export may come to others.
    """
    with organization_scope(engine, organization.id) as connection:
        formats = export_formats(connection, organization)
        csv_ids, datev_ids, refused = _begin_all(connection, formats, actor)
        bookings = connection.execute(
            text(
                """select l.*, count(*) over () as booking_count from public.datev_ledger l
                   join intake.export e on e.organization_id = l.organization_id
                                       and e.export_number = l.export_number
                   where e.id = any(:ids)
                   order by l.export_number, l.received_invoice_id, l.is_reversal desc, l.generation, l.position
                   limit :limit"""
            ),
            {"ids": datev_ids, "limit": SHOWN_BOOKINGS},
        ).mappings()
        shown = tuple(dict(row) for row in bookings)
        preview = Preview(
            formats=formats,
            csv_invoices=_count(connection, csv_ids),
            datev_invoices=_count(connection, datev_ids),
            booking_count=shown[0]["booking_count"] if shown else 0,
            bookings=shown,
            sums=tuple(sums(connection, datev_ids)),
            refused=tuple(invoice for invoice in waiting_invoices(connection) if invoice.id in refused),
        )
        connection.rollback()
    return preview


def _begin_all(connection: Connection, formats: Sequence[str], actor: str) -> tuple[list[UUID], list[UUID], set[UUID]]:
    """Begins exports of all that is due, in chunks as the stage does; ids by format, and the refused invoices."""
    due = (
        connection.execute(
            text(
                """select id from intake.received_invoice where status = 'VALIDATED'
                   union select received_invoice_id from intake.datev_waiting order by 1"""
            )
        )
        .scalars()
        .all()
    )
    begun: dict[str, list[UUID]] = {CSV: [], DATEV: []}
    refused: set[UUID] = set()
    for start in range(0, len(due), _AT_ONCE):
        choice = choose_exports(connection, due[start : start + _AT_ONCE], formats, actor)
        refused |= set(choice.refused)
        for row in connection.execute(
            text("select id, format from intake.export where id = any(:ids)"), {"ids": list(choice.export_ids)}
        ):
            begun[row.format].append(row.id)
    return begun[CSV], begun[DATEV], refused


def _count(connection: Connection, export_ids: Sequence[UUID]) -> int:
    return int(
        connection.execute(
            text("select count(*) from intake.export_invoice where export_id = any(:ids)"), {"ids": list(export_ids)}
        ).scalar_one()
    )
