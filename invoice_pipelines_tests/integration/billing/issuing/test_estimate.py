"""The estimate that a request is answered with proves right within a factor of two."""

from __future__ import annotations

from statistics import median

import pytest
from sqlalchemy import text

from invoice_pipelines_tests.conftest import fresh_database
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, open_desk
from invoice_pipelines_tests.support.sizes import AT_FULL_SIZE

FACTOR = 2


ORDERS = [500, 5_000, 15_000] if AT_FULL_SIZE else [500]


def estimate_and_truth(desk: BillingDesk, orders: int, lines: int) -> tuple[float, float]:
    ids = [str(order_id) for order_id in desk.many_orders(orders, lines)]
    with desk.scope() as connection:
        job_id, _, estimated = connection.execute(
            text("select * from billing.batch_invoice_orders(cast(:ids as text[]))"), {"ids": ids}
        ).one()
    desk.work(job_id)
    return float(estimated), float(desk.job(job_id).actual_duration_seconds)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("lines", [1, 6])
@pytest.mark.parametrize("orders", ORDERS)
def test_the_first_job_of_an_organization_takes_about_as_long_as_estimated(server, template, orders, lines) -> None:
    ratios = []
    with fresh_database(server, template) as database:
        for _ in range(3):
            estimated, actual = estimate_and_truth(open_desk(database), orders, lines)
            ratios.append(actual / estimated)
    print(f"{orders} orders of {lines} lines: actual / estimated {[round(ratio, 2) for ratio in ratios]}")
    assert 1 / FACTOR < median(ratios) < FACTOR


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("orders", ORDERS)
def test_later_jobs_take_about_as_long_as_estimated(server, template, orders) -> None:
    """From jobs of other sizes, with orders of other lengths."""
    ratios = []
    with fresh_database(server, template) as database:
        desk = open_desk(database)
        for before, lines in ((2000, 2), (700, 8)):
            estimate_and_truth(desk, before, lines)
        for lines in (2, 8, 5):
            estimated, actual = estimate_and_truth(desk, orders, lines)
            ratios.append(actual / estimated)
    print(f"{orders} orders: actual / estimated {[round(ratio, 2) for ratio in ratios]}")
    assert 1 / FACTOR < median(ratios) < FACTOR
