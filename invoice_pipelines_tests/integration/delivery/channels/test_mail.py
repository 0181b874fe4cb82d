"""What is known of an email after each thing that a mail server can do."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
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
from invoice_pipelines_tests.integration.delivery.conftest import settings_of
from invoice_pipelines_tests.support.delivery.channels.outgoing import CUSTOMER, email
from invoice_pipelines_tests.support.sizes import size

NOW = datetime.now(UTC)


def kept(server: MailServer, message_id: str | None) -> int:
    return sum(one.message_id == message_id for one in server.messages(server.archive))


def test_a_message_reaches_the_customer_and_the_archive_once(mail: MailChannel, mail_server: MailServer) -> None:
    outgoing = email()
    accepted = mail.send(outgoing)
    (received,) = [one for one in mail_server.messages() if one.message_id == outgoing.message_id_header]
    assert received.envelope_to == (CUSTOMER, mail_server.archive)
    assert received.envelope_from == "bounces@sandbox.example"
    assert accepted.provider_id
    assert "250" in accepted.detail
    message = message_from_bytes(received.data, policy=policy.default)
    assert message["To"] == CUSTOMER
    assert mail_server.archive.encode() not in received.data
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
    with pytest.raises(NotAccepted) as caught:
        mail.send(outgoing)
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert getattr(caught.value, "is_of_all", False) is is_of_all
    assert "\n" not in str(caught.value)
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


def test_without_a_mailbox_it_cannot_be_told_whether_a_message_went_out(mail_server: MailServer) -> None:
    channel = MailChannel(settings_of(mail_server, None, imap_host=None))
    outgoing = email()
    channel.send(outgoing)
    assert channel.look_up(outgoing, NOW).went_out is None
    channel.close()


def test_a_mailbox_of_incoming_mail_proves_nothing(mail_server: MailServer) -> None:
    channel = MailChannel(settings_of(mail_server, None, email_archive_to=None))
    outgoing = email()
    channel.send(outgoing)
    assert channel.look_up(outgoing, datetime.now(UTC)).went_out is None
    channel.close()


def test_a_mailbox_that_lacks_what_surely_went_out_proves_nothing(mail_server: MailServer) -> None:
    channel = MailChannel(settings_of(mail_server, None, imap_mailbox="wrong@sandbox.example"))
    begun = datetime.now(UTC)
    outgoing = email()
    mail_server.faults.inject(Fault.DROP_AFTER_ACCEPT)
    with pytest.raises(OutcomeUnknown):
        channel.send(outgoing)
    channel.send(email())
    with pytest.raises(Unavailable) as caught:
        channel.look_up(outgoing, begun)
    assert caught.value.code == "MAILBOX_LAGS"
    channel.close()


@pytest.mark.parametrize("fault", [Fault.UNKNOWN_RECIPIENT, Fault.MAILBOX_BUSY])
def test_nothing_goes_out_without_its_copy(mail: MailChannel, mail_server: MailServer, fault: Fault) -> None:
    outgoing = email()
    mail_server.faults.inject(fault, recipient=mail_server.archive)
    with pytest.raises(Unavailable) as caught:
        mail.send(outgoing)
    assert caught.value.code == "ARCHIVE_REFUSED"
    assert caught.value.is_of_all
    assert kept(mail_server, outgoing.message_id_header) == 0


def test_each_attempt_has_the_same_bytes(mail: MailChannel, mail_server: MailServer) -> None:
    outgoing = email(sender_name="Müller & Söhne, Köln", subject="Rechnung für Größe " * 8)
    mail.send(outgoing)
    mail.close()
    mail.send(outgoing)
    first, second = (one for one in mail_server.messages() if one.message_id == outgoing.message_id_header)
    assert first.data == second.data


def test_messages_share_a_connection_up_to_a_limit(
    mail: MailChannel, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_module, "MESSAGES_PER_CONNECTION", 10)
    before = mail_server.connections
    for _ in range(mail_module.MESSAGES_PER_CONNECTION):
        mail.send(email(attachments=()))
    assert mail_server.connections == before + 1
    mail.send(email(attachments=()))
    assert mail_server.connections == before + 2


def test_a_refused_message_leaves_the_connection_to_the_next_one(mail: MailChannel, mail_server: MailServer) -> None:
    before = mail_server.connections
    mail_server.faults.inject(Fault.UNKNOWN_RECIPIENT)
    with pytest.raises(Refused):
        mail.send(email())
    mail.send(email())
    assert mail_server.connections == before + 1


@pytest.mark.parametrize("fault", [Fault.CLOSING, Fault.NO_SPACE])
def test_a_kept_connection_that_the_server_ended_is_made_anew(
    mail: MailChannel, mail_server: MailServer, fault: Fault
) -> None:
    mail.send(email())
    before = mail_server.connections
    mail_server.faults.inject(fault)
    outgoing = email()
    if fault is Fault.CLOSING:
        mail.send(outgoing)
        assert mail_server.connections == before + 1
    else:  # which is no end of a connection
        with pytest.raises(Unavailable):
            mail.send(outgoing)
        assert mail_server.connections == before


def test_an_idle_connection_is_not_trusted(
    mail: MailChannel, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.send(email())
    before = mail_server.connections
    monkeypatch.setattr(mail_module, "IDLE_SECONDS", 0.0)
    mail.send(email())
    assert mail_server.connections == before + 1


@pytest.mark.slow
def test_a_pdf_of_5_mb_arrives_whole(mail_server: MailServer) -> None:
    channel = MailChannel(settings_of(mail_server, None))
    data = bytes(range(256)) * (5 * 4096)
    outgoing = email(attachments=(Attachment("Rechnung.pdf", "application/pdf", data),))
    channel.send(outgoing)
    channel.close()
    (received,) = [one for one in mail_server.messages() if one.message_id == outgoing.message_id_header]
    attachment = next(message_from_bytes(received.data, policy=policy.default).iter_attachments())
    assert attachment.get_content() == data
    assert max(map(len, received.data.split(b"\r\n"))) <= 998


def test_a_message_larger_than_the_server_takes_is_not_sent() -> None:
    with MailServer(size_limit=2000) as server:
        channel = MailChannel(settings_of(server, None))
        with pytest.raises(Refused) as caught:
            channel.send(email())
        assert caught.value.code == "TOO_LARGE"
        assert "2,000" in str(caught.value)
        channel.close()


def test_dots_at_the_beginning_of_lines_survive(mail: MailChannel, mail_server: MailServer) -> None:
    outgoing = email(text=".\n..\n.a\n\n.", html=None, attachments=())
    mail.send(outgoing)
    (received,) = [one for one in mail_server.messages() if one.message_id == outgoing.message_id_header]
    content = message_from_bytes(received.data, policy=policy.default).get_content()
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
    (received,) = [one for one in mail_server.messages() if one.message_id == outgoing.message_id_header]
    assert received.envelope_to[0] == in_envelope
    assert f"To: {in_envelope}\r\n".encode() in received.data


def test_without_smtputf8_an_address_that_needs_it_is_refused() -> None:
    with MailServer(smtputf8=False) as server:
        channel = MailChannel(settings_of(server, None))
        with pytest.raises(Refused) as caught:
            channel.send(email(recipient="jürgen@kunde.example"))
        assert caught.value.code == "SMTPUTF8"
        channel.send(email(recipient="post@käse.example"))
        channel.close()


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
    mail_server: MailServer, changed: dict[str, Any]
) -> None:
    channel = MailChannel(settings_of(mail_server, None, **changed))
    before = mail_server.count()
    with pytest.raises(Unavailable) as caught:
        channel.send(email())
    assert caught.value.is_of_all
    assert "hunter2" not in str(caught.value)
    assert "pässw" not in str(caught.value)
    assert mail_server.count() == before
    channel.close()


@pytest.fixture
def talk() -> Iterator[Callable[[list[bytes]], int]]:
    """A server that says what it is told to, line by line, and then closes."""
    import threading

    listener = socket.create_server(("127.0.0.1", 0))

    def start(lines: list[bytes]) -> int:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as said:
                for line in lines:
                    connection.sendall(line + b"\r\n")
                    said.readline()

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    listener.close()


def test_a_server_that_repeats_the_password_does_not_bring_it_into_the_log(
    talk: Callable[[list[bytes]], int], mail_server: MailServer
) -> None:
    port = talk([b"220 hello", b"250-here\r\n250 AUTH PLAIN", b"535 5.7.8 wrong password: hunter2-hunter2"])
    channel = MailChannel(settings_of(mail_server, None, smtp_port=port, smtp_password=SecretStr("hunter2-hunter2")))
    with pytest.raises(Unavailable) as caught:
        channel.send(email())
    assert "***" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    channel.close()


def test_a_lost_mailbox_is_told_and_found_again(mail_server: MailServer) -> None:
    outgoing = email()
    with MailServer() as other:
        settings = settings_of(mail_server, None, imap_port=other.imap_port)
        channel = MailChannel(settings)
        assert channel.look_up(outgoing, NOW).went_out is False
        port = other.imap_port
    with pytest.raises(Unavailable) as caught:
        channel.look_up(outgoing, NOW)
    assert caught.value.code == "MAILBOX"
    with MailServer(imap_port=port):
        assert channel.look_up(outgoing, NOW).went_out is False
    channel.close()


@pytest.mark.parametrize("changed", [{"imap_mailbox": "Nowhere"}, {"imap_password": SecretStr("wrong")}])
def test_a_mailbox_that_cannot_be_opened_does_not_say_that_nothing_went_out(
    mail_server: MailServer, changed: dict[str, Any]
) -> None:
    channel = MailChannel(settings_of(mail_server, None, **changed))
    with pytest.raises(Unavailable):
        channel.look_up(email(), NOW)
    channel.close()


NOT_FOR_LONG = [fault for fault in Fault if fault not in (Fault.HANG_AFTER_ACCEPT, Fault.SLOW)]


@pytest.mark.slow
def test_whatever_goes_wrong_what_is_said_of_a_message_is_true(mail_server: MailServer) -> None:
    channel = MailChannel(settings_of(mail_server, None))
    mail_server.faults.at_random(0.15, 1, NOT_FOR_LONG + [Fault.DROP_AFTER_ACCEPT] * 5, seconds=0.05)
    told, in_doubt = [], []
    for _ in range(size(250, 2500)):
        outgoing = email(attachments=())
        begun = datetime.now(UTC)
        try:
            channel.send(outgoing)
            told.append(True)
        except NotAccepted:
            told.append(False)
        except OutcomeUnknown:
            told.append(bool(channel.look_up(outgoing, begun).went_out))
            in_doubt.append(told[-1])
        assert kept(mail_server, outgoing.message_id_header) == int(told[-1])
    channel.close()
    assert set(in_doubt) == {True, False}
    assert sum(told) > len(told) / 3


def test_without_settings_there_is_no_channel(mail_server: MailServer) -> None:
    nothing = settings_of(None, None)
    for channel_ in channels():
        with pytest.raises(Unavailable) as caught:
            channel_.open(nothing)
        assert caught.value.code == "NOT_SET_UP"
        assert caught.value.is_of_all
    channel = channel_of("email").open(settings_of(mail_server, None))
    assert isinstance(channel, MailChannel)
