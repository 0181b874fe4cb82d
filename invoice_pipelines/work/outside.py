"""How a queue is emptied whose entries are done by something outside: a mail provider, a receiver of webhooks.

A thread claims a few entries and does them one after the other. In which transactions, and when something outside is
asked, is the kind's business; here is how an entry ends, also when something goes wrong. What goes out in sets, as to
QuickBooks, is no business of this module: the push has a worker of its own on the `Run`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from invoice_pipelines.database.errors import LOCK_NOT_AVAILABLE, TRANSIENT, is_put_off, sqlstate
from invoice_pipelines.work.failures import reason_of
from invoice_pipelines.work.leases import Claim, LeaseLost, finish
from invoice_pipelines.work.run import Run
from invoice_pipelines.work.values import Failed, Item, ItemStatus, Outcome

log = logging.getLogger(__name__)

T = TypeVar("T")

CLAIMED = 1000
"""Attempts that the queue allows: what is final is decided by the kind, as to wait for something is no fault."""
SOON = timedelta(seconds=5)
"""How long an entry waits for what passes."""
_CLAIMED_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One claimed entry, until it has its outcome."""

    run: Run
    claimed: Claim
    """of this entry alone"""
    count: Callable[[Outcome], None]

    @property
    def item(self) -> Item:
        return self.claimed.items[0]

    def within(self, do: Callable[[Connection], T]) -> T:
        """What `do` does in one transaction, and returns. With an outcome, the entry has ended in the same transaction.

        Raises LeaseLost where somebody else has the entry by now; nothing is kept then.
        """
        with self.run.scope() as connection:
            done = do(connection)
            if isinstance(done, Outcome):
                (status,) = finish(connection, self.claimed, [done])
        if isinstance(done, Outcome):
            self._count(done, status)
        return done

    def record(self, do: Callable[[Connection], T]) -> T:
        """As `within`, for what has happened outside: it is kept even if the entry cannot be finished, and whoever gets
        that next will see it.
        """
        status: ItemStatus | None = None
        with self.run.scope() as connection:
            done = do(connection)
            if isinstance(done, Outcome):
                try:
                    with connection.begin_nested():
                        (status,) = finish(connection, self.claimed, [done])
                except (LeaseLost, SQLAlchemyError) as error:
                    log.warning("An entry of %s could not be finished: %s", self.claimed.kind, reason_of(error).message)
        if isinstance(done, Outcome) and status is not None:
            self._count(done, status)
        return done

    def _count(self, outcome: Outcome, status: ItemStatus) -> None:
        self.run.tally.outcome(self.item.subject_id, outcome, status)
        self.count(outcome)


def do_entries(
    run: Run,
    kinds: Sequence[str],
    do: Callable[[Entry], None],
    *,
    give_up: Callable[[Connection, Entry, Failed], Outcome],
    count: Callable[[Outcome], None],
) -> Iterator[None]:
    """Does what is due, a few entries at each step, until nothing is; kinds have their turn in their order.

    What `do` leaves without an outcome is given back. Where it raises, the entry gets the outcome that `give_up` makes
    of the reason, and the others go on; errors of the database as a whole are raised. `count` hears of each outcome
    once it is committed.
    """
    while (claimed := _claim(run, kinds)) is not None:
        with run.holding([claimed]):
            for item in claimed.items:
                if run.is_over():
                    break
                entry = Entry(run, replace(claimed, items=(item,)), count)
                try:
                    _do(entry, do, give_up)
                except LeaseLost:
                    log.warning("Another worker has taken over %s %s.", claimed.kind, item.subject_id)
                    run.tally.add("lost")
        yield


def _claim(run: Run, kinds: Sequence[str]) -> Claim | None:
    found = (run.claim(kind, _CLAIMED_AT_ONCE, max_attempts=CLAIMED) for kind in kinds)
    return next((claimed for claimed in found if claimed is not None), None)


def _do(entry: Entry, do: Callable[[Entry], None], give_up: Callable[[Connection, Entry, Failed], Outcome]) -> None:
    try:
        do(entry)
    except LeaseLost:
        raise
    except Exception as error:
        if isinstance(error, OperationalError) and not _is_of_this_transaction(error):
            raise
        log.warning("%s %s could not be done.", entry.claimed.kind, entry.item.subject_id, exc_info=error)
        reason = reason_of(error)
        if is_put_off(error):
            entry.within(lambda _: entry.run.later(SOON, reason.code, reason.message))
        else:
            entry.within(lambda connection: give_up(connection, entry, reason))


def _is_of_this_transaction(error: OperationalError) -> bool:
    """Whether it is about a lock that was not to be had, a deadlock or a serialization failure, and not about the
    server.
    """
    return sqlstate(error) in {LOCK_NOT_AVAILABLE, *TRANSIENT}
