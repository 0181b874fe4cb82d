"""Holds what sensors, reports and the command line ask about the intake. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.intake.received_invoices import EXPORT, PARSE, VALIDATE
from invoice_pipelines.intake.states import Status
from invoice_pipelines.work import organizations_with_work

KINDS = (PARSE, VALIDATE, EXPORT)


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Why documents failed: the code, one of the messages, and how many failed so."""

    code: str
    message: str
    invoices: int


def organizations_due(engine: Engine, settle: timedelta) -> dict[UUID, int]:
    """How much is due in the intake by organization: files that lie still, and open work. No other organizations."""
    due: dict[UUID, int] = {}
    with engine.connect() as connection:
        for statement in (
            "select organization_id, ready_files from intake.arrivals_due(:settle)",
            "select organization_id, exports from intake.pending_exports() where cast(:settle as interval) is not null",
        ):
            for organization_id, count in connection.execute(text(statement), {"settle": settle}):
                due[organization_id] = due.get(organization_id, 0) + count
        for work in organizations_with_work(connection, KINDS):
            due[work.organization_id] = due.get(work.organization_id, 0) + work.due_items
    return due


def status_counts(engine: Engine) -> dict[UUID, dict[Status, int]]:
    """Received invoices by organization and status."""
    counts: dict[UUID, dict[Status, int]] = {}
    with engine.connect() as connection:
        for row in connection.execute(text("select organization_id, status, invoices from intake.status_counts()")):
            counts.setdefault(row.organization_id, dict.fromkeys(Status, 0))[Status(row.status)] = row.invoices
    return counts


def failure_reasons(connection: Connection) -> list[FailureReason]:
    """Why the organization's failed invoices failed, the most frequent reason first."""
    rows = connection.execute(
        text(
            """
            select e.code, min(e.message) as message, count(*) as invoices
            from intake.received_invoice r
            cross join lateral (select code, message from intake.processing_error e
                                where e.organization_id = r.organization_id and e.received_invoice_id = r.id
                                order by e.id desc limit 1) e
            where r.status = 'FAILED'
            group by e.code order by count(*) desc, e.code
            """
        )
    )
    return [FailureReason(row.code, row.message, row.invoices) for row in rows]


def file_names(connection: Connection, invoice_ids: Iterable[str]) -> dict[str, str]:
    """Names of the uploads behind received invoices, by the id of the invoice as text."""
    rows = connection.execute(
        text("select id::text, file_name from public.invoice_record where id = any(cast(:ids as uuid[]))"),
        {"ids": list(invoice_ids)},
    )
    return {row[0]: row[1] for row in rows}


def exported_money(connection: Connection, export_ids: Sequence[UUID]) -> list[tuple[str, int, Decimal]]:
    """Currency, number of invoices and gross amount of exports."""
    rows = connection.execute(
        text(
            """select coalesce(r.currency, ''), count(*), coalesce(sum(r.gross_amount), 0)
               from intake.export_invoice ei
               join intake.received_invoice r
                 on r.organization_id = ei.organization_id and r.id = ei.received_invoice_id
               where ei.export_id = any(:ids) group by 1 order by 1"""
        ),
        {"ids": list(export_ids)},
    )
    return [(row[0], row[1], row[2]) for row in rows]


def waiting_files(connection: Connection) -> int:
    """Files that lie in the inbox and are not taken yet."""
    return int(connection.execute(text("select count(*) from intake.arrival where outcome is null")).scalar_one())


def duplicate_files(connection: Connection) -> int:
    """Files that arrived with the bytes of an earlier upload."""
    return int(connection.execute(text("select count(*) from intake.arrival where outcome = 'duplicate'")).scalar_one())
