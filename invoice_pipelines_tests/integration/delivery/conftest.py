"""Fixtures of delivery's tests: servers that stand in for a mail server and for Twilio, and settings that name them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from invoice_pipelines.settings import Settings
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.mail.server import BOUNCES
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """Takes mail and shows it by IMAP, with a login and without encryption."""
    with MailServer() as server:
        yield server


@pytest.fixture
def twilio_server() -> Iterator[TwilioServer]:
    """Takes SMS and WhatsApp messages; they are delivered at once."""
    with TwilioServer() as server:
        yield server


def settings_of(mail: MailServer | None, twilio: TwilioServer | None, **more: Any) -> Settings:
    """Settings that name these servers; `more` stands in for single fields, None for unset ones."""
    fields: dict[str, Any] = {"email_from": "invoices@sandbox.example", "look_up_after_seconds": 0.0}
    if mail is not None:
        fields |= {
            "smtp_host": "127.0.0.1",
            "smtp_port": mail.smtp_port,
            "smtp_security": mail.tls,
            "smtp_user": mail.user,
            "smtp_password": SecretStr(mail.password),
            "smtp_timeout_seconds": 5.0,
            "email_archive_to": mail.archive,
            "email_bounces_to": BOUNCES,
            "imap_host": "127.0.0.1",
            "imap_port": mail.imap_port,
            "imap_security": mail.tls,
            "imap_user": mail.user,
            "imap_password": SecretStr(mail.password),
            "imap_bounces_mailbox": BOUNCES,
        }
    if twilio is not None:
        fields |= {
            "twilio_url": twilio.url,
            "twilio_account_sid": twilio.account_sid,
            "twilio_auth_token": SecretStr(twilio.auth_token),
            "twilio_timeout_seconds": 5.0,
        }
    return Settings().model_copy(update=fields | more)
