"""What a sender asks before it tells a customer about an overdue invoice, and what it records afterwards.

A run leaves a work item of kind WORK_KIND for each notification and channel that the organization wants. Nothing is
sent here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

WORK_KIND = "send_overdue_notification"


@dataclass(frozen=True, slots=True)
class StillDue:
    """A notification that has its reason still. `amount_due` is what is due now, maybe less than when it was made."""

    notification_id: UUID
    invoice_id: UUID
    invoice_number: str
    customer_id: UUID
    level: int
    due_date: date
    amount_due: Decimal
    currency: str


def notification_and_channel(subject_id: str) -> tuple[UUID, str]:
    """The parts of a work item's subject: which notification goes out, and by `email`, `sms` or `whatsapp`."""
    notification_id, _, channel = subject_id.partition("/")
    return UUID(notification_id), channel


def still_due(connection: Connection, notification_ids: Iterable[UUID]) -> tuple[StillDue, ...]:
    """Which of these notifications may be sent: their invoice is due still, and no higher level took their place.

    Locks the notifications and their invoices until the end of the transaction, so that no payment comes in between
    this answer and the sending: ask for as few as go out at once, in the transaction that finishes their work items,
    and expect payments to wait that long.
    """
    # By key whatever the statistics say: see work/chunks.sql. One order for all, so that two senders never deadlock.
    locked = connection.execute(
        text(
            """select n.id, n.invoice_id from work.few(cast(:ids as uuid[])) k
               cross join lateral (
                   select n.id, n.invoice_id from overdue.notification n
                   where n.organization_id = organizations.current() and n.id = k.element
                     and n.status <> 'closed'
                   for no key update) n"""
        ),
        {"ids": sorted(set(notification_ids))},
    ).all()
    locked = sorted(locked, key=lambda row: row.invoice_id)
    connection.execute(
        text("select billing.hold_invoices(cast(:ids as uuid[]))"), {"ids": [row.invoice_id for row in locked]}
    )
    rows = connection.execute(
        text(
            """select n.id, n.invoice_id, n.invoice_number, n.customer_id, n.level, n.due_date, i.amount_due, i.currency
               from overdue.notification n
               join billing.invoices i on i.organization_id = n.organization_id and i.id = n.invoice_id
               where n.organization_id = organizations.current() and n.id = any(cast(:ids as uuid[]))
                 and i.status in ('issued', 'partially_paid') and i.amount_due > 0
                 and not exists (
                     select from overdue.notification higher
                     where higher.organization_id = n.organization_id and higher.invoice_id = n.invoice_id
                       and higher.notification_type = n.notification_type and higher.level > n.level
                       and higher.status <> 'closed')"""
        ),
        {"ids": [row.id for row in locked]},
    )
    return tuple(StillDue(*row) for row in rows)


def mark_sent(connection: Connection, notification_ids: Iterable[UUID]) -> int:
    """Says that customers were told, by whatever channel; returns how many were not told before."""
    return connection.execute(
        text(
            """update overdue.notification set status = 'sent', sent_at = clock_timestamp()
               where organization_id = organizations.current() and id = any(:ids)
                 and status = 'open'"""
        ),
        {"ids": list(notification_ids)},
    ).rowcount
