"""SMS and WhatsApp messages by Twilio's API, through its own library. The channels are declared in `phone`.

Creating a message has no idempotency key. Twilio says that requests answered by 500 to 504 may be tried again, not
that they have had no effect: a message may exist after one of these, as after a lost answer. So both leave the outcome
open, and `look_up` asks for the messages to that number. 429 and 4xx are given before a message is made.

What `look_up` can promise: a message of the same sender with the same text that was made since the attempt began is
the one of the attempt, as the text holds the number of the invoice; so what went out is found, and not sent again. It
counts as gone out whatever became of it (failed, undelivered, canceled): that is told by its status, and is not an
attempt's to repeat. What is not found was not made, provided that Twilio lists a message by the time at which it is
looked for (LOOK_UP_AFTER_SECONDS). A WhatsApp template is listed as the text that Meta approved, not as ours: if
there is another text from the same sender since then, it cannot be told.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from twilio.base.exceptions import TwilioException
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance, MessagePage

from invoice_pipelines.delivery.channels.channel import (
    Accepted,
    LookedUp,
    NotAccepted,
    OutcomeUnknown,
    Outgoing,
    Refused,
    ReportedStatus,
    Unavailable,
)
from invoice_pipelines.delivery.channels.smtp_answers import one_line
from invoice_pipelines.delivery.channels.twilio_http import NoAnswer, TwilioHttp
from invoice_pipelines.delivery.channels.twilio_refusals import not_accepted, reason_of
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.settings import Settings

SKEW = timedelta(seconds=90)
"""By which Twilio's clock may be behind ours; it tells whole seconds."""

_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_TRIAL = "Sent from your Twilio trial account - "
_PAGE = 200
_NO_SUCH_MESSAGE = 20404
_ENDS = {
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.DELIVERED,
    "undelivered": MessageStatus.BOUNCED,
    "failed": MessageStatus.BOUNCED,
    "canceled": MessageStatus.BOUNCED,
}
_UNREADABLE = (TwilioException, ValueError, KeyError, TypeError)
"""What the library raises for an answer that is an error, or that it cannot read."""


class TwilioChannel:
    """Hands SMS and WhatsApp messages over to Twilio. Raises Unavailable NOT_SET_UP where there is no account."""

    def __init__(self, settings: Settings) -> None:
        if settings.twilio_account_sid is None or settings.twilio_auth_token is None:
            text = "There is no account at Twilio: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN."
            raise Unavailable("NOT_SET_UP", text, is_of_all=True)
        self._token = settings.twilio_auth_token.get_secret_value()
        self._http = TwilioHttp(settings.twilio_url, settings.twilio_timeout_seconds)
        # With an environment of its own: TWILIO_REGION and TWILIO_EDGE would change the address.
        self._client = Client(
            settings.twilio_account_sid, self._token, http_client=self._http, environment={"TWILIO": ""}
        )

    def send(self, outgoing: Outgoing) -> Accepted:
        """Hands a message over. Raises Refused, Unavailable or OutcomeUnknown."""
        fields = _fields(outgoing)
        try:
            made = self._client.messages.create(**fields)
        except NoAnswer as error:
            raise OutcomeUnknown(f"Twilio's answer to the message was lost: {self._line(error)}") from None
        except _UNREADABLE as error:
            if 400 <= self._http.last.status <= 499:
                raise self._refusal() from None
            raise OutcomeUnknown(f"Twilio's answer to the message cannot be understood: {self._said(error)}") from None
        if not made.sid:
            raise OutcomeUnknown("Twilio's answer to the message has no id.")
        return Accepted(made.sid, f"{made.status} as {made.sid}")

    def look_up(self, outgoing: Outgoing, since: datetime) -> LookedUp:
        """Whether a message was made; see above for what that promises. Raises Unavailable."""
        fields = _fields(outgoing)
        others = 0
        for one in self._since(str(fields["to"]), since - SKEW):
            if not _is_from(one, fields):
                continue
            if _essence(one.body or "") == _essence(outgoing.text):
                return LookedUp(True, one.sid, f"Found as {one.sid}, {one.status}.")
            others += 1
        if others and outgoing.content_sid:
            return LookedUp(None, detail=f"{others} other messages from this sender; templates cannot be compared.")
        return LookedUp(False, detail="Twilio has no such message.")

    def status(self, provider_id: str) -> ReportedStatus:
        """What Twilio says of a message that it took: arrived or not, and why. Raises Unavailable."""
        try:
            found = self._client.messages(provider_id).fetch()
        except (NoAnswer, *_UNREADABLE) as error:
            if self._http.last.error[0] == _NO_SUCH_MESSAGE:
                return ReportedStatus(MessageStatus.SENT, "unknown", None, "Twilio has no such message.", "Twilio")
            raise self._no_list(error) from None
        word, code = str(found.status), found.error_code
        detail = f"Twilio: {word}. {reason_of(code)}" if code else f"Twilio: {word}"
        return ReportedStatus(_ENDS.get(word, MessageStatus.SENT), word, str(code) if code else None, detail, "Twilio")

    def close(self) -> None:
        """Ends the connection."""
        self._http.close()

    def _since(self, to: str, since: datetime) -> Iterator[MessageInstance]:
        """Messages to a number that were made since then.

        Not by DateSent: what is queued has none yet. The newest are listed first, so that the first page without a
        message that is new enough is the last one to be read.
        """
        try:
            page: MessagePage | None = self._client.messages.page(to=to, page_size=_PAGE)
            while page is not None:
                new = [one for one in page if (made := _made_at(one)) is None or made >= since]
                yield from new
                page = page.next_page() if new else None
        except (NoAnswer, *_UNREADABLE) as error:
            raise self._no_list(error) from None

    def _no_list(self, error: Exception) -> Unavailable:
        if not isinstance(error, NoAnswer) and 400 <= self._http.last.status <= 499:
            refusal = self._refusal()
            if isinstance(refusal, Unavailable):
                return refusal
        return Unavailable("TRY_LATER", f"Twilio cannot be asked now: {self._said(error)}", is_of_all=True)

    def _refusal(self) -> NotAccepted:
        answer = self._http.last
        code, message = answer.error
        return not_accepted(answer.status, code, self._line(message), answer.retry_after)

    def _said(self, error: Exception) -> str:
        """What came back, where something did."""
        if isinstance(error, NoAnswer):
            return self._line(error)
        code, message = self._http.last.error
        return f"HTTP {self._http.last.status}, {code or 'no code'}, {self._line(message)}"

    def _line(self, said: object) -> str:
        return one_line(str(said), (self._token,)) or type(said).__name__


