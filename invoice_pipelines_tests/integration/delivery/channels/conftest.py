"""Fixtures of the channels' tests: one server for all tests of a file, healthy at the beginning of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any, TypeAlias

import pytest

from invoice_pipelines.delivery.channels.channel import NotAccepted, Outgoing, Unavailable
from invoice_pipelines.delivery.channels.mail import MailChannel
from invoice_pipelines.delivery.channels.twilio import TwilioChannel
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.mail.store import Received
from invoice_pipelines.workshop.sandbox.twilio import TwilioServer
from invoice_pipelines_tests.integration.delivery.conftest import settings_of

OpenMail: TypeAlias = Callable[..., MailChannel]


def not_accepted(channel: MailChannel | TwilioChannel, outgoing: Outgoing) -> NotAccepted:
    """With what a channel says that it surely did not hand a message over."""
    with pytest.raises(NotAccepted) as caught:
        channel.send(outgoing)
    assert "\n" not in str(caught.value)
    return caught.value


def told(error: NotAccepted) -> tuple[type[NotAccepted], str, bool]:
    """Kind, code, and whether it holds for all messages."""
    return type(error), error.code, isinstance(error, Unavailable) and error.is_of_all


def received(server: MailServer, outgoing: Outgoing) -> Received:
    """The message as the server has it, once."""
    (found,) = [one for one in server.messages() if one.message_id == outgoing.message_id_header]
    return found


@pytest.fixture(scope="module")
def kept_mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def mail_server(kept_mail_server: MailServer) -> Iterator[MailServer]:
    yield kept_mail_server
    kept_mail_server.faults.clear()


@pytest.fixture
def open_mail() -> Iterator[OpenMail]:
    """Opens a channel to a server, with some settings changed."""
    with ExitStack() as opened:
        yield lambda server, **more: opened.enter_context(closing(MailChannel(settings_of(server, None, **more))))


@pytest.fixture
def mail(mail_server: MailServer, open_mail: OpenMail) -> MailChannel:
    return open_mail(mail_server, smtp_timeout_seconds=1.0)


@pytest.fixture(scope="module")
def kept_twilio() -> Iterator[tuple[TwilioServer, TwilioChannel]]:
    with TwilioServer() as server, closing(TwilioChannel(twilio_settings(server))) as channel:
        yield server, channel


def twilio_settings(server: TwilioServer, **more: Any) -> Any:
    return settings_of(None, server, **{"twilio_timeout_seconds": 0.5} | more)


@pytest.fixture
def twilio_server(kept_twilio: tuple[TwilioServer, TwilioChannel]) -> Iterator[TwilioServer]:
    yield kept_twilio[0]
    kept_twilio[0].faults.clear()


@pytest.fixture
def twilio(kept_twilio: tuple[TwilioServer, TwilioChannel], twilio_server: TwilioServer) -> TwilioChannel:
    return kept_twilio[1]
