"""Holds the checks of overdue: each overdue invoice has its notifications, no settled one has any left, and somebody
looked lately enough. The first two are evaluated with each run; the last also where none
came to its end, as the sensor of late runs finds out.
"""

from __future__ import annotations

import dagster as dg
from sqlalchemy import Connection

from invoice_pipelines.billing.promises import Finding
from invoice_pipelines.defs.metadata import table, without_empty_tables
from invoice_pipelines.defs.organizations import organizations
from invoice_pipelines.organizations import Organization
from invoice_pipelines.overdue import (
    ExecutionReport,
    Schedule,
    last_execution,
    missing_notifications,
    next_run,
    notifications_without_reason,
)

ASSET = ["overdue", "notifications"]
FRESH = "last_execution_is_fresh"

_DESCRIPTIONS = {
    "every_overdue_invoice_has_its_notifications": "Each overdue invoice has one notification of every level that it "
    "reached. A warning where the run says for each that lacks one what is wrong with it.",
    "no_notification_of_settled_invoices": "No notification is open whose invoice is paid, credited or void.",
    FRESH: "The last run that came to its end is not older than the schedule allows.",
}
COMPLETE, FOUNDED, _ = _DESCRIPTIONS


def all_checks() -> list[dg.AssetCheckSpec]:
    """The checks, by organization like the asset itself. None blocks: nothing comes after notifications in Dagster."""
    return [
        dg.AssetCheckSpec(name, asset=ASSET, description=description, partitions_def=organizations)
        for name, description in _DESCRIPTIONS.items()
    ]


def check_notifications(
    connection: Connection, report: ExecutionReport, organization: Organization
) -> list[dg.AssetCheckResult]:
    """Whether every overdue invoice has its notifications and no other has any, right after a run."""
    levels = organization.settings.overdue_levels
    missing = missing_notifications(connection, levels=levels, as_of=report.as_of)
    explained = missing.count <= report.error_count
    return [
        _result(COMPLETE, missing, dg.AssetCheckSeverity.WARN if explained else dg.AssetCheckSeverity.ERROR),
        _result(FOUNDED, notifications_without_reason(connection), dg.AssetCheckSeverity.ERROR),
    ]


def not_judged(reason: str) -> list[dg.AssetCheckResult]:
    """What the checks say where another run is in the middle of its work."""
    return [
        dg.AssetCheckResult(
            check_name=name, passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"not judged": reason}
        )
        for name in _DESCRIPTIONS
    ]


def fresh(schedule: Schedule | str, report: ExecutionReport) -> dg.AssetCheckResult:
    """That a run has just come to its end, and when the next is due; a warning where nobody knows when."""
    last_start = report.start_time
    if isinstance(schedule, str):
        return dg.AssetCheckResult(
            check_name=FRESH,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"last run": dg.MetadataValue.timestamp(last_start), "no schedule": schedule},
        )
    next_start = next_run(schedule, last_start, last_start)
    return dg.AssetCheckResult(
        check_name=FRESH,
        passed=True,
        metadata={
            "last run": dg.MetadataValue.timestamp(last_start),
            "next run": dg.MetadataValue.timestamp(next_start),
        },
    )


def lateness(connection: Connection, slug: str, since: str) -> dg.AssetCheckEvaluation:
    """That no run of the organization in scope that began at `since` or later came to its end, and what is known."""
    last = last_execution(connection)
    if last is None:
        why = "There was no run yet. Look whether the schedule is on, and the daemon at work."
        return _freshness(slug, passed=False, severity=dg.AssetCheckSeverity.WARN, why=why)
    why = f"No run came to its end that began since {since}. The last began {last.start_time:%Y-%m-%d %H:%M %Z}: "
    why += f"{last.status}. {last.errors[0]['reason'] if last.errors else ''}".rstrip()
    return _freshness(slug, passed=False, why=why)


def in_time(slug: str) -> dg.AssetCheckEvaluation:
    """That an organization of which `lateness` was told is not late any more."""
    return _freshness(slug, passed=True)


def _freshness(
    slug: str, *, passed: bool, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR, why: str | None = None
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(ASSET),
        check_name=FRESH,
        passed=passed,
        severity=severity,
        metadata={"why": dg.TextMetadataValue(why)} if why else {},
        partition=slug,
    )


def _result(name: str, finding: Finding, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    sample = table([{"which": shown} for shown in finding.sample])
    return dg.AssetCheckResult(
        check_name=name,
        passed=finding.kept,
        severity=severity,
        metadata=without_empty_tables({"offending": finding.count, "sample": sample}),
    )
