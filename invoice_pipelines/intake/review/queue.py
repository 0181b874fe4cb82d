"""Which received invoices wait for a person, and since when: storing the reasons, listing, counting.

An invoice waits while it is PARSED and has reasons of its present processing version, so that whatever else happens to
it ends the waiting. The connection is in the scope of the organization.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.intake.received_invoices import InvoiceVersion
from invoice_pipelines.intake.review.reason import ReviewReason
from invoice_pipelines.intake.rows import plain

PAGE = 50

_WAITS = """r.status = 'PARSED'
    and (select w.position from intake.review_reason w
         where w.organization_id = r.organization_id and w.received_invoice_id = r.id
           and w.processing_version = r.processing_version limit 1) is not null"""

_CONDITIONS = {
    "code": """exists (select from intake.review_reason v
        where v.organization_id = r.organization_id and v.received_invoice_id = r.id and v.code = :code)""",
    "field": """exists (select from intake.review_reason v
        where v.organization_id = r.organization_id and v.received_invoice_id = r.id and v.field = :field)""",
    "seller": "strpos(lower(r.seller_name), lower(:seller)) > 0",
    "free_for": "coalesce(c.claimed_by = organizations.actor(:free_for), true) and p.until is null",
    "claimed": "(c.claimed_by is not null) = cast(:claimed as boolean)",
    "postponed": "(p.until is not null) = cast(:postponed as boolean)",
    "after": "r.id > cast(:after as uuid)",
}


@dataclass(frozen=True, slots=True)
class WaitingInvoice:
    """One invoice of the review queue. `reasons` are codes with the field, such as "LOW_CONFIDENCE gross_amount".
    `claimed_by` is who is at it now."""

    id: UUID
    file_name: str
    waiting_since: datetime
    age: timedelta
    source: str
    seller_name: str | None
    number: str | None
    issue_date: date | None
    gross_amount: Decimal | None
    currency: str | None
    reasons: tuple[str, ...]
    claimed_by: str | None
    claimed_until: datetime | None
    postponed_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of the invoices that wait are meant: those of which all holds that is not None. `code` and `field` are of
    one of the reasons, `seller` a part of the name. `free_for` leaves out what others are at, and what is put off."""

    code: str | None = None
    field: str | None = None
    seller: str | None = None
    free_for: str | None = None
    claimed: bool | None = None
    postponed: bool | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits for a person: invoices, since when the oldest of them, and invoices by code of the reason."""

    invoices: int
    oldest_since: datetime | None
    oldest_age: timedelta | None
    by_reason: dict[str, int]


def store_reasons(
    connection: Connection, reasons: Mapping[InvoiceVersion, Sequence[ReviewReason]], judged: Sequence[UUID]
) -> None:
    """Replaces the reasons of the invoices that were just judged; those that need no review have none any more."""
    connection.execute(
        text("delete from intake.review_reason where received_invoice_id = any(:ids)"), {"ids": list(judged)}
    )
    rows: list[dict[str, Any]] = [
        {
            "invoice": invoice.id,
            "position": position,
            "version": invoice.processing_version,
            "field": reason.field,
            "code": reason.code,
            "message": plain(reason.message),
            "message_de": plain(reason.message_de),
            "value": plain(reason.value),
            "confidence": None if reason.confidence is None else Decimal(str(reason.confidence)),
            "must_be_corrected": reason.must_be_corrected,
        }
        for invoice, found in reasons.items()
        for position, reason in enumerate(found, start=1)
    ]
    if rows:
        connection.execute(
            text(
                """insert into intake.review_reason (organization_id, received_invoice_id, position,
                       processing_version, field, code, message, message_de, value, confidence, must_be_corrected)
                   values (organizations.current(), :invoice, :position, :version, :field, :code,
                           :message, :message_de, :value, :confidence, :must_be_corrected)"""
            ),
            rows,
        )


def reasons_of(connection: Connection, invoice: InvoiceVersion) -> tuple[ReviewReason, ...]:
    """Why an invoice waits for a person; none where it does not."""
    rows = connection.execute(
        text(
            """select code, field, message, message_de, value, confidence, must_be_corrected
               from intake.review_reason
               where received_invoice_id = :id and processing_version = :version order by position"""
        ),
        {"id": invoice.id, "version": invoice.processing_version},
    )
    return tuple(
        ReviewReason(
            row.code,
            row.field,
            row.message,
            row.message_de,
            row.value,
            None if row.confidence is None else float(row.confidence),
            row.must_be_corrected,
        )
        for row in rows
    )


def list_reviews(
    connection: Connection, wanted: Wanted = Wanted(), *, after: UUID | None = None, limit: int = PAGE
) -> list[WaitingInvoice]:
    """Invoices that wait for a person in the order of their arrival, those after the id `after`."""
    values = {name: getattr(wanted, name) for name in Wanted.__slots__} | {"after": after}
    given = {name: value for name, value in values.items() if value is not None}
    conditions = [_CONDITIONS[name] for name in given]
    rows = connection.execute(
        text(
            f"""
            select r.id, u.file_name, r.last_processed_at, now() - r.last_processed_at as age, r.source, r.seller_name,
                   r.invoice_number, r.issue_date, r.gross_amount, r.currency,
                   (select array_agg(concat_ws(' ', v.code, v.field) order by v.position) from intake.review_reason v
                    where v.organization_id = r.organization_id and v.received_invoice_id = r.id) as reasons,
                   c.claimed_by, c.expires_at, p.until
            from intake.received_invoice r
            cross join lateral (
                select u.file_name from intake.upload u
                where u.organization_id = r.organization_id and u.id between r.upload_id and r.upload_id
                order by u.id) u
            left join lateral (
                select c.* from intake.review_claim c
                where c.organization_id = r.organization_id and c.received_invoice_id between r.id and r.id
                  and c.expires_at > now()
                order by c.received_invoice_id) c on true
            left join lateral (
                select p.until from intake.review_postponement p
                where p.organization_id = r.organization_id and p.received_invoice_id between r.id and r.id
                  and p.until > now()
                order by p.received_invoice_id) p on true
            where {" and ".join([_WAITS, *conditions])}
            order by r.id limit :limit
            """
        ),
        given | {"limit": limit},
    )
    return [
        WaitingInvoice(
            row.id,
            row.file_name,
            row.last_processed_at,
            row.age,
            row.source,
            row.seller_name,
            row.invoice_number,
            row.issue_date,
            row.gross_amount,
            row.currency,
            tuple(row.reasons),
            row.claimed_by,
            row.expires_at,
            row.until,
        )
        for row in rows
    ]


def backlog(connection: Connection) -> Backlog:
    """How much waits for a person."""
    row = connection.execute(
        text(
            f"""select count(*) as invoices, min(r.last_processed_at) as oldest,
                       now() - min(r.last_processed_at) as age
                from intake.received_invoice r where {_WAITS}"""
        )
    ).one()
    by_reason = connection.execute(
        text(
            """select v.code, count(distinct r.id)
               from intake.received_invoice r
               cross join lateral (
                   select v.code from intake.review_reason v
                   where v.organization_id = r.organization_id and v.received_invoice_id between r.id and r.id
                     and v.processing_version = r.processing_version
                   order by v.received_invoice_id) v
               where r.status = 'PARSED' group by v.code order by 2 desc, 1"""
        )
    )
    return Backlog(row.invoices, row.oldest, row.age, {str(code): int(invoices) for code, invoices in by_reason})
