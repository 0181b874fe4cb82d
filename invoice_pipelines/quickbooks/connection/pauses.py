"""How a connection comes to a stop: for a while, or until a person connects it again. One event for each stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
                   where organization_id = organizations.current() and realm_id = :realm
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
_SHORTEST_REFUSAL = timedelta(minutes=1)
_LONGEST_REFUSAL = timedelta(hours=1)


def pause_refused(
    engine: Engine, organization_id: UUID, realm_id: str, reason: str, *, intuit_tid: str | None = None
) -> tuple[datetime | None, datetime]:
    """Pauses a connection that is refused access: as long again as that has lasted, from a minute to an hour.

    Returns until when, and since when access is refused; `access_works` ends that.
    """
    with organization_scope(engine, organization_id) as connection:
        row = connection.execute(
            text(
                """update quickbooks.connection
                   set access_refused_since = coalesce(access_refused_since, clock_timestamp())
                   where organization_id = organizations.current() and realm_id = :realm
                   returning access_refused_since as since, clock_timestamp() - access_refused_since as lasts"""
            ),
            {"realm": realm_id},
        ).one_or_none()
    if row is None:
        return None, datetime.now(UTC)
    duration = min(max(row.lasts, _SHORTEST_REFUSAL), _LONGEST_REFUSAL)
    until = pause(
        engine,
        organization_id,
        realm_id,
        duration,
        reason,
        code="ACCESS_REFUSED",
        severity="error",
        intuit_tid=intuit_tid,
    )
    return until, row.since


def access_works(engine: Engine, organization_id: UUID, realm_id: str) -> None:
    """QuickBooks answered again after it had refused access."""
    with organization_scope(engine, organization_id) as connection:
        since = connection.execute(
            text(
                """update quickbooks.connection set access_refused_since = null, updated_at = clock_timestamp()
                   where organization_id = organizations.current() and realm_id = :realm
                     and access_refused_since is not null
                   returning old.access_refused_since"""
            ),
            {"realm": realm_id},
        ).scalar_one_or_none()
        if since is not None:
            message = f"QuickBooks gives access again, which it had refused since {since:%Y-%m-%d %H:%M} UTC."
            record_event(connection, realm_id, "ACCESS_RETURNED", message)


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
                   where organization_id = organizations.current() and realm_id = :realm
                     and token_version = :version and status in ('connected', 'unconfirmed')"""
            ),
            {"reason": reason, "realm": realm_id, "version": token_version},
        ).rowcount
        if changed:
            record_event(connection, realm_id, "NEEDS_RECONNECT", reason, severity="error", intuit_tid=intuit_tid)
        return bool(changed)
