"""What people see of a sync: counts, what failed and why, what happened, and which conflicts there are.

Reads only, each a bounded number of rows; plain values, which a door shows in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api.usage import Usage
from invoice_pipelines.quickbooks.overview import waiting_entries
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.pull.pull import PullReport
    from invoice_pipelines.quickbooks.push.report import PushReport
    from invoice_pipelines.quickbooks.sync import SyncReport

LONGEST_TABLE = 20
"""Rows of a table."""


@dataclass(frozen=True, slots=True)
class FailedEntry:
    """An entry of the push queue that failed, or will be tried again: its record by name (number, SKU), and why."""

    name: str
    code: str
    message: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """Something that happened, such as a name that was cleaned or a total that differs."""

    at: datetime
    code: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class ShownConflict:
    """A field that was changed on both sides, and who won; without a winner it waits for a person."""

    at: datetime
    field: str
    ours: str
    theirs: str
    winner: str | None
    message: str


def failed_entries(connection: Connection, entity: EntityType, since: datetime, limit: int) -> tuple[FailedEntry, ...]:
    """Entries of the organization in scope that failed since then, or wait for another try, the final ones first."""
    rows = connection.execute(
        text(
            f"""select coalesce({_NAMES[entity]}, f.subject_id) as name, coalesce(f.error_code, '') as code,
                       coalesce(f.error_message, '') as message, f.is_final
                from (
                    (select i.subject_id, i.error_code, i.error_message, true as is_final from work.items i
                     where i.organization_id = organizations.current() and i.kind = :kind
                       and i.job_id is null and i.finished_at >= :since and i.status = 'failed'
                     order by i.finished_at desc limit :limit)
                    union all
                    (select i.subject_id, i.error_code, i.error_message, true from work.items i
                     where i.organization_id = organizations.current() and i.kind = :kind
                       and i.job_id is not null and i.finished_at >= :since and i.status = 'failed'
                     limit :limit)
                    union all
                    (select i.subject_id, i.error_code, i.error_message, false from work.items i
                     where i.organization_id = organizations.current() and i.kind = :kind
                       and i.status = 'pending' and i.error_code is not null
                     order by i.available_at limit :limit)) f
                left join lateral (
                    select case when pg_input_is_valid(f.subject_id, 'uuid') then f.subject_id::uuid end as id
                ) s on true
                order by f.is_final desc limit :limit"""
        ),
        {"kind": KINDS[entity], "since": since, "limit": limit},
    )
    return tuple(FailedEntry(*row) for row in rows)


def events_since(connection: Connection, entity: EntityType, since: datetime, limit: int) -> tuple[ShownEvent, ...]:
    """Events about an entity, or the connection as a whole, since then; the newest first."""
    rows = connection.execute(
        text(
            """select created_at, code, severity, message from (
                   select * from quickbooks.event
                   where organization_id = organizations.current()
                     and created_at >= :since and coalesce(entity_type, :entity) = :entity) e
               order by created_at desc, id desc limit :limit"""
        ),
        {"entity": str(entity), "since": since, "limit": limit},
    )
    return tuple(ShownEvent(*row) for row in rows)


def conflicts_since(
    connection: Connection, entity: EntityType, since: datetime, limit: int
) -> tuple[ShownConflict, ...]:
    """Conflicts that were found since then, and all that are open; the open ones first."""
    rows = connection.execute(
        text(
            """select created_at, coalesce(field, ''), coalesce(ours #>> '{}', ''), coalesce(theirs #>> '{}', ''),
                      winner, message
               from quickbooks.conflict
               where organization_id = organizations.current() and entity_type = :entity
                 and (status = 'open' or created_at >= :since)
               order by status = 'open' desc, id desc limit :limit"""
        ),
        {"entity": str(entity), "since": since, "limit": limit},
    )
    return tuple(ShownConflict(*row) for row in rows)


def shown(connection: Connection, entity: EntityType, report: SyncReport, settings: Settings) -> dict[str, object]:
    """What was pulled and pushed, calls and their rate against the limit, what waits, failures, conflicts, events."""
    told: dict[str, object] = {}
    if report.stopped:
        told["stopped"] = report.stopped
    if entity in report.pulled:
        told |= _pulled(report.pulled[entity])
    if entity in report.pushed:
        told |= _pushed(report.pushed[entity])
    told |= _used(report.usage, report.seconds, settings)
    if entity in KINDS:
        waiting, oldest = waiting_entries(connection)
        told["waiting"] = waiting[entity]
        told["oldest pending"] = oldest if waiting[entity] and oldest else "none"
        told["failures"] = [
            {"record": each.name[:100], "code": each.code, "reason": each.message, "tried again": not each.is_final}
            for each in failed_entries(connection, entity, report.started_at, LONGEST_TABLE)
        ]
    told["conflicts"] = [
        {
            "found": _minute(each.at),
            "field": each.field,
            "ours": each.ours[:100],
            "theirs": each.theirs[:100],
            "winner": each.winner or "open",
            "what": each.message[:300],
        }
        for each in conflicts_since(connection, entity, report.started_at, LONGEST_TABLE)
    ]
    told["events"] = [
        {"at": _minute(each.at), "code": each.code, "severity": each.severity, "what": each.message[:300]}
        for each in events_since(connection, entity, report.started_at, LONGEST_TABLE)
    ]
    return told


def _pulled(report: PullReport) -> dict[str, object]:
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
        "pull came to the end": report.finished,
    }


def _pushed(report: PushReport) -> dict[str, object]:
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


def _used(usage: Usage, seconds: float, settings: Settings) -> dict[str, object]:
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


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


_OF = "where r.organization_id = organizations.current() and r"
_NAMES = {
    EntityType.CUSTOMER: f"(select r.name from billing.customers r {_OF}.id = s.id)",
    EntityType.ITEM: f"(select r.sku from billing.items r {_OF}.id = s.id)",
    EntityType.INVOICE: f"(select r.invoice_number from billing.invoice_numbers r {_OF}.invoice_id = s.id)",
}
