"""How a run that looked for overdue invoices is shown in the Dagster UI. Nothing is counted here."""

from __future__ import annotations

from typing import Any

from invoice_pipelines.defs.metadata import bar_chart, table
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
        "made by level": table(
            [
                {
                    "level, days": made.level,
                    "currency": made.currency,
                    "notifications": made.notifications,
                    "amount due": f"{made.amount_due:,}",
                }
                for made in details.made
            ]
        ),
        "amounts due": table(
            [
                {"currency": found.currency, "overdue invoices": found.invoices, "amount due": f"{found.amount_due:,}"}
                for found in details.overdue
            ]
        ),
        "overdue by days": bar_chart("days overdue", "invoices", details.by_age),
        "largest": table(
            [
                {
                    "invoice": large.invoice_number,
                    "customer": large.customer[:100],
                    "due": large.due_date.isoformat(),
                    "days overdue": large.days_overdue,
                    "amount due": f"{large.amount_due:,}",
                    "currency": large.currency,
                }
                for large in details.largest
            ]
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
