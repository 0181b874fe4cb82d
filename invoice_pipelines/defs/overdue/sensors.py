"""Holds the sensors of overdue: one sees through what the schedule began, one tells where no run came to its end for
longer than the schedule allows.
"""

from __future__ import annotations

import json
from datetime import timedelta

import dagster as dg

from invoice_pipelines.defs.organizations import ORGANIZATION_TAG
from invoice_pipelines.defs.overdue.due import now_of, organizations_due
from invoice_pipelines.defs.overdue.jobs import RUNS, overdue, overdue_lateness, overdue_sweep
from invoice_pipelines.defs.overdue.schedules import NAME
from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.defs.run_requests import ask_for_runs
from invoice_pipelines.organizations import list_organizations
from invoice_pipelines.overdue import CronSchedule, due_since, organizations_to_check, read_schedule

TIME_FOR_ALL = timedelta(hours=1)
"""How long after a moment of the schedule a run may come to its end and still be in time."""
TOLD_AT_ONCE = 100
"""Checks that one tick writes: if all of 10,000 organizations are late, a sample says as much."""
ANY_NUMBER = 2**31 - 1


@dg.sensor(jobs=[overdue, overdue_sweep], minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING)
def overdue_left(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult | dg.SkipReason:
    """Takes up what a cron moment of the overdue schedule left: organizations that failed, three times at the most, and
    those that a sweep had no time for. Does nothing where the schedule itself began nothing, as when it is stopped.
    """
    schedule = read_schedule(database.settings)
    if not isinstance(schedule, CronSchedule):
        return dg.SkipReason(schedule if isinstance(schedule, str) else "an interval is looked at by its schedule")
    since = due_since(schedule, now_of(database))
    begun = dg.RunsFilter(job_name=RUNS.sweep, tags={"dagster/schedule_name": NAME}, created_after=since)
    if not context.instance.get_runs_count(begun):
        return dg.SkipReason(f"the schedule began nothing since {since:%Y-%m-%d %H:%M %Z}")
    due = organizations_due(context.instance, database, since, with_new=False)
    return ask_for_runs(RUNS, context, database, due, lambda: {organization.id for organization in due})


@dg.sensor(job=overdue_lateness, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def late_overdue_runs(context: dg.SensorEvaluationContext, database: InvoiceDatabase) -> dg.SensorResult:
    """Lets the check of freshness fail for organizations in which no run came to its end lately enough, and pass again
    when one did. It asks for a run, which writes that down, only where something has changed.
    """
    schedule = read_schedule(database.settings)
    if isinstance(schedule, str):
        return dg.SensorResult(skip_reason=schedule, cursor=context.cursor)
    since = due_since(schedule, now_of(database) - TIME_FOR_ALL)
    with database.engine.connect() as connection:
        without = organizations_to_check(connection, since, max_failures=ANY_NUMBER)
    unchecked = {found.organization_id for found in without}
    registered = list_organizations(database.engine)
    late = {found.slug for found in registered if found.id in unchecked and found.created_at <= since}
    told = {found.slug for found in registered} & set(json.loads(context.cursor or "[]"))
    newly_late, in_time = sorted(late - told)[:TOLD_AT_ONCE], sorted(told - late)[:TOLD_AT_ONCE]
    cursor = json.dumps(sorted((told | set(newly_late)) - set(in_time)))
    if not newly_late and not in_time:
        return dg.SensorResult(skip_reason=f"{len(late)} of {len(registered)} organizations are late", cursor=cursor)
    config = {"late": newly_late, "in_time": in_time, "since": since.isoformat(" ", "minutes")}
    request = dg.RunRequest(
        run_config=dg.RunConfig(ops={"tell_lateness": {"config": config}}), tags={ORGANIZATION_TAG: "(lateness)"}
    )
    return dg.SensorResult(run_requests=[request], cursor=cursor)
