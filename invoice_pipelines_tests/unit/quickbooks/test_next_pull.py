"""When a company is read next by itself: at an hour of the day where the organization is, also when clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from invoice_pipelines.quickbooks.schedule import hour, next_pull

BERLIN = ZoneInfo("Europe/Berlin")


def at(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        ("2026-05-04T03:00", "2026-05-04T12:00", "2026-05-05T03:00"),
        ("2026-05-04T02:00", "2026-05-04T02:30", "2026-05-04T03:00"),
        ("2026-05-02T03:00", "2026-05-04T12:00", "2026-05-04T03:00"),  # it is late: as soon as it can be
        ("2026-03-28T03:10", "2026-03-28T12:00", "2026-03-29T03:00"),  # clocks are put forward in that night
        ("2026-10-24T03:10", "2026-10-24T12:00", "2026-10-25T03:00"),  # and put back in that one
    ],
)
def test_the_next_hour_after_the_last_pull(last: str, now: str, expected: str) -> None:
    assert next_pull(hour("03:00"), BERLIN, at(last), at(now)) == at(expected)
