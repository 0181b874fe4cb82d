"""Notifications of overdue invoices as they are looked at: in pages, and one of them. Reads only.

The connection is in the scope of the organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.database.ids import find_id
from invoice_pipelines.overdue.errors import OverdueError


class NotificationStatus(StrEnum):
    """What became of a notification: nobody was told yet, the customer was, or nothing is overdue any more."""

    OPEN = "open"
    SENT = "sent"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Notification:
    """That an invoice is past due, once per invoice and level (days past due); see overdue.notification."""

    id: UUID
    invoice_id: UUID
    invoice_number: str
    level: int
    status: NotificationStatus
    customer_id: UUID
    customer_name: str
    amount_due: Decimal
    currency: str
    due_date: date
    days_overdue: int
    as_of: date
    created_at: datetime
    sent_at: datetime | None
    closed_at: datetime | None
    closed_reason: str | None
    overtaken_by: int | None
    """the highest level that the invoice has reached since, where nobody was told of this one: of that one they are"""


def list_notifications(
    connection: Connection,
    *,
    statuses: Sequence[NotificationStatus] | None = None,
    invoice_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Notification]:
    """Notifications, the newest first, also of one invoice; `after` is the last one of the page before."""
    rows = connection.execute(
        text(
            f"""{_NOTIFICATIONS}
                  and (cast(:statuses as text[]) is null or status = any (cast(:statuses as text[])))
                  and (cast(:after as uuid) is null or id < cast(:after as uuid))
                  and (cast(:invoice_id as uuid) is null or invoice_id = :invoice_id)
                order by id desc limit :limit"""
        ),
        {
            "statuses": None if statuses is None else list(statuses),
            "invoice_id": invoice_id,
            "after": after,
            "limit": limit,
        },
    )
    return [Notification(*row) for row in rows]


def find_notification(connection: Connection, written: str) -> Notification:
    """The notification whose id begins or ends with what was written. Raises UnknownId, OverdueError for none."""
    wanted = find_id(connection, "overdue.notification", written, "a notification", "notifications list")
    row = connection.execute(text(f"{_NOTIFICATIONS} and id = :id"), {"id": wanted}).one_or_none()
    if row is None:
        raise OverdueError(f"this organization has no notification {wanted}", code="NOTIFICATION_NOT_FOUND")
    return Notification(*row)


_NOTIFICATIONS = f"""
    select {", ".join(name for name in Notification.__slots__ if name != "overtaken_by")},
           case when status = 'open' then (
               select max(higher.level) from overdue.notification higher
               where higher.organization_id = n.organization_id and higher.invoice_id = n.invoice_id
                 and higher.notification_type = n.notification_type and higher.level > n.level
                 and higher.status <> 'closed') end as overtaken_by
    from overdue.notification n
    where organization_id = organizations.current()"""
