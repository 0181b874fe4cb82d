"""Invoices are sent by email, SMS and WhatsApp: once, to who they are for, saying what they should."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from invoice_pipelines.delivery.channels.channel import Outgoing
from invoice_pipelines.delivery.messages.templates import MessageTemplate, TemplateKey, set_message_template
from invoice_pipelines.delivery.sending.sending import send_messages
from invoice_pipelines.delivery.values import DeliveryError, MessageStatus, Purpose
from invoice_pipelines.workshop.sandbox.mail.faults import Fault
from invoice_pipelines_tests.integration.billing.conftest import line
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post, Watched, text_of
from invoice_pipelines_tests.support.waiting import wait_for


def test_an_invoice_goes_out_by_email_in_the_language_of_the_invoice(post: Post) -> None:
    invoice = post.invoice(email="Anna@Kunde.example", name="Kunde & Söhne GmbH")
    report = post.ask_and_send([invoice])
    assert (report.sent, report.done, report.ended) == (1, 1, "empty"), report
    message = post.message()
    assert (message.status, message.recipient, message.address) == (
        MessageStatus.SENT,
        "anna@kunde.example",
        "Anna@kunde.example",
    )
    (received,) = post.mails("anna@kunde.example")
    assert received["Subject"] == f"Rechnung {message.invoice_number} von Desk GmbH"
    assert received["Message-ID"] == message.message_id_header
    assert "Guten Tag Kunde & Söhne GmbH," in text_of(received)
    assert "Betrag: 11,90\u00a0€" in text_of(received)
    html = received.get_body(("html",))
    assert html is not None
    assert "Kunde &amp; Söhne GmbH" in html.get_content()
    assert post.item().status == "succeeded"
    assert post.attempts() == [("send", "accepted", None)]


@pytest.mark.parametrize("method", ["sms", "whatsapp"])
def test_an_invoice_goes_out_by_phone(post: Post, method: str) -> None:
    invoice = post.invoice(phone="01512 7654321", language="en")
    post.ask_and_send([invoice], method)
    message = post.message()
    assert (message.status, message.recipient) == (MessageStatus.SENT, "+4915127654321")
    to = ("whatsapp:" if method == "whatsapp" else "") + "+4915127654321"
    received = [each for each in post.twilio.messages(to) if message.invoice_number in each.body]
    assert [each.sid for each in received] == [message.provider_id]
    assert "€11.90" in received[0].body


def test_request_stands_above_template_and_invoice(post: Post) -> None:
    invoice = post.invoice(email="wishes@kunde.example")
    post.ask_and_send([invoice], subject="Your bill {{ invoice.number }}", language="en")
    (received,) = post.mails("wishes@kunde.example")
    assert received["Subject"] == f"Your bill {post.message().invoice_number}"
    assert "Hello Buyer AG," in text_of(received)


def test_a_request_with_an_unknown_field_is_refused_at_once(post: Post) -> None:
    with pytest.raises(DeliveryError, match=r"there is no field 'invoice\.nummer'"):
        post.ask([uuid4()], subject="Your bill {{ invoice.nummer }}")
    with pytest.raises(DeliveryError, match="subject: SMS have none"):
        post.ask([uuid4()], "sms", subject="Your bill")


def test_whatever_asks_and_however_often_it_goes_out_once(post: Post) -> None:
    invoice = post.invoice(email="once@kunde.example")
    post.ask([invoice])
    post.ask([invoice])
    post.settle()
    post.ask([invoice, str(invoice).upper()])
    post.settle()
    assert len(post.mails("once@kunde.example")) == 1
    assert sorted(item.status for item in post.items()) == ["skipped", "skipped", "skipped", "succeeded"]
    assert "It was sent on" in post.items()[-1].error_message


def test_another_channel_and_another_address_are_other_messages(post: Post) -> None:
    customer = post.customer(email="old@kunde.example")
    (invoice,) = post.invoices(1, customer)
    post.ask_and_send([invoice])
    post.ask_and_send([invoice], "sms")
    post.desk.rows("update billing.customer set email = 'new@kunde.example' where id = :id", id=customer)
    post.ask_and_send([invoice])
    assert [(m.channel, m.status) for m in post.messages()] == [
        ("email", "sent"),
        ("sms", "sent"),
        ("email", "sent"),
    ]
    assert len(post.mails("old@kunde.example")) == len(post.mails("new@kunde.example")) == 1


WRONG = {
    "email": [
        ({"email": None}, "NO_ADDRESS"),
        ({"email": "  "}, "NO_ADDRESS"),
        ({"email": "anna@"}, "BAD_ADDRESS"),
        ({"email": "a@b.example, c@d.example"}, "BAD_ADDRESS"),
        ({"email": "a@b.example\nBcc: all@b.example"}, "BAD_ADDRESS"),
    ],
    "sms": [({"phone": None}, "NO_ADDRESS"), ({"phone": "12"}, "BAD_ADDRESS"), ({"phone": "call me"}, "BAD_ADDRESS")],
}


@pytest.mark.parametrize("method", WRONG)
def test_without_a_valid_address_the_item_fails_with_what_to_do(post: Post, method: str) -> None:
    orders = [{"lines": [line()], "customer_id": str(post.customer(**customer))} for customer, _ in WRONG[method]]
    report = post.ask_and_send(post.issued(orders), method)
    assert report.failed == len(orders)
    expected = [code for _, code in WRONG[method]]
    assert [item.error_code for item in post.items()] == expected
    assert all("then retry" in item.error_message for item in post.items())
    by_invoice = {str(message.invoice_id): (message.status, message.error_code) for message in post.messages()}
    assert [by_invoice[item.subject_id] for item in post.items()] == [(MessageStatus.FAILED, code) for code in expected]


def test_once_the_address_is_corrected_a_retry_sends_it(post: Post) -> None:
    customer = post.customer(email=None)
    (invoice,) = post.invoices(1, customer)
    job = post.ask([invoice])
    post.send()
    post.desk.rows("update billing.customer set email = 'corrected@kunde.example' where id = :id", id=customer)
    post.desk.rows("select work.retry_failed_items(:job, 'anna')", job=job)
    assert post.send().sent == 1
    assert post.message().status is MessageStatus.SENT
    assert len(post.mails("corrected@kunde.example")) == 1


def test_nothing_goes_out_for_a_void_invoice_nor_for_what_is_none_of_the_organization(post: Post) -> None:
    invoice = post.invoice(email="void@kunde.example")
    post.desk.behind(
        f"""update billing.invoice set status = 'void', void_reason = 'wrong', voided_at = now(), voided_by = 'anna'
            where id = '{invoice}'"""
    )
    assert post.ask_and_send([invoice, "nonsense", str(uuid4())]).failed == 3
    assert [item.error_code for item in post.items()] == ["VOID", "NOT_FOUND", "NOT_FOUND"]
    assert (post.mails("void@kunde.example"), post.messages()) == ([], [])


def test_a_hostile_name_adds_no_header_and_no_markup(post: Post) -> None:
    name = "<script>x</script>\r\nBcc: all@evil.example\n\n{{ organization.name }}\u202egpj.exe"
    invoice = post.invoice(email="hostile@kunde.example", name=name)
    post.ask_and_send([invoice], subject="For {{ customer.name }}")
    (received,) = post.mails("hostile@kunde.example")
    assert received["Bcc"] is None
    assert received["Subject"] == "For <script>x</script> Bcc: all@evil.example {{ organization.name }}gpj.exe"
    html = received.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


def test_an_organization_that_is_not_set_up_keeps_its_messages(post: Post) -> None:
    post.wish(sms_from=None)
    post.ask([post.invoice(), post.invoice()], "sms")
    report = post.send()
    assert (report.postponed, report.failed, report.postponed_by_reason) == (2, 0, {"NOT_SET_UP": 2})
    assert {(item.status, item.error_code, item.attempts) for item in post.items()} == {("pending", "NOT_SET_UP", 0)}
    post.wish()
    post.due_now()
    assert post.send(twilio_account_sid=None).postponed_by_reason == {"NOT_SET_UP": 2}  # as without a mail server
    post.due_now()
    assert post.send().sent == 2


def test_test_mode_sends_all_to_one_address_and_says_for_whom_it_was(post: Post) -> None:
    invoice = post.invoice(email="real@kunde.example")
    post.wish(redirect_email="tester@desk.example", redirect_phone="+4915199999999")
    post.ask([invoice])
    post.ask([invoice], "sms")
    post.send()
    assert post.mails("real@kunde.example") == []
    (received,) = post.mails("tester@desk.example")
    assert received["Subject"].startswith("[for real@kunde.example] Rechnung ")
    by_channel = {message.channel: message for message in post.messages()}
    assert by_channel["email"].redirected_from == "real@kunde.example"
    (sms,) = post.twilio.messages("+4915199999999")
    assert sms.body.startswith("[for +4915123456789] ")
    post.ask([invoice])
    post.send(redirect_email="ours@deployment.example")  # stands above that of the organization
    assert (len(post.mails("ours@deployment.example")), len(post.mails("tester@desk.example"))) == (1, 1)
    post.wish()
    post.ask_and_send([invoice])
    assert len(post.mails("real@kunde.example")) == 1


def test_a_run_stops_when_asked_and_gives_back_what_it_has_not_begun(post: Post) -> None:
    post.wish(emails_per_minute=1)
    post.ask([post.invoice() for _ in range(3)])
    report = send_messages(post.context(), time_box=timedelta(seconds=1.5))
    assert (report.sent, report.ended, report.due) == (1, "time box", 2)
    assert {item.attempts for item in post.items() if item.status == "pending"} == {0}


@pytest.mark.parametrize("senders", [1, 2])
def test_a_run_that_is_interrupted_ends_the_message_it_has_begun(post: Post, senders: int) -> None:
    seen = threading.Event()

    def interrupted(*_: object) -> None:
        seen.set()
        raise KeyboardInterrupt

    def interrupt(_: Outgoing) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert seen.wait(20)

    post.ask([post.invoice(email="begun@kunde.example")])
    handler = signal.signal(signal.SIGINT, interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            post.send_by(Watched(post, before=interrupt), message_senders=senders)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert post.attempts() == [("send", "accepted", None)]
    assert (post.message().status, post.item().status) == (MessageStatus.SENT, "succeeded")


def test_only_jobs_over_invoices_are_done_for_one_of_them(post: Post) -> None:
    reminded = post.invoice()
    post.reminder(reminded)
    job = post.ask([post.invoice()])
    report = send_messages(post.context(), time_box=timedelta(seconds=30), job_id=job)
    assert report.sent == 1
    assert post.desk.job(job).status == "completed"


def test_another_organizations_invoice_text_and_address_never_appear(post: Post) -> None:
    other = post.stranger()
    other.wish(redirect_email="other@other.example")
    text = MessageTemplate(TemplateKey(Purpose.INVOICE, 0, "email", "de"), "SECRET of the other", "SECRET")
    other.do(set_message_template, text, created_by="eve")
    theirs = other.invoice(email="secret@other.example")
    mine = post.invoice(email="mine@kunde.example")
    report = post.ask_and_send([mine, theirs])
    assert (report.sent, report.failed) == (1, 1)
    assert other.messages() == []
    (received,) = post.mails("mine@kunde.example")
    assert "SECRET" not in received["Subject"] + text_of(received)
    post.ask_and_send([theirs])
    assert post.mails("secret@other.example") == []


def test_runs_side_by_side_share_the_messages_and_the_rate(post: Post) -> None:
    post.wish(sms_per_minute=300)
    numbers = [f"+491520{post.desk.organization_id.int % 10**5:05d}{n:02d}" for n in range(8)]
    post.ask([post.invoice(phone=number) for number in numbers], "sms")
    with ThreadPoolExecutor(2) as pool:  # each with a database session and channels of its own
        reports = list(pool.map(lambda _: post.send(), range(2)))
    assert sum(report.sent for report in reports) == len(numbers)
    assert [len(post.twilio.messages(number)) for number in numbers] == [1] * len(numbers)
    times = [row.started_at for row in post.desk.rows("select started_at from delivery.message_attempt")]
    assert (max(times) - min(times)).total_seconds() > (len(numbers) - 1 - 4) * 0.2  # four threads may hold a turn


@pytest.mark.slow
def test_an_answer_that_takes_longer_than_the_lease_keeps_the_entry(post: Post) -> None:
    post.mail.faults.inject(Fault.SLOW, recipient="slow@kunde.example", seconds=8)
    post.ask([post.invoice(email="slow@kunde.example")])
    patient = {"lease_seconds": 5, "smtp_timeout_seconds": 20.0, "message_senders": 1}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: post.send(**patient))
        wait_for("the entry", lambda: post.item().status == "processing")

        def is_over_and_was_left_alone() -> bool:
            assert post.send(**patient).done == 0
            return first.done()

        wait_for("the answer", is_over_and_was_left_alone)
        assert first.result().sent == 1
    assert post.attempts() == [("send", "accepted", None)]
