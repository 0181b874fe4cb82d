"""What is known of an email after each thing that a mail server can do."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from pydantic import SecretStr

from invoice_pipelines.delivery.channels import mail as mail_module
from invoice_pipelines.delivery.channels.channel import (
    Attachment,
    NotAccepted,
    OutcomeUnknown,
    Refused,
    Unavailable,
    channel_of,
    channels,
)
from invoice_pipelines.delivery.channels.mail import MailChannel
from invoice_pipelines.workshop.sandbox.mail import Fault, MailServer
from invoice_pipelines_tests.integration.delivery.channels.conftest import OpenMail, not_accepted, received, told
from invoice_pipelines_tests.integration.delivery.conftest import settings_of
from invoice_pipelines_tests.support.delivery.channels.outgoing import CUSTOMER, email
from invoice_pipelines_tests.support.sizes import size

NOW = datetime.now(UTC)


def kept(server: MailServer, message_id: str | None) -> int:
    return sum(one.message_id == message_id for one in server.messages(server.archive))


def test_a_message_reaches_the_customer_and_the_archive_once(mail: MailChannel, mail_server: MailServer) -> None:
    outgoing = email()
    accepted = mail.send(outgoing)
    there = received(mail_server, outgoing)
    assert there.envelope_to == (CUSTOMER, mail_server.archive)
    assert there.envelope_from == "bounces@sandbox.example"
    assert accepted.provider_id
    assert "250" in accepted.detail
    message = message_from_bytes(there.data, policy=policy.default)
    assert message["To"] == CUSTOMER
    assert mail_server.archive.encode() not in there.data
    assert mail.look_up(outgoing, NOW).went_out is True


FAULTS: list[tuple[Fault, type[Exception], str, bool]] = [
    (Fault.CLOSE_AT_CONNECT, Unavailable, "CONNECTION", True),
    (Fault.BUSY, Unavailable, "MAIL_SERVER_BUSY", True),
    (Fault.AUTH_FAILED, Unavailable, "LOGIN_REFUSED", True),
    (Fault.AUTH_BUSY, Unavailable, "MAIL_SERVER_BUSY", True),
    (Fault.CLOSING, Unavailable, "MAIL_SERVER_BUSY", True),
    (Fault.SENDER_REFUSED, Unavailable, "SENDER_REFUSED", True),
    (Fault.NO_SPACE, Unavailable, "MAIL_SERVER_BUSY", True),
    (Fault.UNKNOWN_RECIPIENT, Refused, "ADDRESS_REFUSED", False),
    (Fault.MAILBOX_FULL, Refused, "MAILBOX_REFUSED", False),
    (Fault.RELAY_DENIED, Unavailable, "RELAY_DENIED", False),
    (Fault.MAILBOX_BUSY, Unavailable, "TRY_LATER", False),
    (Fault.GREYLIST, Unavailable, "TRY_LATER", False),
    (Fault.DROP_AT_RECIPIENT, Unavailable, "CONNECTION_LOST", False),
    (Fault.DROP_IN_DATA, Unavailable, "CONNECTION_LOST", False),
    (Fault.DATA_REFUSED, Refused, "REFUSED", False),
    (Fault.LOCAL_ERROR, Unavailable, "TRY_LATER", False),
    (Fault.SHUT_DOWN, Unavailable, "TRY_LATER", False),
    (Fault.TOO_LARGE, Refused, "TOO_LARGE", False),
    (Fault.SPAM, Refused, "REFUSED_BY_POLICY", False),
]


@pytest.mark.parametrize(("fault", "kind", "code", "is_of_all"), FAULTS, ids=[one[0].value for one in FAULTS])
def test_what_was_surely_not_taken_is_told_as_such(
    mail: MailChannel, mail_server: MailServer, fault: Fault, kind: type[Exception], code: str, is_of_all: bool
) -> None:
    outgoing = email()
    mail_server.faults.inject(fault)
    assert told(not_accepted(mail, outgoing)) == (kind, code, is_of_all)
    assert kept(mail_server, outgoing.message_id_header) == 0
    assert mail.look_up(outgoing, NOW).went_out is False
    mail_server.faults.clear()
    mail.send(outgoing)  # the next message fares well, on this connection or another one
    assert kept(mail_server, outgoing.message_id_header) == 1


LEFT_OPEN = [
    (Fault.DROP_BEFORE_ACCEPT, False),
    (Fault.DROP_AFTER_ACCEPT, True),
    (Fault.HANG_AFTER_ACCEPT, True),
    (Fault.GARBLED, True),
]


@pytest.mark.parametrize(("fault", "went_out"), LEFT_OPEN, ids=[one[0].value for one in LEFT_OPEN])
def test_what_may_have_been_taken_is_told_as_unknown_and_the_archive_knows(
    mail: MailChannel, mail_server: MailServer, fault: Fault, went_out: bool
) -> None:
    outgoing = email()
    mail_server.faults.inject(fault)
    with pytest.raises(OutcomeUnknown):
        mail.send(outgoing)
    assert mail.look_up(outgoing, NOW).went_out is went_out
    assert kept(mail_server, outgoing.message_id_header) == int(went_out)
    mail.send(email())


def test_a_slow_answer_is_waited_for(mail: MailChannel, mail_server: MailServer) -> None:
    mail_server.faults.inject(Fault.SLOW, seconds=0.3)
    assert mail.send(email()).provider_id


@pytest.mark.parametrize("changed", [{"imap_host": None}, {"email_archive_to": None}], ids=["none", "of incoming mail"])
def test_without_a_mailbox_of_copies_it_cannot_be_told_whether_a_message_went_out(
    open_mail: OpenMail, mail_server: MailServer, changed: dict[str, Any]
) -> None:
    channel, outgoing = open_mail(mail_server, **changed), email()
    channel.send(outgoing)
    assert channel.look_up(outgoing, datetime.now(UTC)).went_out is None


def test_a_mailbox_that_lacks_what_surely_went_out_proves_nothing(open_mail: OpenMail, mail_server: MailServer) -> None:
    channel = open_mail(mail_server, imap_mailbox="wrong@sandbox.example")
    begun, outgoing = datetime.now(UTC), email()
    mail_server.faults.inject(Fault.DROP_AFTER_ACCEPT)
    with pytest.raises(OutcomeUnknown):
        channel.send(outgoing)
    channel.send(email())
    with pytest.raises(Unavailable) as caught:
        channel.look_up(outgoing, begun)
    assert caught.value.code == "MAILBOX_LAGS"


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_RECIPIENT, Fault.MAILBOX_BUSY])
def test_nothing_goes_out_without_its_copy(mail: MailChannel, mail_server: MailServer, fault: Fault) -> None:
    outgoing = email()
    mail_server.faults.inject(fault, recipient=mail_server.archive)
    assert told(not_accepted(mail, outgoing)) == (Unavailable, "ARCHIVE_REFUSED", True)
    assert kept(mail_server, outgoing.message_id_header) == 0


def test_each_attempt_has_the_same_bytes(mail: MailChannel, mail_server: MailServer) -> None:
    outgoing = email(sender_name="Müller & Söhne, Köln", subject="Rechnung für Größe " * 8)
    mail.send(outgoing)
    mail.close()
    mail.send(outgoing)
    first, second = (one for one in mail_server.messages() if one.message_id == outgoing.message_id_header)
    assert first.data == second.data


def test_messages_share_a_connection_up_to_a_limit_and_as_long_as_it_is_used(
    mail: MailChannel, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "MESSAGES_PER_CONNECTION", 4)
    before = mail_server.connections
    mail_server.faults.inject(Fault.UNKNOWN_RECIPIENT)
    not_accepted(mail, email())  # which leaves the connection to the next one
    for _ in range(4):
        mail.send(email(attachments=()))
    assert mail_server.connections == before + 1
    mail.send(email(attachments=()))
    assert mail_server.connections == before + 2
    monkeypatch.setattr(mail_module, "IDLE_SECONDS", 0.0)
    mail.send(email())
    assert mail_server.connections == before + 3


@pytest.mark.parametrize(("fault", "is_end"), [(Fault.CLOSING, True), (Fault.NO_SPACE, False)])
def test_a_kept_connection_that_the_server_ended_is_made_anew(
    mail: MailChannel, mail_server: MailServer, fault: Fault, is_end: bool
) -> None:
    mail.send(email())
    before = mail_server.connections
    mail_server.faults.inject(fault)
    if is_end:
        mail.send(email())
    else:
        not_accepted(mail, email())
    assert mail_server.connections == before + is_end


@pytest.mark.slow
def test_a_pdf_of_5_mb_arrives_whole(open_mail: OpenMail, mail_server: MailServer) -> None:
    data = bytes(range(256)) * (5 * 4096)
    outgoing = email(attachments=(Attachment("Rechnung.pdf", "application/pdf", data),))
    open_mail(mail_server).send(outgoing)
    there = received(mail_server, outgoing).data
    assert next(message_from_bytes(there, policy=policy.default).iter_attachments()).get_content() == data
    assert max(map(len, there.split(b"\r\n"))) <= 998


def test_what_a_server_cannot_take_is_not_sent(open_mail: OpenMail) -> None:
    with MailServer(size_limit=2000, smtputf8=False) as server:
        channel = open_mail(server)
        error = not_accepted(channel, email())
        assert told(error) == (Refused, "TOO_LARGE", False)
        assert "2,000" in str(error)
        small = {"attachments": (), "html": None}
        assert not_accepted(channel, email(recipient="jürgen@kunde.example", **small)).code == "SMTPUTF8"
        channel.send(email(recipient="post@käse.example", **small))


def test_dots_at_the_beginning_of_lines_survive(mail: MailChannel, mail_server: MailServer) -> None:
    outgoing = email(text=".\n..\n.a\n\n.", html=None, attachments=())
    mail.send(outgoing)
    content = message_from_bytes(received(mail_server, outgoing).data, policy=policy.default).get_content()
    assert content.splitlines()[:5] == [".", "..", ".a", "", "."]


@pytest.mark.parametrize(
    ("recipient", "in_envelope"),
    [("post@käse.example", "post@xn--kse-qla.example"), ("jürgen@käse.example", "jürgen@xn--kse-qla.example")],
)
def test_addresses_of_the_world_are_reached_where_the_server_can(
    mail: MailChannel, mail_server: MailServer, recipient: str, in_envelope: str
) -> None:
    outgoing = email(recipient=recipient)
    mail.send(outgoing)
    there = received(mail_server, outgoing)
    assert there.envelope_to[0] == in_envelope
    assert f"To: {in_envelope}\r\n".encode() in there.data


@pytest.mark.parametrize(
    "changed",
    [
        {"smtp_port": 1},
        {"smtp_host": "no-such-host.invalid"},
        {"smtp_password": SecretStr("hunter2-hunter2")},
        {"smtp_password": SecretStr("pässwört")},
        {"smtp_security": "starttls"},
        {"email_archive_to": "no address"},
        {"email_bounces_to": "jürgen@acme.example"},
    ],
    ids=lambda one: next(iter(one)) + ("" if "password" not in next(iter(one)) else str(len(str(one)))),
)
def test_wrong_settings_hold_all_messages_back_and_no_secret_is_told(
    open_mail: OpenMail, mail_server: MailServer, changed: dict[str, Any]
) -> None:
    before = mail_server.count()
    error = not_accepted(open_mail(mail_server, **changed), email())
    assert (told(error)[2], mail_server.count()) == (True, before)
    assert "hunter2" not in str(error)
    assert "pässw" not in str(error)


def test_a_server_that_repeats_the_password_does_not_bring_it_into_the_log(
    open_mail: OpenMail, mail_server: MailServer
) -> None:
    lines = [b"220 hello", b"250-here\r\n250 AUTH PLAIN", b"535 5.7.8 wrong password: hunter2-hunter2"]

    def talk() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as said:
            for line in lines:
                connection.sendall(line + b"\r\n")
                said.readline()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=talk, daemon=True).start()
        port, password = listener.getsockname()[1], SecretStr("hunter2-hunter2")
        error = not_accepted(open_mail(mail_server, smtp_port=port, smtp_password=password), email())
    assert "***" in str(error)
    assert "hunter2" not in str(error)


def test_a_lost_mailbox_is_told_and_found_again(open_mail: OpenMail, mail_server: MailServer) -> None:
    outgoing = email()
    with MailServer() as other:
        port = other.imap_port
        channel = open_mail(mail_server, imap_port=port)
        assert channel.look_up(outgoing, NOW).went_out is False
    with pytest.raises(Unavailable) as caught:
        channel.look_up(outgoing, NOW)
    assert caught.value.code == "MAILBOX"
    with MailServer(imap_port=port):
        assert channel.look_up(outgoing, NOW).went_out is False


@pytest.mark.parametrize("changed", [{"imap_mailbox": "Nowhere"}, {"imap_password": SecretStr("wrong")}])
def test_a_mailbox_that_cannot_be_opened_does_not_say_that_nothing_went_out(
    open_mail: OpenMail, mail_server: MailServer, changed: dict[str, Any]
) -> None:
    with pytest.raises(Unavailable):
        open_mail(mail_server, **changed).look_up(email(), NOW)


NOT_FOR_LONG = [fault for fault in Fault if fault not in (Fault.HANG_AFTER_ACCEPT, Fault.SLOW)]


@pytest.mark.slow
def test_whatever_goes_wrong_what_is_said_of_a_message_is_true(open_mail: OpenMail, mail_server: MailServer) -> None:
    channel = open_mail(mail_server)
    mail_server.faults.at_random(0.15, 1, NOT_FOR_LONG + [Fault.DROP_AFTER_ACCEPT] * 5, seconds=0.05)
    out, in_doubt = [], []
    for _ in range(size(120, 2500)):
        outgoing = email(attachments=())
        begun = datetime.now(UTC)
        try:
            channel.send(outgoing)
            out.append(True)
        except NotAccepted:
            out.append(False)
        except OutcomeUnknown:
            out.append(bool(channel.look_up(outgoing, begun).went_out))
            in_doubt.append(out[-1])
        assert kept(mail_server, outgoing.message_id_header) == int(out[-1])
    assert set(in_doubt) == {True, False}
    assert sum(out) > len(out) / 3


def test_without_settings_there_is_no_channel(mail_server: MailServer) -> None:
    nothing = settings_of(None, None)
    for channel_ in channels():
        with pytest.raises(Unavailable) as caught:
            channel_.open(nothing)
        assert caught.value.code == "NOT_SET_UP"
        assert caught.value.is_of_all
    channel = channel_of("email").open(settings_of(mail_server, None))
    assert isinstance(channel, MailChannel)
