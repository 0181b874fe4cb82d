"""Many workers at once, and the same orders asked for twice: one invoice each, no gap, no deadlock to be seen."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from uuid import UUID

import pytest
from sqlalchemy import Engine

from invoice_pipelines.billing.processing import InvoicingReport, process_jobs
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, open_desk
from invoice_pipelines_tests.integration.billing.ledger.test_corrections import at_once
from invoice_pipelines_tests.support.sizes import only_at_full_size


def side_by_side(*workers: Callable[[], InvoicingReport]) -> list[InvoicingReport]:
    """Runs workers in threads; fails if one of them fails."""
    reports: list[InvoicingReport] = []
    assert at_once(*(lambda worker=worker: reports.append(worker()) for worker in workers)) == [None] * len(workers)
    assert len(reports) == len(workers)
    return reports


def test_the_same_job_run_by_many_issues_each_invoice_once(desk: BillingDesk) -> None:
    job_id = desk.ask(desk.many_orders(80))
    reports = side_by_side(*[lambda: desk.work(job_id, chunk_size=5)] * 4)
    assert sum(report.succeeded for report in reports) == 80
    assert desk.numbers() == list(range(1, 81))
    desk.assert_in_order()


def test_jobs_with_the_same_orders_in_another_order_issue_each_invoice_once(desk: BillingDesk) -> None:
    """And over the same scarce items."""
    items = [desk.stocked(250) for _ in range(6)]
    orders = desk.many_orders(200, items=items)
    moments = random.Random(7)
    jobs = []
    for _ in range(4):
        jobs.append(desk.ask(orders))
        moments.shuffle(orders)
    reports = side_by_side(*[lambda: desk.work(chunk_size=25)] * 4)
    assert sum(report.done for report in reports) == 800
    issued = len(desk.numbers())
    assert 0 < issued < 200
    assert sum(report.succeeded for report in reports) == issued
    for job_id in jobs:
        assert desk.job(job_id).status in ("completed", "completed_with_errors")
        codes = {item.code for item in desk.outcomes(job_id).values()}
        assert codes <= {None, "ALREADY_INVOICED", "INSUFFICIENT_STOCK"}
    sold = {
        row.item_id: row.quantity
        for row in desk.rows(
            "select item_id, sum(quantity) as quantity from billing.issued_invoice_line group by item_id"
        )
    }
    for item_id in items:
        assert desk.on_hand(item_id) == 250 - sold[item_id] >= 0
    desk.assert_in_order()


def test_four_jobs_at_once_in_one_organization(desk: BillingDesk) -> None:
    parts = [desk.many_orders(60) for _ in range(4)]
    jobs = [desk.ask(part) for part in parts]
    side_by_side(*(lambda job=job: desk.work(job, chunk_size=4) for job in jobs))
    assert {desk.job(job_id).status for job_id in jobs} == {"completed"}
    assert desk.numbers() == list(range(1, 241))
    numbers = {
        row.sales_order_id: row.number for row in desk.rows("select sales_order_id, number from billing.issued_invoice")
    }
    for part in parts:
        taken = [numbers[order_id] for order_id in part]
        assert taken == sorted(taken), "in the order of the request"
    desk.assert_in_order()


def test_eight_organizations_at_once(shared_database: TestDatabase) -> None:
    desks = [open_desk(shared_database) for _ in range(8)]
    for desk in desks:
        desk.ask(desk.many_orders(40))
    side_by_side(*(lambda desk=desk: desk.work(chunk_size=15) for desk in desks))
    for desk in desks:
        assert desk.numbers() == list(range(1, 41))
        desk.assert_in_order()


def test_an_operator_with_a_long_transaction_and_workers_do_not_deadlock(desk: BillingDesk) -> None:
    """Many orders in one transaction hold the counter and the items of the first while they ask for the next."""
    items = [desk.stocked(10_000) for _ in range(3)]
    orders = desk.many_orders(150, items=items)
    jobs = [desk.ask(orders), desk.ask([*reversed(orders)])]

    def operate(wanted: list[UUID]) -> None:
        desk.rows("select create_invoice_from_sales_order_sql(id) from unnest(cast(:ids as uuid[])) id", ids=wanted)

    started = time.monotonic()
    assert (
        at_once(
            lambda: operate(orders[:40]),
            lambda: operate([*reversed(orders[20:60])]),
            lambda: desk.work(jobs[0], chunk_size=10),
            lambda: desk.work(jobs[1], chunk_size=10),
        )
        == [None] * 4
    )
    assert time.monotonic() - started < 5
    assert len(desk.numbers()) == 150
    desk.assert_in_order()


def test_two_dates_at_once_stay_in_order(desk: BillingDesk) -> None:
    """The job with the earlier date may lose its right to it in the middle: its rest is refused, and says why."""
    early = desk.ask(desk.many_orders(100), invoice_date="2026-03-01")
    late = desk.ask(desk.many_orders(20), invoice_date="2026-03-02")
    side_by_side(lambda: desk.work(early, chunk_size=5), lambda: desk.work(late, chunk_size=5))
    assert desk.job(late).status == "completed"
    assert {item.code for item in desk.outcomes(early).values()} <= {None, "DATE_BEFORE_LAST"}
    desk.assert_in_order()


def test_a_job_that_has_nothing_to_do_does_not_keep_the_others_waiting(desk: BillingDesk) -> None:
    """As when a hand in the database moved its items."""
    stuck, fine = desk.ask(desk.many_orders(2)), desk.ask(desk.many_orders(3))
    desk.behind(f"update work.batch_item set available_at = now() + interval '1 day' where job_id = '{stuck}'")
    started = time.monotonic()
    report = process_jobs(desk.context())
    assert time.monotonic() - started < 5
    assert (report.succeeded, report.jobs, report.due) == (3, (fine,), 2)


def work_in_process(url: str, slug: str, chunk_size: int) -> None:
    engine: Engine = create_app_engine(url)
    process_jobs(OrganizationContext.of(engine, slug, load_settings(), "test"), chunk_size=chunk_size)
    engine.dispose()


@only_at_full_size
@pytest.mark.slow
@pytest.mark.alone
def test_eight_organizations_use_both_cores(shared_database: TestDatabase) -> None:
    """Throughput of eight at once against one alone; the benchmark has the exact figure."""
    url = shared_database.app_url.render_as_string(hide_password=False)
    size = 4000
    with ProcessPoolExecutor(8, get_context("forkserver")) as pool:
        warm = open_desk(shared_database)
        warm.ask(warm.many_orders(100, lines=6))
        list(pool.map(work_in_process, [url] * 8, [warm.context().slug] * 8, [10] * 8))
        alone: list[float] = []
        eight: list[float] = []
        for _ in range(3):
            for count, seconds in ((1, alone), (8, eight)):
                desks = [open_desk(shared_database) for _ in range(count)]
                for desk in desks:
                    desk.ask(desk.many_orders(size, lines=6))
                started = time.monotonic()
                list(pool.map(work_in_process, [url] * count, [d.context().slug for d in desks], [1000] * count))
                seconds.append(time.monotonic() - started)
    ratio = 8 * sorted(alone)[1] / sorted(eight)[1]
    print(f"one {size / sorted(alone)[1]:.0f}/s, eight {8 * size / sorted(eight)[1]:.0f}/s, ratio {ratio:.2f}")
    assert ratio > 1.2
