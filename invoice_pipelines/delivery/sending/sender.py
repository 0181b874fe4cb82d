"""What one thread of a sending run does with an entry: examines, waits for its turn, writes, hands over, records.

    turn           outside of any transaction; one that is not used is kept for the next entry
    examine        a transaction: which message it is, and whether it may go now;
    and intend     the message is written for good, and its attempt; committed before anything leaves
    hand over      a transaction that stays open while the provider answers, which its time-out limits: the invoice is
                   locked, so that nobody who pays in that moment is reminded, and the message, so that nobody else
                   sends it; what became of it is recorded with the outcome of the entry

A process that dies in between leaves an attempt without an outcome; `looking_up` has what becomes of it.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from invoice_pipelines.database.errors import LOCK_NOT_AVAILABLE, is_put_off, sqlstate
from invoice_pipelines.delivery.channels.channel import LookedUp, OpenChannel, Unavailable, channel_of
from invoice_pipelines.delivery.documents.documents import DocumentNotMade
from invoice_pipelines.delivery.messages.messages import UnderWay, lock_messages
from invoice_pipelines.delivery.messages.wanted import Wanted, what_is_wanted
from invoice_pipelines.delivery.sending.examining import Ready, Unsettled, examine, fail_message
from invoice_pipelines.delivery.sending.handing_over import (
    Again,
    Away,
    Intended,
    at_last,
    hand_over,
    intend,
    known_code,
)
from invoice_pipelines.delivery.sending.looking_up import ToLookUp, record_look_up, settle
from invoice_pipelines.delivery.values import DeliveryError, MessageStatus
from invoice_pipelines.storage import StorageError
from invoice_pipelines.work import Claim, Failed, Item, Later, LeaseLost, Outcome, claim, finish, release
from invoice_pipelines.work.failures import reason_of

if TYPE_CHECKING:
    from invoice_pipelines.delivery.sending.sending import Shared

log = logging.getLogger(__name__)

CLAIMED_AT_ONCE = 4
CLAIMED = 1000
"""Attempts that the queue allows: what is final is decided here."""
ROUNDS = 5
"""How often an entry is begun anew in one go, as after a look-up that found nothing."""
REST = timedelta(minutes=2)
"""How long a channel is left alone that is away, where it does not say itself."""
NOT_SET_UP_REST = timedelta(minutes=15)
SOON = timedelta(seconds=5)


class Sender:
    """One thread of a run."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._settings = shared.settings
        self._organization = shared.organization
        self._channels: dict[str, OpenChannel] = {}
        self._turn: str | None = None
        """the channel of the turn in hand"""
        self._latest: str | None = None
        """the channel of the latest message: that of the next one, most likely"""

    def close(self) -> None:
        """Ends the connections of its channels."""
        for channel in self._channels.values():
            with suppress(Exception):
                channel.close()

    def turn(self) -> bool:
        """Does a few entries; False: nothing is due."""
        for kind in self._shared.kinds:
            self._shared.return_expired(kind)
            with self._scope() as connection:
                claimed = claim(
                    connection, kind, chunk_size=CLAIMED_AT_ONCE, lease=self._shared.lease, max_attempts=CLAIMED
                )
            if claimed is not None:
                self._do_all(claimed)
                return True
        return False

    def _do_all(self, claimed: Claim) -> None:
        self._shared.hold(claimed)
        try:
            for item in claimed.items:
                if self._shared.is_over():
                    break
                self._do(replace(claimed, items=(item,)), item)
        finally:
            self._shared.let_go(claimed)
            with suppress(SQLAlchemyError), self._scope() as connection:
                self._shared.count_released(release(connection, claimed))

    def _do(self, claimed: Claim, item: Item) -> None:
        """Does one entry, whatever happens; one that has no outcome after that is given back."""
        try:
            for _ in range(ROUNDS):
                if self._round(claimed, item) is not Again.BEGIN_ANEW:
                    return
            self._finish(claimed, Later(_from_now(SOON), "UNDER_WAY", "It changed all the while."))
        except UnderWay:
            self._finish(claimed, Later(_from_now(SOON), "UNDER_WAY", "Another process works on it."))
        except LeaseLost:
            log.warning("Another worker has taken over %s %s.", claimed.kind, item.subject_id)
        except Exception as error:
            if isinstance(error, OperationalError) and not _passes(error):
                raise
            log.warning("A message could not be sent.", exc_info=error)
            reason = reason_of(error)
            if is_put_off(error):
                self._finish(claimed, Later(_from_now(SOON), reason.code, reason.message))
            else:
                self._give_up(claimed, item, reason)

    def _round(self, claimed: Claim, item: Item) -> Again | None:
        """One go at an entry; None: it has its outcome, or the run is over."""
        if self._latest is not None and self._turn is None and self._shared.closed(self._latest) is None:
            if not self._shared.wait_for_turn(self._latest):
                return None
            self._turn = self._latest
        with self._scope() as connection:
            found = self._find(connection, claimed, item)
            if not isinstance(found, Intended | ToLookUp | str):
                self._finish_in(connection, claimed, found)
                return None
        if isinstance(found, ToLookUp):
            return self._look_up(claimed, item, found)
        if isinstance(found, str):
            self._turn, self._latest = None, found
            return Again.BEGIN_ANEW
        self._turn = None
        name = found.message.channel
        with self._scope() as connection:
            outcome = hand_over(connection, self._settings, item, found, self._channel(name))
            if isinstance(outcome, Again):
                return outcome
            if isinstance(outcome, Away):
                outcome = self._put_off(name, outcome.error)
            self._finish_at_any_rate(connection, claimed, outcome)
        return None

    def _find(self, connection: Connection, claimed: Claim, item: Item) -> Intended | ToLookUp | str | Outcome:
        """What is to be done about an entry; a channel where a turn of that is needed first."""
        wanted = what_is_wanted(connection, claimed, item)
        if isinstance(wanted, Failed):
            return wanted
        found = examine(connection, self._settings, self._organization, wanted)
        if isinstance(found, Unsettled):
            return settle(connection, self._settings, self._organization, found)
        if not isinstance(found, Ready):
            return found
        name = wanted.key.channel
        try:
            if (closed := self._shared.closed(name)) is not None:
                raise closed
            channel_of(name).sender(self._settings, self._organization)
            self._channel(name)
        except Unavailable as error:
            return self._put_off(name, error)
        return self._intend(connection, item, found) if self._turn == name else name

    def _intend(self, connection: Connection, item: Item, found: Ready) -> Intended | Outcome:
        try:
            return intend(connection, self._settings, self._organization, found)
        except Unavailable as error:
            return self._put_off(found.message.channel, error)
        except DocumentNotMade as error:
            failed = Failed(known_code(error.code), str(error), error.retry)
        except StorageError as error:
            failed = Failed("STORAGE", str(error), retry=True)
        except DeliveryError as error:
            failed = Failed("TEMPLATE", str(error))
        failed = at_last(self._settings, item, failed)
        if not failed.retry:
            fail_message(connection, found.message, failed.code, failed.message)
        return failed

    def _look_up(self, claimed: Claim, item: Item, asked: ToLookUp) -> Again | None:
        """Asks the provider whether a message went out."""
        answer: LookedUp | Exception
        name = asked.message.channel
        try:
            if channel_of(name).can_look_up:
                answer = self._channel(name).look_up(asked.outgoing, asked.since)
            else:
                answer = LookedUp(None, detail=f"Nobody can be asked what became of {channel_of(name).title}.")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is asked again
            answer = error
        with self._scope() as connection:
            outcome = record_look_up(connection, self._settings, item, asked, answer)
            if isinstance(outcome, Again):
                return outcome
            self._finish_at_any_rate(connection, claimed, outcome)
        return None

    def _put_off(self, name: str, error: Unavailable) -> Later:
        if error.code == "NOT_SET_UP":
            rest = NOT_SET_UP_REST
        else:
            rest = REST if error.retry_after_seconds is None else timedelta(seconds=error.retry_after_seconds)
        until = self._shared.close_channel(name, error, _from_now(rest))
        return Later(until, known_code(error.code), str(error))

    def _give_up(self, claimed: Claim, item: Item, failed: Failed) -> None:
        """After an unexpected error. A message that may be out is never failed: it is looked up."""
        failed = at_last(self._settings, item, failed)
        with self._scope() as connection:
            wanted = what_is_wanted(connection, claimed, item)
            if isinstance(wanted, Wanted) and not failed.retry:
                with suppress(UnderWay):
                    for message in lock_messages(connection, wanted.key):
                        if message.status is MessageStatus.WAITING:
                            fail_message(connection, message, failed.code, failed.message)
            self._finish_in(connection, claimed, failed)

    def _finish(self, claimed: Claim, outcome: Outcome) -> None:
        with self._scope() as connection:
            self._finish_in(connection, claimed, outcome)

    def _finish_in(self, connection: Connection, claimed: Claim, outcome: Outcome) -> None:
        finish(connection, claimed, [outcome])
        self._shared.count(claimed.items[0].subject_id, outcome)

    def _finish_at_any_rate(self, connection: Connection, claimed: Claim, outcome: Outcome) -> None:
        """The message may be out, which is recorded even if its entry cannot be finished: who gets it will see that."""
        try:
            with connection.begin_nested():
                self._finish_in(connection, claimed, outcome)
        except (LeaseLost, SQLAlchemyError) as error:
            log.warning("The entry of a message could not be finished: %s", reason_of(error).message)

    def _channel(self, name: str) -> OpenChannel:
        if name not in self._channels:
            self._channels[name] = self._shared.open_channel(name)
        return self._channels[name]

    def _scope(self) -> AbstractContextManager[Connection]:
        return self._shared.scope()


def _passes(error: OperationalError) -> bool:
    """Whether it is about this transaction (a lock that was not to be had; class 40: deadlock, serialization), and not
    about the server.
    """
    state = sqlstate(error) or ""
    return state == LOCK_NOT_AVAILABLE or state.startswith("40")


def _from_now(pause: timedelta) -> datetime:
    return datetime.now(UTC) + pause
