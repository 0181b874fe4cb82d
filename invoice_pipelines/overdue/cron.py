"""Holds cron expressions: what they mean, and which moments they name in a time zone. The same as in Dagster.

Five fields: minute, hour, day of month, month, day of week. Each is `*`, a number, a range `1-5`, either with a step
(`*/15`, `8-18/2`), or several of these with commas; months and days of the week may be named (`jan`, `mon`), Sunday is
0 or 7. If both kinds of days are restricted, either is enough. Or one of @hourly, @daily, @weekly, @monthly, @yearly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_PART = re.compile(r"(?:\*|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d+))?")
_LONGEST_WAIT = timedelta(days=366 * 8 + 31)
"""29 February comes after at most eight years."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression that names at least one moment. Made by `parse`."""

    expression: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday"""

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Raises ValueError that names the field and what is wrong with it."""
        fields = _ALIASES.get(expression.strip().lower(), expression).split()
        if len(fields) != len(_FIELDS):
            raise ValueError(
                f"{expression!r} has {len(fields)} fields; a cron expression has five: minute, hour, day of month, "
                "month, day of week, such as 0 0 * * *"
            )
        minutes, hours, days, months, weekdays = (
            _values(text, *field) for text, field in zip(fields, _FIELDS, strict=True)
        )
        for text, values, every in ((fields[2], days, 31), (fields[4], {day % 7 for day in weekdays}, 7)):
            if len(values) == every and text != "*":  # whether that restricts the days, implementations differ
                raise ValueError(f"{text!r} names every day; write * for that")
        cron = cls(expression, minutes, hours, days, months, frozenset(day % 7 for day in weekdays))
        if not any(cron._has(date(2000, 1, 1) + timedelta(days=n)) for n in range(_LONGEST_WAIT.days)):
            raise ValueError(f"{expression!r} names a day that never comes")
        return cron

    def next(self, after: datetime, zone: ZoneInfo) -> datetime:
        """The first moment after another one, in UTC."""
        day = after.astimezone(zone).date() - timedelta(days=1)
        while True:
            for moment in self._moments(day, zone):
                if moment > after:
                    return moment
            day += timedelta(days=1)

    def latest(self, until: datetime, zone: ZoneInfo) -> datetime:
        """The last moment that is not after another one, in UTC."""
        day = until.astimezone(zone).date() + timedelta(days=1)
        while True:
            for moment in reversed(self._moments(day, zone)):
                if moment <= until:
                    return moment
            day -= timedelta(days=1)

    def _has(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if len(self.days) < 31 and len(self.weekdays) < 7:
            return of_month or of_week
        return of_month and of_week

    def _moments(self, day: date, zone: ZoneInfo) -> list[datetime]:
        """The moments of a local day, in their order.

        Over changes of the clock a schedule of every hour keeps to the hours that pass. For all others a time that is
        skipped is at the end of what is skipped, and of a time that comes twice the second counts.
        """
        if not self._has(day):
            return []
        found = set()
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime.combine(day, time(hour, minute), zone)
                if len(self.hours) == 24:
                    found |= {
                        moment for fold in (0, 1) if _exists(moment := local.replace(fold=fold).astimezone(UTC), local)
                    }
                else:
                    found.add(_at_last(local))
        return sorted(found)


def _exists(moment: datetime, local: datetime) -> bool:
    """Whether clocks show that local time at a moment; false for times that are skipped."""
    return moment.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None)


def _at_last(local: datetime) -> datetime:
    moment = local.replace(fold=1).astimezone(UTC)
    # If clocks skip it, this lies before the gap; a minute at a time leads to its end.
    while moment.astimezone(local.tzinfo).replace(tzinfo=None) < local.replace(tzinfo=None):
        moment += timedelta(minutes=1)
    return moment


def _values(text: str, name: str, lowest: int, highest: int) -> frozenset[int]:
    words = {"month": _MONTHS, "day of week": _WEEKDAYS}.get(name, ())
    names = {word: number for number, word in enumerate(words, lowest)}
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None or (match["step"] and match["low"] and not match["high"]):
            raise ValueError(
                f"{name}: {part!r} is not understood; write *, 5, 1-5, */15, 8-18/2 or several with commas"
            )
        low = lowest if match["low"] is None else _number(match["low"], name, names)
        high = low if match["high"] is None else _number(match["high"], name, names)
        if match["low"] is None:
            high = 6 if name == "day of week" else highest
        step = int(match["step"] or 1)
        if step < 1 or low < lowest or high > highest or (low >= high and match["high"]):
            raise ValueError(f"{name}: {part!r} is not within {lowest} to {highest}, rising, in steps of at least 1")
        values = range(low, high + 1, step)
        if not found.isdisjoint(values):
            raise ValueError(f"{name}: {text!r} names a value twice")  # on which implementations differ
        found.update(values)
    return frozenset(found)


def _number(text: str, name: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{name}: {text!r} is not a number")
    return int(text)
