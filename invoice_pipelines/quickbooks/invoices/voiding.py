"""How a thread of a push voids invoices, one by one: what is read, stored, sent and recorded. See voids."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api.faults import Fault, FaultKind
from invoice_pipelines.quickbooks.invoices import voids
from invoice_pipelines.quickbooks.push.batches import Batch, Ended, Planned, end_operations, store_batch
from invoice_pipelines.quickbooks.push.composing import next_revision
from invoice_pipelines.quickbooks.push.entries import Entries, given_up
from invoice_pipelines.quickbooks.push.pushing import Pushing
from invoice_pipelines.quickbooks.push.resending import NOT_KNOWN, Resending
from invoice_pipelines.quickbooks.records.mappings import Mapped, load_mappings
from invoice_pipelines.work import Failed, Outcome

log = logging.getLogger(__name__)

ROUNDS = 4
"""How often an invoice is read and voided anew within one turn."""


class Voiding:
    """The voids of one thread."""

    def __init__(self, pushing: Pushing, resending: Resending) -> None:
        self._pushing = pushing
        self._scope = pushing.run.scope
        self._quickbooks = pushing.quickbooks
        self._connected = pushing.quickbooks.connected
        self._entity = pushing.entity
        self._resending = resending

    def void(self, known: Mapped, entries: Entries) -> None:
        """Voids an invoice there; its entry has an outcome after that. Raises HeldUp and RealmPaused."""
        for _ in range(ROUNDS):
            outcome: Outcome | None = None
            batch: Batch | None = None
            try:
                document = voids.read_invoice(self._quickbooks, known)
            except Fault as fault:
                self._pushing.finish(entries, {known.local_id: given_up(fault, entries.attempts(known.local_id))})
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
                    self._resending.check(connection)
                    batch = self._store(connection, known, str(document["SyncToken"]))
                    if batch is None:
                        outcome = Failed("UNDER_WAY", "Something of it is being sent already.", retry=True)
                if outcome is not None:
                    ended = entries.finish(connection, {known.local_id: outcome})
            if outcome is not None or batch is None:
                self._pushing.count(ended)
                return
            with self._resending.held(batch):
                if not self.send(batch, entries):
                    return
        failed = Failed("QBO_5010", "The invoice is changed in QuickBooks again and again.", retry=True)
        self._pushing.finish(entries, {known.local_id: failed})

    def send(self, batch: Batch, entries: Entries | None) -> dict[UUID, Fault | None]:
        """Sends a stored void; returns its invoice where it must be read and decided anew."""
        subject = batch.operations[0].local_id
        with self._scope() as connection:
            known = load_mappings(connection, self._connected.realm_id, self._entity, [subject])[subject]
        last: Fault | None = None
        document: Mapping[str, Any] | None = None
        for _ in self._resending.calls(batch):
            try:
                document = voids.send_void(self._quickbooks, batch)
                last = None
                break
            except Fault as fault:
                last = fault
                if fault.kind not in NOT_KNOWN:
                    break
        if last is not None and last.kind not in NOT_KNOWN and last.code not in (voids.STALE, voids.GONE):
            try:
                there = voids.read_invoice(self._quickbooks, known)  # it may be void by now, as by this very request
                document = there if there is not None and voids.is_void(there) else None
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
        self._pushing.count(ended)
        return {}

    def _store(self, connection: Connection, known: Mapped, sync_token: str) -> Batch | None:
        busy = connection.execute(
            text("select quickbooks.take_turns('invoice', cast(:ids as uuid[]))"), {"ids": [known.local_id]}
        ).scalar_one()
        now = load_mappings(connection, self._connected.realm_id, self._entity, [known.local_id]).get(known.local_id)
        if busy or now is None or now.state != "active":
            return None
        document = {"Id": known.quickbooks_id, "SyncToken": sync_token}
        revision = next_revision(connection, self._entity, known.local_id, "void")
        planned = Planned(known.local_id, "void", document, {"quickbooks_id": known.quickbooks_id}, revision)
        return store_batch(connection, self._connected.realm_id, self._entity, [planned], self._pushing.run.lease)
