"""The pull: what was changed in QuickBooks is read and applied here, so that nothing is missed or done twice.

Usually one call tells all changes since the last pull (change data capture). Where there are too many of them, or the
last pull was too long ago, or there was none, everything is read in pages (`reading`). How far it got is stored with
what was applied, in one transaction per chunk, so that a pull that was killed goes on where it stopped. "Since the last
pull" is by the clock of QuickBooks alone, with an overlap: what comes twice is known by its version.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from invoice_pipelines.quickbooks.api.client import (
    Changes,
    QuickBooks,
    quote,
)
from invoice_pipelines.quickbooks.api.faults import ChangesTooOld, Fault, RealmPaused
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.quickbooks.connection.connections import company_is_old
from invoice_pipelines.quickbooks.events import record_event
from invoice_pipelines.quickbooks.invoices import drift
from invoice_pipelines.quickbooks.payments import payments
from invoice_pipelines.quickbooks.pull import applying, kinds
from invoice_pipelines.quickbooks.pull.reading import POISON, SOURCES, Read, known_after, read_on
from invoice_pipelines.quickbooks.pull.state import (
    Progress,
    PullState,
    PullTakenOver,
    clock,
    load_states,
    note_start,
    store_state,
)
from invoice_pipelines.quickbooks.values import TRANSACTION_TYPES, Applied, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines.work import Run

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=5)
"""A pull begins so much before the end of the one before, as what was being written then may be seen late."""
LONGEST_AGO = timedelta(days=29)
"""Changes of longer ago are not asked for: QuickBooks tells those of 30 days."""

_KEY_IS_TAKEN = "23505"
"""SQLSTATE of a transaction that lost against another one, which was faster to write the same."""
NO_END = timedelta(days=365)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull of an entity did.

    `full`: everything was read, not only changes. `finished` False: there is more to read, and the next pull goes on
    there; `stopped` says why, where it was not the time box. `changed_since` is up to when all changes are here now.
    """

    entity: EntityType
    applied: Applied = field(default_factory=Applied)
    documents: int = 0
    deleted: int = 0
    chunks: int = 0
    full: bool = False
    finished: bool = False
    stopped: str | None = None
    seconds: float = 0.0
    changed_since: datetime | None = None


def pull(
    engine: Engine,
    settings: Settings,
    organization_id: UUID,
    entities: Sequence[EntityType],
    *,
    full: bool = False,
    limits: Limits | None = None,
    time_box: timedelta = NO_END,
    on_progress: Callable[[PullReport], None] | None = None,
) -> dict[EntityType, PullReport]:
    """Reads what was changed in QuickBooks and applies it here, in the order customers, items, invoices, payments.

    With `full` everything is read, as in the first pull of a company; a full reading that did not come to its end goes
    on. `on_progress` is called after each chunk. Where the company cannot be reached any more in between, the reports
    say so (`stopped`). Raises RealmPaused where it cannot be reached from the start, and Fault for what QuickBooks
    should not refuse.
    """
    with QuickBooks(engine, settings, organization_id, limits=limits) as client:
        run = Run(engine, organization_id, [], lease=timedelta(seconds=settings.lease_seconds), time_box=time_box)
        return _Pull(run, client, full, on_progress).pull(entities)


