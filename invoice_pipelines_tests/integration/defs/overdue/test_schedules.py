"""When Dagster looks for overdue invoices: the schedule of the settings, what is taken up later, what is too late."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from invoice_pipelines.defs.overdue import due
from invoice_pipelines.defs.overdue.domain import NOTIFICATIONS
from invoice_pipelines.defs.overdue.schedules import overdue_schedules
from invoice_pipelines.overdue.promises import FRESH
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.integration.defs.overdue.conftest import ReceivablesHouse

WRONG = [
    ({"schedule_type": "daily"}, "SCHEDULER_SCHEDULE_TYPE: must be cron or interval (given: 'daily')"),
    ({"schedule_value": "0 25 * * *"}, "SCHEDULER_SCHEDULE_VALUE: "),
    ({"schedule_type": "interval", "schedule_value": "0"}, "SCHEDULER_SCHEDULE_VALUE: an interval is"),
    ({"schedule_type": "interval", "schedule_value": "-2"}, "SCHEDULER_SCHEDULE_VALUE: an interval is"),
    ({"schedule_type": "interval", "schedule_value": "1.5"}, "SCHEDULER_SCHEDULE_VALUE: an interval is"),
    ({"timezone": "Europe/Atlantis"}, "SCHEDULER_TIMEZONE: not a time zone"),
    ({"batch_size": "0"}, "SCHEDULER_BATCH_SIZE: must be"),
]


def taken(request: dg.RunRequest) -> list[str]:
    """Slugs that a request for a sweep names."""
    config: Any = request.run_config
    return list(config["ops"]["sweep_overdue"]["config"]["organizations"])


def midnight(books: ReceivablesHouse) -> datetime:
    """The last moment of the default schedule."""
    return books.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def test_cron_is_dagsters_own_schedule_in_its_time_zone(books: ReceivablesHouse) -> None:
    assert books.schedule().cron_schedule == "0 0 * * *"
    schedule = books.schedule(schedule_value="30 6 * * 1-5", timezone="Europe/Berlin")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 6 * * 1-5", "Europe/Berlin")
    assert "'30 6 * * 1-5' in Europe/Berlin" in (schedule.description or "")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_wrong_setting_stops_this_schedule_alone_and_says_which_and_why(books: ReceivablesHouse) -> None:
    books.open("acme")
    for values, why in WRONG:
        with pytest.MonkeyPatch.context() as books.monkeypatch:
            schedule = books.schedule(**values)
            assert why in (schedule.description or "")
            assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
            tick = books.tick(schedule, books.now())
            assert tick.run_requests == []
            assert (tick.skip_message or "").startswith(why)
            left = books.left()
            assert isinstance(left, dg.SkipReason)
            assert (left.skip_message or "").startswith(why)


def test_with_a_wrong_setting_the_code_location_loads_and_shows_it(books: ReceivablesHouse) -> None:
    expected = books.schedule(schedule_value="0 25 * * *").description
    (schedule,) = overdue_schedules().schedules or []
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.description == expected


def test_the_code_location_loads_whatever_other_setting_is_wrong(
    books: ReceivablesHouse, configure: Callable[..., None]
) -> None:
    configure(lease_seconds="soon")
    (schedule,) = overdue_schedules().schedules or []
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert "INVOICE_PIPELINES_LEASE_SECONDS" in (schedule.description or "")


def test_a_cron_tick_asks_for_all_organizations_in_sweeps(
    kept_books: ReceivablesHouse, configure: Callable[..., None]
) -> None:
    configure(sweep_size=2)
    kept_books.open("acme", "beta", "gamma", "delta", "epsilon")
    tick = kept_books.tick(kept_books.schedule(), midnight(kept_books))
    assert [taken(request) for request in tick.run_requests] == [["acme", "beta"], ["delta", "epsilon"], ["gamma"]]
    assert len({request.tags["organization"] for request in tick.run_requests}) == 3, "they work beside each other"
    assert len({request.run_key for request in tick.run_requests}) == 3, "a tick that is done again asks for none twice"


def test_who_was_looked_at_since_the_moment_is_not_due(kept_books: ReceivablesHouse) -> None:
    kept_books.open("acme", "beta")
    kept_books.late("acme", 3)
    schedule, moment = kept_books.schedule(), midnight(kept_books)
    (request,) = kept_books.tick(schedule, moment).run_requests
    result = kept_books.begun(request)
    assert result is not None
    assert result.success
    assert kept_books.told("acme") == 1
    again = kept_books.tick(schedule, moment)
    assert (again.run_requests, kept_books.left_for()) == ([], [])
    assert "no organization is due since" in (again.skip_message or "")
    (next_day,) = kept_books.tick(schedule, moment + timedelta(days=1)).run_requests
    assert taken(next_day) == ["acme", "beta"]


def test_a_sweep_that_waits_covers_its_organizations_and_one_that_hangs_since_yesterday_does_not(
    kept_books: ReceivablesHouse,
) -> None:
    kept_books.open("acme", "beta")
    schedule, moment = kept_books.schedule(), midnight(kept_books)
    (request,) = kept_books.tick(schedule, moment - timedelta(days=1)).run_requests
    kept_books.house.instance.create_run_for_job(
        kept_books.house.defs.resolve_job_def("overdue_sweep"),
        run_config=dict(request.run_config),
        status=dg.DagsterRunStatus.STARTED,
    )
    (request,) = kept_books.tick(schedule, moment).run_requests
    kept_books.begun(request, run_it=False)
    assert kept_books.tick(schedule, moment).run_requests == []


def test_two_runs_over_the_same_organizations_double_nothing(books: ReceivablesHouse) -> None:
    books.open("acme", "beta")
    books.late("acme", 3, 4)
    books.look("acme", "beta")
    assert books.sweep("acme", "beta").success
    assert books.told("acme") == 2


def test_an_interval_keeps_its_distance_from_the_last_run_in_the_log(kept_books: ReceivablesHouse) -> None:
    """Whatever process or tick it was that ran: after a restart nothing else is known."""
    kept_books.open("acme")
    schedule = kept_books.schedule(schedule_type="interval", schedule_value="6")
    assert schedule.cron_schedule == "* * * * *"
    (first,) = kept_books.tick(schedule, kept_books.now()).run_requests
    assert taken(first) == ["acme"], "it begins at once"
    kept_books.look("acme")
    assert kept_books.tick(schedule, kept_books.now()).run_requests == []
    kept_books.age("acme", timedelta(hours=5, minutes=58))
    assert kept_books.tick(schedule, kept_books.now()).run_requests == []
    kept_books.age("acme", timedelta(minutes=3))
    again = kept_books.schedule(schedule_type="interval", schedule_value="6")
    (second,) = kept_books.tick(again, kept_books.now()).run_requests
    assert taken(second) == ["acme"]
    kept_books.begun(second, run_it=False)
    assert kept_books.tick(again, kept_books.now()).run_requests == []


def test_an_organization_that_fails_is_tried_three_times_unless_it_is_mended_and_stops_no_other(
    kept_books: ReceivablesHouse, configure: Callable[..., None]
) -> None:
    configure(rest_after_failure_seconds=0)
    kept_books.open("acme", "beta", "delta")
    for slug in ("acme", "beta", "delta"):
        kept_books.late(slug, 3)
    for slug in ("beta", "delta"):
        kept_books.house.break_organization(slug)
    schedule, moment = kept_books.schedule(), midnight(kept_books)
    (request,) = kept_books.tick(schedule, moment).run_requests
    first = kept_books.begun(request)
    assert first is not None
    assert set(kept_books.house.left_out(first)) == {"beta", "delta"}
    assert kept_books.told("acme") == 1
    kept_books.house.mend_organization("delta")
    assert kept_books.left_for() == ["beta", "delta"]
    assert kept_books.run("delta").success
    assert kept_books.told("delta") == 1
    for _ in range(2):
        assert kept_books.left_for() == ["beta"]
        kept_books.house.ended("overdue", dg.DagsterRunStatus.FAILURE, "beta")
    assert kept_books.left_for() == []
    (next_day,) = kept_books.tick(schedule, moment + timedelta(days=1)).run_requests
    assert "beta" in taken(next_day)


def test_what_a_sweep_had_no_time_for_is_taken_up_and_a_new_organization_waits(kept_books: ReceivablesHouse) -> None:
    kept_books.open("acme", "beta")
    (request,) = kept_books.tick(kept_books.schedule(), midnight(kept_books)).run_requests
    cut_short = request._replace(run_config={"ops": {"sweep_overdue": {"config": {"organizations": ["acme"]}}}})
    kept_books.begun(cut_short)
    kept_books.open("new", days_ago=0)
    assert kept_books.left_for() == ["beta"]


def test_nothing_is_taken_up_where_the_schedule_began_nothing(books: ReceivablesHouse) -> None:
    """As when it is stopped in the UI; a run by hand is no beginning."""
    books.open("acme", "beta")
    books.schedule()
    books.sweep("acme")
    left = books.left()
    assert isinstance(left, dg.SkipReason)
    assert "the schedule began nothing since" in (left.skip_message or "")


def test_sweeps_that_die_again_and_again_end(kept_books: ReceivablesHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "DEAD_SWEEPS", 3)
    kept_books.open("acme")
    (request,) = kept_books.tick(kept_books.schedule(), midnight(kept_books)).run_requests
    for _ in range(3):
        assert kept_books.left_for() == (["acme"] if _ else [])
        kept_books.house.instance.create_run_for_job(
            kept_books.house.defs.resolve_job_def("overdue_sweep"),
            run_config=dict(request.run_config),
            tags={"dagster/schedule_name": "overdue_schedule"},
            status=dg.DagsterRunStatus.FAILURE,
        )
    assert kept_books.left_for() == []


def test_a_run_that_is_too_old_fails_the_check_once_and_a_new_one_mends_it(books: ReceivablesHouse) -> None:
    books.open("acme", "beta")
    books.schedule(schedule_type="interval", schedule_value="6")
    books.look("acme", "beta")
    assert books.told_late() == {}
    books.age("acme", timedelta(hours=6, minutes=50))
    assert books.told_late() == {}, "an hour is left to come to an end"
    books.age("acme", timedelta(minutes=20))
    found = books.told_late()
    assert set(found) == {"acme"}
    assert found["acme"][:2] == (False, "ERROR")
    assert "SUCCESS" in found["acme"][2]
    assert books.told_late() == {}, "it is told once"
    books.look("acme")
    assert books.told_late() == {"acme": (True, "ERROR", "")}
    assert json.loads(books.house.cursor or "") == []


def test_what_the_check_of_freshness_says_is_shown_beside_what_the_runs_made(books: ReceivablesHouse) -> None:
    books.open("acme", "beta")
    for slug in ("acme", "beta"):
        books.late(slug, 3)
    books.sweep("acme", "beta")
    assert freshness(books) == {"acme": "SUCCEEDED", "beta": "SUCCEEDED"}
    books.age("acme", timedelta(days=3))
    assert set(books.told_late()) == {"acme"}
    assert freshness(books) == {"acme": "FAILED", "beta": "SUCCEEDED"}
    books.late("acme", 4)
    books.sweep("acme")
    assert freshness(books) == {"acme": "SUCCEEDED", "beta": "SUCCEEDED"}


def freshness(books: ReceivablesHouse) -> dict[str, str]:
    """What the UI says of each organization."""
    return books.house.check_states("overdue/notifications", FRESH.name)


def test_a_run_that_failed_is_no_run_and_its_reason_is_told(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.schedule()
    books.house.behind(
        """insert into overdue.job_execution_log (organization_id, as_of, batch_size, status, end_time, error_count,
                                                  errors)
           select o.id, current_date, 100, 'FAILED', clock_timestamp(), 1, '[{"reason": "pulled the plug"}]'
           from organizations.organization o where o.slug = 'acme'"""
    )
    ((passed, severity, why),) = books.told_late().values()
    assert (passed, severity) == (False, "ERROR")
    assert "pulled the plug" in why


def test_before_the_first_run_the_check_warns_and_says_so(books: ReceivablesHouse) -> None:
    books.open("acme")
    books.open("new", days_ago=0)
    books.schedule()
    found = books.told_late()
    assert set(found) == {"acme"}, "a new organization had no moment of the schedule yet"
    assert found["acme"][:2] == (False, "WARN")
    assert "There was no run yet" in found["acme"][2]
    key = dg.AssetCheckKey(NOTIFICATIONS.key, FRESH.name)
    (record,) = books.house.instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
    assert record.partition == "acme"


def test_the_settings_are_read_as_all_others(books: ReceivablesHouse) -> None:
    books.schedule(schedule_value=" 0 5 * * * ", batch_size="7")
    assert load_settings().scheduler_batch_size == "7"
    books.open("acme")
    books.late("acme", 3)
    books.sweep("acme")
    assert books.desk("acme").log_rows()[0].batch_size == 7
