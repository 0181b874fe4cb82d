"""What providers report is written down once, for the organization whose message it is about."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.delivery.channels.mail import MailChannel
from invoice_pipelines.delivery.channels.twilio import TwilioChannel
from invoice_pipelines.delivery.sending.provider_reports import ReportsRead, read_mailbox, read_statuses
from invoice_pipelines.organizations import Organization, find_organization
from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.mail import Fault as MailFault
from invoice_pipelines.workshop.sandbox.mail import MailServer, ReportStyle
from invoice_pipelines.workshop.sandbox.mail.server import BOUNCES
from invoice_pipelines.workshop.sandbox.twilio import Fault as TwilioFault
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.delivery.conftest import settings_of
from invoice_pipelines_tests.support.delivery.channels.outgoing import CUSTOMER, email, sms, whatsapp


def refresh_reports(engine: Engine, settings: Settings, organization: Organization) -> ReportsRead:
    """All reports that concern an organization, as the job reads them."""
    of_phones, of_emails = read_statuses(engine, settings, organization.id), read_mailbox(engine, settings)
    return ReportsRead(*(getattr(of_phones, each.name) + getattr(of_emails, each.name) for each in fields(ReportsRead)))


@pytest.fixture
def acme(database: TestDatabase, make_organization: Callable[[str], uuid.UUID]) -> Organization:
    make_organization("acme")
    return find_organization(database.engine, "acme")


def keep(database: TestDatabase, organization: Organization, channel: str, **fields: Any) -> uuid.UUID:
    """A message that went out, as a row."""
    values = {
        "organization": organization.id,
        "id": uuid.uuid4(),
        "invoice": uuid.uuid4(),
        "channel": channel,
        "recipient": CUSTOMER,
        "header": None,
        "provider_id": None,
        "age": 0,
    } | fields
    with database.superuser.begin() as connection:
        connection.execute(
            text(
                """insert into delivery.message (
                       organization_id, id, invoice_id, invoice_number, customer_id, purpose, channel, recipient,
                       address, status, composed_at, sent_at, message_id_header, provider_id)
                   values (:organization, :id, :invoice, 'RE-1', gen_random_uuid(),
                       'invoice', :channel, :recipient, :recipient, 'sent', now(),
                       now() - make_interval(hours => :age), :header, :provider_id)"""
            ),
            values,
        )
    return uuid.UUID(str(values["id"]))


def found(database: TestDatabase, organization: Organization, message_id: uuid.UUID) -> tuple[str, str | None]:
    with organization_scope(database.engine, organization.id) as connection:
        row = connection.execute(
            text("select status, error_code from delivery.message where id = :id"), {"id": message_id}
        ).one()
    return row.status, row.error_code


def send_email(server: MailServer, settings: Settings, fault: MailFault | None) -> str:
    outgoing = email()
    if fault is not None:
        server.faults.inject(fault, recipient=CUSTOMER)
    channel = MailChannel(settings)
    channel.send(outgoing)
    channel.close()
    return str(outgoing.message_id_header)


@pytest.mark.parametrize("style", ReportStyle)
def test_a_bounced_email_is_marked_and_its_report_read_once(
    database: TestDatabase, acme: Organization, style: ReportStyle
) -> None:
    with MailServer(report_style=style) as server:
        settings = settings_of(server, None)
        good = keep(database, acme, "email", header=send_email(server, settings, None))
        bad = keep(database, acme, "email", header=send_email(server, settings, MailFault.BOUNCE))
        late = keep(database, acme, "email", header=send_email(server, settings, MailFault.DELAY_REPORT))
        assert refresh_reports(database.engine, settings, acme) == ReportsRead(bounced=1, emails=2)
        assert found(database, acme, bad) == ("bounced", "5.1.1")
        assert found(database, acme, good) == found(database, acme, late) == ("sent", None)
        assert refresh_reports(database.engine, settings, acme) == ReportsRead()


def test_a_report_reaches_the_organization_of_its_message_whoever_reads_it(
    database: TestDatabase, acme: Organization, make_organization: Callable[[str], uuid.UUID], mail_server: MailServer
) -> None:
    make_organization("other")
    other = find_organization(database.engine, "other")
    settings = settings_of(mail_server, None)
    mine = keep(database, acme, "email", header=send_email(mail_server, settings, MailFault.BOUNCE))
    not_mine = keep(database, other, "email", header=send_email(mail_server, settings, None))
    read = refresh_reports(database.engine, settings, other)
    assert read.bounced == 1
    assert found(database, acme, mine) == ("bounced", "5.1.1")
    assert found(database, other, not_mine) == ("sent", None)


def test_who_asks_for_the_owner_of_a_message_learns_nothing_else(database: TestDatabase, acme: Organization) -> None:
    keep(database, acme, "email", header="<a@acme.example>")
    with database.engine.connect() as connection:
        result = connection.execute(text("select * from delivery.organizations_of_message('<a@acme.example>')"))
        assert list(result.keys()) == ["organization_id"]
        assert [row[0] for row in result] == [acme.id]
        for guess in ("%", "<a@%", "", "<A@acme.example>"):
            asked = text("select count(*) from delivery.organizations_of_message(:guess)")
            assert connection.execute(asked, {"guess": guess}).scalar() == 0
    with database.superuser.connect() as connection:
        connection.execute(text("set role invoice_pipelines_overview"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("select recipient from delivery.message"))


def test_reports_about_strangers_and_about_blind_copies_change_nothing(
    database: TestDatabase, acme: Organization, mail_server: MailServer
) -> None:
    settings = settings_of(mail_server, None)
    send_email(mail_server, settings, MailFault.BOUNCE)  # of a message that nobody here knows
    mail_server.faults.inject(MailFault.BOUNCE, recipient=mail_server.archive)
    mine = keep(database, acme, "email", header=send_email(mail_server, settings, None))
    read = refresh_reports(database.engine, settings, acme)
    assert (read.emails, read.of_nobody, read.of_copies, read.bounced) == (2, 1, 1, 0)
    assert found(database, acme, mine) == ("sent", None)


def test_other_mail_of_the_folder_is_left_unread(
    database: TestDatabase, acme: Organization, mail_server: MailServer
) -> None:
    settings = settings_of(mail_server, None)
    channel = MailChannel(settings)
    channel.send(email(recipient=BOUNCES))
    channel.close()
    assert refresh_reports(database.engine, settings, acme).emails == 0
    (copy,) = mail_server._store.copies(BOUNCES)
    assert not copy.flags


def test_twilio_s_statuses_are_asked_for_once_they_are_of_use(
    database: TestDatabase, acme: Organization, twilio_server: TwilioServer
) -> None:
    settings = settings_of(None, twilio_server)
    channel = TwilioChannel(settings)

    def send(kind: Callable[[], Any], fault: TwilioFault | None, name: str, age: int = 0) -> uuid.UUID:
        if fault is not None:
            twilio_server.faults.inject(fault)
        provider_id = channel.send(kind()).provider_id
        return keep(database, acme, name, provider_id=provider_id, age=age)

    delivered = send(sms, None, "sms")
    undelivered = send(sms, TwilioFault.UNDELIVERED, "sms")
    failed = send(whatsapp, TwilioFault.FAILED, "whatsapp")
    old = send(sms, None, "sms", age=100)
    lost = keep(database, acme, "sms", provider_id="SM" + "0" * 32)
    channel.close()
    read = refresh_reports(database.engine, settings, acme)
    assert (read.asked, read.delivered, read.bounced, read.problems) == (4, 1, 2, ())
    assert found(database, acme, delivered) == ("delivered", None)
    assert found(database, acme, undelivered) == ("bounced", "30003")
    assert found(database, acme, failed) == ("bounced", "63016")
    assert found(database, acme, old) == found(database, acme, lost) == ("sent", None)
    assert refresh_reports(database.engine, settings, acme) == ReportsRead()


def test_a_provider_that_cannot_be_asked_does_not_keep_the_other_from_it(
    database: TestDatabase, acme: Organization, mail_server: MailServer, twilio_server: TwilioServer
) -> None:
    settings = settings_of(mail_server, twilio_server, twilio_url="http://127.0.0.1:1")
    mine = keep(database, acme, "email", header=send_email(mail_server, settings, MailFault.BOUNCE))
    keep(database, acme, "sms", provider_id="SM" + "0" * 32)
    read = refresh_reports(database.engine, settings, acme)
    assert len(read.problems) == 1
    assert "127.0.0.1:1" in read.problems[0]
    assert found(database, acme, mine) == ("bounced", "5.1.1")


def test_what_is_not_set_up_is_left_out(database: TestDatabase, acme: Organization) -> None:
    assert refresh_reports(database.engine, settings_of(None, None), acme) == ReportsRead()
