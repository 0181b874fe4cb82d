"""Holds the schedule that cleans up after dead workers, whatever their domain."""

import dagster as dg

from invoice_pipelines.defs.resources import InvoiceDatabase
from invoice_pipelines.work import cleanup_stuck


@dg.op
def clean_up_stuck_work(context: dg.OpExecutionContext, database: InvoiceDatabase) -> None:
    """Returns items whose worker died to the queue, and closes jobs that nothing is left to do for."""
    with database.engine.begin() as connection:
        found = cleanup_stuck(connection)
    context.add_output_metadata(
        {
            "returned items": found.returned_items,
            "failed items": found.failed_items,
            "cancelled items": found.cancelled_items,
            "closed jobs": found.closed_jobs,
            "reopened jobs": found.reopened_jobs,
        }
    )


@dg.job
def stuck_work_clean_up() -> None:
    """Cleans up after dead workers, in all organizations."""
    clean_up_stuck_work()


stuck_work_schedule = dg.ScheduleDefinition(
    name="stuck_work_every_ten_minutes",
    job=stuck_work_clean_up,
    cron_schedule="*/10 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
