"""The asset of messages: what a run sends, what it shows of that, and what its checks say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from invoice_pipelines.billing import void_invoice
from invoice_pipelines.billing.payments import record_payment
from invoice_pipelines.defs.checks import evaluated
from invoice_pipelines.delivery.promises import OF_MESSAGES
from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines.workshop.sandbox.mail import Fault, MailServer
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.integration.defs.delivery.conftest import PostRoom, failed_checks, shown

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def test_what_waits_is_sent_once_and_shown_by_channel_and_status_with_reasons(
    post_room: PostRoom, mail: MailServer, twilio: TwilioServer
) -> None:
    post_room.open("acme", "beta", sms_from="+4930123456")
    invoices = post_room.issue("acme", 3)
    post_room.change("acme", "update billing.customer set email = 'nobody' where customer_number = 'C2'")
    post_room.change("acme", "update billing.customer set phone = '+49 171 3920001' where customer_number = 'C1'")
    post_room.ask_for_messages("acme", invoices, method="email")
    post_room.ask_for_messages("acme", invoices[:1], method="sms")
    post_room.ask_for_messages("beta", post_room.issue("beta", 1), method="email")
    result = post_room.run("acme")
    assert result.success
    metadata = shown(result, "messages")
    assert (metadata["sent"], metadata["failed"], metadata["of unknown outcome"]) == (3, 1, 0)
    assert metadata["newest by status"] == [
        {"channel": "email", "purpose": "invoice", "sent": 2, "failed": 1},
        {"channel": "sms", "purpose": "invoice", "sent": 1, "failed": 0},
    ]
    assert metadata["sent by channel"] == [{"channel": "email", "messages": 2}, {"channel": "sms", "messages": 1}]
    (failure,) = metadata["failures"]
    assert (failure["invoice"], failure["code"]) == (post_room.number("acme", invoices[1]), "BAD_ADDRESS")
    assert failed_checks(result) == {}
    assert len(mail.messages("rechnung1@kaeufer.example")) == 1
    assert [sent.to for sent in twilio.messages()] == ["+491713920001"]
    assert mail.count() == 2  # beta's waits for its own run

    again = shown(post_room.run("acme"), "messages")
    assert ("nothing to do" in again, mail.count()) == (True, 2)


def test_one_run_makes_and_sends_what_is_asked_for_at_issue_and_reminds_of_what_is_overdue_still(
    post_room: PostRoom, mail: MailServer
) -> None:
    post_room.open("acme")
    post_room.house.behind(
        """update organizations.organization
           set settings = settings || '{"overdue_channels": ["email"]}', created_at = now() - interval '90 days'"""
    )
    month_ago = (datetime.now(UTC) - timedelta(days=30)).date()
    overdue, paid = post_room.issue("acme", 2, invoice_date=month_ago)
    post_room.issue("acme", 1, generate_pdf=True, send_immediately=True, communication_method="email")
    notify_overdue(post_room.context("acme"))
    with post_room.scope("acme") as connection:
        record_payment(connection, paid, Decimal(119), recorded_by="anna")
    assert post_room.asked_for() == ["acme"]
    result = post_room.run("acme")
    assert result.success
    assert failed_checks(result) == {}
    assert {row["purpose"] for row in shown(result, "messages")["newest by status"]} == {"invoice", "reminder"}
    reminded = "select invoice_id from public.outgoing_messages where purpose = 'reminder'"
    assert post_room.house.rows("acme", reminded) == [(overdue,)]
    assert post_room.house.rows("acme", "select version from public.invoice_documents") == [(1,), (1,)]
    assert [b"application/pdf" in received.data for received in mail.messages()] == [True, True]
    assert post_room.asked_for() == []


@pytest.mark.slow
def test_messages_in_quiet_hours_wait_and_say_until_when(post_room: PostRoom, twilio: TwilioServer) -> None:
    now = datetime.now(ZoneInfo("Europe/Berlin"))
    hours = {"quiet_from": f"{now - timedelta(hours=1):%H:%M}", "quiet_until": f"{now + timedelta(hours=1):%H:%M}"}
    post_room.open("acme", sms_from="+4930123456", **hours)
    post_room.ask_for_messages("acme", post_room.issue("acme", 1), method="sms")
    metadata = shown(post_room.run("acme"), "messages")
    assert (metadata["sent"], metadata["put off"]) == (0, 1)
    (waiting,) = metadata["waiting because"]
    assert (waiting["code"], waiting["items"]) == ("QUIET_HOURS", 1)
    assert post_room.asked_for() == []
    assert twilio.messages() == []


@pytest.mark.slow
def test_an_email_of_which_nobody_knows_whether_it_went_out_is_warned_of(
    post_room: PostRoom, mail: MailServer, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INVOICE_PIPELINES_IMAP_HOST")
    configure()
    post_room.open("acme")
    mail.faults.inject(Fault.DROP_AFTER_ACCEPT, times=1)
    post_room.ask_for_messages("acme", post_room.issue("acme", 1), method="email")
    post_room.run("acme")
    post_room.change("acme", "update work.batch_item set available_at = now() where status = 'pending'")
    result = post_room.run("acme")
    assert failed_checks(result) == {"every_message_has_an_outcome": WARN}
    assert shown(result, "messages")["of unknown outcome"] == 1


def test_each_broken_promise_fails_its_check(post_room: PostRoom, mail: MailServer) -> None:
    post_room.open("acme")
    invoices = post_room.issue("acme", 4)
    post_room.ask_for_messages("acme", invoices, method="email")
    post_room.send("acme")
    first, second, third, _ = (
        row[0]
        for row in post_room.house.rows("acme", "select id from public.outgoing_messages order by invoice_number")
    )
    post_room.house.behind(
        """insert into delivery.message_attempt (organization_id, message_id, attempt, ended_at, outcome, worker)
           select organization_id, message_id, attempt + 1, ended_at, outcome, worker from delivery.message_attempt
           where message_id = :id""",
        id=first,
    )
    with post_room.scope("acme") as connection:
        void_invoice(connection, invoices[1], reason="wrong", voided_by="anna")
    post_room.change(
        "acme", "update delivery.message set sent_at = now() + interval '1 minute' where id = :id", id=second
    )
    post_room.change("acme", "update delivery.message set status = 'sending' where id = :id", id=third)
    post_room.house.behind("update delivery.message_attempt set started_at = now() - interval '2 hours'")
    with post_room.scope("acme") as connection:
        found = {result.check_name: result for result in evaluated(OF_MESSAGES, connection) if not result.passed}
    assert {name: result.severity for name, result in found.items()} == {
        "nobody_is_told_twice": ERROR,
        "no_message_of_void_invoices": ERROR,
        "every_message_has_an_outcome": ERROR,
    }
