"""The meaning of a mail server's answers for a message: refused for good, refused for now, or not known.

Codes are those of RFC 5321, enhanced codes (5.1.1) those of RFC 3463.
"""

from __future__ import annotations

import re
from enum import Enum

from invoice_pipelines.delivery.channels.channel import NotAccepted, Refused, Unavailable

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_RELAY = re.compile(r"relay|authenticat|log ?in", re.IGNORECASE)


class Step(Enum):
    """What was answered. What does not depend on the message holds for all messages."""

    MAIL = "the sender"
    RECIPIENT = "the recipient"
    ARCHIVE = "the address for blind copies"
    DATA = "the message"


def one_line(answer: bytes | str, secrets: tuple[str, ...] = ()) -> str:
    """An answer as it may stand in a log: on one line, not too long, without secrets."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text[:300]


def not_accepted(step: Step, code: int, answer: str) -> NotAccepted:
    """What an answer of 4xx or 5xx means, as an error to be raised."""
    found = _ENHANCED.match(answer)
    subject, detail = (int(found[2]), int(found[3])) if found else (0, 0)
    said = f"The mail server refused {step.value}: {code} {answer}"
    is_too_large = (subject, detail) in ((3, 4), (2, 3)) or (code == 552 and not found)
    if is_too_large and code >= 500 and step is not Step.ARCHIVE:
        return Refused("TOO_LARGE", said)
    if step is Step.ARCHIVE:
        # Without its copy nothing goes out: what is not in the mailbox would be taken for not sent, and sent again.
        return Unavailable("ARCHIVE_REFUSED", f"{said} (EMAIL_ARCHIVE_TO)", is_of_all=True)
    if step is Step.MAIL:
        if code < 500:
            return Unavailable("MAIL_SERVER_BUSY", said, is_of_all=True)
        return Unavailable("LOGIN_NEEDED" if code == 530 else "SENDER_REFUSED", said, is_of_all=True)
    if code < 500:
        return Unavailable("TRY_LATER", said)
    if code in (530, 534, 535, 538) or (code in (550, 554) and subject == 7 and _RELAY.search(answer)):
        return Unavailable("RELAY_DENIED", said)  # a login is missing, or the server is the wrong one
    if subject == 3:
        return Unavailable("MAIL_SYSTEM", said)  # of the server, not of the message
    if step is Step.RECIPIENT and (subject == 1 or (not found and code in (550, 551, 553))):
        return Refused("ADDRESS_REFUSED", said)
    if subject == 2:
        return Refused("MAILBOX_REFUSED", said)
    if subject == 7:
        return Refused("REFUSED_BY_POLICY", said)
    return Refused("REFUSED", said)
