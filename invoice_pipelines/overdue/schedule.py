"""When runs are due: the schedule of the settings, and when an organization is to be checked next.

The log of runs decides, never what a process remembers, so that a restart changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from invoice_pipelines.organizations.time_zones import time_zones
from invoice_pipelines.overdue.cron import Cron
from invoice_pipelines.overdue.execution import LARGEST_BATCH_SIZE
from invoice_pipelines.settings import Settings, variable_of

LONGEST_INTERVAL = 24 * 366


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Runs at the moments of a cron expression in a time zone."""

    cron: Cron
    time_zone: ZoneInfo
    batch_size: int


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """Runs that begin whole hours after one another, as they pass on a clock that is never changed."""

    hours: int
    time_zone: ZoneInfo
    batch_size: int


Schedule = CronSchedule | IntervalSchedule


def read_schedule(settings: Settings) -> Schedule | str:
    """The schedule of the settings; or what is wrong with them, one line that names each variable.

    A wrong value is no error, because it must stop nothing but this schedule.
    """
    problems = []

    def wrong(field: str, why: str) -> None:
        problems.append(f"{variable_of(field)}: {why}")

    kind = settings.scheduler_schedule_type.strip().lower()
    value = settings.scheduler_schedule_value.strip()
    cron, hours, zone = None, 0, ZoneInfo("UTC")
    if kind == "cron":
        try:
            cron = Cron.parse(value)
        except ValueError as error:
            wrong("scheduler_schedule_value", str(error))
    elif kind == "interval":
        hours = _whole_number(value)
        if not 1 <= hours <= LONGEST_INTERVAL:
            whole = f"an interval is a number of whole hours from 1 to {LONGEST_INTERVAL}"
            wrong("scheduler_schedule_value", f"{whole} (given: {value!r})")
    else:
        wrong("scheduler_schedule_type", f"must be cron or interval (given: {settings.scheduler_schedule_type!r})")
    name = settings.scheduler_timezone.strip()
    if name in time_zones():
        zone = ZoneInfo(name)
    else:
        unknown = "not a time zone of the IANA database, such as Europe/Berlin"
        wrong("scheduler_timezone", f"{unknown} (given: {settings.scheduler_timezone!r})")
    batch_size = _whole_number(settings.scheduler_batch_size.strip())
    if not 1 <= batch_size <= LARGEST_BATCH_SIZE:
        allowed = f"must be a whole number from 1 to {LARGEST_BATCH_SIZE}"
        wrong("scheduler_batch_size", f"{allowed} (given: {settings.scheduler_batch_size!r})")
    if problems:
        return "; ".join(problems)
    return IntervalSchedule(hours, zone, batch_size) if cron is None else CronSchedule(cron, zone, batch_size)


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


def next_run(schedule: Schedule, last_start: datetime | None, now: datetime) -> datetime:
    """When the next run after the one that began at `last_start` is to begin; it is due if that is not after `now`.

    Without an earlier run an interval begins now, and a cron schedule at its next moment. However many moments were
    missed while nothing ran, one run makes up for them. All times have a zone; the answer is in UTC.
    """
    if isinstance(schedule, IntervalSchedule):
        if last_start is None:
            return now.astimezone(UTC)
        return min(last_start, now).astimezone(UTC) + timedelta(hours=schedule.hours)
    return schedule.cron.next(now if last_start is None else min(last_start, now), schedule.time_zone)


def due_since(schedule: Schedule, now: datetime) -> datetime:
    """Since when a run is due: organizations where none has begun since then are to be looked at. In UTC."""
    if isinstance(schedule, IntervalSchedule):
        return now.astimezone(UTC) - timedelta(hours=schedule.hours)
    return schedule.cron.latest(now, schedule.time_zone)


def _whole_number(text: str) -> int:
    """The number, or 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
