"""Workers and PostgreSQL are killed at random moments while invoices are issued: the books are in order afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from invoice_pipelines.database import create_app_engine, create_login_engine
from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.roles import APP
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, open_desk
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.conftest import kill_postgresql
from invoice_pipelines_tests.system.workers import worker_maker

ORDERS = 250
"""Asked for before each kill."""


@pytest.fixture
def desk(own_server: EmbeddedServer) -> Iterator[BillingDesk]:
    url = own_server.url("crash", APP)
    engine, superuser = create_app_engine(url), create_login_engine(own_server.url("crash"))
    yield open_desk(TestDatabase(engine, superuser, url, own_server.url("crash")))
    engine.dispose()
    superuser.dispose()


def due(desk: BillingDesk) -> int:
    return int(desk.value("select count(*) from work.batch_item where status = 'pending'"))


@pytest.mark.slow
def test_killed_workers_and_a_killed_postgresql_leave_the_books_in_order(
    own_server: EmbeddedServer, desk: BillingDesk
) -> None:
    kills = size(8, 50)
    moments = random.Random(20260705)
    items = [desk.stocked(2 * kills * ORDERS) for _ in range(5)]
    jobs: list[UUID] = []
    in_work = 0
    with worker_maker("billing.billing_worker", desk.url, desk.context().slug) as start_worker:
        workers = [start_worker(), start_worker()]
        for kill in range(kills):
            jobs.append(desk.ask([*desk.many_orders(ORDERS, items=items), "no id"]))
            time.sleep(moments.uniform(0.01, 0.15))  # to be killed at any moment
            if kill % 4 == 3:
                kill_postgresql(own_server)
            else:
                victim = moments.randrange(2)
                os.kill(workers[victim], signal.SIGKILL)
                workers[victim] = start_worker()
            in_work += due(desk) > 0
        wait_for("the end", lambda: due(desk) == 0, 60)

    assert in_work > kills / 2, "the kills hit work in progress"
    for job_id in jobs:
        refused = {item.message for item in desk.outcomes(job_id).values() if item.status == "failed"}
        assert refused == {"no id is not the id of an order; ids are UUIDs."}
        job = desk.job(job_id)
        assert (job.status, job.successful_items, job.failed_items) == ("completed_with_errors", ORDERS, 1)
    assert desk.numbers() == list(range(1, kills * ORDERS + 1))
    sold = sum(row[0] for row in desk.rows("select quantity from billing.issued_invoice_line where takes_stock"))
    assert sum(desk.on_hand(item) for item in items) == 10 * kills * ORDERS - sold
    desk.assert_in_order()
