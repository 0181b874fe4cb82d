"""The schedules of the pulls: a tick each quarter of an hour asks PostgreSQL where the hour of the settings has
passed, in the time zone of each organization, since the last pull.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from invoice_pipelines.accounting.reports import DuePull
from invoice_pipelines.accounting.system import AccountingSystem, SyncedEntity
from invoice_pipelines.defs.accounting.domain import accounting_domain
from invoice_pipelines.defs.accounting.jobs import sync_now
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.resources import InvoiceDatabase, skips_until_ready
from invoice_pipelines.defs.run_requests import UNFINISHED, tag_of_many
from invoice_pipelines.defs.sweep import LEFT_OUT
from invoice_pipelines.organizations import list_organizations

EVERY_QUARTER = "*/15 * * * *"
TRIES = 3
"""How often an organization is tried after each time that its hour passes."""


def pull_schedules(system: AccountingSystem, job: dg.JobDefinition) -> list[dg.ScheduleDefinition]:
    """One for each entity that is read each day."""
    return [_schedule(system, job, entity) for entity in system.entities if entity.pull_hour is not None]


def _schedule(system: AccountingSystem, job: dg.JobDefinition, entity: SyncedEntity) -> dg.ScheduleDefinition:
    synced = [*entity.pulled_with, entity.name]

    @dg.schedule(
        name=f"{system.name}_{entity.name}_daily",
        job=job,
        cron_schedule=EVERY_QUARTER,
        execution_timezone="UTC",
        description=f"Syncs {' and '.join(synced)} once a day, at the hour of the settings in the time zone of each "
        "organization, and goes on with what did not come to its end.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    @skips_until_ready
    def begin(context: dg.ScheduleEvaluationContext, database: InvoiceDatabase) -> list[dg.RunRequest] | dg.SkipReason:
        assert entity.pull_hour is not None
        hour = entity.pull_hour(database.settings)
        with database.engine.begin() as connection:
            due = system.organizations_to_pull(connection, entity.name, hour)
        slugs = _slugs_to_ask_for(system, context.instance, database, due, synced)
        if not slugs:
            return dg.SkipReason(f"nothing is due that is not in flight ({len(due)} organizations)")
        if len(slugs) <= database.settings.sweep_threshold:
            return [_request([slug], synced, slug) for slug in slugs]
        size = database.settings.sweep_size
        parts = [slugs[start : start + size] for start in range(0, len(slugs), size)]
        return [_request(part, synced, tag_of_many(f"{system.name}_sync", part)) for part in parts]

    return begin


def _request(slugs: list[str], synced: list[str], tag: str) -> dg.RunRequest:
    config = {"organizations": slugs, "entities": synced}
    return dg.RunRequest(
        run_key=slugs[0],  # tells the requests of one tick apart; the next tick has its own
        run_config=dg.RunConfig(ops={sync_now.name: {"config": config}}),
        tags={ORGANIZATION_TAG: tag},
    )


def _slugs_to_ask_for(
    system: AccountingSystem,
    instance: dg.DagsterInstance,
    database: InvoiceDatabase,
    due: Sequence[DuePull],
    synced: list[str],
) -> list[str]:
    """Those that are in no unfinished run that syncs them, and that did not fail too often since they are due."""
    if not due:
        return []
    known = set(instance.get_dynamic_partitions("organization"))
    slugs = {found.id: found.slug for found in list_organizations(database.engine) if found.slug in known}
    busy = _in_flight(system, instance)
    failures = _failures(system, instance, synced, min(found.due_at for found in due))
    return [
        slug
        for slug in (slugs[found.organization_id] for found in due if found.organization_id in slugs)
        if slug not in busy and failures[slug] < TRIES
    ]


def _in_flight(system: AccountingSystem, instance: dg.DagsterInstance) -> set[str]:
    """Slugs with an unfinished run that pulls. Those that only push are not waited for: where invoices come all the
    time, nothing would ever be pulled; the run queue gives each its turn.
    """
    domain = accounting_domain(system)
    pushing = (domain.run, domain.sweep)
    unfinished = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        if domain.includes(run) and run.job_name not in pushing
    ]
    alone = {run.tags.get("dagster/partition", run.tags.get(ORGANIZATION_TAG, "")) for run in unfinished}
    return alone.union(*(_config(run).get("organizations", ()) for run in unfinished))


def _failures(
    system: AccountingSystem, instance: dg.DagsterInstance, synced: list[str], since: datetime
) -> Counter[str]:
    """How many runs over the same entities failed for each slug since then."""
    since = max(since, datetime.now(UTC) - timedelta(days=1))
    ended = dg.RunsFilter(job_name=f"{system.name}_sync", statuses=[dg.DagsterRunStatus.FAILURE], created_after=since)
    failed: Counter[str] = Counter()
    for run in instance.get_runs(ended):
        config = _config(run)
        if config.get("entities") != synced:
            continue
        left_out = {tag.removeprefix(LEFT_OUT) for tag in run.tags if tag.startswith(LEFT_OUT)}
        failed.update(left_out or config.get("organizations", ()))  # a run that died says of none why
    return failed


def _config(run: dg.DagsterRun) -> dict[str, Any]:
    ops: Any = run.run_config.get("ops", {})
    (config,) = [op.get("config", {}) for op in ops.values() if "organizations" in op.get("config", {})][:1] or [{}]
    return dict(config)
