"""Holds the sensor of the intake: it notes what lies in the inboxes and asks for runs where something is due."""

import time
from datetime import timedelta

import dagster as dg

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.intake.jobs import intake, intake_sweep, process_uploads_now, retry_failed_intake
from invoice_pipelines.defs.intake.reparse import reparse_intake
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import DomainRuns, ask_for_runs, behind
from invoice_pipelines.intake.overview import organizations_due, organizations_with_ready_files
from invoice_pipelines.intake.stages.arrivals import files_by_organization, organizations_with_waiting_files, sight
from invoice_pipelines.organizations import OrganizationSummary, list_organizations

SECONDS_FOR_SIGHTING = 25.0
"""A tick may last 60 s; what is not looked at in this time is first in the next tick."""

RUNS = DomainRuns(
    group="intake",
    job=intake.name,
    sweep=intake_sweep.name,
    sweep_op="sweep_organizations",
    by_hand=(process_uploads_now.name, retry_failed_intake.name, reparse_intake.name),
)


@dg.sensor(jobs=[intake, intake_sweep], minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def intake_due(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Asks for a run of each organization with files that lie still or work that is open, and none in flight."""
    registered = list_organizations(database.engine)
    settle = timedelta(seconds=database.settings.inbox_settle_seconds)
    cursor, unknown = _sight_inboxes(context.cursor, registered, database, settle)
    note = ""
    if unknown:
        folders = ", ".join(repr(folder) for folder in unknown[:20])
        note = f"; files lie in the inbox below {folders}, which is no organization: they are left there"
        context.log.warning(note.removeprefix("; "))
    return ask_for_runs(
        RUNS,
        context,
        database,
        registered,
        lambda: organizations_due(database.engine, settle),
        cursor=cursor,
        note=note,
    )


def _sight_inboxes(
    cursor: str | None, registered: list[OrganizationSummary], database: InvoiceDatabase, settle: timedelta
) -> tuple[str, list[str]]:
    """Notes the files of each organization, going on behind the cursor; returns the new cursor and unknown folders.

    Whose files lie still already is not looked at again until a run has taken them.
    """
    started = time.monotonic()
    found = files_by_organization(database.inbox)
    ready = organizations_with_ready_files(database.engine, settle)
    waiting = organizations_with_waiting_files(database.engine)
    id_of = {organization.slug: organization.id for organization in registered}
    to_sight = [slug for slug in id_of if (slug in found or id_of[slug] in waiting) and id_of[slug] not in ready]
    for slug in behind(sorted(to_sight), cursor or ""):
        with organization_scope(database.engine, id_of[slug]) as connection:
            sight(connection, found.get(slug, []), settle)
        cursor = slug
        if time.monotonic() - started > SECONDS_FOR_SIGHTING:
            break
    return cursor or "", sorted(set(found) - set(id_of))
