"""What becomes of each order: its own code and message, while the others go through."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import UUID, uuid4

import pytest

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.work import cancel_job, retry_failed
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk

BROKEN: dict[str, Callable[[BillingDesk], object]] = {
    "NOT_AN_ID": lambda desk: "order 7",
    "NOT_FOUND": lambda desk: uuid4(),
    "WRONG_STATUS": lambda desk: desk.order(status="draft"),
    "NO_LINES": lambda desk: desk.orders([{"lines": []}])[0],
    "UNKNOWN_CUSTOMER": lambda desk: desk.order(customer_id=None),
    "INACTIVE_CUSTOMER": lambda desk: desk.order(customer_id=desk.customer(is_active=False)),
    "CURRENCY_MISMATCH": lambda desk: desk.order(customer_id=desk.customer(currency="USD")),
    "INACTIVE_ITEM": lambda desk: desk.order(line(item_id=desk.item(is_active=False))),
    "NO_DESCRIPTION": lambda desk: desk.order(line(description="")),
    "QUANTITY_NOT_POSITIVE": lambda desk: desk.order(line(), line(0)),
    "NEGATIVE_PRICE": lambda desk: desk.order(line(), line(1, "-0.0001")),
    "MISSING_TAX_RATE": lambda desk: desk.order(line(rate=18)),
    "MISSING_BUYER_VAT_ID": lambda desk: desk.order(line(category="AE", rate=0), customer_id=desk.customer()),
    "MISSING_DELIVERY_DATE": lambda desk: desk.order(line(category="K", rate=0), delivery_date=None),
    "MISSING_EXCHANGE_RATE": lambda desk: desk.order(currency="CHF"),
    "PERIOD_OUTSIDE_ORDER": lambda desk: desk.order(
        line(period_start="2026-01-01", period_end="2026-02-01"), period_start="2026-01-01", period_end="2026-01-31"
    ),
    "INSUFFICIENT_STOCK": lambda desk: desk.order(line(2, item_id=desk.stocked(1))),
}


def test_each_broken_order_fails_with_its_code_and_the_others_go_through(desk: BillingDesk) -> None:
    request: dict[str, str | None] = {}
    for code, make in BROKEN.items():
        request[str(make(desk))] = code
        request[str(desk.order())] = None
    job_id = desk.ask(list(request))
    report = desk.work(job_id)
    assert {subject: item.code for subject, item in desk.outcomes(job_id).items()} == request
    assert (report.succeeded, report.failed, report.skipped) == (len(BROKEN), len(BROKEN), 0)
    job = desk.job(job_id)
    assert (job.status, job.summary) == ("completed_with_errors", {"failures": dict.fromkeys(BROKEN, 1)})
    for item in desk.outcomes(job_id).values():
        assert (item.status == "failed") == bool(item.message)
    desk.assert_in_order()


@pytest.mark.parametrize("status", ["draft", "cancelled"])
def test_only_pending_and_reviewed_orders_are_invoiced(desk: BillingDesk, status: str) -> None:
    outcome = desk.one(desk.order(status=status))
    assert (outcome.code, outcome.message) == (
        "WRONG_STATUS",
        f"The order is {status}; only pending and reviewed orders can be invoiced.",
    )
    assert desk.one(desk.order(status="pending")).status == "succeeded"


def test_an_invoiced_order_is_skipped_and_says_its_invoice(desk: BillingDesk) -> None:
    order_id = desk.order()
    desk.one(order_id)
    again = desk.one(order_id)
    assert (again.status, again.code) == ("skipped", "ALREADY_INVOICED")
    assert f"INV-{desk.today:%Y}-000001" in str(again.message)


@pytest.mark.parametrize("category", ["AE", "K", "G"])
def test_without_vat_a_seller_needs_a_vat_id(shared_database: TestDatabase, category: str) -> None:
    desk = open_desk(shared_database, vat_id=None, tax_number="12/345/67890")
    assert desk.one(desk.order(line(category=category, rate=0))).code == "MISSING_SELLER_VAT_ID"
    assert desk.one(desk.order()).status == "succeeded"


def test_a_seller_without_any_tax_id_issues_nothing(shared_database: TestDatabase) -> None:
    desk = open_desk(shared_database, vat_id=None)
    assert desk.one(desk.order()).code == "MISSING_SELLER_TAX_ID"
    assert desk.numbers() == []


def refuse_prices_of_13(desk: BillingDesk) -> None:
    """A rule of the database that the invoicing does not know, as a hand on the schema may add one."""
    desk.behind(
        """alter table billing.issued_invoice_line add constraint no_price_of_13_in_test
           check (unit_price <> 13 or organization_id <> '{organization}') not valid"""
    )


def test_an_order_that_the_database_refuses_fails_alone_with_a_clear_message(desk: BillingDesk) -> None:
    refuse_prices_of_13(desk)
    try:
        good = desk.many_orders(30)
        bad = [desk.order(line(1, 13, description=f"secret {n}")) for n in range(3)]
        request = [bad[0], *good[:11], bad[1], *good[11:], bad[2]]
        outcomes = desk.invoice(request)
    finally:
        desk.behind("alter table billing.issued_invoice_line drop constraint no_price_of_13_in_test")
    assert {outcomes[str(order_id)].status for order_id in good} == {"succeeded"}
    for order_id in bad:
        item = outcomes[str(order_id)]
        assert (item.code, item.message) == (
            "REFUSED_BY_DATABASE",
            'The order breaks the rule "no price of 13 in test"; correct it and try again.',
        )
    desk.assert_in_order()


def test_data_that_cannot_be_computed_fails_alone(desk: BillingDesk) -> None:
    desk.behind(
        """create function public.overflow_in_test() returns trigger language plpgsql as $$
           begin
               perform (999999999 * new.unit_price)::integer where new.unit_price = 13;
               return new;
           end $$;
           create trigger overflow_in_test before insert on billing.issued_invoice_line
               for each row execute function public.overflow_in_test()"""
    )
    try:
        bad, good = desk.order(line(1, 13)), desk.order()
        outcomes = desk.invoice([bad, good])
    finally:
        desk.behind("drop function public.overflow_in_test cascade")
    assert outcomes[str(good)].status == "succeeded"
    assert outcomes[str(bad)].message == "The database cannot work with the data of the order (integer out of range)."


def test_what_was_repaired_can_be_tried_again(desk: BillingDesk) -> None:
    order_id, item = desk.order(line(rate=18)), desk.stocked(1)
    short = desk.order(line(5, item_id=item))
    job_id = desk.ask([order_id, desk.order(), short])
    desk.work()
    assert desk.job(job_id).status == "completed_with_errors"
    desk.rows("update billing.sales_order_line set tax_rate = 19 where sales_order_id = :id", id=order_id)
    desk.rows("update billing.item set quantity_on_hand = 5 where id = :id", id=item)
    with desk.scope() as connection:
        assert retry_failed(connection, job_id, requested_by="anna") == 2
    desk.work()
    assert {item.status for item in desk.outcomes(job_id).values()} == {"succeeded"}
    assert {item.code for item in desk.outcomes(job_id).values()} == {None}
    assert desk.job(job_id).status == "completed"
    assert desk.on_hand(item) == 0
    desk.assert_in_order()


def test_a_cancelled_job_stops_after_the_chunk(desk: BillingDesk) -> None:
    job_id = desk.ask(desk.many_orders(50))

    def cancel(_: object) -> None:
        with desk.scope() as connection:
            cancel_job(connection, job_id, cancelled_by="bert")

    report = process_jobs(desk.context(), chunk_size=10, on_progress=cancel)
    assert report.succeeded == 10
    job = desk.job(job_id)
    assert (job.status, job.successful_items, job.cancelled_items) == ("cancelled", 10, 40)
    assert desk.numbers() == list(range(1, 11))
    desk.assert_in_order()


def test_a_job_without_orders_is_done_at_once(desk: BillingDesk) -> None:
    assert desk.job(desk.ask([])).status == "completed"


def test_the_invoice_has_the_dates_and_the_language_that_were_asked_for(desk: BillingDesk) -> None:
    french = desk.customer(language="fr")
    desk.set_settings(language="it")
    usual, own, wanted = desk.order(), desk.order(customer_id=french), desk.order(customer_id=french)
    desk.invoice([usual, own], invoice_date=date(2026, 5, 1), due_days=30)
    desk.invoice([wanted], invoice_date=date(2026, 5, 1), language="de", due_days=None)
    rows = {row.sales_order_id: row for row in desk.rows("select * from billing.issued_invoice")}
    assert [rows[order_id].language for order_id in (usual, own, wanted)] == ["it", "fr", "de"]
    assert {rows[order_id].issue_date for order_id in (usual, own, wanted)} == {date(2026, 5, 1)}
    assert [rows[order_id].due_date for order_id in (usual, wanted)] == [date(2026, 5, 31), date(2026, 5, 1)]
    assert {row.created_by for row in rows.values()} == {"anna"}


# Without orders: customers and items.


def invoice_customers(desk: BillingDesk, customers: list[object], items: str) -> UUID:
    job_id = desk.value(
        """select job_id from billing.batch_invoice_customers(
               cast(:customers as text[]), cast(:items as jsonb), creator => 'anna')""",
        customers=[str(customer) for customer in customers],
        items=items,
    )
    desk.work(job_id)
    return job_id


def test_customers_are_invoiced_without_orders(desk: BillingDesk) -> None:
    item = desk.stocked(4, unit_price="2.5", tax_category="S", tax_rate=19, name="Licence")
    first, second, third, gone = (desk.customer() for _ in range(4))
    desk.rows("update billing.customer set is_active = false where id = :id", id=gone)
    job_id = invoice_customers(
        desk,
        [first, gone, "nobody", uuid4(), second, third],
        f"""[{{"inventory_item_id": "{item}", "quantity": 2}},
             {{"description": "Set-up", "quantity": 1, "unit_price": 10, "tax_category": "S", "tax_rate": 7}}]""",
    )
    assert [item.code for item in desk.outcomes(job_id).values()] == [
        None,
        "INACTIVE_CUSTOMER",
        "UNKNOWN_CUSTOMER",
        "UNKNOWN_CUSTOMER",
        None,
        "INSUFFICIENT_STOCK",
    ]
    rows = desk.rows("select customer_id, gross_amount::text as gross from billing.issued_invoice order by number")
    assert [(row.customer_id, row.gross) for row in rows] == [(first, "16.65"), (second, "16.65")]
    assert desk.on_hand(item) == 0
    desk.assert_in_order()


def test_a_customer_that_failed_is_invoiced_by_a_retry_at_the_prices_of_then(desk: BillingDesk) -> None:
    item = desk.stocked(1, unit_price=5, tax_category="S", tax_rate=19)
    job_id = invoice_customers(desk, [desk.customer()], f'[{{"inventory_item_id": "{item}", "quantity": 2}}]')
    assert desk.job(job_id).status == "failed"
    desk.rows("update billing.item set quantity_on_hand = 2, unit_price = 6 where id = :id", id=item)
    for expected in (1, 0):
        with desk.scope() as connection:
            assert retry_failed(connection, job_id, requested_by="anna") == expected
        desk.work(job_id)
    assert desk.job(job_id).status == "completed"
    assert desk.value("select net_amount from billing.issued_invoice") == 12
    desk.assert_in_order()
