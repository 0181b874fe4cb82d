"""The export stage: which validated invoices go to which formats, and what an export would do.

Each format keeps its own account of what it holds, so that an invoice that one of them refuses goes with it later, and
the others do not write it twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.exports.datev.errors import Refusal
from invoice_pipelines.intake.exports.datev.ledger import Sum, sums
from invoice_pipelines.intake.exports.formats import choose, format_called
from invoice_pipelines.organizations import Organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.registry import EXPORT_FORMATS
from invoice_pipelines.work import Chunk, Outcome, Skipped, Succeeded

DATEV = "DATEV"
SHOWN_BOOKINGS = 1000
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Choice:
    """What exports were begun, by format; the invoices in them, and why a format refuses others, in one line each."""

    begun: Mapping[str, UUID]
    invoice_ids: frozenset[UUID]
    refused: Mapping[UUID, str]


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
    """What an export would do now: `invoices` by format, and of DATEV `bookings`, the first 1,000
    rows as in the view `datev_ledger`.
    """

    formats: tuple[str, ...]
    invoices: Mapping[str, int]
    booking_count: int
    bookings: tuple[Mapping[str, Any], ...]
    sums: tuple[Sum, ...]
    refused: tuple[WaitingInvoice, ...]


def export_formats(connection: Connection, organization: Organization) -> tuple[str, ...]:
    """The formats of an organization: those it chose, else those that are set up there. Raises UnknownName for one that
    was chosen and is not known any more.
    """
    if organization.settings.export_formats is not None:
        return tuple(EXPORT_FORMATS.check(name) for name in organization.settings.export_formats)
    return tuple(name for name in EXPORT_FORMATS.names() if format_called(name).is_set_up(connection))


def choose_exports(
    connection: Connection, invoice_ids: Sequence[UUID], formats: Sequence[str], created_by: str
) -> Choice:
    """Begins an export in each format of those invoices that are due for it."""
    begun: dict[str, UUID] = {}
    refused: dict[UUID, str] = {}
    for name in sorted(formats):
        chosen = choose(connection, name, invoice_ids, created_by)
        refused |= chosen.refused
        if chosen.export_id is not None:
            begun[name] = chosen.export_id
    in_them = connection.execute(
        text("select distinct received_invoice_id from intake.export_invoice where export_id = any(:ids)"),
        {"ids": list(begun.values())},
    ).scalars()
    return Choice(begun, frozenset(in_them), refused)


def export_handler(formats: Sequence[str], actor: str) -> Callable[[Connection, Chunk], list[Outcome]]:
    """The handler of the `export_invoice` queue, whose subjects are ids of received invoices."""

    def handle(connection: Connection, chunk: Chunk) -> list[Outcome]:
        ids = [UUID(item.subject_id) for item in chunk.items]
        choice = choose_exports(connection, ids, formats, actor)
        exports = [str(export_id) for export_id in choice.begun.values()]
        return [_outcome(invoice_id, choice, exports) for invoice_id in ids]

    return handle


def _outcome(invoice_id: UUID, choice: Choice, exports: list[str]) -> Outcome:
    if invoice_id in choice.invoice_ids:
        return Succeeded({"exports": exports})
    return Skipped(choice.refused.get(invoice_id, "the invoice no longer waits for an export"))


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


def preview_exports(context: OrganizationContext) -> Preview:
    """What an export would do now: it is begun like a real one and then rolled back.

    New suppliers are shown with the accounts they would get now; a real export may come to others.
    """
    with context.scope() as connection:
        formats = export_formats(connection, context.organization)
        begun, refused = _begin_all(connection, formats, context.actor)
        datev_ids = begun.get(DATEV, [])
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
            invoices={name: _count(connection, begun.get(name, [])) for name in formats},
            booking_count=shown[0]["booking_count"] if shown else 0,
            bookings=shown,
            sums=tuple(sums(connection, datev_ids)),
            refused=tuple(invoice for invoice in waiting_invoices(connection) if invoice.id in refused),
        )
        connection.rollback()
    return preview


def _begin_all(
    connection: Connection, formats: Sequence[str], actor: str
) -> tuple[Mapping[str, list[UUID]], set[UUID]]:
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
    begun: dict[str, list[UUID]] = defaultdict(list)
    refused: set[UUID] = set()
    for start in range(0, len(due), _AT_ONCE):
        choice = choose_exports(connection, due[start : start + _AT_ONCE], formats, actor)
        refused |= set(choice.refused)
        for name, export_id in choice.begun.items():
            begun[name].append(export_id)
    return begun, refused


def _count(connection: Connection, export_ids: Sequence[UUID]) -> int:
    return int(
        connection.execute(
            text("select count(*) from intake.export_invoice where export_id = any(:ids)"), {"ids": list(export_ids)}
        ).scalar_one()
    )
