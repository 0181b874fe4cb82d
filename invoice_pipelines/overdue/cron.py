"""Cron expressions: which ones are accepted, and which moments they name in a time zone, as Dagster understands them.

The cronsim library parses them and counts on the wall clock. This module refuses forms that cronsim and Dagster
(croniter) read differently, or that only one of them knows, and treats changes of the clock as Dagster does.

Five fields: minute, hour, day of month, month, day of week. Each is `*`, a number, a range `1-5`, either with a step
(`*/15`, `8-18/2`), or several of these with commas; months and days of the week may be named (`jan`, `mon`), Sunday is
0 or 7. If both kinds of days are restricted, either is enough. Or one of @hourly, @daily, @weekly, @monthly, @yearly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_PART = re.compile(r"\*(/\d+)?|\d+|[a-z]{3}|(\d+-\d+|[a-z]{3}-[a-z]{3})(/\d+)?", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"(\w+)-(\w+)")
_LONGEST = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_ANY_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 (on the wall)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression that names at least one moment. Made by `parse`."""

    expression: str
    fields: str
    """what the expression stands for, if it is an alias"""
    is_every_hour: bool

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Raises ValueError that names the field and what is wrong with it."""
        fields = _ALIASES.get(expression.strip().lower(), expression).split()
        if len(fields) != len(_FIELDS):
            raise ValueError(
                f"{expression!r} has {len(fields)} fields; a cron expression has five: minute, hour, day of month, "
                "month, day of week, such as 0 0 * * *"
            )
        for name, field in zip(_FIELDS, fields, strict=True):
            for part in field.split(","):
                if not _PART.fullmatch(part):
                    raise ValueError(
                        f"{name}: {part!r} is not understood; write *, 5, 1-5, */15, 8-18/2 or several with commas"
                    )
        for span in _RANGE.finditer(" ".join(fields)):
            if span[1] == span[2]:
                raise ValueError(f"{span[0]!r} is understood in two ways; write {span[1]} for that")
        try:
            sim = CronSim(" ".join(fields), _ANY_DAY)
        except CronSimError as error:
            raise ValueError(f"{str(error).lower().replace('-', ' ')} in {expression!r}") from None
        if min(sim.days) > max(_LONGEST.get(month, 31) for month in sim.months if isinstance(month, int)):
            raise ValueError(f"bad day of month in {expression!r}")
        days, weekdays = fields[2], fields[4]
        if days != "*" and weekdays != "*":
            for name, field, is_all in (
                ("day of month", days, len(sim.days) == 31),
                ("day of week", weekdays, {0, 7} & sim.weekdays and sim.weekdays >= set(range(1, 7))),
            ):
                if field.startswith("*") or is_all:
                    raise ValueError(
                        f"{name}: {field!r} beside restricted days of the other kind is understood in two ways; "
                        "write * for every day, or list the days"
                    )
        return cls(expression, " ".join(fields), len(sim.hours) == 24)

    def next(self, after: datetime, zone: ZoneInfo) -> datetime:
        """The first moment after another one, in UTC."""
        start = datetime.combine(after.astimezone(zone).date() - timedelta(days=1), time.min)
        days = self._days(CronSim(self.fields, start - timedelta(seconds=1)), zone)
        return next(moment for moments in days for moment in moments if moment > after)

    def latest(self, until: datetime, zone: ZoneInfo) -> datetime:
        """The last moment that is not after another one, in UTC."""
        end = datetime.combine(until.astimezone(zone).date() + timedelta(days=2), time.min)
        days = self._days(CronSim(self.fields, end, reverse=True), zone)
        return next(moment for moments in days for moment in reversed(moments) if moment <= until)

    def _days(self, times: Iterable[datetime], zone: ZoneInfo) -> Iterator[list[datetime]]:
        """The moments of each local day on which there are some, in their order, from times on the wall.

        Over changes of the clock a schedule of every hour keeps to the hours that pass. For all others a time that is
        skipped is at the end of what is skipped, and of a time that comes twice the second counts.
        """
        for _, of_day in groupby(times, key=datetime.date):
            found = set()
            for wall in of_day:
                local = wall.replace(tzinfo=zone)
                if self.is_every_hour:
                    found |= {
                        moment for fold in (0, 1) if _exists(moment := local.replace(fold=fold).astimezone(UTC), local)
                    }
                else:
                    found.add(_at_last(local))
            yield sorted(found)


def _exists(moment: datetime, local: datetime) -> bool:
    """Whether clocks show that local time at a moment; false for times that are skipped."""
    return moment.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None)


def _at_last(local: datetime) -> datetime:
    moment = local.replace(fold=1).astimezone(UTC)
    # If clocks skip it, this lies before the gap; a minute at a time leads to its end.
    while moment.astimezone(local.tzinfo).replace(tzinfo=None) < local.replace(tzinfo=None):
        moment += timedelta(minutes=1)
    return moment
