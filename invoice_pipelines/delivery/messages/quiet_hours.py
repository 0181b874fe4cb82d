"""Quiet hours, in which messages wait so that they wake nobody. Plain arithmetic of times, no database."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def is_quiet(at: datetime, zone: ZoneInfo, quiet_from: str, quiet_until: str) -> bool:
    """Whether `at` (aware) is in the quiet hours, as a clock on the wall in that zone shows them ("21:00", "08:00").

    They may pass midnight. The first moment belongs to them, the last one does not; two equal times are no quiet hours.
    """
    begin, end = time.fromisoformat(quiet_from), time.fromisoformat(quiet_until)
    shown = at.astimezone(zone).time().replace(tzinfo=None)
    if begin <= end:
        return begin <= shown < end
    return shown >= begin or shown < end


def quiet_ends(at: datetime, zone: ZoneInfo, quiet_from: str, quiet_until: str) -> datetime | None:
    """When the quiet hours end that `at` (aware) is in; None: it is not in them.

    Where the clock is put forward over the end, that is when it has been; where it is put back, the first time that it
    shows the end after `at`.
    """
    if not is_quiet(at, zone, quiet_from, quiet_until):
        return None
    end = time.fromisoformat(quiet_until)
    day = at.astimezone(zone).date()
    candidates = (
        datetime.combine(day + timedelta(days=days), end, zone).replace(fold=fold).astimezone(UTC)
        for days in (0, 1, 2)
        for fold in (0, 1)
    )
    return min(moment for moment in candidates if moment > at and not is_quiet(moment, zone, quiet_from, quiet_until))
