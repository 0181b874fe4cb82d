"""Runs over many organizations: which are to be checked, what they come to in total, and what one broken one stops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from invoice_pipelines.organizations import list_organizations, remove_organization
from invoice_pipelines.overdue import OverdueError, organizations_to_check
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.overdue.conftest import OverdueDesk, open_desk


@pytest.fixture
def desks(database: TestDatabase) -> list[OverdueDesk]:
    """Three organizations in a database of their own, each with one more overdue invoice than the one before."""
    desks = [open_desk(database) for _ in range(3)]
    for number, desk in enumerate(desks, 1):
        desk.add([desk.late(3)] * number)
    return desks


def to_check(desk: OverdueDesk, since: datetime) -> list[UUID]:
    with desk.engine.connect() as connection:
        return [found.organization_id for found in organizations_to_check(connection, since)]


def totals(desk: OverdueDesk, since: datetime | None = None, run_id: UUID | None = None) -> list[Any]:
    """Runs over organizations in total, without an organization in scope."""
    statement = "select * from get_job_execution_totals(coalesce(:since, timestamptz '-infinity'), :run_id)"
    with desk.engine.connect() as connection:
        return list(connection.execute(text(statement), {"since": since, "run_id": run_id}))


def break_off(_: object) -> None:
    raise RuntimeError("pulled the plug")


def test_who_had_no_run_since_is_to_be_checked(desks: list[OverdueDesk]) -> None:
    since = datetime.now(UTC)
    everybody = [desk.organization_id for desk in desks]
    assert sorted(to_check(desks[0], since)) == sorted(everybody)
    desks[1].run()
    assert sorted(to_check(desks[0], since)) == sorted([everybody[0], everybody[2]])
    assert len(to_check(desks[0], datetime.now(UTC) + timedelta(seconds=1))) == 3, "the next evening all are"


def test_who_was_removed_is_not_checked(desks: list[OverdueDesk]) -> None:
    first = list_organizations(desks[0].engine)[0]
    remove_organization(desks[0].engine, first.slug)
    assert first.id not in to_check(desks[0], datetime.now(UTC))


def test_who_failed_comes_last_and_after_three_times_waits_for_the_next_evening(desks: list[OverdueDesk]) -> None:
    since = datetime.now(UTC)
    broken = desks[0]
    for times in range(3):
        found = to_check(broken, since)
        assert broken.organization_id in found
        assert times == 0 or found[-1] == broken.organization_id
        with pytest.raises(RuntimeError):
            broken.run(on_progress=break_off, batch_size=1)
        broken.add([broken.late(1)])
    assert broken.organization_id not in to_check(broken, since)
    assert broken.organization_id in to_check(broken, datetime.now(UTC) + timedelta(seconds=1))


def test_runs_of_one_sweep_are_shown_in_total(desks: list[OverdueDesk]) -> None:
    sweep = uuid4()
    desks[2].add([desks[2].late(1, is_bad=True)])
    for desk in desks:
        desk.run(run_id=sweep)
    desks[0].run()
    (total,) = totals(desks[0], run_id=sweep)
    assert len(totals(desks[0])) == 2
    assert totals(desks[0], since=datetime.now(UTC) + timedelta(seconds=1)) == []
    assert (total.status, total.organizations, total.successful, total.partial) == ("PARTIAL", 3, 2, 1)
    assert (total.created_count, total.error_count, total.overdue_count) == (6, 1, 7)
    assert total.end_time is not None
    assert total.end_time >= total.start_time


def test_an_organization_that_fails_leaves_its_reason_and_the_total_says_so(desks: list[OverdueDesk]) -> None:
    sweep = uuid4()
    desks[0].run(run_id=sweep)
    with pytest.raises(RuntimeError):
        desks[1].run(run_id=sweep, on_progress=break_off)
    (total,) = totals(desks[0], run_id=sweep)
    assert (total.status, total.successful, total.failed) == ("PARTIAL", 1, 1)
    assert desks[1].log_rows()[0].errors == [{"reason": "RuntimeError: pulled the plug"}]


def test_operators_find_the_columns_they_were_promised(desks: list[OverdueDesk]) -> None:
    desks[0].run()
    desks[0].rows(
        """select id, job_name, status, start_time, end_time, duration_seconds, processed_count, created_count,
                  error_count, errors from job_execution_logs"""
    )
    desks[0].rows("select notification_type, organization_id, invoice_id, created_at from notifications")
    with desks[0].engine.connect() as connection:
        assert connection.execute(text("select status from get_job_execution_totals()")).scalars().all() == ["SUCCESS"]


@pytest.mark.parametrize("progress_seconds", [0, 60])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_batch_that_lost_a_deadlock_is_done_again_and_nothing_is_logged_twice(
    desks: list[OverdueDesk], at: int, progress_seconds: int
) -> None:
    desk = desks[2]
    desk.add([desk.late(9, is_bad=True)])  # the longest due, so of the first batch
    with desk.superuser.begin() as connection:
        connection.exec_driver_sql(
            f"""create sequence public.tries; grant usage on sequence public.tries to public;
                create function public.lose() returns trigger language plpgsql as $$ begin
                    if nextval('public.tries') = {at + 1} then
                        raise exception 'deadlock detected' using errcode = 'deadlock_detected';
                    end if;
                    return new;
                end $$;
                create trigger lose before insert on overdue.notification
                    for each row when (new.customer_name is not null) execute function public.lose()"""
        )
        connection.exec_driver_sql("select nextval('public.tries')")
    report = desk.run(batch_size=1, progress_seconds=progress_seconds)
    assert (report.created_count, report.error_count, report.processed_count) == (3, 1, 4)
    assert len(report.errors) == 1
    with desk.superuser.connect() as connection:
        assert connection.exec_driver_sql("select last_value from public.tries").scalar_one() == 5


def test_a_run_that_was_taken_for_dead_commits_nothing_any_more(desks: list[OverdueDesk]) -> None:
    desk = desks[2]

    def close_its_row(_: object) -> None:
        desk.rows("update overdue.job_execution_log set status = 'FAILED', end_time = clock_timestamp()")

    with pytest.raises(OverdueError, match="taken for dead"):
        desk.run(batch_size=1, on_progress=close_its_row)
    assert (desk.log_rows()[0].status, desk.log_rows()[0].created_count, len(desk.told())) == ("FAILED", 1, 1)
    assert desk.run().created_count == 2


def test_a_run_that_lost_its_lock_commits_nothing_any_more(desks: list[OverdueDesk]) -> None:
    """The lock went with its session, a second run closed its row and did its work; then the first wakes up."""
    desk = desks[2]

    def lose_the_lock(_: object) -> None:
        with desk.superuser.begin() as connection:
            connection.execute(
                text(
                    """select pg_terminate_backend(l.pid, 5000) from pg_locks l
                       join pg_database d on d.oid = l.database and d.datname = current_database()
                       where l.locktype = 'advisory'"""
                )
            )
        desk.run()

    with pytest.raises(OverdueError, match="taken for dead"):
        desk.run(batch_size=1, on_progress=lose_the_lock)
    first, second = desk.log_rows()
    assert (first.status, first.created_count, second.status, second.created_count) == ("FAILED", 1, "SUCCESS", 2)
    assert len(desk.told()) == len(set(desk.told())) == 3
    assert desk.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
