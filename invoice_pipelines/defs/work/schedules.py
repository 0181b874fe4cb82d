"""The schedules that keep the queue and Dagster's own records in order, whatever the domain."""

from dataclasses import astuple

import dagster as dg
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from invoice_pipelines.defs.resources import InvoiceDatabase, skips_until_ready
from invoice_pipelines.defs.work.jobs import nightly_prune, stuck_work_clean_up
from invoice_pipelines.work import cleanup_stuck

LOOK_FOR_SECONDS = 20
"""A tick may last 60 s."""


@dg.schedule(
    name="stuck_work_every_ten_minutes",
    job=stuck_work_clean_up,
    description="Cleans up where a worker died or a job stands still; asks for no run where nothing is stuck.",
    cron_schedule="*/10 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
@skips_until_ready
def stuck_work_schedule(
    context: dg.ScheduleEvaluationContext, database: InvoiceDatabase
) -> dg.RunRequest | dg.SkipReason:
    """Tries the clean-up itself, and undoes it where it finds something, so that a run does it and tells of it."""
    with database.engine.connect() as connection:
        connection.execute(text(f"set local statement_timeout = '{LOOK_FOR_SECONDS}s'"))
        try:
            found = cleanup_stuck(connection)
        except OperationalError:  # more than fits into a tick
            return dg.RunRequest()
        if any(astuple(found)):
            connection.rollback()
            return dg.RunRequest()
        connection.commit()  # counts of jobs that it may have set right
    return dg.SkipReason("nothing is stuck")


nightly_prune_schedule = dg.ScheduleDefinition(
    name="prune_every_night",
    description="Removes old records of Dagster and of the queues, at 03:30 UTC. Business records stay.",
    job=nightly_prune,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
