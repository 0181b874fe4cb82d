"""The schedules that keep the queue and Dagster's own records in order, whatever the domain."""

import dagster as dg

from invoice_pipelines.defs.work.jobs import nightly_prune, stuck_work_clean_up

stuck_work_schedule = dg.ScheduleDefinition(
    name="stuck_work_every_ten_minutes",
    job=stuck_work_clean_up,
    cron_schedule="*/10 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)

nightly_prune_schedule = dg.ScheduleDefinition(
    name="prune_every_night",
    job=nightly_prune,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
