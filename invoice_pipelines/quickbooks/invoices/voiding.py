"""How a thread of a push voids the invoices in QuickBooks that were voided here, one by one.

Each is read first, as any payment moves its SyncToken, and a void is refused while one is applied. One that is void or
deleted there already needs no call. A refusal is final: a person decides whether the payment or the void stands.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api import exact_json
from invoice_pipelines.quickbooks.api.faults import GONE, STALE, Fault, FaultKind
from invoice_pipelines.quickbooks.conflicts import conflicts
from invoice_pipelines.quickbooks.events import record_event
from invoice_pipelines.quickbooks.invoices.document import invoice_snapshot
from invoice_pipelines.quickbooks.push.batches import Batch, Ended, Planned, end_operations, store_batch
from invoice_pipelines.quickbooks.push.composing import next_revision
from invoice_pipelines.quickbooks.push.entries import Entries, given_up
from invoice_pipelines.quickbooks.push.pushing import Pushing, ThreadOfPush
from invoice_pipelines.quickbooks.push.resending import NOT_KNOWN, Resending
from invoice_pipelines.quickbooks.records.mappings import Mapped, load_mappings, mapped, save_mappings
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.work import Failed, Outcome, Succeeded

log = logging.getLogger(__name__)

ROUNDS = 4
"""How often an invoice is read and voided anew within one turn."""


def is_void(document: Mapping[str, Any]) -> bool:
    """Whether an invoice there was voided."""
    return document.get("TotalAmt") == 0 and str(document.get("PrivateNote") or "").startswith("Voided")


def is_paid(document: Mapping[str, Any]) -> bool:
    """Whether a payment is applied to an invoice there, which keeps it from being voided."""
    return any(link.get("TxnType") == "Payment" for link in document.get("LinkedTxn") or ())


class Voiding(ThreadOfPush):
    """The voids of one thread."""

    def __init__(self, pushing: Pushing, resending: Resending) -> None:
        super().__init__(pushing)
        self._resending = resending

    def void(self, known: Mapped, entries: Entries) -> None:
        """Voids an invoice there; its entry has an outcome after that. Raises HeldUp and RealmPaused."""
        for _ in range(ROUNDS):
            outcome: Outcome | None = None
            batch: Batch | None = None
            ended: Mapping[str, Outcome] = {}
            try:
                document = self._read(known)
            except Fault as fault:
                self._pushing.finish(entries, {known.local_id: given_up(fault, entries.attempts(known.local_id))})
                return
            with self._scope() as connection:
                if document is None:
                    outcome = self._record_deleted(connection, known, None)
                elif is_void(document):
                    outcome = self._record_void(connection, known, document, None)
                elif is_paid(document):
                    reason = "a payment is applied to it. Take the payment off there, or issue the invoice anew here."
                    outcome = self._record_refusal(connection, known, reason, None, None)
                else:
                    self._resending.check(connection)
                    batch = self._store(connection, known, str(document["SyncToken"]))
                    if batch is None:
                        outcome = Failed("UNDER_WAY", "It is being sent already.", retry=True)
                if outcome is not None:
                    ended = entries.finish(connection, {known.local_id: outcome})
            self._pushing.count(ended)
            if batch is None:
                return
            with self._resending.held(batch):
                if not self.send(batch, entries):
                    return
        failed = Failed("QBO_5010", "The invoice keeps changing in QuickBooks.", retry=True)
        self._pushing.finish(entries, {known.local_id: failed})

    def send(self, batch: Batch, entries: Entries | None) -> dict[UUID, Fault | None]:
        """Sends a stored void; returns its invoice where it must be read and decided anew."""
        subject = batch.operations[0].local_id
        with self._scope() as connection:
            known = load_mappings(connection, self._realm_id, EntityType.INVOICE, [subject])[subject]
        last: Fault | None = None
        document: Mapping[str, Any] | None = None
        for _ in self._resending.calls(batch):
            try:
                document = self._quickbooks.write(
                    "Invoice", exact_json.loads(batch.body), request_id=batch.request_id, operation="void"
                )
                last = None
                break
            except Fault as fault:
                last = fault
                if fault.kind not in NOT_KNOWN:
                    break
        if last is not None and last.kind not in NOT_KNOWN and last.code not in (STALE, GONE):
            try:
                there = self._read(known)  # it may be void by now, as by this very request
                document = there if there is not None and is_void(there) else None
            except Fault as fault:
                log.warning("A refused void stays open: %s", fault)
                last = Fault(FaultKind.UNKNOWN, str(fault))
        if last is not None and last.kind in NOT_KNOWN:
            counts = self._resending.company_answers(batch)
            self._resending.leave_open(batch, [subject], last, entries, counts=counts)
            return {}
        self._pushing.heard()
        ended: Mapping[str, Outcome] = {}
        with self._scope() as connection:
            if document is not None:
                outcome = self._record_void(connection, known, document, batch)
            elif last is not None and last.code == GONE:
                outcome = self._record_deleted(connection, known, batch)
            elif last is not None and last.code == STALE:
                _end(connection, batch, Ended("again", last))
                return {subject: last}
            else:
                outcome = self._record_refusal(connection, known, str(last), last, batch)
            if entries is not None:
                ended = entries.finish(connection, {subject: outcome})
        self._pushing.count(ended)
        return {}

    def _read(self, known: Mapped) -> Mapping[str, Any] | None:
        """The invoice as it is there; None where it was deleted."""
        try:
            return self._quickbooks.read("Invoice", known.quickbooks_id)
        except Fault as fault:
            if fault.code == GONE:
                return None
            raise

    def _store(self, connection: Connection, known: Mapped, sync_token: str) -> Batch | None:
        busy = connection.execute(
            text("select quickbooks.take_turns('invoice', cast(:ids as uuid[]))"), {"ids": [known.local_id]}
        ).scalar_one()
        now = load_mappings(connection, self._realm_id, EntityType.INVOICE, [known.local_id]).get(known.local_id)
        if busy or now is None or now.state != "active":
            return None
        document = {"Id": known.quickbooks_id, "SyncToken": sync_token}
        revision = next_revision(connection, EntityType.INVOICE, known.local_id, "void")
        planned = Planned(known.local_id, "void", document, {"quickbooks_id": known.quickbooks_id}, revision)
        return store_batch(connection, self._realm_id, EntityType.INVOICE, [planned], self._run.lease)

    def _record_void(
        self, connection: Connection, known: Mapped, document: Mapping[str, Any], batch: Batch | None
    ) -> Outcome:
        """Records that the invoice is void there: by us (`batch`), or it was already."""
        void = mapped(known.local_id, document, invoice_snapshot(document), "void")
        save_mappings(connection, self._realm_id, EntityType.INVOICE, [void])
        _end(connection, batch, Ended("done"))
        return Succeeded({"operation": "void", "quickbooks_id": known.quickbooks_id})

    def _record_deleted(self, connection: Connection, known: Mapped, batch: Batch | None) -> Outcome:
        """Records that the invoice is not there any more, so that there is nothing to void."""
        save_mappings(connection, self._realm_id, EntityType.INVOICE, [replace(known, state="deleted")])
        _end(connection, batch, Ended("failed"))
        message = "An invoice that was voided here was deleted in QuickBooks: there is nothing to void."
        self._event(connection, known, "DELETED_THERE", message, severity="warning")
        return Succeeded({"operation": "none", "quickbooks_id": known.quickbooks_id})

    def _record_refusal(
        self, connection: Connection, known: Mapped, reason: str, fault: Fault | None, batch: Batch | None
    ) -> Outcome:
        """Records, once, that QuickBooks keeps the invoice: it is void here and stands there."""
        message = f"The invoice is void here but stands in QuickBooks (id {known.quickbooks_id}): {reason}"
        of_invoice = {"local_id": known.local_id, "quickbooks_id": known.quickbooks_id}
        if conflicts.open_conflict(
            connection, self._realm_id, EntityType.INVOICE, "void_refused", message, **of_invoice
        ):
            tid = None if fault is None else fault.intuit_tid
            self._event(connection, known, "VOID_REFUSED", message, severity="error", intuit_tid=tid)
        _end(connection, batch, Ended("failed", fault))
        return Failed("VOID_REFUSED", message)

    def _event(self, connection: Connection, known: Mapped, code: str, message: str, **more: Any) -> None:
        record_event(
            connection,
            self._realm_id,
            code,
            message,
            entity_type=EntityType.INVOICE.value,
            local_id=known.local_id,
            quickbooks_id=known.quickbooks_id,
            **more,
        )


def _end(connection: Connection, batch: Batch | None, ended: Ended) -> None:
    if batch is not None:
        end_operations(connection, batch, {batch.operations[0].b_id: ended})
