"""A messaging channel: its declaration, and the values that the sender and an open channel exchange.

A channel is one declaration (`MessagingChannel`) in a module of its own, registered by name as an entry point of the
group in `registry`. All that differs between channels is said there; nothing else asks a channel for its name. How a
provider is spoken to is in the module that the declaration opens, which is loaded when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from invoice_pipelines.delivery.channels.addresses import AddressKind
from invoice_pipelines.delivery.values import MessageStatus
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.organizations.settings import MessageSettings
from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines.settings import Settings


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
    channel: str
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


class NotAccepted(InvoicePipelinesError):
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


class OutcomeUnknown(InvoicePipelinesError):
    """It was handed over and no answer came: it may have gone out."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a provider says of a message that may have gone out. `went_out` None: it cannot tell."""

    went_out: bool | None
    provider_id: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ReportedStatus:
    """How a message stands at the provider; `status` DELIVERED and BOUNCED are final, SENT is not."""

    status: MessageStatus
    provider_status: str
    """In the provider's word; `unknown` where it has no message of that id."""
    code: str | None
    detail: str
    reported_by: str


class OpenChannel(Protocol):
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


@dataclass(frozen=True, slots=True)
class Originator:
    """Whom a message comes from."""

    address: str
    name: str | None = None
    reply_to: str | None = None


class Part(Enum):
    """What a message can have beside its text."""

    SUBJECT = auto()
    HTML = auto()
    ATTACHMENTS = auto()
    MESSAGE_ID = auto()
    """a Message-ID of RFC 5322, fixed before the message is sent"""
    APPROVED_TEMPLATE = auto()
    """the id of a template that the provider approved (`content_sid`), whose places the lines of the text fill"""


@dataclass(frozen=True, slots=True)
class MessagingChannel:
    """The declaration of a channel.

    `open` may raise Unavailable NOT_SET_UP, as `sender` does, which says whom the messages of an organization come
    from. `per_minute` is how many of them may go out. `fit` gives the text as it goes out, and raises DeliveryError
    where it is too long. A channel that sends without `can_look_up` leaves each lost answer to a person. `statuses`
    asks the provider what became of messages, by its own ids, if it can be asked; raises Unavailable, after those that
    could be told.
    """

    name: str
    title: str
    """in the plural, for people: `SMS`, `emails`"""
    addresses: AddressKind
    open: Callable[[Settings], OpenChannel]
    is_set_up: Callable[[Settings], bool]
    sender: Callable[[OrganizationContext], Originator]
    per_minute: Callable[[MessageSettings], int]
    fit: Callable[[str], str] = str
    parts: frozenset[Part] = frozenset()
    can_look_up: bool = True
    statuses: Callable[[Settings, Iterable[str]], Iterator[tuple[str, ReportedStatus]]] | None = None
    texts_of: str | None = None
    """the channel whose texts of the project are used, where there are none of its own"""


def channel_of(name: str) -> MessagingChannel:
    """The channel of a name. Raises UnknownName."""
    channel = MESSAGING_CHANNELS.load(name)
    assert isinstance(channel, MessagingChannel)
    return channel


def channels() -> Iterator[MessagingChannel]:
    """All channels that are registered."""
    return map(channel_of, MESSAGING_CHANNELS.names())


def channels_to_ask(settings: Settings) -> list[MessagingChannel]:
    """Channels that are set up and whose providers say what became of messages, if they are asked."""
    return [channel for channel in channels() if channel.statuses is not None and channel.is_set_up(settings)]
