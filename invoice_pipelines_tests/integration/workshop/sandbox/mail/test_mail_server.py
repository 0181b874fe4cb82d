"""The mail sandbox as programs see it that know no more than the standard library."""

from __future__ import annotations

import contextlib
import imaplib
import json
import smtplib
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import pytest

from invoice_pipelines.workshop.sandbox.mail import Fault, MailServer
from invoice_pipelines_tests.support.programs import Program
from invoice_pipelines_tests.support.waiting import seconds_until


def message(name: str = "one") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@sandbox.example", "b@sandbox.example", "Hello"
    made["Message-ID"] = f"<{name}@sandbox.example>"
    made.set_content("Hello")
    return made


@contextlib.contextmanager
def smtp(port: int, password: str = "a-password-for-trying-out"):
    with smtplib.SMTP("127.0.0.1", port, "[127.0.0.1]", timeout=5) as client:
        client.login("sandbox", password)
        yield client


def imap(server: MailServer) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.imap_port, timeout=5)
    client.login(str(server.user), server.password)
    return client


def test_mail_is_found_in_the_folder_of_each_recipient_by_imap() -> None:
    with MailServer() as server:
        with smtp(server.smtp_port) as client:
            client.send_message(message("one"), to_addrs=["b@sandbox.example", server.archive])
            client.send_message(message("two"), to_addrs=["b@sandbox.example"])
        box = imap(server)
        assert box.select('"b@sandbox.example"') == ("OK", [b"2"])
        assert box.uid("SEARCH", "HEADER", "Message-ID", '"<two@sandbox.example>"') == ("OK", [b"2"])
        assert box.uid("SEARCH", "HEADER", "Subject", "hell") == ("OK", [b"1 2"])
        assert box.uid("SEARCH", "SINCE", "01-Jan-2020", "UNSEEN") == ("OK", [b"1 2"])
        assert box.uid("SEARCH", "SINCE", "01-Jan-2099") == ("OK", [b""])
        _, parts = box.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")
        assert [b"<one@" in part[1] for part in parts if isinstance(part, tuple)] == [True, False]
        box.uid("STORE", "1", "+FLAGS", r"(\Seen)")
        assert box.uid("SEARCH", "UNSEEN") == ("OK", [b"2"])
        assert box.select("INBOX", readonly=True) == ("OK", [b"1"])
        assert box.uid("STORE", "1", "+FLAGS", r"(\Seen)")[0] == "NO"
        assert box.select("Nowhere")[0] == "NO"
        assert box.noop()[0] == "OK"
        box.logout()


def test_without_the_password_nobody_sends_or_reads() -> None:
    with MailServer() as server:
        with pytest.raises(smtplib.SMTPAuthenticationError), smtp(server.smtp_port, "wrong"):
            pass
        stranger = smtplib.SMTP("127.0.0.1", server.smtp_port, "[127.0.0.1]")
        with stranger, pytest.raises(smtplib.SMTPSenderRefused):
            stranger.send_message(message())
        client = imaplib.IMAP4("127.0.0.1", server.imap_port)
        with pytest.raises(imaplib.IMAP4.error):
            client.login("sandbox", "wrong")
        client.state = "AUTH"
        assert client.select("INBOX")[0] == "NO"
        client.shutdown()


def test_faults_are_counted_and_meet_whom_they_are_for() -> None:
    with MailServer() as server, smtp(server.smtp_port) as client:
        server.faults.inject(Fault.UNKNOWN_RECIPIENT, recipient="B@sandbox.example", times=2)
        client.send_message(message("one"), to_addrs=["c@sandbox.example"])
        for _ in range(2):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.send_message(message("one"))
        client.send_message(message("one"))
        assert server.faults.happened[Fault.UNKNOWN_RECIPIENT] == 2
        server.faults.at_random(1.0, 1, [Fault.LOCAL_ERROR])
        with pytest.raises(smtplib.SMTPDataError):
            client.send_message(message("one"))
        server.faults.clear()
        client.send_message(message("one"))
        server.faults.inject(Fault.LOCAL_ERROR, times=None, within=0.0)
        client.send_message(message("one"))


def test_greylisting_lets_through_who_comes_again_later() -> None:
    with MailServer() as server, smtp(server.smtp_port) as client:
        server.faults.inject(Fault.GREYLIST, times=None, seconds=0.15)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.send_message(message())

        def is_let_through() -> bool:
            with suppress(smtplib.SMTPRecipientsRefused):
                client.send_message(message())
                return True
            return False

        assert seconds_until("that it is let through", is_let_through, 10) < 5
        assert server.count() == 1


def test_a_killed_server_goes_on_where_it_stood(tmp_path: Path) -> None:
    state = tmp_path / "mail.sqlite"
    program = (
        "import json, sys, threading; from pathlib import Path\n"
        "from invoice_pipelines.workshop.sandbox.mail import MailServer\n"
        "with MailServer(Path(sys.argv[1])) as server:\n"
        "    print(server.smtp_port, flush=True); threading.Event().wait()"
    )
    process = Program(program, state)
    with smtp(json.loads(process.stdout.readline())) as client:
        client.send_message(message())
    process.kill()
    process.wait()
    with MailServer(state) as server:
        (kept,) = server.messages("b@sandbox.example")
        assert kept.message_id == "<one@sandbox.example>"


def test_two_servers_cannot_have_one_port() -> None:
    with MailServer() as server, pytest.raises(OSError, match="in use"), MailServer(imap_port=server.imap_port):
        pass
