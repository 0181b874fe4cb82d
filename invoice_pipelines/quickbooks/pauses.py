"""Holds how a connection comes to a stop: for a while, or until a person connects it again. One event for each stop."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.events import record_event


def pause(
    engine: Engine,
    organization_id: UUID,
    realm_id: str,
    duration: timedelta,
    reason: str,
    *,
    code: str,
    severity: str = "warning",
    intuit_tid: str | None = None,
) -> datetime | None:
    """Lets nobody call the company for a while; returns until when, None where it is not connected any more.

    An event is recorded for the first pause of a row with the same reason: that calls which were under way meet the
    same, or that it is still so at the next try, is no news.
    """
    with organization_scope(engine, organization_id) as connection:
        row = connection.execute(
            text(
                """update quickbooks.connection
                   set paused_until = greatest(paused_until, clock_timestamp() + :duration), paused_reason = :reason,
                       updated_at = clock_timestamp()
                   where organization_id = current_setting('app.organization_id')::uuid and realm_id = :realm
                   returning paused_until, old.paused_until as before, old.paused_reason as reason_before,
                             clock_timestamp() - old.paused_until as ended"""
            ),
            {"duration": duration, "reason": reason, "realm": realm_id},
        ).one_or_none()
        if row is None:
            return None
        is_same = row.reason_before == reason and row.before is not None and row.ended < max(duration, _STILL_THE_SAME)
        if not is_same:
            record_event(
                connection,
                realm_id,
                code,
                reason,
                severity="error" if severity == "error" else "warning",
                detail={"until": row.paused_until},
                intuit_tid=intuit_tid,
            )
        until: datetime = row.paused_until
        return until


_STILL_THE_SAME = timedelta(minutes=10)


def stop_until_reconnected(
    engine: Engine,
    organization_id: UUID,
    realm_id: str,
    token_version: int,
    reason: str,
    *,
    intuit_tid: str | None = None,
) -> bool:
    """Marks a connection whose access is lost; false where that is known already, or newer tokens are there."""
    with organization_scope(engine, organization_id) as connection:
        changed = connection.execute(
            text(
                """update quickbooks.connection
                   set status = 'needs_reconnect', status_reason = :reason, updated_at = clock_timestamp()
                   where organization_id = current_setting('app.organization_id')::uuid and realm_id = :realm
                     and token_version = :version and status in ('connected', 'unconfirmed')"""
            ),
            {"reason": reason, "realm": realm_id, "version": token_version},
        ).rowcount
        if changed:
            record_event(connection, realm_id, "NEEDS_RECONNECT", reason, severity="error", intuit_tid=intuit_tid)
        return bool(changed)
