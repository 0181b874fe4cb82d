"""Twilio's error codes in words for people: refused for good, refused for now, or not delivered.

Codes: https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

from invoice_pipelines.delivery.channels.channel import NotAccepted, Refused, Unavailable

_REFUSED = {
    21211: ("ADDRESS_REFUSED", "The number does not exist, or is not one that can be called."),
    21214: ("ADDRESS_REFUSED", "The number cannot be reached."),
    21217: ("ADDRESS_REFUSED", "The number is not one."),
    21604: ("ADDRESS_REFUSED", "There is no number."),
    21614: ("ADDRESS_REFUSED", "The number is not one of a mobile phone."),
    21612: ("ADDRESS_REFUSED", "The number cannot be reached from this sender."),
    21635: ("ADDRESS_REFUSED", "The number is a landline's."),
    63003: ("ADDRESS_REFUSED", "The number has no WhatsApp."),
    63024: ("ADDRESS_REFUSED", "The number has no WhatsApp, or cannot get this message."),
    21610: ("OPTED_OUT", "The receiver has answered STOP to this sender."),
    63050: ("OPTED_OUT", "The receiver has opted out of such messages on WhatsApp."),
    21408: ("NOT_PERMITTED", "The account may not send to this country (Messaging Geographic Permissions)."),
    21608: ("NOT_PERMITTED", "A trial account sends to verified numbers only."),
    21602: ("BAD_TEXT", "The message is empty."),
    21605: ("TOO_LONG", "The message is too long."),
    21617: ("TOO_LONG", "The message has more than 1,600 characters."),
    21619: ("BAD_TEXT", "The message is empty."),
    21655: ("TEMPLATE_REFUSED", "The content template (content_sid) does not exist."),
    21656: ("TEMPLATE_REFUSED", "The variables do not fit the content template."),
    63013: ("REFUSED_BY_POLICY", "WhatsApp refuses the message for its rules."),
    63016: (
        "TEMPLATE_NEEDED",
        "The receiver has not written within 24 hours, so that WhatsApp takes an approved template only (content_sid).",
    ),
    63021: ("TEMPLATE_REFUSED", "WhatsApp refuses the content of the message."),
    63027: ("TEMPLATE_REFUSED", "The template does not exist in this language."),
    63028: ("TEMPLATE_REFUSED", "The variables do not fit the template."),
    30004: ("ADDRESS_REFUSED", "The receiver has blocked messages."),
    30005: ("ADDRESS_REFUSED", "The number is not in use."),
    30006: ("ADDRESS_REFUSED", "The number is a landline's, or cannot be reached."),
    30007: ("REFUSED_BY_POLICY", "The carrier filtered the message out."),
}
_NOT_DELIVERED = {
    30003: "The phone was off or out of reach for too long.",
    30008: "The carrier does not say why.",
}
_SENDER = {
    21212: "The sender is not a number, a name or a messaging service that can send (sms_from, whatsapp_from).",
    21603: "There is no sender (sms_from, whatsapp_from).",
    21659: "The sender is not a number of this account, or its name may not be used there (sms_from).",
    21660: "The sender is not a number of this account (sms_from).",
    21701: "The messaging service does not exist (sms_from).",
    21704: "The messaging service has no sender (sms_from).",
    21705: "The messaging service does not exist (sms_from).",
    63007: "The sender has no WhatsApp at this account (whatsapp_from).",
}
_SENDER_FOR_RECEIVER = {
    21606: "The sender is not one of this account that can reach this number (sms_from).",
    21607: "The sender is not one of this account that can reach this number (sms_from).",
    21703: "The messaging service has no sender for this number (sms_from).",
    21910: "The sender is of another channel than the receiver (whatsapp_from).",
}
"""It may be the sender or the number, so that other messages may fare better."""
_BUSY = {14107, 20429, 21611, 30001, 30022, 63018, 63038}
"""Limits of the account or the sender."""
_WRONG_ACCOUNT = {20003, 20005, 20006, 20008, 20404, 30002, 63020}


def reason_of(code: int) -> str:
    """Why a message that Twilio took did not arrive."""
    return _NOT_DELIVERED.get(code) or (_REFUSED[code][1] if code in _REFUSED else f"Error {code}.")


def not_accepted(status: int, code: int, said: str, retry_after: float | None) -> NotAccepted:
    """What an answer of 4xx means, as an error to be raised. `said` is Twilio's text on one line."""
    text = f"Twilio: {said} (HTTP {status}, {code})"
    if status == 429 or code in _BUSY:
        return Unavailable("TOO_MANY", text, retry_after_seconds=retry_after, is_of_all=True)
    if code in _SENDER:
        return Unavailable("SENDER_REFUSED", f"{_SENDER[code]} {text}", is_of_all=True)
    if code in _SENDER_FOR_RECEIVER:
        return Unavailable("SENDER_REFUSED", f"{_SENDER_FOR_RECEIVER[code]} {text}")
    if status in (401, 403, 404) or code in _WRONG_ACCOUNT:
        hint = "The account may not do this (TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN)."
        return Unavailable("LOGIN_REFUSED", f"{hint} {text}", is_of_all=True)
    if code in _REFUSED:
        word, meaning = _REFUSED[code]
        return Refused(word, f"{meaning} {text}")
    if status in (408, 409, 425):
        return Unavailable("TRY_LATER", text, retry_after_seconds=retry_after)
    return Refused("REFUSED", text)
