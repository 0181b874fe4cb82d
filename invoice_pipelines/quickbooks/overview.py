"""How an organization stands with its QuickBooks company, and what people see of a sync.

Reads only, each a bounded number of rows by indexes of what is open, so that it costs the same whatever lies behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, CursorResult, text

from invoice_pipelines.accounting.reports import SystemState
from invoice_pipelines.quickbooks.api.usage import Usage, read_usage
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.pull.pull import PullReport
    from invoice_pipelines.quickbooks.push.pushing import PushReport

LONGEST_TABLE = 20
"""Rows of a table."""


def sync_state(connection: Connection) -> SystemState | None:
    """The state of the organization in scope; None where it never had a connection."""
    row = connection.execute(
        text(
            """select realm_id, coalesce(company ->> 'name', '') as company, status, status_reason,
                      case when paused_until > now() then paused_until end as paused_until,
                      case when paused_until > now() then paused_reason end as paused_reason,
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
            """select entity_type || 's', started_at from quickbooks.pull
               where realm_id = :realm and finished_at >= started_at"""
        ),
        {"realm": row.realm_id},
    )
    return SystemState(
        company=f"{row.company} {row.realm_id}".strip(),
        stands=_in_words(row),
        waiting=sum(waiting.values()),
        oldest_waiting_at=oldest,
        pulled_at=dict(pulled.tuples().all()),
        open_conflicts=row.open_conflicts,
        calls=read_usage(connection, row.month).calls,
    )


@dataclass(frozen=True, slots=True)
class InvoiceSync:
    """How an invoice stands in the books of the connected company: its id there, what it is there (active, void,
    deleted), and when that was known. `is_waiting`: it is still to be sent, with the reason why it has to wait.
    """

    quickbooks_id: str | None
    state: str | None
    synced_at: datetime | None
    is_waiting: bool
    code: str | None
    message: str | None


def invoice_sync(connection: Connection, invoice_id: UUID) -> InvoiceSync:
    """How an invoice of the organization in scope stands there."""
    row = connection.execute(
        text(
            """select m.quickbooks_id, m.state, m.synced_at, i.kind is not null, i.error_code, i.error_message
               from (select) one
               left join (
                   select m.* from quickbooks.connection c
                   join quickbooks.mapping m on m.organization_id = c.organization_id and m.realm_id = c.realm_id
                   where c.organization_id = (select organizations.current()) and m.entity_type = 'invoice'
                     and m.local_id = :invoice_id) m on true
               left join (
                   select i.kind, i.error_code, i.error_message from work.items i
                   where i.organization_id = organizations.current() and i.kind = :kind and i.subject_id = :subject
                     and i.status = 'pending' and i.job_id is null) i on true"""
        ),
        {"invoice_id": invoice_id, "kind": KINDS[EntityType.INVOICE], "subject": str(invoice_id)},
    ).one()
    return InvoiceSync(*row)


