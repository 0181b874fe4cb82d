"""Holds what the sender and the channels say to one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from invoice_pipelines.delivery.values import ChannelName


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with an email."""

    file_name: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it goes out: the same at each attempt. `date` (aware) is when it was composed."""

    message_id: UUID
    channel: ChannelName
    sender: str
    recipient: str
    text: str
    date: datetime
    sender_name: str | None = None
    reply_to: str | None = None
    subject: str | None = None
    html: str | None = None
    language: str | None = None
    message_id_header: str | None = None
    attachments: tuple[Attachment, ...] = ()
    content_sid: str | None = None
    content_variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it and will not lose it. `detail` is its answer on one line."""

    provider_id: str | None = None
    detail: str = ""


class NotAccepted(Exception):
    """The provider surely did not take it. `code` is for machines (capitals), the message one line without secrets."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Refused(NotAccepted):
    """For good: another attempt would end likewise."""


class Unavailable(NotAccepted):
    """For now. `retry_after_seconds` is what the provider asked for; `is_of_all` where no other message would fare
    better, as when the server cannot be reached or limits the account.
    """

    def __init__(
        self, code: str, message: str, *, retry_after_seconds: float | None = None, is_of_all: bool = False
    ) -> None:
        super().__init__(code, message)
        self.retry_after_seconds = retry_after_seconds
        self.is_of_all = is_of_all


class OutcomeUnknown(Exception):
    """It was handed over and no answer came: it may have gone out."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a provider says of a message that may have gone out. `went_out` None: it cannot tell."""

    went_out: bool | None
    provider_id: str | None = None
    detail: str = ""


class Channel(Protocol):
    """A way out. One object per thread, not thread safe; keeps its connection open until `close`."""

    def send(self, outgoing: Outgoing) -> Accepted:
        """Hands a message over. Raises Refused, Unavailable or OutcomeUnknown."""
        ...

    def look_up(self, outgoing: Outgoing, since: datetime) -> LookedUp:
        """Whether a message went out, at an attempt that began at `since` or later. Raises Unavailable."""
        ...

    def close(self) -> None:
        """Ends the connection, if there is one."""
        ...
