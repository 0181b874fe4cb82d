"""When runs are due: cron as Dagster understands it, intervals across restarts, and settings that are wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from dagster._utils.schedules import cron_string_iterator, is_valid_cron_string
from hypothesis import example, given, settings
from hypothesis import strategies as st

from invoice_pipelines.overdue import CronSchedule, IntervalSchedule, due_since, next_run, read_schedule
from invoice_pipelines.overdue.cron import Cron
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.support.sizes import example_count

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Auckland", "America/New_York", "Asia/Kolkata"])
MOMENTS = st.integers(0, 3 * 365 * 86400).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    ordered = st.lists(st.integers(low, high), min_size=4, max_size=4, unique=True).map(sorted)
    forms = st.sampled_from(["{0}", "{0}-{1}", "{0},{2}", "{3},{0}-{2}", "{0}-{1},{2}-{3}"])
    given = st.tuples(forms, ordered).map(lambda pair: pair[0].format(*pair[1]))
    return st.one_of(st.just("*"), st.integers(2, 20).map(lambda step: f"*/{step}"), given)


CRONS = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)).map(" ".join)
DAILY = st.tuples(st.integers(0, 59), st.integers(0, 23)).map(lambda at: f"{at[0]} {at[1]} * * *")


def cron_schedule(expression: str, zone: str = "UTC") -> CronSchedule:
    return CronSchedule(Cron.parse(expression), ZoneInfo(zone), 100)


@st.composite
def anything_like_cron(draw: st.DrawFn) -> str:
    """Fields of all forms there are, right and wrong, of this parser and of others."""
    number = st.one_of(st.integers(0, 13), st.integers(0, 62)).map(str)
    name = st.sampled_from(["jan", "Feb", "DEC", "mon", "Sun", "sat", "L", "h", "r", "?"])
    one = st.one_of(number, number, name)
    span = st.one_of(st.just("*"), one, st.tuples(one, one).map("-".join))
    part = st.one_of(span, span, st.tuples(span, number).map("/".join), st.tuples(one, number).map("#".join))
    field = st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))
    return " ".join(draw(st.lists(field, min_size=5, max_size=5)))


@given(expression=st.one_of(CRONS, anything_like_cron()), after=MOMENTS)
@settings(max_examples=example_count(120))
@example("0 0 30 2 1", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 0 31 4 1", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 0 29 2 *", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 0 1-31 * 1-7", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 0 * * 7-7", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 0 * * 1/2", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 0 1 * 5-7", datetime(2026, 1, 1, tzinfo=UTC))
@example("0 0 1,15 * */3", datetime(2026, 1, 1, tzinfo=UTC))
def test_schedule_consistency_whatever_is_accepted_is_the_same_in_dagster(expression: str, after: datetime) -> None:
    try:
        schedule = cron_schedule(expression)
    except ValueError:
        return
    assert is_valid_cron_string(expression)
    assert_as_in_dagster(schedule, after, 3)


def assert_as_in_dagster(schedule: CronSchedule, after: datetime, moments: int) -> None:
    moment = after
    ticks = cron_string_iterator(after.timestamp() + 1, schedule.cron.expression, schedule.time_zone.key)
    for tick in islice(ticks, moments):
        moment = next_run(schedule, moment, moment + timedelta(days=40000))
        assert moment == tick.astimezone(UTC)
        assert due_since(schedule, moment) == moment
        assert due_since(schedule, moment - timedelta(seconds=1)) < moment


@given(expression=DAILY, zone=ZONES, after=MOMENTS)
@settings(max_examples=example_count(60))
def test_schedule_consistency_of_daily_runs_with_dagster_in_any_zone(
    expression: str, zone: str, after: datetime
) -> None:
    assert_as_in_dagster(cron_schedule(expression, zone), after, 3)


@pytest.mark.parametrize("expression", ["30 2 * * *", "0 3 * * *", "15 * * * *", "0 2 * * 0"])
@pytest.mark.parametrize("day", [datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)])
def test_schedule_consistency_over_changes_of_the_clock(expression: str, day: datetime) -> None:
    assert_as_in_dagster(cron_schedule(expression, "Europe/Berlin"), day, 60)


@given(
    hours=st.integers(1, 100),
    evaluations=st.lists(st.tuples(st.integers(1, 5000), st.booleans()), min_size=1, max_size=60),
    start=MOMENTS,
)
@settings(max_examples=example_count(100))
def test_schedule_consistency_of_intervals_across_restarts(
    hours: int, evaluations: list[tuple[int, bool]], start: datetime
) -> None:
    """Whenever it is asked (every so many minutes, by a process that knows nothing but the log): never two runs closer
    than the interval, and none left out by the first process that asks after it.
    """
    schedule = IntervalSchedule(hours, ZoneInfo("UTC"), 100)
    starts: list[datetime] = []
    now = start
    for minutes, is_up in evaluations:
        now += timedelta(minutes=minutes)
        last = starts[-1] if starts else None
        due = next_run(schedule, last, now) <= now
        assert due == (last is None or last <= due_since(schedule, now))
        assert due == (last is None or now - last >= timedelta(hours=hours))
        if due and is_up:
            starts.append(now)
    assert all(later - earlier >= timedelta(hours=hours) for earlier, later in pairwise(starts))


def test_a_clock_that_was_set_back_does_not_put_off_the_next_run() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert next_run(IntervalSchedule(6, ZoneInfo("UTC"), 1), now + timedelta(days=300), now) == now + timedelta(hours=6)


def schedule_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> object:
    for name, value in variables.items():
        monkeypatch.setenv(f"SCHEDULER_{name}", value)
    return read_schedule(Settings())


def test_the_defaults_are_midnight_in_utc_and_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = schedule_of(monkeypatch)
    assert isinstance(schedule, CronSchedule)
    assert (schedule.cron.expression, str(schedule.time_zone), schedule.batch_size) == ("0 0 * * *", "UTC", 100)


def test_an_interval_is_read_in_whole_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = schedule_of(
        monkeypatch, SCHEDULE_TYPE="interval", SCHEDULE_VALUE="6", TIMEZONE="Asia/Tokyo", BATCH_SIZE="5000"
    )
    assert schedule == IntervalSchedule(6, ZoneInfo("Asia/Tokyo"), 5000)


@pytest.mark.parametrize(
    ("variables", "named", "why"),
    [
        ({"SCHEDULE_TYPE": "daily"}, "SCHEDULER_SCHEDULE_TYPE", "cron or interval"),
        ({"SCHEDULE_VALUE": "0 0 * *"}, "SCHEDULER_SCHEDULE_VALUE", "4 fields"),
        ({"SCHEDULE_VALUE": "60 0 * * *"}, "SCHEDULER_SCHEDULE_VALUE", "minute"),
        ({"SCHEDULE_VALUE": "0 0 0 * *"}, "SCHEDULER_SCHEDULE_VALUE", "day of month"),
        ({"SCHEDULE_VALUE": "0 0 * * fri-mon"}, "SCHEDULER_SCHEDULE_VALUE", "day of week"),
        ({"SCHEDULE_VALUE": "0 0 * * 0-0"}, "SCHEDULER_SCHEDULE_VALUE", "two ways"),
        ({"SCHEDULE_VALUE": "0 0 1 * 0-6"}, "SCHEDULER_SCHEDULE_VALUE", "every day"),
        ({"SCHEDULE_VALUE": "0 0 */2 * 1"}, "SCHEDULER_SCHEDULE_VALUE", "day of month"),
        ({"SCHEDULE_VALUE": "0 0 L * *"}, "SCHEDULER_SCHEDULE_VALUE", "day of month"),
        ({"SCHEDULE_VALUE": "0 0 * * mon#1"}, "SCHEDULER_SCHEDULE_VALUE", "day of week"),
        ({"SCHEDULE_VALUE": "*/0 * * * *"}, "SCHEDULER_SCHEDULE_VALUE", "bad minute"),
        ({"SCHEDULE_VALUE": "0 0 30 2 *"}, "SCHEDULER_SCHEDULE_VALUE", "bad day of month"),
        ({"SCHEDULE_VALUE": "every day"}, "SCHEDULER_SCHEDULE_VALUE", "2 fields"),
        ({"SCHEDULE_VALUE": ""}, "SCHEDULER_SCHEDULE_VALUE", "0 fields"),
        ({"SCHEDULE_TYPE": "interval"}, "SCHEDULER_SCHEDULE_VALUE", "whole hours"),
        ({"SCHEDULE_TYPE": "interval", "SCHEDULE_VALUE": "0"}, "SCHEDULER_SCHEDULE_VALUE", "'0'"),
        ({"SCHEDULE_TYPE": "interval", "SCHEDULE_VALUE": "-3"}, "SCHEDULER_SCHEDULE_VALUE", "'-3'"),
        ({"SCHEDULE_TYPE": "interval", "SCHEDULE_VALUE": "1.5"}, "SCHEDULER_SCHEDULE_VALUE", "'1.5'"),
        ({"TIMEZONE": "Mars/Olympus"}, "SCHEDULER_TIMEZONE", "'Mars/Olympus'"),
        ({"BATCH_SIZE": "0"}, "SCHEDULER_BATCH_SIZE", "'0'"),
        ({"BATCH_SIZE": "many"}, "SCHEDULER_BATCH_SIZE", "'many'"),
    ],
)
def test_a_wrong_value_is_named_with_the_reason_and_stops_nothing_else(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str, why: str
) -> None:
    problem = schedule_of(monkeypatch, **variables)
    assert isinstance(problem, str)
    assert problem.startswith(f"{named}: ")
    assert why in problem
    assert "\n" not in problem


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = schedule_of(monkeypatch, SCHEDULE_VALUE="x", TIMEZONE="x", BATCH_SIZE="x")
    assert isinstance(problem, str)
    assert re.findall("SCHEDULER_[A-Z_]+(?=: )", problem) == [
        "SCHEDULER_SCHEDULE_VALUE",
        "SCHEDULER_TIMEZONE",
        "SCHEDULER_BATCH_SIZE",
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("0 0 * jan,Jul MON-fri", "0 0 * 1,7 1-5"), ("@daily", "0 0 * * *"), ("0 0 * * 7", "0 0 * * 0")],
)
def test_names_stand_for_numbers(written: str, meant: str) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert next_run(cron_schedule(written), now, now) == next_run(cron_schedule(meant), now, now)
