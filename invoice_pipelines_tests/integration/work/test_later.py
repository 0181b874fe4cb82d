"""Items that are put off wait until the time that was said, which is no attempt and keeps no job from its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from invoice_pipelines.work import ItemStatus, Later, Succeeded, cleanup_stuck
from invoice_pipelines_tests.integration.work.conftest import WorkDesk

TOMORROW = datetime.now(UTC) + timedelta(days=1)
QUIET = Later(TOMORROW, "QUIET_HOURS", "Quiet hours\nuntil 08:00.")


def change(desk: WorkDesk, statement: str) -> None:
    with desk.scope() as connection:
        connection.execute(text(statement))


def due_now(desk: WorkDesk) -> None:
    change(desk, "update work.batch_item set available_at = now() where status = 'pending'")


def test_it_waits_until_then_and_shows_why(desk):
    desk.make("a", "b")
    assert desk.end(desk.take(), QUIET, Succeeded()) == (ItemStatus.PENDING, ItemStatus.SUCCEEDED)
    assert desk.take() is None
    (row,) = desk.rows(
        "select available_at, attempts, error_code, error_message from work.batch_item where attempts = 0"
    )
    assert tuple(row) == (TOMORROW, 0, "QUIET_HOURS", "Quiet hours until 08:00.")
    (job,) = desk.rows("select status, successful_items from work.batch_job")
    assert tuple(job) == ("processing", 1)


def test_it_is_no_attempt_however_often(desk):
    desk.make("a")
    for _ in range(3):
        claimed = desk.take(max_attempts=1)
        assert [item.attempts for item in claimed.items] == [1]
        desk.end(claimed, QUIET)
        due_now(desk)
    assert desk.end(desk.take(max_attempts=1), Succeeded()) == (ItemStatus.SUCCEEDED,)


def test_an_entry_gives_way_to_a_newer_one(desk):
    desk.put("a")
    claimed = desk.take()
    desk.put("a")
    assert desk.end(claimed, QUIET) == (ItemStatus.SKIPPED,)
    assert desk.take() is not None


def test_it_ends_with_its_job_if_that_was_cancelled_meanwhile(desk):
    job_id = desk.make("a")
    claimed = desk.take()
    change(desk, f"select work.cancel_job('{job_id}', 'anna')")
    assert desk.end(claimed, QUIET) == (ItemStatus.CANCELLED,)


def test_a_job_whose_items_wait_for_their_time_is_never_ended_as_stuck(desk):
    desk.make("a")
    for _ in range(6):
        desk.end(desk.take(), QUIET)
        change(desk, "update work.batch_job set last_progress_at = now() - interval '1 hour'")
        with desk.scope() as connection:
            assert cleanup_stuck(connection).ended_jobs == 0
        due_now(desk)
    assert [row.status for row in desk.rows("select status from work.batch_item")] == ["pending"]


def test_a_time_without_a_zone_and_a_code_of_another_form_are_refused():
    with pytest.raises(ValueError, match="time zone"):
        Later(datetime(2026, 1, 1), "QUIET_HOURS", "")  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="QUIET_HOURS"):
        Later(TOMORROW, "quiet", "")
