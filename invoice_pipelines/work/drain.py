"""How a queue with effects in this database is emptied: claim a chunk, do it, commit effects and outcomes together.

What a chunk means is the handler's; the steps are in `leases`, and what goes around them in `run`. Here is what happens
to the items of a chunk when something goes wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database.errors import is_put_off
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.work.clock import CLOCK, Clock
from invoice_pipelines.work.failures import reason_of
from invoice_pipelines.work.leases import Claim, LeaseLost, OpenEntry, claim_entries, finish, keep, open_entries
from invoice_pipelines.work.report import Progress, Report
from invoice_pipelines.work.run import Run
from invoice_pipelines.work.values import Chunk, Item, ItemStatus, Outcome

log = logging.getLogger(__name__)

Handler = Callable[[Connection, Chunk], Sequence[Outcome]]
"""Does one chunk in the transaction it is given and returns one outcome per item, in the order of `chunk.items`.

The transaction commits the handler's writes and the outcomes together, or neither. Effects outside of the database
must stand being repeated, as a process can die after them and before the commit. A raised exception means that an item
is at fault: the chunk is rolled back and each item is done alone.
"""

_PUT_OFF_FOR = timedelta(minutes=1)
_SECONDS_BETWEEN_LOOKS = 0.5


class _PutOff(InvoicePipelinesError):
    """A chunk was put off, and the drain is to end with what was the cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def drain(
    engine: Engine,
    organization_id: UUID,
    kind: str,
    handler: Handler,
    *,
    chunk_size: int = 500,
    lease: timedelta = timedelta(minutes=5),
    time_box: timedelta = timedelta(minutes=30),
    max_attempts: int = 5,
    subjects: Sequence[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    is_done: Callable[[], bool] = lambda: False,
    clock: Clock = CLOCK,
) -> Report:
    """Does the due items of a kind until none is left, the time box ends or `should_stop()` says so, chunk by chunk.

    Any number of drains may run at once. The lease is kept while a chunk is done. An interrupted drain
    (KeyboardInterrupt, an end of the run) gives back what it has not finished; after a kill the lease has to run out
    first. For `is_done` see Run.

    With `subjects`, only what is open for these in the continuous queue is done, ahead of all else and due or not: each
    once, after those who work on it already. `due` counts what is still open of it then.

    Raises DBAPIError where PostgreSQL cannot do the work for now, such as when somebody else's transaction holds what
    it needs for longer than `lock_timeout`: the chunk is put off for a minute with the reason; the rest stays due.
    """
    run = Run(
        engine,
        organization_id,
        [kind],
        lease=lease,
        time_box=time_box,
        on_progress=on_progress,
        should_stop=should_stop,
        is_done=is_done,
        count_due=None if subjects is None else lambda: (len(_open(run, kind, subjects)), None),
        clock=clock,
    )
    run.work(_Drain(run, kind, handler, chunk_size, max_attempts, subjects).steps)
    return run.report(Report)


def _open(run: Run, kind: str, subjects: Sequence[str]) -> dict[str, OpenEntry]:
    with run.scope() as connection:
        return open_entries(connection, kind, subjects)


@dataclass(slots=True)
class _Drain:
    """What one drain does with its chunks."""

    run: Run
    kind: str
    handler: Handler
    chunk_size: int
    max_attempts: int
    subjects: Sequence[str] | None
    _recorded: int = 0

    def steps(self) -> Iterator[None]:
        """Claims and does chunks, until nothing is due."""
        for claimed in self._due() if self.subjects is None else self._open_entries(self.subjects):
            before = self._recorded
            self.run.hold(claimed)
            try:
                self._do(claimed)
            except LeaseLost as lost:
                log.warning("%s", lost)
                self.run.tally.add("lost", len(claimed.items) - (self._recorded - before))
                self.run.release([claimed])
            except _PutOff as put_off:
                with suppress(SQLAlchemyError):
                    self.run.release([claimed], wait="2s")  # those that had not had their turn
                raise put_off.cause from None
            except BaseException:
                with suppress(SQLAlchemyError):
                    self.run.release([claimed])
                raise
            finally:
                self.run.let_go(claimed)
            yield

    def _due(self) -> Iterator[Claim]:
        while (claimed := self.run.claim(self.kind, self.chunk_size, max_attempts=self.max_attempts)) is not None:
            yield claimed

    def _open_entries(self, subjects: Sequence[str]) -> Iterator[Claim]:
        """What is open for these subjects. What fails for now is not tried a second time, though it waits again."""
        left = list(dict.fromkeys(subjects))
        while left and not self.run.is_over():
            self.run.return_expired(self.kind)
            with self.run.scope() as connection:
                entries = open_entries(connection, self.kind, left)
                left = [subject for subject in left if subject in entries]
                waiting = [subject for subject in left if entries[subject].waits]
                together = [subject for subject in waiting if not entries[subject].claim_alone]
                claimed = claim_entries(
                    connection,
                    self.kind,
                    together[: self.chunk_size] or waiting[:1],
                    lease=self.run.lease,
                    max_attempts=self.max_attempts,
                )
            if claimed is not None:
                taken = {item.subject_id for item in claimed.items}
                left = [subject for subject in left if subject not in taken]
                yield claimed
            elif left:
                self.run.wait(_SECONDS_BETWEEN_LOOKS)

    def _do(self, claimed: Claim) -> None:
        try:
            self._attempt(claimed)
        except (LeaseLost, _PutOff):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is the fault of one item
            if is_put_off(error):
                self._put_off(claimed, error)
            elif len(claimed.items) == 1:
                self._fail(claimed, error)
            else:
                log.info("A chunk of %d %s items failed; they are done one by one.", len(claimed.items), self.kind)
                self._one_by_one(claimed)

    def _one_by_one(self, claimed: Claim) -> None:
        for item in claimed.items:
            if self.run.is_over():
                self.run.release([claimed])
                return
            self._do(replace(claimed, items=(item,)))

    def _attempt(self, claimed: Claim) -> None:
        with self.run.scope() as connection:
            chunk = Chunk(
                claimed.kind, claimed.job_id, claimed.parameters, claimed.items, self._check(connection, claimed)
            )
            outcomes = self.handler(connection, chunk)
            statuses = finish(connection, claimed, outcomes)
        self._record(claimed.items, outcomes, statuses)

    def _check(self, connection: Connection, claimed: Claim) -> Callable[[], None]:
        clock, every = self.run.clock, self.run.lease.total_seconds() / 3
        checked = clock.monotonic()

        def check() -> None:
            nonlocal checked
            if clock.monotonic() - checked < every:
                return
            checked = clock.monotonic()
            with self.run.scope() as another:
                keep(another, claimed, self.run.lease)
            connection.execute(text("select"))  # or PostgreSQL takes the transaction for one that stands still

        return check

    def _put_off(self, claimed: Claim, error: Exception) -> None:
        """Leaves the items for later with the reason, which was no attempt, and ends the drain: what held up this
        chunk, a lock or a full disk, would hold up one after the other.
        """
        reason = reason_of(error)
        log.warning("%d %s items are put off: %s", len(claimed.items), self.kind, reason.message)
        later = self.run.later(_PUT_OFF_FOR, reason.code, reason.message)
        with (
            suppress(SQLAlchemyError, LeaseLost),  # if they are locked as well, they come back with their lease
            self.run.scope() as connection,
        ):
            connection.execute(text("set local lock_timeout = '2s'"))
            finish(connection, claimed, [later] * len(claimed.items))
        raise _PutOff(error)

    def _fail(self, claimed: Claim, error: Exception) -> None:
        reason = reason_of(error)
        log.warning("%s item %s failed: %s", self.kind, claimed.items[0].subject_id, reason.message)
        log.debug("The whole error:", exc_info=error)
        with self.run.scope() as connection:
            statuses = finish(connection, claimed, [reason])
        self._record(claimed.items, [reason], statuses)

    def _record(self, items: Sequence[Item], outcomes: Sequence[Outcome], statuses: Sequence[ItemStatus]) -> None:
        self._recorded += len(items)
        for item, outcome, status in zip(items, outcomes, statuses, strict=True):
            self.run.tally.outcome(item.subject_id, outcome, status)
