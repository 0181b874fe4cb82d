"""For which organizations the sensors ask for runs, and which they leave alone. What is due, each domain knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from operator import itemgetter
from uuid import UUID

import dagster as dg

from invoice_pipelines.defs.domain import Domain
from invoice_pipelines.defs.holds import organizations_held, slugs_of
from invoice_pipelines.defs.organizations import BULK, EXPRESS, LANE_TAG, ORGANIZATION_TAG
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_failures import organization_of
from invoice_pipelines.defs.sweep import LEFT_OUT, NOT_REACHED
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.work import EndedTurn, LastTurn, last_turns, newest_turn, record_turns

LONGEST_LIST = 3
LOOK_BACK = timedelta(hours=1)
"""Runs that ended in this time count where PostgreSQL knows of none: long enough for the failures before the longest
rest."""
OVERLAP = timedelta(seconds=30)
"""Runs that ended so long before the newest one that is known are read again: they may have been recorded after it."""
LONG_WORK = 500
"""More items than this in one organization are work in bulk; fewer are done in seconds."""
SMALLEST_SWEEP = 50
"""Fewer organizations than this are not divided among sweeps, each of which takes seconds to begin."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)
NOTHING_DUE = "nothing is due that is not in flight or at rest"

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

SWEEP = "(sweep)"
"""What the tag `organization` says of a run over many that a person starts: one of them works at a time."""


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
    for sweeps, where these are more than the setting. Sweeps begin with the organizations whose last turn is the
    longest ago. What is `due` is asked of the domain, unless it is given. `note` is added to the reason why there is
    nothing to do.
    """
    # In this order: what a run does that ends meanwhile is not asked for again, nor is its failure overlooked.
    sweeps, in_flight = _in_flight(domain, context.instance)
    if due is None:
        with database.engine.begin() as connection:
            due = domain.due(connection, database.settings)
    if not due:
        return dg.SensorResult(skip_reason=f"{NOTHING_DUE}{note}", cursor=cursor)
    slugs = {found.id: found.slug for found in list_organizations(database.engine)}
    held = organizations_held(domain, context.instance, database.settings.hold_after_terminate_minutes)
    turns = _last_turns(domain, context.instance, database, slugs, due)
    known = set(context.instance.get_dynamic_partitions("organization"))
    free = [
        (turn.ended_at if turn and turn.ended_at else LONG_AGO, slugs[found], found)
        for found, turn in ((found, turns.get(found)) for found in due if found in slugs)
        if slugs[found] in known
        and slugs[found] not in in_flight
        and slugs[found] not in held
        and not (turn and (turn.rests or turn.asked))
    ]
    if held:
        first = ", ".join(sorted(held)[:LONGEST_LIST])
        note = f"; left alone, as somebody terminated their runs: {len(held)} organizations, such as {first}{note}"
    if not free:
        return dg.SensorResult(skip_reason=f"{NOTHING_DUE}{note}", cursor=cursor)
    settings = database.settings
    if len(free) <= settings.sweep_threshold and not domain.beside:
        items = due if isinstance(due, Mapping) else {}
        alone = [(slug, items.get(found, 0)) for _, slug, found in sorted(free, key=itemgetter(1))]
        return dg.SensorResult(run_requests=[_request(domain, *each) for each in alone], cursor=cursor)
    places = (1 if domain.beside else settings.sweeps_at_once) - sweeps
    if places <= 0:
        return dg.SensorResult(skip_reason=f"{sweeps} sweeps are in flight; {len(free)} wait{note}", cursor=cursor)
    size = min(settings.sweep_size, max(SMALLEST_SWEEP, ceil(len(free) / places)))
    waiting = [slug for _, slug, _ in sorted(free)]
    parts = [waiting[start : start + size] for start in range(0, len(waiting), size)]
    return dg.SensorResult(run_requests=[sweep_request(domain, part) for part in parts[:places]], cursor=cursor)


def behind(slugs: list[str], last: str) -> list[str]:
    """Sorted slugs, those behind the last one first, so that each has its turn."""
    return [slug for slug in slugs if slug > last] + [slug for slug in slugs if slug <= last]


def _request(domain: Domain, slug: str, items: int) -> dg.RunRequest:
    tags = {ORGANIZATION_TAG: slug, LANE_TAG: BULK if items > LONG_WORK else EXPRESS}
    return dg.RunRequest(job_name=domain.run, partition_key=slug, tags=tags)


def sweep_request(domain: Domain, slugs: list[str], run_key: str | None = None) -> dg.RunRequest:
    """A run over these organizations."""
    return dg.RunRequest(
        run_key=run_key,
        job_name=domain.sweep,
        run_config=dg.RunConfig(ops={domain.sweep_op: {"config": {"organizations": slugs}}}),
        tags={ORGANIZATION_TAG: domain.beside or tag_of_many(domain.name, slugs), LANE_TAG: BULK},
    )


def tag_of_many(what: str, slugs: Sequence[str]) -> str:
    """What the tag `organization` says of a run over many: what no other one in flight says, as an organization is in
    one of them at a time.
    """
    return f"({what}: {slugs[0]} and {len(slugs) - 1} more)"


def _in_flight(domain: Domain, instance: dg.DagsterInstance) -> tuple[int, set[str]]:
    """How many sweeps are unfinished, and the slugs with an unfinished run, also one that a person started."""
    unfinished = [run for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)) if domain.includes(run)]
    sweeps = sum(run.job_name == domain.sweep for run in unfinished)
    return sweeps, {slug for run in unfinished for slug in slugs_of(domain, run)}


def _last_turns(
    domain: Domain,
    instance: dg.DagsterInstance,
    database: InvoiceDatabase,
    slugs: Mapping[UUID, str],
    due: Collection[UUID],
) -> Mapping[UUID, LastTurn]:
    """The last turns of organizations. PostgreSQL keeps them, and is told here of what ended since the last tick."""
    rest = timedelta(seconds=database.settings.rest_after_failure_seconds)
    ids = {slug: found for found, slug in slugs.items()}
    with database.engine.begin() as connection:
        newest = newest_turn(connection, domain.name)
        earliest = datetime.now(UTC) - LOOK_BACK
        records = _ended_runs(domain, instance, max(newest - OVERLAP, earliest) if newest else earliest)
        ended = [
            EndedTurn(ids[slug], _ended_at(record), has_failed)
            for record in reversed(records)
            for slug, has_failed in _outcomes(domain, record.dagster_run).items()
            if slug in ids
        ]
        if ended:
            record_turns(connection, domain.name, ended, rest)
        return last_turns(connection, domain.name, due)


def _ended_at(record: dg.RunRecord) -> datetime:
    """When a run ended. The time of its last change is later, where tags were added to it since."""
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, UTC)
    return record.update_timestamp.replace(tzinfo=UTC)


def _outcomes(domain: Domain, run: dg.DagsterRun) -> dict[str, bool | None]:
    """Whether an ended run failed, by the slugs of those that it reached; None where it died without a word of them."""
    taken, failed = slugs_of(domain, run), failed_slugs(domain, run)
    if NOT_REACHED in run.tags and run.tags[NOT_REACHED] in taken:
        taken = taken[: taken.index(run.tags[NOT_REACHED])]
    has_died = run.job_name == domain.sweep and run.status is not dg.DagsterRunStatus.SUCCESS and not failed
    return {slug: None if has_died else slug in failed for slug in taken}


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
    for record in _ended_runs(domain, instance, datetime.now(UTC) - LOOK_BACK):
        run = record.dagster_run
        failed = failed_slugs(domain, run)
        for slug in failed - succeeded - found.keys():
            reason = run.tags.get(f"{LEFT_OUT}{slug}", "")
            found[slug] = FailedRun(reason, record.update_timestamp.replace(tzinfo=UTC), run.run_id)
        succeeded |= set(slugs_of(domain, run)) - failed
    return found


def _ended_runs(domain: Domain, instance: dg.DagsterInstance, since: datetime) -> list[dg.RunRecord]:
    """Runs of the domain that ended since then, newest first."""
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


def failed_slugs(domain: Domain, run: dg.DagsterRun) -> set[str]:
    """Slugs of the organizations that an ended run failed for."""
    if run.job_name == domain.sweep:
        return {tag.removeprefix(LEFT_OUT) for tag in run.tags if tag.startswith(LEFT_OUT)}
    return set() if run.status is dg.DagsterRunStatus.SUCCESS else {organization_of(run)}
