"""The words of the sync that every part of it uses: entities, kinds of work, what became of what was read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class EntityType(StrEnum):
    """What is synced, by our name for it. The order is that in which a push sends them: what others refer to first."""

    CUSTOMER = "customer"
    ITEM = "item"
    INVOICE = "invoice"
    PAYMENT = "payment"

    @property
    def plural(self) -> str:
        """As people name it."""
        return f"{self}s"


KINDS = {
    EntityType.CUSTOMER: "quickbooks_push_customer",
    EntityType.ITEM: "quickbooks_push_item",
    EntityType.INVOICE: "quickbooks_push_invoice",
}
"""Kinds of work: the subject is the id of a record here, and an entry says "look at it"."""


PULL = "quickbooks_pull"
"""Kind of the work of reading what was changed there: the subject is an entity."""


class TransactionType(StrEnum):
    """The documents of QuickBooks that say what was paid, by our names for them."""

    PAYMENT = "payment"
    CREDIT_MEMO = "credit_memo"
    REFUND_RECEIPT = "refund_receipt"


TRANSACTION_TYPES = {
    "Payment": TransactionType.PAYMENT,
    "CreditMemo": TransactionType.CREDIT_MEMO,
    "RefundReceipt": TransactionType.REFUND_RECEIPT,
}
"""By QuickBooks' names for them, in the order in which they are read."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is left of a document that was deleted in QuickBooks."""

    quickbooks_id: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of documents that were read: how many records they made or changed here, and what did not fit.

    `waiting` were kept and are looked at again with each pull; `skipped` concern nothing of ours.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    conflicts: int = 0
    waiting: int = 0
    quarantined: int = 0
    skipped: int = 0

    def __add__(self, other: Applied) -> Applied:
        return Applied(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def as_json(value: Any) -> str:
    """JSON for the database: decimals, instants and ids as texts."""
    return json.dumps(value, default=str, ensure_ascii=False)
