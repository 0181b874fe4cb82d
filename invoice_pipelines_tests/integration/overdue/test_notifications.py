"""The life of a notification: made, told, closed, opened again; and what a sender asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from invoice_pipelines.billing import void_invoice
from invoice_pipelines.overdue import (
    StillDue,
    mark_sent,
    missing_notifications,
    notification_and_channel,
    notifications_without_reason,
    still_due,
)
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.overdue.conftest import GROSS, OverdueDesk, open_desk
from invoice_pipelines_tests.support.waiting import wait_for_blocked


@pytest.fixture
def make(shared_database: TestDatabase) -> Callable[..., OverdueDesk]:
    def make(**settings: object) -> OverdueDesk:
        return open_desk(shared_database, **settings)

    return make


def ask(desk: OverdueDesk, *notification_ids: UUID) -> list[StillDue]:
    with desk.scope() as connection:
        return list(still_due(connection, notification_ids))


def test_a_notification_says_what_a_reader_needs(desk: OverdueDesk) -> None:
    (invoice_id,) = desk.add([desk.late(40, "partially")])
    desk.run()
    (row,) = desk.rows("select * from public.notifications")
    assert (row.notification_type, row.organization_id, row.invoice_id) == (
        "payment_overdue",
        desk.organization_id,
        invoice_id,
    )
    assert (row.invoice_number, row.customer_name, row.amount_due, row.currency) == (
        "INV-1",
        "Buyer AG",
        Decimal(80),
        "EUR",
    )
    assert (row.days_overdue, row.due_date, row.level, row.status) == (40, desk.today - timedelta(days=40), 1, "open")
    assert row.customer_id == desk.rows("select id from billing.customer")[0].id


@pytest.mark.parametrize(
    ("settled", "reason"), [("paid", "paid"), ("credited", "credited"), ("void", "void"), ("partially", None)]
)
def test_it_is_closed_when_its_invoice_is_settled(desk: OverdueDesk, settled: str, reason: str | None) -> None:
    (invoice_id,) = desk.add([desk.late(3)])
    desk.run()
    desk.settle(settled, invoice_id)
    report = desk.run()
    assert desk.one().closed_reason == reason
    assert report.closed_count == (reason is not None)
    assert (desk.one().closed_at is not None) == (reason is not None)


def test_a_voided_invoice_closes_all_its_levels(make: Callable[..., OverdueDesk]) -> None:
    desk = make(overdue_levels=[1, 14, 30])
    (invoice_id, _) = desk.add([desk.late(40), desk.late(20)])
    desk.run(batch_size=2)
    assert len(desk.told()) == 5
    with desk.scope() as connection:
        void_invoice(connection, invoice_id, reason="wrong address", voided_by="anna")
    assert desk.run(batch_size=2).closed_count == 3
    assert [level for _, level in desk.told()] == [1, 14]


def test_a_payment_that_is_taken_back_opens_the_same_notification_again(desk: OverdueDesk) -> None:
    (invoice_id,) = desk.add([desk.late(3)])
    desk.run()
    first = desk.one()
    desk.settle("paid", invoice_id)
    desk.run()
    desk.settle("partially", invoice_id)
    report = desk.run()
    again = desk.one()
    assert (report.created_count, report.reopened_count) == (0, 1)
    assert (again.id, again.status, again.closed_at, again.closed_reason) == (first.id, "open", None, None)
    assert (first.amount_due, again.amount_due) == (GROSS, Decimal(80))


def test_who_was_told_before_is_not_told_again_after_a_payment_was_taken_back(make: Callable[..., OverdueDesk]) -> None:
    desk = make(overdue_channels=["email"])
    (invoice_id,) = desk.add([desk.late(3)])
    desk.run()
    with desk.scope() as connection:
        assert mark_sent(connection, [desk.one().id]) == 1
        assert mark_sent(connection, [desk.one().id]) == 0
        connection.execute(text("update work.batch_item set status = 'succeeded', finished_at = now()"))
    desk.settle("paid", invoice_id)
    desk.run()
    desk.settle("no", invoice_id)
    desk.run()
    assert (desk.one().status, len(desk.work_items())) == ("sent", 1)


def test_who_was_not_told_before_is_told_after_a_payment_was_taken_back(make: Callable[..., OverdueDesk]) -> None:
    desk = make(overdue_channels=["email"])
    (invoice_id,) = desk.add([desk.late(3)])
    desk.run()
    desk.rows("update work.batch_item set status = 'skipped', finished_at = now()")
    desk.settle("paid", invoice_id)
    desk.run()
    desk.settle("no", invoice_id)
    desk.run()
    assert len(desk.work_items()) == 2


def test_an_invoice_issued_late_with_an_early_due_date_is_found_by_the_next_run(desk: OverdueDesk) -> None:
    desk.add([desk.late(3)])
    desk.run()
    (backdated,) = desk.add([desk.late(300)])
    assert desk.run().created_count == 1
    assert (backdated, 1) in desk.told()


def test_every_level_reached_has_its_row_and_only_the_highest_is_sent(make: Callable[..., OverdueDesk]) -> None:
    desk = make(overdue_levels=[1, 14, 30], overdue_channels=["email", "whatsapp"])
    desk.add([desk.late(40)])
    desk.run()
    highest = desk.notifications()[-1]
    assert [row.level for row in desk.notifications()] == [1, 14, 30]
    assert {notification_and_channel(subject) for subject in desk.work_items()} == {
        (highest.id, "email"),
        (highest.id, "whatsapp"),
    }


def test_a_level_is_sent_when_it_is_reached_and_the_levels_before_it_no_more(make: Callable[..., OverdueDesk]) -> None:
    desk = make(overdue_levels=[1, 14], overdue_channels=["sms"])
    desk.add([desk.late(14)])
    desk.run(as_of=desk.today - timedelta(days=13))
    (first,) = desk.notifications()
    assert (first.level, first.days_overdue) == (1, 1)
    assert [due.notification_id for due in ask(desk, first.id)] == [first.id]
    desk.run()
    second = desk.notifications()[1]
    assert desk.work_items() == [f"{first.id}/sms", f"{second.id}/sms"]
    assert [due.notification_id for due in ask(desk, first.id, second.id)] == [second.id]


def test_a_level_added_later_is_made_up_for_and_not_sent_below_one_that_was(make: Callable[..., OverdueDesk]) -> None:
    desk = make(overdue_levels=[30], overdue_channels=["email"])
    desk.add([desk.late(40)])
    desk.run()
    desk.want(overdue_levels=[7, 30])
    desk.run()
    assert [row.level for row in desk.notifications()] == [7, 30]
    assert len(desk.work_items()) == 1


def test_without_channels_nothing_is_to_be_sent(desk: OverdueDesk) -> None:
    desk.add([desk.late(3)])
    desk.run()
    assert desk.work_items() == []


@pytest.mark.parametrize("settled", ["paid", "credited", "void"])
def test_what_lost_its_reason_before_it_was_sent_is_not_sent(desk: OverdueDesk, settled: str) -> None:
    kept, lost = desk.add([desk.late(3, "partially"), desk.late(4)])
    desk.run()
    desk.settle(settled, lost)
    (due,) = ask(desk, *[row.id for row in desk.notifications()])
    assert (due.invoice_id, due.amount_due, due.invoice_number) == (kept, Decimal(80), "INV-1")
    desk.run()
    assert len(ask(desk, *[row.id for row in desk.notifications()])) == 1


def test_no_payment_comes_between_the_question_and_the_sending(desk: OverdueDesk) -> None:
    (invoice_id,) = desk.add([desk.late(3)])
    desk.run()
    paid = threading.Event()

    def pay() -> None:
        desk.settle("paid", invoice_id)
        paid.set()

    payment = threading.Thread(target=pay)
    with desk.scope() as connection:
        assert len(still_due(connection, [desk.one().id])) == 1
        payment.start()
        wait_for_blocked(connection)
        assert not paid.is_set(), "the payment waits for the sender"
    payment.join(10)
    assert paid.is_set()
    assert ask(desk, desk.one().id) == []


def test_a_day_that_was_is_judged_by_the_payments_of_today_and_closes_nothing_of_later_days(desk: OverdueDesk) -> None:
    recent, old = desk.add([desk.late(2), desk.late(30)])
    desk.run()
    report = desk.run(as_of=desk.today - timedelta(days=10))
    assert (report.closed_count, report.overdue_count) == (0, 1)
    assert {invoice for invoice, _ in desk.told()} == {recent, old}


def test_what_breaks_a_promise_is_named(desk: OverdueDesk) -> None:
    first, second = desk.add([desk.late(2), desk.late(30)])
    desk.run()
    desk.settle("paid", first)
    desk.rows(
        """update overdue.notification set status = 'closed', closed_at = now(), closed_reason = 'paid'
           where invoice_id = :id""",
        id=second,
    )
    with desk.scope() as connection:
        assert missing_notifications(connection, levels=(1,)).sample == ("INV-2, level 1",)
        assert notifications_without_reason(connection).sample == ("INV-1, level 1",)


def test_an_invoice_without_a_number_is_named_and_not_passed_over(desk: OverdueDesk) -> None:
    (invoice_id,) = desk.add([desk.late(2)])
    with desk.superuser.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("delete from billing.invoice_number where invoice_id = :id"), {"id": invoice_id})
    report = desk.run()
    assert report.status == "PARTIAL"
    assert report.errors[0]["invoice_id"] == str(invoice_id)
    assert "invoice_number" in report.errors[0]["reason"]


def test_at_most_a_hundred_errors_are_listed_and_all_are_counted(desk: OverdueDesk) -> None:
    desk.add([desk.late(2, is_bad=True)] * 130)
    report = desk.run(batch_size=50)
    assert (report.error_count, len(report.errors), len(desk.log_rows()[0].errors)) == (130, 100, 100)


@pytest.mark.parametrize(
    "wrong",
    [{"overdue_levels": []}, {"overdue_levels": [0]}, {"overdue_levels": [1, 1]}, {"overdue_channels": ["fax"]}],
)
def test_levels_and_channels_that_mean_nothing_cannot_be_stored(
    wrong: dict[str, object], make: Callable[..., OverdueDesk]
) -> None:
    with pytest.raises(Exception, match=next(iter(wrong))):
        make(**wrong)
