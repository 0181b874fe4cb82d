"""The state of an organization's sync in a few numbers: the connection, what waits, what was pulled when.

Reads only, and by indexes of what is open, so that it costs the same whatever lies behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api.usage import read_usage
from invoice_pipelines.quickbooks.values import KINDS, EntityType


@dataclass(frozen=True, slots=True)
class SyncState:
    """How an organization stands with its QuickBooks company.

    `status` is connected, needs_reconnect or disconnected. `waiting` counts entries of the push queue, also those that
    are just being sent; `oldest_waiting_at` is since when the first of them waits. `pulled_at` says when the last pull
    of each kind began that came to its end. `calls` are those of this month (UTC), `reads` the metered ones of them.
    """

    realm_id: str
    company: str
    status: str
    status_reason: str | None
    paused_until: datetime | None
    paused_reason: str | None
    refresh_token_expires_at: datetime | None
    refresh_token_hard_expires_at: datetime | None
    waiting: Mapping[EntityType, int]
    oldest_waiting_at: datetime | None
    pulled_at: Mapping[EntityType, datetime]
    open_conflicts: int
    calls: int
    reads: int

    @property
    def all_waiting(self) -> int:
        """Entries of all kinds that wait."""
        return sum(self.waiting.values())

    @property
    def in_words(self) -> str:
        """How the connection stands, and why if it could be better."""
        if self.status_reason and self.status != "connected":
            return f"{self.status.replace('_', ' ')}: {self.status_reason}"
        if self.paused_until is not None:
            until = f"{self.paused_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            return f"left alone until {until}: {self.paused_reason or ''}".rstrip(": ")
        return self.status.replace("_", " ")


def sync_state(connection: Connection) -> SyncState | None:
    """The state of the organization in scope; None where it never had a connection."""
    row = connection.execute(
        text(
            """select realm_id, coalesce(company ->> 'name', '') as company, status, status_reason,
                      case when paused_until > now() then paused_until end as paused_until,
                      case when paused_until > now() then paused_reason end as paused_reason,
                      refresh_token_expires_at, refresh_token_hard_expires_at,
                      date_trunc('month', now(), 'UTC') as month,
                      (select count(*) from quickbooks.conflict o
                       where o.organization_id = c.organization_id and o.status = 'open') as open_conflicts
               from quickbooks.connection c"""
        )
    ).one_or_none()
    if row is None:
        return None
    waiting, oldest = waiting_entries(connection)
    pulled = connection.execute(
        text(
            """select entity_type, started_at from quickbooks.pull
               where realm_id = :realm and finished_at >= started_at"""
        ),
        {"realm": row.realm_id},
    )
    used = read_usage(connection, row.month)
    return SyncState(
        realm_id=row.realm_id,
        company=row.company,
        status=row.status,
        status_reason=row.status_reason,
        paused_until=row.paused_until,
        paused_reason=row.paused_reason,
        refresh_token_expires_at=row.refresh_token_expires_at,
        refresh_token_hard_expires_at=row.refresh_token_hard_expires_at,
        waiting=waiting,
        oldest_waiting_at=oldest,
        pulled_at={EntityType(entity): started_at for entity, started_at in pulled},
        open_conflicts=row.open_conflicts,
        calls=used.calls,
        reads=used.reads,
    )


def waiting_entries(connection: Connection) -> tuple[Mapping[EntityType, int], datetime | None]:
    """How many entries of the push queue wait or are being sent, by entity, and since when the oldest one waits."""
    connection.execute(text("set local enable_seqscan = off"))  # by the indexes of what is open: work/operators.sql
    rows = connection.execute(
        text(
            """select kind, count(*), min(created_at) from work.items
               where organization_id = organizations.current()
                 and status = 'pending' and kind = any (:kinds) group by kind
               union all
               select kind, count(*), min(created_at) from work.items
               where organization_id = organizations.current()
                 and status = 'processing' and kind = any (:kinds) group by kind"""
        ),
        {"kinds": list(KINDS.values())},
    ).all()
    entities = {kind: entity for entity, kind in KINDS.items()}
    waiting = dict.fromkeys(KINDS, 0)
    for kind, count, _ in rows:
        waiting[entities[kind]] += count
    return waiting, min((oldest for _, _, oldest in rows), default=None)
