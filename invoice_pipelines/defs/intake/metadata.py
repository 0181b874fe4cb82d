"""How the reports of the intake's stages are shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from invoice_pipelines.defs.metadata import bar_chart, table, table_of
from invoice_pipelines.intake.operations import ViolationCount
from invoice_pipelines.intake.overview import FailureReason, Money
from invoice_pipelines.intake.stages.arrivals import IntakeReport
from invoice_pipelines.intake.stages.recognition import Recognition
from invoice_pipelines.intake.stages.stages import ExportReport
from invoice_pipelines.intake.states import HEADINGS, Status, colour, label
from invoice_pipelines.work import Failure, Report


def arrivals_metadata(report: IntakeReport) -> dict[str, Any]:
    """Files taken, refused and waiting, with reasons."""
    duplicates = [{"file": path[:200], "explanation": why} for path, why in report.duplicates]
    return {
        "taken": report.taken,
        "duplicates": len(report.duplicates),
        "refused": len(report.refused),
        "still changing": report.unstable,
        "megabytes": round(report.size_bytes / 1e6, 3),
        "files per second": round((report.taken + len(report.duplicates)) / max(report.seconds, 1e-6), 2),
        "seconds": round(report.seconds, 2),
        "refused files": refused_table(report.refused),
        "duplicate files": table(duplicates),
    }


def refused_table(refused: Sequence[tuple[str, str]]) -> dg.TableMetadataValue:
    """Files that were refused and lie in the inbox, each with its reason."""
    return table([{"file": path[:200], "reason": why} for path, why in refused])


def drain_metadata(report: Report, failures: dg.TableMetadataValue, outcome: str) -> dict[str, Any]:
    """Counts by outcome, rate and failures with reasons."""
    return {
        outcome: report.succeeded,
        "failed": report.failed,
        "skipped": report.skipped,
        "to be retried": report.retried,
        "left for the next run": report.due,
        "documents per second": round(report.items_per_second, 2),
        "seconds": round(report.seconds, 2),
        "failures": failures,
    }


def recognition_metadata(done: Recognition) -> dict[str, Any]:
    """What text recognition read, how fast, and what it cost."""
    return {
        "OCR engine": done.engine,
        "pages recognized": done.recognized,
        "pages known already": done.known,
        "pages not readable": done.unreadable,
        "pages per second": round(done.recognized / max(done.seconds, 1e-6), 2),
        "OCR cost in USD": str(done.cost_usd),
    }


def export_metadata(report: ExportReport, seconds: float, root: str, money: Sequence[Money]) -> dict[str, Any]:
    """Exported invoices, their money and the files."""
    exported = sum(export.newly_exported for export in report.exports)
    files = [{"export": export, "file": file} for export in report.exports for file in export.files]
    columns = "export=export.number format=export.format file=file.path rows=file.rows bytes=file.size_bytes"
    return {
        "exported": exported,
        "dagster/row_count": sum(file.rows for export in report.exports for file in export.files),
        "exports": len(report.exports),
        "skipped": report.skipped,
        "left for the next run": report.due,
        "invoices per second": round(exported / max(seconds, 1e-6), 2),
        "seconds": round(seconds, 2),
        "gross amounts": money_table(money),
        "files": table_of(files, columns),
        "folder": dg.MetadataValue.path(root),
    }


def money_table(money: Sequence[Money]) -> dg.TableMetadataValue:
    """Gross amounts by currency and type of document."""
    return table_of(money, "currency type_(BT-3)=type_code documents gross_amount")


def status_chart(counts: Mapping[Status, int], language: str) -> dg.MarkdownMetadataValue:
    """How many received invoices the organization has in each status, as bars, in its language."""
    names = {label(status, language): status for status in counts}
    return bar_chart(
        HEADINGS[language].status,
        HEADINGS[language].invoices,
        [(name, counts[status]) for name, status in names.items()],
        {name: colour(status) for name, status in names.items()},
    )


def failures_table(failures: Sequence[Failure], names: Mapping[str, str]) -> dg.TableMetadataValue:
    """Documents that failed, each with its reason. `names` maps ids to file names."""
    return table(
        [
            {
                "file": names.get(failure.subject_id, "")[:200],
                "code": failure.code,
                "reason": failure.message,
                "will be retried": not failure.is_final,
                "invoice id": failure.subject_id,
            }
            for failure in failures
        ]
    )


def reasons_table(reasons: Sequence[FailureReason]) -> dg.TableMetadataValue:
    """Why documents failed, the most frequent reason first."""
    return table_of(reasons, "code invoices for_example=message")


def violations_table(found: Sequence[ViolationCount]) -> dg.TableMetadataValue:
    """Violations by class, as the German tax authority separates them, and by severity."""
    rows = [{"class": f"{row.violation_class.replace('_', ' ')} error", "row": row} for row in found]
    return table_of(rows, "class severity=row.severity invoices=row.invoices")


def names_table(ids: Sequence[str], names: Mapping[str, str]) -> dg.TableMetadataValue:
    """Uploads or received invoices, by which people find them. `names` maps ids to file names."""
    return table([{"file": names.get(found, "")[:200], "id": found} for found in ids])
