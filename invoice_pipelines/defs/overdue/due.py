"""Who is due: the organizations in which no run came to its end since a moment of the schedule. All of it is
asked from PostgreSQL, by its clock, and from Dagster's records of runs.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import dagster as dg
from sqlalchemy import text

from invoice_pipelines.defs.domain import Domain
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import failed_slugs
from invoice_pipelines.organizations import OrganizationSummary, list_organizations
from invoice_pipelines.overdue import organizations_to_check

TRIES = 3
"""How often an organization is tried for each moment of the schedule."""
DEAD_SWEEPS = 10
"""After so many sweeps that died, whatever kills them, the rest waits for the next moment of the schedule."""


def now_of(database: InvoiceDatabase) -> datetime:
    """What PostgreSQL says the time is, by which it also writes the log."""
    with database.engine.connect() as connection:
        now: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return now


def organizations_due(
    domain: Domain, instance: dg.DagsterInstance, database: InvoiceDatabase, since: datetime, *, with_new: bool
) -> list[OrganizationSummary]:
    """Organizations in which no run that began at `since` or later came to its end, and that did not fail too often
    since then; those that were not tried yet come first. Those that were added since then only `with_new`.
    """
    with database.engine.connect() as connection:
        due = [found.organization_id for found in organizations_to_check(connection, since, max_failures=TRIES)]
    if not due:
        return []
    known = set(instance.get_dynamic_partitions("organization"))
    registered = {found.id: found for found in list_organizations(database.engine) if found.slug in known}
    failed = _failed_runs(domain, instance, since)
    # Of runs that could not begin, as with settings that are wrong, nothing stands in the log.
    failures = Counter(slug for run in failed for slug in failed_slugs(domain, run))
    if sum(1 for run in failed if not failed_slugs(domain, run)) >= DEAD_SWEEPS:
        return []
    return [
        organization
        for organization in (registered[found] for found in due if found in registered)
        if failures[organization.slug] < TRIES and (with_new or organization.created_at <= since)
    ]


def _failed_runs(domain: Domain, instance: dg.DagsterInstance, since: datetime) -> list[dg.DagsterRun]:
    return [
        run
        for job_name in (domain.run, domain.sweep)
        for run in instance.get_runs(
            dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.FAILURE], created_after=since)
        )
    ]
