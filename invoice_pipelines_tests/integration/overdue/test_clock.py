"""Whose day it is: the same instant in Auckland, Berlin and Honolulu, and days that are longer or shorter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from invoice_pipelines.overdue import OverdueError
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.overdue.conftest import Desk, Invoice, open_desk


def test_each_organization_is_judged_by_its_own_day(shared_database: TestDatabase) -> None:
    moment = datetime(2026, 5, 31, 23, 30, tzinfo=UTC)
    days = {
        "Pacific/Auckland": date(2026, 6, 1),
        "Europe/Berlin": date(2026, 6, 1),
        "Pacific/Honolulu": date(2026, 5, 31),
    }
    overdue = {}
    for zone in days:
        desk = open_desk(shared_database, time_zone=zone)
        desk.add([Invoice(date(2026, 5, 30)), Invoice(date(2026, 5, 31)), Invoice(date(2026, 6, 1))])
        report = desk.run(now=moment)
        overdue[zone] = [(row.due_date, row.days_overdue) for row in desk.notifications()]
        assert report.as_of == days[zone]
    both = [(date(2026, 5, 30), 2), (date(2026, 5, 31), 1)]
    assert overdue == {"Pacific/Auckland": both, "Europe/Berlin": both, "Pacific/Honolulu": [(date(2026, 5, 30), 1)]}


@pytest.mark.parametrize(
    ("zone", "last_moment_before", "first_moment_after"),
    [
        # 29 March 2026 has 23 hours in Berlin, 25 October has 25; in Auckland 27 September and 5 April.
        ("Europe/Berlin", "2026-03-29T21:59:59+00:00", "2026-03-29T22:00:00+00:00"),
        ("Europe/Berlin", "2026-10-25T22:59:59+00:00", "2026-10-25T23:00:00+00:00"),
        ("Pacific/Auckland", "2026-09-27T10:59:59+00:00", "2026-09-27T11:00:00+00:00"),
        ("Pacific/Auckland", "2026-04-05T11:59:59+00:00", "2026-04-05T12:00:00+00:00"),
    ],
)
def test_an_invoice_is_overdue_from_midnight_on_also_after_a_day_of_another_length(
    shared_database: TestDatabase, zone: str, last_moment_before: str, first_moment_after: str
) -> None:
    desk = open_desk(shared_database, time_zone=zone)
    before, after = datetime.fromisoformat(last_moment_before), datetime.fromisoformat(first_moment_after)
    due = desk.run(now=before).as_of
    desk.add([Invoice(due)])
    assert desk.run(now=before).created_count == 0
    assert desk.run(now=after).created_count == 1
    assert desk.one().days_overdue == 1


def test_without_a_named_instant_it_is_the_clock_of_the_database(desk: Desk) -> None:
    assert desk.run().as_of == desk.today


def test_a_day_that_is_still_to_come_is_refused_and_nothing_is_done(desk: Desk) -> None:
    tomorrow = desk.today + timedelta(days=1)
    with pytest.raises(OverdueError, match=f"as of: {tomorrow} is after today"):
        desk.run(as_of=tomorrow)
    assert desk.log_rows() == []


def test_a_time_without_zone_is_refused(desk: Desk) -> None:
    with pytest.raises(ValueError, match="time zone"):
        desk.run(now=datetime(2026, 1, 1))  # noqa: DTZ001 (that is the point)


@pytest.mark.parametrize("batch_size", [0, -1, 100_001])
def test_a_batch_size_out_of_range_is_refused(desk: Desk, batch_size: int) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        desk.run(batch_size=batch_size)
