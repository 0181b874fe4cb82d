"""Runs are killed at random moments: no notification is lost or doubled, and the log tells the truth."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from sqlalchemy import text

from invoice_pipelines.overdue import AlreadyRunning, ExecutionReport
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.overdue.conftest import OverdueDesk, open_desk
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.workers import worker_maker

BATCH_SIZE = 5
INVOICES = 8_000
SETTLED = 300
KILLS = 20


@pytest.fixture
def busy_desk(shared_database: TestDatabase) -> OverdueDesk:
    """So many invoices, in so small batches, that no run comes to its end between two kills."""
    desk = open_desk(shared_database, overdue_levels=[1, 14], overdue_channels=["email"])
    late = [desk.late(1 + days) for days in range(40)]
    ids = desk.add([late[number % 40] for number in range(SETTLED)])
    desk.run(batch_size=1000)
    with desk.superuser.begin() as connection:
        statement = "update billing.invoice set status = 'paid', amount_paid = gross_amount where id = any(:ids)"
        connection.execute(text(statement), {"ids": ids})
    desk.add([late[number % 40] for number in range(INVOICES)])
    return desk


@pytest.fixture
def start_run(busy_desk: OverdueDesk) -> Iterator[Callable[[], int]]:
    """Starts a run in a process of its own; returns its id."""
    with worker_maker("overdue.worker", busy_desk.url, busy_desk.context().slug, BATCH_SIZE) as start:
        yield start


def run_when_free(desk: OverdueDesk) -> ExecutionReport:
    """The server needs a moment to see that the process with the lock is dead."""

    def run() -> ExecutionReport | None:
        with suppress(AlreadyRunning):
            return desk.run(batch_size=1000)
        return None

    return wait_for("a free run", run, 10)


@pytest.mark.slow
def test_killed_runs_lose_and_double_nothing_and_the_log_tells_the_truth(
    busy_desk: OverdueDesk, start_run: Callable[[], int]
) -> None:
    moments = random.Random(20260329)
    desk = busy_desk
    before = len(desk.log_rows())
    for _ in range(KILLS):
        known = len(desk.log_rows())
        worker = start_run()
        if moments.random() < 0.8:  # the others may be killed before they have opened their row
            wait_for("its row", lambda known=known: len(desk.log_rows()) > known, 10)
        time.sleep(moments.uniform(0, 0.15))  # to be killed at any moment
        os.kill(worker, signal.SIGKILL)
    last = run_when_free(desk)
    assert last.status == "SUCCESS"

    open_ones = desk.notifications("open")
    expected = {
        (row.id, level)
        for row in desk.rows(
            """select id, overdue.day_at(now()) - due_date as days from billing.invoice
               where status = 'issued' and document_kind = 'invoice'"""
        )
        for level in (1, 14)
        if row.days >= level
    }
    assert len(open_ones) == len(expected)
    assert {(row.invoice_id, row.level) for row in open_ones} == expected
    to_send = desk.work_items()
    assert len(to_send) == len(set(to_send)) == INVOICES + SETTLED

    rows = desk.log_rows()[before:]
    assert [row.status for row in rows[:-1]] == ["FAILED"] * (len(rows) - 1)
    assert len(rows) > KILLS / 2, "the kills hit runs at work"
    assert all("killed" in row.errors[-1]["reason"] for row in rows[:-1])
    assert all(row.start_time <= row.end_time <= row.progress_at for row in rows[:-1])
    assert sum(row.created_count for row in rows) == len(expected)
    assert sum(row.closed_count for row in rows) == len(desk.notifications("closed"))
    assert sum(1 for row in rows[:-1] if row.created_count) > 0, "some were killed in the middle"
    assert last.created_count > 0, "none of them came to its end"
