"""What was not answered: a message whose fate is in doubt is looked up before it is sent again, or left to a person."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.delivery.channels.channel import Accepted, LookedUp, Outgoing
from invoice_pipelines.delivery.messages.decisions import cancel_by_hand, record_report, resolve_message, send_again
from invoice_pipelines.delivery.messages.log import events_of
from invoice_pipelines.delivery.messages.opt_outs import find_opt_out
from invoice_pipelines.delivery.sending import sender
from invoice_pipelines.delivery.sending.sending import send_messages
from invoice_pipelines.delivery.values import DeliveryError, MessageStatus
from invoice_pipelines.workshop.sandbox.mail.faults import Fault as MailFault
from invoice_pipelines.workshop.sandbox.twilio.faults import Fault as TwilioFault
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post, Watched

NO_MAILBOX = {"imap_host": None, "email_archive_to": None}


def test_an_email_that_did_not_arrive_goes_out_again_byte_for_byte(post: Post) -> None:
    invoice = post.invoice(email="gone@kunde.example")
    post.mail.faults.inject(MailFault.DROP_BEFORE_ACCEPT, recipient="gone@kunde.example")
    post.ask([invoice])
    seen: list[Outgoing] = []
    post.send_by(Watched(post, before=seen.append))
    post.desk.rows("update billing.customer set name = 'Another name'")
    post.due_now()
    post.send_by(Watched(post, before=seen.append))
    assert post.attempts() == [
        ("send", "unknown", "NO_ANSWER"),
        ("look_up", "not_found", None),
        ("send", "accepted", None),
    ]
    assert len(post.mails("gone@kunde.example")) == 1
    first, second = seen
    assert first == second


def test_without_a_mailbox_a_person_or_a_report_says_what_became_of_it(post: Post) -> None:
    out, again, reported = (f"{name}-{uuid4().hex[:8]}@kunde.example" for name in ("out", "again", "reported"))
    for address in (out, again, reported):
        post.mail.faults.inject(MailFault.DROP_AFTER_ACCEPT, recipient=address)
    invoices = [post.invoice(email=address) for address in (out, again, reported)]
    for _ in range(2):  # to ask again changes nothing
        post.ask(invoices)
        post.settle(**NO_MAILBOX)
    messages = {message.recipient: message for message in post.messages()}
    assert {message.status for message in messages.values()} == {MessageStatus.UNKNOWN}
    assert {(item.status, item.error_code) for item in post.items()} == {("failed", "OUTCOME_UNKNOWN")}
    assert f"message {messages[out].id} that it was sent" in post.items()[0].error_message
    assert [len(post.mails(address)) for address in messages] == [1, 1, 1]

    post.do(resolve_message, messages[out].id, was_sent=True, decided_by="anna")
    post.do(resolve_message, messages[again].id, was_sent=False, decided_by="anna")
    assert post.do(record_report, message_id_header=messages[reported].message_id_header, status="delivered")
    post.settle(**NO_MAILBOX)
    ended = {message.recipient: (message.status, message.sent_at is not None) for message in post.messages()}
    sent, delivered = (MessageStatus.SENT, True), (MessageStatus.DELIVERED, True)
    assert ended == {out: sent, again: sent, reported: delivered}
    first, second = post.mails(again)
    assert first["Message-ID"] == second["Message-ID"]
    actions = [(event.action, event.created_by) for event in post.do(events_of, messages[out].id)]
    assert actions == [("resolved_as_sent", "anna")]
    with pytest.raises(DeliveryError, match="is sent"):
        post.do(resolve_message, messages[out].id, was_sent=False, decided_by="anna")


@pytest.mark.parametrize(
    ("channel", "fault", "expected"),
    [
        ("email", MailFault.DROP_AFTER_ACCEPT, ["unknown", "found"]),
        ("sms", TwilioFault.DROP_AFTER_ACCEPT, ["unknown", "found"]),
        ("sms", TwilioFault.DROP_BEFORE_ACCEPT, ["unknown", "not_found", "accepted"]),
        ("sms", TwilioFault.INTERNAL_ERROR_AFTER, ["unknown", "found"]),
    ],
)
def test_a_message_whose_answer_was_lost_goes_out_once(
    post: Post, channel: str, fault: Any, expected: list[str]
) -> None:
    number = f"+49151{post.desk.organization_id.int % 10**8:08d}"
    server: Any
    server, to = (post.mail, "lost@kunde.example") if channel == "email" else (post.twilio, number)
    server.faults.inject(fault, recipient=to)
    post.ask([post.invoice(phone=number, email="lost@kunde.example")], channel)
    post.settle()
    message = post.message()
    assert message.status is MessageStatus.SENT
    received = [each.sid for each in post.twilio.messages(number)] if channel == "sms" else post.mails(to)
    assert len(received) == 1
    assert channel == "email" or received == [message.provider_id]
    assert [outcome for _, outcome, _ in post.attempts()] == expected
    assert post.attempts()[:2] == [("send", "unknown", "NO_ANSWER"), ("look_up", expected[1], None)]


def test_a_lookup_waits_until_the_provider_can_know(post: Post) -> None:
    post.mail.faults.inject(MailFault.DROP_AFTER_ACCEPT, recipient="patience@kunde.example")
    post.ask([post.invoice(email="patience@kunde.example")])
    post.send(look_up_after_seconds=3600.0)
    post.due_now()
    report = post.send(look_up_after_seconds=3600.0)
    assert (report.postponed, report.postponed_by_reason) == (1, {"NO_ANSWER": 1})
    assert len(post.attempts()) == 1


def test_a_provider_that_cannot_be_asked_is_asked_again_and_a_person_at_last(post: Post) -> None:
    post.mail.faults.inject(MailFault.DROP_AFTER_ACCEPT, recipient="mute@kunde.example")
    post.ask([post.invoice(email="mute@kunde.example")])
    post.settle(imap_port=1, message_attempts=3)
    assert post.message().status is MessageStatus.UNKNOWN
    assert [code for kind, _, code in post.attempts() if kind == "look_up"] == ["LOOK_UP_FAILED"] * 3
    assert len(post.mails("mute@kunde.example")) == 1


def test_what_is_refused_for_good_fails_and_is_not_tried_again(post: Post) -> None:
    faults = {"ADDRESS_REFUSED": MailFault.UNKNOWN_RECIPIENT, "REFUSED_BY_POLICY": MailFault.SPAM}
    for code, fault in faults.items():
        post.mail.faults.inject(fault, recipient=f"{code.lower()}@kunde.example")
    report = post.ask_and_send([post.invoice(email=f"{code.lower()}@kunde.example") for code in faults])
    assert (report.failed, report.retried) == (2, 0)
    assert {(each.status, each.error_code) for each in (*post.messages(), *post.items())} == {
        ("failed", code) for code in faults
    }


def test_what_is_refused_for_now_is_tried_again_until_it_is_enough(post: Post) -> None:
    post.mail.faults.inject(MailFault.MAILBOX_BUSY, recipient="busy@kunde.example", times=2)
    post.ask([post.invoice(email="busy@kunde.example")])
    post.settle()
    assert [outcome for _, outcome, _ in post.attempts()] == ["temporary", "temporary", "accepted"]
    post.mail.faults.inject(MailFault.MAILBOX_BUSY, recipient="never@kunde.example", times=None)
    post.ask([post.invoice(email="never@kunde.example")])
    post.settle(message_attempts=3)
    assert [message.status for message in post.messages()] == [MessageStatus.SENT, MessageStatus.FAILED]
    assert post.messages()[1].attempts == 3


def test_a_server_that_is_away_costs_no_attempts_and_keeps_no_other_channel_waiting(post: Post) -> None:
    post.mail.faults.inject(MailFault.BUSY, times=None)
    invoices = [post.invoice() for _ in range(4)]
    post.ask(invoices)
    post.ask(invoices, "sms")
    report = post.send()
    assert report.sent_by_channel == {"sms": 4}
    assert report.postponed_by_reason == {"MAIL_SERVER_BUSY": 4}
    assert {item.attempts for item in post.items() if item.status == "pending"} == {0}
    assert post.mail.faults.happened[MailFault.BUSY] <= post.settings.message_senders
    post.mail.faults.clear()
    post.due_now()
    assert post.send().sent == 4


def test_twilio_at_its_limit_is_left_alone_for_as_long_as_it_says(post: Post) -> None:
    post.twilio.faults.inject(TwilioFault.TOO_MANY_REQUESTS, seconds=30, times=None)
    post.ask([post.invoice()], "sms")
    report = post.send(message_senders=1)
    assert report.postponed == 1
    waits = post.desk.value(
        "select extract(epoch from available_at - now()) from work.batch_item where kind = 'communications'"
    )
    assert 20 < waits < 40


def test_one_that_answered_stop_is_not_written_to_again(post: Post) -> None:
    number = f"+49152{post.desk.organization_id.int % 10**8:08d}"
    customer = post.customer(phone=number)
    first, second = post.invoices(2, customer)
    post.twilio.faults.inject(TwilioFault.OPTED_OUT, recipient=number)
    post.ask_and_send([first], "sms")
    assert post.ask_and_send([second], "sms").skipped == 1
    opt_out = post.do(find_opt_out, "sms", number)
    assert opt_out is not None
    assert opt_out.created_by == "provider"


def test_a_process_that_slept_over_its_attempt_does_not_send_what_others_have_given_up(post: Post) -> None:
    """Between the commit of its attempt and the handing over a process stands still; another one goes on meanwhile."""
    invoice = post.invoice(email="slept@kunde.example")
    post.ask([invoice])
    asleep, go_on = threading.Event(), threading.Event()
    original = sender.hand_over  # type: ignore[attr-defined]

    def sleeping(*arguments: object) -> object:
        if not asleep.is_set():
            asleep.set()
            go_on.wait(20)
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender, "hand_over", sleeping)
        run = threading.Thread(
            target=send_messages,
            args=(post.context(message_senders=1),),
            kwargs={"time_box": timedelta(seconds=30)},
        )
        run.start()
        assert asleep.wait(20)
        post.ask([invoice])
        post.send()
        assert len(post.mails("slept@kunde.example")) == 1
        go_on.set()
        run.join()
    post.settle()
    assert len(post.mails("slept@kunde.example")) == 1
    assert post.message().status is MessageStatus.SENT


def test_a_commit_that_fails_after_the_message_is_out_is_made_good_by_looking_it_up(post: Post) -> None:
    invoice = post.invoice(email="commit@kunde.example")
    post.ask([invoice])

    def cut(_: Outgoing) -> None:
        """Ends the database session."""
        with post.desk.superuser.begin() as connection:
            connection.execute(
                text(
                    """select pg_terminate_backend(pid) from pg_stat_activity
                       where datname = current_database() and state = 'idle in transaction'"""
                )
            )

    with pytest.raises(DBAPIError):
        post.send_by(Watched(post, after=cut))
    assert post.message().status is MessageStatus.SENDING
    post.due_now()
    post.settle()
    assert post.message().status is MessageStatus.SENT
    assert len(post.mails("commit@kunde.example")) == 1
    assert post.attempts() == [("send", "unknown", "NO_ANSWER"), ("look_up", "found", None)]


def test_a_bounce_is_final_and_the_address_is_left_alone(post: Post) -> None:
    customer = post.customer(email="bounces@kunde.example")
    first, second = post.invoices(2, customer)
    post.ask_and_send([first])
    header = post.message().message_id_header
    told = {"message_id_header": header, "status": "bounced", "code": "5.1.1", "detail": "User unknown"}
    assert [post.do(record_report, **told) for _ in range(2)] == [True, False]
    assert (post.message().status, post.message().error_code) == (MessageStatus.BOUNCED, "5.1.1")
    report = post.ask_and_send([first, second])
    assert report.failed == 2
    assert {item.error_code for item in post.items() if item.status == "failed"} == {"BOUNCED"}


def test_a_message_that_waits_can_be_cancelled_and_sent_after_all(post: Post) -> None:
    post.wish(sms_from=None)
    invoice = post.invoice()
    post.ask([invoice], "sms")
    post.send()
    waiting = post.message()
    post.do(cancel_by_hand, waiting.id, decided_by="anna")
    post.wish()
    post.settle()
    assert post.message().status is MessageStatus.CANCELLED
    assert post.item().status == "skipped"
    for decide in (send_again, cancel_by_hand, send_again):  # its entry waits still, older than the decision
        post.do(decide, waiting.id, decided_by="anna")
    post.settle()
    assert post.message().status is MessageStatus.SENT
    with pytest.raises(DeliveryError, match="is sent"):
        post.do(cancel_by_hand, waiting.id, decided_by="anna")


def test_messages_of_a_cancelled_job_do_not_go_out(post: Post) -> None:
    post.wish(sms_from=None)
    job = post.ask([post.invoice()], "sms")
    post.send()
    post.desk.rows("select work.cancel_job(:job, 'anna')", job=job)
    post.wish()
    post.settle()
    assert (post.message().status, post.message().error_code) == (MessageStatus.CANCELLED, "JOB_CANCELLED")


def test_a_fault_of_a_channel_that_nobody_expected_leaves_the_message_in_doubt(post: Post) -> None:
    post.ask([post.invoice()])

    class Broken:
        def send(self, outgoing: Outgoing) -> Accepted:
            raise ZeroDivisionError("password=secret")

        def look_up(self, outgoing: Outgoing, since: object) -> LookedUp:
            return LookedUp(None)

        def close(self) -> None: ...

    assert post.send_by(Broken()).postponed == 1
    detail = post.desk.value("select detail from delivery.message_attempt where attempt = 1")
    assert "ZeroDivisionError" in detail
    assert "secret" not in detail
