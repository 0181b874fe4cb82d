"""How payments, credit memos and refunds of QuickBooks are kept, and booked on our invoices.

What was read is kept whole in quickbooks.payment; billing gets what concerns our invoices and customers. QuickBooks is
the truth of it: each version is booked as it is now, and billing finds the difference. How a document is read is in
`payment_documents`.

A payment for an invoice that is not mapped is for somebody else's invoice, or for one of ours whose mapping is not
stored yet: then it waits, and is looked at again with each pull. When a mapping comes later than that, the payments
that are for it wait again (see `payments.sql`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.billing.payments import (
    Anomaly,
    AnomalyCode,
    Payment,
    PaymentKind,
    PaymentStatus,
    known_payments,
    settle,
)
from invoice_pipelines.quickbooks.events import Event, Severity, record_events
from invoice_pipelines.quickbooks.payments.documents import (
    Booking,
    Transaction,
    UnreadableDocument,
    bookings,
    invoices_of,
    read_transaction,
    unknown_links,
)
from invoice_pipelines.quickbooks.records.documents import is_older
from invoice_pipelines.quickbooks.values import Applied, EntityType, TransactionType, as_json

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.connection.connections import Connected
    from invoice_pipelines.quickbooks.values import Deleted

SOURCE = "quickbooks"
WAITING_AT_ONCE = 5_000
"""How many waiting payments a pull looks at again; those that it does not come to are the first of the next."""

_ANOMALIES: Mapping[AnomalyCode, tuple[str, Severity, str]] = {
    AnomalyCode.OVERPAID: ("PAYMENT_OVERPAID", "info", "which was paid already: what is too much does not count"),
    AnomalyCode.INVOICE_VOID: ("PAYMENT_OF_VOID_INVOICE", "warning", "which is void here: it does not count"),
    AnomalyCode.NOT_AN_INVOICE: ("PAYMENT_OF_CREDIT_NOTE", "warning", "which is a credit note: it does not count"),
    AnomalyCode.CURRENCY_DIFFERS: (
        "PAYMENT_CURRENCY_DIFFERS",
        "warning",
        "which is in another currency: it does not count",
    ),
}


@dataclass(frozen=True, slots=True)
class _Change:
    """A transaction as it is now, and what was kept of it until now."""

    now: Transaction
    before: Mapping[str, Any] | None


@dataclass(slots=True)
class _Books:
    """What a chunk comes to: payments of ours with the transaction of each, and what waits or is not ours.

    `invoices` and `customers` are ours by their ids there; `may_come`: a mapping that is missing may be on its way.
    """

    connected: Connected
    invoices: Mapping[str, UUID] = field(default_factory=dict)
    customers: Mapping[str, UUID] = field(default_factory=dict)
    on_record: set[str] = field(default_factory=set)
    may_come: bool = False
    payments: list[Payment] = field(default_factory=list)
    changes: list[_Change] = field(default_factory=list)
    waiting: set[tuple[TransactionType, str]] = field(default_factory=set)
    unmapped: dict[str, list[str]] = field(default_factory=dict)
    skipped: int = 0

    def external_id(self, transaction: Transaction, booking: Booking) -> str:
        """By which billing knows the payment."""
        parts = (self.connected.realm_id, *transaction.key, booking.key)
        return ":".join(part for part in parts if part)

    def add(self, change: _Change, booking: Booking) -> None:
        """Adds a booking, as far as it is ours."""
        transaction = change.now
        customer = transaction.content["customer"]
        ours = {self.invoices[there]: amount for there, amount in booking.invoices.items() if there in self.invoices}
        theirs = [there for there in booking.invoices if there not in self.invoices]
        external_id = self.external_id(transaction, booking)
        is_active = booking.status is PaymentStatus.ACTIVE
        if is_active and theirs:
            self.unmapped.setdefault(transaction.quickbooks_id, []).extend(theirs)
            if self.may_come:
                self.waiting.add(transaction.key)
            else:
                self.skipped += len(theirs)
        concerns_us = bool(ours) or external_id in self.on_record
        if not concerns_us and not booking.invoices and customer is not None:
            concerns_us = customer in self.customers
            if is_active and not concerns_us:
                self.waiting.add(transaction.key)
        if concerns_us:
            self.changes.append(change)
            self.payments.append(
                Payment(
                    SOURCE,
                    booking.kind,
                    booking.date,
                    booking.currency or self.connected.company.home_currency,
                    booking.amount,
                    booking.status,
                    external_id=external_id,
                    customer_id=self.customers.get(customer),
                    unapplied_amount=booking.unapplied,
                    reference=booking.reference,
                    allocations={} if booking.kind is PaymentKind.REFUND else ours,
                )
            )


def apply(
    connection: Connection,
    connected: Connected,
    transaction_type: TransactionType,
    documents: Sequence[Mapping[str, Any]],
    deleted: Sequence[Deleted],
    *,
    server_time: datetime,
) -> Applied:
    """Keeps what was read and books it, in the transaction of the connection; doing it again changes nothing.

    Counted are documents and deletions, but for `skipped`: lines that are for invoices which are not ours. What waits
    is booked as far as that is possible, and counted by `apply_waiting`, which ends each pull. A document that cannot
    be read is quarantined: an event says which and why.
    """
    realm = connected.realm_id
    _take_turn(connection)
    read, events = _read(transaction_type, documents)
    gone = {tombstone.quickbooks_id: tombstone.at for tombstone in deleted}
    known = _known(connection, realm, transaction_type, read.keys() | gone.keys())

    changes: list[_Change] = []
    created, unchanged = 0, []
    for quickbooks_id, transaction in read.items():
        stored = known.get(quickbooks_id)
        if quickbooks_id in gone:
            continue
        if stored is not None and not _is_news(transaction, stored, server_time):
            unchanged.append(quickbooks_id)
            continue
        created += stored is None
        changes.append(_Change(transaction, None if stored is None else stored.content))
    for quickbooks_id, at in gone.items():
        stored = known.get(quickbooks_id)
        if stored is not None and stored.state is not PaymentStatus.DELETED:
            tombstone = replace(stored, state=PaymentStatus.DELETED, remote_updated_at=at or server_time)
            changes.append(_Change(tombstone, stored.content))
    events += _unknown(changes)
    booked = _book(connection, connected, changes, events, are_seen=True)
    if unchanged:
        connection.execute(
            text("select quickbooks.note_seen_payments(:realm, :type, :ids)"),
            {"realm": realm, "type": str(transaction_type), "ids": unchanged},
        )
    return replace(
        booked,
        waiting=0,
        created=created,
        updated=len(changes) - created,
        unchanged=len(read) + len(gone) - len(read.keys() & gone.keys()) - len(changes),
        quarantined=len(documents) - len(read) - _repeated(documents, read),
    )


def apply_waiting(connection: Connection, connected: Connected) -> Applied:
    """Books what waited for the mapping of an invoice or a customer that is there now, up to WAITING_AT_ONCE of it.

    `waiting` is how many of those still wait.
    """
    _take_turn(connection)
    rows = connection.execute(
        text("select * from quickbooks.waiting_payments(:realm, :most)"),
        {"realm": connected.realm_id, "most": WAITING_AT_ONCE},
    )
    changes = [_Change(stored, stored.content) for stored in map(_stored, rows)]
    booked = _book(connection, connected, changes, [], are_seen=False)
    return replace(booked, updated=len(changes) - booked.waiting)


def _take_turn(connection: Connection) -> None:
    """Two pulls of one organization must not book two versions of a payment at the same time."""
    connection.execute(
        text(
            """select pg_advisory_xact_lock(hashtextextended(
                   'quickbooks payments ' || organizations.current(), 0))"""
        )
    )


def _read(
    transaction_type: TransactionType, documents: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, Transaction], list[Event]]:
    """The newest version of each document, and an event for each that cannot be read."""
    read: dict[str, Transaction] = {}
    events = []
    for document in documents:
        try:
            transaction = read_transaction(transaction_type, document)
        except UnreadableDocument as problem:
            quickbooks_id = str(document.get("Id") or "")
            message = f"{_name(transaction_type)} {quickbooks_id or 'without id'} cannot be read: {problem}."
            events.append(
                Event(
                    "PAYMENT_UNREADABLE",
                    message,
                    "error",
                    EntityType.PAYMENT,
                    quickbooks_id=quickbooks_id or None,
                    detail={"transaction_type": str(transaction_type)},
                )
            )
            continue
        other = read.get(transaction.quickbooks_id)
        if other is None or not is_older(transaction.sync_token, other.sync_token):
            read[transaction.quickbooks_id] = transaction
    return read, events


def _repeated(documents: Sequence[Mapping[str, Any]], read: Mapping[str, Transaction]) -> int:
    """How many documents are earlier versions of others that were read with them."""
    return sum(str(document.get("Id")) in read for document in documents) - len(read)


def _is_news(transaction: Transaction, stored: Transaction, server_time: datetime) -> bool:
    if stored.state is PaymentStatus.DELETED:  # an answer that is older than the deletion does not bring it back
        return stored.remote_updated_at is not None and server_time > stored.remote_updated_at
    if is_older(transaction.sync_token, stored.sync_token):
        return False
    return (transaction.state, transaction.content) != (stored.state, stored.content)


def _known(
    connection: Connection, realm: str, transaction_type: TransactionType, quickbooks_ids: Iterable[str]
) -> dict[str, Transaction]:
    rows = connection.execute(
        text("select * from quickbooks.known_payments(:realm, :type, :ids)"),
        {"realm": realm, "type": str(transaction_type), "ids": sorted(quickbooks_ids)},
    )
    return {row.quickbooks_id: _stored(row) for row in rows}


def _stored(row: Any) -> Transaction:
    return Transaction(
        TransactionType(row.transaction_type),
        row.quickbooks_id,
        row.sync_token,
        PaymentStatus(row.state),
        row.content,
        row.remote_updated_at,
    )


def _book(
    connection: Connection,
    connected: Connected,
    changes: Sequence[_Change],
    events: list[Event],
    *,
    are_seen: bool,
) -> Applied:
    """Settles invoices, keeps the transactions, and tells of what does not fit; a fixed number of statements."""
    realm = connected.realm_id
    books = _Books(connected)
    if changes:
        of_invoices = {there for change in changes for there in invoices_of(change.now.content)}
        of_customers = {there for change in changes if (there := change.now.content["customer"])}
        books.invoices, books.may_come = _mapped(connection, realm, EntityType.INVOICE, of_invoices)
        books.customers, _ = _mapped(connection, realm, EntityType.CUSTOMER, of_customers)
        found = [(change, booking) for change in changes for booking in bookings(change.now, change.before)]
        external_ids = [books.external_id(change.now, booking) for change, booking in found]
        books.on_record = known_payments(connection, SOURCE, external_ids)
        for change, booking in found:
            books.add(change, booking)
        settled = settle(connection, books.payments, recorded_by=SOURCE)
        events += _anomalies(connection, settled.anomalies, books)
        _keep(connection, realm, changes, books, are_seen)
    record_events(connection, realm, events)
    return Applied(waiting=len(books.waiting), skipped=books.skipped)


def _mapped(
    connection: Connection, realm: str, entity: EntityType, quickbooks_ids: Iterable[str]
) -> tuple[dict[str, UUID], bool]:
    """Our records by their ids in QuickBooks, and whether a mapping of one that is missing may be on its way."""
    rows = connection.execute(
        text("select * from quickbooks.mapped_ids(:realm, :entity, :ids)"),
        {"realm": realm, "entity": str(entity), "ids": sorted(quickbooks_ids)},
    ).all()
    return {row.quickbooks_id: row.local_id for row in rows if row.local_id}, any(row.may_come for row in rows)


def _keep(connection: Connection, realm: str, changes: Sequence[_Change], books: _Books, are_seen: bool) -> None:
    kept = [
        asdict(change.now)
        | {
            "applied": change.now.key not in books.waiting,
            "unmapped": sorted(set(books.unmapped.get(change.now.quickbooks_id, ()))),
        }
        for change in changes
    ]
    connection.execute(
        text("select quickbooks.keep_payments(:realm, cast(:transactions as jsonb), :are_seen)"),
        {"realm": realm, "transactions": as_json(kept), "are_seen": are_seen},
    )


def _unknown(changes: Sequence[_Change]) -> list[Event]:
    """An event for each link to something that is not known here; the amounts tell whether it is a credit."""
    return [
        Event(
            "PAYMENT_LINK_UNKNOWN",
            f"{_name(change.now.transaction_type)} {change.now.quickbooks_id} is linked to {kind or 'something'} "
            f"{identity} with {amount}, which is unknown here. It counts as a credit where the other amounts leave "
            "room for one: compare what is paid of its invoices.",
            "warning",
            EntityType.PAYMENT,
            quickbooks_id=change.now.quickbooks_id,
            detail={"kind": kind, "id": identity, "amount": amount},
        )
        for change in changes
        for kind, identity, amount in unknown_links(change.now.content)
    ]


def _anomalies(connection: Connection, anomalies: Sequence[Anomaly], books: _Books) -> list[Event]:
    if not anomalies:
        return []
    numbers: dict[UUID, str] = {
        row.id: row.invoice_number
        for row in connection.execute(
            text(
                """select invoice_id as id, invoice_number from billing.invoice_numbers
                   where organization_id = organizations.current() and invoice_id = any(cast(:ids as uuid[]))"""
            ),
            {"ids": sorted({anomaly.invoice_id for anomaly in anomalies})},
        )
    }
    events = []
    for anomaly in anomalies:
        code, severity, consequence = _ANOMALIES[anomaly.code]
        payment, transaction = books.payments[anomaly.payment], books.changes[anomaly.payment].now
        amount: Decimal = payment.allocations[anomaly.invoice_id]
        events.append(
            Event(
                code,
                f"Payment {transaction.quickbooks_id} of QuickBooks has {amount} {payment.currency} for invoice "
                f"{numbers.get(anomaly.invoice_id, anomaly.invoice_id)}, {consequence}.",
                severity,
                EntityType.PAYMENT,
                local_id=anomaly.invoice_id,
                quickbooks_id=transaction.quickbooks_id,
                detail={"amount": amount, "currency": payment.currency, "invoice_id": anomaly.invoice_id},
            )
        )
    return events


def _name(transaction_type: TransactionType) -> str:
    return transaction_type.replace("_", " ").capitalize()
