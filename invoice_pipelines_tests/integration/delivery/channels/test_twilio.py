"""What is known of an SMS or a WhatsApp message after each thing that Twilio can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from invoice_pipelines.delivery.channels.channel import NotAccepted, OutcomeUnknown, Refused, Unavailable
from invoice_pipelines.delivery.channels.twilio import TwilioChannel, statuses
from invoice_pipelines.delivery.channels.twilio_http import TwilioHttp
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.workshop.sandbox.twilio import Fault, TwilioServer
from invoice_pipelines_tests.integration.delivery.channels.conftest import not_accepted, told
from invoice_pipelines_tests.integration.delivery.conftest import settings_of
from invoice_pipelines_tests.support.delivery.channels.outgoing import PHONE, sms, whatsapp
from invoice_pipelines_tests.support.sizes import size

CONTENT = "HX" + "0" * 32
SERVICE = "MG" + "1" * 32


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def made(server: TwilioServer, text: str) -> int:
    return sum(one.body == text for one in server.messages())


def test_an_sms_goes_out_from_a_number_a_name_or_a_service(twilio: TwilioChannel, twilio_server: TwilioServer) -> None:
    for sender in ("+4915100000001", "Acme GmbH", SERVICE):
        outgoing = sms(sender=sender)
        accepted = twilio.send(outgoing)
        sent = twilio_server.messages(PHONE)[-1]
        assert sent.sid == accepted.provider_id
        assert sent.body == outgoing.text
        assert (sent.sender or sent.messaging_service_sid) == sender
        found = twilio.look_up(outgoing, ago(1))
        assert (found.went_out, found.provider_id) == (True, sent.sid)


def test_a_whatsapp_message_goes_out_as_text_or_by_an_approved_template(
    twilio: TwilioChannel, twilio_server: TwilioServer
) -> None:
    outgoing = whatsapp()
    twilio.send(outgoing)
    assert twilio.look_up(outgoing, ago(1)).went_out is True
    twilio.send(whatsapp(content_sid=CONTENT, content_variables={"2": "119,00 €", "1": "RE-2026-000017"}))
    text, template = twilio_server.messages(f"whatsapp:{PHONE}")
    assert (text.sender, text.body) == (f"whatsapp:{outgoing.sender}", outgoing.text)
    assert template.content == f'{CONTENT} {{"1": "RE-2026-000017", "2": "119,00 €"}}'


FAULTS: list[tuple[Fault, type[Exception], str, bool]] = [
    (Fault.TOO_MANY_REQUESTS, Unavailable, "TOO_MANY", True),
    (Fault.QUEUE_FULL, Unavailable, "TOO_MANY", True),
    (Fault.SUSPENDED, Unavailable, "LOGIN_REFUSED", True),
    (Fault.SENDER_NOT_OWNED, Unavailable, "SENDER_REFUSED", False),
    (Fault.INVALID_NUMBER, Refused, "ADDRESS_REFUSED", False),
    (Fault.NOT_MOBILE, Refused, "ADDRESS_REFUSED", False),
    (Fault.OPTED_OUT, Refused, "OPTED_OUT", False),
    (Fault.REGION_NOT_PERMITTED, Refused, "NOT_PERMITTED", False),
    (Fault.UNVERIFIED, Refused, "NOT_PERMITTED", False),
    (Fault.OUTSIDE_WINDOW, Refused, "TEMPLATE_NEEDED", False),
]


@pytest.mark.parametrize(("fault", "kind", "code", "is_of_all"), FAULTS, ids=[one[0].value for one in FAULTS])
def test_what_was_surely_not_taken_is_told_as_such(
    twilio: TwilioChannel, twilio_server: TwilioServer, fault: Fault, kind: type[Exception], code: str, is_of_all: bool
) -> None:
    outgoing = sms()
    twilio_server.faults.inject(fault)
    assert told(not_accepted(twilio, outgoing)) == (kind, code, is_of_all)
    assert made(twilio_server, outgoing.text) == 0
    assert twilio.look_up(outgoing, ago(1)).went_out is False


@pytest.mark.parametrize("seconds", [7.0, None])
def test_what_twilio_asks_to_wait_is_waited(
    twilio: TwilioChannel, twilio_server: TwilioServer, seconds: float | None
) -> None:
    twilio_server.faults.inject(Fault.TOO_MANY_REQUESTS, seconds=seconds)
    error = not_accepted(twilio, sms())
    assert isinstance(error, Unavailable)
    assert error.retry_after_seconds == seconds


LEFT_OPEN = [
    (Fault.INTERNAL_ERROR, False),
    (Fault.INTERNAL_ERROR_AFTER, True),
    (Fault.SERVICE_UNAVAILABLE, False),
    (Fault.BAD_GATEWAY, False),
    (Fault.DROP_BEFORE_ACCEPT, False),
    (Fault.DROP_AFTER_ACCEPT, True),
    (Fault.HANG_AFTER_ACCEPT, True),
    (Fault.CUT_ANSWER, True),
]


@pytest.mark.parametrize(("fault", "went_out"), LEFT_OPEN, ids=[one[0].value for one in LEFT_OPEN])
def test_what_may_have_been_taken_is_told_as_unknown_and_twilio_s_list_knows(
    twilio: TwilioChannel, twilio_server: TwilioServer, fault: Fault, went_out: bool
) -> None:
    outgoing = sms()
    twilio_server.faults.inject(fault, seconds=3)
    with pytest.raises(OutcomeUnknown):
        twilio.send(outgoing)
    found = twilio.look_up(outgoing, ago(1))
    assert found.went_out is went_out
    assert (found.provider_id is not None) is went_out
    assert made(twilio_server, outgoing.text) == int(went_out)


def test_a_message_is_found_among_many_and_not_mistaken_for_another(
    twilio: TwilioChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invoice_pipelines.delivery.channels.twilio._PAGE", 5)
    number = "+491709999999"
    first = sms(recipient=number)
    twilio.send(first)
    for _ in range(12):
        twilio.send(sms(recipient=number))
    assert twilio.look_up(first, ago(1)).went_out is True
    assert twilio.look_up(sms(recipient=number), ago(1)).went_out is False
    assert twilio.look_up(sms(recipient=number, text=first.text, sender="+4915100000002"), ago(1)).went_out is False
    assert twilio.look_up(sms(recipient="+491708888888", text=first.text), ago(1)).went_out is False
    assert twilio.look_up(first, datetime.now(UTC) + timedelta(minutes=5)).went_out is False


def test_a_text_is_found_although_twilio_changed_its_signs(twilio: TwilioChannel, twilio_server: TwilioServer) -> None:
    outgoing = sms(text="„Rechnung“ RE-1 – fällig")
    twilio.send(sms(text='Sent from your Twilio trial account - "Rechnung" RE-1 - fällig'))
    assert twilio.look_up(outgoing, ago(1)).went_out is True


def test_of_a_template_it_can_be_told_only_where_nothing_else_went_out(twilio: TwilioChannel) -> None:
    template = whatsapp(recipient="+491707777777", content_sid=CONTENT, content_variables={"1": "RE-1"})
    assert twilio.look_up(template, ago(1)).went_out is False
    twilio.send(template)
    assert twilio.look_up(template, ago(1)).went_out is None


@pytest.mark.parametrize("number", ["", "0170 1234567", "+49170123456a", "491701234567", "+49170\n1234567"])
def test_what_is_no_number_is_refused(twilio: TwilioChannel, number: str) -> None:
    assert told(not_accepted(twilio, sms(recipient=number))) == (Refused, "BAD_ADDRESS", False)


def test_a_wrong_sender_holds_all_messages_back(twilio: TwilioChannel) -> None:
    for outgoing in (sms(sender="A name that is too long"), whatsapp(sender="Acme GmbH")):
        assert told(not_accepted(twilio, outgoing)) == (Unavailable, "SENDER_REFUSED", True)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"twilio_url": "http://127.0.0.1:1"}, "CONNECTION"),
        ({"twilio_url": "nonsense"}, "CONNECTION"),
        ({"twilio_auth_token": SecretStr("hunter2-hunter2")}, "LOGIN_REFUSED"),
        ({"twilio_account_sid": "AC" + "f" * 32}, "LOGIN_REFUSED"),
    ],
)
def test_wrong_settings_hold_all_messages_back_and_no_secret_is_told(
    twilio_server: TwilioServer, changed: dict[str, Any], code: str
) -> None:
    channel = TwilioChannel(settings_of(None, twilio_server, **changed))
    for ask in (lambda: channel.send(sms()), lambda: channel.look_up(sms(), ago(1))):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.code == code
        assert caught.value.is_of_all
        assert "hunter2" not in str(caught.value)
    channel.close()


def test_credentials_go_to_the_address_of_the_settings_alone(twilio_server: TwilioServer) -> None:
    http = TwilioHttp(twilio_server.url, 1.0)
    path = f"/2010-04-01/Accounts/{twilio_server.account_sid}/Messages.json"
    login = (twilio_server.account_sid, twilio_server.auth_token)
    assert http.request("GET", f"https://evil.invalid{path}", auth=login).status_code == 200
    http.close()


def test_statuses_say_what_arrived_and_why_not(twilio: TwilioChannel, twilio_server: TwilioServer) -> None:
    ids = []
    for fault in (None, Fault.UNDELIVERED, Fault.FAILED):
        if fault:
            twilio_server.faults.inject(fault)
        outgoing = sms()
        ids.append(twilio.send(outgoing).provider_id or "")
        assert twilio.look_up(outgoing, ago(1)).went_out is True, "also what did not arrive went out"
    found = dict(statuses(settings_of(None, twilio_server), [*ids, "SM" + "0" * 32]))
    assert [one.status for one in found.values()] == [
        MessageStatus.DELIVERED,
        MessageStatus.BOUNCED,
        MessageStatus.BOUNCED,
        MessageStatus.SENT,
    ]
    assert found[ids[1]].code == "30003"
    assert "out of reach" in found[ids[1]].detail
    assert found["SM" + "0" * 32].provider_status == "unknown"


@pytest.mark.slow
def test_whatever_goes_wrong_what_is_said_of_a_message_is_true(
    twilio: TwilioChannel, twilio_server: TwilioServer
) -> None:
    twilio_server.faults.at_random(0.5, 1, [one for one in Fault if one not in (Fault.HANG_AFTER_ACCEPT, Fault.SLOW)])
    in_doubt = []
    for number in range(size(100, 2000)):
        outgoing = sms(recipient=f"+49170{number:07}")
        try:
            twilio.send(outgoing)
            is_out = True
        except NotAccepted:
            is_out = False
        except OutcomeUnknown:
            is_out = bool(twilio.look_up(outgoing, ago(1)).went_out)
            in_doubt.append(is_out)
        assert len(twilio_server.messages(outgoing.recipient)) == int(is_out)
    assert set(in_doubt) == {True, False}


def test_a_message_under_way_has_not_ended_yet() -> None:
    with TwilioServer(sent_after=60, ended_after=90) as server:
        settings = settings_of(None, server)
        channel = TwilioChannel(settings)
        outgoing = sms()
        provider_id = channel.send(outgoing).provider_id or ""
        assert channel.look_up(outgoing, ago(1)).went_out is True  # although it has no date of sending
        channel.close()
        ((_, status),) = statuses(settings, [provider_id])
        assert (status.status, status.provider_status) == (MessageStatus.SENT, "queued")
