"""The books of one company while something is done with them: finding, adding and changing documents, their
SyncTokens and times, and the balances that follow. The rules of each kind of document are in `names` to `payments`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from invoice_pipelines.workshop.sandbox.quickbooks.books.companies import Company
from invoice_pipelines.workshop.sandbox.quickbooks.clock import stamp
from invoice_pipelines.workshop.sandbox.quickbooks.store import Row, Store
from invoice_pipelines.workshop.sandbox.quickbooks.switches import Switches
from invoice_pipelines.workshop.sandbox.quickbooks.wire import refusals
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document

TRANSACTIONS = ("Invoice", "Payment", "CreditMemo", "RefundReceipt", "Purchase", "JournalEntry", "Deposit")
NAMES = ("Customer", "Vendor", "Employee")
CENT = Decimal("0.01")


@dataclass
class Books:
    """A company at an instant."""

    store: Store
    realm: str
    company: Company
    switches: Switches
    now: datetime
    hidden: set[tuple[str, int]] = field(default_factory=set)
    """What was made in the same batch: it exists, but cannot be referred to yet."""
    allow_duplicate_number: bool = False
    by_hand: bool = False
    """Whether somebody works in QuickBooks itself: its pages fill in what the API asks for."""

    @property
    def second(self) -> int:
        """The instant, as documents have it."""
        return int(self.now.timestamp())

    def row(self, entity: str, identity: object) -> Row:
        """A document that is there; raises Refusal 2030 or 610."""
        row = self.store.get(self.realm, entity, _number(identity))
        if row is None or row.deleted:
            raise refusals.not_found()
        return row

    def get(self, entity: str, identity: object) -> Document:
        """As `row`, read."""
        return self.row(entity, identity).document

    def referred(self, entity: str, reference: Any, element: str) -> Document:
        """The document that a reference leads to; raises Refusal 2500."""
        value = reference.get("value") if isinstance(reference, dict) else None
        text = str(value) if value is not None else ""
        if not text.isascii() or not text.isdigit() or (entity, int(text)) in self.hidden:
            raise refusals.bad_reference(f"{entity}s", value, element)
        row = self.store.get(self.realm, entity, int(text))
        if row is None or row.deleted:
            raise refusals.bad_reference(f"{entity}s", value, element)
        return row.document

    def add(self, entity: str, document: Document) -> Document:
        """Gives a new document its id, token and times, and stores it."""
        sequence = "transaction" if entity in TRANSACTIONS else "name" if entity in NAMES else entity
        identity = self.store.next_id(self.realm, sequence)
        at = stamp(self.second)
        stored = {
            **document,
            "domain": "QBO",
            "sparse": False,
            "Id": str(identity),
            "SyncToken": "0",
            "MetaData": {"CreateTime": at, "LastUpdatedTime": at},
        }
        self._put(entity, stored)
        self._move_balance(entity, None, stored)
        self.hidden.add((entity, identity))
        return stored

    def change(self, entity: str, old: Document, document: Document) -> Document:
        """Stores what became of a document, with the next token and the time."""
        stored = {
            **document,
            "domain": "QBO",
            "sparse": False,
            "Id": old["Id"],
            "SyncToken": str(int(old["SyncToken"]) + 1),
            "MetaData": {"CreateTime": old["MetaData"]["CreateTime"], "LastUpdatedTime": stamp(self.second)},
        }
        self._put(entity, stored)
        self._move_balance(entity, old, stored)
        return stored

    def touch(self, entity: str, document: Document) -> None:
        """Stores what follows from other documents: the time moves, the token does not."""
        times = {**document["MetaData"], "LastUpdatedTime": stamp(self.second)}
        self._put(entity, {**document, "MetaData": times})

    def remove(self, entity: str, old: Document) -> None:
        """Leaves a tombstone."""
        self.store.bury(self.realm, entity, int(old["Id"]), self.second)
        self._move_balance(entity, old, None)

    def name_key(self, name: str) -> str:
        """Equal for names that count as the same."""
        name = name.strip() if self.switches.names_trimmed else name
        return name.casefold() if self.switches.names_ignore_case else name

    def _put(self, entity: str, document: Document, updated: int | None = None) -> None:
        name = document.get("DisplayName") if entity in NAMES else document.get("Name") if entity == "Item" else None
        key = None if name is None else self.name_key(str(name))
        self.store.put(self.realm, entity, document, self.second if updated is None else updated, key)

    def _move_balance(self, entity: str, old: Document | None, new: Document | None) -> None:
        """What customers owe follows each transaction."""
        moves: dict[str, Decimal] = {}
        for document, sign in ((old, -1), (new, 1)):
            if document is not None and (owed := _owed(entity, document)) and "CustomerRef" in document:
                customer = str(document["CustomerRef"]["value"])
                moves[customer] = moves.get(customer, Decimal(0)) + sign * owed
        for customer, move in moves.items():
            row = self.store.get(self.realm, "Customer", int(customer))
            if move and row is not None and not row.deleted:
                stored = row.document
                stored["Balance"] = stored["BalanceWithJobs"] = Decimal(stored["Balance"]) + move
                if self.switches.balance_moves_customer:
                    stored["MetaData"]["LastUpdatedTime"] = stamp(self.second)
                self._put("Customer", stored, None if self.switches.balance_moves_customer else row.updated)


def _owed(entity: str, document: Document) -> Decimal:
    if entity == "Invoice":
        return Decimal(document["Balance"])
    if entity == "Payment":
        return -Decimal(document["UnappliedAmt"])
    if entity == "CreditMemo":
        return -Decimal(document["RemainingCredit"])
    return Decimal(0)


def _number(identity: object) -> int:
    text = str(identity)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise refusals.bad_id(identity)
    return int(text)


def amount_of(value: object, element: str) -> Decimal:
    """An amount as sent: a number, or its text as some libraries write it; raises Refusal 2110."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise refusals.bad_number(element, value)
    try:
        amount = Decimal(value)
    except ArithmeticError:
        raise refusals.bad_number(element, value) from None
    if not amount.is_finite() or len(amount.as_tuple().digits) > 15 + 5 or abs(amount) >= Decimal(10) ** 15:
        raise refusals.bad_number(element, value)
    return amount


def without_blanks(value: Any) -> Any:
    """A value without what is not set: None, empty texts, and objects without anything in them."""
    if isinstance(value, dict):
        kept = {key: without_blanks(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one is not None and one != "" and one != {}}
    if isinstance(value, list):
        return [without_blanks(one) for one in value]
    return value
