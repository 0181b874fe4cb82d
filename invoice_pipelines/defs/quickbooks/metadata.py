"""Holds how a sync is shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.defs.metadata import LONGEST_TABLE, table
from invoice_pipelines.quickbooks.api.usage import Usage
from invoice_pipelines.quickbooks.overview import waiting_entries
from invoice_pipelines.quickbooks.run_report import (
    FailedEntry,
    ShownConflict,
    ShownEvent,
    conflicts_since,
    events_since,
    failed_entries,
)
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Job

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.pull.pull import PullReport
    from invoice_pipelines.quickbooks.push.report import PushReport
    from invoice_pipelines.quickbooks.sync import SyncReport


def sync_metadata(connection: Connection, entity: EntityType, report: SyncReport, settings: Settings) -> dict[str, Any]:
    """What was pulled and pushed, calls and their rate against the limit, what waits, failures, conflicts, events."""
    shown: dict[str, Any] = {}
    if report.stopped:
        shown["stopped"] = report.stopped
    if entity in report.pulled:
        shown |= pull_metadata(report.pulled[entity])
    if entity in report.pushed:
        shown |= push_metadata(report.pushed[entity])
    shown |= usage_metadata(report.usage, report.seconds, settings)
    if entity in KINDS:
        waiting, oldest = waiting_entries(connection)
        shown["waiting"] = waiting[entity]
        shown["oldest pending"] = _moment(oldest) if waiting[entity] and oldest else "none"
        shown["failures"] = failures_table(failed_entries(connection, entity, report.started_at, LONGEST_TABLE))
    conflicts = conflicts_since(connection, entity, report.started_at, LONGEST_TABLE)
    shown["conflicts"] = conflicts_table(conflicts)
    shown["events"] = events_table(events_since(connection, entity, report.started_at, LONGEST_TABLE))
    return shown


def pull_metadata(report: PullReport) -> dict[str, Any]:
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


def push_metadata(report: PushReport) -> dict[str, Any]:
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


def usage_metadata(usage: Usage, seconds: float, settings: Settings) -> dict[str, Any]:
    """Calls, and how near they came to the limits; of a run of a few seconds a rate would say nothing."""
    shown: dict[str, Any] = {
        "calls": usage.calls,
        "calls: reads": usage.reads,
        "calls: batches": usage.batches,
        "calls: throttled": usage.throttled,
        "calls: failed": usage.faults,
        "seconds": round(seconds, 2),
    }
    if seconds >= 60:
        minutes = seconds / 60
        shown["calls, % of the limit"] = round(100 * usage.calls / minutes / settings.quickbooks_requests_per_minute, 1)
        shown["batches, % of the limit"] = round(
            100 * usage.batches / minutes / settings.quickbooks_batches_per_minute, 1
        )
    return shown


def failures_table(failures: Sequence[FailedEntry]) -> dg.TableMetadataValue:
    """What could not be sent, with the reason, and whether it is tried again."""
    return table(
        [
            {
                "record": failure.name[:100],
                "code": failure.code,
                "reason": failure.message,
                "tried again": not failure.is_final,
            }
            for failure in failures
        ]
    )


def conflicts_table(conflicts: Sequence[ShownConflict]) -> dg.TableMetadataValue:
    """Fields that both sides changed, and who won."""
    return table(
        [
            {
                "found": _minute(conflict.at),
                "field": conflict.field,
                "ours": conflict.ours[:100],
                "theirs": conflict.theirs[:100],
                "winner": conflict.winner or "open",
                "what": conflict.message[:300],
            }
            for conflict in conflicts
        ]
    )


def events_table(events: Sequence[ShownEvent]) -> dg.TableMetadataValue:
    """What happened that someone may ask about."""
    return table(
        [
            {"at": _minute(event.at), "code": event.code, "severity": event.severity, "what": event.message[:300]}
            for event in events
        ]
    )


def jobs_table(jobs: Sequence[Job]) -> dg.TableMetadataValue:
    """Batch jobs as they stand."""
    return table(
        [
            {
                "job": str(job.id),
                "kind": job.kind,
                "status": str(job.status),
                "items": job.total_items,
                "sent": job.successful_items,
                "failed": job.failed_items,
                "nothing to do": job.skipped_items,
                "seconds left": "" if job.eta_seconds is None else f"{job.eta_seconds:.0f}",
            }
            for job in jobs
        ]
    )


def prefixed(entity: EntityType, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of one of several entities that are shown together."""
    return {f"{entity}s: {name}": value for name, value in metadata.items()}


def _moment(at: datetime) -> dg.TimestampMetadataValue:
    return dg.MetadataValue.timestamp(at)


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
