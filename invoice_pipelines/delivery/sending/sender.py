"""One thread of a sending run. With each entry, it waits for its turn, examines, writes, hands over and records.

    turn           outside of any transaction; one that is not used is kept for the next entry
    examine        a transaction: which message it is, and whether it may go now;
    and intend     the message is written for good, and its attempt; committed before anything leaves
    hand over      a transaction that stays open while the provider answers, which its time-out limits: the invoice is
                   locked, so that nobody who pays in that moment is reminded, and the message, so that nobody else
                   sends it; what became of it is recorded with the outcome of the entry

A process that dies in between leaves an attempt without an outcome; `looking_up` has what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.channels.channel import LookedUp, MessagingChannel, OpenChannel, Unavailable, channel_of
from invoice_pipelines.delivery.documents.single import DocumentNotMade
from invoice_pipelines.delivery.messages.messages import UnderWay, fail_message, lock_messages
from invoice_pipelines.delivery.messages.wanted import Wanted, what_is_wanted
from invoice_pipelines.delivery.sending.examining import Ready, Unsettled, examine
from invoice_pipelines.delivery.sending.handing_over import Again, Intended, hand_over, intend, known_code
from invoice_pipelines.delivery.sending.looking_up import ToLookUp, record_look_up, settle
from invoice_pipelines.delivery.values import DeliveryError, MessageStatus
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.organizations.settings import MessageSettings
from invoice_pipelines.storage import StorageError
from invoice_pipelines.work import Failed, Item, Later, Outcome, Run, Succeeded
from invoice_pipelines.work.outside import SOON, Entry, do_entries

ROUNDS = 5
"""How often an entry is begun anew in one go, as after a look-up that found nothing."""
REST = timedelta(minutes=2)
"""How long a channel is left alone that is away, where it does not say itself."""
NOT_SET_UP_REST = timedelta(minutes=15)


class Sender:
    """One thread of a run."""

    def __init__(
        self,
        run: Run,
        context: OrganizationContext,
        kinds: Sequence[str],
        open_channel: Callable[[str], OpenChannel],
    ) -> None:
        self._run = run
        self._context = context
        self._settings = context.settings
        self._kinds = kinds
        self._open_channel = open_channel
        self._channels: dict[str, OpenChannel] = {}
        self._turn: str | None = None
        """the channel of the turn in hand"""
        self._latest: str | None = None
        """the channel of the latest message: that of the next one, most likely"""

    def steps(self) -> Iterator[None]:
        """Does a few entries at each step, as a worker of the run; kinds have their turn in their order."""
        try:
            yield from do_entries(self._run, self._kinds, self._do, give_up=self._give_up, count=self._count)
        finally:
            for channel in self._channels.values():
                with suppress(Exception):
                    channel.close()

    def _do(self, entry: Entry) -> None:
        why = "It kept changing."
        try:
            for _ in range(ROUNDS):
                if self._round(entry) is not Again.BEGIN_ANEW:
                    return
        except UnderWay:
            why = "Another process is working on it."
        entry.within(lambda _: self._run.later(SOON, "UNDER_WAY", why))

    def _round(self, entry: Entry) -> Again | Outcome | None:
        """One go at an entry; None: the run is over."""
        if self._latest is not None and self._turn is None and self._run.closed(self._latest) is None:
            if not self._wait_for_turn(channel_of(self._latest)):
                return None
            self._turn = self._latest
        found = entry.within(lambda connection: self._find(connection, entry))
        if isinstance(found, ToLookUp):
            return self._look_up(entry, found)
        if isinstance(found, MessagingChannel):
            self._turn, self._latest = None, found.name
            return Again.BEGIN_ANEW
        if isinstance(found, Intended):
            self._turn = None
            return entry.record(lambda connection: self._hand_over(connection, entry, found))
        return found

    def _hand_over(self, connection: Connection, entry: Entry, intended: Intended) -> Outcome | Again:
        name = intended.message.channel
        outcome = hand_over(connection, self._settings, entry.item, intended, self._channel(name), self._run.clock)
        return self._put_off(name, outcome) if isinstance(outcome, Unavailable) else outcome

    def _wait_for_turn(self, channel: MessagingChannel) -> bool:
        """Waits until the next message of a channel may go out; False: the run is over before."""
        with self._run.scope() as connection:
            seconds = take_turn(connection, channel, self._context.organization.settings.messages)
        return self._run.wait(seconds)

    def _find(self, connection: Connection, entry: Entry) -> Intended | ToLookUp | MessagingChannel | Outcome:
        """What is to be done about an entry; a channel where a turn of that is needed first."""
        wanted = what_is_wanted(connection, entry.claimed, entry.item)
        if isinstance(wanted, Failed):
            return wanted
        found = examine(connection, self._context, wanted)
        if isinstance(found, Unsettled):
            return settle(connection, self._context, found)
        if not isinstance(found, Ready):
            return found
        channel = channel_of(wanted.key.channel)
        try:
            if (why := self._run.closed(channel.name)) is not None:
                raise why
            channel.sender(self._context)
            self._channel(channel.name)
        except Unavailable as error:
            return self._put_off(channel.name, error)
        return self._intend(connection, entry.item, found) if self._turn == channel.name else channel

    def _intend(self, connection: Connection, item: Item, found: Ready) -> Intended | Outcome:
        try:
            return intend(connection, self._context, found)
        except Unavailable as error:
            return self._put_off(found.message.channel, error)
        except DocumentNotMade as error:
            failed = Failed(known_code(error.code), str(error), error.retry)
        except StorageError as error:
            failed = Failed("STORAGE", str(error), retry=True)
        except DeliveryError as error:
            failed = Failed("TEMPLATE", str(error))
        failed = failed.at_last(item.attempts, self._settings.message_attempts)
        if not failed.retry:
            fail_message(connection, found.message, failed.code, failed.message)
        return failed

    def _look_up(self, entry: Entry, asked: ToLookUp) -> Again | Outcome:
        """Asks the provider whether a message went out, if it can tell."""
        channel = channel_of(asked.message.channel)
        answer: LookedUp | Exception
        try:
            if channel.can_look_up:
                answer = self._channel(channel.name).look_up(asked.outgoing, asked.since)
            else:
                answer = LookedUp(None, detail=f"Nobody can be asked what became of {channel.title}.")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is asked again
            answer = error
        return entry.record(lambda connection: record_look_up(connection, self._settings, entry.item, asked, answer))

    def _put_off(self, name: str, error: Unavailable) -> Later:
        """Lets all messages of a channel wait that is away, or not set up."""
        if error.code == "NOT_SET_UP":
            rest = NOT_SET_UP_REST
        else:
            rest = REST if error.retry_after_seconds is None else timedelta(seconds=error.retry_after_seconds)
        until = self._run.close(name, self._run.clock.now() + rest, error)
        return Later(until, known_code(error.code), str(error))

    def _give_up(self, connection: Connection, entry: Entry, failed: Failed) -> Failed:
        """After an unexpected error. A message that may be out is never failed: it is looked up."""
        failed = failed.at_last(entry.item.attempts, self._settings.message_attempts)
        wanted = what_is_wanted(connection, entry.claimed, entry.item)
        if isinstance(wanted, Wanted) and not failed.retry:
            with suppress(UnderWay):
                for message in lock_messages(connection, wanted.key):
                    if message.status is MessageStatus.WAITING:
                        fail_message(connection, message, failed.code, failed.message)
        return failed

    def _count(self, outcome: Outcome) -> None:
        match outcome:
            case Succeeded(result):
                for figure in ("operation", "channel"):
                    self._run.tally.add_figure((figure, (result or {})[figure]))
            case Failed(code) | Later(_, code):
                self._run.tally.add_figure(("failed" if isinstance(outcome, Failed) else "postponed", code))

    def _channel(self, name: str) -> OpenChannel:
        if name not in self._channels:
            self._channels[name] = self._open_channel(name)
        return self._channels[name]


def take_turn(connection: Connection, channel: MessagingChannel, wishes: MessageSettings) -> float:
    """Takes the next turn of a channel, in which all processes stand in one line; so many seconds it lies ahead. Commit
    at once, and wait outside.
    """
    spacing = timedelta(minutes=1) / channel.per_minute(wishes)
    return float(
        connection.execute(
            text("select delivery.take_turn(:channel, :spacing)"), {"channel": channel.name, "spacing": spacing}
        ).scalar_one()
    )
