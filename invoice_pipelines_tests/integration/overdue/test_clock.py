"""The day by which a run judges where none is named, and which days and sizes are refused. See `test_days_overdue`."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from invoice_pipelines.overdue import OverdueError
from invoice_pipelines_tests.integration.overdue.conftest import OverdueDesk


def test_without_a_named_instant_it_is_the_clock_of_the_database(desk: OverdueDesk) -> None:
    assert desk.run().as_of == desk.today


def test_a_day_that_is_still_to_come_is_refused_and_nothing_is_done(desk: OverdueDesk) -> None:
    tomorrow = desk.today + timedelta(days=1)
    with pytest.raises(OverdueError, match=f"as of: {tomorrow} is after today"):
        desk.run(as_of=tomorrow)
    assert desk.log_rows() == []


def test_a_time_without_zone_is_refused(desk: OverdueDesk) -> None:
    with pytest.raises(ValueError, match="time zone"):
        desk.run(now=datetime(2026, 1, 1))  # noqa: DTZ001 (that is the point)


@pytest.mark.parametrize("batch_size", [0, -1, 100_001])
def test_a_batch_size_out_of_range_is_refused(desk: OverdueDesk, batch_size: int) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        desk.run(batch_size=batch_size)