def synced_invoices(connection: Connection, invoice_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """When invoices were last synced with the company; those that are not there are left out."""
    rows = connection.execute(
        text(
            """select m.local_id, m.synced_at
               from quickbooks.connection c
               join quickbooks.mapping m on m.organization_id = c.organization_id and m.realm_id = c.realm_id
               where c.organization_id = (select organizations.current()) and m.entity_type = 'invoice'
                 and m.state <> 'deleted' and m.local_id = any (cast(:ids as uuid[]))"""
        ),
        {"ids": list(invoice_ids)},
    )
    return {row.local_id: row.synced_at for row in rows}


def _in_words(row: Any) -> str:
    """How the connection stands, and why if it could be better."""
    if row.status_reason and row.status != "connected":
        return f"{row.status.replace('_', ' ')}: {row.status_reason}"
    if row.paused_until is not None:
        until = f"{row.paused_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return f"paused until {until}: {row.paused_reason or ''}".rstrip(": ")
    return str(row.status).replace("_", " ")


def waiting_entries(connection: Connection) -> tuple[Mapping[EntityType, int], datetime | None]:
    """How many entries of the push queue wait or are being sent, by entity, and since when the oldest one waits."""
    rows = connection.execute(
        text(
            """select kind, count(*), min(created_at) from work.items
               where organization_id = (select organizations.current())
                 and status = 'pending' and kind = any (:kinds) group by kind
               union all
               select kind, count(*), min(created_at) from work.items
               where organization_id = (select organizations.current())
                 and status = 'processing' and kind = any (:kinds) group by kind"""
        ),
        {"kinds": list(KINDS.values())},
    ).all()
    entities = {kind: entity for entity, kind in KINDS.items()}
    waiting = dict.fromkeys(KINDS, 0)
    for kind, count, _ in rows:
        waiting[entities[kind]] += count
    return waiting, min((oldest for _, _, oldest in rows), default=None)


def shown_of(connection: Connection, entity: EntityType, started_at: datetime) -> dict[str, object]:
    """What waits, and the failures, conflicts and events since a sync began."""
    told: dict[str, object] = {}
    if entity in KINDS:
        waiting, oldest = waiting_entries(connection)
        told["waiting"] = waiting[entity]
        told["oldest pending"] = oldest if waiting[entity] and oldest else "none"
        told["failures"] = failed_entries(connection, entity, started_at)
    told["conflicts"] = conflicts_since(connection, entity, started_at)
    told["events"] = events_since(connection, entity, started_at)
    return told


def failed_entries(connection: Connection, entity: EntityType, since: datetime) -> list[dict[str, Any]]:
    """Entries of the organization in scope that failed since then, or wait for another try, the final ones first."""
    rows = connection.execute(
        text(
            f"""select left(coalesce({_NAMES[entity]}, f.subject_id), 100) as record,
                       coalesce(f.error_code, '') as code, coalesce(f.error_message, '') as reason,
                       not f.is_final as "tried again"
                from (
                    (select i.subject_id, i.error_code, i.error_message, true as is_final from work.items i
                     where i.organization_id = (select organizations.current()) and i.kind = :kind
                       and i.job_id is null and i.finished_at >= :since and i.status = 'failed'
                     order by i.finished_at desc limit :limit)
                    union all
                    (select i.subject_id, i.error_code, i.error_message, true from work.items i
                     where i.organization_id = (select organizations.current()) and i.kind = :kind
                       and i.job_id is not null and i.finished_at >= :since and i.status = 'failed'
                     limit :limit)
                    union all
                    (select i.subject_id, i.error_code, i.error_message, false from work.items i
                     where i.organization_id = (select organizations.current()) and i.kind = :kind
                       and i.status = 'pending' and i.error_code is not null
                     order by i.available_at limit :limit)) f
                left join lateral (
                    select case when pg_input_is_valid(f.subject_id, 'uuid') then f.subject_id::uuid end as id
                ) s on true
                order by f.is_final desc limit :limit"""
        ),
        {"kind": KINDS[entity], "since": since, "limit": LONGEST_TABLE},
    )
    return _table(rows)


def events_since(connection: Connection, entity: EntityType, since: datetime) -> list[dict[str, Any]]:
    """Events about an entity, or the connection as a whole, since then; the newest first."""
    rows = connection.execute(
        text(
            f"""select {_minute("created_at")} as at, code, severity, left(message, 300) as what from (
                   select * from quickbooks.event
                   where organization_id = (select organizations.current())
                     and created_at >= :since and coalesce(entity_type, :entity) = :entity) e
               order by created_at desc, id desc limit :limit"""
        ),
        {"entity": str(entity), "since": since, "limit": LONGEST_TABLE},
    )
    return _table(rows)


def conflicts_since(connection: Connection, entity: EntityType, since: datetime) -> list[dict[str, Any]]:
    """Conflicts that were found since then, and all that are open; the open ones first."""
    rows = connection.execute(
        text(
            f"""select {_minute("created_at")} as found, coalesce(field, '') as field,
                       left(coalesce(ours #>> '{{}}', ''), 100) as ours,
                       left(coalesce(theirs #>> '{{}}', ''), 100) as theirs,
                       coalesce(winner, 'open') as winner, left(message, 300) as what
               from quickbooks.conflict
               where organization_id = (select organizations.current()) and entity_type = :entity
                 and (status = 'open' or created_at >= :since)
               order by status = 'open' desc, id desc limit :limit"""
        ),
        {"entity": str(entity), "since": since, "limit": LONGEST_TABLE},
    )
    return _table(rows)


def shown_of_pull(report: PullReport) -> dict[str, object]:
    """What became of what was read."""
    applied = report.applied
    outcomes = {
        "new": applied.created,
        "changed": applied.updated,
        "the same": applied.unchanged,
        "conflicts": applied.conflicts,
        "waiting": applied.waiting,
        "put aside": applied.quarantined,
        "not ours": applied.skipped,
    }
    return {
        "pulled": sum(outcomes.values()),
        **{f"pulled: {name}": count for name, count in outcomes.items() if count},
        "pull finished": report.finished,
    }


def shown_of_push(report: PushReport) -> dict[str, object]:
    """What became of what was sent."""
    outcomes = {
        "created": report.created,
        "updated": report.updated,
        "voided": report.voided,
        "the same already": report.unchanged,
        "nothing to do": report.skipped,
        "failed": report.failed,
        "tried again later": report.retried,
        "waiting for others": report.waiting,
        "given back": report.released,
        "batches sent again": report.resent,
    }
    pushed = report.created + report.updated + report.voided
    return {
        "pushed": pushed,
        **{f"pushed: {name}": count for name, count in outcomes.items() if count},
        **({"pushed per minute": round(60 * report.items_per_second)} if pushed else {}),
    }


def shown_of_calls(usage: Usage, seconds: float, settings: Settings) -> dict[str, object]:
    """Calls, and how near they came to the limits; of a run of a few seconds a rate would say nothing."""
    told: dict[str, object] = {
        "calls": usage.calls,
        "calls: reads": usage.reads,
        "calls: batches": usage.batches,
        "calls: throttled": usage.throttled,
        "calls: failed": usage.faults,
        "seconds": round(seconds, 2),
    }
    if seconds >= 60:
        minutes = seconds / 60
        told["calls, % of the limit"] = round(100 * usage.calls / minutes / settings.quickbooks_requests_per_minute, 1)
        told["batches, % of the limit"] = round(
            100 * usage.batches / minutes / settings.quickbooks_batches_per_minute, 1
        )
    return told


def _table(rows: CursorResult[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows.mappings()]


def _minute(column: str) -> str:
    return f"""to_char({column} at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')"""


_OF = "where r.organization_id = (select organizations.current()) and r"
_NAMES = {
    EntityType.CUSTOMER: f"(select r.name from billing.customers r {_OF}.id = s.id)",
    EntityType.ITEM: f"(select r.sku from billing.items r {_OF}.id = s.id)",
    EntityType.INVOICE: f"(select r.invoice_number from billing.invoice_numbers r {_OF}.invoice_id = s.id)",
}
