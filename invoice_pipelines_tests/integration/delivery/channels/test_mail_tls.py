"""Encryption to the mail server and the mailbox, and that both must prove who they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from invoice_pipelines.delivery.channels.channel import Unavailable
from invoice_pipelines.delivery.channels.mail import MailChannel
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.integration.delivery.conftest import settings_of
from invoice_pipelines_tests.support.delivery.channels.outgoing import email

NOW = datetime.now(UTC)


def trust(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))


def refused(server: MailServer, **more: Any) -> Unavailable:
    channel = MailChannel(settings_of(server, None, **more))
    with pytest.raises(Unavailable) as caught:
        channel.send(email())
    assert server.count() == 0
    assert caught.value.is_of_all
    with pytest.raises(Unavailable):
        channel.look_up(email(), NOW)
    channel.close()
    return caught.value


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_out_encrypted_and_is_looked_up_encrypted(security: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with MailServer(tls=security) as server:
        trust(server, monkeypatch)
        channel = MailChannel(settings_of(server, None))
        outgoing = email()
        channel.send(outgoing)
        channel.send(email())
        assert channel.look_up(outgoing, NOW).went_out is True
        assert server.connections == 1
        channel.close()


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_another_host_is_none(security: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with MailServer(tls=security, names=("mail.other.example",)) as server:
        assert refused(server).code == "TLS"  # nobody vouches for it
        trust(server, monkeypatch)
        assert refused(server).code == "TLS"


@pytest.mark.parametrize(
    ("offered", "wanted"), [("none", "starttls"), ("none", "tls"), ("starttls", "tls")], ids=lambda one: str(one)
)
def test_no_password_goes_out_where_the_encryption_that_is_asked_for_is_missing(offered: Any, wanted: str) -> None:
    with MailServer(tls=offered) as server:
        refused(server, smtp_security=wanted, imap_security=wanted, smtp_timeout_seconds=0.3)


def test_a_server_that_asks_for_encryption_gets_no_mail_without() -> None:
    with MailServer(tls="starttls") as server:
        refused(server, smtp_security="none", imap_security="none")
