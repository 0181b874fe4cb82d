"""Holds how the reports of the intake's stages are shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from invoice_pipelines.intake.arrivals import IntakeReport
from invoice_pipelines.intake.stages import ExportReport
from invoice_pipelines.intake.states import Status, label
from invoice_pipelines.work import DrainReport, Failure

LONGEST_TABLE = 20
"""Rows of a table in metadata: it stays in the event log for ever."""


def arrivals_metadata(report: IntakeReport) -> dict[str, Any]:
    """Files taken, refused and waiting, with reasons."""
    duplicates = [{"file": path[:200], "result": "duplicate", "explanation": why} for path, why in report.duplicates]
    refused = [{"file": path[:200], "result": "refused", "explanation": why} for path, why in report.refused]
    return {
        "taken": report.taken,
        "duplicates": len(report.duplicates),
        "refused": len(report.refused),
        "still changing": report.unstable,
        "megabytes": round(report.size_bytes / 1e6, 3),
        "seconds": round(report.seconds, 2),
        "not taken": _table([*refused, *duplicates]),
    }


def drain_metadata(report: DrainReport, names: Mapping[str, str], outcome: str) -> dict[str, Any]:
    """Counts by outcome, rate and failures with reasons. `names` maps subject ids to file names."""
    return {
        outcome: report.succeeded,
        "failed": report.failed,
        "skipped": report.skipped,
        "to be retried": report.retried,
        "left for the next run": report.due,
        "documents per second": round(report.items_per_second, 2),
        "seconds": round(report.seconds, 2),
        "failures": failures_table(report.failures, names),
    }


def export_metadata(report: ExportReport, root: str, money: Sequence[tuple[str, int, Decimal]]) -> dict[str, Any]:
    """Exported invoices and files; `money` is (currency, invoices, gross amount) of what was exported."""
    files = [
        {"export": export.number, "file": file.path, "rows": file.rows, "bytes": file.size_bytes}
        for export in report.exports
        for file in export.files
    ]
    return {
        "exported": sum(export.invoice_count for export in report.exports),
        "exports": len(report.exports),
        "gross amount": _table(
            [{"currency": currency, "invoices": count, "gross amount": str(gross)} for currency, count, gross in money]
        ),
        "files": _table(files),
        "folder": dg.MetadataValue.path(root),
    }


def status_chart(counts: Mapping[Status, int]) -> dg.MarkdownMetadataValue:
    """How many received invoices the organization has in each status, as bars."""
    largest = max(counts.values(), default=0) or 1
    lines = ["| status | invoices | |", "| --- | ---: | --- |"]
    for status, count in counts.items():
        bar = "█" * max(round(30 * count / largest), 1 if count else 0)
        lines.append(f"| {label(status)} | {count} | {bar} |")
    return dg.MetadataValue.md("\n".join(lines))


def failures_table(failures: Sequence[Failure], names: Mapping[str, str]) -> dg.TableMetadataValue:
    """Documents that failed, each with its reason."""
    return _table(
        [
            {
                "file": names.get(failure.subject_id, failure.subject_id)[:200],
                "code": failure.code,
                "reason": failure.message,
            }
            for failure in failures
        ]
    )


def _table(rows: Sequence[dict[str, Any]]) -> dg.TableMetadataValue:
    shown = [dg.TableRecord(row) for row in rows[:LONGEST_TABLE]]
    columns = [dg.TableColumn(name=name) for name in rows[0]] if rows else [dg.TableColumn(name="nothing")]
    return dg.MetadataValue.table(shown, schema=dg.TableSchema(columns=columns))
