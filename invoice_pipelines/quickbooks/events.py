"""The append-only record of what the sync saw or did that someone may ask about. Conflicts have a log of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.values import as_json

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Event:
    """`code` is in capitals, such as NEEDS_RECONNECT; `message` one line for people; `detail` what a program may need
    (Decimal, dates and ids are written as text).
    """

    code: str
    message: str
    severity: Severity = "info"
    entity_type: str | None = None
    local_id: UUID | None = None
    quickbooks_id: str | None = None
    detail: Mapping[str, Any] | None = None
    intuit_tid: str | None = None


def record_event(connection: Connection, realm_id: str, code: str, message: str, **more: Any) -> None:
    """Records one event of the organization in scope; `more` are further fields of Event."""
    record_events(connection, realm_id, [Event(code, message, **more)])


def record_events(connection: Connection, realm_id: str, events: Sequence[Event]) -> None:
    """Records events of the organization in scope, all in one statement."""
    if not events:
        return
    connection.execute(
        text(
            """insert into quickbooks.event (organization_id, realm_id, code, severity, entity_type, message, local_id,
                                            quickbooks_id, detail, intuit_tid)
               select organizations.current(), :realm_id, e.code, e.severity, e.entity_type,
                      e.message, e.local_id, e.quickbooks_id, coalesce(e.detail, '{}'), e.intuit_tid
               from jsonb_to_recordset(cast(:events as jsonb)) as e (
                   code text, severity text, entity_type text, message text, local_id uuid, quickbooks_id text,
                   detail jsonb, intuit_tid text)"""
        ),
        {"realm_id": realm_id, "events": as_json([asdict(event) for event in events])},
    )
