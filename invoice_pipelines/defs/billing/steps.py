"""Holds the work on invoices as Dagster reports it: work through an organization's batch jobs, and say what was done in
metadata and checks. The asset does it for its partition, the sweep for many organizations.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import dagster as dg

from invoice_pipelines.billing import InvoicingProgress, process_jobs
from invoice_pipelines.billing.run_report import failed_orders, issued_by_day, worked_jobs
from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.billing import checks
from invoice_pipelines.defs.billing.metadata import invoicing_metadata
from invoice_pipelines.defs.metadata import LONGEST_TABLE
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import StepResult
from invoice_pipelines.organizations import Organization, find_organization

ISSUED_INVOICES = dg.AssetKey(["billing", "issued_invoices"])
SECONDS_BETWEEN_LINES = 5.0
"""Every line of the log is kept as an event of the run; chunks come several a second."""
DAYS_SHOWN = 14


def issue_invoices(
    database: InvoiceDatabase, organization: Organization, log: logging.Logger, job_id: UUID | None = None
) -> StepResult:
    """Issues the invoices of all open batch jobs of an organization, or of the named one alone."""
    report = process_jobs(
        database.engine,
        organization.id,
        job_id=job_id,
        time_box=timedelta(seconds=database.settings.run_time_box_seconds),
        on_progress=_progress(log),
    )
    with organization_scope(database.engine, organization.id) as connection:
        shown = invoicing_metadata(
            report,
            worked_jobs(connection, report.jobs),
            failed_orders(connection, report.jobs, LONGEST_TABLE),
            issued_by_day(connection, DAYS_SHOWN),
        )
        results = checks.check_invoices(connection, report)
    return StepResult(report.done > 0, shown, results, checks.BLOCKING)


def steps_of(database: InvoiceDatabase, slug: str, log: logging.Logger) -> Iterator[tuple[dg.AssetKey, StepResult]]:
    """The only step of billing, for a sweep."""
    yield ISSUED_INVOICES, issue_invoices(database, find_organization(database.engine, slug), log)


def _progress(log: logging.Logger) -> Callable[[InvoicingProgress], None]:
    shown_at = -SECONDS_BETWEEN_LINES

    def show(progress: InvoicingProgress) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if progress.due and now - shown_at < SECONDS_BETWEEN_LINES:
            return
        shown_at = now
        eta = f", about {progress.eta_seconds:.0f} s left" if progress.eta_seconds else ""
        total = progress.done + progress.due
        log.info("%s of %s orders done, %.0f/s%s", progress.done, total, progress.items_per_second, eta)

    return show
