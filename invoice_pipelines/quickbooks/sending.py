"""Holds what one thread of a push does: takes entries, decides, stores, sends, settles and records, a batch at a time.

What is stored is sent again until its outcome is known; what is not stored was never sent. So a process may die at any
point, and whoever comes next goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from invoice_pipelines.database import organization_scope
from invoice_pipelines.quickbooks import voids
from invoice_pipelines.quickbooks.batches import (
    Batch,
    Ended,
    Operation,
    Planned,
    abandon,
    end_operations,
    extend_batches,
    store_batch,
    take_open_batch,
)
from invoice_pipelines.quickbooks.composing import WAITS, decide, next_revision
from invoice_pipelines.quickbooks.entries import Entries
from invoice_pipelines.quickbooks.faults import Fault, FaultKind, RealmPaused
from invoice_pipelines.quickbooks.mappings import Mapped, load_mappings
from invoice_pipelines.quickbooks.settling import Settled, Settler, record
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.work import (
    Claim,
    Failed,
    Outcome,
    claim,
    return_expired,
)
from invoice_pipelines.work.failures import reason_of

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.push import Shared

log = logging.getLogger(__name__)

ROUNDS = 4
"""How often an entry is decided anew within one turn, as after a refresh of what was stale."""
SENT_AT_ONCE = 3
"""How often a batch is sent in one turn before it is left for later."""
MOST_ATTEMPTS = 5
"""After so many attempts a fault of QuickBooks itself is final."""
CLAIMED = 1000
"""Attempts that the queue allows: what is final is decided here, as waiting for another record is no fault."""
REST = timedelta(seconds=20)
FORGOTTEN_AFTER = timedelta(hours=20)
"""QuickBooks may have forgotten a request id by then (24 hours are told): what was done is looked up instead."""

_NOT_KNOWN = (FaultKind.UNKNOWN, FaultKind.RETRY, FaultKind.WAIT, FaultKind.REFRESH, FaultKind.PAUSED)


class Sender:
    """One thread of a push."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._quickbooks = shared.quickbooks
        self._connected = shared.quickbooks.connected
        self._entity = shared.entity
        self._settler = Settler(shared.engine, shared.organization_id, shared.quickbooks, shared.entity, shared.hints)

    def send_open(self) -> bool:
        """Sends an unanswered batch again, if there is one that nobody sends now. Raises RealmPaused."""
        with self._scope() as connection:
            taken = take_open_batch(connection, self._connected.realm_id, self._entity, self._shared.lease)
        if taken is None:
            return False
        try:
            self._send_again(*taken)
        except (RealmPaused, OperationalError):
            raise
        except Exception:  # what is wrong with one batch must not keep all that comes after it
            log.exception("A batch could not be sent again and rests.")
            with self._scope() as connection:
                extend_batches(connection, [taken[0].id], self._shared.rest)
        return True

    def turn(self) -> bool:
        """Does one batch: an unanswered one, or what waits. False: there is nothing. Raises RealmPaused."""
        if self.send_open():
            return True
        claims = self._claim()
        if not claims:
            return False
        entries = Entries(claims)
        self._shared.hold(claims)
        try:
            self._do(entries, self._valid(entries))
        except (RealmPaused, OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, one of the entries is at fault
            self._one_by_one(entries, error)
        finally:
            self._shared.let_go(claims)
            with suppress(SQLAlchemyError), self._scope() as connection:
                self._shared.count_released(entries.release(connection))
        return True

    def _one_by_one(self, entries: Entries, error: Exception) -> None:
        """After an unexpected error: the entries that are left are done alone, so that only the one at fault fails."""
        subjects = self._valid(entries)
        if len(subjects) > 1:
            log.info(
                "A chunk of %d entries failed (%s); they are done one by one.", len(subjects), type(error).__name__
            )
        for subject in subjects:
            try:
                if len(subjects) == 1:
                    raise error
                self._do(entries, [subject])
            except (RealmPaused, OperationalError):
                raise
            except Exception as its_error:
                log.warning("An entry failed.", exc_info=its_error)
                reason = reason_of(its_error)
                final = replace(reason, retry=reason.retry and entries.attempts(subject) < MOST_ATTEMPTS)
                self._finish(entries, {subject: final})

    def _finish(self, entries: Entries | None, outcomes: Mapping[UUID, Outcome] | Mapping[str, Outcome]) -> None:
        if entries is not None and outcomes:
            with self._scope() as connection:
                ended = entries.finish(connection, outcomes)
            self._shared.count(ended)

    def _scope(self) -> AbstractContextManager[Connection]:
        return organization_scope(self._shared.engine, self._shared.organization_id)

    def _claim(self) -> list[Claim]:
        """As many entries as a batch takes, of several jobs and of the continuous queue."""
        kind, size = KINDS[self._entity], self._shared.batch_size()
        with self._scope() as connection:
            return_expired(connection, kind)
        claims: list[Claim] = []
        with self._scope() as connection:
            left = size
            while left > 0:
                claimed = claim(connection, kind, chunk_size=left, lease=self._shared.lease, max_attempts=CLAIMED)
                if claimed is None:
                    break
                claims.append(claimed)
                left -= len(claimed.items)
        return claims

    def _do(self, entries: Entries, subjects: Sequence[UUID]) -> None:
        faults: dict[UUID, Fault | None] = {}
        pending = list(subjects)
        brought = False
        for _ in range(ROUNDS):
            if not pending:
                return
            batch: Batch | None = None
            with self._scope() as connection:
                decision = decide(connection, self._connected, self._entity, pending, self._shared.hints)
                if decision.planned:
                    batch = store_batch(
                        connection, self._connected.realm_id, self._entity, decision.planned, self._shared.lease
                    )
                settled = decision.settled
                for subject in decision.busy:
                    settled[subject] = Failed("UNDER_WAY", "Something of it is being sent already.", retry=True)
                if brought:
                    settled |= self._waiting(decision.missing)
                ended = entries.finish(connection, settled)
            self._shared.count(ended)
            faults = {} if batch is None else self._send(batch, entries)
            for known in decision.voids:
                self._void(known, entries)
            pending = list(faults)
            if not brought and decision.missing:
                self._shared.bring({each for missing in decision.missing.values() for each in missing})
                brought = True
                pending += list(decision.missing)
        self._finish(entries, {each: self._given_up(faults.get(each), entries.attempts(each)) for each in pending})

    def _valid(self, entries: Entries) -> list[UUID]:
        subjects: list[UUID] = []
        wrong: dict[str, Outcome] = {}
        for subject in entries.subjects():
            try:
                subjects.append(UUID(subject))
            except ValueError:
                wrong[subject] = Failed("NOT_FOUND", f"{subject[:60]!r} is no id of a record.")
        self._finish(entries, wrong)
        return subjects

    def _waiting(self, missing: Mapping[UUID, Iterable[tuple[EntityType, UUID]]]) -> dict[UUID, Outcome]:
        waiting: dict[UUID, Outcome] = {}
        for subject, others in missing.items():
            named = ", ".join(sorted({entity.value for entity, _ in others}))
            waiting[subject] = Failed(
                WAITS, f"Its {named} could not be brought to QuickBooks yet; the queue says why.", retry=True
            )
        return waiting

    def _given_up(self, fault: Fault | None, attempts: int) -> Outcome:
        """After all rounds of a turn."""
        if fault is None:
            return Failed("UNDECIDED", "It changed all the while.", retry=True)
        if fault.kind is FaultKind.WAIT:
            return Failed("THROTTLED", str(fault), retry=True)
        code = f"QBO_{fault.code}" if fault.code else "QBO_FAULT"
        if fault.code == voids.STALE:
            return Failed(code, f"It is edited in QuickBooks again and again. {fault}")
        return Failed(code, str(fault), retry=attempts < MOST_ATTEMPTS)

    def _send(self, batch: Batch, entries: Entries | None) -> dict[UUID, Fault | None]:
        """Sends a stored batch until it is answered, and records that; returns what is to be decided anew.

        Operations without a definite outcome stay open, and so the batch does.
        """
        if batch.is_void:
            return self._send_void(batch, entries)
        self._shared.hold_batch(batch.id)
        try:
            return self._sent(batch, entries)
        except BaseException:
            self._give_back(batch)
            raise
        finally:
            self._shared.let_go_batch(batch.id)

    def _give_back(self, batch: Batch) -> None:
        """Lets whoever comes next send the batch again."""
        with suppress(SQLAlchemyError), self._scope() as connection:
            extend_batches(connection, [batch.id], timedelta(0))

    def _sent(self, batch: Batch, entries: Entries | None) -> dict[UUID, Fault | None]:
        open_ones = {operation.b_id: operation for operation in batch.operations}
        settled: dict[str, Settled] = {}
        tid: str | None = None
        last: Fault | None = None
        try:
            for attempt in range(SENT_AT_ONCE):
                if attempt:
                    self._shared.pause(attempt)
                try:
                    answer = self._quickbooks.batch(batch.body, batch.request_id)
                except Fault as fault:
                    last = fault
                    if fault.kind is FaultKind.UNKNOWN:
                        self._shared.shrink()
                    if fault.kind in _NOT_KNOWN:
                        continue
                    self._shared.shrink()
                    settled |= {b_id: self._refused(fault, len(open_ones)) for b_id in open_ones}
                    open_ones = {}
                    break
                tid = answer.intuit_tid
                self._shared.answered()
                for b_id in [b_id for b_id in open_ones if b_id in answer.answers]:
                    self._settle(settled, open_ones, b_id, partial(self._answered, batch, answer.answers))
                if all(b_id in answer.answers for b_id in open_ones):
                    break
                last = None
            if last is None or last.kind is FaultKind.RETRY:  # answered, so that nothing of it is under way any more
                for b_id in list(open_ones):
                    self._settle(settled, open_ones, b_id, self._settler.look_up)
        finally:
            again = self._record(batch, settled, entries, tid)
        if open_ones:
            self._leave_open(batch, [open_ones[b_id].local_id for b_id in open_ones], last, entries)
        if last is not None and not settled:
            self._shared.went_unanswered(last)
        return again

    def _answered(self, batch: Batch, answers: Mapping[str, dict[str, Any] | Fault], operation: Operation) -> Settled:
        return self._settler.settle(batch, operation, answers[operation.b_id])

    def _settle(
        self,
        settled: dict[str, Settled],
        open_ones: dict[str, Operation],
        b_id: str,
        how: Callable[[Operation], Settled],
    ) -> None:
        """Settles one operation; where QuickBooks cannot be asked about it, it stays open."""
        try:
            settled[b_id] = how(open_ones[b_id])
        except Fault as fault:
            log.warning("An operation stays open: %s", fault)
            return
        del open_ones[b_id]

    def _refused(self, fault: Fault, size: int) -> Settled:
        """A call that was refused did nothing: its operations are tried in smaller batches; a single one failed."""
        if size > 1:
            return Settled(Ended("again", fault))
        return Settled(Ended("failed", fault), Failed(f"QBO_{fault.code or 'FAULT'}", str(fault)))

    def _record(
        self, batch: Batch, settled: Mapping[str, Settled], entries: Entries | None, tid: str | None
    ) -> dict[UUID, Fault | None]:
        if not settled:
            return {}
        ids = {operation.b_id: operation.local_id for operation in batch.operations}
        outcomes: dict[UUID, Outcome] = {
            ids[b_id]: each.outcome for b_id, each in settled.items() if each.outcome is not None
        }
        ended: list[Outcome] = []
        with self._scope() as connection:
            record(connection, self._connected, batch, settled, tid)
            if entries is not None:
                ended = entries.finish(connection, outcomes)
        self._shared.count(ended)
        self._shared.count_batch()
        return {ids[b_id]: each.ended.fault for b_id, each in settled.items() if each.outcome is None}

    def _leave_open(self, batch: Batch, subjects: Iterable[UUID], fault: Fault | None, entries: Entries | None) -> None:
        """It rests for a while and is sent again as it is; so do its entries, unless the company cannot be reached."""
        unknown = Failed("OUTCOME_UNKNOWN", f"No answer yet; it is sent again as it was. {fault or ''}", retry=True)
        ended: list[Outcome] = []
        with self._scope() as connection:
            extend_batches(connection, [batch.id], self._shared.rest)
            if entries is not None:
                ended = entries.finish(connection, dict.fromkeys(subjects, unknown))
        self._shared.count(ended)

    def _send_again(self, batch: Batch, age: timedelta) -> None:
        """An unanswered batch: sent as it was, or looked up where its request id may be forgotten."""
        self._shared.count_resent()
        subjects = [operation.local_id for operation in batch.operations]
        if batch.is_void or age <= self._shared.forgotten_after:
            again: Iterable[UUID] = self._send(batch, None)
        else:
            settled: dict[str, Settled] = {}
            open_ones = {operation.b_id: operation for operation in batch.operations}
            for b_id in list(open_ones):
                self._settle(settled, dict(open_ones), b_id, self._settler.look_up)
            again = self._record(batch, settled, None, None)
            with self._scope() as connection:
                if len(settled) == len(open_ones):
                    abandon(connection, batch)
                else:
                    extend_batches(connection, [batch.id], self._shared.rest)
        if again := set(again) & set(subjects):
            self._shared.enqueue(again)

    def _void(self, known: Mapped, entries: Entries) -> None:
        """Voids an invoice there; its entry has an outcome after that."""
        outcome: Outcome | None = None
        for _ in range(ROUNDS):
            batch: Batch | None = None
            try:
                document = voids.read_invoice(self._quickbooks, known)
            except Fault as fault:
                self._finish(entries, {known.local_id: self._given_up(fault, entries.attempts(known.local_id))})
                return
            with self._scope() as connection:
                if document is None:
                    outcome = voids.record_deleted(connection, self._connected, known, None)
                elif voids.is_void(document):
                    outcome = voids.record_void(connection, self._connected, known, document, None)
                elif voids.is_paid(document):
                    reason = "a payment is applied to it. Take the payment off there, or issue the invoice anew here."
                    outcome = voids.record_refusal(connection, self._connected, known, reason, None, None)
                else:
                    batch = self._store_void(connection, known, str(document["SyncToken"]))
                    if batch is None:
                        outcome = Failed("UNDER_WAY", "Something of it is being sent already.", retry=True)
                if outcome is not None:
                    ended = entries.finish(connection, {known.local_id: outcome})
            if outcome is not None or batch is None:
                self._shared.count(ended)
                return
            if not self._send(batch, entries):
                return
        failed = Failed("QBO_5010", "The invoice is changed in QuickBooks again and again.", retry=True)
        self._finish(entries, {known.local_id: failed})

    def _store_void(self, connection: Connection, known: Mapped, sync_token: str) -> Batch | None:
        busy = connection.execute(
            text("select quickbooks.take_turns('invoice', cast(:ids as uuid[]))"), {"ids": [known.local_id]}
        ).scalar_one()
        now = load_mappings(connection, self._connected.realm_id, self._entity, [known.local_id]).get(known.local_id)
        if busy or now is None or now.state != "active":
            return None
        document = {"Id": known.quickbooks_id, "SyncToken": sync_token}
        revision = next_revision(connection, self._entity, known.local_id, "void")
        planned = Planned(known.local_id, "void", document, {"quickbooks_id": known.quickbooks_id}, revision)
        return store_batch(connection, self._connected.realm_id, self._entity, [planned], self._shared.lease)

    def _send_void(self, batch: Batch, entries: Entries | None) -> dict[UUID, Fault | None]:
        """Sends a stored void; returns its invoice where it must be read and decided anew."""
        subject = batch.operations[0].local_id
        with self._scope() as connection:
            known = load_mappings(connection, self._connected.realm_id, self._entity, [subject])[subject]
        self._shared.hold_batch(batch.id)
        last: Fault | None = None
        document: Mapping[str, Any] | None = None
        try:
            for attempt in range(SENT_AT_ONCE):
                if attempt:
                    self._shared.pause(attempt)
                try:
                    document = voids.send_void(self._quickbooks, batch)
                    last = None
                    break
                except Fault as fault:
                    last = fault
                    if fault.kind not in _NOT_KNOWN:
                        break
            if last is not None and last.kind not in _NOT_KNOWN and last.code not in (voids.STALE, voids.GONE):
                try:
                    there = voids.read_invoice(
                        self._quickbooks, known
                    )  # it may be void by now, as by this very request
                    document = there if there is not None and voids.is_void(there) else None
                except Fault as fault:
                    log.warning("A refused void stays open: %s", fault)
                    last = Fault(FaultKind.UNKNOWN, str(fault))
        except BaseException:
            self._give_back(batch)
            raise
        finally:
            self._shared.let_go_batch(batch.id)
        if last is not None and last.kind in _NOT_KNOWN:
            self._leave_open(batch, [subject], last, entries)
            self._shared.went_unanswered(last)
            return {}
        ended: list[Outcome] = []
        with self._scope() as connection:
            if document is not None:
                outcome = voids.record_void(connection, self._connected, known, document, batch)
            elif last is not None and last.code == voids.GONE:
                outcome = voids.record_deleted(connection, self._connected, known, batch)
            elif last is not None and last.code == voids.STALE:
                end_operations(connection, batch, {batch.operations[0].b_id: Ended("again", last)})
                return {subject: last}
            else:
                outcome = voids.record_refusal(connection, self._connected, known, str(last), last, batch)
            if entries is not None:
                ended = entries.finish(connection, {subject: outcome})
        self._shared.count(ended)
        return {}
