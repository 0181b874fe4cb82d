"""Holds the sensor of the intake: it notes what lies in the inboxes and asks for runs where something is due."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.intake.jobs import intake, intake_sweep
from invoice_pipelines.defs.intake.sweep import LEFT_OUT
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.intake.arrivals import files_by_organization, organizations_with_waiting_files, sight
from invoice_pipelines.intake.overview import organizations_due, organizations_with_ready_files
from invoice_pipelines.organizations import OrganizationSummary, list_organizations

SECONDS_FOR_SIGHTING = 25.0
"""A tick may last 60 s; what is not looked at in this time is first in the next tick."""

LONGEST_REST = 20
"""After a failed run, its organization is left alone for a setting, twice as long after each further one, up to this
many times as long."""

LOOK_BACK = timedelta(hours=1)
"""Failures of this time count: long enough for as many as the longest rest takes."""

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


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
    in_flight = _organizations_in_flight(context.instance)
    if in_flight is None:
        return dg.SensorResult(skip_reason=f"a sweep is in flight{note}", cursor=cursor)
    due = organizations_due(database.engine, settle)
    history = _ended_runs(context.instance)
    busy = in_flight | _organizations_at_rest(history, database.settings.rest_after_failure_seconds)
    known = set(context.instance.get_dynamic_partitions("organization"))
    slugs = [
        organization.slug
        for organization in registered
        if organization.id in due and organization.slug in known and organization.slug not in busy
    ]
    if not slugs:
        return dg.SensorResult(skip_reason=f"nothing is due that is not in flight or at rest{note}", cursor=cursor)
    return dg.SensorResult(run_requests=_requests(slugs, history, database), cursor=cursor)


def _requests(slugs: list[str], history: Sequence[dg.RunRecord], database: InvoiceDatabase) -> list[dg.RunRequest]:
    if len(slugs) <= database.settings.sweep_threshold:
        return [dg.RunRequest(job_name="intake", partition_key=slug, tags={ORGANIZATION_TAG: slug}) for slug in slugs]
    swept = _behind(slugs, _last_of_newest_sweep(history))[: database.settings.sweep_size]
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
    """Notes the files of each organization, going on behind the cursor; returns the new cursor and unknown folders.

    Whose files lie still already is not looked at again until a run has taken them.
    """
    started = time.monotonic()
    found = files_by_organization(database.inbox)
    ready = organizations_with_ready_files(database.engine, settle)
    waiting = organizations_with_waiting_files(database.engine)
    id_of = {organization.slug: organization.id for organization in registered}
    to_sight = [slug for slug in id_of if (slug in found or id_of[slug] in waiting) and id_of[slug] not in ready]
    for slug in _behind(sorted(to_sight), cursor or ""):
        with organization_scope(database.engine, id_of[slug]) as connection:
            sight(connection, found.get(slug, []), settle)
        cursor = slug
        if time.monotonic() - started > SECONDS_FOR_SIGHTING:
            break
    return cursor or "", sorted(set(found) - set(id_of))


def _behind(slugs: list[str], last: str) -> list[str]:
    """Sorted slugs, those behind the last one first, so that each has its turn."""
    return [slug for slug in slugs if slug > last] + [slug for slug in slugs if slug <= last]


def _organizations_in_flight(instance: dg.DagsterInstance) -> set[str] | None:
    """Slugs with an unfinished run, also one that a person started; None while a sweep is unfinished."""
    unfinished = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    if any(run.job_name == "intake_sweep" for run in unfinished):
        return None
    return {_organization_of(run) for run in unfinished}


def _ended_runs(instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """Runs of the intake that ended lately, newest first."""
    since = datetime.now(UTC) - LOOK_BACK
    return sorted(
        (
            record
            for job_name in ("intake", "intake_sweep")
            for record in instance.get_run_records(
                dg.RunsFilter(job_name=job_name, statuses=ENDED, updated_after=since)
            )
        ),
        key=lambda record: record.update_timestamp,
        reverse=True,
    )


def _organizations_at_rest(newest_first: Sequence[dg.RunRecord], seconds: float) -> set[str]:
    """Slugs whose last runs failed, so that a fault that stays does not become a run every few seconds."""
    succeeded: set[str] = set()
    failures: dict[str, list[datetime]] = {}
    for record in newest_first:
        run = record.dagster_run
        left_out = {tag.removeprefix(LEFT_OUT) for tag in run.tags if tag.startswith(LEFT_OUT)}
        if run.job_name == "intake_sweep":
            failed, went_well = left_out, set(_swept(run)) - left_out
        elif run.status is dg.DagsterRunStatus.SUCCESS:
            failed, went_well = set(), {_organization_of(run)}
        else:
            failed, went_well = {_organization_of(run)}, set()
        for slug in failed - succeeded:  # failures before the last success do not count
            failures.setdefault(slug, []).append(record.update_timestamp)
        succeeded |= went_well
    now = datetime.now(UTC)
    return {
        slug
        for slug, times in failures.items()
        if now - times[0] < timedelta(seconds=seconds * min(2 ** (len(times) - 1), LONGEST_REST))
    }


def _last_of_newest_sweep(newest_first: Sequence[dg.RunRecord]) -> str:
    sweeps = (record.dagster_run for record in newest_first if record.dagster_run.job_name == "intake_sweep")
    newest = next(sweeps, None)
    slugs = _swept(newest) if newest else []
    return slugs[-1] if slugs else ""


def _swept(run: dg.DagsterRun) -> list[str]:
    config: dict[str, Any] = dict(run.run_config)
    return list(config["ops"]["sweep_organizations"]["config"]["organizations"])


def _organization_of(run: dg.DagsterRun) -> str:
    return run.tags.get("dagster/partition", run.tags.get(ORGANIZATION_TAG, ""))
