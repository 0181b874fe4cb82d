"""Late runs: the check of freshness fails where none came to its end for longer than the schedule allows, and passes
again when one did.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
from pydantic import Field
from sqlalchemy import Connection

from invoice_pipelines.database import organization_scope
from invoice_pipelines.defs.checks import log_checks, severity
from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.overdue.domain import NOTIFICATIONS
from invoice_pipelines.defs.overdue.due import now_of
from invoice_pipelines.defs.refusals import refusals_fail_the_run
from invoice_pipelines.defs.resources import InvoiceDatabase, skips_until_ready
from invoice_pipelines.organizations import OrganizationSummary, list_organizations
from invoice_pipelines.overdue import due_since, last_execution, organizations_to_check, read_schedule
from invoice_pipelines.overdue.promises import FRESH

TIME_FOR_ALL = timedelta(hours=1)
"""How long after a moment of the schedule a run may come to its end and still be in time."""
TOLD_AT_ONCE = 100
"""Checks that one tick writes: if all of 10,000 organizations are late, a sample says as much."""
ANY_NUMBER = 2**31 - 1


class Lateness(dg.Config):
    """Where runs are late, and where they are not any more, as the sensor of late runs found out."""

    late: list[str] = Field(description="Slugs of organizations in which no run finished in time.")
    in_time: list[str] = Field(description="Slugs of organizations that were late.")
    since: str = Field(description="When a run had to begin at the earliest.")


@dataclass(frozen=True, slots=True)
class Late:
    """Slugs of organizations in which no run came to its end that began at `since` or later."""

    slugs: frozenset[str]
    since: datetime


def late_organizations(database: InvoiceDatabase, registered: Sequence[OrganizationSummary]) -> Late | str:
    """Where runs are late among the registered organizations; or why nobody can tell."""
    schedule = read_schedule(database.settings)
    if isinstance(schedule, str):
        return schedule
    since = due_since(schedule, now_of(database) - TIME_FOR_ALL)
    with database.engine.connect() as connection:
        without = organizations_to_check(connection, since, max_failures=ANY_NUMBER)
    unchecked = {found.organization_id for found in without}
    late = (found.slug for found in registered if found.id in unchecked and found.created_at <= since)
    return Late(frozenset(late), since)


@dg.op
@refusals_fail_the_run()
def tell_lateness(context: dg.OpExecutionContext, config: Lateness, database: InvoiceDatabase) -> None:
    """Evaluates the check of freshness. Dagster keeps only one evaluation without a run per partition, hence a run."""
    ids = {found.slug: found.id for found in list_organizations(database.engine)}
    for slug in filter(ids.__contains__, config.late):
        with organization_scope(database.engine, ids[slug]) as connection:
            log_checks(context, NOTIFICATIONS.key, [FRESH], slug, [lateness(connection, config.since)])
    for slug in config.in_time:
        log_checks(context, NOTIFICATIONS.key, [FRESH], slug, [in_time()])


@dg.job
def overdue_lateness() -> None:
    """Lets the check of freshness fail where runs are late, and pass where they are not any more."""
    tell_lateness()


@dg.sensor(
    job=overdue_lateness,
    description="Lets the check of freshness fail for organizations in which no run has finished recently enough, and "
    "pass again\nwhen one did.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
@skips_until_ready
def late_overdue_runs(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Asks for a run, which writes down who is late and who no longer is, only where something has changed."""
    registered = list_organizations(database.engine)
    found_late = late_organizations(database, registered)
    if isinstance(found_late, str):
        return dg.SensorResult(skip_reason=found_late, cursor=context.cursor)
    late, since = found_late.slugs, found_late.since
    told = {found.slug for found in registered} & set(json.loads(context.cursor or "[]"))
    newly_late, in_time = sorted(late - told)[:TOLD_AT_ONCE], sorted(told - late)[:TOLD_AT_ONCE]
    cursor = json.dumps(sorted((told | set(newly_late)) - set(in_time)))
    if not newly_late and not in_time:
        return dg.SensorResult(skip_reason=f"{len(late)} of {len(registered)} organizations are late", cursor=cursor)
    config = {"late": newly_late, "in_time": in_time, "since": since.isoformat(" ", "minutes")}
    request = dg.RunRequest(
        run_config=dg.RunConfig(ops={tell_lateness.name: {"config": config}}), tags={ORGANIZATION_TAG: "(lateness)"}
    )
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def lateness(connection: Connection, since: str) -> dg.AssetCheckResult:
    """That no run of the organization in scope that began at `since` or later came to its end, and what is known."""
    last = last_execution(connection)
    if last is None:
        why = "There was no run yet. Look whether the schedule is on, and the daemon at work."
    else:
        why = f"No run started since {since} has finished. The last began {last.start_time:%Y-%m-%d %H:%M %Z}: "
        why += f"{last.status}. {last.errors[0]['reason'] if last.errors else ''}".rstrip()
    return dg.AssetCheckResult(
        check_name=FRESH.name, passed=False, severity=severity(warns=last is None), metadata={"why": why}
    )


def in_time() -> dg.AssetCheckResult:
    """That an organization of which `lateness` was told is not late any more."""
    return dg.AssetCheckResult(check_name=FRESH.name, passed=True)
