"""In which ways a request to Twilio can go wrong, with the status, code and wording of the service."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What can go wrong when a message is created, and, for those of ANY_REQUEST, with any request."""

    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    """429 with Retry-After, where `seconds` are given."""
    INTERNAL_ERROR = "INTERNAL_ERROR"
    """500; the message was not created."""
    INTERNAL_ERROR_AFTER = "INTERNAL_ERROR_AFTER"
    """500, although the message was created."""
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    """503; the message was not created."""
    BAD_GATEWAY = "BAD_GATEWAY"
    """502 as HTML; the message was not created."""
    DROP_BEFORE_ACCEPT = "DROP_BEFORE_ACCEPT"
    """The connection is lost; the message was not created."""
    DROP_AFTER_ACCEPT = "DROP_AFTER_ACCEPT"
    """The connection is lost after the message was created."""
    HANG_AFTER_ACCEPT = "HANG_AFTER_ACCEPT"
    """No answer, until the client gives up, to a message that was created."""
    CUT_ANSWER = "CUT_ANSWER"
    """Half an answer to a message that was created."""
    SLOW = "SLOW"
    """The message is created, and the answer comes after `seconds`."""
    INVALID_NUMBER = "INVALID_NUMBER"
    NOT_MOBILE = "NOT_MOBILE"
    OPTED_OUT = "OPTED_OUT"
    REGION_NOT_PERMITTED = "REGION_NOT_PERMITTED"
    UNVERIFIED = "UNVERIFIED"
    SENDER_NOT_OWNED = "SENDER_NOT_OWNED"
    QUEUE_FULL = "QUEUE_FULL"
    OUTSIDE_WINDOW = "OUTSIDE_WINDOW"
    SUSPENDED = "SUSPENDED"
    """403: the account is not active."""
    UNDELIVERED = "UNDELIVERED"
    """The message is created, and later reported as undelivered with error 30003."""
    FAILED = "FAILED"
    """The message is created, and later reported as failed with error 30006, or 63016 for WhatsApp."""


NOT_CREATED = (
    Fault.TOO_MANY_REQUESTS,
    Fault.INTERNAL_ERROR,
    Fault.SERVICE_UNAVAILABLE,
    Fault.BAD_GATEWAY,
    Fault.DROP_BEFORE_ACCEPT,
)
"""Those that hold for any request."""

REFUSALS = {
    Fault.TOO_MANY_REQUESTS: (429, 20429, "Too Many Requests"),
    Fault.INTERNAL_ERROR: (500, 20500, "An internal server error has occurred"),
    Fault.INTERNAL_ERROR_AFTER: (500, 20500, "An internal server error has occurred"),
    Fault.SERVICE_UNAVAILABLE: (503, 20503, "Service unavailable"),
    Fault.INVALID_NUMBER: (400, 21211, "Invalid 'To' Phone Number: {to}"),
    Fault.NOT_MOBILE: (400, 21614, "'To' number is not a valid mobile number"),
    Fault.OPTED_OUT: (400, 21610, "Attempt to send to unsubscribed recipient"),
    Fault.REGION_NOT_PERMITTED: (
        400,
        21408,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
    ),
    Fault.UNVERIFIED: (
        400,
        21608,
        "The number {to} is unverified. Trial accounts cannot send messages to unverified numbers; verify {to} at "
        "twilio.com/user/account/phone-numbers/verified, or purchase a Twilio number to send messages to unverified "
        "numbers",
    ),
    Fault.SENDER_NOT_OWNED: (
        400,
        21606,
        "The 'From' phone number provided ({sender}) is not a valid message-capable Twilio phone number for this "
        "destination/account",
    ),
    Fault.QUEUE_FULL: (400, 21611, "This 'From' number has exceeded the maximum number of queued messages"),
    Fault.OUTSIDE_WINDOW: (
        400,
        63016,
        "Failed to send freeform message because you are outside the allowed window. If you are using WhatsApp, "
        "please use a Message Template.",
    ),
    Fault.SUSPENDED: (403, 20005, "Account not active"),
}