def statuses(settings: Settings, provider_ids: Iterable[str]) -> Iterator[tuple[str, ReportedStatus]]:
    """Asks for messages, one after the other. Raises Unavailable, after those that could be told."""
    with closing(TwilioChannel(settings)) as channel:
        for provider_id in provider_ids:
            yield provider_id, channel.status(provider_id)


def _fields(outgoing: Outgoing) -> dict[str, Any]:
    """As the API takes them. Raises Refused for a number that is none, Unavailable for a sender that is none."""
    if not _PHONE.fullmatch(outgoing.recipient):
        raise Refused("BAD_ADDRESS", f"{outgoing.recipient[:40]!r} is not a number such as +491701234567.")
    prefix = "whatsapp:" if outgoing.channel == "whatsapp" else ""
    fields: dict[str, Any] = {"to": f"{prefix}{outgoing.recipient}"}
    if _SERVICE.fullmatch(outgoing.sender):
        fields["messaging_service_sid"] = outgoing.sender
    elif prefix and not _PHONE.fullmatch(outgoing.sender):
        text = f"The sender {outgoing.sender[:40]!r} is not a number such as +491701234567 (whatsapp_from)."
        raise Unavailable("SENDER_REFUSED", text, is_of_all=True)
    else:
        fields["from_"] = f"{prefix}{outgoing.sender}"
    if outgoing.content_sid:
        fields["content_sid"] = outgoing.content_sid
        fields["content_variables"] = json.dumps(dict(outgoing.content_variables), ensure_ascii=False, sort_keys=True)
    else:
        fields["body"] = outgoing.text
    return fields


def _is_from(one: MessageInstance, fields: Mapping[str, Any]) -> bool:
    if "messaging_service_sid" in fields:
        return bool(one.messaging_service_sid == fields["messaging_service_sid"])
    return bool(one.from_ == fields["from_"])


def _made_at(one: MessageInstance) -> datetime | None:
    made: datetime | None = one.date_created
    return made.replace(tzinfo=UTC) if made is not None and made.tzinfo is None else made


def _essence(text: str) -> str:
    """Letters and digits alone: trial accounts put a sentence before a text, and services write “ and – plainly."""
    plain = unicodedata.normalize("NFKD", text.removeprefix(_TRIAL)).casefold()
    return "".join(one for one in plain if one.isalnum())
