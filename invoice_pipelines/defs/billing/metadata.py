"""How the work on invoices is shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import dagster as dg

from invoice_pipelines.billing.processing import InvoicingReport
from invoice_pipelines.billing.run_report import FailedOrder, WorkedJob
from invoice_pipelines.defs.metadata import bar_chart, table


def invoicing_metadata(
    report: InvoicingReport,
    jobs: Sequence[WorkedJob],
    failures: Sequence[FailedOrder],
    by_day: Sequence[tuple[date, int]],
) -> dict[str, Any]:
    """Orders by outcome, money, numbers, rate, failures with reasons, and the invoices of the last days."""
    return {
        "invoiced": report.succeeded,
        "failed": report.failed,
        "skipped": report.skipped,
        "left for the next run": report.due,
        "first number": report.first_number or "none",
        "last number": report.last_number or "none",
        "gross amounts": money_table(report.gross_amounts),
        "orders per second": round(report.items_per_second, 1),
        "seconds": round(report.seconds, 2),
        "counter locked, % of the time": round(100 * report.locked_seconds / max(report.seconds, 1e-6), 2),
        "jobs": jobs_table(jobs),
        "failures": failures_table(failures),
        "issued by day": bar_chart("day", "invoices", [(day.isoformat(), count) for day, count in by_day]),
    }


def money_table(gross_amounts: Mapping[str, Decimal]) -> dg.TableMetadataValue:
    """Gross amounts by currency. As text: a number in a table is a float."""
    return table([{"currency": name, "gross amount": str(gross_amounts[name])} for name in sorted(gross_amounts)])


def jobs_table(jobs: Sequence[WorkedJob]) -> dg.TableMetadataValue:
    """The batch jobs of a run as they stand."""
    return table(
        [
            {
                "job": str(job.id),
                "kind": job.kind,
                "status": job.status,
                "items": job.total,
                "invoiced": job.succeeded,
                "failed": job.failed,
                "skipped": job.skipped,
                "asked for by": job.created_by[:100],
            }
            for job in jobs
        ]
    )


def failures_table(failures: Sequence[FailedOrder]) -> dg.TableMetadataValue:
    """Orders that were not invoiced, each with its reason."""
    return table(
        [{"order": failure.subject[:100], "code": failure.code, "reason": failure.message} for failure in failures]
    )
