"""Orders that a chunk cannot invoice: they end alone, and cost little more than others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection, event, text

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.database import create_app_engine
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line
from invoice_pipelines_tests.integration.billing.issuing.test_outcomes import refuse_prices_of_13


@dataclass(frozen=True)
class Effort:
    """What a job cost: chunks that were begun, and lines of invoices that were written, also those rolled back."""

    attempts: int
    lines_written: int


def effort(desk: BillingDesk, job_id: UUID, chunk_size: int) -> Effort:
    """Works through a job as `process_jobs` does."""
    attempts, written, size = 0, 0, chunk_size
    while True:
        with desk.scope() as connection:
            before = lines_written(connection)
            step = connection.execute(
                text("select * from billing.issue_next(:chunk_size, :job, :size)"),
                {"chunk_size": chunk_size, "job": job_id, "size": size},
            ).one()
            written += lines_written(connection) - before
        if step.job_id is None:
            return Effort(attempts, written)
        attempts, size = attempts + step.attempts, step.next_size


def lines_written(connection: Connection) -> int:
    """By this session, also in what was rolled back."""
    return connection.execute(
        text("select n_tup_ins from pg_stat_xact_user_tables where relname = 'issued_invoice_line'")
    ).scalar_one()


def test_what_is_invoiced_already_costs_no_second_attempt_whatever_its_status_says(desk: BillingDesk) -> None:
    """As after a hand in the database made invoiced orders reviewed again."""
    orders = desk.many_orders(300)
    again = orders[::10]
    desk.work(desk.ask(again))
    with desk.superuser.begin() as connection:
        connection.execute(
            text("update billing.sales_order set status = 'reviewed' where id = any(:ids)"), {"ids": again}
        )
    job_id = desk.ask(orders)
    assert effort(desk, job_id, 100) == Effort(attempts=3, lines_written=3 * (300 - 30))
    outcomes = desk.outcomes(job_id)
    assert {outcomes[str(order)].status for order in set(orders) - set(again)} == {"succeeded"}
    for number, order in enumerate(again, 1):
        found = outcomes[str(order)]
        assert (found.status, found.code) == ("skipped", "ALREADY_INVOICED")
        assert found.message == f"The order was invoiced before, as INV-{desk.today:%Y}-{number:06}."
    desk.assert_in_order()  # such an order is invoiced again


def test_orders_that_the_database_refuses_do_not_restart_their_chunk_at_full_size(desk: BillingDesk) -> None:
    orders = desk.many_orders(400, lines=1)
    bad = orders[50::100]
    desk.rows("update billing.sales_order_line set unit_price = 13 where sales_order_id = any(:ids)", ids=bad)
    refuse_prices_of_13(desk)
    try:
        job_id = desk.ask(orders)
        found = effort(desk, job_id, 400)
    finally:
        desk.behind("alter table billing.issued_invoice_line drop constraint no_price_of_13_in_test")
    outcomes = desk.outcomes(job_id)
    assert {outcomes[str(order)].code for order in bad} == {"REFUSED_BY_DATABASE"}
    assert desk.job(job_id).successful_items == 396
    assert found.lines_written < 3 * 400, "not four times as much as there are"
    assert found.attempts < 20 * len(bad)
    desk.assert_in_order()


def test_an_order_that_somebody_holds_locked_fails_alone(desk: BillingDesk) -> None:
    """As by an open transaction in somebody's psql. The others are invoiced, and a retry gets it."""
    orders = desk.many_orders(20)
    hasty = create_app_engine(desk.url)
    event.listen(hasty, "begin", lambda connection: connection.exec_driver_sql("set local lock_timeout = '100ms'"))
    with desk.scope() as somebody:
        somebody.execute(text("update billing.sales_order set note = 'x' where id = :id"), {"id": orders[7]})
        job_id = desk.ask([*orders, *desk.many_orders(5)])
        report = process_jobs(replace(desk.context(), engine=hasty), job_id=job_id)
    hasty.dispose()
    assert (report.succeeded, report.failed, report.chunks) == (24, 1, 1)
    held = desk.outcomes(job_id)[str(orders[7])]
    assert (held.code, held.message) == (
        "ORDER_LOCKED",
        "Another session holds the order in an open transaction; end that, then retry.",
    )
    desk.rows("select work.retry_failed_items(:job, 'anna')", job=job_id)
    desk.work(job_id)
    assert desk.job(job_id).status == "completed"
    desk.assert_in_order()


def test_settings_of_numbers_that_cannot_be_read_are_told_once(desk: BillingDesk) -> None:
    desk.set_settings(invoice_number={"yearly_reset": "maybe"})
    job_id = desk.ask(desk.many_orders(50))
    assert effort(desk, job_id, 50) == Effort(attempts=1, lines_written=0)
    outcomes = desk.outcomes(job_id).values()
    assert {item.code for item in outcomes} == {"NUMBER_PATTERN"}
    assert "maybe" in str(next(iter(outcomes)).message)


def test_orders_over_many_scarce_items_are_written_once(desk: BillingDesk) -> None:
    items = [desk.stocked(3) for _ in range(10)]
    plenty = desk.stocked(1000)
    orders = desk.orders(
        [{"lines": [line(2, item_id=items[number % 10]), line(1, item_id=plenty), line()]} for number in range(40)]
    )
    job_id = desk.ask(orders)
    assert effort(desk, job_id, 100) == Effort(attempts=1, lines_written=3 * 10)
    assert [item.status for item in desk.outcomes(job_id).values()] == ["succeeded"] * 10 + ["failed"] * 30
    assert [desk.on_hand(item) for item in items] == [1] * 10
    assert desk.on_hand(plenty) == 990
