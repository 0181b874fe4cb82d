"""Delivery status notifications (RFC 3464, RFC 6533), read: what a mail server reports of an email that it took and
could not deliver. What such a report changes is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.message import Message

_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_LONGEST = 300
_ORIGINALS = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of an email for one recipient. `action` (lower case) is `failed`, `delayed`, `delivered`, `relayed`
    or `expanded`; `status` is a code of RFC 3463, such as 5.1.1; both are as reported, empty where they are missing.
    """

    message_id: str
    recipients: tuple[str, ...]
    """The final one, and the original one if the report names it: another one where mail was forwarded."""
    action: str
    status: str
    diagnostic: str

    @property
    def is_final(self) -> bool:
        """Whether the server gave up. It may do so with a code of 4.x.x, after days of trying."""
        return self.action == "failed"


def read_reports(data: bytes) -> list[DeliveryReport]:
    """What a message reports, by recipient. Nothing, if it is not a report or does not name the message it is about."""
    try:
        message = message_from_bytes(data)
        if message.get_content_type() != "multipart/report" or not message.is_multipart():
            return []
        parts = [part for part in message.get_payload() if isinstance(part, Message)]
        blocks = [block for part in parts if _is_status(part) for block in _blocks(part)]
        original = next(_original_ids(message, parts, blocks), None)
        if original is None:
            return []
        return [_report(original, block) for block in blocks if block.get("Final-Recipient")]
    except (RecursionError, LookupError, ValueError):  # what nests too deeply or names an encoding that there is not
        return []


def _is_status(part: Message) -> bool:
    return part.get_content_type() in ("message/delivery-status", "message/global-delivery-status")


def _blocks(part: Message) -> Iterator[Message]:
    """Groups of fields: the first is of the message, the others of a recipient each."""
    payload = part.get_payload()
    for block in payload if isinstance(payload, list) else []:
        if isinstance(block, Message):
            yield block
            # The email package knows message/delivery-status; of its sister it takes the second group for a text.
            rest = block.get_payload()
            if isinstance(rest, str):
                for text in re.split(r"\r?\n[ \t]*\r?\n", rest.strip()):
                    if text.strip():
                        yield message_from_string(text.lstrip("\r\n"))


def _original_ids(message: Message, parts: list[Message], blocks: list[Message]) -> Iterator[str]:
    """Message-IDs of what the report is about, the surest first."""
    for part in parts:
        if part.get_content_type() in _ORIGINALS:
            payload = part.get_payload()
            if isinstance(payload, list) and payload and isinstance(payload[0], Message):
                yield from _ids(payload[0].get("Message-ID"))
            elif isinstance(content := part.get_payload(decode=True), bytes):
                yield from _ids(message_from_bytes(content.lstrip()).get("Message-ID"))
    for block in blocks:
        yield from _ids(block.get("X-Original-Message-ID"))
    for name in ("In-Reply-To", "References"):
        yield from _ids(message.get(name))


def _ids(header: object) -> list[str]:
    return _MESSAGE_ID.findall(str(header or ""))


def _report(message_id: str, block: Message) -> DeliveryReport:
    named = (_address(block.get(name)) for name in ("Final-Recipient", "Original-Recipient"))
    status = _STATUS.search(_line(block.get("Status")))
    diagnostic = _line(block.get("Diagnostic-Code"))
    return DeliveryReport(
        message_id,
        tuple(dict.fromkeys(one for one in named if one)),
        _line(block.get("Action")).split(" ")[0].lower(),
        status[1] if status else "",
        diagnostic.partition(";")[2].strip() or diagnostic,
    )


def _address(field: object) -> str:
    """Of a field such as `rfc822; name@host`, in the form for comparing."""
    text = _line(field)
    address = text.partition(";")[2].strip() or text
    address = _UNICODE.sub(lambda found: _character(found[1]), address)
    return address.strip("<>").casefold()


def _character(code: str) -> str:
    number = int(code, 16)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "?"


def _line(field: object) -> str:
    text = "" if field is None else str(field)
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:_LONGEST]
