"""The schedule of the settings (`SCHEDULER_...`). With a wrong one the code location loads all the same: the
description and each tick say what is wrong.

A cron expression is Dagster's own schedule, whose tick asks for all sweeps of that moment at once. Dagster knows no
intervals, so for these a tick each minute asks PostgreSQL's log of runs who is due; a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from invoice_pipelines.defs.holds import slugs_of
from invoice_pipelines.defs.overdue.domain import OVERDUE, SCHEDULE
from invoice_pipelines.defs.overdue.due import now_of, organizations_due
from invoice_pipelines.defs.resources import InvoiceDatabase, skips_until_ready
from invoice_pipelines.defs.run_requests import UNFINISHED, sweep_request
from invoice_pipelines.overdue import CronSchedule, due_since, read_schedule
from invoice_pipelines.overdue.schedule import schedule_in_words
from invoice_pipelines.settings import Settings, SettingsError, load_settings

EVERY_MINUTE = "* * * * *"
NOT_BEGUN = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING]


@dg.definitions
def overdue_schedules() -> dg.Definitions:
    return dg.Definitions(schedules=[_schedule()])


def _schedule() -> dg.ScheduleDefinition:
    try:
        return overdue_schedule(load_settings())
    except SettingsError as error:  # of any variable; what needs that one says so itself, and the rest must load
        return _standing_still(str(error), str(error))


def overdue_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule that the settings name."""
    schedule, description = read_schedule(settings), schedule_in_words(settings)
    if isinstance(schedule, str):
        return _standing_still(schedule, description)
    is_cron = isinstance(schedule, CronSchedule)

    @dg.schedule(
        name=SCHEDULE,
        job_name=OVERDUE.sweep,
        cron_schedule=settings.scheduler_schedule_value.strip() if is_cron else EVERY_MINUTE,
        execution_timezone=schedule.time_zone.key,
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    @skips_until_ready
    def begin(context: dg.ScheduleEvaluationContext, database: InvoiceDatabase) -> list[dg.RunRequest] | dg.SkipReason:
        # By the moment of the tick also where it is made up for later, after Dagster was down.
        since = context.scheduled_execution_time if is_cron else due_since(schedule, now_of(database))
        # A sweep that has begun may have passed an organization before this moment of cron; one that waits has not.
        covered = _organizations_swept(context.instance, NOT_BEGUN if is_cron else UNFINISHED)
        due = organizations_due(OVERDUE, context.instance, database, since, with_new=True)
        slugs = sorted(organization.slug for organization in due if organization.slug not in covered)
        if not slugs:
            return dg.SkipReason(f"no organization is due since {since:%Y-%m-%d %H:%M:%S %Z} that is not in a sweep")
        size = database.settings.sweep_size
        return [
            sweep_request(OVERDUE, slugs[start : start + size], run_key=str(start))
            for start in range(0, len(slugs), size)
        ]

    return begin


def _standing_still(problem: str, description: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=SCHEDULE,
        job_name=OVERDUE.sweep,
        cron_schedule=EVERY_MINUTE,
        description=description,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def begin(context: dg.ScheduleEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(problem)

    return begin


def _organizations_swept(instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus]) -> set[str]:
    runs = instance.get_runs(dg.RunsFilter(job_name=OVERDUE.sweep, statuses=statuses))
    return {slug for run in runs for slug in slugs_of(OVERDUE, run)}
