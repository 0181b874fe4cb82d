"""For which organizations the sensors ask for runs, and which they leave alone. What is due, each domain knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg

from invoice_pipelines.defs.domain import Domain
from invoice_pipelines.defs.holds import organizations_held, slugs_of
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_failures import organization_of
from invoice_pipelines.defs.sweep import LEFT_OUT
from invoice_pipelines.organizations import list_organizations

LONGEST_REST = 20
"""After a failed run, its organization is left alone for a setting, twice as long after each further one, up to this
many times as long."""

LONGEST_LIST = 3
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

SWEEP = "(sweep)"
"""What the tag `organization` says of a run over many: one of them works at a time, and next to runs of single ones."""


def ask_for_runs(
    domain: Domain,
    context: dg.SensorEvaluationContext,
    database: InvoiceDatabase,
    *,
    due: Collection[UUID] | None = None,
    cursor: str | None = None,
    note: str = "",
) -> dg.SensorResult:
    """Asks for one run of each organization that has something due and neither a run in flight nor a rest to keep; or
    for one sweep, where these are more than the setting. What is `due` is asked of the domain, unless it is given.
    `note` is added to the reason why there is nothing to do.
    """
    in_flight = _organizations_in_flight(domain, context.instance)
    if in_flight is None:
        return dg.SensorResult(skip_reason=f"a sweep is in flight{note}", cursor=cursor)
    if due is None:
        with database.engine.begin() as connection:
            due = domain.due(connection, database.settings)
    history = _ended_runs(domain, context.instance) if due else []
    minutes = database.settings.hold_after_terminate_minutes
    held = organizations_held(domain, context.instance, minutes) if due else set()
    busy = in_flight | held | _organizations_at_rest(domain, history, database.settings.rest_after_failure_seconds)
    known = set(context.instance.get_dynamic_partitions("organization")) if due else set()
    slugs = [
        organization.slug
        for organization in (list_organizations(database.engine) if due else [])
        if organization.id in due and organization.slug in known and organization.slug not in busy
    ]
    if held:
        first = ", ".join(sorted(held)[:LONGEST_LIST])
        note = f"; left alone, as somebody terminated their runs: {len(held)} organizations, such as {first}{note}"
    if not slugs:
        return dg.SensorResult(skip_reason=f"nothing is due that is not in flight or at rest{note}", cursor=cursor)
    return dg.SensorResult(run_requests=_requests(domain, slugs, history, database), cursor=cursor)


def behind(slugs: list[str], last: str) -> list[str]:
    """Sorted slugs, those behind the last one first, so that each has its turn."""
    return [slug for slug in slugs if slug > last] + [slug for slug in slugs if slug <= last]


def _requests(
    domain: Domain, slugs: list[str], history: Sequence[dg.RunRecord], database: InvoiceDatabase
) -> list[dg.RunRequest]:
    if len(slugs) <= database.settings.sweep_threshold and not domain.beside:
        return [dg.RunRequest(job_name=domain.run, partition_key=slug, tags={ORGANIZATION_TAG: slug}) for slug in slugs]
    taken = behind(sorted(slugs), _last_of_newest_sweep(domain, history))[: database.settings.sweep_size]
    return [sweep_request(domain, taken)]


def sweep_request(domain: Domain, slugs: list[str], run_key: str | None = None) -> dg.RunRequest:
    """A run over these organizations."""
    return dg.RunRequest(
        run_key=run_key,
        job_name=domain.sweep,
        run_config=dg.RunConfig(ops={domain.sweep_op: {"config": {"organizations": slugs}}}),
        tags={ORGANIZATION_TAG: domain.beside or SWEEP},
    )


def _organizations_in_flight(domain: Domain, instance: dg.DagsterInstance) -> set[str] | None:
    """Slugs with an unfinished run, also one that a person started; None while a sweep is unfinished."""
    unfinished = [run for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) if domain.includes(run)]
    if any(run.job_name == domain.sweep for run in unfinished):
        return None
    return {organization_of(run) for run in unfinished}


@dataclass(frozen=True, slots=True)
class FailedRun:
    """The newest run that failed for an organization, and why; an empty reason where its events must be asked."""

    reason: str
    at: datetime
    run_id: str


def failing(domain: Domain, instance: dg.DagsterInstance) -> dict[str, FailedRun]:
    """Slugs of organizations whose last run of the domain failed lately."""
    found: dict[str, FailedRun] = {}
    succeeded: set[str] = set()
    for record in _ended_runs(domain, instance):
        run = record.dagster_run
        failed = failed_slugs(domain, run)
        for slug in failed - succeeded - found.keys():
            reason = run.tags.get(f"{LEFT_OUT}{slug}", "")
            found[slug] = FailedRun(reason, record.update_timestamp.replace(tzinfo=UTC), run.run_id)
        succeeded |= set(slugs_of(domain, run)) - failed
    return found


def _ended_runs(domain: Domain, instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """Runs of the domain that ended lately, newest first."""
    since = datetime.now(UTC) - LOOK_BACK
    return sorted(
        (
            record
            for job_name in (domain.run, domain.sweep)
            for record in instance.get_run_records(
                dg.RunsFilter(job_name=job_name, statuses=ENDED, updated_after=since)
            )
        ),
        key=lambda record: record.update_timestamp,
        reverse=True,
    )


def _organizations_at_rest(domain: Domain, newest_first: Sequence[dg.RunRecord], seconds: float) -> set[str]:
    """Slugs whose last runs failed, so that a fault that stays does not become a run every few seconds."""
    succeeded: set[str] = set()
    failures: dict[str, list[datetime]] = {}
    for record in newest_first:
        run = record.dagster_run
        failed = failed_slugs(domain, run)
        taken = set(slugs_of(domain, run))
        went_well = taken - failed
        for slug in failed - succeeded:  # failures before the last success do not count
            failures.setdefault(slug, []).append(record.update_timestamp)
        succeeded |= went_well
    now = datetime.now(UTC)
    return {
        slug
        for slug, times in failures.items()
        if now - times[0] < timedelta(seconds=seconds * min(2 ** (len(times) - 1), LONGEST_REST))
    }


def _last_of_newest_sweep(domain: Domain, newest_first: Sequence[dg.RunRecord]) -> str:
    sweeps = (record.dagster_run for record in newest_first if record.dagster_run.job_name == domain.sweep)
    newest = next(sweeps, None)
    slugs = slugs_of(domain, newest) if newest else []
    return slugs[-1] if slugs else ""


def failed_slugs(domain: Domain, run: dg.DagsterRun) -> set[str]:
    """Slugs of the organizations that an ended run failed for."""
    if run.job_name == domain.sweep:
        return {tag.removeprefix(LEFT_OUT) for tag in run.tags if tag.startswith(LEFT_OUT)}
    return set() if run.status is dg.DagsterRunStatus.SUCCESS else {organization_of(run)}
