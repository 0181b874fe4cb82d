"""Holds the append-only record of what the sync saw or did that someone may ask about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text


def record_event(
    connection: Connection,
    realm_id: str,
    code: str,
    message: str,
    *,
    severity: Literal["info", "warning", "error"] = "info",
    entity_type: str | None = None,
    local_id: UUID | None = None,
    quickbooks_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
    intuit_tid: str | None = None,
) -> None:
    """Records an event of the organization in scope.

    `code` is in capitals, such as NEEDS_RECONNECT; `message` one line for people; `detail` what a program may need
    (Decimal, dates and ids are written as text).
    """
    connection.execute(
        text(
            """insert into quickbooks.event (organization_id, realm_id, code, severity, entity_type, local_id,
                                             quickbooks_id, message, detail, intuit_tid)
               values (current_setting('app.organization_id')::uuid, :realm_id, :code, :severity, :entity_type,
                       :local_id, :quickbooks_id, :message, cast(:detail as jsonb), :intuit_tid)"""
        ),
        {
            "realm_id": realm_id,
            "code": code,
            "severity": severity,
            "entity_type": entity_type,
            "local_id": local_id,
            "quickbooks_id": quickbooks_id,
            "message": message,
            "detail": json.dumps(dict(detail or {}), default=str),
            "intuit_tid": intuit_tid,
        },
    )
