"""What a thread of a push does about calls that get no answer; open_batches explains the rule."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.quickbooks.api.faults import Fault, FaultKind
from invoice_pipelines.quickbooks.events import record_event
from invoice_pipelines.quickbooks.push.batches import Batch
from invoice_pipelines.quickbooks.push.entries import Entries
from invoice_pipelines.quickbooks.push.open_batches import (
    HeldUp,
    held_up_since,
    hold_up,
    is_oldest,
    rest_batch,
)
from invoice_pipelines.quickbooks.push.pushing import ThreadOfPush
from invoice_pipelines.work import Failed

log = logging.getLogger(__name__)

SENT_AT_ONCE = 3
"""How often a new batch is sent in one turn before it is left for later; one that is sent again goes once a turn."""
NOT_KNOWN = (FaultKind.UNKNOWN, FaultKind.RETRY, FaultKind.WAIT, FaultKind.REFRESH, FaultKind.PAUSED)
"""Faults of a call after which the same must be sent again."""


class Resending(ThreadOfPush):
    """The calls of a batch, and what to do where they got no answer."""

    def check(self, connection: Connection) -> None:
        """Raises HeldUp where nothing new may be sent. In the transaction that stores it."""
        if held_up_since(connection, self._realm_id, self._entity) is not None:
            raise HeldUp

    @contextmanager
    def held(self, batch: Batch) -> Iterator[None]:
        """Keeps the lease of a batch while it is sent; after an error whoever comes next sends it again."""
        self._pushing.hold_batch(batch)
        with self.being_sent(batch):
            yield

    @contextmanager
    def being_sent(self, batch: Batch) -> Iterator[None]:
        """Lets go of a batch that is held already, in the same way."""
        try:
            yield
        except BaseException:
            self._run.let_go(batch)
            with suppress(SQLAlchemyError), self._scope() as connection:
                batch.extend(connection, timedelta(0))
            raise
        finally:
            self._pushing.let_go_batch(batch)

    def calls(self, batch: Batch) -> Iterator[None]:
        """Yields for each call that may be made in this turn; whoever got an answer asks for no more."""
        yield
        if batch.attempts > 0:
            return
        with self._scope() as connection:
            hold_up(connection, batch)
        for attempt in range(1, SENT_AT_ONCE):
            if not self._pushing.pause(attempt):
                return
            with self._scope() as connection:
                is_its_turn = is_oldest(connection, self._realm_id, batch)
            if is_its_turn:
                yield

    def company_answers(self, batch: Batch) -> bool:
        """Whether the company answers a read, now that a batch got no answer.

        That is asked of what is sent again even if the time is up: or else, where that is shorter than a time-out, it
        would never be known.
        """
        if batch.attempts == 0 and self._run.is_over():
            return False
        try:
            self._quickbooks.read("CompanyInfo", self._realm_id)
        except Fault:
            return False
        return True

    def leave_open(
        self,
        batch: Batch,
        subjects: Iterable[UUID] = (),
        fault: Fault | None = None,
        entries: Entries | None = None,
        *,
        counts: bool,
    ) -> None:
        """The batch rests and is sent again as it is; its entries wait for that. `counts`: see open_batches."""
        unknown = Failed("OUTCOME_UNKNOWN", f"No answer yet; it is sent again as it was. {fault or ''}", retry=True)
        self._run.let_go(batch)

        def rest(connection: Connection) -> None:
            set_aside = rest_batch(
                connection, batch, counts=counts, rest=self._pushing.rest, rest_aside=self._pushing.rest_aside
            )
            if set_aside:
                record_event(
                    connection,
                    self._realm_id,
                    "SET_ASIDE",
                    f"A call with {len(batch.operations)} {batch.entity.value}(s) repeatedly got no answer, while "
                    f"QuickBooks answers others: they go on, and it is sent again from time to time. {fault or ''}",
                    severity="warning",
                    entity_type=batch.entity.value,
                    detail={"batch": str(batch.id), "request_id": batch.request_id},
                    intuit_tid=None if fault is None else fault.intuit_tid,
                )

        self._pushing.finish(entries, dict.fromkeys(subjects, unknown), rest)
        if fault is not None and not counts:
            self._pushing.went_unanswered(fault)
