"""What providers report is written down once, for the organization whose message it is about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from invoice_pipelines.delivery.channels.channel import Outgoing
from invoice_pipelines.delivery.channels.mail import MailChannel
from invoice_pipelines.delivery.channels.twilio import TwilioChannel
from invoice_pipelines.delivery.sending.provider_reports import ReportsRead, read_mailbox, read_statuses
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.mail import Fault as MailFault
from invoice_pipelines.workshop.sandbox.mail import MailServer, ReportStyle
from invoice_pipelines.workshop.sandbox.mail.server import BOUNCES
from invoice_pipelines.workshop.sandbox.twilio import Fault as TwilioFault
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.delivery.conftest import settings_of
from invoice_pipelines_tests.support.delivery.channels.outgoing import CUSTOMER, email, sms, whatsapp


@dataclass
class SentMessages:
    """Organizations with messages that went out, and how the reports on them are read."""

    database: TestDatabase
    ids: dict[str, UUID]

    def keep(self, channel: str, slug: str = "acme", **columns: Any) -> UUID:
        """A message that went out, as a row."""
        values: dict[str, Any] = {"header": None, "provider_id": None, "age": 0} | columns
        with self.database.superuser.begin() as connection:
            made: UUID = connection.execute(
                text(
                    """insert into delivery.message (
                           organization_id, invoice_id, invoice_number, customer_id, purpose, channel, recipient,
                           address, status, composed_at, sent_at, message_id_header, provider_id)
                       values (:organization, gen_random_uuid(), 'RE-1', gen_random_uuid(),
                           'invoice', :channel, :customer, :customer, 'sent', now(),
                           now() - make_interval(hours => :age), :header, :provider_id) returning id"""
                ),
                values | {"organization": self.ids[slug], "channel": channel, "customer": CUSTOMER},
            ).scalar_one()
        return made

    def mailed(self, server: MailServer, fault: MailFault | None = None, slug: str = "acme") -> UUID:
        """A message that went out to a mail server, which a fault befalls there."""
        outgoing = email()
        if fault is not None:
            server.faults.inject(fault, recipient=CUSTOMER)
        send_mail(server, outgoing)
        return self.keep("email", slug, header=outgoing.message_id_header)

    def read(self, settings: Settings, slug: str = "acme") -> ReportsRead:
        """All reports that concern an organization, as the job reads them."""
        of_phones = read_statuses(self.database.engine, settings, self.ids[slug])
        of_emails = read_mailbox(self.database.engine, settings)
        return ReportsRead(
            *(getattr(of_phones, each.name) + getattr(of_emails, each.name) for each in fields(ReportsRead))
        )

    def found(self, *messages: UUID) -> list[tuple[str, str | None]]:
        with self.database.superuser.connect() as connection:
            rows = connection.execute(text("select id, status, error_code from delivery.message"))
            by_id = {row.id: (row.status, row.error_code) for row in rows}
        return [by_id[message] for message in messages]


@pytest.fixture
def database(emptied_database: TestDatabase) -> TestDatabase:
    return emptied_database


@pytest.fixture
def books(database: TestDatabase, make_organization: Callable[[str], UUID]) -> SentMessages:
    return SentMessages(database, {slug: make_organization(slug) for slug in ("acme", "other")})


def send_mail(server: MailServer, outgoing: Outgoing) -> None:
    with closing(MailChannel(settings_of(server, None))) as channel:
        channel.send(outgoing)


@pytest.mark.parametrize("style", ReportStyle)
def test_a_bounced_email_is_marked_and_its_report_read_once(books: SentMessages, style: ReportStyle) -> None:
    with MailServer(report_style=style) as server:
        good, bad, late = (books.mailed(server, each) for each in (None, MailFault.BOUNCE, MailFault.DELAY_REPORT))
        assert books.read(settings_of(server, None)) == ReportsRead(bounced=1, emails=2)
        assert books.found(good, bad, late) == [("sent", None), ("bounced", "5.1.1"), ("sent", None)]
        assert books.read(settings_of(server, None)) == ReportsRead()


def test_a_report_reaches_the_organization_of_its_message_whoever_reads_it(
    books: SentMessages, mail_server: MailServer
) -> None:
    mine, not_mine = books.mailed(mail_server, MailFault.BOUNCE), books.mailed(mail_server, slug="other")
    assert books.read(settings_of(mail_server, None), "other").bounced == 1
    assert books.found(mine, not_mine) == [("bounced", "5.1.1"), ("sent", None)]


def test_who_asks_for_the_owner_of_a_message_learns_nothing_else(books: SentMessages) -> None:
    books.keep("email", header="<a@acme.example>")
    with books.database.engine.connect() as connection:
        result = connection.execute(text("select * from delivery.organizations_of_message('<a@acme.example>')"))
        assert list(result.keys()) == ["organization_id"]
        assert [row[0] for row in result] == [books.ids["acme"]]
        for guess in ("%", "<a@%", "", "<A@acme.example>"):
            asked = text("select count(*) from delivery.organizations_of_message(:guess)")
            assert connection.execute(asked, {"guess": guess}).scalar() == 0
    with books.database.superuser.connect() as connection:
        connection.execute(text("set role invoice_pipelines_overview"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("select recipient from delivery.message"))


def test_reports_about_strangers_and_about_blind_copies_and_other_mail_change_nothing(
    books: SentMessages, mail_server: MailServer
) -> None:
    mail_server.faults.inject(MailFault.BOUNCE, recipient=CUSTOMER)
    send_mail(mail_server, email())  # of a message that nobody here knows
    mail_server.faults.inject(MailFault.BOUNCE, recipient=mail_server.archive)
    mine = books.mailed(mail_server)
    send_mail(mail_server, other := email(recipient=BOUNCES))
    read = books.read(settings_of(mail_server, None))
    assert (read.emails, read.of_nobody, read.of_copies, read.bounced) == (2, 1, 1, 0)
    assert books.found(mine) == [("sent", None)]
    (left,) = [each for each in mail_server._store.copies(BOUNCES) if each.message_id == other.message_id_header]
    assert not left.flags


def test_twilio_s_statuses_are_asked_for_once_they_are_of_use(books: SentMessages, twilio_server: TwilioServer) -> None:
    settings = settings_of(None, twilio_server)

    def send(kind: Callable[[], Outgoing], fault: TwilioFault | None = None, age: int = 0) -> UUID:
        if fault is not None:
            twilio_server.faults.inject(fault)
        outgoing = kind()
        return books.keep(outgoing.channel, provider_id=channel.send(outgoing).provider_id, age=age)

    with closing(TwilioChannel(settings)) as channel:
        messages = [
            send(sms),
            send(sms, TwilioFault.UNDELIVERED),
            send(whatsapp, TwilioFault.FAILED),
            send(sms, age=100),
            books.keep("sms", provider_id="SM" + "0" * 32),
        ]
    read = books.read(settings)
    assert (read.asked, read.delivered, read.bounced, read.problems) == (4, 1, 2, ())
    ended = [("delivered", None), ("bounced", "30003"), ("bounced", "63016")]
    assert books.found(*messages) == [*ended, ("sent", None), ("sent", None)]
    assert books.read(settings) == ReportsRead()


def test_a_provider_that_cannot_be_asked_does_not_keep_the_other_from_it_nor_one_that_is_not_set_up(
    books: SentMessages, mail_server: MailServer, twilio_server: TwilioServer
) -> None:
    assert books.read(settings_of(None, None)) == ReportsRead()
    mine = books.mailed(mail_server, MailFault.BOUNCE)
    books.keep("sms", provider_id="SM" + "0" * 32)
    read = books.read(settings_of(mail_server, twilio_server, twilio_url="http://127.0.0.1:1"))
    assert len(read.problems) == 1
    assert "127.0.0.1:1" in read.problems[0]
    assert books.found(mine) == [("bounced", "5.1.1")]
