"""The work on invoices as Dagster reports it: work through an organization's batch jobs, and say what was done in
metadata and checks. The asset does it for its partition, the sweep for many organizations.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import dagster as dg

from invoice_pipelines.billing import process_jobs
from invoice_pipelines.billing.run_report import failed_orders, issued_by_day, worked_jobs
from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.billing import checks
from invoice_pipelines.defs.billing.metadata import invoicing_metadata
from invoice_pipelines.defs.metadata import LONGEST_TABLE
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import StepResult
from invoice_pipelines.organizations import Organization, find_organization

ISSUED_INVOICES = dg.AssetKey(["billing", "issued_invoices"])
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
        on_progress=progress_lines(log, "orders"),
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