class _Pull:
    """One call of `pull`: what it was asked for, and how far it is."""

    def __init__(
        self,
        run: Run,
        client: QuickBooks,
        full: bool,
        on_progress: Callable[[PullReport], None] | None,
    ) -> None:
        self._run = run
        self._client = client
        self._connected = client.connected
        self._realm = client.connected.realm_id
        self._full = full
        self._on_progress = on_progress
        self._reports: dict[EntityType, PullReport] = {}
        self._states: dict[EntityType, PullState] = {}

    def pull(self, entities: Sequence[EntityType]) -> dict[EntityType, PullReport]:
        ordered = [entity for entity in EntityType if entity in entities]

        def begin(connection: Connection) -> dict[EntityType, PullState]:
            for entity in ordered:
                note_start(connection, self._realm, entity)
            return load_states(connection, self._realm, ordered)

        self._states = self._in_scope(begin)
        self._reports = {entity: PullReport(entity) for entity in ordered}
        try:
            if self._in_scope(company_is_old):  # its books may be closed, or its numbers its own, by now
                self._client.company()
            changes = self._changes([entity for entity in ordered if self._asks_for_changes(self._states[entity])])
            for entity in ordered:
                try:
                    if entity in changes:
                        self._apply_changes(entity, changes[entity])
                    else:
                        self._read_all(entity)
                except PullTakenOver as taken:
                    self._stop([entity], taken)
        except (RealmPaused, PullTakenOver) as stopped:
            self._stop(ordered, stopped)
        return self._reports

    def _stop(self, entities: Sequence[EntityType], why: Exception) -> None:
        log.info("%s", why)
        for entity in entities:
            if not self._reports[entity].finished:
                self._report(entity, stopped=str(why))

    def _asks_for_changes(self, state: PullState) -> bool:
        if self._full or state.progress is not None or state.changed_since is None:
            return False
        # Our clock is good enough for this; QuickBooks refuses what is too old for it (see _ask).
        return self._run.clock.now() - state.changed_since < LONGEST_AGO

    def _changes(self, entities: Sequence[EntityType]) -> dict[EntityType, Changes]:
        """What changed, where QuickBooks can tell; the others are prepared for being read in pages."""
        if not entities:
            return {}
        together = self._ask(entities)
        if together is not None and not together.overflow:
            return dict.fromkeys(entities, together)
        alone: dict[EntityType, Changes] = {}
        for entity in entities:
            answer = self._ask([entity]) if len(entities) > 1 and together is not None else together
            if answer is not None and not answer.overflow:
                alone[entity] = answer
            elif answer is not None:
                self._prepare(entity, since=self._since([entity]), until=answer.server_time)
        return alone

    def _since(self, entities: Sequence[EntityType]) -> datetime:
        return min(since for entity in entities if (since := self._states[entity].changed_since)) - OVERLAP

    def _ask(self, entities: Sequence[EntityType]) -> Changes | None:
        """None where it cannot be told; then the entities are prepared for being read in pages."""
        try:
            return self._client.changes(
                [source for entity in entities for source in SOURCES[entity]], self._since(entities)
            )
        except ChangesTooOld as refused:
            log.info("%s Everything is read.", refused)
            for entity in entities:
                self._prepare(entity, since=None, until=None)
        except Fault as refused:
            if refused.code not in POISON:
                raise
            log.warning("Changes cannot be told, so they are read in pages: %s", refused)
            for entity in entities:
                self._prepare(entity, since=self._since([entity]), until=None)
        return None

    def _prepare(self, entity: EntityType, *, since: datetime | None, until: datetime | None) -> None:
        progress = Progress(self._in_scope(clock), since, until)
        self._advance(entity, replace(self._states[entity], progress=progress))

    def _apply_changes(self, entity: EntityType, changes: Changes) -> None:
        """All changes at once, as there are less than a thousand, and with them up to when they reach."""
        reads = [
            Read(source, changes.documents[source], changes.deleted[source], changes.server_time, None)
            for source in SOURCES[entity]
        ]
        self._take(entity, reads, PullState(entity, changes.server_time), full=False)

    def _read_all(self, entity: EntityType) -> None:
        """Reads in pages, from where an earlier pull stopped, until the end or the end of the time box."""
        progress = self._states[entity].progress
        if progress is None or (self._full and progress.since is not None):
            self._prepare(entity, since=None, until=None)
        while (progress := self._states[entity].progress) is not None:
            if self._run.is_over():
                return
            self._read_chunk(entity, progress)

    def _read_chunk(self, entity: EntityType, progress: Progress) -> None:
        known_ids = self._in_scope(lambda connection: known_after(connection, self._realm, entity, progress))
        read = read_on(self._client, entity, progress, known_ids)
        since = self._states[entity].changed_since if read.progress else progress.until or read.server_time
        self._take(entity, [read], PullState(entity, since, read.progress), full=progress.since is None)

    def _take(self, entity: EntityType, reads: Sequence[Read], after: PullState, *, full: bool) -> None:
        """Applies what was read, and stores with it how far the reading got."""
        merged = self._merged(entity, reads)
        before, finished = self._states[entity], after.progress is None

        def store(connection: Connection) -> Applied:
            applied = Applied()
            for read in reads:
                documents = [*read.documents, *(merged.documents if read.source == "Customer" else ())]
                if documents or read.deleted or merged.into:
                    applied += self._apply(connection, read, documents, merged.into)
                self._set_aside(connection, entity, read)
                applied += Applied(quarantined=len(read.unreadable))
            if finished:
                applied += self._complete(connection, entity)
            store_state(connection, self._realm, before, after, finished=finished)
            return applied

        applied = self._in_scope(store)
        self._states[entity] = after
        self._report(
            entity,
            applied,
            documents=sum(len(read.documents) for read in reads),
            deleted=sum(len(read.deleted) for read in reads),
            chunks=1,
            full=full,
            finished=finished,
            changed_since=after.changed_since,
        )

    def _apply(
        self, connection: Connection, read: Read, documents: Sequence[Mapping[str, Any]], merged: Mapping[str, str]
    ) -> Applied:
        what = (connection, self._connected)
        if read.source == "Invoice":
            return drift.apply(*what, documents, read.deleted, server_time=read.server_time)
        if read.source in TRANSACTION_TYPES:
            transaction_type = TRANSACTION_TYPES[read.source]
            return payments.apply(*what, transaction_type, documents, read.deleted, server_time=read.server_time)
        kind = kinds.RECORD_KINDS[EntityType(read.source.lower())]
        return applying.apply(kind, *what, documents, read.deleted, server_time=read.server_time, merged=merged)

    def _complete(self, connection: Connection, entity: EntityType) -> Applied:
        """What is looked at at the end of each pull, although nothing was read about it."""
        if entity is EntityType.ITEM:
            return Applied(
                conflicts=(taken_back := kinds.take_back_prices(connection, self._connected)), updated=taken_back
            )
        if entity is EntityType.PAYMENT:
            return payments.apply_waiting(connection, self._connected)
        return Applied()

    def _merged(self, entity: EntityType, reads: Sequence[Read]) -> _MergedCustomers:
        """Which customers were merged into which, as their invoices tell; asked only where some became inactive."""
        if entity is not EntityType.CUSTOMER:
            return _MergedCustomers()
        documents = [document for read in reads for document in read.documents]
        inactive = [str(document.get("Id")) for document in documents if document.get("Active") is False]
        inactive += [tombstone.quickbooks_id for read in reads for tombstone in read.deleted]
        if not inactive:
            return _MergedCustomers()
        invoices_of = self._in_scope(lambda connection: kinds.invoices_of_inactive(connection, self._realm, inactive))
        into = kinds.survivors(invoices_of, self._by_id("Invoice", [i for ids in invoices_of.values() for i in ids]))
        read = {str(document.get("Id")) for document in documents}
        missing = sorted(set(into.values()) - read)
        return _MergedCustomers(into, self._by_id("Customer", missing))

    def _by_id(self, source: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for first in range(0, len(ids), 300):
            where = f"Id IN ({', '.join(map(quote, ids[first : first + 300]))})"
            for page in self._client.query(source, where, order_by=""):
                found += page.documents
        return found

    def _set_aside(self, connection: Connection, entity: EntityType, read: Read) -> None:
        for row in read.unreadable:
            record_event(
                connection,
                self._realm,
                "UNREADABLE",
                f"QuickBooks does not give out a {read.source}, so it is not here: {row.fault}. Correct it there.",
                severity="error",
                entity_type=str(entity),
                intuit_tid=row.fault.intuit_tid,
            )

    def _advance(self, entity: EntityType, after: PullState) -> None:
        before = self._states[entity]
        self._in_scope(lambda connection: store_state(connection, self._realm, before, after, finished=False))
        self._states[entity] = after

    def _report(self, entity: EntityType, applied: Applied | None = None, **counts: Any) -> None:
        report = self._reports[entity]
        for name in ("documents", "deleted", "chunks"):
            counts[name] = getattr(report, name) + counts.get(name, 0)
        if applied is not None:
            counts["applied"] = report.applied + applied
        self._reports[entity] = replace(report, seconds=self._run.seconds(), **counts)
        if self._on_progress is not None and applied is not None:
            self._on_progress(self._reports[entity])

    def _in_scope(self, work: Callable[[Connection], Result]) -> Result:
        """One transaction, again where it lost against another: what it does is the same each time."""

        def transaction() -> Result:
            with self._run.scope() as connection:
                return work(connection)

        return self._run.again(transaction, also={_KEY_IS_TAKEN})


@dataclass(frozen=True, slots=True)
class _MergedCustomers:
    """Ids of merged customers with those of the survivors, and the survivors that were not read anyway."""

    into: Mapping[str, str] = field(default_factory=dict)
    documents: Sequence[Mapping[str, Any]] = ()
