"""What the answer to an operation means: it is done, refused for good, or to be decided anew.

Where an answer leaves that open, QuickBooks is asked: which record has the name, which invoice the number, what became
of a record. Nothing is written here but what that reading brings (`applying.apply`); the rest is recorded in one
transaction by `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.api.client import quote
from invoice_pipelines.quickbooks.api.faults import GONE, STALE, Fault, FaultKind
from invoice_pipelines.quickbooks.conflicts import conflicts
from invoice_pipelines.quickbooks.connection.connections import Connected
from invoice_pipelines.quickbooks.events import record_event
from invoice_pipelines.quickbooks.invoices.answers import (
    chosen_item_gone,
    notes_on,
    reference_not_there,
    refusal_in_words,
)
from invoice_pipelines.quickbooks.invoices.document import invoice_snapshot, is_ours
from invoice_pipelines.quickbooks.pull import applying
from invoice_pipelines.quickbooks.pull.kinds import RECORD_KINDS
from invoice_pipelines.quickbooks.push.batches import ENTITY_NAMES, Batch, Ended, Operation, end_operations
from invoice_pipelines.quickbooks.push.composing import WAITS
from invoice_pipelines.quickbooks.push.looking_up import (
    LooksLikeOurs,
    check_match,
    find_created,
    sent_name,
    with_number,
)
from invoice_pipelines.quickbooks.push.pushing import ThreadOfPush
from invoice_pipelines.quickbooks.records import records
from invoice_pipelines.quickbooks.records.fields import RECORDS, kept_of, load_records
from invoice_pipelines.quickbooks.records.mappings import Mapped, load_mappings, mapped, save_mappings
from invoice_pipelines.quickbooks.records.names import SUFFIX
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.work import Failed, Outcome, Succeeded

Effect = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Settled:
    """What an operation came to. `outcome` None: decide again, now. `document` is what is there by now."""

    ended: Ended
    outcome: Outcome | None = None
    document: Mapping[str, Any] | None = None
    effects: tuple[Effect, ...] = ()


class Settler(ThreadOfPush):
    """Settles the operations of one entity of an organization."""

    def settle(self, batch: Batch, operation: Operation, answer: Mapping[str, Any] | Fault) -> Settled:
        """What a definite answer comes to. May ask QuickBooks: raises Fault and RealmPaused."""
        if not isinstance(answer, Fault):
            return self._done(operation, answer)
        fault = answer
        if fault.kind in (FaultKind.WAIT, FaultKind.RETRY):
            return _again(fault)
        if fault.code == STALE:
            return self._refreshed(operation, fault)
        if fault.code in (GONE, "2500", "6250"):
            return self._gone(operation, fault)
        if fault.code == "6140":
            return self._number_in_use(operation, fault)
        if fault.code == "6240":
            # Ended first: what is read now must not be taken for the outcome of a create that is under way.
            with self._scope() as connection:
                end_operations(connection, batch, {operation.b_id: Ended("again", fault)})
            return self._name_in_use(operation, fault)
        if fault.code == "6220" and operation.snapshot.get("is_active") is False:
            return self._deactivation_refused(operation, fault)
        if self._entity is EntityType.INVOICE:
            failed = refusal_in_words(self._quickbooks, fault, operation.snapshot)
            if failed is not None:
                return Settled(Ended("failed", fault), failed)
        return _failed(fault)

    def look_up(self, operation: Operation) -> Settled:
        """What became of an operation whose answer was lost for good: it is adopted on a full match, else done anew.

        An update is done anew in any case, as its SyncToken keeps it from being done twice.
        """
        try:
            found = find_created(self._quickbooks, self._entity, operation) if operation.operation == "create" else None
        except LooksLikeOurs as doubtful:
            return self._for_a_person(operation, None, "looks_like_ours", str(doubtful), doubtful.document)
        if found is None:
            return _again(None)
        return self._done(operation, found, adopted=True)

    def _done(self, operation: Operation, document: Mapping[str, Any], adopted: bool = False) -> Settled:
        outcome = Succeeded({"operation": operation.operation, "quickbooks_id": str(document["Id"])})
        effects: list[Effect] = []
        if adopted:
            effects.append(
                self._event(
                    "ADOPTED",
                    f"The {self._entity.value} was in QuickBooks already (id {document['Id']}) and is ours.",
                    operation,
                    document,
                )
            )
        if self._entity is EntityType.INVOICE:
            for note in notes_on(self._connected.company, operation.snapshot, document):
                effects.append(
                    self._event(
                        note.code, note.message, operation, document, severity=note.severity, detail=note.detail
                    )
                )
        return Settled(Ended("done"), outcome, document, tuple(effects))

    def _refreshed(self, operation: Operation, fault: Fault) -> Settled:
        """Somebody else wrote it first: what they have is merged into ours, and what is left of ours is sent."""
        known = self._mapping(operation)
        if known is not None:
            try:
                self._apply(*self._quickbooks.read_with_time(ENTITY_NAMES[self._entity], known.quickbooks_id))
            except Fault as gone:
                if gone.code == GONE:
                    return self._deleted_there(operation, gone)
                raise
        return _again(fault)

    def _gone(self, operation: Operation, fault: Fault) -> Settled:
        if self._entity is EntityType.INVOICE:
            return self._references(operation, fault)
        if fault.code == GONE and operation.operation == "update" and self._mapping(operation) is not None:
            return self._refreshed(operation, fault)
        return _failed(fault)

    def _references(self, operation: Operation, fault: Fault) -> Settled:
        """The customer or an item of an invoice is not in use there: it is made so, as the invoice was issued to it."""
        sent = operation.snapshot
        wanted = {EntityType.CUSTOMER: [UUID(sent["customer_id"])], EntityType.ITEM: [*map(UUID, sent["item_ids"])]}
        revived: list[Effect] = []
        for entity, local_ids in wanted.items():
            with self._scope() as connection:
                known = load_mappings(connection, self._realm_id, entity, local_ids)
            for each in known.values():
                if each.reference is not None and (document := self._revive(entity, each)) is not None:
                    revived.append(
                        self._event(
                            "REACTIVATED",
                            f"The {entity.value} {each.snapshot.get('name')} was inactive in QuickBooks and is active "
                            f"again, as invoice {sent['invoice_number']} needs it.",
                            operation,
                            document,
                            severity="warning",
                        )
                    )
        if revived:
            return Settled(Ended("again", fault), effects=tuple(revived))
        failed = reference_not_there(fault) or chosen_item_gone(self._quickbooks, sent)
        if failed is not None:
            return Settled(Ended("failed", fault), failed)
        return Settled(
            Ended("again", fault), Failed(WAITS, f"{fault} Its customer or an item is gone there.", retry=True)
        )

    def _revive(self, entity: EntityType, known: Mapped) -> Mapping[str, Any] | None:
        """Makes a record active again, under the name that it had. None: it is active, or it is no more."""
        try:
            document = self._quickbooks.read(ENTITY_NAMES[entity], known.reference or known.quickbooks_id)
        except Fault as fault:
            if fault.code == GONE:
                return None
            raise
        if document.get("Active") is not False:
            return None
        forms = known.snapshot.get("theirs") or {}
        return self._reactivated(entity, document, forms.get("name", known.snapshot.get("name")))

    def _reactivated(self, entity: EntityType, document: Mapping[str, Any], name: object) -> Mapping[str, Any]:
        change = {key: document[key] for key in ("Id", "SyncToken")}
        change |= {"sparse": True, "Active": True, RECORDS[entity].name_key: name}
        return self._quickbooks.write(RECORDS[entity].there, change, request_id=str(uuid4()), operation="update")

    def _number_in_use(self, operation: Operation, fault: Fault) -> Settled:
        sent = operation.snapshot
        found = with_number(self._quickbooks, str(sent["number"]))
        try:
            for document in found:
                if is_ours(document, operation.local_id):
                    check_match(document, operation)
                    return self._done(operation, document, adopted=True)
        except LooksLikeOurs as doubtful:
            return self._for_a_person(operation, fault, "looks_like_ours", str(doubtful), doubtful.document)
        message = (
            f"Invoice number {sent['number']} is taken in QuickBooks by something that is not ours "
            f"({fault.detail or fault.message}): give that another number, then try again."
        )
        return self._for_a_person(operation, fault, "number_in_use", message, found[0] if found else None)

    def _name_in_use(self, operation: Operation, fault: Fault) -> Settled:
        """A customer by this name is linked by the exact rule; an inactive one comes back, or ours gets a suffix."""
        entity, name, record = self._entity, sent_name(operation), RECORDS[self._entity]
        options = self._connected.options
        where = f"{record.name_key} IN ({quote(name)}, {quote(name + ' (deleted)')})"
        pages = list(self._quickbooks.query(record.there, where))
        found, asked_at = [document for page in pages for document in page.documents], pages[-1].server_time
        document: Mapping[str, Any] | None = next((each for each in found if each.get("Active") is not False), None)
        effects: tuple[Effect, ...] = ()
        if document is not None:
            self._apply(document, asked_at)
        elif found and options.inactive_name == "reactivate":
            document = self._reactivated(entity, found[0], name)
            self._apply(document, asked_at)
            message = f"{name!r} was inactive in QuickBooks and is active again."
            effects = (self._event("REACTIVATED", message, operation, document),)
        elif options.name_in_use == "suffix" and operation.local_id not in self._pushing.hints.suffixes:
            return self._suffixed(operation, fault, SUFFIX)
        else:
            message = f"{name!r} is taken in QuickBooks by a vendor, an employee or another record: rename one of them."
            return self._for_a_person(operation, fault, "name_in_use", message, None)
        if self._mapping(operation) is not None:
            return Settled(Ended("again", fault), effects=effects)
        if not effects and self._is_of_another(document) and operation.local_id not in self._pushing.hints.suffixes:
            return self._suffixed(operation, fault, f" ({self._own_key(operation.local_id)})")
        message = f"{name!r} is taken in QuickBooks (id {document['Id']}): say whether it is the same, or rename one."
        return self._for_a_person(operation, fault, "name_in_use", message, document)

    def _suffixed(self, operation: Operation, fault: Fault, suffix: str) -> Settled:
        self._pushing.hints.suffixes[operation.local_id] = suffix
        event = self._event(
            "NAME_SUFFIXED",
            f"{sent_name(operation)!r} is taken in QuickBooks: ours is sent with{suffix} appended.",
            operation,
            None,
        )
        return Settled(Ended("again", fault), effects=(event,))

    def _deactivation_refused(self, operation: Operation, fault: Fault) -> Settled:
        """It has a balance and stays active there; that is remembered as their form of inactive."""

        def remember(connection: Connection) -> None:
            known = load_mappings(connection, self._realm_id, self._entity, [operation.local_id])
            for each in known.values():
                forms = {**(each.snapshot.get("theirs") or {}), "is_active": True}
                kept = replace(each, snapshot={**each.snapshot, "is_active": False, "theirs": forms})
                save_mappings(connection, self._realm_id, self._entity, [kept])

        message = (
            f"{sent_name(operation) if 'name' in operation.snapshot else 'It'} stays active in QuickBooks: {fault}"
        )
        event = self._event("DEACTIVATION_REFUSED", message, operation, None, severity="warning")
        return Settled(Ended("again", fault), effects=(remember, event))

    def _deleted_there(self, operation: Operation, fault: Fault) -> Settled:
        message = "It was deleted in QuickBooks and is not made again."
        event = self._event("DELETED_THERE", message, operation, None, severity="warning")

        def close(connection: Connection) -> None:
            known = load_mappings(connection, self._realm_id, self._entity, [operation.local_id])
            closed = [replace(each, state="deleted") for each in known.values()]
            save_mappings(connection, self._realm_id, self._entity, closed)

        return Settled(Ended("failed", fault), Failed("DELETED_THERE", message), effects=(close, event))

    def _for_a_person(
        self, operation: Operation, fault: Fault | None, kind: str, message: str, theirs: Mapping[str, Any] | None
    ) -> Settled:
        def note(connection: Connection) -> None:
            conflicts.open_conflict(
                connection,
                self._realm_id,
                self._entity,
                kind,
                message,
                local_id=operation.local_id,
                quickbooks_id=None if theirs is None else str(theirs["Id"]),
                theirs=theirs,
            )

        return Settled(Ended("failed", fault), Failed(kind.upper(), message), effects=(note,))

    def _apply(self, document: Mapping[str, Any], read_at: datetime) -> None:
        """Merges what QuickBooks has of a record into ours, and links it by the exact rule; `read_at` by its clock."""
        kind = RECORD_KINDS[self._entity]
        with self._scope() as connection:
            applying.apply(kind, connection, self._connected, [document], [], server_time=read_at)

    def _mapping(self, operation: Operation) -> Mapped | None:
        with self._scope() as connection:
            return load_mappings(connection, self._realm_id, self._entity, [operation.local_id]).get(operation.local_id)

    def _is_of_another(self, document: Mapping[str, Any]) -> bool:
        with self._scope() as connection:
            return bool(records.mappings_of(connection, self._realm_id, self._entity, [str(document["Id"])]))

    def _own_key(self, local_id: UUID) -> str:
        with self._scope() as connection:
            return str(load_records(connection, self._entity, [local_id])[0][RECORDS[self._entity].key])

    def _event(
        self,
        code: str,
        message: str,
        operation: Operation,
        document: Mapping[str, Any] | None,
        **more: Any,
    ) -> Effect:
        def record(connection: Connection) -> None:
            record_event(
                connection,
                self._realm_id,
                code,
                message,
                entity_type=self._entity.value,
                local_id=operation.local_id,
                quickbooks_id=None if document is None else str(document["Id"]),
                **more,
            )

        return record


def record(
    connection: Connection, connected: Connected, batch: Batch, settled: Mapping[str, Settled], intuit_tid: str | None
) -> None:
    """Records what operations came to: mappings, events and the end of each, in the transaction of the connection."""
    realm, entity = connected.realm_id, batch.entity
    by_b_id = {operation.b_id: operation for operation in batch.operations}
    there = {by_b_id[b_id].local_id: each.document for b_id, each in settled.items() if each.document is not None}
    olds = load_mappings(connection, realm, entity, there) if entity is not EntityType.INVOICE else {}
    news = []
    for b_id, each in settled.items():
        operation = by_b_id[b_id]
        if each.document is not None:
            if entity is EntityType.INVOICE:
                snapshot = invoice_snapshot(each.document)
            else:
                snapshot = _snapshot_after(entity, olds.get(operation.local_id), operation, each.document)
            news.append(mapped(operation.local_id, each.document, snapshot))
    for other in save_mappings(connection, realm, entity, news):
        message = f"QuickBooks id {other.quickbooks_id} and our {entity.value} {other.local_id} are mapped differently."
        conflicts.open_conflict(
            connection,
            realm,
            entity,
            "mapped_twice",
            message,
            local_id=other.local_id,
            quickbooks_id=other.quickbooks_id,
        )
    for each in settled.values():
        for effect in each.effects:
            effect(connection)
    end_operations(connection, batch, {b_id: each.ended for b_id, each in settled.items()}, intuit_tid=intuit_tid)
    if news and entity is not EntityType.INVOICE:
        connection.execute(
            text("select work.make_due(:kind, '{WAITS_FOR_OTHERS}')"), {"kind": KINDS[EntityType.INVOICE]}
        )


def _snapshot_after(
    entity: EntityType, old: Mapped | None, operation: Operation, document: Mapping[str, Any]
) -> dict[str, Any]:
    """The base of the next merge: ours of the fields that were sent, with the form that QuickBooks has of them."""
    sent = {field: value for field, value in operation.snapshot.items() if field != "theirs"}
    forms = dict(operation.snapshot.get("theirs") or {})
    answered = RECORDS[entity].fields_of(document)
    forms |= {field: answered[field] for field in sent if field in answered and answered[field] != sent[field]}
    before = {} if old is None else dict(old.snapshot)
    kept = {field: form for field, form in (before.pop("theirs", None) or {}).items() if field not in sent}
    if entity is EntityType.CUSTOMER:
        before = {key: value for key, value in before.items() if key != "carried"} | kept_of(document)
    snapshot = {**before, **sent}
    if kept | forms:
        snapshot["theirs"] = {**kept, **forms}
    return snapshot


def _again(fault: Fault | None) -> Settled:
    return Settled(Ended("again", fault))


def _failed(fault: Fault) -> Settled:
    code = f"QBO_{fault.code}" if fault.code.isalnum() else f"QBO_{fault.kind.value.upper()}"
    return Settled(Ended("failed", fault), Failed(code.upper(), str(fault)))
