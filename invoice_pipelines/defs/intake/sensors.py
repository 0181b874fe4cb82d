"""Holds the sensor of the intake: it notes what lies in the inboxes and asks for runs where something is due."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import dagster as dg

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.intake.jobs import intake, intake_sweep
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.intake.arrivals import files_by_organization, organizations_with_waiting_files, sight
from invoice_pipelines.intake.overview import organizations_due
from invoice_pipelines.organizations import OrganizationSummary, list_organizations

SECONDS_FOR_SIGHTING = 25.0
"""A tick may last 60 s; what is not looked at in this time is first in the next tick."""

SECONDS_OF_REST = 30
LONGEST_REST = timedelta(minutes=30)
"""After a failed run, its organization is left alone for 30 s, twice as long after each further one, up to this."""

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(jobs=[intake, intake_sweep], minimum_interval_seconds=5, default_status=dg.DefaultSensorStatus.RUNNING)
def intake_due(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Asks for a run of each organization with files that lie still or work that is open, and none in flight."""
    registered = list_organizations(database.engine)
    settle = timedelta(seconds=database.settings.inbox_settle_seconds)
    cursor, unknown = _sight_inboxes(context.cursor, registered, database, settle)
    due = organizations_due(database.engine, settle)
    in_flight = _organizations_in_flight(context.instance)
    if in_flight is None:
        return dg.SensorResult(skip_reason="a sweep is in flight", cursor=cursor)
    busy = in_flight | _organizations_at_rest(context.instance)
    known = set(context.instance.get_dynamic_partitions("organization"))
    slugs = [
        organization.slug
        for organization in registered
        if organization.id in due and organization.slug in known and organization.slug not in busy
    ]
    for folder in unknown:
        context.log.warning("the inbox has files in %r, which is no organization; they are left there", folder)
    if not slugs:
        return dg.SensorResult(skip_reason="nothing is due that is not in flight", cursor=cursor)
    return dg.SensorResult(run_requests=_requests(slugs, database), cursor=cursor)


def _requests(slugs: list[str], database: InvoiceDatabase) -> list[dg.RunRequest]:
    if len(slugs) <= database.settings.sweep_threshold:
        return [dg.RunRequest(job_name="intake", partition_key=slug, tags={ORGANIZATION_TAG: slug}) for slug in slugs]
    swept = slugs[: database.settings.sweep_size]
    return [
        dg.RunRequest(
            job_name="intake_sweep",
            run_config=dg.RunConfig(ops={"sweep_organizations": {"config": {"organizations": swept}}}),
            tags={ORGANIZATION_TAG: "(sweep)"},
        )
    ]


def _sight_inboxes(
    cursor: str | None, registered: list[OrganizationSummary], database: InvoiceDatabase, settle: timedelta
) -> tuple[str, list[str]]:
    """Notes the files of each organization, going on behind the cursor; returns the new cursor and unknown folders."""
    started = time.monotonic()
    found = files_by_organization(database.inbox)
    id_of = {organization.slug: organization.id for organization in registered}
    waiting = organizations_with_waiting_files(database.engine)
    to_sight = sorted(slug for slug in id_of if slug in found or id_of[slug] in waiting)
    start = next((index for index, slug in enumerate(to_sight) if slug > (cursor or "")), 0)
    for slug in [*to_sight[start:], *to_sight[:start]]:
        with organization_scope(database.engine, id_of[slug]) as connection:
            sight(connection, found.get(slug, []), settle)
        cursor = slug
        if time.monotonic() - started > SECONDS_FOR_SIGHTING:
            break
    return cursor or "", sorted(set(found) - set(id_of))


def _organizations_in_flight(instance: dg.DagsterInstance) -> set[str] | None:
    """Slugs with an unfinished intake run; None while a sweep is unfinished."""
    slugs: set[str] = set()
    for job_name in ("intake", "intake_sweep"):
        for run in instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED)):
            if job_name == "intake_sweep":
                return None
            slugs.add(_organization_of(run))
    return slugs


def _organizations_at_rest(instance: dg.DagsterInstance) -> set[str]:
    """Slugs whose last runs failed, so that a fault that stays does not become a run every few seconds."""
    now = datetime.now(UTC)
    ended = instance.get_run_records(
        dg.RunsFilter(
            job_name="intake",
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            updated_after=now - LONGEST_REST,
        )
    )
    failures: Counter[str] = Counter()
    succeeded: set[str] = set()
    at_rest: set[str] = set()
    last_failure: dict[str, datetime] = {}
    for record in ended:  # newest first: failures before the last success do not count
        slug = _organization_of(record.dagster_run)
        if record.dagster_run.status is dg.DagsterRunStatus.SUCCESS:
            succeeded.add(slug)
        elif slug not in succeeded:
            failures[slug] += 1
            last_failure.setdefault(slug, record.update_timestamp)
    for slug, count in failures.items():
        rest = min(timedelta(seconds=SECONDS_OF_REST * 2 ** (count - 1)), LONGEST_REST)
        if now - last_failure[slug] < rest:
            at_rest.add(slug)
    return at_rest


def _organization_of(run: dg.DagsterRun) -> str:
    return run.tags.get("dagster/partition", run.tags.get(ORGANIZATION_TAG, ""))
