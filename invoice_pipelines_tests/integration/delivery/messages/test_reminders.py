"""Customers are reminded of what is due still, in the words of the level; who has paid is not."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from invoice_pipelines.delivery.channels.channel import Outgoing
from invoice_pipelines.delivery.sending import sender
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.workshop.sandbox.mail.faults import Fault
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post, Watched, text_of
from invoice_pipelines_tests.support.waiting import wait_for_blocked


def notified(post: Post) -> list[str]:
    return [row.status for row in post.desk.rows("select status from overdue.notification order by id")]


def test_a_reminder_says_what_is_open_and_has_the_invoice_with_it(post: Post) -> None:
    invoice = post.invoice(email="late@kunde.example")
    post.reminder(invoice, days=3, include_pdf=True)
    report = post.send()
    assert report.sent == 1, report
    (received,) = post.mails("late@kunde.example")
    assert received["Subject"].startswith("Erinnerung: Rechnung ")
    assert "Offener Betrag: 11,90\u00a0€" in text_of(received)
    assert "(vor 3 Tagen)" in text_of(received)
    assert [part.get_content_type() for part in received.iter_attachments()] == ["application/pdf"]
    assert notified(post) == ["sent"]
    assert post.message().status is MessageStatus.SENT


def test_the_words_are_those_of_the_highest_level_that_is_reached(post: Post) -> None:
    words = {1: "Erinnerung", 7: "Erinnerung", 14: "Zahlung überfällig", 30: "Letzte Mahnung", 90: "Letzte Mahnung"}
    invoices = post.invoices(len(words), post.customer(email="levels@kunde.example"))
    for invoice, level in zip(invoices, words, strict=True):
        post.reminder(invoice, level)
    post.send(message_senders=1)
    said = {received["Subject"].partition(":")[0] for received in post.mails("levels@kunde.example")}
    by_level = {message.level: message.subject for message in post.messages()}
    assert {level: str(subject).partition(":")[0] for level, subject in by_level.items()} == words
    assert said == set(words.values())


def test_who_has_paid_is_not_reminded(post: Post) -> None:
    invoice = post.invoice(email="paid@kunde.example")
    post.reminder(invoice)
    post.pay(invoice)
    report = post.send()
    assert (report.skipped, report.sent) == (1, 0)
    assert post.mails("paid@kunde.example") == []
    assert post.message().error_code == "NOT_DUE"


def test_after_a_part_was_paid_the_reminder_says_what_is_left(post: Post) -> None:
    invoice = post.invoice(email="part@kunde.example")
    post.reminder(invoice)
    post.mail.faults.inject(Fault.MAILBOX_BUSY, recipient="part@kunde.example")
    post.send()
    post.pay(invoice, "5.00")
    post.settle()
    (received,) = post.mails("part@kunde.example")
    assert "Offener Betrag: 6,90\u00a0€" in text_of(received)


def test_a_payment_waits_while_its_reminder_is_handed_over_and_so_never_comes_before_it(post: Post) -> None:
    """Paid in the moment of the sending: the reminder is out before the payment is on record, not after it."""
    invoice = post.invoice(email="moment@kunde.example")
    post.reminder(invoice)
    paid = threading.Event()
    seen: list[bool] = []

    def pay() -> None:
        post.pay(invoice)
        paid.set()

    def pay_meanwhile(_: Outgoing) -> None:
        threading.Thread(target=pay).start()
        with post.desk.superuser.connect() as connection:
            wait_for_blocked(connection)
        seen.append(paid.is_set())

    post.send_by(Watched(post, before=pay_meanwhile))
    assert seen == [False]
    assert paid.wait(10)
    assert len(post.mails("moment@kunde.example")) == 1


def test_one_that_is_paid_between_writing_and_handing_over_is_cancelled(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = post.invoice(email="between@kunde.example")
    post.reminder(invoice)
    original = sender.hand_over  # type: ignore[attr-defined]

    def pay_first(*arguments: object) -> object:
        post.pay(invoice)
        return original(*arguments)

    monkeypatch.setattr(sender, "hand_over", pay_first)
    report = post.send()
    assert (report.skipped, report.sent) == (1, 0)
    assert post.mails("between@kunde.example") == []
    assert (post.message().status, post.message().error_code) == (MessageStatus.CANCELLED, "NOT_DUE")
    assert post.attempts() == [("send", "temporary", "NOT_DUE")]


def test_a_higher_level_takes_the_place_of_a_lower_one(post: Post) -> None:
    invoice = post.invoice(email="higher@kunde.example")
    post.reminder(invoice, 1)
    post.reminder(invoice, 14)
    post.settle()
    (received,) = post.mails("higher@kunde.example")
    assert received["Subject"].startswith("Zahlung überfällig")


def test_in_test_mode_the_customer_counts_as_not_reminded(post: Post) -> None:
    invoice = post.invoice(email="untold@kunde.example")
    post.reminder(invoice)
    post.wish(redirect_email="tester2@desk.example")
    post.send()
    assert len(post.mails("tester2@desk.example")) == 1
    assert notified(post) == ["open"]


def test_sms_wait_in_quiet_hours_and_emails_do_not(post: Post) -> None:
    zone = post.organization.time_zone
    now = post.desk.value("select now()").astimezone(zone)
    post.wish(
        quiet_from=f"{now - timedelta(hours=1):%H:%M}",
        quiet_until=f"{now + timedelta(hours=2):%H:%M}",
        quiet_channels=["sms"],
    )
    post.reminder(post.invoice(), 1, "email")
    post.reminder(post.invoice(phone="+4915155555555"), 1, "sms")
    report = post.send()
    assert (report.sent, report.postponed, report.postponed_by_reason) == (1, 1, {"QUIET_HOURS": 1})
    (waiting,) = [item for item in post.items() if item.status == "pending"]
    assert timedelta(hours=1, minutes=58) < waiting.available_at - now <= timedelta(hours=2)
    assert waiting.attempts == 0
    assert post.send().postponed == 0
    post.wish()
    post.due_now()
    assert post.send().sent == 1
    (received,) = post.twilio.messages("+4915155555555")
    assert "11,90 € sind noch offen" in received.body
