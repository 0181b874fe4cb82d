"""Senders are killed at random moments while servers fail in every way: each message is received once, none is lost.

Where the channel cannot tell what became of a message, it is never sent twice, and a person is told of it.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.mail.faults import Fault as MailFault
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines.workshop.sandbox.twilio.faults import Fault as TwilioFault
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.delivery.messages.conftest import Post, open_post, stored_settings
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.workers import worker_maker

pytestmark = pytest.mark.slow

MESSAGES, KILLS = size(120, 2000), size(4, 20)
ENDS_WITHIN = size(30, 400)

MAIL_FAULTS = [
    MailFault.BUSY,
    MailFault.MAILBOX_BUSY,
    MailFault.UNKNOWN_RECIPIENT,
    MailFault.DROP_IN_DATA,
    MailFault.LOCAL_ERROR,
    MailFault.DROP_BEFORE_ACCEPT,
    MailFault.DROP_AFTER_ACCEPT,
    MailFault.GARBLED,
    MailFault.SLOW,
]
TWILIO_FAULTS = [
    TwilioFault.TOO_MANY_REQUESTS,
    TwilioFault.INTERNAL_ERROR,
    TwilioFault.INTERNAL_ERROR_AFTER,
    TwilioFault.SERVICE_UNAVAILABLE,
    TwilioFault.DROP_BEFORE_ACCEPT,
    TwilioFault.DROP_AFTER_ACCEPT,
    TwilioFault.CUT_ANSWER,
    TwilioFault.NOT_MOBILE,
    TwilioFault.SLOW,
]


@contextmanager
def senders(post: Post, folder: Path) -> Iterator[Callable[[], int]]:
    """Each call starts another process and gives its id."""
    file = folder / "settings.json"
    file.write_text(stored_settings(post.settings))
    with worker_maker("delivery.sender", post.desk.url, file, post.organization.slug) as start:
        yield start


def many_invoices(post: Post, count: int) -> list[UUID]:
    """To forty customers in turn."""
    orders = post.desk.many_orders(count, lines=1)
    post.desk.invoice(orders)
    post.desk.behind(
        """insert into billing.customer (organization_id, customer_number, name, country_code, email, phone)
           select '{organization}', 'K' || n, 'Kunde ' || n, 'DE', 'k' || n || '@kunde.example',
                  '+49151' || lpad((10000000 + n)::text, 8, '0')
           from generate_series(0, 39) n;
           alter table billing.invoice disable trigger user;
           update billing.invoice i set customer_id = c.id
           from (select n.invoice_id, row_number() over (order by n.number) as place from billing.invoice_number n
                 where n.organization_id = '{organization}') n, billing.customer c
           where i.organization_id = '{organization}' and i.id = n.invoice_id
             and c.organization_id = '{organization}' and c.customer_number = 'K' || mod(n.place, 40);
           alter table billing.invoice enable trigger user"""
    )
    return [row.id for row in post.desk.rows("select id from billing.invoice")]


def killed_at_random(post: Post, folder: Path, seed: int, in_doubt: int = 0) -> None:
    """Two senders work, one of them is killed now and then, until nothing is left to do. Servers fail until so many
    messages are `in_doubt`, which on a busy machine takes longer than the kills.
    """
    moments = random.Random(seed)
    with senders(post, folder) as start:
        running = [start(), start()]
        for _ in range(KILLS):
            time.sleep(moments.uniform(0.1, 1.0))  # to be killed at any moment
            victim = moments.randrange(2)
            os.kill(running[victim], signal.SIGKILL)
            running[victim] = start()
            post.due_now()
        wait_for(
            "enough in doubt",
            lambda: sum(message.status is MessageStatus.UNKNOWN for message in post.messages()) >= in_doubt,
            ENDS_WITHIN,
            instead=post.attempts,
        )
        post.mail.faults.clear()
        post.twilio.faults.clear()

        def all_ended() -> bool:
            post.due_now()
            return not any(item.status in ("pending", "processing") for item in post.items())

        wait_for(
            "the end of all",
            all_ended,
            ENDS_WITHIN,
            instead=lambda: Counter((item.status, item.error_code, item.error_message) for item in post.items()),
        )
        for process in running:
            os.kill(process, signal.SIGKILL)


def assert_once_each(post: Post) -> None:
    """What was received, what is on record and what the attempts say is the same."""
    emails = Counter(received.message_id for received in post.mail.messages())
    texts = Counter(message.sid for message in post.twilio.messages())
    bodies = Counter((message.to, message.body) for message in post.twilio.messages())
    assert not [header for header, times in emails.items() if times > 1]
    assert not [body for body, times in bodies.items() if times > 1]
    messages = post.messages()
    by_status = Counter((message.channel, message.status) for message in messages)
    assert {status for _, status in by_status} <= {MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.UNKNOWN}
    sent = {m.message_id_header for m in messages if (m.channel, m.status) == ("email", MessageStatus.SENT)}
    unknown = {m.message_id_header for m in messages if m.status is MessageStatus.UNKNOWN}
    assert sent <= set(emails) <= sent | unknown
    assert {m.provider_id for m in messages if m.channel == "sms" and m.provider_id} == set(texts)
    for failed in (m for m in messages if m.status is MessageStatus.FAILED):
        assert failed.message_id_header not in emails
    assert not post.desk.rows(
        """select message_id from delivery.message_attempt where outcome in ('accepted', 'found')
           group by message_id having count(*) > 1"""
    )
    assert not post.desk.rows("select * from delivery.message_attempt where outcome is null")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[MailServer, TwilioServer]]:
    with MailServer() as mail, TwilioServer() as twilio:
        yield mail, twilio


def test_each_message_is_received_once_where_the_channel_can_tell(
    message_database: TestDatabase, servers: tuple[MailServer, TwilioServer], tmp_path: Path
) -> None:
    post = open_post(message_database, *servers, tmp_path)
    post.settings = post.settings.model_copy(
        update={"lease_seconds": 5, "look_up_after_seconds": 1.0, "message_senders": 4, "message_attempts": 50}
    )
    invoices = many_invoices(post, MESSAGES // 2)
    post.ask(invoices)
    post.ask(invoices, "sms")
    post.mail.faults.at_random(0.06, 1, MAIL_FAULTS, seconds=0.5)
    post.twilio.faults.at_random(0.1, 2, TWILIO_FAULTS, seconds=0.5)
    killed_at_random(post, tmp_path, 20261121)
    messages = post.messages()
    assert len(messages) == len(invoices) * 2
    assert_once_each(post)
    assert {m.status for m in messages} <= {MessageStatus.SENT, MessageStatus.FAILED}
    refused = {m.error_code for m in messages if m.status is MessageStatus.FAILED}
    assert refused <= {"ADDRESS_REFUSED"}
    assert len([m for m in messages if m.status is MessageStatus.SENT]) > 0.8 * len(messages)


def test_without_a_mailbox_none_is_sent_twice_and_a_person_is_told_of_all_that_are_in_doubt(
    message_database: TestDatabase, servers: tuple[MailServer, TwilioServer], tmp_path: Path
) -> None:
    post = open_post(message_database, *servers, tmp_path)
    post.settings = post.settings.model_copy(
        update={
            "lease_seconds": 5,
            "look_up_after_seconds": 0.5,
            "message_senders": 4,
            "message_attempts": 50,
            "imap_host": None,
            "email_archive_to": None,
        }
    )
    invoices = many_invoices(post, MESSAGES // 2)
    post.ask(invoices)
    post.mail.faults.inject(MailFault.DROP_AFTER_ACCEPT, recipient="k1@kunde.example")
    post.mail.faults.inject(MailFault.DROP_BEFORE_ACCEPT, recipient="k2@kunde.example")
    post.mail.faults.at_random(0.06, 3, MAIL_FAULTS, seconds=0.5)
    killed_at_random(post, tmp_path, 20261122, in_doubt=2)
    assert_once_each(post)
    by_status = Counter(message.status for message in post.messages())
    assert by_status.total() == len(invoices)
    assert by_status[MessageStatus.UNKNOWN] >= 2
    told = [item for item in post.items() if item.error_code == "OUTCOME_UNKNOWN"]
    assert len(told) == by_status[MessageStatus.UNKNOWN]
