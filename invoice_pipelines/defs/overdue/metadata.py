"""How a run that looked for overdue invoices is shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from typing import Any

from invoice_pipelines.defs.metadata import bar_chart, table, table_of
from invoice_pipelines.overdue import ExecutionReport
from invoice_pipelines.overdue.run_report import RunDetails


def overdue_metadata(report: ExecutionReport, details: RunDetails) -> dict[str, Any]:
    """Notifications by outcome, what is overdue by currency and age, the largest, errors with reasons, and the pace.

    Amounts are text: a number in a table is a float.
    """
    seconds = float(report.duration_seconds or 0)
    return {
        "as of": report.as_of.isoformat(),
        "status": str(report.status),
        "overdue invoices": report.overdue_count or 0,
        "processed": report.processed_count,
        "made": report.created_count,
        "opened again": report.reopened_count,
        "closed": report.closed_count,
        "errors": report.error_count,
        "made by level": table_of(details.made, "level,_days=level currency notifications amount_due"),
        "amounts due": table_of(details.overdue, "currency overdue_invoices=invoices amount_due"),
        "overdue by days": bar_chart("days overdue", "invoices", details.by_age),
        "largest": table_of(
            details.largest, "invoice=invoice_number customer due=due_date days_overdue amount_due currency"
        ),
        "what went wrong": table(
            [
                {
                    "invoice": error.get("invoice_number") or error.get("invoice_id") or "",
                    "level, days": error.get("level", ""),
                    "reason": error["reason"],
                }
                for error in report.errors
            ]
        ),
        "notifications per second": round(report.processed_count / max(seconds, 0.001), 1),
        "seconds": seconds,
        "batch size": report.batch_size,
    }
