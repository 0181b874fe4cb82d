"""The nightly look at all records that promises are about. Runs look at what changed since the last look."""

import time
from functools import partial

import dagster as dg
from sqlalchemy import text

from invoice_pipelines.defs.checks import FailedChecks, kept
from invoice_pipelines.defs.domain import Stage, StageResult
from invoice_pipelines.defs.operations.health import DOMAINS
from invoice_pipelines.defs.organizations import BULK, LANE_TAG
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.sweep import BrokenPromise, report_stage
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.promises import SAMPLE, find_broken
from invoice_pipelines.work.failures import reason_of

STAGES = [stage for domain in DOMAINS for stage in domain.stages if any(promise.of_all for promise in stage.promises)]


def look_at_all(organization: OrganizationContext) -> list[tuple[Stage, StageResult]]:
    """Whether an organization keeps the promises about all records, by stage."""
    promises = [promise for stage in STAGES for promise in stage.promises if promise.of_all]
    with organization.scope() as connection:
        found = find_broken(connection, promises, everything=True)
        return [
            (stage, StageResult(False, {}, kept(stage.promises, found, partial(stage.names, connection))))
            for stage in STAGES
        ]


@dg.op
@refusals_fail_the_run()
def check_all_records(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Begins with the organizations that were not looked at for the longest time; those that its time is too short for
    are the first of the next night. What it finds turns the checks of the assets red, until a look finds it no more.
    """
    deadline = time.monotonic() + database.settings.run_time_box_seconds
    slug_of = {organization.id: organization.slug for organization in list_organizations(database.engine)}
    with database.engine.connect() as connection:
        ids = connection.execute(text("select organization_id from organizations.longest_unchecked()")).scalars().all()
    slugs = [slug_of[found] for found in ids if found in slug_of]
    failed_before = FailedChecks(context.instance, slugs)
    problems = []
    looked_at = 0
    for slug in slugs:
        if time.monotonic() > deadline:
            break
        looked_at += 1
        try:
            organization = database.organization(slug)
            for stage, result in look_at_all(organization):
                try:
                    report_stage(context, stage, organization, result, failed_before)
                except BrokenPromise as broken:  # what comes after is no work here, and is told as well
                    problems.append(f"{slug}: {broken}")
        except Exception as error:  # noqa: BLE001 (one organization must not stop the others)
            problems.append(f"{slug}: {reason_of(error).message}")
    context.add_output_metadata({"organizations": looked_at, "left for the next night": len(slugs) - looked_at})
    if problems:
        raise dg.Failure("; ".join(problems[:SAMPLE]), allow_retries=False)


@dg.job(tags={LANE_TAG: BULK})
def nightly_check() -> None:
    """Looks whether all records of all organizations keep their promises."""
    check_all_records()


nightly_check_schedule = dg.ScheduleDefinition(
    name="check_every_night",
    description="Looks at 01:30 UTC whether all records of all organizations keep their promises.",
    job=nightly_check,
    cron_schedule="30 1 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
