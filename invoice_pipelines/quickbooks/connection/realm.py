"""The company of an organization as its calls know it, and how it comes to a stop: for a while, or until a person
connects it again. One event for each stop.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks.events import Severity, record_event

_STILL_THE_SAME = timedelta(minutes=10)
_SHORTEST_REFUSAL = timedelta(minutes=1)
_LONGEST_REFUSAL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Realm:
    """The company that an organization is connected with, or was when this was made."""

    engine: Engine
    organization_id: UUID
    realm_id: str

    def scope(self) -> AbstractContextManager[Connection]:
        """One transaction within the organization."""
        return organization_scope(self.engine, self.organization_id)

    def pause(
        self,
        duration: timedelta,
        reason: str,
        *,
        code: str,
        severity: Severity = "warning",
        intuit_tid: str | None = None,
    ) -> datetime | None:
        """Lets nobody call the company for a while; returns until when, None where it is not connected any more.

        An event is recorded for the first pause of a row with the same reason: that calls which were under way meet
        the same, or that it is still so at the next try, is no news.
        """
        with self.scope() as connection:
            row = connection.execute(
                text(
                    """update quickbooks.connection
                       set paused_until = greatest(paused_until, clock_timestamp() + :duration),
                           paused_reason = :reason, updated_at = clock_timestamp()
                       where organization_id = organizations.current() and realm_id = :realm
                       returning paused_until, old.paused_until as before, old.paused_reason as reason_before,
                                 clock_timestamp() - old.paused_until as ended"""
                ),
                {"duration": duration, "reason": reason, "realm": self.realm_id},
            ).one_or_none()
            if row is None:
                return None
            until: datetime = row.paused_until
            was_paused = row.reason_before == reason and row.before is not None
            if not was_paused or row.ended >= max(duration, _STILL_THE_SAME):
                more = {"severity": severity, "detail": {"until": until}, "intuit_tid": intuit_tid}
                record_event(connection, self.realm_id, code, reason, **more)
            return until

    def pause_refused(self, reason: str, *, intuit_tid: str | None = None) -> tuple[datetime | None, datetime]:
        """Pauses a connection that is refused access: as long again as that has lasted, from a minute to an hour.

        Returns until when, and since when access is refused; `access_works` ends that.
        """
        with self.scope() as connection:
            row = connection.execute(
                text(
                    """update quickbooks.connection
                       set access_refused_since = coalesce(access_refused_since, clock_timestamp())
                       where organization_id = organizations.current() and realm_id = :realm
                       returning access_refused_since as since, clock_timestamp() - access_refused_since as lasts"""
                ),
                {"realm": self.realm_id},
            ).one_or_none()
        if row is None:
            return None, datetime.now(UTC)
        duration = min(max(row.lasts, _SHORTEST_REFUSAL), _LONGEST_REFUSAL)
        until = self.pause(duration, reason, code="ACCESS_REFUSED", severity="error", intuit_tid=intuit_tid)
        return until, row.since

    def access_works(self) -> None:
        """QuickBooks answered again after it had refused access."""
        with self.scope() as connection:
            since = connection.execute(
                text(
                    """update quickbooks.connection set access_refused_since = null, updated_at = clock_timestamp()
                       where organization_id = organizations.current() and realm_id = :realm
                         and access_refused_since is not null
                       returning old.access_refused_since"""
                ),
                {"realm": self.realm_id},
            ).scalar_one_or_none()
            if since is not None:
                message = f"QuickBooks gives access again, which it had refused since {since:%Y-%m-%d %H:%M} UTC."
                record_event(connection, self.realm_id, "ACCESS_RETURNED", message)

    def stop_until_reconnected(self, token_version: int, reason: str) -> None:
        """Marks a connection whose access is lost, unless that is known already, or newer tokens are there."""
        with self.scope() as connection:
            changed = connection.execute(
                text(
                    """update quickbooks.connection
                       set status = 'needs_reconnect', status_reason = :reason, updated_at = clock_timestamp()
                       where organization_id = organizations.current() and realm_id = :realm
                         and token_version = :version and status in ('connected', 'unconfirmed')"""
                ),
                {"reason": reason, "realm": self.realm_id, "version": token_version},
            ).rowcount
            if changed:
                record_event(connection, self.realm_id, "NEEDS_RECONNECT", reason, severity="error")
