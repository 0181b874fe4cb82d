"""What is removed at night, and what stays whatever its age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from invoice_pipelines.overdue import prune_executions, prune_notifications
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.overdue.conftest import OverdueDesk, open_desk


def log_row(desk: OverdueDesk, days_ago: int, status: str) -> None:
    # Such a row is nothing that the application could write itself.
    with desk.superuser.begin() as connection:
        connection.execute(
            text(
                """insert into overdue.job_execution_log (organization_id, status, as_of, batch_size, start_time,
                                                          end_time, error_count)
                   select :organization, s.status, current_date, 100, now() - make_interval(days => :days),
                          case when s.status <> 'RUNNING'
                               then now() - make_interval(days => :days) + interval '1 minute' end,
                          case when s.status in ('PARTIAL', 'FAILED') then 1 else 0 end
                   from (select cast(:status as text)) s (status)"""
            ),
            {"organization": desk.organization_id, "days": days_ago, "status": status},
        )


def days_and_status(desk: OverdueDesk) -> list[tuple[int, str]]:
    return [
        tuple(row)
        for row in desk.rows(
            "select extract(day from now() - start_time)::integer, status from job_execution_logs order by start_time"
        )
    ]


def ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def test_old_runs_are_removed_from_the_log_and_young_ones_stay(desk: OverdueDesk) -> None:
    for days in (200, 100, 91, 89, 1):
        log_row(desk, days, "SUCCESS")
    assert prune_executions(desk.engine, desk.organization_id, ago(90)) == 3
    assert days_and_status(desk) == [(89, "SUCCESS"), (1, "SUCCESS")]
    assert prune_executions(desk.engine, desk.organization_id, ago(90)) == 0


def test_what_tells_when_an_organization_was_last_looked_at_stays_whatever_its_age(desk: OverdueDesk) -> None:
    given = [(400, "SUCCESS"), (390, "SUCCESS"), (380, "PARTIAL"), (370, "PARTIAL"), (360, "FAILED"), (350, "FAILED")]
    for days, status in given:
        log_row(desk, days, status)
    assert prune_executions(desk.engine, desk.organization_id, ago(90)) == 3
    assert days_and_status(desk) == [(390, "SUCCESS"), (370, "PARTIAL"), (350, "FAILED")]


def test_a_run_that_is_under_way_stays(desk: OverdueDesk) -> None:
    log_row(desk, 300, "RUNNING")
    log_row(desk, 1, "SUCCESS")
    assert prune_executions(desk.engine, desk.organization_id, ago(90)) == 0


def test_notifications_closed_long_ago_are_removed_and_others_stay(desk: OverdueDesk) -> None:
    old, young, open_one = desk.add([desk.late(3)] * 3)
    desk.run()
    desk.settle("paid", old)
    desk.settle("paid", young)
    desk.run()
    with desk.superuser.begin() as connection:
        connection.exec_driver_sql(
            f"""update overdue.notification set id = uuidv7(interval '-7 years'),
                    closed_at = closed_at - case when invoice_id = '{old}' then interval '7 years' else '0' end
                where invoice_id in ('{old}', '{young}', '{open_one}') and organization_id = '{desk.organization_id}'"""
        )
    assert prune_notifications(desk.engine, desk.organization_id, ago(0)) == 1, "the law asks for six years"
    assert {row.invoice_id for row in desk.notifications()} == {young, open_one}
    assert desk.run().created_count == 0


def test_another_organization_keeps_its_own(desk: OverdueDesk, shared_database: TestDatabase) -> None:
    other = open_desk(shared_database)
    for days in (200, 100):
        log_row(other, days, "SUCCESS")
        log_row(desk, days, "SUCCESS")
    assert prune_executions(desk.engine, desk.organization_id, ago(90)) == 1
    assert len(days_and_status(other)) == 2


def test_a_time_without_zone_is_refused(desk: OverdueDesk) -> None:
    with pytest.raises(ValueError, match="time zone"):
        prune_executions(desk.engine, desk.organization_id, datetime(2026, 1, 1))  # noqa: DTZ001 (that is the point)
