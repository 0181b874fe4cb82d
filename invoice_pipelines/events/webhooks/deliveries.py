"""What endpoints were told: deliveries with their attempts, and telling them again.

Functions work in the transaction of the connection, within the organization in scope.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.database.ids import find_id
from invoice_pipelines.events.values import DeliveryStatus, EventsError
from invoice_pipelines.events.webhooks.endpoints import get_endpoint


@dataclass(frozen=True, slots=True)
class Delivery:
    """That an endpoint is told of an event, with its last attempt. The event's id is the `webhook-id` of each attempt.

    Without `status_code` no answer came, for the reason that `error_code` and `error_message` say; without
    `duration_seconds` somebody works on it, or died over it. `answer` is what the body of the answer begins with.
    """

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str | None
    status: DeliveryStatus
    created_at: datetime
    ended_at: datetime | None
    attempts: int
    started_at: datetime | None
    duration_seconds: Decimal | None
    status_code: int | None
    error_code: str | None
    error_message: str | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt; for its fields see Delivery."""

    delivery_id: UUID
    attempt: int
    started_at: datetime
    duration_seconds: Decimal | None
    status_code: int | None
    error_code: str | None
    error_message: str | None
    answer: str | None


def list_deliveries(
    connection: Connection,
    endpoint_id: UUID,
    *,
    status: DeliveryStatus | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """What an endpoint was told, the newest first; `after` is the last one of the page before. Raises EventsError."""
    get_endpoint(connection, endpoint_id)
    rows = connection.execute(
        text(
            f"""{_DELIVERIES} and d.endpoint_id = :endpoint
                  and (cast(:after as uuid) is null or d.id < :after)
                  and (cast(:status as text) is null or d.status = :status)
                order by d.id desc limit :limit"""
        ),
        {"endpoint": endpoint_id, "after": after, "status": None if status is None else str(status), "limit": limit},
    )
    return [_delivery(row) for row in rows]


def get_delivery(connection: Connection, delivery_id: UUID) -> Delivery:
    """A delivery of the organization in scope. Raises EventsError where there is none."""
    row = connection.execute(text(f"{_DELIVERIES} and d.id = :id"), {"id": delivery_id}).first()
    if row is None:
        raise EventsError(f"This organization has no webhook delivery {delivery_id}.", code="DELIVERY_NOT_FOUND")
    return _delivery(row)


def find_delivery(connection: Connection, written: str) -> Delivery:
    """The delivery whose id begins or ends with what was written. Raises UnknownId, and EventsError as above."""
    return get_delivery(
        connection, find_id(connection, "events.webhook_delivery", written, "a webhook delivery", "webhooks attempts")
    )


def list_attempts(connection: Connection, delivery_id: UUID) -> list[Attempt]:
    """All attempts of a delivery, the first one first."""
    rows = connection.execute(
        text(
            f"""select {", ".join(field.name for field in fields(Attempt))} from events.webhook_attempt
                where organization_id = organizations.current() and delivery_id = :id order by attempt"""
        ),
        {"id": delivery_id},
    )
    return [Attempt(*row) for row in rows]


def replay_delivery(connection: Connection, delivery_id: UUID) -> None:
    """Tells an endpoint of an event again, with the same id. Raises EventsError where the endpoint is disabled."""
    delivery = get_delivery(connection, delivery_id)
    _require_enabled(connection, delivery.endpoint_id)
    connection.execute(
        text(
            """update events.webhook_delivery set status = 'pending', tries = 0, ended_at = null
               where organization_id = organizations.current() and id = :id"""
        ),
        {"id": delivery_id},
    )
    connection.execute(text("select events.send_now(array[cast(:id as text)])"), {"id": str(delivery_id)})


def replay_since(connection: Connection, endpoint_id: UUID, since: datetime) -> int:
    """Tells an endpoint of all events since a moment (with a time zone) that it wants, also of those that it was told
    of already; returns how many. Raises EventsError where the endpoint is disabled.
    """
    if since.tzinfo is None:
        raise ValueError("since needs a time zone.")
    _require_enabled(connection, endpoint_id)
    return int(
        connection.execute(
            text("select events.replay(:endpoint, :since)"), {"endpoint": endpoint_id, "since": since}
        ).scalar_one()
    )


def _require_enabled(connection: Connection, endpoint_id: UUID) -> None:
    if get_endpoint(connection, endpoint_id).status != "enabled":
        raise EventsError("The webhook endpoint is disabled: enable it first.", code="ENDPOINT_DISABLED")


_DELIVERIES = """
    select d.id, d.endpoint_id, d.event_id, e.type as event_type, d.status, d.created_at, d.ended_at, d.attempts,
           a.started_at, a.duration_seconds, a.status_code, a.error_code, a.error_message, a.answer
    from events.webhook_delivery d
    left join events.event e
        on e.organization_id = d.organization_id and e.position = d.position and e.id = d.event_id
    left join events.webhook_attempt a
        on a.organization_id = d.organization_id and a.delivery_id = d.id and a.attempt = d.attempts
    where d.organization_id = organizations.current()
"""


def _delivery(row: Any) -> Delivery:
    return Delivery(**{**row._mapping, "status": DeliveryStatus(row.status)})
