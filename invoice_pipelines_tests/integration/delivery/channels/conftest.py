"""Fixtures of the channels' tests: one server for all tests of a file, healthy at the beginning of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from invoice_pipelines.delivery.channels.mail import MailChannel
from invoice_pipelines.delivery.channels.twilio import TwilioChannel
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.integration.delivery.conftest import settings_of


@pytest.fixture(scope="module")
def kept_mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def mail_server(kept_mail_server: MailServer) -> Iterator[MailServer]:
    yield kept_mail_server
    kept_mail_server.faults.clear()


@pytest.fixture
def mail(mail_server: MailServer) -> Iterator[MailChannel]:
    channel = MailChannel(settings_of(mail_server, None, smtp_timeout_seconds=1.0))
    yield channel
    channel.close()


@pytest.fixture(scope="module")
def kept_twilio_server() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        yield server


@pytest.fixture
def twilio_server(kept_twilio_server: TwilioServer) -> Iterator[TwilioServer]:
    yield kept_twilio_server
    kept_twilio_server.faults.clear()


@pytest.fixture(scope="module")
def kept_twilio(kept_twilio_server: TwilioServer) -> Iterator[TwilioChannel]:
    channel = TwilioChannel(settings_of(None, kept_twilio_server, twilio_timeout_seconds=0.5))
    yield channel
    channel.close()


@pytest.fixture
def twilio(kept_twilio: TwilioChannel, twilio_server: TwilioServer) -> TwilioChannel:
    return kept_twilio
