"""Queries about the intake for sensors, reports and the command line. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.intake.states import EXPORT, PARSE, RECOGNIZE, VALIDATE, Status
from invoice_pipelines.work import due_items

KINDS = (PARSE, VALIDATE, EXPORT)


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Why documents failed: the code, one of the messages, and how many failed so."""

    code: str
    message: str
    invoices: int


@dataclass(frozen=True, slots=True)
class Money:
    """What documents of one currency (BT-5) and type (BT-3, UNTDID 1001) come to: the sum of BT-112, as printed.

    Types are not netted: a credit note (381) mostly prints what it takes off as a positive amount.
    """

    currency: str
    type_code: str
    documents: int
    gross_amount: Decimal


@dataclass(frozen=True, slots=True)
class MonthlyPurchases:
    """What was received in a month and passed, in one currency: invoices and their gross amount, as printed; without
    credit notes.
    """

    month: date
    currency: str
    invoices: int
    gross_amount: Decimal


def purchases_by_month(connection: Connection, since: date, zone: str) -> tuple[MonthlyPurchases, ...]:
    """What the organization in scope received from the month of a day on, by when it came, in a time zone."""
    rows = connection.execute(
        text(
            """select cast(date_trunc('month', created_at at time zone :zone) as date) as month, currency, count(*),
                      coalesce(sum(gross_amount), 0)
               from intake.received_invoice
               where organization_id = (select organizations.current()) and status in ('VALIDATED', 'EXPORTED')
                 and currency is not null and type_code is distinct from '381'
                 and created_at >= cast(cast(:since as date) as timestamp) at time zone :zone
               group by 1, 2 order by 1, 2"""
        ),
        {"since": since.replace(day=1), "zone": zone},
    )
    return tuple(MonthlyPurchases(*row) for row in rows)


def organizations_due(connection: Connection, settle: timedelta) -> dict[UUID, int]:
    """How much is due in the intake by organization: files that lie still, and open work but for text recognition. No
    other organizations."""
    due = due_items(connection, KINDS)
    for statement in (
        "select organization_id, ready_files from intake.arrivals_due(:settle)",
        "select organization_id, exports from intake.pending_exports() where cast(:settle as interval) is not null",
    ):
        for organization_id, count in connection.execute(text(statement), {"settle": settle}):
            due[organization_id] = due.get(organization_id, 0) + count
    return due


def organizations_with_pages(connection: Connection) -> dict[UUID, int]:
    """In how many documents there are pages to recognize, by organization. No other organizations."""
    return due_items(connection, [RECOGNIZE])


def organizations_with_ready_files(engine: Engine, settle: timedelta) -> set[UUID]:
    """Organizations with files in the inbox that lie still, so that a run can take them."""
    with engine.connect() as connection:
        return set(
            connection.execute(
                text("select organization_id from intake.arrivals_due(:settle)"), {"settle": settle}
            ).scalars()
        )


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


def arrivals_by_day(connection: Connection, since: date, zone: str) -> dict[date, int]:
    """How many invoices came on each day from a day on, in a time zone; no key for a day without any."""
    rows = connection.execute(
        text(
            """select cast(created_at at time zone :zone as date), count(*) from intake.received_invoice
               where organization_id = (select organizations.current())
                 and created_at >= cast(cast(:since as date) as timestamp) at time zone :zone
               group by 1"""
        ),
        {"since": since, "zone": zone},
    )
    return {row[0]: row[1] for row in rows}


def file_names(connection: Connection, ids: Iterable[str]) -> dict[str, str]:
    """Names of uploads by id as text, where the ids are those of uploads or of received invoices."""
    ids = list(ids)
    if not ids:  # as of most checks, in each run
        return {}
    rows = connection.execute(
        text(
            """
            select r.id::text, u.file_name from intake.received_invoice r
            join intake.upload u on u.organization_id = r.organization_id and u.id = r.upload_id
            where r.id = any(cast(:ids as uuid[]))
            union all
            select u.id::text, u.file_name from intake.upload u where u.id = any(cast(:ids as uuid[]))
            """
        ),
        {"ids": ids},
    )
    return {row[0]: row[1] for row in rows}


def exported_money(connection: Connection, export_ids: Sequence[UUID]) -> list[Money]:
    """The money of exports."""
    return _money(
        connection,
        """id in (select received_invoice_id from intake.export_invoice
                  where organization_id = r.organization_id and export_id = any(cast(:ids as uuid[])))""",
        ids=list(export_ids),
    )


def validated_money(connection: Connection) -> list[Money]:
    """The money of what passed and is not exported yet."""
    return _money(connection, "status = 'VALIDATED'")


def _money(connection: Connection, condition: str, **values: Any) -> list[Money]:
    rows = connection.execute(
        text(
            f"""select coalesce(currency, ''), coalesce(type_code, ''), count(*), coalesce(sum(gross_amount), 0)
                from intake.received_invoice r where {condition} group by 1, 2 order by 1, 2"""
        ),
        values,
    )
    return [Money(*row) for row in rows]


def waiting_files(connection: Connection) -> int:
    """Files that lie in the inbox and are not taken yet."""
    return int(connection.execute(text("select count(*) from intake.arrival where outcome is null")).scalar_one())


def duplicate_files(connection: Connection) -> int:
    """Files that arrived with the bytes of an earlier upload."""
    return int(connection.execute(text("select count(*) from intake.arrival where outcome = 'duplicate'")).scalar_one())
