"""Holds the search for overdue invoices as Dagster reports it: one run of an organization, said in metadata and checks.
The asset does it for its partition, sweeps for many organizations.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from functools import partial
from uuid import UUID

import dagster as dg

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.overdue import checks
from invoice_pipelines.defs.overdue.metadata import overdue_metadata
from invoice_pipelines.defs.progress import progress_lines
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import StepResult, Steps
from invoice_pipelines.organizations import Organization, find_organization
from invoice_pipelines.overdue import (
    BATCH_SIZE,
    AlreadyRunning,
    ExecutionReport,
    Schedule,
    notify_overdue,
    read_schedule,
)
from invoice_pipelines.overdue.run_report import run_details

NOTIFICATIONS = dg.AssetKey(checks.ASSET)


def notify(
    database: InvoiceDatabase, organization: Organization, log: logging.Logger, *, run_id: str, as_of: date | None
) -> StepResult:
    """Looks for what is overdue in an organization, as of today there or an earlier day; makes and closes
    notifications. Raises AlreadyRunning where another run is about it.
    """
    schedule = read_schedule(database.settings)
    report = _look(database, organization, log, schedule, run_id, as_of)
    with organization_scope(database.engine, organization.id) as connection:
        results = [*checks.check_notifications(connection, report, organization), checks.fresh(schedule, report)]
        shown = overdue_metadata(report, run_details(connection, report))
    return StepResult(report.changed, shown, results)


def steps_of(run_id: str, as_of: date | None = None) -> Steps:
    """The only step of overdue, for a sweep. It leaves an organization to the run that is about it already."""
    return partial(_steps, run_id, as_of)


def _steps(
    run_id: str, as_of: date | None, database: InvoiceDatabase, slug: str, log: logging.Logger
) -> Iterator[tuple[dg.AssetKey, StepResult]]:
    # Where nothing happened nothing is shown, and that the run is fresh needs no word: each costs milliseconds for each
    # of ten thousand organizations, and the sensor of late runs takes back what it said.
    organization = find_organization(database.engine, slug)
    try:
        report = _look(database, organization, log, read_schedule(database.settings), run_id, as_of)
    except AlreadyRunning as busy:
        log.info("%s is skipped: %s", slug, busy)
        return
    with organization_scope(database.engine, organization.id) as connection:
        results = checks.check_notifications(connection, report, organization)
        shown = overdue_metadata(report, run_details(connection, report)) if report.changed else {}
    yield NOTIFICATIONS, StepResult(report.changed, shown, results)


def _look(
    database: InvoiceDatabase,
    organization: Organization,
    log: logging.Logger,
    schedule: Schedule | str,
    run_id: str,
    as_of: date | None,
) -> ExecutionReport:
    return notify_overdue(
        database.engine,
        organization.id,
        as_of=as_of,
        batch_size=BATCH_SIZE if isinstance(schedule, str) else schedule.batch_size,
        run_id=UUID(run_id),
        on_progress=progress_lines(log, "notifications", is_due_counted=False),
    )
