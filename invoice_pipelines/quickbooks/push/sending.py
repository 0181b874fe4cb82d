"""What one thread of a push does: takes entries, decides, stores, sends, settles and records, a batch at a time.

What is stored is sent again until its outcome is known; what is not stored was never sent. So a process may die at any
point, and whoever comes next goes on. In which order, and what an answer that does not come holds up: see open_batches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.exc import OperationalError

from invoice_pipelines.quickbooks.api.faults import Fault, FaultKind, RealmPaused
from invoice_pipelines.quickbooks.invoices.voiding import Voiding
from invoice_pipelines.quickbooks.push.batches import Batch, Ended, Operation, store_batch
from invoice_pipelines.quickbooks.push.composing import WAITS, decide
from invoice_pipelines.quickbooks.push.entries import MOST_ATTEMPTS, Entries, given_up
from invoice_pipelines.quickbooks.push.open_batches import HeldUp, abandon, held_up_since, take_open_batch
from invoice_pipelines.quickbooks.push.pushing import Pushing, ThreadOfPush
from invoice_pipelines.quickbooks.push.resending import NOT_KNOWN, Resending
from invoice_pipelines.quickbooks.push.settling import Settled, Settler, record
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.work import Claim, Failed, Outcome, claim, claim_entries
from invoice_pipelines.work.failures import reason_of
from invoice_pipelines.work.outside import CLAIMED

log = logging.getLogger(__name__)

ROUNDS = 4
"""How often an entry is decided anew within one turn, as after a refresh of what was stale."""
FORGOTTEN_AFTER = timedelta(hours=20)
"""QuickBooks may have forgotten a request id by then (24 hours are told): what was done is looked up instead."""

Bring = Callable[[Iterable[tuple[EntityType, UUID]]], None]
"""Brings records that others need to QuickBooks first."""


class Sender(ThreadOfPush):
    """One thread of a push."""

    def __init__(self, pushing: Pushing, bring: Bring) -> None:
        super().__init__(pushing)
        self._bring = bring
        self._settler = Settler(pushing)
        self._resending = Resending(pushing)
        self._voiding = Voiding(pushing, self._resending)

    def turns(self) -> Iterator[None]:
        """Does one batch after the other: an unanswered one, or what waits, until there is nothing.

        Where something is held up it waits for it, or ends the push if nobody in it can do anything about that.
        """
        try:
            while self._send_open() or self._send_claimed():
                yield
        except RealmPaused as paused:
            self._run.end(f"paused: {paused}")

    def _send_claimed(self) -> bool:
        claims = self._claim()
        if not claims:
            return self._pushing.waits_for_busy()
        entries = Entries(claims)
        with self._run.holding(entries.claims):
            try:
                self._do(entries, self._valid(entries))
            except (RealmPaused, OperationalError):
                raise
            except HeldUp:
                pass  # what was claimed is given back
            except Exception as error:  # noqa: BLE001 - whatever it is, one of the entries is at fault
                with suppress(HeldUp):
                    self._one_by_one(entries, error)
        return True

    def _send_open(self) -> bool:
        """Sends an unanswered batch again if one is due, or waits where one must be answered first."""
        with self._pushing.looking:  # what one thread takes is held by the push before the next one looks
            in_work = self._pushing.is_sending()
            with self._scope() as connection:
                taken = take_open_batch(
                    connection,
                    self._realm_id,
                    self._entity,
                    self._run.lease,
                    with_aside=not self._pushing.is_sending_aside(),
                )
                since = held_up_since(connection, self._realm_id, self._entity) if taken is None else None
            if taken is not None:
                self._pushing.hold_batch(taken[0])
        if taken is not None:
            self._try_again(*taken)
        elif since is not None and in_work:
            self._pushing.wait_for_answer()
        elif since is not None:
            self._pushing.end_held_up(since)
        return taken is not None or since is not None

    def _try_again(self, batch: Batch, age: timedelta) -> None:
        with self._resending.being_sent(batch):
            try:
                self._send_again(batch, age)
            except (RealmPaused, OperationalError):
                raise
            except Exception:  # what is wrong with one batch must not keep all that comes after it
                log.exception("A batch could not be sent again and rests.")
                self._resending.leave_open(batch, counts=True)

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
            except (RealmPaused, OperationalError, HeldUp):
                raise
            except Exception as its_error:
                log.warning("An entry failed.", exc_info=its_error)
                failed = reason_of(its_error).at_last(entries.attempts(subject), MOST_ATTEMPTS)
                self._pushing.finish(entries, {subject: failed})

    def _claim(self) -> list[Claim]:
        """As many entries as a batch takes, of several jobs and of the continuous queue."""
        self._run.return_expired(KINDS[self._entity])
        return self._run.again(self._claim_together)

    def _claim_together(self) -> list[Claim]:
        kind, left = KINDS[self._entity], self._pushing.batch_size()
        claims: list[Claim] = []
        with self._scope() as connection:
            while left > 0:
                claimed = claim(connection, kind, chunk_size=left, lease=self._run.lease, max_attempts=CLAIMED)
                if claimed is None:
                    break
                claims.append(claimed)
                left -= len(claimed.items)
                if claimed.job_id is not None:
                    subjects = [item.subject_id for item in claimed.items]
                    automatic = claim_entries(connection, kind, subjects, lease=self._run.lease, max_attempts=CLAIMED)
                    claims += [automatic] if automatic is not None else []
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
                self._resending.check(connection)
                decision = decide(connection, self._connected, self._entity, pending, self._pushing.hints)
                if decision.planned:
                    batch = store_batch(connection, self._realm_id, self._entity, decision.planned, self._run.lease)
                settled = decision.settled
                if decision.busy:
                    settled |= dict.fromkeys(decision.busy, self._pushing.busy())
                if brought:
                    settled |= self._waiting(decision.missing)
                ended = entries.finish(connection, settled)
            self._pushing.count(ended)
            faults = {}
            if batch is not None:
                with self._resending.held(batch):
                    faults = self._send(batch, entries)
            for known in decision.voids:
                self._voiding.void(known, entries)
            pending = list(faults)
            for key in set(decision.unpriced.values()) - self._pushing.hints.rates.keys():
                self._pushing.hints.rates[key] = self._quickbooks.exchange_rate(*key)
            pending += decision.unpriced
            if not brought and decision.missing:
                self._bring({each for missing in decision.missing.values() for each in missing})
                brought = True
                pending += list(decision.missing)
        self._pushing.finish(entries, {each: given_up(faults.get(each), entries.attempts(each)) for each in pending})

    def _valid(self, entries: Entries) -> list[UUID]:
        subjects: list[UUID] = []
        wrong: dict[str, Outcome] = {}
        for subject in entries.subjects():
            try:
                subjects.append(UUID(subject))
            except ValueError:
                wrong[subject] = Failed("NOT_FOUND", f"{subject[:60]!r} is not an id of a record.")
        self._pushing.finish(entries, wrong)
        return subjects

    def _waiting(self, missing: Mapping[UUID, Iterable[tuple[EntityType, UUID]]]) -> dict[UUID, Outcome]:
        waiting: dict[UUID, Outcome] = {}
        for subject, others in missing.items():
            named = ", ".join(sorted({entity.value for entity, _ in others}))
            waiting[subject] = Failed(
                WAITS, f"Its {named} could not be brought to QuickBooks yet; the queue says why.", retry=True
            )
        return waiting

    def _send(self, batch: Batch, entries: Entries | None) -> dict[UUID, Fault | None]:
        """Sends a stored batch until it is answered, and records that; returns what is to be decided anew.

        Operations without a definite outcome stay open, and so the batch does.
        """
        open_ones = {operation.b_id: operation for operation in batch.operations}
        settled: dict[str, Settled] = {}
        tid: str | None = None
        last: Fault | None = None
        was_answered = company_answers = False
        try:
            for _ in self._resending.calls(batch):
                try:
                    answer = self._quickbooks.batch(batch.body, batch.request_id)
                except Fault as fault:
                    last = fault
                    if fault.kind is FaultKind.UNKNOWN:
                        self._pushing.shrink()
                    if fault.kind in NOT_KNOWN:
                        continue
                    self._pushing.shrink()
                    settled |= {b_id: self._refused(fault, len(open_ones)) for b_id in open_ones}
                    open_ones = {}
                    break
                tid, last, was_answered = answer.intuit_tid, None, True
                self._pushing.answered()
                for b_id in [b_id for b_id in open_ones if b_id in answer.answers]:
                    self._settle(settled, open_ones, b_id, partial(self._answered, batch, answer.answers))
                if all(b_id in answer.answers for b_id in open_ones):
                    break
            if open_ones:
                company_answers = was_answered or self._resending.company_answers(batch)
            # Answered, so that nothing of it is under way any more.
            if last is None or (last.kind is FaultKind.RETRY and company_answers):
                for b_id in list(open_ones):
                    self._settle(settled, open_ones, b_id, self._settler.look_up)
        finally:
            again = self._record(batch, settled, entries, tid)
        if open_ones:
            subjects = [operation.local_id for operation in open_ones.values()]
            self._resending.leave_open(batch, subjects, last, entries, counts=company_answers)
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
        """Settles one operation; where QuickBooks cannot be asked about it, or it breaks the program, it stays open."""
        try:
            settled[b_id] = how(open_ones[b_id])
        except Fault as fault:
            log.warning("An operation stays open: %s", fault)
            return
        except (RealmPaused, OperationalError):
            raise
        except Exception:  # the other operations have an answer too
            log.exception("An operation stays open.")
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
        self._pushing.finish(
            entries, outcomes, lambda connection: record(connection, self._connected, batch, settled, tid)
        )
        self._pushing.count_batches()
        return {ids[b_id]: each.ended.fault for b_id, each in settled.items() if each.outcome is None}

    def _send_again(self, batch: Batch, age: timedelta) -> None:
        """An unanswered batch: sent as it was, or looked up where its request id may be forgotten."""
        self._run.tally.add_figure("resent")
        if batch.is_void:
            again = self._voiding.send(batch, None)
        elif age <= FORGOTTEN_AFTER:
            again = self._send(batch, None)
        else:
            again = self._look_up(batch)
        # The entries rested with their batch: what it came to is theirs now, and what is decided anew goes first.
        self._pushing.look_first([operation.local_id for operation in batch.operations], again)

    def _look_up(self, batch: Batch) -> dict[UUID, Fault | None]:
        settled: dict[str, Settled] = {}
        open_ones = {operation.b_id: operation for operation in batch.operations}
        company_answers = True
        for b_id in list(open_ones):
            self._settle(settled, open_ones, b_id, self._settler.look_up)
            if b_id in open_ones and not (company_answers := self._resending.company_answers(batch)):
                break
        again = self._record(batch, settled, None, None)
        if open_ones:
            self._resending.leave_open(batch, counts=company_answers)
        else:
            with self._scope() as connection:
                abandon(connection, batch)
        return again
