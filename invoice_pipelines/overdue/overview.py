"""How the schedule of the settings is told to people."""

from __future__ import annotations

from invoice_pipelines.overdue.schedule import CronSchedule, read_schedule
from invoice_pipelines.settings import Settings


def schedule_in_words(settings: Settings) -> str:
    """When overdue invoices are looked for; or that they are not, which variable is wrong, and why."""
    schedule = read_schedule(settings)
    if isinstance(schedule, str):
        return f"Overdue invoices are not looked for, as the schedule is wrong. {schedule}"
    if isinstance(schedule, CronSchedule):
        when = f"at the moments of cron {settings.scheduler_schedule_value.strip()!r} in {schedule.time_zone.key}"
    else:
        when = f"{schedule.hours} hours after the last run of an organization began"
    return f"Overdue invoices are looked for {when}, in batches of {schedule.batch_size}."
