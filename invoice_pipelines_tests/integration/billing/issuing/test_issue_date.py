"""The date of invoices: the day of their issue, unless one was given; and another one for a retry."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.requests import retry_with_date
from invoice_pipelines.work import cancel_job, create_job, job_events
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, open_desk

EARLIEST, LATEST = "Pacific/Pago_Pago", "Pacific/Kiritimati"
"""Zones between which it is always another day."""


@pytest.mark.parametrize("direct", [False, True])
def test_what_is_asked_for_before_midnight_and_issued_after_it_has_the_day_of_issue(
    shared_database: TestDatabase, direct: bool
) -> None:
    desk = open_desk(shared_database, time_zone=EARLIEST)
    asked_on = desk.today
    if direct:
        desk.rows(
            """select billing.batch_invoice_customers(array[cast(:customer as text)], jsonb_build_array(
                   jsonb_build_object('description', 'Work', 'quantity', 1, 'unit_price', 3, 'tax_category', 'S',
                                      'tax_rate', 19)), due_days => 14)""",
            customer=str(desk.customer()),
        )
    else:
        desk.ask([desk.order()])
    dated = desk.ask([desk.order()], invoice_date=asked_on + timedelta(days=5))
    desk.rows("update organizations.organization set time_zone = :zone", zone=LATEST)  # midnight has passed
    assert desk.today > asked_on
    desk.work()
    first, second = desk.rows("select * from billing.issued_invoice order by number")
    assert (first.issue_date, first.due_date) == (desk.today, desk.today + timedelta(days=14))
    assert (second.batch_job_id, second.issue_date) == (dated, asked_on + timedelta(days=5))
    if direct:
        assert desk.value("select order_date from billing.sales_order where id = :id", id=first.sales_order_id) == (
            desk.today
        )


def test_orders_whose_date_is_too_early_by_now_are_retried_with_another(desk: BillingDesk) -> None:
    yesterday = desk.today - timedelta(days=1)
    job_id = desk.ask(desk.many_orders(2), invoice_date=yesterday)
    desk.one(desk.order())
    desk.work()
    assert {item.code for item in desk.outcomes(job_id).values()} == {"DATE_BEFORE_LAST"}
    tomorrow = desk.today + timedelta(days=1)
    with desk.scope() as connection:
        assert retry_with_date(connection, job_id, requested_by="bert", invoice_date=tomorrow) == 2
    desk.work()
    assert desk.job(job_id).status == "completed"
    dates = desk.rows("select distinct issue_date from billing.invoice where batch_job_id = :job", job=job_id)
    assert dates == [(tomorrow,)]
    with desk.scope() as connection:
        event = job_events(connection, job_id)[-1]
    assert (event.action, event.created_by) == ("retried", "bert")
    assert (event.detail["items"], event.detail["changed"]) == (2, {"invoice_date": tomorrow.isoformat()})
    desk.assert_in_order()


def test_a_retry_may_leave_the_date_to_the_day_of_issue(desk: BillingDesk) -> None:
    job_id = desk.ask([desk.order()], invoice_date=desk.today - timedelta(days=1))
    desk.one(desk.order())
    desk.work()
    with desk.scope() as connection:
        assert retry_with_date(connection, job_id, requested_by="bert", invoice_date=None) == 1
    desk.work()
    assert desk.value("select issue_date from billing.invoice where batch_job_id = :job", job=job_id) == desk.today


def test_a_retry_with_a_date_that_is_not_possible_changes_nothing(desk: BillingDesk) -> None:
    job_id = desk.ask([desk.order(status="draft")])
    desk.work()
    with desk.scope() as connection:
        other = create_job(connection, "make_documents", ["x"], created_by="anna")
        cancelled = create_job(connection, "invoice_orders", ["x"], created_by="anna")
        cancel_job(connection, cancelled, cancelled_by="anna")
    for wrong, date, reason in (
        (job_id, desk.today + timedelta(days=40), "31 days from today"),
        (other, desk.today, "issues no invoices"),
        (cancelled, desk.today, "was cancelled"),
        (uuid4(), desk.today, "This organization has no batch job"),
    ):
        with pytest.raises(BillingError, match=reason), desk.scope() as connection:
            retry_with_date(connection, wrong, requested_by="bert", invoice_date=date)
    assert "invoice_date" not in desk.job(job_id).parameters
    assert desk.job(job_id).status == "failed"
