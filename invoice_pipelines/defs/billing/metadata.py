"""How the work on invoices is shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from invoice_pipelines.billing.processing import InvoicingReport
from invoice_pipelines.billing.run_report import FailedOrder, Refusal
from invoice_pipelines.defs.metadata import bar_chart, table, table_of
from invoice_pipelines.work import Job


def invoicing_metadata(
    report: InvoicingReport,
    jobs: Sequence[Job],
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
        "gross amounts": table(
            [{"currency": name, "gross amount": amount} for name, amount in sorted(report.gross_amounts.items())]
        ),
        "orders per second": round(report.items_per_second, 1),
        "seconds": round(report.seconds, 2),
        "counter locked, % of the time": round(100 * report.locked_seconds / max(report.seconds, 1e-6), 2),
        "jobs": table_of(
            jobs,
            "job=id kind status items=total_items invoiced=successful_items failed=failed_items skipped=skipped_items "
            "asked_for_by=created_by",
        ),
        "failures": table_of(failures, "order=subject code reason=message"),
        "issued by day": bar_chart("day", "invoices", [(day.isoformat(), count) for day, count in by_day]),
    }


def refusals_table(refusals: Sequence[Refusal]) -> dg.TableMetadataValue:
    """Why orders were not invoiced, the most frequent reason first."""
    return table_of(refusals, "code orders for_example=message")
