"""The Twilio sandbox as Twilio's own library sees it, unchanged but for the address that it speaks to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from invoice_pipelines.workshop.sandbox.twilio import Fault, TwilioServer

PHONE = "+491701234567"


class Here(TwilioHttpClient):
    def __init__(self, url: str) -> None:
        super().__init__(timeout=5)
        self.url = url

    def request(self, method: str, url: str, *args: Any, **more: Any) -> Any:
        return super().request(method, url.replace("https://api.twilio.com", self.url), *args, **more)


@pytest.fixture(scope="module")
def server() -> Iterator[TwilioServer]:
    with TwilioServer() as server:
        yield server


@pytest.fixture
def client(server: TwilioServer) -> Client:
    return Client(server.account_sid, server.auth_token, http_client=Here(server.url))


def test_a_message_is_created_fetched_and_listed(client: Client, server: TwilioServer) -> None:
    made = client.messages.create(to=PHONE, from_="+15005550006", body="Hello")
    assert made.sid.startswith("SM")
    assert made.status == "queued"
    fetched = client.messages(made.sid).fetch()
    assert (fetched.status, fetched.body, fetched.to, fetched.from_) == ("delivered", "Hello", PHONE, "+15005550006")
    assert fetched.date_created <= fetched.date_sent
    for _ in range(4):
        client.messages.create(to=PHONE, from_="+15005550006", body="More")
    client.messages.create(to="+491700000000", from_="+15005550006", body="Other")
    bodies = [one.body for one in client.messages.list(to=PHONE, page_size=2)]
    assert bodies == ["More"] * 4 + ["Hello"]
    now = datetime.now(UTC)
    assert len(client.messages.list(to=PHONE, date_sent_after=now - timedelta(minutes=1))) == 5
    assert client.messages.list(to=PHONE, date_sent_after=now + timedelta(minutes=1)) == []
    assert client.messages.list(to=PHONE, from_="+15005550007") == []


def test_a_message_moves_on_with_time(tmp_path: Path) -> None:
    state = tmp_path / "twilio.sqlite"
    with TwilioServer(state, sent_after=60, ended_after=60) as server:
        client = Client(server.account_sid, server.auth_token, http_client=Here(server.url))
        sid = client.messages.create(to=PHONE, messaging_service_sid="MG" + "0" * 32, body="Hello").sid
        waiting = client.messages(sid).fetch()
        assert (waiting.status, waiting.date_sent, waiting.from_) == ("queued", None, None)
    with TwilioServer(state, sent_after=0, ended_after=60) as server:  # the same state, later
        client = Client(server.account_sid, server.auth_token, http_client=Here(server.url))
        assert client.messages(sid).fetch().status == "sent"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "12345"}, 21211),
        ({"from_": "A name that is too long"}, 21212),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"to": f"whatsapp:{PHONE}"}, 21910),
        ({"from_": None}, 21603),
        ({"from_": None, "messaging_service_sid": "MG1"}, 21705),
        ({"content_sid": "HX1"}, 21655),
        ({"content_sid": "HX" + "0" * 32, "content_variables": "nothing"}, 21656),
    ],
    ids=str,
)
def test_rules_are_kept_with_the_codes_of_the_service(
    client: Client, server: TwilioServer, fields: dict[str, Any], code: int
) -> None:
    before = len(server.messages())
    with pytest.raises(TwilioRestException) as caught:
        client.messages.create(**({"to": PHONE, "from_": "+15005550006", "body": "Hello"} | fields))
    assert (caught.value.status, caught.value.code) == (400, code)
    assert len(server.messages()) == before


def test_without_the_token_nothing_is_told(server: TwilioServer) -> None:
    with pytest.raises(TwilioRestException) as caught:
        Client(server.account_sid, "wrong", http_client=Here(server.url)).messages("SM" + "0" * 32).fetch()
    assert (caught.value.status, caught.value.code) == (401, 20003)


def test_what_ends_badly_says_why(client: Client, server: TwilioServer) -> None:
    server.faults.inject(Fault.UNDELIVERED, recipient=PHONE)
    sid = client.messages.create(to=PHONE, from_="+15005550006", body="Hello").sid
    fetched = client.messages(sid).fetch()
    assert (fetched.status, fetched.error_code) == ("undelivered", 30003)
